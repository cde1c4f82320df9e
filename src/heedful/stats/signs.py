"""The sign test that may end early, exact over all its looks together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import InputError

# Of the level, for ends before the last example. They are nearly free: what is far ahead early is mostly ahead late.
_EARLY = 0.5


@dataclass(frozen=True, eq=False)
class SignTest:
    """Whether wins are likelier than losses, where of n examples some are won, some lost, and some neither.

    Of d examples won or lost, more prove nothing yet than `early[d]` − 1 won; from `early[d]` on it is proven at once,
    and from `late[d]` on where all n examples were seen; n + 2 where nothing would prove it. Where a win is no likelier
    than a loss, it is ever proven with probability at most `level`, given which examples were won or lost.

    What an early end may cost is spent over d as its logarithm is (as in Lan and DeMets 1983, "Discrete sequential
    boundaries for clinical trials"); what was not spent by paths that go on remains for the end.
    """

    early: NDArray[np.int64]
    late: NDArray[np.int64]

    @classmethod
    def of(cls, n: int, level: float) -> Self:
        """The test of at most n examples, by summing over all numbers of wins after each d, in O(n²). Raises InputError
        unless n >= 1 and 0 < level < 1."""
        if not (n >= 1 and 0 < level < 1):
            raise InputError(f"no test of {n} examples has the level {level:g}", where="SignTest")
        spent = _EARLY * level * np.log1p(np.arange(n + 1)) / np.log1p(n)
        early, late = np.full(n + 1, n + 2), np.full(n + 1, n + 2)
        going, ended = np.zeros(n + 1), 0.0
        going[0] = 1.0
        for d in range(1, n + 1):
            going[1 : d + 1] = (going[1 : d + 1] + going[:d]) / 2
            going[0] /= 2
            least = _least(going[: d + 1], spent[d] - ended)
            ended += going[least : d + 1].sum()
            going[least : d + 1] = 0.0
            early[d] = least if least <= d else n + 2
            least = _least(going[: d + 1], level - ended)
            late[d] = least if least <= d else n + 2
        return cls(early, late)

    def proves(self, won: NDArray[np.bool_], lost: NDArray[np.bool_], *, ended: bool) -> bool:
        """Whether it is proven by examples [m], in the order in which they were seen; `ended` where they are all."""
        wins, both = won.cumsum(), (won | lost).cumsum()
        return bool((wins >= self.early[both]).any() or (ended and len(wins) and wins[-1] >= self.late[both[-1]]))


def _least(going: NDArray[np.float64], left: float) -> int:
    """The least number of wins such that so many or more have no more probability than is left."""
    above = going[::-1].cumsum()
    return len(going) - int(np.searchsorted(above, left, side="right"))
