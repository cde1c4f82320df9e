"""Utilities under a Gaussian process and duels with probit noise: the exact posterior, sampled, and normal ones.

A duel is won where v = u_winner − u_loser + ε > 0, with ε ~ N(0, noise²). All v together are normal beforehand, and the
duels say that all are above zero; given v the utilities are normal. So the posterior is a mixture of normals, over v
from a truncated one: a skew Gaussian process (Takeno et al. 2023, "Towards practical preferential Bayesian optimization
with skew Gaussian processes").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtri_exp

from heedful.core import FitError, Floats, InputError, UsageError
from heedful.preference.backtracking import along, backtracked
from heedful.preference.gaussian import Gaussian
from heedful.preference.observations import Indices

# Newton steps and sweeps of expectation propagation; changes below which they end.
_STEPS, _SWEEPS, _TOLERANCE = 100, 100, 1e-8


@dataclass(frozen=True, eq=False)
class SkewGaussian:
    """What m duels of n items tell: `prior` of their utilities, `winner` and `loser` [m], standard deviation `noise`
    of v, which decides a duel."""

    prior: Gaussian
    winner: Indices
    loser: Indices
    noise: float

    @classmethod
    def of(cls, kernel: Floats, winner: ArrayLike, loser: ArrayLike, *, noise: float) -> SkewGaussian:
        """kernel [n, n]. Raises InputError for a kernel, items or a noise (above 0) that are none."""
        prior, won, lost = Gaussian.prior(kernel), np.asarray(winner, np.intp), np.asarray(loser, np.intp)
        n = len(prior.mean)
        if won.shape != lost.shape or won.ndim != 1 or ((won < 0) | (won >= n) | (lost < 0) | (lost >= n)).any():
            raise InputError(f"winners and losers are as many of {n} items, numbered from 0", where="SkewGaussian")
        if not noise > 0 or (won == lost).any():
            raise InputError("noise is above 0, and no item meets itself", where="SkewGaussian")
        return cls(prior, won, lost, noise)

    @cached_property
    def _shared(self) -> Floats:
        """Covariances [n, m] of utilities and differences."""
        return np.asarray(self.prior.covariance[:, self.winner] - self.prior.covariance[:, self.loser])

    @cached_property
    def _differences(self) -> Floats:
        """Covariances [m, m] of the differences u_winner − u_loser beforehand."""
        return np.asarray(self._shared[self.winner] - self._shared[self.loser])

    @cached_property
    def _precision(self) -> Floats:
        """Of v beforehand [m, m]."""
        return np.asarray(np.linalg.inv(self._differences + self.noise**2 * np.eye(len(self.winner))))

    def sampled(self, chains: int, sweeps: int, *, rng: np.random.Generator) -> Floats:
        """Draws of v [chains, m], one of each chain after so many sweeps, which draw each v_i given the others (Gibbs).

        Where there are more duels than items, and noise is little beside utilities, the others leave each v_i about
        the noise's width to move in, and it takes of the order of (sd / noise)² sweeps until a chain has forgotten its
        start: 60 noiseless duels of 12 items with noise 0.02 had not after 3,000.
        """
        if chains < 1 or sweeps < 1:
            raise UsageError(f"a chain and a sweep or more are needed, not {chains}, {sweeps}", where="SkewGaussian")
        precision, m = self._precision, len(self.winner)
        sd = 1 / np.sqrt(np.diag(precision))
        v = np.abs(rng.normal(size=(chains, m))) * np.sqrt(np.diag(self._differences) + self.noise**2)
        for _ in range(sweeps):
            logs = np.log(rng.random((chains, m)))
            for i in range(m):
                mean = v[:, i] - v @ precision[i] / precision[i, i]
                # The upper tail, by logs: a duel that was all but lost leaves little of it.
                v[:, i] = mean - sd[i] * ndtri_exp(logs[:, i] + log_ndtr(mean / sd[i]))
        return np.asarray(np.maximum(v, 0.0))

    def given(self, v: Floats) -> tuple[Floats, Floats]:
        """Means [k, n] of utilities given each of k draws of v [k, m], and their covariance [n, n], common to all."""
        weights = self._shared @ self._precision
        return v @ weights.T, self.prior.covariance - weights @ self._shared.T

    def believer(self, *, sweeps: int = 100, rng: np.random.Generator) -> Gaussian:
        """The Gaussian process given one draw of v as if it had been seen: the work's hallucination believer."""
        means, covariance = self.given(self.sampled(1, sweeps, rng=rng))
        return Gaussian(means[0], covariance)

    def moments(self, v: Floats) -> Gaussian:
        """Mean and covariance of the posterior by draws of v [k, m]."""
        means, covariance = self.given(v)
        away = means - means.mean(axis=0)
        return Gaussian(means.mean(axis=0), covariance + away.T @ away / len(v))

    def better(self, v: Floats) -> Floats:
        """P(u_row > u_column) [n, n], the mean over draws of v [k, m] of what it is given each: no utility is drawn, so
        that it varies less than a share of draws. 1/2 against itself."""
        means, covariance = self.given(v)
        return np.asarray(np.mean([Gaussian(mean, covariance).better() for mean in means], axis=0))

    def laplace(self) -> Gaussian:
        """The normal at the mode of the utilities, by Newton's method."""
        weight, curvature = self._mode()
        shrunk = self._shared @ np.linalg.inv(np.diag(1 / curvature) + self._differences)
        return Gaussian(self._shared @ weight, self.prior.covariance - shrunk @ self._shared.T)

    def propagated(self) -> Gaussian:
        """The normal of expectation propagation: each v_i > 0 in turn is replaced by a normal factor that gives v_i the
        same mean and variance (Minka 2001). With one duel its moments are exact."""
        m = len(self.winner)
        before = np.linalg.inv(self._precision)
        precision, shift, mean, covariance = np.zeros(m), np.zeros(m), np.zeros(m), before
        for _ in range(_SWEEPS):
            last = mean
            for i in range(m):
                rest = 1 / covariance[i, i] - precision[i]
                middle, variance = (mean[i] / covariance[i, i] - shift[i]) / rest, 1 / rest
                z = middle / np.sqrt(variance)
                ratio = _hazard(z)
                tilted = variance * (1 - ratio * (z + ratio))
                change, own = 1 / tilted - 1 / covariance[i, i], covariance[i]
                precision[i] += change
                shift[i] = (middle + np.sqrt(variance) * ratio) / tilted - middle * rest
                covariance = covariance - np.outer(own, own) * change / (1 + change * own[i])
                mean = covariance @ shift
            if np.abs(mean - last).max(initial=0.0) < _TOLERANCE:
                break
        else:
            raise FitError(f"expectation propagation did not settle in {_SWEEPS} sweeps", fix="use draws")
        weights = self._shared @ self._precision
        return Gaussian(weights @ mean, self.prior.covariance - weights @ (before - covariance) @ weights.T)

    def _mode(self) -> tuple[Floats, Floats]:
        """The gradient [m] of the log-likelihood in the differences at the mode, and its curvature [m], negated."""
        prior = self._differences

        def height(weight: Floats) -> float:
            difference = prior @ weight
            return float(log_ndtr(difference / self.noise).sum() - weight @ difference / 2)

        weight = np.zeros(len(self.winner))
        value = height(weight)
        for _ in range(_STEPS):
            difference = prior @ weight
            z = difference / self.noise
            ratio = _hazard(z)
            slope, curvature = ratio / self.noise, np.maximum(ratio * (z + ratio), 1e-12) / self.noise**2
            target = np.linalg.solve(np.eye(len(z)) + curvature[:, None] * prior, curvature * difference + slope)
            step = target - weight
            rise = float((prior @ (slope - weight)) @ step)
            found = backtracked(along(height, weight, step), value, rise)
            if rise < _TOLERANCE or found is None:
                return weight, curvature
            value, weight = found
        raise FitError(f"no mode was found in {_STEPS} steps of Newton's method", fix="use draws")


def _hazard(z: Floats) -> Floats:
    """φ(z) / Φ(z), by logs."""
    return np.asarray(np.exp(-(np.asarray(z) ** 2) / 2 - log_ndtr(z)) / np.sqrt(2 * np.pi))
