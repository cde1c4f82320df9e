"""Covariance of the estimates: by the model where votes are independent, by clusters where prompts or raters recur.

Votes that count in fractions (shares, ties as half a win each) vary less than the model takes them to; weighted ones,
and several of one record, more. There the scores of the records tell the variance (White 1982, "Maximum likelihood
estimation of misspecified models", theorem 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from heedful.core import Floats, Promise
from heedful.feedback import Table
from heedful.preference.clustered import Evidence, Spread, one_way, t_ratio, two_way, with_variances
from heedful.preference.inference import Optimum
from heedful.preference.information import Dense as DenseInformation
from heedful.preference.information import Sparse
from heedful.preference.noise import Dense, Independent, Noise, Perturbed
from heedful.preference.observations import Indices, distinct
from heedful.stats import Grouping, clustered_meat

# Measured with benchmarks/ranking_coverage.py.
# A dimension with fewer clusters is held fixed: the interval then speaks for these prompts, or these raters.
MIN_CLUSTERS = 5
# With fewer judgements of an item, or fewer degrees of freedom, intervals cover more than their level. Both depend on
# the design alone, not on how the votes fell: else the promise would select the sets of feedback for which it fails.
CONFIDENCE_JUDGEMENTS = 40
# A variance by the records this much smaller than the model's is rounding.
_EXACT = 1e-9
CONFIDENCE_DF = (5.0, 20.0)  # one way of clustering; two that cross


@dataclass(frozen=True)
class Clusters:
    """Codes [rows of the table] per dimension ("context", "rater") in which ids recur; -1 where the id is not known.

    `by_records`: whether records, not the model, tell the variance of votes. `weights` [rows of the table] say what
    each counts for; None: all alike.
    """

    codes: dict[str, Indices]
    by_records: bool = False
    weights: Floats | None = None

    @classmethod
    def of(cls, table: Table) -> Clusters:
        found = {"context": _codes(table, "context"), "rater": _codes(table, "rater")}
        return cls({name: codes for name, codes in found.items() if codes is not None})

    def freed(self, rows: Indices) -> Clusters:
        """Without the rater of some rows: given the deviations of a judge, its votes are independent."""
        if "rater" not in self.codes or not len(rows):
            return self
        rater = self.codes["rater"].copy()
        rater[rows] = -1
        return replace(self, codes=self.codes | {"rater": rater})

    def within(self, rows: Indices) -> dict[str, Indices]:
        """The codes of some rows, by dimension, where a code recurs among them."""
        chosen = {name: codes[rows] for name, codes in self.codes.items()}
        return {name: codes for name, codes in chosen.items() if _recurs(codes)}


@dataclass(frozen=True)
class Covariance:
    """Noise of the parameters in the centred gauge, and what intervals of it promise.

    `df` are the degrees of freedom of t quantiles, `unknown` [n] the utilities whose variance the votes cannot tell,
    `clusters` the number of clusters by dimension.
    """

    noise: Noise
    df: float
    basis: Literal["model", "records", "clustered"]
    promise: Promise
    unknown: np.ndarray
    clusters: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def laplace(optimum: Optimum) -> Noise:
    """H⁻¹ of a posterior with a prior; its diagonal's inverse where H is too large to invert."""
    information = optimum.point.information
    if isinstance(information, DenseInformation):
        return Dense(information.inverse)
    return Independent(information.diagonal_all**-0.5)


