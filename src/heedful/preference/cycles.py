"""The cycles that speak loudest against a scalar utility, with intervals that hold for all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit, logit

from heedful.core import Estimate, Floats, Interval, UsageError
from heedful.feedback import Table
from heedful.preference.observations import Indices
from heedful.preference.people import checks
from heedful.preference.people.votes import PairVotes, pair_votes
from heedful.preference.scalar_test import Clustering, by_cluster
from heedful.preference.utilities import FreeItems

# A pair with fewer decided votes has no place in a cycle. They count whoever won: leaving out pairs that one side
# hardly ever won brought the coverage of 95 % intervals down to 89 %.
MIN_VOTES = 10
# Intervals want decided votes spread over clusters: none with more than this share of them, and as many clusters as so
# many equal ones, and as half of them. With two of 20 raters at 20 % each, 95 % intervals of all cycles together
# covered 87 %; with 100 raters worth 25, the greatest at 11 %, 80 %.
MOST_SHARE = 0.13
MIN_EFFECTIVE = 9.0


@dataclass(frozen=True)
class Cycle:
    """Three items a, b, c of which a does better against b, b against c and c against a than any utility allows.

    `curl` is Δ_ab + Δ_bc + Δ_ca in nats, 0 for a scalar utility, with an interval that holds for all triangles looked
    at together. `probability` are P(a ≻ b), P(b ≻ c) and P(c ≻ a); `closed` says whether all are above one half.
    """

    items: tuple[str, str, str]
    curl: Estimate
    probability: tuple[float, float, float]
    closed: bool


@dataclass(frozen=True)
class Intransitivity:
    """The `cycles` with the strongest evidence, of `triangles` looked at; `pairs_left_out` have too few
    decided votes."""

    cycles: tuple[Cycle, ...]
    triangles: int
    pairs_left_out: int


def strongest_cycles(
    votes: PairVotes | Table,
    *,
    most: int = 10,
    clusters: Clustering = "rater",
    level: float = 0.95,
    replicates: int = 999,
    seed: int = 0,
) -> Intransitivity:
    """The triangles whose curl is furthest from 0 in standard errors, with simultaneous intervals.

    Among the decided votes of a pair P(first) = σ(Δ), whatever makes people tie, with half a vote added to either side.
    A curl's interval is of its profile likelihood (as Heinze & Schemper 2002 have it for such penalised ones), which
    is right also where one side always won; it is widened by as much as votes vary more between clusters than votes
    by themselves. Its critical value is the quantile of the greatest |t| over all triangles, with the clusters' parts
    given random signs and each t studentised anew: without, |t| cannot exceed √(clusters − 1), which the truth does.
    No interval (and a note) where one cluster has more than 13 % of the decided votes n, or where (Σ n)² / Σ n², which
    is how many clusters they are worth, is below 9 or half of them. Pairs with fewer than 10 decided votes are left
    out and counted. Free items only (UsageError).
    """
    votes = pair_votes(votes)
    if not isinstance(votes.utility, FreeItems):
        raise UsageError("cycles are named among free items", where="strongest_cycles")
    if not 0 < level < 1:
        raise UsageError(f"a level is between 0 and 1, not {level}", where="level")
    checks.at_least(0, most=most)
    checks.at_least(1, replicates=replicates)
    wins, residual, decided = _pair_wins(votes, clusters)
    effective, most_of_one = 1 / max(float((decided**2).sum()), 1e-300), float(decided.max())
    difference, information = np.log(wins[1] / wins[0]), wins[0] * wins[1] / wins.sum(axis=0)
    enough = wins.sum(axis=0) >= MIN_VOTES + 1
    edges, orientation = _triangles(votes.first, votes.second, enough)
    left_out = int((~enough).sum())
    if not len(edges):
        return Intransitivity((), 0, left_out)
    curl = (difference[edges] * orientation).sum(axis=1)
    squares, groups = _squares(residual, edges, orientation), residual.shape[0]
    alone = np.sqrt((1 / information[edges]).sum(axis=1))  # of independent votes
    widened = np.maximum(np.sqrt(squares * groups / (groups - 1)), alone)
    greatest = _greatest(residual, edges, orientation, squares, replicates, np.random.default_rng(seed))
    reach = float(np.quantile(greatest, level, method="higher"))
    lopsided = effective < max(MIN_EFFECTIVE, (decided > 0).sum() / 2) or most_of_one > MOST_SHARE
    note = f"one cluster gave {most_of_one:.0%} of the decided votes, all are worth {effective:.1f}" if lopsided else ""
    order = np.argsort(-np.abs(curl) / widened)[:most]
    found = []
    for t in order:
        sign = orientation[t] * (1.0 if curl[t] > 0 else -1.0)
        low, high = (_limit(wins[:, edges[t]], sign, side, (reach * widened[t] / alone[t]) ** 2) for side in (-1, 1))
        value = Estimate(
            abs(float(curl[t])),
            int(votes.counts[:, _columns(votes, edges[t])].sum()),
            float(widened[t] ** 2),
            None if lopsided else Interval(low, high, "at least", level),
            note=note,
        )
        found.append(_cycle(votes, edges[t], difference[edges[t]] * sign, float(curl[t]) > 0, value))
    return Intransitivity(tuple(found), len(edges), left_out)


def _squares(residual: Any, edges: Indices, orientation: Floats) -> Floats:
    """Σ over clusters of the square of their part of each triangle's curl [t]."""
    together = (residual.T @ residual).tocsr()
    total = np.zeros(len(edges))
    for i in range(3):
        for j in range(3):
            total += orientation[:, i] * orientation[:, j] * np.asarray(together[edges[:, i], edges[:, j]]).ravel()
    return np.maximum(total, 1e-300)


