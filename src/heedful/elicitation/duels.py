"""Counts of duels: what is known of pairs where no utility is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item
from heedful.preference.observations import Comparisons, observe

if TYPE_CHECKING:
    from heedful.feedback import Table

Outcome = Literal["first", "second", "tie"]


@dataclass(frozen=True, eq=False)
class Duels:
    """`wins` [n, n] of the row's item over the column's, and `ties` [n, n], which are symmetric; `left_out` counts
    comparisons read with other items.

    Given to an acquisition rule in place of a posterior, every pair is believed by itself: the row's item wins with a
    probability that is Beta(1 + wins + ties / 2, 1 + losses + ties / 2), so that preferences may go in circles.
    """

    items: tuple[Item, ...]
    wins: Floats
    ties: Floats
    left_out: int = 0

    @classmethod
    def none(cls, items: Sequence[Item]) -> Duels:
        """No duel yet. Raises InputError where items are fewer than two or not all different."""
        if len(set(items)) != len(items) or len(items) < 2:
            raise InputError("a duel is of two different items, each named once", where="Duels")
        n = len(items)
        return cls(tuple(items), np.zeros((n, n)), np.zeros((n, n)))

    @classmethod
    def of(cls, table: Table, items: Sequence[Item], *, criterion: str = "overall") -> Duels:
        """The comparisons of these items in a table, of any degree. Those with other items are left out and counted."""
        duels, seen = cls.none(items), observe(table, criterion)
        place = {item.system or item.key: number for number, item in enumerate(items)}
        number = np.array([place.get(name, -1) for name in seen.names], dtype=np.intp)
        votes = [each for each in seen.instruments.values() if isinstance(each, Comparisons)]
        return replace(duels, left_out=sum(_count(duels, number, each) for each in votes))

    def tell(self, first: Item, second: Item, outcome: Outcome) -> Duels:
        """The counts with one duel more. Raises InputError for an unknown item or outcome, or an item with itself."""
        a, b = self._place(first), self._place(second)
        if outcome not in ("first", "second", "tie") or a == b:
            raise InputError("a duel of two items ends in 'first', 'second' or 'tie'", where="Duels.tell")
        wins, ties = self.wins.copy(), self.ties.copy()
        if outcome == "tie":
            ties[[a, b], [b, a]] += 1
        else:
            wins[(a, b) if outcome == "first" else (b, a)] += 1
        return replace(self, wins=wins, ties=ties)

    def among(self, items: Sequence[Item]) -> Duels:
        """The counts of these items alone, in this order. Raises InputError for an unknown item."""
        rows = np.array([self._place(item) for item in items], dtype=np.intp)
        return Duels(tuple(items), self.wins[np.ix_(rows, rows)], self.ties[np.ix_(rows, rows)])

    @property
    def asked(self) -> Floats:
        """How often each pair was asked about [n, n]."""
        return self.wins + self.wins.T + self.ties

    def draws(self, rng: np.random.Generator, *, size: int = 128) -> Floats:
        """Draws [size, n, n] of the probability that the row's item beats the column's; 1/2 against itself."""
        n = len(self.items)
        upper = np.triu_indices(n, 1)
        half = 1 + self.ties / 2
        drawn = np.full((size, n, n), 0.5)
        drawn[:, *upper] = rng.beta((half + self.wins)[upper], (half + self.wins.T)[upper], (size, len(upper[0])))
        drawn[:, upper[1], upper[0]] = 1 - drawn[:, *upper]
        return drawn

    def _place(self, item: Any) -> int:
        if item not in self.items:
            raise InputError(f"{item!r} is none of the {len(self.items)} items", where="Duels")
        return self.items.index(item)


def _count(duels: Duels, number: NDArray[np.intp], votes: Comparisons) -> int:
    """Add an instrument's votes to the counts, which are not yet anybody else's; how many have other items."""
    first, second = number[votes.first], number[votes.second]
    known = (first >= 0) & (second >= 0)
    for sign, one, other in ((1, first, second), (-1, second, first)):
        won, tied = known & (np.sign(votes.outcome) == sign), known & (votes.outcome == 0)
        np.add.at(duels.wins, (one[won], other[won]), votes.weight[won])
        np.add.at(duels.ties, (one[tied], other[tied]), votes.weight[tied])
    return int((~known).sum())
