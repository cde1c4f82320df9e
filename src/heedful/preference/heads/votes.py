"""Judgements of the rows of a design: what every head is fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Finding, Floats, InputError
from heedful.preference.grades import Scale
from heedful.preference.heads.checks import rows_of, whole
from heedful.preference.instruments import is_weighted
from heedful.preference.likelihoods import Likelihood
from heedful.preference.observations import Comparisons, Grades, Indices, Observations
from heedful.preference.pairs import Pairs
from heedful.preference.sandwich import Clusters

_EQUAL_LENGTHS = "give arrays of one dimension and equal length"
_ONE_ROW = "give a design with one row of features for each output that votes name"


@dataclass(frozen=True)
class Ratings:
    """Values on one scale: design row `item`, `value`, and the `group` each belongs to [r]."""

    item: Indices
    value: Floats
    group: Indices

    @property
    def standard(self) -> Floats:
        """The values less their mean, in units of their standard deviation [r]."""
        return np.asarray((self.value - self.value.mean()) / (self.value.std() or 1.0))

    def checked(self, name: str) -> Ratings:
        """Themselves, as arrays. Raises InputError where lengths differ, or entries are not rows, finite, whole."""
        where = f"Votes.ratings[{name!r}]"
        value = np.asarray(self.value, np.float64)
        made = Ratings(rows_of(self.item, where), value, whole(self.group, where))
        if value.ndim != 1 or any(column.shape != value.shape for column in (made.item, made.group)):
            raise InputError("every column of ratings has one entry per rating", where=where, fix=_EQUAL_LENGTHS)
        if not np.isfinite(value).all():
            raise InputError("ratings are finite numbers", where=where, fix="leave out ratings that are missing")
        return made


@dataclass(frozen=True)
class Votes:
    """Comparisons [v] of design rows `first` and `second`, and `ratings` by the name of their scale.

    `share` is the share of voters for the first: 1 where the first won, 0 where the second did, between for a soft
    label; a `tied` vote is a tie whatever its share. `weight` multiplies a vote's log-likelihood. A vote with a
    `margin` (nats) asks that the winner lead by as much more: log P(winner) is taken at the difference less the margin.
    Votes of one `group` (a context) are held out together. Where votes are numbered, ratings follow the comparisons.
    """

    first: Indices
    second: Indices
    share: Floats
    tied: NDArray[np.bool_]
    weight: Floats
    margin: Floats
    group: Indices
    ratings: Mapping[str, Ratings] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        first: ArrayLike,
        second: ArrayLike,
        share: ArrayLike,
        *,
        tied: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        margin: ArrayLike | None = None,
        group: ArrayLike | None = None,
        ratings: Mapping[str, Ratings] | None = None,
    ) -> Votes:
        """Votes that are untied, of weight 1, without margin, each a group by itself, unless given otherwise.

        Raises InputError where lengths differ, rows are no whole numbers from 0 or one is compared with itself, shares
        lie outside [0, 1], weights are negative or infinite, or margins or ratings are not finite.
        """
        made = cls(
            rows_of(first, "first"),
            rows_of(second, "second"),
            np.asarray(share, np.float64),
            np.zeros(np.shape(first), bool) if tied is None else np.asarray(tied, bool),
            np.ones(np.shape(first)) if weight is None else np.asarray(weight, np.float64),
            np.zeros(np.shape(first)) if margin is None else np.asarray(margin, np.float64),
            np.arange(np.size(first)) if group is None else whole(group, "group"),
            {name: own.checked(name) for name, own in (ratings or {}).items()},
        )
        _check_columns(made)
        return made

    @classmethod
    def read(cls, observations: Observations, groups: Indices, *, findings: list[Finding] | None = None) -> Votes:
        """The comparisons, ratings and labels of a table; `groups` are codes of its rows (contexts).

        Degrees are read by their choice alone, choices from sets and votes weighted by propensities not at all: all are
        reported as findings.
        """
        pairs = [votes for votes in observations.instruments.values() if isinstance(votes, Comparisons)]
        every = {name: votes for name, votes in observations.instruments.items() if isinstance(votes, Grades)}
        grades = {name: votes for name, votes in every.items() if not is_weighted(votes)}
        rows, first, second, outcome, weight = (
            np.concatenate([getattr(votes, name) for votes in pairs] or [np.zeros(0)])
            for name in ("row", "first", "second", "outcome", "weight")
        )
        unread = [name for name in observations.instruments if name not in every]
        weighted = sum(len(every[name].row) for name in every.keys() - grades.keys())
        if findings is not None and weighted:
            message = f"{weighted:,} votes weighted by propensities are not used: this head reads plain ones."
            fix = "Use the linear utility."
            findings.append(Finding("heads.propensities_unread", "warning", message, fix, weighted))
        sets = sum(
            len(votes.row) for votes in observations.instruments.values() if not isinstance(votes, Comparisons | Grades)
        )
        if findings is not None and sets:
            message = f"{sets:,} choices from sets are not used: this head reads comparisons, ratings and labels."
            findings.append(Finding("heads.sets_unread", "warning", message, "Use the linear utility.", sets))
        degrees = int((np.abs(outcome) > 1).sum())
        if findings is not None and degrees:
            message = f"{degrees:,} comparisons have a degree that is not used, only who won ({', '.join(unread)})."
            findings.append(Finding("heads.degrees_unread", "note", message, count=degrees))
        return cls.of(
            first,
            second,
            (outcome > 0).astype(np.float64),
            tied=outcome == 0,
            weight=weight,
            group=groups[rows.astype(np.intp)],
            ratings={name: Ratings(own.item, own.value, groups[own.row]) for name, own in grades.items()},
        )

    @cached_property
    def groups(self) -> Indices:
        """The group of every vote: of the comparisons, then of the ratings."""
        return np.concatenate([self.group, *(own.group for own in self.ratings.values())])

    def __len__(self) -> int:
        return len(self.groups)

    @classmethod
    def rated(cls, **scales: Ratings) -> Votes:
        """Ratings alone, by the name of their scale. Raises InputError as `of`."""
        return cls.of([], [], [], ratings=scales)

    def take(self, kept: NDArray[np.bool_]) -> Votes:
        """The votes where `kept` [len] is true, in the same order."""
        v = len(self.first)
        names = ("first", "second", "share", "tied", "weight", "margin", "group")
        columns = {name: getattr(self, name)[kept[:v]] for name in names}
        ratings, start = {}, v
        for name, own in self.ratings.items():
            mine = kept[start : start + len(own.item)]
            start += len(own.item)
            if mine.any():
                ratings[name] = Ratings(own.item[mine], own.value[mine], own.group[mine])
        return Votes(**columns, ratings=ratings)

    def compact(self, design: Floats) -> tuple[Floats, Votes]:
        """The rows of a design [n, d] that some vote is about, and the votes on them. Raises InputError as `check`."""
        self.check(design)
        rows = self._all_rows()
        used, place = np.unique(np.concatenate(rows), return_inverse=True)
        first, second, *items = np.split(place, np.cumsum([len(own) for own in rows])[:-1])
        ratings = {name: replace(own, item=item) for (name, own), item in zip(self.ratings.items(), items, strict=True)}
        return design[used], replace(self, first=first, second=second, ratings=ratings)

    def likelihoods(self, n: int) -> tuple[Likelihood, ...]:
        """Davidson's model of the comparisons and cumulative logits of the ratings, over the n rows of a design.

        Raises InputError where a vote is about a row beyond n, and where votes have margins, which are no part of a
        likelihood.
        """
        self._check_rows(n)
        if self.margin.any():
            raise InputError(
                "margins change the loss, not the likelihood",
                where="Votes.margin",
                fix="use a head trained by loss (Networks), or soft labels (share) in place of margins",
            )
        built: list[Likelihood | None] = []
        if len(self.first):
            built.append(Pairs.of("comparison", self._entries(), n))
        start = len(self.first)
        for name, own in self.ratings.items():
            row = start + np.arange(len(own.item))
            start += len(row)
            built.append(Scale.of(name, Grades(row, own.item, own.value), n))
        return tuple(likelihood for likelihood in built if likelihood is not None)

    def _entries(self) -> Comparisons:
        """One entry a vote, two for a soft one; those of no weight are left out."""
        row = np.arange(len(self.first))
        parts = [
            (row, np.where(self.tied, 0.0, 1.0), self.weight * np.where(self.tied, 1.0, self.share)),
            (row, np.full(len(row), -1.0), self.weight * np.where(self.tied, 0.0, 1 - self.share)),
        ]
        rows, outcome, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        kept = weight > 0
        rows = rows[kept]
        return Comparisons(rows, self.first[rows], self.second[rows], outcome[kept], weight[kept])

    def check(self, design: Floats) -> None:
        """Raises InputError where a design [n, d] is not of finite numbers, or a vote is about a row beyond it."""
        if np.ndim(design) != 2:
            raise InputError(f"a design has two dimensions, not {np.ndim(design)}", where="design", fix=_ONE_ROW)
        wrong = int((~np.isfinite(design).all(axis=1)).sum())
        if wrong:
            what = f"{wrong:,} of {len(design):,} rows of the design have features that are not finite"
            raise InputError(what, where="design", fix="leave such outputs out, or give their features a number")
        self._check_rows(len(design))

    def _check_rows(self, n: int) -> None:
        greatest = max(int(rows.max(initial=-1)) for rows in self._all_rows())
        if greatest >= n:
            what = f"a vote is about row {greatest:,}, and the design has {n:,} rows, from 0 to {n - 1:,}"
            raise InputError(what, where="Votes", fix=_ONE_ROW)

    def _all_rows(self) -> list[Indices]:
        return [self.first, self.second, *(own.item for own in self.ratings.values())]

    @property
    def clusters(self) -> Clusters:
        """Votes of a group may be correlated."""
        return Clusters({"context": self.groups}, bool((self.weight != 1).any() or (self.share % 1 != 0).any()))


def folds(groups: Indices, count: int, rng: np.random.Generator) -> Indices:
    """A fold in 0..count−1 for every vote [v], all votes of a group in one, groups dealt out evenly.

    Raises InputError with fewer groups than folds.
    """
    names, code = np.unique(groups, return_inverse=True)
    if len(names) < count:
        raise InputError(f"{len(names)} groups cannot be parted into {count} folds", fix="give more contexts")
    dealt = rng.permutation(len(names)) % count
    return np.asarray(dealt[code], dtype=np.intp)


def _check_columns(votes: Votes) -> None:
    columns = (votes.second, votes.share, votes.tied, votes.weight, votes.margin, votes.group)
    if votes.first.ndim != 1 or any(column.shape != votes.first.shape for column in columns):
        raise InputError("every column of votes has one entry per vote", where="Votes", fix=_EQUAL_LENGTHS)
    alone = int((votes.first == votes.second).sum())
    if alone:
        raise InputError(f"{alone:,} votes compare a row with itself", where="Votes", fix="leave them out")
    if not ((votes.share >= 0) & (votes.share <= 1)).all():
        fix = "give the share of voters for the first: 1 where it won, 0 where the second did"
        raise InputError("shares lie in [0, 1]", where="Votes.share", fix=fix)
    if not ((votes.weight >= 0) & np.isfinite(votes.weight)).all():
        raise InputError("weights are finite and not negative", where="Votes.weight", fix="a vote of no weight has 0")
    if not np.isfinite(votes.margin).all():
        raise InputError("margins are finite (nats)", where="Votes.margin", fix="a vote without a margin has 0")
