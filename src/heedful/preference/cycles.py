"""The cycles that speak loudest against a scalar utility, with intervals that hold for all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import expit

from heedful.core import Estimate, Floats, Interval, UsageError
from heedful.preference.observations import Indices
from heedful.preference.people.votes import PairVotes
from heedful.preference.scalar_test import Clustering, by_cluster, gradients, scalar_fit
from heedful.preference.utilities import FreeItems

# A pair won fewer times than this by either side has no place in a cycle: its logit is too far from normal. Measured
# with benchmarks/people.py.
MIN_WINS = 5


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
    """The `cycles` with the strongest evidence, of `triangles` looked at; `pairs_left_out` were won too rarely by one
    side."""

    cycles: tuple[Cycle, ...]
    triangles: int
    pairs_left_out: int


def strongest_cycles(
    votes: PairVotes,
    *,
    most: int = 10,
    clusters: Clustering = "rater",
    level: float = 0.95,
    replicates: int = 999,
    seed: int = 0,
) -> Intransitivity:
    """The triangles whose curl is furthest from 0 in standard errors, with simultaneous intervals.

    Each pair has a logit of its own, half a vote being added to either side; standard errors are by clusters, and the
    critical value is the quantile of the greatest |t| over all triangles, with the clusters' parts given random signs.
    Pairs that either side won fewer than 5 times are left out and counted. Free items only (UsageError).
    """
    if not isinstance(votes.utility, FreeItems):
        raise UsageError("cycles are named among free items", where="strongest_cycles")
    _, x = scalar_fit(votes)
    nuisance = x[votes.items :]
    counts = np.asarray(votes.counts.sum(axis=0)).reshape(-1, len(votes.first))
    difference, information = _pair_logits(votes, counts, nuisance)
    enough = np.minimum(counts[0], counts[-1]) >= MIN_WINS
    edges, orientation = _triangles(votes.first, votes.second, enough)
    left_out = int((~enough).sum())
    if not len(edges):
        return Intransitivity((), 0, left_out)
    residual = by_cluster(votes, clusters, gradients(votes, difference, nuisance))[0].toarray() / information
    curl = (difference[edges] * orientation).sum(axis=1)
    variance = np.zeros(len(edges))
    for row in residual:
        variance += (row[edges] * orientation).sum(axis=1) ** 2
    clusters_seen = len(residual)
    error = np.sqrt(variance * clusters_seen / (clusters_seen - 1))
    rng, greatest = np.random.default_rng(seed), np.empty(replicates)
    for b in range(replicates):
        moved = rng.choice([-1.0, 1.0], size=clusters_seen) @ residual
        greatest[b] = np.abs((moved[edges] * orientation).sum(axis=1) / error).max()
    reach = float(np.quantile(greatest, level, method="higher"))
    order = np.argsort(-np.abs(curl) / error)[:most]
    found = [
        _cycle(votes, edges[t], orientation[t], difference, float(curl[t]), float(error[t]), reach, level)
        for t in order
    ]
    return Intransitivity(tuple(found), len(edges), left_out)


def _cycle(
    votes: PairVotes, edges: Indices, orientation: Floats, difference: Floats, curl: float, error: float,
    reach: float, level: float,
) -> Cycle:  # fmt: skip
    names = votes.utility.names if isinstance(votes.utility, FreeItems) else ()
    low, middle, high = (int(i) for i in (votes.first[edges[0]], votes.second[edges[0]], votes.second[edges[1]]))
    around = difference[edges] * orientation
    items = (low, middle, high)
    if curl < 0:  # the other way round: low → high → middle → low
        around, items, curl = -around[[2, 1, 0]], (low, high, middle), -curl
    value = Estimate(
        curl,
        int(votes.counts[:, _columns(votes, edges)].sum()),
        error**2,
        Interval(curl - reach * error, curl + reach * error, "at least", level),
    )
    probability = tuple(float(p) for p in expit(around))
    named = tuple(names[i] for i in items)
    return Cycle(
        (named[0], named[1], named[2]),
        value,
        (probability[0], probability[1], probability[2]),
        bool((around > 0).all()),
    )


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


def _pair_logits(votes: PairVotes, counts: Floats, nuisance: Floats) -> tuple[Floats, Floats]:
    """Δ of each pair by itself [P], with half a vote on either side, and its information [P]."""
    padded = counts.copy()
    padded[0] += 0.5
    padded[-1] += 0.5
    difference = np.zeros(counts.shape[1])
    for _ in range(100):
        sums = votes.model.derivatives(padded, difference, nuisance)
        step = np.clip(sums.gradient[0] / sums.information[0, 0], -2.0, 2.0)
        difference = difference + step
        if np.abs(step).max() < 1e-10:
            break
    return difference, votes.model.derivatives(padded, difference, nuisance).information[0, 0]
