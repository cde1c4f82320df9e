"""Sums that respect clusters: votes that share a prompt or a rater are not independent.

A clustering is one array of integer codes [n], rows of one code belonging together. A negative code stands for "no
cluster known": such a row is a cluster of its own. Several clusterings (prompt and rater) may cross.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from heedful.core import Floats, InputError

Codes = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows in groups: `code` [n] in 0 .. groups-1, each used."""

    code: NDArray[np.intp]
    groups: int

    @classmethod
    def of(cls, codes: Codes) -> Grouping:
        """Groups of equal codes; each row with a negative code is a group of its own."""
        codes = np.asarray(codes)
        if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
            raise InputError(
                f"cluster codes are integers of shape [n], not {codes.dtype} {list(codes.shape)}", where="clusters"
            )
        alone = codes < 0
        if alone.any():
            codes = codes.astype(np.int64)
            start = codes.max(initial=-1) + 1
            codes[alone] = start + np.arange(alone.sum())
        values, code = np.unique(codes, return_inverse=True)
        return cls(code.astype(np.intp), len(values))

    @property
    def sizes(self) -> Floats:
        """Rows per group [groups]."""
        return np.bincount(self.code, minlength=self.groups).astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Sum of values [n] per group [groups]."""
        return np.bincount(self.code, values, self.groups).astype(np.float64)


def groupings(clusters: Sequence[Codes], n: int) -> tuple[Grouping, ...]:
    """The clusterings of n rows that join any rows, as groupings; where there are none, each row is its own group.

    Raises InputError where a clustering has another length than n.
    """
    for codes in clusters:
        if len(codes) != n:
            raise InputError(f"a clustering of {len(codes)} rows was given for {n} values", where="clusters")
    joining = tuple(group for codes in clusters if (group := Grouping.of(codes)).groups < n)
    return joining or (Grouping(np.arange(n), n),)


def intersections(groups: Sequence[Grouping]) -> Iterator[tuple[int, Grouping]]:
    """Sign and grouping of each term of the inclusion-exclusion over crossed clusterings: +A, +B, -(A and B)."""
    for size in range(1, len(groups) + 1):
        for chosen in combinations(groups, size):
            joint = chosen[0]
            for other in chosen[1:]:
                joint = Grouping.of(joint.code.astype(np.int64) * other.groups + other.code)
            yield (1 if size % 2 else -1), joint


def clustered_meat(scores: Any, clusters: Sequence[Codes] = ()) -> tuple[Floats, float]:
    """The middle of a cluster-robust sandwich covariance: an estimate of the covariance of `sum of scores`.

    `scores` [n, d] are dense or scipy sparse, one row per record. One clustering with G groups gives
    G/(G-1) · Σ_g s_g s_gᵀ with s_g the sum of scores in group g (Liang and Zeger 1986; the factor is CR1). Crossed
    clusterings give V1 + V2 − V12, each term with its own factor (Cameron, Gelbach and Miller 2011), negative
    eigenvalues set to zero. Without clusters every row is its own group.

    Returns the meat [d, d] and the degrees of freedom for t quantiles, min(G) − 1. Raises InputError where a
    clustering has fewer than two groups: then there is nothing to estimate a variance from.
    """
    groups = groupings(clusters, scores.shape[0])
    fewest = min(group.groups for group in groups)
    if fewest < 2:
        raise InputError("a clustered variance needs at least two clusters", where="clusters")
    meat = np.zeros((scores.shape[1], scores.shape[1]))
    for sign, group in intersections(groups):
        meat += sign * group.groups / (group.groups - 1) * _crossproduct(scores, group)
    return (meat if len(groups) == 1 else _positive(meat)), float(fewest - 1)


def _crossproduct(scores: Any, group: Grouping) -> Floats:
    """Σ_g s_g s_gᵀ [d, d], in one pass over the scores."""
    n = len(group.code)
    summed = scores
    if group.groups < n:
        indicator = sparse.csr_array((np.ones(n), group.code, np.arange(n + 1)), shape=(n, group.groups)).T
        summed = indicator @ scores
    product = summed.T @ summed
    return np.asarray(product.toarray() if sparse.issparse(product) else product, dtype=np.float64)


def _positive(matrix: Floats) -> Floats:
    """The nearest positive semi-definite matrix: negative eigenvalues become zero."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if values.min(initial=0.0) >= 0:
        return matrix
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


