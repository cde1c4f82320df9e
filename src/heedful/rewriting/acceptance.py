"""Whether a candidate is better than what is kept, and what was gained in the end: decided by tests, not by luck.

Each trial compares two programs on the same validation examples, one after the other, and may end at any of them. A run
of many trials keeps what is no better with probability alpha at most, in all: each trial has a level, which is spent
unless it keeps its candidate (Tian & Ramdas 2021, "Online control of the familywise error rate": what is rejected gives
its level back).

What holds, and when: a trial is exact given what was chosen before it, where its outcomes are new. Validation examples
are looked at again by every trial. As long as nothing is kept, proposals learn nothing from them, so which candidates
are tried is fixed beforehand and a union bound holds all the same. What is tried after a candidate was kept may depend
on the examples that it was kept by; how little that matters is simulated, not proven.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy import stats as scipy_stats

from heedful.core import Estimate, Floats, InputError, Interval, UsageError
from heedful.stats import Capital, difference_sequence, mean_estimate, paired_difference

Split = Literal["train", "validation", "held out"]
Decision = Literal["open", "kept", "not better", "no gain worth it"]
_LATEST = 0.5  # of a trial's level: for the exact test at its end; the rest for ending before it


@dataclass(frozen=True, eq=False)
class Score:
    """What a program earned on each of n examples of a split, in [0, 1], by the evidence named `judge`."""

    values: Floats
    split: Split
    judge: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or not ((self.values >= 0) & (self.values <= 1)).all():
            raise InputError("what was earned has shape [n], each from 0 to 1", where="Score")

    def estimate(self, *, level: float = 0.95) -> Estimate:
        """The mean, with a t interval over examples."""
        return replace(mean_estimate(self.values, level=level), split=self.split, judge=self.judge)


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate against what is kept, on validation examples in this order: `differences` [m] of what the two earned
    on the first m of them, each in [-1, 1].

    The candidate is kept where the evidence against "the mean difference is 0 or less" reaches 2/level (the capital of
    many bettors at once, at any time: `stats.Capital`), or where all examples were looked at and an exact test of wins
    against losses, if all differences are of one size, gives level/2 or less. The trial ends without it where even wins
    on all that is left would not do, or where a gain of `worthwhile` is refuted by evidence of 1/`patience`: that costs
    power, patience at most for a candidate of that gain, and never validity.
    """

    order: tuple[int, ...]
    level: float
    worthwhile: float = 0.05
    patience: float = 0.1
    differences: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def open(self) -> bool:
        return self.decision == "open"

    @property
    def kept(self) -> bool:
        return self.decision == "kept"

    @property
    def n(self) -> int:
        """Examples looked at."""
        return len(self.differences)

    def next(self, most: int) -> tuple[int, ...]:
        """The places of the examples to be looked at next."""
        return self.order[self.n : self.n + most]

    def after(self, differences: Floats) -> Trial:
        """The trial after the next examples. Raises InputError for differences that cannot be."""
        found = np.asarray(differences, dtype=np.float64)
        if not (np.abs(found) <= 1).all() or self.n + len(found) > len(self.order):
            raise InputError("differences lie in [-1, 1], one for each example that is left", where="Trial.after")
        return replace(self, differences=np.concatenate([self.differences, found]))

    @cached_property
    def log_e(self) -> float:
        """The log of the evidence against "no better", as of the last example."""
        return float(_capital(self.differences, 0.0).log_e)

    @cached_property
    def p_value(self) -> float:
        """Of the exact test of wins against losses, NaN where differences are not of one size; valid at the end."""
        sizes = np.unique(np.abs(self.differences[self.differences != 0]))
        if len(sizes) > 1:
            return math.nan
        wins, losses = int((self.differences > 0).sum()), int((self.differences < 0).sum())
        return float(scipy_stats.binom.sf(wins - 1, wins + losses, 0.5)) if wins + losses else 1.0

    @cached_property
    def decision(self) -> Decision:
        """Of the differences so far, looked at after each block, the last included."""
        left, early = len(self.order) - self.n, -math.log(self.level * (1 - _LATEST))
        if self.log_e >= early or (not left and self.p_value <= self.level * _LATEST):
            return "kept"
        if not left or not self._could(left, early):
            return "not better"
        wasted = float(_capital(-self.differences, -self.worthwhile).log_e)
        return "no gain worth it" if wasted >= -math.log(self.patience) else "open"

    def _could(self, left: int, early: float) -> bool:
        """Whether wins on all that is left would be enough."""
        won = self.after(np.ones(left))
        return won.log_e >= early or won.p_value <= self.level * _LATEST

    def told(self) -> Mapping[str, Any]:
        """What the trial found, for records."""
        mean = float(self.differences.mean()) if self.n else 0.0
        counts = {"wins": int((self.differences > 0).sum()), "losses": int((self.differences < 0).sum())}
        found = {"n": self.n, "of": len(self.order), "difference": mean, **counts, "log_e": self.log_e}
        return {**found, "p_value": self.p_value, "level": self.level, "decision": self.decision, "kept": self.kept}


