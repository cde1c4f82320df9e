"""Resampling: which particles go on, and how often. Whatever the scheme, particle i is expected n · weight_i times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Floats, UsageError

Resampling = Literal["systematic", "stratified", "multinomial", "residual"]
Ancestors = NDArray[np.intp]
Chosen = Callable[[Floats, np.random.Generator], Ancestors | None]
"""Which of weighted particles go on, None where all do."""


def multinomial(weight: Floats, rng: np.random.Generator) -> Ancestors:
    """n independent draws."""
    return _inverted(weight, np.sort(rng.random(len(weight))))


def stratified(weight: Floats, rng: np.random.Generator) -> Ancestors:
    """One draw in each n-th of the distribution (Kitagawa 1996)."""
    n = len(weight)
    return _inverted(weight, (np.arange(n) + rng.random(n)) / n)


def systematic(weight: Floats, rng: np.random.Generator) -> Ancestors:
    """The same place in each n-th: particle i goes on n · weight_i times, rounded down or up."""
    n = len(weight)
    return _inverted(weight, (np.arange(n) + rng.random()) / n)


def residual(weight: Floats, rng: np.random.Generator) -> Ancestors:
    """The whole part of n · weight_i for certain, independent draws for the rest (Liu and Chen 1998)."""
    n = len(weight)
    # What is a whole number but for rounding is one.
    expected = weight * n
    sure = np.floor(expected + 1e-9).astype(np.intp)
    left, rest = n - int(sure.sum()), np.maximum(expected - sure, 0.0)
    drawn = _inverted(rest / rest.sum(), np.sort(rng.random(left))) if left else np.zeros(0, np.intp)
    return np.sort(np.concatenate([np.repeat(np.arange(n), sure), drawn]))


RESAMPLING: Mapping[Resampling, Callable[[Floats, np.random.Generator], Ancestors]] = {
    "systematic": systematic,
    "stratified": stratified,
    "multinomial": multinomial,
    "residual": residual,
}


def checked_resampling(named: str, where: str) -> None:
    """Raises UsageError for a scheme that is none."""
    if named not in RESAMPLING:
        raise UsageError(f"no resampling {named!r}", where=where, fix=f"one of {', '.join(RESAMPLING)}")


def proportional(log_weight: Floats, rng: np.random.Generator) -> Ancestors:
    """One column [c] of each row of log-weights [c, n], in proportion to its weight; any where all are −inf.

    The greatest with Gumbel noise added.
    """
    return np.asarray(np.argmax(log_weight + rng.gumbel(size=log_weight.shape), axis=1), dtype=np.intp)


def effective_size(weight: Floats) -> float:
    """1 / Σ weight²: how many particles of equal weight tell as much."""
    return float(1 / (weight @ weight))


def chosen_by(resampling: Resampling, threshold: float) -> Chosen:
    """Drawn anew once they tell as much as fewer than threshold · n of equal weight do."""

    def chosen(weight: Floats, rng: np.random.Generator) -> Ancestors | None:
        enough = effective_size(weight) >= threshold * len(weight) * (1 - 1e-9)
        return None if enough else RESAMPLING[resampling](weight, rng)

    return chosen


def multiplied(
    log_weight: Floats, log_normalizer: Floats, idle: NDArray[np.bool_], chosen: Chosen, rng: np.random.Generator
) -> Ancestors:
    """Rows [c · n] that go on, context by context; all of those contexts [c] that are `idle` or ruled out whole.

    Where particles are drawn anew their mean weight goes into `log_normalizer` [c], and their `log_weight` [c · n] is 0
    then, both in place.
    """
    rows, by_context = np.arange(len(log_weight)), log_weight.reshape(len(log_normalizer), -1)
    n, total = by_context.shape[1], logsumexp(by_context, axis=1)
    for context in np.flatnonzero(~idle & np.isfinite(total)).tolist():
        ancestors = chosen(np.exp(by_context[context] - total[context]), rng)
        if ancestors is not None:
            rows[context * n : (context + 1) * n] = context * n + ancestors
            log_normalizer[context] += total[context] - np.log(n)
            log_weight[context * n : (context + 1) * n] = 0.0
    return rows


def _inverted(weight: Floats, places: Floats) -> Ancestors:
    """Where each of `places` in [0, 1), ascending, falls among particles as wide as their weights; none of weight 0."""
    edges = np.cumsum(weight)
    sought = np.minimum(places * edges[-1], np.nextafter(edges[-1], 0.0))
    return np.asarray(edges.searchsorted(sought, "right"), dtype=np.intp)
