"""Covariance of free utilities where votes share prompts or raters: a sandwich made for few and uneven clusters.

One clustering: Σ_g s̃_g s̃_gᵀ between two H⁻¹, s̃_g = (I − A_g H⁻¹)^{−1/2} s_g, with s_g the sum of the cluster's
scores and A_g its information. The adjustment undoes the share of each cluster in fitting itself (CR2: Bell and
McCaffrey 2002, "Bias reduction in standard errors for linear regression with multi-stage samples"). Degrees of freedom
per item are Satterthwaite's under a working model of equicorrelated clusters (Imbens and Kolesár 2016, section 4.2).
Prompts and raters that cross give V_1 + V_2 − V_12 (Cameron, Gelbach and Miller 2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse, special

from heedful.core import Floats
from heedful.preference.inference import Point, Problem
from heedful.preference.observations import Indices
from heedful.stats import Grouping

# Clusters that hold at least this share of some item's votes are adjusted; in others the adjustment is below 2 %.
_SHARE = 0.04
# Crossed clusterings share cells where more than this part of the votes repeats one.
_REPEATS = 0.05
# The eigenvalue of A_g H⁻¹ from which a contrast counts as resting on the cluster alone.
_ALONE = 1 - 1e-6
_ROUNDING = 1e-8


@dataclass(frozen=True)
class Spread:
    """Covariance [P, P] of the parameters, degrees of freedom [n] of each utility's variance, and the utilities [n]
    that rest on one cluster alone, whose variance is therefore unknown. `least` is the smallest degrees of freedom that
    any item's votes would have were each cluster of one mind: it depends on the design alone."""

    matrix: Floats
    df: Floats
    least: float
    alone: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What a sandwich is made of: the optimum, scores per record [r, P], H⁻¹ with its gauge fixed, and centred.

    `independent` [P, P] is the covariance that the records would have were they independent, `penalty` [P, P] the part
    of any covariance that the priors of random effects bring. `weights` [r] say what each record counts for: one of
    weight w tells no more than one vote, and weighs as w of one mind.
    """

    point: Point
    scores: Any
    inverse: Floats
    bread: Floats
    independent: Floats
    penalty: Floats
    weights: Floats

    @property
    def problem(self) -> Problem:
        return self.point.problem

    def between(self, sums: Any) -> Floats:
        """H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹ for sums [g, P]."""
        meat = sums.T @ sums
        return np.asarray(self.bread @ (meat.toarray() if sparse.issparse(meat) else meat) @ self.bread)


def one_way(evidence: Evidence, group: Grouping, rows: Indices) -> Spread:
    """The covariance by one clustering of the records, whose table rows are `rows`."""
    n, r = evidence.problem.items, evidence.scores.shape[0]
    indicator = sparse.csr_array((np.ones(r), (group.code, np.arange(r))), shape=(group.groups, r))
    sums = (indicator @ evidence.scores).tocsr()
    cluster, item, votes = _votes(indicator, evidence, n)
    share = votes / np.bincount(item, votes, n)[item]
    largest = np.zeros(group.groups)
    np.maximum.at(largest, cluster, share)
    chosen = np.flatnonzero(largest >= _SHARE)
    alone = np.zeros(n, bool)
    adjusted, contrasts = _adjusted(evidence, group, rows, sums, chosen)
    for contrast in contrasts:
        if np.abs(contrast).max() < _ROUNDING:  # it rests on nuisance parameters alone
            continue
        alone |= np.abs(contrast) > np.abs(contrast).max() / 2
    rest = sums[np.flatnonzero(largest < _SHARE)]
    matrix = evidence.between(adjusted) + evidence.between(rest) + evidence.penalty
    plain = np.diag(evidence.independent)[:n]
    # The correlation within clusters that explains the mean design effect.
    effect = float(np.mean(np.diag(matrix)[:n] / plain))
    excess = float(np.mean(np.bincount(item, share * votes, n))) - 1
    rho = float(np.clip((effect - 1) / max(excess, 1e-9), 0.0, 1.0))
    least = float(_degrees(item, share, votes, 1.0, n).min())
    return Spread(matrix, _degrees(item, share, votes, rho, n), least, alone)


def two_way(evidence: Evidence, groups: tuple[Grouping, Grouping], rows: Indices) -> Spread:
    """V_1 + V_2 − V_12 for crossed clusterings, where no variance is less than that of independent votes."""
    first, second = (one_way(evidence, group, rows) for group in groups)
    joint = Grouping.of(groups[0].code.astype(np.int64) * groups[1].groups + groups[1].code)
    r = evidence.scores.shape[0]
    # Where hardly a cell repeats, the variance of independent records stands for V_12, with less noise.
    shared = evidence.independent
    if joint.groups < (1 - _REPEATS) * r:
        indicator = sparse.csr_array((np.ones(r), (joint.code, np.arange(r))), shape=(joint.groups, r))
        shared = evidence.between(indicator @ evidence.scores) + evidence.penalty
    matrix = first.matrix + second.matrix - shared
    np.fill_diagonal(matrix, np.maximum(np.diag(matrix), np.diag(evidence.independent)))
    return Spread(matrix, np.minimum(first.df, second.df), min(first.least, second.least), first.alone | second.alone)


def _votes(indicator: Any, evidence: Evidence, n: int) -> tuple[Indices, Indices, Floats]:
    """What the records count for per cluster and item, where there are any: cluster, item, votes."""
    involved = evidence.scores[:, :n].copy()
    involved.data = np.repeat(evidence.weights, np.diff(involved.indptr))
    table = (indicator @ involved).tocoo()
    return table.coords[0], table.coords[1], table.data


def _degrees(item: Indices, share: Floats, votes: Floats, rho: float, n: int) -> Floats:
    """Satterthwaite degrees of freedom [n] of each item's variance: (tr Ω)² / tr Ω².

    With p the shares of an item's votes by cluster and v = p (1 + ρ (votes − 1)) what the clusters add to its variance,
    residuals have covariance Ω = D − p vᵀ − v pᵀ + (Σv) p pᵀ, D = diag(v).
    """
    v = share * (1 + rho * (votes - 1))

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(item, values, n))

    whole, pp, pv, vv = total(v), total(share**2), total(share * v), total(v**2)
    diagonal = v - 2 * share * v + whole[item] * share**2
    trace = total(diagonal)
    core = (whole * pp - pv) ** 2 - 2 * (whole * pv - vv) * pp + pv**2
    square = vv + 2 * total(v * (diagonal - v)) + core
    return np.where(trace > 1e-9, trace**2 / np.maximum(square, 1e-300), 0.0)


def _adjusted(
    evidence: Evidence, group: Grouping, rows: Indices, sums: Any, chosen: Indices
) -> tuple[Floats, list[Floats]]:
    """CR2 scores [c, P] of the chosen clusters, and the contrasts of utilities [n] that rest on one of them alone."""
    adjusted = np.zeros((len(chosen), evidence.problem.size))
    contrasts = []
    votes = _ClusterVotes(evidence, group, rows)
    for number, cluster in enumerate(chosen):
        touched, information = votes.information(int(cluster))
        factor = linalg.cholesky(evidence.inverse[np.ix_(touched, touched)], lower=True)
        values, vectors = np.linalg.eigh(factor.T @ information @ factor)
        score = sums[[cluster]].toarray()[0, touched]
        lone = values > _ALONE
        weight = np.where(lone, 0.0, 1 / np.sqrt(1 - np.where(lone, 0.0, values)))
        inner = vectors @ (weight * (vectors.T @ (factor.T @ score)))
        adjusted[number, touched] = linalg.solve_triangular(factor.T, inner)
        for vector in vectors[:, lone].T:
            direction = evidence.bread[:, touched] @ linalg.solve_triangular(factor.T, vector)
            contrasts.append(direction[: evidence.problem.items])
    return adjusted, contrasts


class _ClusterVotes:
    """The votes of each cluster, to be taken out one cluster at a time."""

    def __init__(self, evidence: Evidence, group: Grouping, rows: Indices) -> None:
        self.point = evidence.point
        self.order, self.start = [], []
        for likelihood in evidence.problem.likelihoods:
            code = group.code[np.searchsorted(rows, likelihood.row)]
            order = np.argsort(code, kind="stable")
            self.order.append(order)
            self.start.append(np.searchsorted(code[order], np.arange(group.groups + 1)))

    def information(self, cluster: int) -> tuple[Indices, Floats]:
        """The parameters that a cluster's votes touch [m], and their information [m, m]."""
        problem, x = self.point.problem, self.point.x
        utility, n = problem.utilities(x), problem.items
        whole = np.zeros((0, 0))
        parts = []
        touched = np.zeros(problem.size, bool)
        for likelihood, where, order, start in zip(
            problem.likelihoods, problem.slices, self.order, self.start, strict=True
        ):
            chosen = order[start[cluster] : start[cluster + 1]]
            if len(chosen):
                terms = likelihood.select(chosen).terms(utility, x[where])
                parts.append((terms, where))
                touched[:n] |= terms.diagonal > 0
                touched[where] |= np.diag(terms.nuisance_information) > 0
        index = np.flatnonzero(touched)
        place = np.cumsum(touched) - 1
        whole = np.zeros((len(index), len(index)))
        items = index[index < n]
        m = len(items)
        for terms, where in parts:
            np.add.at(whole, (place[terms.rows], place[terms.columns]), terms.values)
            np.add.at(whole, (place[terms.columns], place[terms.rows]), terms.values)
            whole[np.arange(m), np.arange(m)] += terms.diagonal[items]
            own = np.flatnonzero(touched[where])
            nuisance, cross = place[where][own], terms.cross[np.ix_(items, own)]
            whole[:m, nuisance] += cross
            whole[nuisance, :m] += cross.T
            whole[np.ix_(nuisance, nuisance)] += terms.nuisance_information[np.ix_(own, own)]
        return index, whole


