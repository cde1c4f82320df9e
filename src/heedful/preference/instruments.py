"""The votes of one instrument as integer arrays over item indices, and all that a table says on one criterion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, decode_parts

Indices = NDArray[np.intp]
STEPS = "steps"


@dataclass(frozen=True)
class Comparisons:
    """Votes on pairs. One entry per vote, two for a soft vote or a tie that counts as half a win each.

    `row` [v] is the table row, `first` and `second` [v] item indices, `outcome` [v] the signed degree: positive where
    the first won, negative where the second did, 0 for a tie; 1 where no degree was given. `weight` [v] is 1 but for
    split votes.
    """

    row: Indices
    first: Indices
    second: Indices
    outcome: Floats
    weight: Floats


@dataclass(frozen=True)
class Selections:
    """Choices from sets: stage s takes the `chosen` members (several where they tie) out of its `members`.

    `row` [s]; `members` [s, k] item indices, -1 where a set is smaller than k; `chosen` [s, k]. `sign` [s] is 1 where
    the best is taken and −1 where the worst is, by the negative utilities (None: all 1).
    """

    row: Indices
    members: Indices
    chosen: NDArray[np.bool_]
    sign: Floats | None = None

    @property
    def signs(self) -> Floats:
        return np.ones(len(self.row)) if self.sign is None else self.sign


@dataclass(frozen=True)
class Grades:
    """Values on a scale, 1.0 and 0.0 for yes and no: `row`, `item`, `value` and `weight` (None: all 1) of each [v].

    `rater` [v] numbers who gave each, -1 where that is not known; None where raters are not told apart.
    """

    row: Indices
    item: Indices
    value: Floats
    weight: Floats | None = None
    rater: Indices | None = None


Instrument = Comparisons | Selections | Grades


@dataclass(frozen=True)
class Observations:
    """What a table says about one criterion.

    `names` [n] are the keys of the items judged and `contents` [n] their encoded (context, output) where items are told
    apart by content. `instruments` maps a name to its votes; votes of one instrument share its nuisance parameters.
    `excluded` counts the records that are kept in the table but not used, by reason; `by_choice` those of which the
    choice is used and the degree is not. `judged` maps the instruments of judges that are read apart to the judge.
    `raters` are the names of those who graded, by number.
    """

    names: tuple[str, ...]
    contents: tuple[tuple[str, str], ...] | None
    instruments: dict[str, Instrument]
    excluded: dict[str, int] = field(default_factory=dict)
    by_choice: dict[str, int] = field(default_factory=dict)
    judged: dict[str, str] = field(default_factory=dict)
    raters: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> Indices:
        """The table rows used, ascending."""
        return distinct([votes.row for votes in self.instruments.values()])

    def without_judges(self, reason: str) -> Observations:
        """The votes of people alone; those of judges are counted as excluded."""
        left = {kind: votes for kind, votes in self.instruments.items() if kind not in self.judged}
        count = len(self.judged_rows)
        return replace(self, instruments=left, judged={}, excluded=self.excluded | {reason: count})

    def without_raters(self) -> Observations:
        """The same votes, with raters not told apart."""
        instruments = {
            kind: replace(votes, rater=None) if isinstance(votes, Grades) else votes
            for kind, votes in self.instruments.items()
        }
        return replace(self, instruments=instruments, raters=())

    @property
    def weights(self) -> Floats | None:
        """What each table row counts for, up to the last one used; None where all count alike."""
        weighted = [own for own in self.instruments.values() if isinstance(own, Grades) and own.weight is not None]
        if not weighted:
            return None
        weight = np.ones(int(self.rows.max(initial=-1)) + 1)
        for own in weighted:
            weight[own.row] = own.weight
        return weight

    @property
    def judged_rows(self) -> Indices:
        """The table rows of judges that are read apart."""
        return distinct([votes.row for kind, votes in self.instruments.items() if kind in self.judged])

    @property
    def by_records(self) -> bool:
        """Whether the variance is the records' to tell: votes are weighted (shares, half ties, propensities), or one
        record holds several votes (steps)."""
        return STEPS in self.instruments or any(is_weighted(votes) for votes in self.instruments.values())

    def items(self) -> tuple[Item, ...]:
        """The items told apart by content."""
        return tuple(
            Item(decode_parts(context, "world"), decode_parts(output, "system"))
            for context, output in self.contents or ()
        )


def distinct(parts: Sequence[Indices]) -> Indices:
    """The distinct non-negative numbers in some arrays, ascending."""
    seen = np.zeros(max((int(part.max(initial=-1)) for part in parts), default=-1) + 1, bool)
    for part in parts:
        seen[part] = True
    return np.flatnonzero(seen)


def judgements(observations: Observations) -> Floats:
    """How many judgements each item is in [n]."""
    n = len(observations.names)
    total = np.zeros(n)
    for votes in observations.instruments.values():
        if isinstance(votes, Comparisons):
            total += np.bincount(votes.first, votes.weight, n) + np.bincount(votes.second, votes.weight, n)
        elif isinstance(votes, Selections):
            row, member = np.repeat(votes.row, votes.members.shape[1]), votes.members.ravel()
            _, item = np.unique(np.stack([row, member])[:, member >= 0], axis=1)
            total += np.bincount(item, minlength=n)
        else:
            total += np.bincount(votes.item, minlength=n)
    return total


_BY_JUDGE = ", judged by "


def judged_kind(kind: str, judge: str) -> str:
    """The name of an instrument of a judge that is read apart."""
    return f"{kind}{_BY_JUDGE}{judge}"


def sort_of(kind: str) -> tuple[str, str]:
    """What sort of votes an instrument holds, and the judge that it is of ("": people)."""
    sort, _, judge = kind.partition(_BY_JUDGE)
    return sort, judge


def paced_kind(kind: str, pace: str) -> str:
    """The name of the instrument of votes that were answered faster or slower than is usual for their rater."""
    return f"{kind}, answered {pace}"


def is_weighted(votes: Instrument) -> bool:
    weight = None if isinstance(votes, Selections) else votes.weight
    return weight is not None and bool((weight != 1).any())


_ITEM_FIELDS: Mapping[type, tuple[str, ...]] = {
    Comparisons: ("first", "second"),
    Selections: ("members",),
    Grades: ("item",),
}


def item_arrays(instrument: Instrument) -> dict[str, Indices]:
    return {name: getattr(instrument, name) for name in _ITEM_FIELDS[type(instrument)]}


def taken(instrument: Instrument, votes: NDArray[np.bool_]) -> Instrument:
    """Some votes of an instrument."""
    held = {own.name: getattr(instrument, own.name) for own in fields(instrument)}
    changes: dict[str, Any] = {name: None if values is None else values[votes] for name, values in held.items()}
    return replace(instrument, **changes)


def renumbered(instrument: Instrument, new: Indices) -> Instrument:
    with_none = np.append(new, -1)
    changes: dict[str, Any] = {name: with_none[index] for name, index in item_arrays(instrument).items()}
    return replace(instrument, **changes)
