"""Is a scalar utility enough? A test of the votes against every skew-symmetric part beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import linalg, sparse

from heedful.core import Floats, InputError, UsageError
from heedful.feedback import Table
from heedful.preference.inference import Problem, maximise
from heedful.preference.people import checks
from heedful.preference.people.mixture import inverse_information
from heedful.preference.people.votes import PairVotes, pair_votes

Clustering = Literal["rater", "vote"]
# Fewer clusters than this cannot calibrate a test or an interval.
MIN_CLUSTERS = 10
_PRIOR_SD = 10.0  # keeps the scalar fit finite where votes separate items; too wide to matter elsewhere
_BATCH = 256
_HELD = 4_000_000  # signs at once


@dataclass(frozen=True)
class ScalarTest:
    """The test of "one scalar utility explains the votes".

    `statistic` is the score statistic (Pearson's χ² of the pairs for free items), `dimension` that of the space of
    cycles, `clusters` how many independent groups of votes were flipped, `replicates` how often.
    """

    p_value: float
    statistic: float
    dimension: int
    clusters: int
    replicates: int


def scalar_is_enough(
    votes: PairVotes | Table, *, clusters: Clustering = "rater", replicates: int = 999, seed: int = 0
) -> ScalarTest:
    """Test a scalar utility against any skew-symmetric part, by flipping the signs of clusters' effective scores.

    For free items every pair gets a parameter γ_p of its own; for features γ is a skew-symmetric matrix, Δ gaining
    f1ᵀ γ f2. At the scalar fit the effective score of γ is S = Σ_g S_g over clusters g, its part that no change of the
    utilities or the tie term makes; the statistic is Sᵀ M⁻¹ S, with M the information on γ, and its null distribution
    that of Σ_g ±S_g with random signs (Hemerik, Goeman & Finos 2020, "Robust testing in generalized linear models by
    sign flipping score contributions"). Votes of one rater may be dependent; `clusters="vote"` takes all as
    independent. Where raters differ in taste, the utility tested is that of the average of them, which need not be
    scalar even if each one's is. Where a pair is always asked about on the same prompts, what these prompts favour
    counts as a taste for the pair, unless votes are clustered by them (`PairVotes.of(by="context")`). Raises UsageError
    where there are fewer than 10 clusters, InputError where the votes are on no cycle.
    """
    checks.at_least(1, replicates=replicates)
    votes = pair_votes(votes)
    problem, x = scalar_fit(votes)
    parts = _Parts.of(votes, x, clusters)
    through = _alternatives(votes)
    dimension = _cycle_dimension(votes, through)
    if not dimension:
        raise InputError("no votes are on pairs that could form a cycle", where="scalar_is_enough")
    metric = _inverse(parts.information_on(through))
    added = parts.effective(through, problem, x)
    clusters_seen = parts.slope.shape[0]
    flipped = np.random.default_rng(seed)
    observed = added(np.ones((1, clusters_seen)))[0]
    statistic = float(observed @ metric(observed))
    beyond, batch = 0, max(1, min(_BATCH, _HELD // clusters_seen))
    for begin in range(0, replicates, batch):
        drawn = added(flipped.choice([-1.0, 1.0], size=(min(batch, replicates - begin), clusters_seen)))
        beyond += int((np.einsum("bq,bq->b", drawn, metric(drawn.T).T) >= statistic * (1 - 1e-12)).sum())
    return ScalarTest((1 + beyond) / (1 + replicates), statistic, dimension, clusters_seen, replicates)


def scalar_fit(votes: PairVotes) -> tuple[Problem, Floats]:
    precision = np.full(votes.parameters + len(votes.model.nuisances), _PRIOR_SD**-2)
    likelihood = votes.weighted(np.ones(len(votes.raters)))
    problem = Problem((likelihood,), votes.items, votes.design, precision)
    return problem, maximise(problem).point.x


def gradients(votes: PairVotes, difference: Floats, nuisance: Floats) -> Floats:
    ones = np.eye(len(votes.model.scores))[:, :, None]
    return np.stack([votes.model.gradient(one, difference, nuisance) for one in ones])


def by_cluster(votes: PairVotes, clusters: Clustering, gradient: Floats) -> tuple[Any, Floats]:
    """Slopes by cluster and pair [G, P], and the gradient by nuisance parameters [G, p]."""
    held, pairs = votes.counts.tocoo(), len(votes.first)
    many = held.data.astype(np.intp)
    if clusters == "vote":
        column, row, weight = np.repeat(held.col, many), np.arange(many.sum()), np.ones(many.sum())
    else:
        column, weight = held.col, held.data
        _, row = np.unique(held.row, return_inverse=True)
    outcome, pair = column // pairs, column % pairs
    groups = int(row.max()) + 1
    if groups < MIN_CLUSTERS:
        raise UsageError(
            f"{groups} clusters of votes cannot say how the votes vary",
            where="clusters",
            fix="collect votes of more raters, or take votes as independent with clusters='vote'",
        )
    slope = sparse.coo_array((weight * gradient[outcome, 0, pair], (row, pair)), shape=(groups, pairs)).tocsr()
    levels = [np.bincount(row, weight * gradient[outcome, 1 + c, pair], groups) for c in range(gradient.shape[1] - 1)]
    return slope, np.array(levels, dtype=np.float64).reshape(-1, groups).T


@dataclass(frozen=True, eq=False)
class _Parts:
    """Scores by cluster at the scalar fit, and the information of Δ [P], also with the nuisance [p, P]."""

    votes: PairVotes
    slope: Any
    levels: Floats
    curvature: Floats
    mixed: Floats

    @classmethod
    def of(cls, votes: PairVotes, x: Floats, clusters: Clustering) -> _Parts:
        d = votes.parameters
        difference = np.asarray(votes.differences @ x[:d])
        slope, levels = by_cluster(votes, clusters, gradients(votes, difference, x[d:]))
        counts = np.asarray(votes.counts.sum(axis=0)).reshape(-1, len(votes.first))
        information = votes.model.derivatives(counts, difference, x[d:]).information
        return cls(votes, slope, levels, information[0, 0], information[0, 1:])

    def information_on(self, through: Floats | None) -> Floats:
        """That of γ: a diagonal [P], or a matrix [q, q]."""
        return self.curvature if through is None else through.T @ (self.curvature[:, None] * through)

    def across(self, through: Floats | None) -> Floats:
        """The information between γ [q] and utilities and nuisance parameters [q, d + p]."""
        both = np.concatenate([self.curvature[:, None] * self.votes.dense_differences, self.mixed.T], axis=1)
        return both if through is None else through.T @ both

    def effective(self, through: Floats | None, problem: Problem, x: Floats) -> Callable[[Floats], Floats]:
        """A function from signs [b, G] to the sums of clusters' effective scores of γ with them [b, q].

        Clusters times γ, which would be votes times pairs, is never laid out: the scores are sparse and summed first.
        """
        nuisance = np.concatenate([np.asarray(self.slope @ self.votes.dense_differences), self.levels], axis=1)
        back = inverse_information(problem, x) @ self.across(through).T
        transposed = self.slope.T.tocsr()

        def added(signs: Floats) -> Floats:
            own = np.asarray(transposed @ signs.T).T
            return np.asarray((own if through is None else own @ through) - (signs @ nuisance) @ back)

        return added


def _cycle_dimension(votes: PairVotes, through: Floats | None) -> int:
    """How many directions of γ no change of the utilities makes."""
    scalar, pairs = votes.dense_differences, len(votes.first)
    whole = pairs if through is None else np.linalg.matrix_rank(np.concatenate([scalar, through], axis=1))
    return int(whole - np.linalg.matrix_rank(scalar))


def _alternatives(votes: PairVotes) -> Floats | None:
    """How γ enters Δ of each pair [P, q]: None for free items, a parameter a pair."""
    if votes.design is None:
        return None
    one, two = votes.design[votes.first], votes.design[votes.second]
    i, j = np.triu_indices(votes.parameters, 1)
    return np.asarray(one[:, i] * two[:, j] - one[:, j] * two[:, i])


def _inverse(information: Floats) -> Any:
    """A function that multiplies [q] or [q, b] by the inverse of the information on γ."""
    if information.ndim == 1:
        inverse = np.where(information > 0, 1 / np.maximum(information, 1e-300), 0.0)
        return lambda right: (inverse * right.T).T
    matrix = linalg.pinvh(information)
    return lambda right: matrix @ right
