"""Models of one comparison: what outcome a difference of utilities leads to.

With Δ = u_first − u_second, an outcome has a signed degree: positive where the first won, negative where the second
did, 0 for a tie. Two families, each with one interface (`PairLink`):

- adjacent categories: Bradley-Terry, Davidson's ties, degrees (`PairModel`);
- cumulative: Rao-Kupper's ties (logistic), Thurstone's Case V with the ties of Glenn and David (normal)
  (`CumulativePairModel`).

Every log P is concave in Δ and the nuisance parameters together, so that Newton's method finds the maximum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logit, ndtri

from heedful.core import Floats
from heedful.preference.pair_closed import Derivatives, davidson, rao_kupper


class PairLink(Protocol):
    """P(outcome | Δ) with nuisance parameters c [p]. Outcomes come first in arrays, in ascending order of degree."""

    @property
    def scores(self) -> Floats:
        """The signed degree of each outcome [o], ascending."""
        ...

    @property
    def nuisances(self) -> tuple[str, ...]: ...

    def start(self, totals: Floats) -> Floats:
        """Nuisance parameters [p] to start from, given the votes of each outcome [o]."""
        ...

    def valid(self, nuisance: Floats) -> bool: ...

    def log_prob(self, difference: Floats, nuisance: Floats) -> Floats:
        """log P of every outcome [o, ...] at differences [...], for nuisance parameters [p, ...] or [p]."""
        ...

    def gradient(self, counts: Floats, difference: Floats, nuisance: Floats) -> Floats:
        """Σ over outcomes of counts [o, ...] times the derivatives of log P by Δ, then c [1 + p, ...]."""
        ...

    def derivatives(self, counts: Floats, difference: Floats, nuisance: Floats) -> Derivatives:
        """Σ over outcomes of counts [o, m] times log P and its derivatives, at differences [m]."""
        ...

    def recession(self) -> tuple[Floats, Floats]:
        """By outcome, directions in which it loses no likelihood: slope [o, r] and levels [o, r, p].

        slope · (δ_first − δ_second) + levels · δ_c ≤ 0 for each r.
        """
        ...

    def keeping(self, present: NDArray[np.bool_]) -> tuple[Self, NDArray[np.bool_]] | None:
        """The model where only some outcomes [o] occur, and those it keeps; None where no vote is decided."""
        ...


def outcome_scores(degrees: Floats, ties: bool) -> Floats:
    """Signed degrees in ascending order: −d..−1, (0), 1..d."""
    return np.concatenate([-degrees[::-1], [0.0] if ties else [], degrees])


@dataclass(frozen=True)
class PairModel:
    """Adjacent categories: P(k) ∝ exp(c_|k| + k · Δ/2) over the degrees observed, their negatives, and 0 for ties.

    Two outcomes are Bradley and Terry's model (1952), P(first) = σ(Δ). A tie beside them is Davidson's (1970), with
    ν = exp(c_0): P(first) ∝ e^{Δ/2}, P(tie) ∝ ν. Several degrees are the adjacent-categories logit of Agresti (1992,
    "Analysis of ordinal paired comparison data", section 3), with the degrees given as scores.
    """

    degrees: Floats
    ties: bool

    @cached_property
    def scores(self) -> Floats:
        """The signed degree of each outcome [o]."""
        return outcome_scores(self.degrees, self.ties)

    @property
    def nuisances(self) -> tuple[str, ...]:
        """log ν of the tie, then c_d of every degree but the smallest, whose c is 0."""
        return ("log tie",) * self.ties + tuple(f"log degree {degree:g}" for degree in self.degrees[1:])

    @cached_property
    def levels(self) -> Floats:
        """Which nuisance parameter enters each outcome [o, p]."""
        values = ([0.0] if self.ties else []) + self.degrees[1:].tolist()
        return np.asarray(np.abs(self.scores)[:, None] == np.array(values), dtype=np.float64)

    def start(self, totals: Floats) -> Floats:
        return np.zeros(len(self.nuisances))

    def valid(self, nuisance: Floats) -> bool:
        return True

    def log_prob(self, difference: Floats, nuisance: Floats) -> Floats:
        """log P of every outcome [o, ...] at utility differences [...], for nuisance parameters [p, ...] or [p].

        Outcomes come first, so that sums over them run along memory.
        """
        logits = self._logits(difference, nuisance)
        logits -= np.log(np.exp(logits).sum(axis=0))
        return logits

    def _logits(self, difference: Floats, nuisance: Floats) -> Floats:
        """log P up to a constant, 0 for the likeliest outcome [o, ...]."""
        levels = np.tensordot(self.levels, nuisance, axes=1)
        column = (len(self.scores), *(1,) * difference.ndim)
        logits = difference * (self.scores / 2).reshape(column)
        logits += levels.reshape(column) if levels.ndim == 1 else levels
        logits -= logits.max(axis=0)
        return np.asarray(logits)

    def _probabilities(self, difference: Floats, nuisance: Floats) -> tuple[Floats, Floats, Floats]:
        """P [o, ...], its logits, and the sum [...] that the exponentials of those were divided by."""
        logits = self._logits(difference, nuisance)
        p = np.exp(logits)
        whole = p.sum(axis=0)
        p /= whole
        return p, logits, whole

    def gradient(self, counts: Floats, difference: Floats, nuisance: Floats) -> Floats:
        p, _, _ = self._probabilities(difference, nuisance)
        return self._gradient(counts, p, counts.sum(axis=0))

    def _gradient(self, counts: Floats, p: Floats, total: Floats) -> Floats:
        return np.asarray(np.tensordot(self._by.T, counts, axes=1) - total * np.tensordot(self._by.T, p, axes=1))

    @cached_property
    def _by(self) -> Floats:
        """How Δ and each nuisance parameter enter the logits [o, 1 + p]."""
        return np.column_stack([self.scores / 2, self.levels])

    def derivatives(self, counts: Floats, difference: Floats, nuisance: Floats) -> Derivatives:
        if self.degrees.tolist() == [1.0]:
            return davidson(counts, difference, nuisance)
        p, logits, whole = self._probabilities(difference, nuisance)
        total = counts.sum(axis=0)
        by = self._by
        mean = by.T @ p
        information = np.tensordot(by.T[:, None] * by.T, p, axes=1)
        information -= mean[:, None] * mean
        information *= total
        value = float(np.vdot(counts, logits) - total @ np.log(whole))
        return Derivatives(value, by.T @ counts - total * mean, information)

    def recession(self) -> tuple[Floats, Floats]:
        """Each outcome keeps up with every other."""
        z, levels = self.scores, self.levels
        return (z - z[:, None]) / 2, levels - levels[:, None]

    def keeping(self, present: NDArray[np.bool_]) -> tuple[PairModel, NDArray[np.bool_]] | None:
        level = np.unique(np.abs(self.scores[present]))
        degrees = level[level > 0]
        if not len(degrees):
            return None
        return PairModel(degrees, bool((level == 0).any())), np.isin(np.abs(self.scores), level)


@dataclass(frozen=True)
class CumulativePairModel:
    """Thresholds on a noisy difference: P(first) = F(Δ − τ), P(second) = F(−Δ − τ), a tie in between; τ > 0.

    With F logistic, Rao and Kupper's model (1967), θ = e^τ; with F normal, Thurstone's Case V (1927) with the ties of
    Glenn and David (1960), Δ in standard deviations of the noise of a difference. Without ties τ = 0.
    """

    distribution: Literal["logistic", "normal"]
    ties: bool

    @property
    def scores(self) -> Floats:
        return outcome_scores(np.ones(1), self.ties)

    @property
    def nuisances(self) -> tuple[str, ...]:
        return ("tie threshold",) * self.ties

    def start(self, totals: Floats) -> Floats:
        """The threshold at which items of one utility tie as often as all do."""
        if not self.ties:
            return np.zeros(0)
        share = (totals[1] + 0.5) / (totals.sum() + 1)
        return np.array([(logit if self.distribution == "logistic" else ndtri)((1 + share) / 2)])

    def valid(self, nuisance: Floats) -> bool:
        return bool((nuisance > 0).all())

    def log_prob(self, difference: Floats, nuisance: Floats) -> Floats:
        log_cdf = _LOG_CDF[self.distribution]
        if not self.ties:
            return np.stack([log_cdf(-difference), log_cdf(difference)])
        # F(τ − Δ) − F(−τ − Δ), in the lower tail, where no difference of numbers near 1 loses its digits.
        upper, lower = log_cdf(nuisance[0] - np.abs(difference)), log_cdf(-nuisance[0] - np.abs(difference))
        tie = upper + np.log(-np.expm1(lower - upper))
        return np.stack([log_cdf(-difference - nuisance[0]), tie, log_cdf(difference - nuisance[0])])

    @property
    def _ends(self) -> list[tuple[int, float, float, float]]:
        """P(outcome) = Σ sign · F(a Δ + b τ) over rows (outcome, sign, a, b)."""
        if not self.ties:
            return [(0, 1.0, -1.0, 0.0), (1, 1.0, 1.0, 0.0)]
        return [(0, 1.0, -1.0, -1.0), (1, 1.0, -1.0, 1.0), (1, -1.0, -1.0, -1.0), (2, 1.0, 1.0, -1.0)]

    def gradient(self, counts: Floats, difference: Floats, nuisance: Floats) -> Floats:
        log_p = self.log_prob(difference, nuisance)
        own = np.zeros((len(log_p), self._size, *difference.shape))
        for outcome, by, ratio, _ in self._densities(difference, nuisance, log_p):
            own[outcome] += np.multiply.outer(by, ratio)
        return np.asarray((own * counts[:, None]).sum(axis=0))

    def derivatives(self, counts: Floats, difference: Floats, nuisance: Floats) -> Derivatives:
        if self.ties and self.distribution == "logistic":
            return rao_kupper(counts, difference, nuisance)
        log_p = self.log_prob(difference, nuisance)
        own, bent = np.zeros((len(log_p), self._size, len(difference))), 0.0
        for outcome, by, ratio, bend in self._densities(difference, nuisance, log_p):
            own[outcome] += by[:, None] * ratio
            bent = bent + np.outer(by, by)[:, :, None] * (counts[outcome] * ratio * bend)
        scaled = counts[:, None] * own
        squares = sum(one[:, None] * other for one, other in zip(scaled, own, strict=True))
        return Derivatives(float(np.vdot(counts, log_p)), scaled.sum(axis=0), squares - bent)

    @property
    def _size(self) -> int:
        return 1 + self.ties

    def _densities(
        self, difference: Floats, nuisance: Floats, log_p: Floats
    ) -> Iterator[tuple[int, Floats, Floats, Floats]]:
        """Each end x of an outcome's interval: how Δ and τ enter it [1 + p], ± f(x) / P and f′(x) / f(x)."""
        for outcome, sign, a, b in self._ends:
            density, bend = _DENSITY[self.distribution](a * difference + (b * nuisance[0] if self.ties else 0.0))
            yield outcome, np.array([a, b])[: self._size], sign * np.exp(density - log_p[outcome]), bend

    def recession(self) -> tuple[Floats, Floats]:
        """The upper end of an outcome's interval must not fall, its lower end not rise."""
        p = len(self.nuisances)
        slope, levels = np.zeros((len(self.scores), 2)), np.zeros((len(self.scores), 2, p))
        for outcome, sign, a, b in self._ends:
            row = int(sign < 0)
            slope[outcome, row], levels[outcome, row] = -sign * a, np.full(p, -sign * b)
        return slope, levels

    def keeping(self, present: NDArray[np.bool_]) -> tuple[CumulativePairModel, NDArray[np.bool_]] | None:
        tied = self.scores == 0
        if not present[~tied].any():
            return None
        ties = bool(present[tied].any())
        return replace(self, ties=ties), ~tied | ties


def _log_expit(x: Floats) -> Floats:
    """log σ(x), by NumPy's vectorised exp: several times as fast as scipy.special.log_expit."""
    return np.asarray(np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))))


def _logistic_density(x: Floats) -> tuple[Floats, Floats]:
    """log f and f′/f."""
    size = np.abs(x)
    return -size - 2 * np.log1p(np.exp(-size)), -np.tanh(x / 2)


def _normal_density(x: Floats) -> tuple[Floats, Floats]:
    return -(x**2) / 2 - np.log(2 * np.pi) / 2, -x


_LOG_CDF = {"logistic": _log_expit, "normal": log_ndtr}
_DENSITY = {"logistic": _logistic_density, "normal": _normal_density}
