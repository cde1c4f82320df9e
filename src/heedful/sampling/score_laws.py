"""What is believed of the score of one more draw, and so what it is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, polygamma, stdtr

from heedful.core import Floats, InputError, UsageError

_FEWEST, _SURE = 10, 1e6  # variances worth pooling; degrees of freedom that are as good as endless


class ScoreLaw(Protocol):
    """What is believed of the score of one more draw."""

    def improvement(self, score: Floats) -> Floats:
        """E[max(next − greatest, 0)] [c] in nats, of scores [c, k] drawn so far; +inf where it cannot be told yet."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class KnownScores:
    """Scores `value` [m] of known `probability` [m], the same in each context; equal ones where it is not given.

    Raises InputError where they are no distribution, or a score is NaN or +inf.
    """

    value: Floats
    probability: Floats

    @classmethod
    def of(cls, value: ArrayLike, probability: ArrayLike | None = None) -> KnownScores:
        scores = np.asarray(value, dtype=np.float64)
        share = (
            np.full(scores.shape, 1 / max(scores.size, 1)) if probability is None else np.asarray(probability, float)
        )
        if scores.ndim != 1 or share.shape != scores.shape or not (scores < np.inf).all():
            raise InputError("scores [m] below +inf and as many probabilities are needed", where="KnownScores")
        if not (share >= 0).all() or not math.isclose(share.sum(), 1.0, abs_tol=1e-9):
            raise InputError(f"the probabilities add up to {share.sum():.9g}, not 1", where="KnownScores")
        order = np.argsort(-scores)
        return cls(scores[order], share[order])

    def improvement(self, score: Floats) -> Floats:
        best = score.max(axis=1)
        gain = np.maximum(self.value - np.where(np.isfinite(best), best, 0.0)[:, None], 0.0) @ self.probability
        return np.where(np.isneginf(best), np.inf, gain)

    def reservation(self, price: float) -> float:
        """The score r of which E[max(next − r, 0)] = price (nats): the least worth stopping for.

        That is the greatest, over j, of (Σ p v − price) / Σ p of the j greatest scores, since the expectation is the
        greatest of Σ p (v − r) over sets of scores.
        """
        held = (self.probability > 0) & np.isfinite(self.value)
        value, share = self.value[held], self.probability[held]
        return float(((np.cumsum(share * value) - price) / np.cumsum(share)).max(initial=-np.inf))


@dataclass(frozen=True, slots=True)
class NormalScores:
    """Normal scores of unknown mean and width in each context, told by its own draws: the next is Student-t.

    By the usual flat prior of the mean. Widths are `pooled`: what those of the contexts drawn for at once, ten or more,
    have in common is their prior (Smyth 2004, "Linear models and empirical Bayes methods for assessing differential
    expression in microarray experiments", section 6.2). Else their logs have a flat prior, and each context is judged
    alone; since a width not known may be wide, where all are alike it then expects a third more of a ninth draw than
    comes, and draws on too long. Draws ruled out (−inf) tell only how often that happens. With fewer than `least`
    others it goes on; where `least` or more are all equal, it takes them for all there is.
    """

    least: int = 4
    pooled: bool = True

    def __post_init__(self) -> None:
        if self.least < 3:
            raise UsageError(f"a width takes 3 draws or more, not {self.least}", where="NormalScores")

    def improvement(self, score: Floats) -> Floats:
        held = np.isfinite(score)
        k = held.sum(axis=1)
        enough = k >= self.least
        gain = np.full(len(score), np.inf)
        own, count = np.where(held, score, 0.0)[enough], k[enough]
        mean = own.sum(axis=1) / count
        df = count - 1.0
        variance = np.where(held[enough], (own - mean[:, None]) ** 2, 0.0).sum(axis=1) / df
        if self.pooled:
            variance, df = pooled_variances(variance, df)
        best = score[enough].max(axis=1)
        width = np.sqrt(variance * (1 + 1 / count))
        gain[enough] = count / score.shape[1] * _expected_excess(best - mean, width, df)
        return gain


def pooled_variances(variance: Floats, df: Floats) -> tuple[Floats, Floats]:
    """Variances [c] on `df` degrees of freedom drawn to what is common to them, and the degrees that they then have.

    The prior of 1 / variance is a Gamma law whose degrees and scale give log variances the mean and variance that they
    have. Where that variance is no more than chance, they are taken for equal. Variances of 0 stay so and tell nothing;
    where fewer than ten others are left, all stay as they are.
    """
    told = variance > 0
    if told.sum() < _FEWEST:
        return variance, df
    log = np.log(variance[told]) - digamma(df[told] / 2) + np.log(df[told] / 2)
    beyond = float(log.var(ddof=1) - polygamma(1, df[told] / 2).mean())
    prior = _SURE
    if beyond > polygamma(1, _SURE / 2):
        prior = 2 * math.exp(brentq(lambda half: polygamma(1, math.exp(half)) - beyond, -10.0, math.log(_SURE / 2)))
    common = math.exp(float(log.mean()) + float(digamma(prior / 2)) - math.log(prior / 2))
    return np.where(told, (df * variance + prior * common) / (df + prior), 0.0), df + prior


def _expected_excess(above: Floats, width: Floats, df: Floats) -> Floats:
    """E[max(width · T − above, 0)] of Student's T with df > 1 degrees of freedom.

    = width · ((df + z²) / (df − 1) · f(z) − z · P(T > z)) with z = above / width and f the density of T.
    """
    z = np.divide(above, width, out=np.zeros_like(above), where=width > 0)
    log_density = gammaln((df + 1) / 2) - gammaln(df / 2) - np.log(df * np.pi) / 2 - (df + 1) / 2 * np.log1p(z**2 / df)
    return np.asarray(width * ((df + z**2) / (df - 1) * np.exp(log_density) - z * stdtr(df, -z)))


@dataclass(frozen=True, slots=True, eq=False)
class PairedScores:
    """Scores `after` [m] in earlier contexts whose scores `before` [m] are known: the next is linear in the last.

    By least squares, with the residuals as they came, widened for the two numbers fitted. Raises InputError where there
    are fewer than 3 pairs or a score is not finite.
    """

    before: Floats
    after: Floats
    _line: tuple[float, float] = field(init=False, repr=False)
    _residual: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        before, after = (np.asarray(scores, dtype=np.float64) for scores in (self.before, self.after))
        if before.ndim != 1 or before.shape != after.shape or len(before) < 3:
            raise InputError("3 pairs of scores or more are needed, of shape [m]", where="PairedScores")
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            raise InputError("a score is not finite", where="PairedScores", fix="leave out what is ruled out")
        gap = before - before.mean()
        slope = float(gap @ after / (gap @ gap)) if gap.any() else 0.0
        level = float(after.mean() - slope * before.mean())
        residual = (after - level - slope * before) * np.sqrt(len(before) / (len(before) - 2))
        object.__setattr__(self, "_line", (level, slope))
        object.__setattr__(self, "_residual", residual)

    def improvement(self, score: Floats) -> Floats:
        level, slope = self._line
        best, known = score.max(axis=1), np.isfinite(score[:, -1])
        ahead = level + slope * score[known, -1]
        gain = np.full(len(score), np.inf)
        gain[known] = np.maximum((ahead - best[known])[:, None] + self._residual, 0.0).mean(axis=1)
        return gain