@dataclass(frozen=True, slots=True)
class MeanVariance:
    """Variance of a mean under clustering, its degrees of freedom and how many clusters it rests on.

    `groups` is the smallest number of groups among the clusterings, `effective` the smallest effective number: that of
    equal groups in which the mean of shared effects would be as noisy. `crossed` says whether there were several.
    `df` is what normal effects leave; `heavy_df` is lower where the groups' sums have heavier tails than normal ones.
    """

    variance: float
    df: float
    heavy_df: float
    groups: int
    effective: float
    crossed: bool


def mean_variance(residuals: Floats, clusters: Sequence[Codes] = ()) -> MeanVariance:
    """Cluster-robust variance of the mean of n values, from their residuals [n] about that mean.

    V1 + V2 − V12 as in `clustered_meat`, but each term is made unbiased, and its degrees of freedom are found by
    Satterthwaite's rule, under a working model of equicorrelated groups whose correlation is estimated from the
    residuals (Imbens and Kolesár 2016). With equal groups this is CR1 with about G − 1 degrees of freedom;
    with groups of very unequal sizes the degrees of freedom fall far below G − 1, as they must. Terms combine by
    Satterthwaite again: the variance of V1 + V2 − V12 is taken as that of V1 plus V2 less V12, which is exact for
    independent rows. Where V1 + V2 − V12 is not positive, or too uncertain for one degree of
    freedom, the larger of V1 and V2 stands for it.

    An estimate of variance is less certain where the groups' sums s_g have heavy tails: its squared coefficient of
    variation is 2/df and the sum of their fourth cumulants over the squared variance, estimated by
    Σ s⁴/(Σ s²)² − 3 Σ v²/(Σ v)², v the working variances. `heavy_df` adds it where it is positive, to V1 and V2 alone.
    """
    n = len(residuals)
    groups = groupings(clusters, n)
    terms = [(sign, *_one_way(residuals, group)) for sign, group in intersections(groups)]
    total = sum(sign * term for sign, term, _, _ in terms)
    spread = sum(sign * term**2 / df for sign, term, df, _ in terms)
    df = total**2 / spread if total > 0 and spread > 0 else 0.0
    excess = sum(term**2 * heavy for sign, term, _, heavy in terms if sign > 0)
    heavy_df = total**2 / (spread + excess) if df > 0 else 0.0
    if df < 1:
        total, df, heavy = max((term, df, heavy) for sign, term, df, heavy in terms if sign > 0)
        heavy_df = 1 / (1 / df + heavy)
    effective = min(_effective(group.sizes) for group in groups)
    fewest = min(group.groups for group in groups)
    return MeanVariance(total / n**2, df, heavy_df, fewest, effective, len(groups) > 1)


def _effective(sizes: Floats) -> float:
    """(Σ m²)² / Σ m⁴: Satterthwaite's degrees of freedom of Σ (m_g a_g)² for equal variances of a_g."""
    square = sizes**2
    return float(square.sum() ** 2 / (square**2).sum())


def _one_way(residuals: Floats, group: Grouping) -> tuple[float, float, float]:
    """Variance of the sum of n values by one grouping, its Satterthwaite degrees of freedom, and what tails heavier
    than normal add to their inverse; 0 where no rows are joined.

    With m the group sizes, p = m/n and v_g ∝ m + ρ(m² − m) the working variance of a group's sum, the group sums of
    residuals have covariance Ω = D − p vᵀ − v pᵀ + (Σv) p pᵀ, D = diag(v). Then Σ s_g² · Σv / tr Ω is unbiased and
    df = (tr Ω)² / tr Ω²; both traces need O(G).
    """
    sums, sizes = group.sums(residuals), group.sizes
    n, squares = len(residuals), float(residuals @ residuals)
    between = float(sums @ sums)
    pairs = float(sizes @ sizes) - n
    rho = float(np.clip((between - squares) / (pairs * squares / n), 0.0, 1.0)) if pairs > 0 and squares > 0 else 0.0
    v = sizes + rho * (sizes**2 - sizes)
    p, whole = sizes / n, float(v.sum())
    diagonal = v - 2 * p * v + whole * p**2
    trace = float(diagonal.sum())
    if trace <= 0:
        return 0.0, 1.0, 0.0
    # Ω − D has rank two, U W Uᵀ with U = [p, v]; tr Ω² = tr D² + 2 tr D(Ω − D) + tr (W UᵀU)².
    u, w = np.stack([p, v], axis=1), np.array([[whole, -1.0], [-1.0, 0.0]])
    core = w @ (u.T @ u)
    trace_of_square = float(v @ v + 2 * v @ (diagonal - v) + np.trace(core @ core))
    excess = float((sums**4).sum()) / between**2 - 3 * float(v @ v) / whole**2 if group.groups < n and between else 0.0
    return between * whole / trace, trace**2 / trace_of_square, max(excess, 0.0) / 2
