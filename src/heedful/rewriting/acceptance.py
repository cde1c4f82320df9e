"""What a rewriting may keep: paired sequential trials under one error rate.

A trial asks whether a candidate earns more than what is kept, on validation examples in a random order of its own, and
ends as soon as that is proven, or as it is not to be expected any more. What holds of a whole run (`Gate`):

- A candidate that does not depend on the validation examples, tested on examples drawn from those of interest, is kept
  falsely with probability at most its level: bets end it early, an exact test at its end, each at half of the level.
- All candidates may be tested on the same examples, and outcomes may be fixed given candidate and example. As long as
  nothing was kept, proposals know of the validation no more than that: the path of candidates on which nothing is kept
  is fixed beforehand, and the union bound over it holds. False keeps before the first true one have probability alpha
  at most in all.
- After a true keep the path is one of several: which candidate was kept, and so what is proposed and what it is tried
  against, was decided by the same examples. The same bound holds for each path that true keeps alone lead to; over all
  of them together only the sum of their bounds. By simulation the rate stays far below alpha (docs/benchmarks.md).
- Nothing of it holds where proposals see validation examples, their outcomes, or how near a trial came to its bar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy import special

from heedful.core import Floats, InputError, UsageError
from heedful.stats import Bets

Verdict = Literal["keep", "drop", "open"]
_LATE = 0.5  # of a trial's level: for the exact test at its end
# A trial is dropped where examples that go better than those seen by so many standard errors would not prove the
# candidate.
_HOPE = 2.0


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate against what is kept, on validation examples in this `order`, at this `level`.

    `differences` [n] in [−1, 1] are what the candidate earned beyond what is kept, on the first n examples of the
    order. What must be disproven is that their mean is at most `margin`: above 0 for a candidate that costs more, below
    for one that costs less. Raises InputError for differences outside [−1, 1] or more of them than examples.
    """

    order: Sequence[int]
    level: float
    margin: float = 0.0
    differences: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not -1 < self.margin < 1:
            raise InputError(f"a margin lies in (−1, 1), not {self.margin}", where="margin")
        if len(self.differences) > len(self.order) or not (np.abs(self.differences) <= 1).all():
            what = f"{len(self.differences)} differences on {len(self.order)} examples, or some beyond [−1, 1]"
            raise InputError(what, where="Trial", fix="give those of `next` in their order")

    def next(self, most: int) -> Sequence[int]:
        """The places of the examples to look at next, `most` at most."""
        return self.order[len(self.differences) : len(self.differences) + most]

    def after(self, differences: Floats) -> Trial:
        """The trial after the differences on the examples of `next`, in their order."""
        return replace(self, differences=np.concatenate([self.differences, differences]))

    @cached_property
    def log_e(self) -> float:
        """The log of the most evidence that there was: it reaches log(2/level), if the mean is at most the margin, with
        probability at most level/2, however often one looks."""
        grown = self._bets.growth((1 + self.differences) / 2).cumsum(axis=1)
        return float(self._bets.log_e(grown).max(initial=0.0))

    @cached_property
    def p_value(self) -> float:
        """Of the exact test that wins are no likelier than losses, given how many there are; valid where all examples
        were looked at. 1 where a difference is none of -1, 0 and 1, or there is a margin: wins alone do not decide, for
        one loss not yet seen may weigh more than many of them."""
        if self.margin or not np.isin(self.differences, (-1.0, 0.0, 1.0)).all():
            return 1.0
        wins, losses = int((self.differences > 0).sum()), int((self.differences < 0).sum())
        return float(special.bdtrc(wins - 1, wins + losses, 0.5)) if wins else 1.0

    @property
    def kept(self) -> bool:
        early = self.log_e >= self._bar
        return early or (not self._left and self.p_value <= self.level * _LATE)

    @property
    def open(self) -> bool:
        return self.verdict == "open"

    @cached_property
    def verdict(self) -> Verdict:
        """`keep` once it is proven, `drop` where it is not to be expected any more, else `open`.

        Dropping is never an error of a keep: it may go by any rule. Here the examples left are taken to go as those
        seen, and one that is won, did, and 2 of its standard errors better.
        """
        if self.kept:
            return "keep"
        return "open" if self._left and (self._hopes_to_bet() or self._hopes_to_win()) else "drop"

    def told(self) -> Mapping[str, Any]:
        """What a log of the trial holds."""
        n = len(self.differences)
        mean = float(self.differences.mean()) if n else 0.0
        told = {"n": n, "of": len(self.order), "difference": mean, "log_e": self.log_e, "p_value": self.p_value}
        return {**told, "level": self.level, "margin": self.margin, "kept": self.kept, "verdict": self.verdict}

    @cached_property
    def _bets(self) -> Bets:
        return Bets.within(len(self.order), self.level * (1 - _LATE), (1 + self.margin) / 2)

    @property
    def _bar(self) -> float:
        return -math.log(self.level * (1 - _LATE))

    @property
    def _left(self) -> int:
        return len(self.order) - len(self.differences)

    def _hopes_to_bet(self) -> bool:
        grown = self._bets.growth((1 + np.append(self.differences, 1.0)) / 2)
        hoped = grown.mean(axis=1) + _HOPE * grown.std(axis=1) / np.sqrt(grown.shape[1])
        return bool(self._bets.log_e(grown[:, :-1].sum(axis=1) + self._left * hoped) >= self._bar)

    def _hopes_to_win(self) -> bool:
        """By the normal approximation to the exact test."""
        if self.p_value == 1.0 and (self.margin or (self.differences > 0).any()):
            return False
        seen = np.append(np.sign(self.differences), 1.0)
        hoped = seen.mean() + _HOPE * seen.std() / np.sqrt(len(seen))
        total = seen[:-1].sum() + self._left * hoped
        spread = np.sqrt(len(self.order) * (seen**2).mean())
        return bool(total / spread >= -special.ndtri(self.level * _LATE))


@dataclass(frozen=True, slots=True)
class Gate:
    """The trials of a run: `alpha` bounds the probability that any candidate is kept that earns no more than `margin`
    beyond what it replaces, in the sense told above. State in, state out: `closed` gives the gate after a trial.

    A trial is at an equal share of what is left of alpha, for it and those that may yet come. That is `spent` where it
    does not keep its candidate, and not where it does (as in the online fallback of Tian and Ramdas 2021, "Online
    control of the familywise error rate"). Why it holds: up to the first false keep only better candidates were kept,
    so a true hypothesis is at most at the level it has where all better ones before it are kept, a number fixed by
    which are true; these sum to alpha at most, and the union bound does the rest, whatever the dependence of the tests.
    """

    alpha: float = 0.05
    margin: float = 0.0
    spent: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha lies between 0 and 1, not {self.alpha}", where="Gate")

    def trial(self, n: int, coming: int, *, rng: np.random.Generator) -> Trial:
        """The next trial, on n validation examples in a new random order, where `coming` trials at most may come, it
        among them."""
        level = (self.alpha - self.spent) / max(coming, 1)
        return Trial([int(own) for own in rng.permutation(n)], level, self.margin)

    def closed(self, trial: Trial) -> Gate:
        """The gate after this trial, whether or not it was brought to its end."""
        return self if trial.kept else replace(self, spent=self.spent + trial.level)
