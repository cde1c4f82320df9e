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

from heedful.core import Floats, InputError, Interval
from heedful.preference.observations import Indices

# Beyond this many nats from the start of a search a difference is called unbounded.
_FAR = 40.0
_STEPS, _TOLERANCE = 100, 1e-9


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
        Raises InputError where the arrays are no comparisons.
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
        best, free = self._held(better, worse, 0.0), self._top
        # Where the maximum itself is on the null's side, the null's supremum is the maximum.
        contradicted = free[better] <= free[worse]
        return self.predicted - (self._log_likelihood(free) if contradicted else best)

    def interval(self, first: int, second: int, *, level: float = 0.95) -> Interval:
        """Of u_first − u_second in nats; infinite ends where comparisons so far bound it on one side or none.

        The differences at which the likelihood, maximised over all else, is at least (1 − level) of the predictions.
        """
        if not 0 < level < 1:
            raise InputError(f"a level lies between 0 and 1, not {level}", where="level")
        bar = self.predicted + np.log(1 - level)
        middle = float(self._top[first] - self._top[second])
        high = _crossing(lambda x: self._held(first, second, middle + x) - bar)
        low = _crossing(lambda x: self._held(first, second, middle - x) - bar)
        return Interval(middle - low, middle + high, "at least", level)

    @cached_property
    def _top(self) -> Floats:
        """Utilities of (nearly) greatest likelihood."""
        return self._climbed(np.eye(self.items), np.zeros(self.items))

    def _held(self, first: int, second: int, difference: float) -> float:
        """The greatest log-likelihood of utilities with u_first − u_second = difference."""
        basis = np.eye(self.items)
        basis[first, second] = 1.0
        fixed = np.zeros(self.items)
        fixed[first] = difference
        return self._log_likelihood(self._climbed(np.delete(basis, first, axis=1), fixed))

    def _log_likelihood(self, utility: Floats) -> float:
        return float((self.wins * log_expit(utility[:, None] - utility)).sum())

    def _climbed(self, basis: Floats, fixed: Floats) -> Floats:
        """The maximum over utilities fixed + basis @ z, by Newton's method with backtracking.

        A ridge of 1e-9 stands for the directions along which the likelihood does not change or rises for ever.
        """
        z, met = np.zeros(basis.shape[1]), self.wins + self.wins.T
        value = self._log_likelihood(fixed)
        for _ in range(_STEPS):
            utility = fixed + basis @ z
            p = expit(utility[:, None] - utility)
            slope = basis.T @ (self.wins - met * p).sum(axis=1)
            weight = met * p * (1 - p)
            information = basis.T @ (np.diag(weight.sum(axis=1)) - weight) @ basis
            step = np.linalg.solve(information + 1e-9 * np.eye(len(z)), slope)
            step *= min(1.0, 5.0 / max(np.abs(step).max(initial=0.0), 1e-300))
            gain = float(slope @ step)
            if gain < _TOLERANCE:
                break
            while (there := self._log_likelihood(fixed + basis @ (z + step))) < value:
                step = step / 2
            z, value = z + step, there
        return np.asarray(fixed + basis @ z)


def compared(first: Any, second: Any, outcome: Any, items: int) -> tuple[Indices, Indices, Indices]:
    """Arrays of comparisons, checked: item numbers below `items`, two different ones a row, outcomes −1, 0, +1."""
    arrays = [np.asarray(each) for each in (first, second, outcome)]
    if (
        len({each.shape for each in arrays}) != 1
        or arrays[0].ndim != 1
        or any(a.size and a.dtype.kind not in "iu" for a in arrays)
    ):
        raise InputError("first, second and outcome are whole numbers, as many of each", where="comparisons")
    one, other, said = (each.astype(np.intp) for each in arrays)
    wrong = (np.minimum(one, other) < 0) | (np.maximum(one, other) >= items) | (one == other) | (np.abs(said) > 1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"row {row} ({one[row]}, {other[row]}, {said[row]}) is no comparison of two of {items} items",
            where="comparisons",
            fix=f"items are numbered 0 to {items - 1}; outcomes are +1 (first won), -1 (second won), 0 (tie)",
        )
    return one, other, said


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
    """Where a concave function that is not negative at 0 falls below 0, to the right; infinite where it does not."""
    near, far = 0.0, 0.5
    while above(far) > 0:
        near, far = far, 2 * far
        if far > _FAR:
            return float("inf")
    return float(brentq(above, near, far, xtol=1e-6)) if above(near) > 0 else 0.0
