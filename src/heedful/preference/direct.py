"""How often each item beats each other, from their own comparisons alone: intervals without a model of utilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, Interval
from heedful.preference.rated import check_level
from heedful.preference.running import check_pair, compared
from heedful.stats import confidence_sequence, e_process


@dataclass(frozen=True, eq=False)
class Direct:
    """Comparisons of n items in the order of their answers: `first` < `second` [v], `value` [v] of the first.

    The answers on one pair are the same coin, tossed again: however a pair was chosen by what was known, betting on
    them is a martingale (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting"). So
    all intervals hold at all times at once, whichever questions were asked. That the coin stays the same is all that is
    assumed; a tie counts one half.
    """

    items: int
    first: Any
    second: Any
    value: Floats

    @classmethod
    def of(cls, first: Any, second: Any, outcome: Any, items: int) -> Direct:
        """first, second: item numbers [v]; outcome +1 (first won), −1 (second), 0 (tie); see `count`."""
        first, second, outcome = compared(first, second, outcome, items)
        said = np.where(first < second, outcome, -outcome)
        return cls(items, np.minimum(first, second), np.maximum(first, second), (1 + said) / 2)

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.items * (self.items - 1) // 2

    def values(self, one: int, other: int) -> Floats:
        """What `one` got of each comparison with `other`, in order."""
        check_pair(one, other, self.items)
        met = (self.first == min(one, other)) & (self.second == max(one, other))
        return np.asarray(self.value[met] if one < other else 1 - self.value[met])

    def interval(self, one: int, other: int, *, level: float = 0.95, of_all: bool = True) -> Interval:
        """Of P(`one` beats `other`), by a confidence sequence.

        `of_all`: of all pairs at once (Bonferroni), for a pair looked at because of the data; else for a pair named
        beforehand.
        """
        return self._interval(one, other, level, self.pairs if of_all else 1)

    def win_rate(self, item: int, *, level: float = 0.95, of_all: bool = True) -> Interval:
        """Of the mean of P(`item` beats another) over the others: the means of ends that hold at once.

        `of_all`: for an item looked at because of the data; else for one named beforehand.
        """
        among = self.pairs if of_all else self.items - 1
        found = [self._interval(item, other, level, among) for other in range(self.items) if other != item]
        low, high = (float(np.mean([getattr(each, end) for each in found])) for end in ("low", "high"))
        return Interval(low, high, "at least", level)

    def evidence(self, better: int, worse: int, *, alpha: float = 0.05) -> float:
        """The most there ever was against "`better` beats `worse` every second time or less": a peak of an e-process.

        Where that is so it reaches 1/α, ever, with probability at most α. For a pair looked at because of the data, ask
        for `pairs`/α.
        """
        return float(e_process(self.values(better, worse), 0.5, alpha=alpha).max(initial=1.0))

    def _interval(self, one: int, other: int, level: float, among: int) -> Interval:
        check_level(level)
        found = confidence_sequence(self.values(one, other), level=1 - (1 - level) / among)
        return Interval(found.low, found.high, "at least", level)