def _greatest(
    residual: Any, edges: Indices, orientation: Floats, squares: Floats, replicates: int, rng: np.random.Generator
) -> Floats:
    """The greatest |t| of all triangles in each replicate, t being that of a mean of the parts with random signs."""
    groups, back, found = residual.shape[0], residual.T.tocsr(), np.empty(replicates)
    for b in range(replicates):
        moved = back @ rng.choice([-1.0, 1.0], size=groups)
        t = float((np.abs((moved[edges] * orientation).sum(axis=1)) / np.sqrt(squares)).max())
        # The variance about the replicate's own mean; what is greatest before is greatest after, as t grows with t.
        found[b] = t * np.sqrt((groups - 1) / max(groups - t**2, 1e-9))
    return found


def _limit(wins: Floats, sign: Floats, side: int, threshold: float) -> float:
    """The end of the interval of Σ sign · Δ over some pairs, from `wins` [2, pairs] (second's, first's).

    On the way there the log-likelihoods' slopes are in one proportion, so that P(first) = (won + side · μ · sign) / all
    for one number μ; the end is where twice the log-likelihood lost reaches the threshold.
    """
    lost, won = wins
    total, toward = lost + won, side * sign
    most = float(np.where(toward > 0, lost, won).min())

    def at(mu: float) -> tuple[Floats, float]:
        p = (won + mu * toward) / total
        return p, 2 * float((won * np.log(won / total / p) + lost * np.log(lost / total / (1 - p))).sum())

    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if at(most * middle)[1] < threshold else (low, middle)
    return float(sign @ logit(at(most * low)[0]))


def _cycle(votes: PairVotes, edges: Indices, around: Floats, forward: bool, curl: Estimate) -> Cycle:
    """With margins `around` the cycle, which runs low → middle → high → low, or the other way where not `forward`."""
    names = votes.utility.names if isinstance(votes.utility, FreeItems) else ()
    low, middle, high = (names[i] for i in (votes.first[edges[0]], votes.second[edges[0]], votes.second[edges[1]]))
    items = (low, middle, high) if forward else (low, high, middle)
    one, two, three = expit(around if forward else around[[2, 1, 0]]).tolist()
    return Cycle(items, curl, (one, two, three), bool((around > 0).all()))


def _columns(votes: PairVotes, pairs: Indices) -> Indices:
    """The columns of the counts of some pairs, for all outcomes."""
    return np.add.outer(np.arange(len(votes.model.scores)) * len(votes.first), pairs).ravel()


def _triangles(first: Indices, second: Indices, enough: np.ndarray) -> tuple[Indices, Floats]:
    """Pairs around each triangle i < j < k [t, 3], as (ij, jk, ik), and their signs [t, 3] on the way i → j → k → i."""
    pair = {(int(a), int(b)): p for p, (a, b) in enumerate(zip(first, second, strict=True)) if enough[p]}
    beyond: dict[int, list[int]] = {}
    for a, b in pair:
        beyond.setdefault(a, []).append(b)
    edges = [
        (pair[a, b], pair[b, c], pair[a, c])
        for a, others in beyond.items()
        for b, c in combinations(sorted(others), 2)
        if (b, c) in pair
    ]
    return np.array(edges, dtype=np.intp).reshape(-1, 3), np.tile([1.0, 1.0, -1.0], (len(edges), 1))


def _pair_wins(votes: PairVotes, clusters: Clustering) -> tuple[Floats, Any, Floats]:
    """Wins of second and first [2, P], with half a vote on either side, the parts of Δ̂ by cluster (sparse [G, P]),
    and each cluster's share of the decided votes [G]."""
    counts = np.asarray(votes.counts.sum(axis=0)).reshape(-1, len(votes.first))
    wins = counts[[0, -1]] + 0.5
    p = wins[1] / wins.sum(axis=0)
    slope, ones = np.zeros((len(counts), 1, len(p))), np.zeros((len(counts), 1, len(p)))
    slope[0, 0], slope[-1, 0] = -p, 1 - p
    ones[[0, -1]] = 1.0
    own = by_cluster(votes, clusters, ones)[0].tocoo()
    # As if the cluster were left out: its own votes pulled Δ̂ towards it (Bell & McCaffrey 2002, the jackknife's CR3).
    others = sparse.coo_array((1 / (wins.sum(axis=0)[own.col] - own.data), own.coords), shape=own.shape).tocsr()
    parts = by_cluster(votes, clusters, slope)[0].multiply(others) @ sparse.diags_array(1 / (p * (1 - p)))
    decided = np.asarray(own.sum(axis=1)).ravel()
    return wins, parts.tocsr(), decided / max(float(decided.sum()), 1.0)
