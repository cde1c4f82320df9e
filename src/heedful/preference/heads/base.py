"""What every head is: features and votes in, a fitted function of features with draws and spread out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from heedful.core import Floats
from heedful.models.encoders import Arrays
from heedful.preference.heads.votes import Votes

# Nodes of the Gauss-Hermite rule for averages over people's own spread. With 15, the mean of σ(Δ + s z) is right to
# 1e-4 up to s = 3.
_NODES = 15


@dataclass(frozen=True)
class Gap:
    """The difference between first and second as a distribution: `values` [k, q, m] over k draws and q outcomes of
    people's own spread, which have `weights` [q]."""

    values: Floats
    weights: Floats

    def probability(self, temperature: float = 1.0) -> Floats:
        """P(first wins | decided) [m]: the mean of σ(gap / temperature) over draws and spread.

        Written so that negating the gaps gives one less it to the last bit or so.
        """
        if not self.values.shape[2]:
            return np.zeros(0)
        mean = np.tanh(self.values / (2 * temperature)).mean(axis=0)
        return np.asarray((1 + self.weights @ mean) / 2)

    def log_loss(self, share: Floats, temperature: float) -> Floats:
        """−s log P(first) − (1 − s) log P(second) [m], finite however far apart the two are."""
        gap = self.values / temperature
        first = log_expit(gap)
        return -share * self._log_mean(first) - (1 - share) * self._log_mean(first - gap)

    def _log_mean(self, log_p: Floats) -> Floats:
        """log of the mean of e^log_p [m] over draws and spread."""
        if not log_p.size:
            return np.zeros(log_p.shape[2])
        most = log_p.max(axis=(0, 1))
        return np.asarray(most + np.log(self.weights @ np.exp(log_p - most).mean(axis=0)))


@runtime_checkable
class FittedHead(Protocol):
    """A reward as a function of features [m, d], each row by itself.

    `mean` [m] in nats; `draws` [k, m] of what is not known, shared across rows and calls, in pairs mirrored about the
    mean; `aleatoric` [m], the standard deviation of people's own disagreement about a row, or None where the head has
    none. `prefer` is P(first wins | decided) [m], by the `gap` between the two. `state` gives arrays and JSON values
    from which `from_state` makes the same head, `facts` are JSON values about the fit.
    """

    @property
    def name(self) -> str: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    def mean(self, features: Floats) -> Floats: ...
    def draws(self, features: Floats) -> Floats: ...
    def aleatoric(self, features: Floats) -> Floats | None: ...
    def gap(self, first: Floats, second: Floats) -> Gap: ...
    def prefer(self, first: Floats, second: Floats) -> Floats: ...
    def state(self) -> tuple[Arrays, dict[str, Any]]: ...
    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self: ...


@runtime_checkable
class Head(Protocol):
    """How to fit: a small frozen value. `design` [n, d] are standardised features, `votes` are on its rows."""

    @property
    def name(self) -> str: ...
    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedHead: ...


class ByGap:
    """Prefers by the gap, which is Gaussian unless the head says otherwise."""

    def gap(self: FittedHead, first: Floats, second: Floats) -> Gap:
        return gaussian_gap(self, first, second)

    def prefer(self: FittedHead, first: Floats, second: Floats) -> Floats:
        return self.gap(first, second).probability()


def gaussian_gap(fitted: FittedHead, first: Floats, second: Floats) -> Gap:
    """Draws of the difference, with people's spread around each as that of two independent Gaussians, if there is any.

    P(first) is then E σ(Δ + √(s₁² + s₂²) z) with z standard normal (logistic-normal), by Gauss-Hermite quadrature.
    """
    between = fitted.draws(first) - fitted.draws(second)
    one, other = fitted.aleatoric(first), fitted.aleatoric(second)
    if one is None or other is None:
        return Gap(between[:, None], np.ones(1))
    nodes, weights = hermite()
    return Gap(between[:, None] + nodes[:, None] * np.hypot(one, other), weights)


def hermite() -> tuple[Floats, Floats]:
    """Nodes [q] and weights [q] with which averages over a standard normal are taken."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / weights.sum()


def prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Arrays under names that begin with `prefix`."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The arrays whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
