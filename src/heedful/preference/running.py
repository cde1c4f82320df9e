"""Utility differences that hold whichever questions were asked and whenever one stops: the running likelihood ratio.

Each comparison is predicted from those before it. Whatever the predictions, and however the questions were chosen by
what was known, Π prediction / Π P(answer | true utilities) is a nonnegative martingale that starts at 1, so it ever
reaches 1/α with probability at most α (Ville). The utilities at which it has not are a confidence region at all times
at once, and for all differences at once: also for those looked at because of the data.
(Wasserman, Ramdas and Balakrishnan 2020, "Universal inference", section 8; Robbins 1970.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit

from heedful.core import Floats, Interval, UsageError
from heedful.preference.backtracking import along, backtracked
from heedful.preference.counting import count
from heedful.preference.observations import Indices
from heedful.preference.rated import check_level

# Beyond this many nats from the start of a search a difference is called unbounded.
_FAR = 40.0
# Newton steps, what the last may still gain (nats), the longest of them (nats), and the ridge on their information.
_STEPS, _TOLERANCE, _LONGEST, _RIDGE = 100, 1e-9, 5.0, 1e-9


@dataclass(frozen=True, eq=False)
class RunningLikelihood:
    """Decided comparisons of n items, counted: `wins` [n, n] of row over column; `predicted`, in nats, is the log of
    the product of their predictions."""

    wins: Floats
    predicted: float

    @classmethod
    def of(cls, first: Any, second: Any, outcome: Any, items: int, *, prior_sd: float = 1.0) -> RunningLikelihood:
        """From comparisons [v] in the order in which they were answered.

        first, second: item numbers; outcome: +1 where the first won, −1 where the second did, 0 for a tie, which says
        nothing of who is better and is left out (under Davidson's model the others are Bradley-Terry). `prior_sd`, in
        nats, is that of the predictions alone: a wrong one widens intervals and breaks none.
        Raises UsageError where the arrays are no comparisons (see `count`).
        """
        first, second, outcome = compared(first, second, outcome, items)
        wins = np.zeros((items, items))
        said = outcome != 0
        winner, loser = np.where(outcome > 0, first, second)[said], np.where(outcome > 0, second, first)[said]
        np.add.at(wins, (winner, loser), 1.0)
        return cls(wins, _predicted(winner, loser, items, prior_sd))

    @property
    def items(self) -> int:
        return len(self.wins)

    def log_e(self, better: int, worse: int) -> float:
        """Evidence, in nats, that u_better > u_worse: log of an e-process against "it is not".

        Claim it once this reaches log(1/α): the claim is false with probability at most α, over all pairs and times.
        """
        check_pair(better, worse, self.items)
        denied = self._top[better] <= self._top[worse]
        return self.predicted - (self._highest if denied else self._profile(better, worse)(0.0))

    def difference(self, first: int, second: int, *, level: float = 0.95) -> Interval:
        """Of u_first − u_second in nats; infinite ends where comparisons so far bound it on one side or none.

        The differences at which the likelihood, maximised over all else, is at least (1 − level) of the predictions.
        """
        check_level(level)
        check_pair(first, second, self.items)
        middle = float(self._top[first] - self._top[second])
        depth = self._below(self.predicted + np.log(1 - level))

        def reach(to: int) -> float:
            at = self._profile(first, second)
            return _crossing(lambda x: depth - self._below(at(middle + to * x)))

        return Interval(middle - reach(-1), middle + reach(1), "at least", level)

    def win_rate(self, item: int, *, level: float = 0.95) -> Interval:
        """Of the mean over the other items of P(`item` beats it): the means of ends, which hold at once."""
        found = [self.difference(item, other, level=level) for other in range(self.items) if other != item]
        low, high = (float(expit([getattr(each, end) for each in found]).mean()) for end in ("low", "high"))
        return Interval(low, high, "at least", level)

    @cached_property
    def _top(self) -> Floats:
        """Utilities of (nearly) greatest likelihood."""
        return self._climbed(np.eye(self.items), np.zeros(self.items))

    @cached_property
    def _highest(self) -> float:
        return self._log_likelihood(self._top)

    def _below(self, log_likelihood: float) -> float:
        """The root of how far a log-likelihood is below the highest: all but linear in a difference of utilities."""
        return float(np.sqrt(max(self._highest - log_likelihood, 0.0)))

    def _profile(self, first: int, second: int) -> Callable[[float], float]:
        """The greatest log-likelihood of utilities with u_first − u_second = difference, as a function of it."""
        basis, fixed = np.eye(self.items), np.eye(self.items)[first]
        basis[first, second] = 1.0
        basis, start = np.delete(basis, first, axis=1), np.delete(self._top, first)

        def highest(difference: float) -> float:
            nonlocal start
            found = self._climbed(basis, difference * fixed, start)
            start = np.delete(found, first)
            return self._log_likelihood(found)

        return highest

    def _log_likelihood(self, utility: Floats) -> float:
        return float((self.wins * log_expit(utility[:, None] - utility)).sum())

    def _climbed(self, basis: Floats, fixed: Floats, start: Floats | None = None) -> Floats:
        """The maximum over utilities fixed + basis @ z, from z = `start`, by Newton's method with backtracking.

        A ridge stands for the directions along which the likelihood does not change or rises for ever.
        """
        met = self.wins + self.wins.T
        utility = fixed if start is None else fixed + basis @ start
        value = self._log_likelihood(utility)
        for _ in range(_STEPS):
            expected = met * expit(utility[:, None] - utility)
            slope = basis.T @ (self.wins - expected).sum(axis=1)
            weight = expected * (1 - expected / np.maximum(met, 1.0))
            information = basis.T @ (np.diag(weight.sum(axis=1)) - weight) @ basis
            step = np.linalg.solve(information + _RIDGE * np.eye(len(slope)), slope)
            step *= min(1.0, _LONGEST / max(np.abs(step).max(initial=0.0), _LONGEST))
            found = backtracked(along(self._log_likelihood, utility, basis @ step), value, float(slope @ step))
            if slope @ step < _TOLERANCE or found is None:
                break
            value, utility = found
        return utility


def compared(first: Any, second: Any, outcome: Any, items: int) -> tuple[Indices, Indices, Indices]:
    """Comparisons as arrays [v] of item numbers and outcomes. Raises UsageError where they are none (see `count`)."""
    count(first, second, outcome, items)
    one, other, said = (np.asarray(each, dtype=np.intp) for each in (first, second, outcome))
    return one, other, said


def check_pair(one: int, other: int, items: int) -> None:
    """Raises UsageError where these are not two of the items."""
    if one == other or not (0 <= one < items and 0 <= other < items):
        raise UsageError(f"{one} and {other} are not two of {items} items, numbered from 0", where="items")


def _predicted(winner: Indices, loser: Indices, items: int, prior_sd: float) -> float:
    """Σ log P(answer | answers before) of a normal belief that each answer moves by one Newton step.

    With d and v the mean and variance of u_winner − u_loser, P is σ(d / sqrt(1 + π v / 8)) (MacKay 1992, "The evidence
    framework applied to classification networks"), which sums to one over both answers: all that validity asks.
    """
    mean, covariance, total = np.zeros(items), np.eye(items) * prior_sd**2, 0.0
    for a, b in zip(winner.tolist(), loser.tolist(), strict=True):
        along = covariance[a] - covariance[b]
        d, v = float(mean[a] - mean[b]), float(along[a] - along[b])
        total += float(log_expit(d / np.sqrt(1 + np.pi * v / 8)))
        missed = float(expit(-d))
        weight = missed * (1 - missed)
        shrunk = along / (1 + weight * v)
        mean = mean + missed * shrunk
        covariance = covariance - weight * np.outer(along, shrunk)
    return total


def _crossing(above: Callable[[float], float]) -> float:
    """Where a function that falls from 0 or more at 0 comes below 0, to the right; infinite where it does not."""
    near, far = 0.0, 0.5
    while above(far) > 0:
        near, far = far, 2 * far
        if far > _FAR:
            return float("inf")
    return float(brentq(above, near, far, xtol=1e-5)) if above(near) > 0 else 0.0
