"""Raters' latent positions z ~ N(0, I): modes, importance samples and marginal likelihoods, all raters at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse, special

from heedful.core import Floats
from heedful.preference.observations import Indices
from heedful.preference.people.votes import PairVotes

# Gauss-Hermite points a direction, by how many directions there are.
_POINTS = {1: 9, 2: 7, 3: 5}
_STEPS = 30


@dataclass(frozen=True, eq=False)
class Cells:
    """Votes by rater and pair, E cells: `rater` [E], `pair` [E], `counts` [o, E]."""

    votes: PairVotes
    rater: Indices
    pair: Indices
    counts: Floats

    @classmethod
    def of(cls, votes: PairVotes) -> Cells:
        held, pairs = votes.counts.tocoo(), len(votes.first)
        key, cell = np.unique(held.row.astype(np.intp) * pairs + held.col % pairs, return_inverse=True)
        counts = np.zeros((len(votes.model.scores), len(key)))
        np.add.at(counts, (held.col // pairs, cell), held.data)
        return cls(votes, key // pairs, key % pairs, counts)

    @cached_property
    def by_rater(self) -> sparse.csr_array:
        """Sums cells to raters [R, E]."""
        e = np.arange(len(self.rater))
        return sparse.coo_array((np.ones(len(e)), (self.rater, e)), shape=(len(self.votes.raters), len(e))).tocsr()

    @cached_property
    def by_pair(self) -> sparse.csr_array:
        """Sums cells to pairs [P, E]."""
        e = np.arange(len(self.pair))
        return sparse.coo_array((np.ones(len(e)), (self.pair, e)), shape=(len(self.votes.first), len(e))).tocsr()


@dataclass(frozen=True, eq=False)
class Population:
    """Parameters: `weights` w [d], `loadings` L [d, q], `nuisance` [p]. A person's utilities are f · (w + L z)."""

    weights: Floats
    loadings: Floats
    nuisance: Floats

    @property
    def rank(self) -> int:
        return int(self.loadings.shape[1])


@dataclass(frozen=True, eq=False)
class Positions:
    """What votes say of each rater's z: Laplace's `mode` [R, q] and `covariance` [R, q, q]; weighted samples of it.

    `samples` [R, S, q] are the nodes of adaptive quadrature (Liu & Pierce 1994) or importance samples, with normalised
    `weight` [R, S]; `log_marginal` [R] is the log ∫ p(votes | z) N(z; 0, I) dz that they give.
    """

    mode: Floats
    covariance: Floats
    samples: Floats
    weight: Floats
    log_marginal: Floats


def nodes(rank: int, samples: int = 0) -> tuple[Floats, Floats]:
    """Standard normal nodes [S, q] and their log weights [S].

    0 samples: a product of Gauss-Hermite rules; else a Sobol sequence and its negative, of equal weights, where
    `samples` is a power of 2.
    """
    if not rank:
        return np.zeros((1, 0)), np.zeros(1)
    if samples:
        from scipy.stats import qmc  # takes longer to import than the rest of the package: only where it is used

        # Half a step on, so that no node is at 0, which is infinitely far out.
        uniform = qmc.Sobol(rank, scramble=False).random(samples // 2) + 1 / samples
        half = special.ndtri(uniform)
        return np.concatenate([half, -half]), np.full(samples, -float(np.log(samples)))
    points, weights = np.polynomial.hermite_e.hermegauss(_POINTS.get(rank, 3))
    grid = np.stack(np.meshgrid(*[points] * rank, indexing="ij"), axis=-1).reshape(-1, rank)
    logs: Floats = np.stack(np.meshgrid(*[np.log(weights / weights.sum())] * rank, indexing="ij"), axis=-1)
    return np.asarray(grid, np.float64), np.asarray(logs.reshape(-1, rank) @ np.ones(rank))


def positions(cells: Cells, population: Population, samples: int = 0) -> Positions:
    """The posterior of every rater's z at some population parameters; `samples` as in `nodes`."""
    rank = population.rank
    reach = cells.votes.dense_differences @ population.loadings
    reach, centre = reach[cells.pair], (cells.votes.dense_differences @ population.weights)[cells.pair]
    mode, covariance = _modes(cells, population, reach, centre)
    root = np.linalg.cholesky(covariance)
    epsilon, log_node = nodes(rank, samples)
    z = mode[:, None] + np.einsum("rij,sj->rsi", root, epsilon)
    difference = centre[:, None] + np.einsum("eq,esq->es", reach, z[cells.rater])
    log_p = cells.votes.model.log_prob(difference, population.nuisance)
    joint = cells.by_rater @ np.einsum("oe,oes->es", cells.counts, log_p) - (z**2).sum(axis=2) / 2
    log_scale = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    log_weight = joint + (epsilon**2).sum(axis=1) / 2 + log_scale[:, None] + log_node
    weight = special.softmax(log_weight, axis=1)
    marginal = special.logsumexp(log_weight, axis=1)
    return Positions(mode, covariance, z, weight, marginal)


def _modes(cells: Cells, population: Population, reach: Floats, centre: Floats) -> tuple[Floats, Floats]:
    """Newton's method for all raters at once, each with its own backtracking."""
    raters, rank = len(cells.votes.raters), population.rank
    outer = (reach[:, :, None] * reach[:, None, :]).reshape(len(reach), -1)
    z = np.zeros((raters, rank))

    def value(z: Floats) -> Floats:
        difference = centre + (reach * z[cells.rater]).sum(axis=1)
        log_p = cells.votes.model.log_prob(difference, population.nuisance)
        return np.asarray(cells.by_rater @ (cells.counts * log_p).sum(axis=0) - (z**2).sum(axis=1) / 2)

    now, information = value(z), np.tile(np.eye(rank), (raters, 1, 1))
    for _ in range(_STEPS):
        difference = centre + (reach * z[cells.rater]).sum(axis=1)
        sums = cells.votes.model.derivatives(cells.counts, difference, population.nuisance)
        gradient = cells.by_rater @ (sums.gradient[0][:, None] * reach) - z
        curved = cells.by_rater @ (sums.information[0, 0][:, None] * outer)
        information = np.eye(rank) + np.reshape(curved, (raters, rank, rank))
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        if np.abs(step).max(initial=0.0) < 1e-8:
            break
        size = np.ones(raters)
        for _ in range(30):
            there = value(z + size[:, None] * step)
            worse = there < now - 1e-10
            if not worse.any():
                break
            size[worse] /= 2
        z, now = z + size[:, None] * step, there
    return z, np.asarray(np.linalg.inv(information), dtype=np.float64)
