"""D-optimal designs: questions that shrink what is not known of utilities linear in features the most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.special import expit

from heedful.core import Floats, InputError
from heedful.elicitation.asking import check_batch
from heedful.elicitation.lists import Indices, Lists, conditioned

Value = Callable[[Floats], Floats]


def spread_of(features: Floats, covariance: Floats | None = None) -> Floats:
    """Rows [m, d] whose inner products are the covariances of features [m, d] · θ.

    `covariance` [d, d] of θ, None for the identity. Raises InputError where it is no covariance.
    """
    return features if covariance is None else np.asarray(features @ _factor(covariance))


def _factor(covariance: Floats) -> Floats:
    """F with F Fᵀ = covariance [d, d], which may be singular."""
    if not np.isfinite(covariance).all():
        raise InputError("a covariance is finite", where="covariance")
    try:
        return np.asarray(linalg.cholesky(covariance, lower=True))
    except linalg.LinAlgError:
        values, vectors = linalg.eigh(covariance)
    if values[0] < -1e-8 * max(values[-1], 0.0):
        raise InputError(f"a covariance has no eigenvalue below 0, and this has {values[0]:.3g}", where="covariance")
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def information(gram: Floats) -> Floats:
    """½ log det(I + gram) [n], in nats, of matrices [n, r, r]."""
    if gram.shape[1] == 1:
        return np.asarray(0.5 * np.log1p(gram[:, 0, 0]))
    return np.asarray(0.5 * np.linalg.slogdet(gram + np.eye(gram.shape[1]))[1])


def greedy_design(
    features: Floats,
    lists: Lists,
    batch: int,
    *,
    covariance: Floats | None = None,
    value: Value = information,
    question: Indices | None = None,
) -> tuple[Indices, Floats]:
    """Rows of the `lists` chosen one by one, with the information of each given those before it (nats).

    Items have utilities features [m, d] · θ, and θ the `covariance` [d, d] (None: the identity). A list whose answers
    tell L Lᵀ of its members, whose covariance is G, tells ½ log det(I + Lᵀ G L). Gains add up to ½ log det of the
    precision of θ after all answers over that before, and a batch so built has at least 1 − 1/e of what any of its size
    has (Nemhauser, Wolsey and Fisher 1978: information is submodular). A step updates every Lᵀ G L [r, r] by what the
    last answer changed, in O(m d r + n K r²).

    `value` of Lᵀ G L [n, r, r] is what each step maximises; `question` [n] numbers lists that only one can be taken of
    (by default each list is one). Of equal ones the first is taken.
    """
    check_batch(batch)
    own = np.arange(len(lists)) if question is None else question
    known = np.eye(features.shape[1]) if covariance is None else covariance
    gram, left = lists.gram(spread_of(features, covariance)), np.ones(len(lists), dtype=bool)
    chosen: list[int] = []
    gains: list[float] = []
    while left.any() and len(chosen) < batch:
        best = int(np.argmax(np.where(left, value(gram), -np.inf)))
        chosen.append(best)
        gains.append(float(information(gram[best : best + 1])[0]))
        left &= own != own[best]
        known, change = conditioned(known, lists.about(best, features))
        seen = lists.along(features @ change)
        gram -= seen @ seen.transpose(0, 2, 1)
    return np.array(chosen, dtype=np.intp), np.array(gains)


def design_of_pairs(
    features: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    batch: int,
    *,
    covariance: Floats | None = None,
    weights: Floats | None = None,
) -> tuple[Indices, Floats]:
    """Which `batch` of n pairs to compare, and the information each adds (nats), from arrays alone.

    Items have features [m, d] whose weights θ have the `weights` [d] (zeros where not given) as their mean and a
    `covariance` [d, d] (the identity where not given). Pair i tells p (1 − p) x xᵀ about θ, with x the difference of
    the features of `first[i]` and `second[i]` and p = σ(θ · x) at the mean. Memory is that of the features twice and
    some numbers a pair; a million pairs of 10,000 items with 384 features take seconds (docs/benchmarks.md).
    Raises InputError where arrays do not fit together.
    """
    rows = np.asarray(features, dtype=np.float64)
    ends = np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)
    if rows.ndim != 2 or ends[0].ndim != 1 or ends[0].shape != ends[1].shape:
        raise InputError("features are [m, d], and the ends of pairs two arrays [n]", where="design_of_pairs")
    if any(end.size and (end.min() < 0 or end.max() >= len(rows)) for end in ends):
        raise InputError(f"a pair is of items 0 to {len(rows) - 1}", where="design_of_pairs")
    if not np.isfinite(rows).all():
        raise InputError("features are finite", where="design_of_pairs")
    utility = np.zeros(len(rows)) if weights is None else rows @ weights
    p = expit(utility[ends[0]] - utility[ends[1]])
    return greedy_design(rows, Lists.pairs(*ends, p * (1 - p)), batch, covariance=covariance)
