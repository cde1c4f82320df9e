"""What a rewriting may keep: paired sequential trials under one error rate.

A trial asks whether a candidate earns more than what is kept, on validation examples in a random order of its own, and
ends as soon as that is proven, or as it is not to be expected any more. What holds of a whole run (`Gate`):

- A candidate that does not depend on the validation examples, tested on examples drawn from those of interest, is kept
  falsely with probability at most its level: by a sign test that may end early (`stats.SignTest`), exact over all its
  looks, or, where what is earned comes in grades or there is a margin, by bets.
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
from functools import cached_property, lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from scipy import special

from heedful.core import Floats, InputError, UsageError
from heedful.stats import Bets, SignTest

Verdict = Literal["keep", "drop", "open"]


class AnyTrial(Protocol):
    """What the loop asks of a trial: `Trial`, or one that decides in another way."""

    @property
    def open(self) -> bool: ...
    @property
    def kept(self) -> bool: ...
    def next(self, most: int) -> Sequence[int]: ...
    def after(self, differences: Floats) -> AnyTrial: ...
    def told(self) -> Mapping[str, Any]: ...


class AnyGate(Protocol):
    """What the loop asks of a gate: `Gate`, or one that promises something else, or nothing."""

    def trial(
        self,
        n: int,
        coming: int,
        *,
        rng: np.random.Generator,
        graded: bool = False,
        most: int | None = None,
        margin: float | None = None,
    ) -> AnyTrial: ...
    def closed(self, trial: Any) -> AnyGate: ...


# A trial is dropped where examples that go better than those seen by so many standard errors would not prove the
# candidate.
_HOPE = 2.5
_test = lru_cache(maxsize=32)(SignTest.of)


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate against what is kept, on validation examples in this `order`, at this `level`.

    `differences` [n] in [−1, 1] are what the candidate earned beyond what is kept, on the first n examples of the
    order. What must be disproven is that their mean is at most `margin`: above 0 for a candidate that costs more, below
    for one that costs less.

    Where differences are −1, 0 and 1, wins are counted against losses. That needs no margin, and holds for any other
    differences, too, since of these none is counted as won, and all below 0 as lost in whole; but it will rarely prove
    anything of them. `graded` says beforehand that there are such, or that bets shall decide. Raises InputError for
    differences outside [−1, 1] or more of them than examples.
    """

    order: Sequence[int]
    level: float
    margin: float = 0.0
    graded: bool = False
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

    @property
    def bets(self) -> bool:
        """Whether bets decide, rather than wins and losses."""
        return self.graded or self.margin != 0.0

    @cached_property
    def log_e(self) -> float:
        """The log of the most evidence of the bets that there was: it reaches log(1/level), if the mean is at most the
        margin, with probability at most `level`, however often one looks."""
        grown = self._bets.growth((1 + self.differences) / 2).cumsum(axis=1)
        return float(self._bets.log_e(grown).max(initial=0.0))

    @cached_property
    def kept(self) -> bool:
        if self.bets:
            return self.log_e >= -math.log(self.level)
        won, lost = self.differences == 1, self.differences < 0
        return _test(len(self.order), self.level).proves(won, lost, ended=not self._left)

    @property
    def open(self) -> bool:
        return self.verdict == "open"

    @cached_property
    def verdict(self) -> Verdict:
        """`keep` once it is proven, `drop` where it is not to be expected any more, else `open`.

        Dropping is never an error of a keep: it may go by any rule. Here the examples left are taken to go as those
        seen, and one that is won, did, and 2.5 of its standard errors better.
        """
        if self.kept:
            return "keep"
        return "open" if self._left and (self._hopes_to_bet() if self.bets else self._hopes_to_win()) else "drop"

    def told(self) -> Mapping[str, Any]:
        """What a log of the trial holds."""
        n = len(self.differences)
        told: dict[str, Any] = {"n": n, "of": len(self.order), "level": self.level, "margin": self.margin}
        told["difference"] = float(self.differences.mean()) if n else 0.0
        if self.bets:
            told["log_e"] = self.log_e
        else:
            told |= {"won": int((self.differences == 1).sum()), "lost": int((self.differences < 0).sum())}
        return {**told, "kept": self.kept, "verdict": self.verdict}

    @cached_property
    def _bets(self) -> Bets:
        return Bets.within(len(self.order), self.level, (1 + self.margin) / 2)

    @property
    def _left(self) -> int:
        return len(self.order) - len(self.differences)

    def _hopes_to_bet(self) -> bool:
        grown = self._bets.growth((1 + np.append(self.differences, 1.0)) / 2)
        hoped = grown.mean(axis=1) + _HOPE * grown.std(axis=1) / np.sqrt(grown.shape[1])
        return bool(self._bets.log_e(grown[:, :-1].sum(axis=1) + self._left * hoped) >= -math.log(self.level))

    def _hopes_to_win(self) -> bool:
        """By the normal approximation to the test at the end."""
        seen = np.append((self.differences == 1) - (self.differences < 0).astype(np.float64), 1.0)
        hoped = seen.mean() + _HOPE * seen.std() / np.sqrt(len(seen))
        total = seen[:-1].sum() + self._left * hoped
        spread = np.sqrt(len(self.order) * (seen**2).mean())
        return bool(total / spread >= -special.ndtri(self.level))


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

    def trial(
        self,
        n: int,
        coming: int,
        *,
        rng: np.random.Generator,
        graded: bool = False,
        most: int | None = None,
        margin: float | None = None,
    ) -> Trial:
        """The next trial, on n validation examples in a new random order, or the first `most` of these, where `coming`
        trials at most may come, it among them, by a `margin` of its own where one is given. Whether differences are
        `graded` must not be learnt from them."""
        level = (self.alpha - self.spent) / max(coming, 1)
        order = [int(own) for own in rng.permutation(n)[:most]]
        return Trial(order, level, self.margin if margin is None else margin, graded)

    def closed(self, trial: Trial) -> Gate:
        """The gate after this trial, whether or not it was brought to its end."""
        return self if trial.kept else replace(self, spent=self.spent + trial.level)
