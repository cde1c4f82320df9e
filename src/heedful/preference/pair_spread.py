"""Covariance of strengths fitted to counted comparisons: by the model, or robust to its errors (the sandwich).

With H the information and s_v the score of comparison v, the sandwich is H⁻¹ (Σ_v s_v s_vᵀ) H⁻¹ (Huber 1967). Scores
are the same for comparisons of one pair and outcome, so the sum runs over counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats
from heedful.preference.information import Dense, Sparse
from heedful.preference.observations import Indices
from heedful.preference.pair_closed import Derivatives
from heedful.preference.pair_fit import PairFit, information_of

# Random signs for the variances of very many items, and the most relative error of a standard error they may leave.
_PROBES = 24
LARGEST_ERROR = 0.02
# What is left beside a comparison that alone holds its items in place, whose own error therefore nothing tells.
_ALONE = 1e-8


@dataclass(frozen=True)
class Outcomes:
    """What was compared, pair by pair of a fit: `counts` and `squares` [t, m] of each outcome, and the `split` [t, o]
    of a comparison with that outcome into the outcomes of the fitted model (a tie into half a win for each).

    `firm` [m] are the pairs of items that decided comparisons alone place. A tie that holds others sits where its score
    is zero, which tells nothing of its error: of those pairs it is taken from the model.
    """

    counts: Floats
    squares: Floats
    split: Floats
    firm: NDArray[np.bool_]


def covariance(fit: PairFit, made: Outcomes | None) -> Floats:
    """Covariance [n + p, n + p] of utilities, which sum to zero, and nuisance parameters; `made` None: H⁻¹ alone."""
    assert isinstance(fit.information, Dense)
    inverse = _centred(fit.information.inverse, fit.items)
    if made is None:
        return inverse
    middle = information_of(fit.pairs.assembled(_middle(fit, made, inverse), fit.items))
    assert isinstance(middle, Dense)
    return np.asarray(inverse @ middle.matrix @ inverse)


def _centred(matrix: Floats, items: int) -> Floats:
    """A symmetric matrix seen from utilities that sum to zero."""
    moved = matrix.copy()
    moved[:items] -= matrix[:items].mean(axis=0)
    moved[:, :items] -= moved[:, :items].mean(axis=1)[:, None]
    return moved


def _middle(fit: PairFit, made: Outcomes, inverse: Floats | None) -> Derivatives:
    """Σ_v s_v s_vᵀ pair by pair.

    Each score is divided by what its own comparison took from it, s (1 − leverage)⁻¹ (MacKinnon and White 1985, HC3),
    which makes up for the fit's bending towards the votes.
    """
    scores = np.tensordot(made.split, fit.pairs.outcome_gradients(fit.utility, fit.nuisance), axes=1)
    scores = unbent(scores, leverage(fit, made, inverse))
    weighted = made.squares[:, None] * scores
    size = scores.shape[1]
    middle = np.empty((size, size, scores.shape[2]))
    for i in range(size):
        for j in range(size):
            middle[i, j] = (weighted[:, i] * scores[:, j]).sum(axis=0)
    if not made.firm.all():
        middle = np.where(made.firm, middle, _expected(fit, made))
    return Derivatives(0.0, np.zeros(scores.shape[1:]), middle)


def _expected(fit: PairFit, made: Outcomes) -> Floats:
    """Σ_v s_v s_vᵀ pair by pair as the model expects it [1 + p, 1 + p, m]."""
    whole = fit.pairs.derivatives(fit.utility, fit.nuisance).information
    return np.asarray(whole * (made.squares.sum(axis=0) / made.counts.sum(axis=0)))


def leverage(fit: PairFit, made: Outcomes, inverse: Floats | None) -> Floats:
    """What one comparison adds to the information, times H⁻¹, by Δ and the nuisance parameters [1 + p, 1 + p, m].

    Without H⁻¹ at hand, for very many items, the inverses of H over the two items alone are taken for it.
    """
    n, (a, b) = fit.items, (fit.pairs.first, fit.pairs.second)
    size = 1 + len(fit.nuisance)
    spread = np.zeros((size, size, len(a)))
    whole = fit.pairs.derivatives(fit.utility, fit.nuisance).information
    if inverse is None:
        assert isinstance(fit.information, Sparse)
        diagonal = fit.information.diagonal_all
        # By what joins either to the others: nothing, where it met the other alone.
        left, right = (np.maximum(diagonal[side] - whole[0, 0], 0.0) for side in (a, b))
        spread[0, 0] = (left + right) / (left * right + whole[0, 0] * (left + right))
        spread[range(1, size), range(1, size)] = 1 / diagonal[n:, None]
    else:
        spread[0, 0] = inverse[a, a] + inverse[b, b] - 2 * inverse[a, b]
        spread[0, 1:] = spread[1:, 0] = (inverse[a, n:] - inverse[b, n:]).T
        spread[1:, 1:] = inverse[n:, n:, None]
    # A comparison of average weight w̄ = Σ w² / Σ w has the part w̄ / Σ w of its pair's information.
    whole *= made.squares.sum(axis=0) / made.counts.sum(axis=0) ** 2
    return np.asarray((whole[:, :, None] * spread[None]).sum(axis=1))


def unbent(scores: Floats, share: Floats) -> Floats:
    """(1 − leverage)⁻¹ s, for scores [t, 1 + p, m], p ≤ 1; NaN where one comparison alone holds its items."""
    if len(share) == 1:
        left = 1 - share[0]
        return np.asarray(scores / np.where(left <= _ALONE, np.nan, left))
    a, b, c, d = 1 - share[0, 0], share[0, 1], share[1, 0], 1 - share[1, 1]
    one, other = scores[:, 0], scores[:, 1]
    determinant = a * d - b * c
    solved = np.stack([d * one + b * other, c * one + a * other], axis=1)
    return np.asarray(solved / np.where(determinant <= _ALONE, np.nan, determinant))


@dataclass(frozen=True)
class Variances:
    """Variances [n] of centred utilities, with the relative error [n] that their standard errors may have."""

    variance: Floats
    error: Floats


def variances(fit: PairFit, made: Outcomes | None, rng: np.random.Generator) -> Variances:
    """The diagonal of the covariance of very many items, without its matrix.

    By random signs v: E[v ∘ (A v)] is the diagonal of A (Bekas, Kokiopoulou and Saad 2007), of A less a part close to
    it whose diagonal is known, D⁻¹ M D⁻¹ with two corrections; what is left is small wherever items meet many others.
    """
    bread = fit.information
    assert isinstance(bread, Sparse)
    bread = replace(bread, tolerance=1e-6)
    middle = bread if made is None else information_of(fit.pairs.assembled(_middle(fit, made, None), fit.items))
    assert isinstance(middle, Sparse)
    signs = np.asarray(2.0 * rng.integers(0, 2, (len(fit.x), _PROBES)) - 1.0)
    near, diagonal = _near(bread, middle, signs)
    rest = signs * (_sandwiched(bread, middle, signs, fit.items) - near)
    found = diagonal + rest.mean(axis=1)
    error = rest.std(axis=1, ddof=1) / np.sqrt(_PROBES) / (2 * np.maximum(found, 1e-300))
    return Variances(found[: fit.items], error[: fit.items])


def variances_of(fit: PairFit, made: Outcomes | None, items: Indices) -> Floats:
    """The exact variances of a few of very many items: one linear system each."""
    bread = fit.information
    assert isinstance(bread, Sparse)
    middle = bread if made is None else information_of(fit.pairs.assembled(_middle(fit, made, None), fit.items))
    assert isinstance(middle, Sparse)
    units = np.zeros((len(fit.x), len(items)))
    units[items, np.arange(len(items))] = 1.0
    solved = _solved(bread, units, fit.items)
    return np.asarray(np.einsum("ij,ij->j", solved, middle.times(solved)))


def _solved(bread: Sparse, right: Floats, items: int) -> Floats:
    """H⁺ right, between vectors whose utilities sum to zero."""
    right = right.copy()
    right[:items] -= right[:items].mean(axis=0)
    solved = bread.solve(right)
    solved[:items] -= solved[:items].mean(axis=0)
    return solved


def _sandwiched(bread: Sparse, middle: Sparse, right: Floats, items: int) -> Floats:
    solved = _solved(bread, right, items)
    return solved if middle is bread else _solved(bread, middle.times(solved), items)


def _near(bread: Sparse, middle: Sparse, right: Floats) -> tuple[Floats, Floats]:
    """A matrix near the covariance, times `right`, and its diagonal.

    With H = D − W, H⁻¹ M H⁻¹ ≈ D⁻¹ M D⁻¹ + D⁻¹ W D⁻¹ M D⁻¹ + D⁻¹ M D⁻¹ W D⁻¹; M = H for the bread alone. As M does,
    it takes no notice of a constant.
    """
    diagonal = bread.diagonal_all
    weight = 1 / diagonal[:, None]

    def others(vector: Floats) -> Floats:
        """W D⁻¹ vector."""
        return vector - bread.times(weight * vector)

    inner = middle.times(weight * right)
    product = weight * (inner + others(inner) + middle.times(weight * others(right)))
    return product, (middle.diagonal_all + 2 * _diagonal_of_product(bread, middle)) / diagonal**2


def _diagonal_of_product(bread: Sparse, middle: Sparse) -> Floats:
    """The diagonal of W D⁻¹ M, (W D⁻¹ M)_ii = Σ_j W_ij M_ij / D_j, where W = D − H has a diagonal of zeros."""
    n, inverse = len(bread.diagonal), 1 / bread.diagonal_all
    both = bread.above.multiply(middle.above).tocsr()
    cross = bread.cross * middle.cross
    corner = bread.nuisances * middle.nuisances
    np.fill_diagonal(corner, 0.0)
    top = both @ inverse[:n] + both.T @ inverse[:n] + cross @ inverse[n:]
    return -np.concatenate([top, cross.T @ inverse[:n] + corner @ inverse[n:]])