def covariance(optimum: Optimum, clusters: Clusters, fewest: float) -> Covariance:
    """Of free utilities: clustered where prompts or raters recur, else by records where these tell it, else H⁻¹.

    The promise is `confidence` where every item has judgements enough, `fewest` being the least of any, and clusters
    enough, else `at least`.
    """
    problem, information = optimum.point.problem, optimum.point.information
    ways, notes, counts = _usable(clusters, distinct([likelihood.row for likelihood in problem.likelihoods]))
    promise: Promise = "confidence" if fewest >= CONFIDENCE_JUDGEMENTS else "at least"
    none = np.zeros(problem.items, bool)
    if isinstance(information, Sparse):
        scores, _ = record_scores(optimum)
        noise = Perturbed(replace(information, tolerance=1e-4), _summed(scores, ways), problem.gauge, problem.items)
        return Covariance(noise, float("inf"), "clustered" if ways else "model", promise, none, counts, notes)
    inverse = information.inverse
    bread = centred(inverse, problem.gauge, problem.items)
    if not ways and not clusters.by_records:
        return Covariance(Dense(bread), float("inf"), "model", promise, none, counts, notes)
    scores, rows = record_scores(optimum)
    penalty = (bread * problem.prior) @ bread if problem.prior.any() else np.zeros_like(bread)
    weights = np.ones(len(rows)) if clusters.weights is None else clusters.weights[rows]
    evidence = Evidence(optimum.point, scores, inverse, bread, bread, penalty, weights)
    if clusters.by_records:
        records = one_way(evidence, Grouping.of(np.arange(len(rows))), rows)
        # Records that are all fitted exactly tell no variance; the model's is that of whole votes, which vary more.
        exact = np.diag(records.matrix)[: problem.items] < _EXACT * np.diag(bread)[: problem.items]
        if exact.any():
            return Covariance(Dense(bread), float("inf"), "model", "at least", exact, counts, notes)
        if not ways:
            df = _typical(records)
            # Of an item with n records of one weight this is n.
            promise = promise if round(records.least) + 1 >= CONFIDENCE_JUDGEMENTS else "at least"
            widened = Dense(_widened(records, records.matrix, df))
            return Covariance(widened, df, "records", promise, records.alone, counts, notes)
        evidence = replace(evidence, independent=records.matrix)
    spread = one_way(evidence, ways[0], rows) if len(ways) == 1 else two_way(evidence, (ways[0], ways[1]), rows)
    df = _typical(spread)
    if spread.least < CONFIDENCE_DF[len(ways) - 1]:
        promise = "at least"
    return Covariance(
        Dense(_widened(spread, evidence.independent, df)), df, "clustered", promise, spread.alone, counts, notes
    )


def _typical(spread: Spread) -> float:
    """The degrees of freedom in the middle of those of the items."""
    telling = spread.df[~spread.alone & (spread.df >= 1)]
    return float(np.median(telling)) if len(telling) else 1.0


def _widened(spread: Spread, independent: Floats, df: float) -> Floats:
    """The covariance with each variance widened to its own degrees of freedom, so that one `df` serves all."""
    n = len(spread.df)
    ratio, variance = np.ones(len(independent)), np.diag(spread.matrix).copy()
    ratio[:n] = t_ratio(np.maximum(spread.df, 1.0), df) ** 2
    own = np.diag(independent)[:n]
    variance[:n] = np.where(spread.alone, np.maximum(variance[:n], own), variance[:n])
    return with_variances(spread.matrix, independent, variance * ratio, n)


def penalised_covariance(optimum: Optimum, clusters: Clusters) -> Covariance:
    """The Laplace approximation H⁻¹ of a posterior with a prior, widened where votes are correlated.

    H = J + Λ with J the information of the votes and Λ that of the prior. With clusters the votes' part of the noise is
    multiplied by the design effect φ = tr(S A M Aᵀ) / tr(S A J Aᵀ), with A the rows of H⁻¹ for the weights and S the
    inverse of its columns for them: H⁻¹ (φ J + Λ) H⁻¹. φ is at least 1, unless the records
    tell the variance. One number can be estimated from few clusters, however many features there are; the full middle M
    cannot, and where it has no rank it would call directions certain that are not.
    """
    point = optimum.point
    assert isinstance(point.information, DenseInformation)
    inverse = point.information.inverse
    ways, notes, counts = _usable(clusters, distinct([likelihood.row for likelihood in point.problem.likelihoods]))
    none = np.zeros(point.problem.coefficients, bool)
    if not ways and not clusters.by_records:
        return Covariance(Dense(inverse), float("inf"), "model", "credible", none, counts, notes)
    scores, rows = record_scores(optimum)
    groups = [group.code for group in ways] or [np.arange(len(rows))]
    meat, df = clustered_meat(scores, groups)
    votes = point.likelihood_information()
    weights = inverse[: point.problem.coefficients]
    unit = np.linalg.inv(weights[:, : len(weights)])
    noise, expected = (np.vdot(unit, weights @ middle @ weights.T) for middle in (meat, votes))
    effect = float(noise / expected)
    effect = effect if clusters.by_records else max(effect, 1.0)
    widened = inverse + (effect - 1) * inverse @ votes @ inverse
    return Covariance(Dense(widened), df, "clustered" if ways else "records", "credible", none, counts, notes)


