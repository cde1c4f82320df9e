"""Choosing the output of least expected cost under a distribution over what would be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Floats, InputError


def expected_costs(log_prob: ArrayLike, cost: ArrayLike) -> Floats:
    """Σ_y p(y) cost(a, y) [n, a] for n distributions over s outputs, `log_prob` [n, s] in nats, `cost` [a, s].

    Raises InputError where shapes do not fit, costs are not finite, or a distribution does not sum to one.
    """
    p, c = np.exp(np.asarray(log_prob, np.float64)), np.asarray(cost, np.float64)
    if p.ndim != 2 or c.ndim != 2 or p.shape[1] != c.shape[1] or not np.isfinite(c).all():
        raise InputError(f"log-probabilities [n, s] and finite costs [a, s] are needed, not {p.shape}, {c.shape}")
    if not np.allclose(p.sum(axis=1), 1):
        raise InputError("the probabilities of a row sum to one", where="log_prob", fix="give a log softmax of them")
    return np.asarray(p @ c.T)


def minimum_bayes_risk(log_prob: ArrayLike, cost: ArrayLike) -> NDArray[np.intp]:
    """The action [n] of least expected cost (Kumar and Byrne 2004, "Minimum Bayes-risk decoding"); of equals the first.

    Where `cost` is 1 but for the output itself, the mode. It needs probabilities that mean what they say; a mode needs
    their order alone. Raises InputError as `expected_costs`.
    """
    return np.asarray(expected_costs(log_prob, cost).argmin(axis=1))
