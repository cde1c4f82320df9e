"""The best of many within a fixed budget: items are shown in groups, of which the better part goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from heedful.core import Floats, InputError, UsageError

# (items shown together, how often) -> what each got in all: how often it won, or the sum of its scores.
Answer = Callable[[tuple[Any, ...], int], Floats]

_KEPT: dict[str, Callable[[int], int]] = {
    "winner": lambda shown: 1,
    "half": lambda shown: (shown + 1) // 2,
    "all but one": lambda shown: shown - 1,
}


@dataclass(frozen=True)
class Eliminated:
    """`best`: the item left; `left`: the items after each round; `asked`: questions spent, at most the budget."""

    best: Any
    left: tuple[tuple[Any, ...], ...]
    asked: int


@dataclass(frozen=True)
class Elimination:
    """Successive elimination of items shown in groups (Brandt et al. 2022, "Finding optimal arms in non-stochastic
    combinatorial bandits with semi-bandit feedback and finite budget", algorithm 1).

    Each round parts the items at random into groups of `size`, asks about each equally often, and keeps of it those
    that got most; equal ones stay or go by lot, and items that fill no group go on. Fewer items than `size` are one
    group. All rounds get the same share of the budget.

    keep   "winner": one of each group (the work's CSWS, most aggressive); "half": half of it, rounded up (CSH);
           "all but one" (CSR, most conservative). Of groups of two all are the same

    It looks for the item that, in every group that holds it, gets more than any other there, whatever an item gets
    depending on who is beside it. Where there is none, what is left is just what went out last.
    """

    size: int = 4
    keep: Literal["winner", "half", "all but one"] = "half"

    def __post_init__(self) -> None:
        if self.size < 2 or self.keep not in _KEPT:
            fix = f"two or more, of which one keeps {', '.join(map(repr, _KEPT))}"
            raise UsageError(f"groups of {self.size} that keep {self.keep!r}", where="Elimination", fix=fix)

    def rounds(self, items: int) -> list[tuple[int, int]]:
        """How many groups each round has, and of how many items each, until one is left."""
        found = []
        while items > 1:
            shown = min(self.size, items)
            groups = items // shown
            found.append((groups, shown))
            items -= groups * (shown - _KEPT[self.keep](shown))
        return found

    def __call__(self, answer: Answer, items: Sequence[Any], budget: int, *, rng: np.random.Generator) -> Eliminated:
        """Ask until one item is left. A question is one answer about one group.

        The work bounds the number of rounds; here they are counted, so that more of the budget is spent. Raises
        InputError where items are fewer than two or not all different, or answers are not a finite number for each item
        shown; UsageError where the budget leaves a group without a question.
        """
        if len(set(items)) != len(items) or len(items) < 2:
            raise InputError("an elimination is among two or more different items", where="Elimination")
        rounds = self.rounds(len(items))
        least = len(rounds) * rounds[0][0]
        if budget < least:
            what = f"{budget} questions are too few for {len(rounds)} rounds of up to {rounds[0][0]} groups"
            raise UsageError(what, where="Elimination", fix=f"give {least} or more, or keep fewer of a group")
        left, found, asked = tuple(items), list[tuple[Any, ...]](), 0
        for groups, shown in rounds:
            times = budget // (len(rounds) * groups)
            order = [left[place] for place in rng.permutation(len(left))]
            parts = [tuple(order[start : start + shown]) for start in range(0, groups * shown, shown)]
            kept = [item for part in parts for item in self._kept(part, answer(part, times), rng)]
            left, asked = (*kept, *order[groups * shown :]), asked + groups * times
            found.append(left)
        return Eliminated(left[0], tuple(found), asked)

    def _kept(self, part: tuple[Any, ...], got: Floats, rng: np.random.Generator) -> list[Any]:
        totals = np.asarray(got, dtype=np.float64)
        if totals.shape != (len(part),) or not np.isfinite(totals).all():
            raise InputError(f"answers about {len(part)} items are a finite number for each", where="Elimination")
        best = np.lexsort((rng.random(len(part)), -totals))
        return [part[place] for place in best[: _KEPT[self.keep](len(part))]]