def _usable(clusters: Clusters, rows: Indices) -> tuple[list[Grouping], tuple[str, ...], dict[str, int]]:
    """The groupings with enough groups, a note on each of the others, and the number of groups of each."""
    kept, notes, counts = [], [], {}
    for name, codes in clusters.within(rows).items():
        group = Grouping.of(codes)
        counts[name] = group.groups
        if group.groups < MIN_CLUSTERS:
            which = f"this {name}" if group.groups == 1 else f"these {group.groups} {name}s"
            notes.append(f"intervals speak for {which} alone: too few to speak for others")
        else:
            kept.append(group)
    return kept, tuple(notes), counts


def _summed(scores: Any, ways: list[Grouping]) -> Any:
    """Scores summed over the clusters of the way with fewest; as they are where there is none."""
    if not ways:
        return scores
    group = min(ways, key=lambda group: group.groups)
    r = scores.shape[0]
    return sparse.csr_array((np.ones(r), (group.code, np.arange(r))), shape=(group.groups, r)) @ scores


def record_scores(optimum: Optimum) -> tuple[Any, Indices]:
    """The gradient of each record's log-likelihood [r, P], sparse, and the table rows [r] they belong to."""
    problem, x = optimum.point.problem, optimum.point.x
    utility = problem.utilities(x)
    rows, columns, values = [], [], []
    nuisances = problem.slices
    for likelihood, where in zip(problem.likelihoods, nuisances, strict=True):
        row, column, value = likelihood.scores(utility, x[where])
        rows.append(row)
        columns.append(np.where(column >= problem.items, column + where.start - problem.coefficients, column))
        values.append(value)
    used = distinct(rows)
    row = np.searchsorted(used, np.concatenate(rows))
    width = problem.items + problem.size - problem.coefficients
    entries = np.concatenate(values), (row, np.concatenate(columns))
    scores = sparse.coo_array(entries, shape=(len(used), width)).tocsr()
    if problem.design is not None:
        joint = sparse.hstack(
            [sparse.csr_array(scores[:, : problem.items] @ problem.design), scores[:, problem.items :]]
        )
        return joint.tocsr(), used
    return scores, used


def centred(matrix: Floats, gauge: Floats, items: int) -> Floats:
    """A covariance [P, P] moved to the gauge in which utilities sum to zero: A C Aᵀ with A = I − gauge 1ᵀ/items."""
    if not gauge.any():
        return matrix
    mean = matrix[:items].mean(axis=0)
    half = matrix - np.outer(gauge, mean)
    return half - np.outer(half[:, :items].mean(axis=1), gauge)


def _codes(table: Table, column: str) -> Indices | None:
    """Integer codes of the ids in a column, -1 where absent or empty; None where none recurs."""
    if not table.has(column):
        return None
    series = table.column(column)
    known = (series.is_not_null() & (series != "")).fill_null(False).to_numpy()
    hashes = series.hash(seed=0).to_numpy()
    _, inverse = np.unique(hashes, return_inverse=True)
    codes = np.where(known, inverse, -1).astype(np.intp)
    return codes if _recurs(codes) else None


def _recurs(codes: Indices) -> bool:
    known = codes[codes >= 0]
    return len(known) > 0 and len(np.unique(known)) < len(known)
