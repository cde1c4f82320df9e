"""Types of raters: how likely each is to give an answer, and how common each is.

A rater of attention w, sharpness a (negative: prefers the worse) and lean b toward the candidate shown first answers a
comparison with difference of utility Δ by Davidson's model (1970): D(first) ∝ e^{η/2}, D(second) ∝ e^{−η/2},
D(tie) ∝ ν, at η = aΔ + μ + b with probability w, and at η = μ + b with ν = ν₀, hence blind to the question, else:

    P(o | Δ) = w D(o | aΔ + μ + b, ν) + (1 − w) D(o | μ + b, ν₀)

Types stand on a grid, so that what is not known of a rater is summed over exactly, whatever the shape of its
distribution. That shape is fitted: log π = Σ α_k φ_k, polynomials in the grid's coordinates,
shrunk a little toward all types being equally common (Efron 2016, "Empirical Bayes
deconvolution estimates").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.polynomial import legendre
from scipy.special import logsumexp

from heedful.core import Floats

RaterModel = Literal["lapse", "sharpness"]

# Largest sharpness on the grid, as a multiple of the mean, and how much denser the grid is
# at 0 than there.
_SHARPEST, _BEND = 8.0, 2.5
# Largest lean on the grid, in nats about the average lean.
_LEAN = 4.0
# Standard deviations of the prior on coefficients: those of location and width, and of the others times the degree.
_FREE, _SHAPE = 5.0, 6.0
_DEGREE, _LEAN_DEGREE = 8, 4


@dataclass(frozen=True)
class Types:
    """G types: `attention`, `sharpness`, `lean` [G]; log π = `basis` [G, K] @ α with α ~ N(0, `sd`²) [K].

    `coordinate` [G] is what the grid is even in: the signed attention, or a bent sharpness; `start` [K] is a density of
    mostly reliable raters.
    """

    model: RaterModel
    coordinate: Floats
    attention: Floats
    sharpness: Floats
    lean: Floats
    basis: Floats
    sd: Floats
    start: Floats

    @classmethod
    def grid(cls, model: RaterModel, points: int, leans: int) -> Types:
        """`points` (odd) values of reliability by `leans` (odd; 1: none but the average) values of the lean."""
        t, side = np.linspace(-1, 1, points), np.linspace(-1, 1, leans) if leans > 1 else np.zeros(1)
        if model == "lapse":
            attention, sharpness, (at, width) = np.abs(t), np.where(t < 0, -1.0, 1.0), (0.6, 0.3)
        else:
            attention, sharpness = np.ones(points), sharpness_at(t)
            at, width = 0.3, 0.15
        basis, sd, start = _density_basis(t, at, width)
        if leans > 1:
            both = legendre.legvander(side, _LEAN_DEGREE)[:, 2:]
            basis = np.hstack([np.repeat(basis, leans, axis=0), np.tile(both, (points, 1))])
            sd = np.concatenate([sd, [_FREE], _SHAPE / np.arange(3, _LEAN_DEGREE + 1)])
            start = np.concatenate([start, [-10.0], np.zeros(_LEAN_DEGREE - 2)])
        lean = _LEAN * np.sign(side) * np.abs(side) ** 1.5
        along, across = np.repeat(np.arange(points), leans), np.tile(np.arange(leans), points)
        return cls(model, t[along], attention[along], sharpness[along], lean[across], basis, sd, start)

    @property
    def size(self) -> int:
        return len(self.coordinate)

    @property
    def parity(self) -> Floats:
        """−1 for the coefficients [K] of functions that are odd in the coordinate, 1 for the others."""
        return np.where(np.arange(len(self.sd)) < _DEGREE, (-1.0) ** np.arange(1, len(self.sd) + 1), 1.0)

    def from_even(self, alpha: Floats) -> Floats:
        """Where to start from the coefficients α of a fit without leans: at narrow leans."""
        return np.concatenate([alpha, self.start[len(alpha) :]])

    @cached_property
    def points(self) -> Floats:
        """The distinct coordinates, ascending."""
        return np.unique(self.coordinate)

    @cached_property
    def leans(self) -> Floats:
        """The distinct leans, ascending."""
        return np.unique(self.lean)

    def log_prior(self, alpha: Floats) -> Floats:
        """log π [G]."""
        density = self.basis @ alpha
        return np.asarray(density - logsumexp(density))


def sharpness_at(coordinate: Floats) -> Floats:
    """The sharpness at a coordinate in [-1, 1]."""
    return np.asarray(_SHARPEST * np.sinh(_BEND * coordinate) / np.sinh(_BEND))


def _density_basis(t: Floats, at: float, width: float) -> tuple[Floats, Floats, Floats]:
    """Basis of the log-density in t, the standard deviations of its coefficients, and those of N(at, width²)."""
    basis = np.asarray(legendre.legvander(t, _DEGREE)[:, 1:], dtype=np.float64)
    sd = np.concatenate([[_FREE, _FREE], _SHAPE / np.arange(3, _DEGREE + 1)])
    start = np.zeros(basis.shape[1])
    start[:2] = at / width**2, -2 / 3 * 0.5 / width**2
    return basis, np.asarray(sd), start


@dataclass(frozen=True)
class Answers:
    """log P of the answers given [e, G] and its derivatives in Δ, μ, log ν and log ν₀; `curvature` is ∂²/∂Δ²."""

    log_p: Floats
    slope: Floats
    lean: Floats | None
    tie: Floats | None
    blind_tie: Floats | None
    curvature: Floats | None


def answers(
    types: Types,
    outcome: Floats,
    shown: Floats,
    difference: Floats,
    shared: tuple[float, float, float],
    *,
    curved: bool = False,
) -> Answers:
    """How each type would have given each answer: `outcome` [e] 1 (first), 0 (tie), −1; `shown` [e] 1 where the order
    is known, else 0; `difference` [e] is Δ; `shared` are μ, log ν and log ν₀ (−inf: no ties).
    """
    mu, log_tie, log_blind = shared
    side, tied = shown[:, None], outcome[:, None]
    # Types share few ways of seeing a question; blind answers depend on the lean and on whether the order is known.
    seeing, own = np.unique(np.stack([types.sharpness, types.lean]), axis=1, return_inverse=True)
    seen = seeing[0] * difference[:, None] + side * (mu + seeing[1])
    sharp = _Davidson.at(seen, tied, log_tie)
    slope, bent = seeing[0] * sharp.slope, seeing[0] ** 2 * (sharp.slope**2 - sharp.variance / 4)
    ties, ordered = log_tie > -np.inf, bool(shown.any())
    if (types.attention == 1).all():
        every = slope[:, own]
        return Answers(
            _log_davidson(seen, tied, log_tie)[:, own],
            every,
            (side * sharp.slope)[:, own] if ordered else None,
            sharp.tie[:, own] if ties else None,
            np.zeros_like(every) if ties else None,
            bent[:, own] - every**2 if curved else None,
        )
    leans, where = np.unique(types.lean, return_inverse=True)
    blind = _Davidson.at(side * (mu + leans), tied, log_blind)
    attentive = types.attention * sharp.p[:, own]
    p = attentive + (1 - types.attention) * blind.p[:, where]
    share = attentive / p
    every = share * slope[:, own]
    return Answers(
        np.log(p),
        every,
        side * (share * sharp.slope[:, own] + (1 - share) * blind.slope[:, where]) if ordered else None,
        share * sharp.tie[:, own] if ties else None,
        (1 - share) * blind.tie[:, where] if ties else None,
        share * bent[:, own] - every**2 if curved else None,
    )


@dataclass(frozen=True)
class _Davidson:
    """P of the outcome, ∂ log P/∂η, ∂ log P/∂ log ν, and the variance of the outcome's score."""

    p: Floats
    slope: Floats
    tie: Floats
    variance: Floats

    @classmethod
    def at(cls, eta: Floats, outcome: Floats, log_tie: float) -> _Davidson:
        small = np.exp(-np.abs(eta) / 2)
        square = small * small
        ties = np.exp(log_tie) * small
        total = 1 + square + ties
        weight = np.where(outcome * eta > 0, 1.0, square)
        p = np.where(outcome == 0, ties, weight) / total
        mean, drawn = np.sign(eta) * (1 - square) / total, ties / total
        return cls(p, (outcome - mean) / 2, (outcome == 0) - drawn, 1 - drawn - mean * mean)


def _log_davidson(eta: Floats, outcome: Floats, log_tie: float) -> Floats:
    """log P of the outcome, also where P is no number above 0."""
    far = np.abs(eta)
    log_weight = np.where(outcome == 0, log_tie - far / 2, np.where(outcome * eta > 0, 0.0, -far))
    return np.asarray(log_weight - np.log1p(np.exp(-far) + np.exp(log_tie - far / 2)))
