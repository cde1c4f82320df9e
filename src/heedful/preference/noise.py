"""Gaussian noise around an estimate, with its matrix or without, and draws of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from heedful.core import Floats
from heedful.preference.information import Information


class Noise(Protocol):
    """Gaussian noise around the estimate."""

    @property
    def matrix(self) -> Floats | None:
        """Its covariance [P, P], where there is room for one."""
        ...

    def sample(self, k: int, rng: np.random.Generator) -> Floats:
        """k draws [k, P]."""
        ...


@dataclass(frozen=True)
class Dense:
    """Noise with the covariance `matrix` [P, P], which may be singular."""

    matrix: Floats

    def sample(self, k: int, rng: np.random.Generator) -> Floats:
        size = len(self.matrix)
        # A singular covariance gets a Cholesky factor by a jitter of 1e-10 of its mean variance.
        jitter = 1e-10 * float(np.diag(self.matrix).mean()) if size else 0.0
        factor = np.linalg.cholesky(self.matrix + jitter * np.eye(size))
        return np.asarray(rng.standard_normal((k, size)) @ factor.T)


@dataclass(frozen=True)
class Independent:
    """Independent noise with standard deviations `sd` [P]."""

    sd: Floats
    matrix: None = None

    def sample(self, k: int, rng: np.random.Generator) -> Floats:
        return np.asarray(rng.standard_normal((k, len(self.sd))) * self.sd)


@dataclass(frozen=True)
class Perturbed:
    """Noise H⁻¹ Sᵀ ε with random signs ε, whose covariance is the sandwich H⁻¹ SᵀS H⁻¹, without its matrix.

    `scores` [g, P] are sums of the gradient over independent groups of votes; sums of many are near enough to normal.
    """

    information: Information
    scores: Any
    gauge: Floats
    items: int
    matrix: None = None

    def sample(self, k: int, rng: np.random.Generator) -> Floats:
        blocks = [self.scores.T @ _signs(self.scores.shape[0], min(8, k - begin), rng) for begin in range(0, k, 8)]
        drawn = self.information.solve(np.concatenate(blocks, axis=1)).T
        return np.asarray(drawn - np.outer(drawn[:, : self.items].mean(axis=1), self.gauge))


def _signs(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Independent ±1 [rows, columns], columns <= 8, from a random byte per row."""
    bits = np.unpackbits(np.frombuffer(rng.bytes(rows), np.uint8)[:, None], axis=1, count=columns)
    return np.asarray(2.0 * bits - 1.0)


def heavy_tailed(noise: Floats, df: float, rng: np.random.Generator) -> Floats:
    """Gaussian noise [k, P] as that of a t distribution with `df` degrees of freedom (at least 4: a finite spread)."""
    if np.isinf(df):
        return noise
    df = max(df, 4.0)
    return np.asarray(noise * np.sqrt(df / rng.chisquare(df, len(noise)))[:, None])


def mirrored(mean: Floats, noise: Floats) -> Floats:
    """Draws [2k, P] in pairs mirrored about the mean, from noise [k, P]: their average is the mean."""
    return np.concatenate([mean + noise, mean - noise])
