"""The information matrix (negative Hessian), dense or sparse, and linear systems in it.

Utilities are fixed up to a constant: the likelihood does not change along the gauge direction z. Systems are solved in
H + κ z zᵀ, which agrees with H on everything orthogonal to z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import linalg as sparse_linalg

from heedful.core import Floats

# Steps of conjugate gradients tried. Votes that mix items well need tens; long chains of items need more than this, and
# are factorised instead, which for them is cheap.
_STEPS = 500


class Singular(Exception):  # noqa: N818 - a signal between modules, not an error for users
    """The information has no inverse: something is not identified."""


@dataclass(frozen=True)
class Dense:
    """H as a matrix [P, P], and its gauge direction [P] (zeros where there is none)."""

    matrix: Floats
    gauge: Floats

    @cached_property
    def _scale(self) -> float:
        return float(np.diag(self.matrix).mean()) / max(float(self.gauge @ self.gauge), 1.0)

    @cached_property
    def factor(self) -> tuple[Floats, bool]:
        """Cholesky factor of H + κ z zᵀ. Raises Singular."""
        fixed = self.matrix + self._scale * np.outer(self.gauge, self.gauge)
        try:
            lower = linalg.cholesky(fixed, lower=True, check_finite=False)
        except linalg.LinAlgError:
            raise Singular from None
        pivots = np.diag(lower) ** 2
        if not (pivots > 1e-13 * np.diag(fixed)).all():
            raise Singular
        return lower, True

    def solve(self, right: Floats) -> Floats:
        return np.asarray(linalg.cho_solve(self.factor, right, check_finite=False))

    def damped(self) -> Dense:
        """With eigenvalues below a hundredth of the mean raised to it: a positive definite stand-in."""
        values, vectors = np.linalg.eigh(self.matrix)
        least = max(float(np.diag(self.matrix).mean()), 1e-12) / 100
        return Dense((vectors * np.maximum(values, least)) @ vectors.T, self.gauge)

    @cached_property
    def inverse(self) -> Floats:
        """A generalised inverse of H [P, P]: exact on contrasts orthogonal to the gauge. Raises Singular."""
        inverse = self.solve(np.eye(len(self.matrix)))
        return (inverse + inverse.T) / 2

    @property
    def log_determinant(self) -> float:
        """log |H + κ z zᵀ|."""
        return float(2 * np.log(np.diag(self.factor[0])).sum())


@dataclass(frozen=True)
class Sparse:
    """H over utilities by its `diagonal` [n] and the sparse part `above` it [n, n], with a few dense rows `cross` [n,
    p] and `nuisances` [p, p] over nuisance parameters."""

    diagonal: Floats
    above: Any
    cross: Floats
    nuisances: Floats
    gauge: Floats
    tolerance: float = 1e-12

    @cached_property
    def diagonal_all(self) -> Floats:
        return np.concatenate([self.diagonal, np.diag(self.nuisances)])

    def times(self, vector: Floats) -> Floats:
        """H vector, for [P] or [P, k]."""
        n = len(self.diagonal)
        top, bottom = vector[:n], vector[n:]
        own = (self.diagonal * top.T).T
        upper = own + self.above @ top + self.above.T @ top + self.cross @ bottom
        return np.concatenate([upper, self.cross.T @ top + self.nuisances @ bottom])

    def solve(self, right: Floats) -> Floats:
        if not (self.diagonal_all > 0).all():
            raise Singular
        try:
            return conjugate_gradients(self, self.diagonal_all, right, tolerance=self.tolerance)
        except Singular:
            return self._factored(right)

    def _factored(self, right: Floats) -> Floats:
        return np.asarray(self._lu.solve(right - self._along_gauge(right)))

    def _along_gauge(self, right: Floats) -> Floats:
        length = float(self.gauge @ self.gauge)
        return np.multiply.outer(self.gauge, self.gauge @ right) / length if length else np.zeros_like(right)

    @cached_property
    def _lu(self) -> Any:
        """LU factors of H with one utility held: a weight on one node fixes the gauge without filling the matrix."""
        first = self.diagonal.copy()
        if self.gauge.any():
            first[0] *= 2
        utilities = sparse.diags_array(first) + self.above + self.above.T
        whole = utilities
        if len(self.nuisances):
            whole = sparse.block_array([[utilities, self.cross], [self.cross.T, self.nuisances]])
        try:
            return sparse_linalg.splu(whole.tocsc(), diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        except RuntimeError:
            raise Singular from None


Information = Dense | Sparse


def conjugate_gradients(
    matrix: Sparse, diagonal: Floats, right: Floats, *, tolerance: float, limit: int = _STEPS
) -> Floats:
    """H⁻¹ right for one or several right-hand sides at once, preconditioned by the diagonal.

    H may be singular along its gauge, to which `right` must be orthogonal: then so is every residual. Raises Singular
    where `limit` steps do not bring every residual down to `tolerance` of its start (in the preconditioned norm).
    """
    single = right.ndim == 1
    b = right[:, None] if single else right
    x, residual = np.zeros_like(b), b.copy()
    scaled = residual / diagonal[:, None]
    direction = scaled.copy()
    size = np.einsum("ij,ij->j", residual, scaled)
    goal = tolerance**2 * size
    for _ in range(limit):
        active = size > np.maximum(goal, 1e-300)
        if not active.any():
            return x[:, 0] if single else x
        moved = matrix.times(direction)
        along = np.einsum("ij,ij->j", direction, moved)
        step = np.divide(size, along, out=np.zeros_like(size), where=active & (along > 0))
        x += step * direction
        residual -= step * moved
        scaled = residual / diagonal[:, None]
        new = np.einsum("ij,ij->j", residual, scaled)
        ratio = np.divide(new, size, out=np.zeros_like(size), where=active)
        direction = scaled + ratio * direction
        size = np.where(active, new, size)
    raise Singular