@dataclass(frozen=True, slots=True)
class Gate:
    """The trials of a run: `alpha` is the probability at most that any keeps what is no better.

    A trial has an equal share of what is left of alpha for it and those that may yet come. It is spent where the
    candidate is not kept; where it is, it is not, since every error would have been counted already.
    """

    alpha: float = 0.05
    spent: float = 0.0
    worthwhile: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or not 0 <= self.spent < 1 or not 0 < self.worthwhile < 1:
            raise UsageError("alpha and the worthwhile gain lie between 0 and 1", where="Gate")

    def trial(self, n: int, coming: int, *, rng: np.random.Generator) -> Trial:
        """A trial on n examples in a fresh random order, where `coming` trials at most may come, itself included."""
        level = (self.alpha - self.spent) / max(coming, 1)
        return Trial(tuple(int(place) for place in rng.permutation(n)), level, self.worthwhile)

    def closed(self, trial: Trial) -> Gate:
        """The gate after a trial."""
        return self if trial.kept else replace(self, spent=self.spent + trial.level)


def claim(before: Score, after: Score, *, level: float = 0.95) -> Estimate:
    """What was gained, after − before on the same held-out examples, measured once.

    A t interval of the paired differences where these vary enough to tell; else one that holds for any differences in
    [-1, 1] (`stats.difference_sequence`), wider, whose promise is `at least`. Raises InputError where the two are of
    different examples.
    """
    if (before.split, len(before.values)) != (after.split, len(after.values)):
        raise InputError("before and after are of different examples", where="claim")
    found, _ = paired_difference(after.values, before.values, level=level)
    found = replace(found, split=after.split, judge=after.judge)
    if found.interval is not None:
        return found
    wide = difference_sequence(after.values, before.values, level=level)
    low, high = min(wide.low, found.value), max(wide.high, found.value)
    return replace(found, interval=Interval(low, high, "at least", level))


def overfits(train: Floats, held_out: Floats, *, level: float = 0.05) -> float | None:
    """By how much the gain on the examples that feedback was drawn from exceeds that on those held out, where that is
    more than chance (Welch's one-sided t test at `level`); None where it is not. Both are differences of fresh runs,
    after − before, on each example [n]: those that decided anything were chosen for being large."""
    if min(len(train), len(held_out)) < 2 or not (np.ptp(train) or np.ptp(held_out)):
        return None
    found = scipy_stats.ttest_ind(train, held_out, equal_var=False, alternative="greater")
    return float(train.mean() - held_out.mean()) if found.pvalue <= level else None


def pareto(worth: Sequence[float], costs: Sequence[float]) -> tuple[int, ...]:
    """Places of what nothing beats: neither worth more at no more cost, nor as much at less. Cheapest first."""
    order = sorted(range(len(worth)), key=lambda place: (costs[place], -worth[place]))
    front, best = [], -math.inf
    for place in order:
        if worth[place] > best:
            front.append(place)
            best = worth[place]
    return tuple(front)


def _capital(differences: Floats, mean: float) -> Capital:
    """Bets on a mean difference above this one."""
    return Capital.start(mean=(1 + mean) / 2).after_all((differences + 1) / 2)