def with_variances(matrix: Floats, model: Floats, variance: Floats, n: int) -> Floats:
    """A covariance [P, P] near `matrix` with the variances given [P], positive definite on every contrast.

    Few clusters give a matrix of low rank, which would call some contrasts certain. So no contrast is left with less
    variance than the model's `model` [P, P] gives it, and each parameter is then scaled back to its own variance.
    """
    values, vectors = linalg.eigh(model)
    real = values > 1e-12 * values.max()
    root = vectors[:, real] * np.sqrt(values[real])
    white = vectors[:, real] / np.sqrt(values[real])
    inner, axes = np.linalg.eigh(white.T @ matrix @ white)
    half = root @ (axes * np.sqrt(np.maximum(inner, 1.0)))
    return scaled(half @ half.T, variance, n)


def scaled(matrix: Floats, variance: Floats, n: int) -> Floats:
    """D matrix D with D diagonal, utilities centred on their mean, such that its variances are `variance` [P]."""
    for _ in range(50):
        factor = np.sqrt(variance / np.diag(matrix))
        matrix = matrix * np.outer(factor, factor)
        matrix[:n] -= matrix[:n].mean(axis=0)
        matrix[:, :n] -= matrix[:, :n].mean(axis=1, keepdims=True)
        if np.abs(factor - 1).max() < 1e-6:
            break
    return matrix


def t_ratio(df: Floats, reference: float, level: float = 0.95) -> Floats:
    """By how much an interval with `df` is wider than one with `reference` degrees of freedom."""
    quantile = (1 + level) / 2
    return np.asarray(special.stdtrit(df, quantile) / special.stdtrit(reference, quantile))
