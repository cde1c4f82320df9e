"""Utilities of listed items that are jointly normal, and what an observation of them changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from heedful.core import Floats, InputError


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(`mean` [n], `covariance` [n, n]): a Gaussian process on n items, or what is left of one."""

    mean: Floats
    covariance: Floats

    @classmethod
    def prior(cls, kernel: Floats) -> Gaussian:
        """Mean zero and this covariance [n, n]. Raises InputError where it is none."""
        covariance = np.asarray(kernel, dtype=np.float64)
        if covariance.ndim != 2 or not np.isfinite(covariance).all() or not np.allclose(covariance, covariance.T):
            raise InputError("a kernel is symmetric and finite, of shape [n, n]", where="kernel")
        values = np.linalg.eigvalsh(covariance)
        if values[0] < -1e-8 * max(values[-1], 0.0):
            what = f"a covariance has no eigenvalue below 0, and this has {values[0]:.3g}"
            raise InputError(what, where="kernel", fix="take a kernel that is positive semi-definite")
        return cls(np.zeros(len(covariance)), covariance)

    @property
    def sd(self) -> Floats:
        """The standard deviation of each item [n]."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))

    def better(self) -> Floats:
        """P(u_row > u_column) [n, n]; 1/2 against itself and where a difference is known to be none."""
        variance = np.diag(self.covariance)
        spread = np.sqrt(np.maximum(variance[:, None] + variance - 2 * self.covariance, 0.0))
        lead = self.mean[:, None] - self.mean
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(lead == 0, 0.5, ndtr(lead / spread)))

    def given(self, along: Floats, value: float, noise: float) -> Gaussian:
        """After `value` was seen of `along` [n] · utilities, with Gaussian noise of this standard deviation.

        m + c (value − a·m) / s and C − c cᵀ / s, with c = C a and s = a·c + noise². Raises InputError where neither the
        noise nor the belief leaves any variance, so that the value is known already.
        """
        shared = self.covariance @ along
        variance = float(along @ shared) + noise**2
        if not variance > 0:
            raise InputError("a value without noise or doubt is known already", where="Gaussian.given", fix="noise > 0")
        gain = shared / variance
        return Gaussian(self.mean + gain * (value - along @ self.mean), self.covariance - np.outer(gain, shared))
