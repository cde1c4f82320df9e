"""Determinantal batches: sets drawn in proportion to the determinant of what their members share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heedful.core import Floats, InputError
from heedful.elicitation.beliefs import Indices

# Eigenvalues below this share of the greatest count as 0.
_NONE = 1e-12


def draw_determinantal(kernel: Floats, size: int, rng: np.random.Generator) -> Indices:
    """`size` of n candidates, a set Y with probability det(kernel_Y) over the sum of all sets' of this size: a
    determinantal point process of fixed size (Kulesza and Taskar 2011, "k-DPPs: fixed-size determinantal point
    processes", algorithms 1 and 2).

    kernel: [n, n], symmetric and positive semi-definite: on the diagonal how much each is wanted, off it how alike two
    are that would stand for each other. In no order that means anything. Raises InputError where it is not such a
    kernel, or of a rank below `size`.
    """
    values, vectors = _decomposed(kernel)
    if not 0 <= size <= len(values):
        what = f"a kernel of rank {len(values)} gives no set of {size}"
        raise InputError(what, where="draw_determinantal", fix="ask for fewer, or add to its diagonal")
    chosen = vectors[:, _eigenvectors(np.log(values), size, rng)]

    def draw(left: Floats) -> int:
        return int(rng.choice(len(left), p=left / left.sum()))

    return np.array(one_by_one(chosen, size, draw), dtype=np.intp)


def one_by_one(rows: Floats, size: int, choose: Callable[[Floats], int | None]) -> list[int]:
    """Up to `size` rows of [n, d], each by what is `left` [n] of all squared norms once those chosen are projected out.

    `choose` gives the next row, or None to end. By the incremental Cholesky factor of rows · rowsᵀ.
    """
    left, factors, chosen = (rows**2).sum(axis=1), np.zeros((0, len(rows))), list[int]()
    while len(chosen) < size and (best := choose(left)) is not None:
        factor = (rows @ rows[best] - factors.T @ factors[:, best]) / np.sqrt(left[best])
        factors, chosen = np.vstack([factors, factor]), [*chosen, best]
        left = np.maximum(left - factor**2, 0.0)
        left[best] = 0.0
    return chosen


def _decomposed(kernel: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues [r] above 0 and their eigenvectors [n, r]."""
    k = np.asarray(kernel, dtype=np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not np.isfinite(k).all():
        raise InputError(f"a kernel is finite numbers [n, n], not {list(k.shape)}", where="draw_determinantal")
    most = float(np.abs(k).max(initial=0.0))
    if not np.allclose(k, k.T, rtol=0, atol=1e-9 * most):
        raise InputError("a kernel is symmetric", where="draw_determinantal")
    values, vectors = np.linalg.eigh((k + k.T) / 2)
    if values.min(initial=0.0) < -1e-8 * most:
        what = f"a kernel is positive semi-definite; its least eigenvalue is {values.min():.3g}"
        raise InputError(what, where="draw_determinantal")
    kept = values > _NONE * values.max(initial=0.0)
    return np.asarray(values[kept]), np.asarray(vectors[:, kept])


def _eigenvectors(log_value: Floats, size: int, rng: np.random.Generator) -> list[int]:
    """`size` of r eigenvectors, a set in proportion to the product of its values.

    Vector r − 1 is taken with probability λ e(r − 1, size − 1) / e(r, size), where e(j, l) is the sum over sets of l of
    the first j of their products; and so on down.
    """
    r = len(log_value)
    log_e = np.full((r + 1, size + 1), -np.inf)
    log_e[:, 0] = 0.0
    for j in range(r):
        log_e[j + 1, 1:] = np.logaddexp(log_e[j, 1:], log_value[j] + log_e[j, :-1])
    chosen, open_ = list[int](), size
    for j in range(r - 1, -1, -1):
        if not open_:
            break
        if np.log(rng.random()) < log_value[j] + log_e[j, open_ - 1] - log_e[j + 1, open_]:
            chosen, open_ = [*chosen, j], open_ - 1
    return chosen
