"""EM for the population that people's latent positions are drawn from.

The E step is adaptive quadrature; the M step one Newton step in (w, L, c), after which the freedom that
z ~ N(μ, Σ) would give is folded into w and L (parameter-expanded EM: Liu, Rubin & Wu 1998). A few such steps lead to
where Newton's method on the marginal likelihood converges; its gradient and information are those of the complete data
averaged over z, the latter less the spread of the scores (Louis 1982).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from heedful.core import Floats
from heedful.preference.people.latent import Cells, Population, Positions, positions
from heedful.preference.people.mixture import NUISANCE_SD, rater_scores
from heedful.preference.people.votes import PairVotes

LOADING_SD = 1.0
_ITERATIONS = 80
_WARM = 12
_GAIN = 1e-3


@dataclass(frozen=True, eq=False)
class PopulationFit:
    """`population`, also `packed` as (w, columns of L, c) [P], with the observed information [P, P] there."""

    population: Population
    packed: Floats
    information: Floats
    sd: float
    log_likelihood: float
    iterations: int
    converged: bool


def fit_population(votes: PairVotes, rank: int, prior_sd: float | None, rng: np.random.Generator) -> PopulationFit:
    """EM from loadings along which raters' votes pull apart the most."""
    cells, sd = Cells.of(votes), 1.0 if prior_sd is None else prior_sd
    step = _step(cells, _started(votes, rank, rng), sd)
    for _ in range(_WARM):
        population, variance = step.moved()
        if prior_sd is None:
            sd = float(np.sqrt(((population.weights**2).sum() + variance) / len(population.weights)))
        step = _step(cells, population, sd)
    iteration, converged = _WARM, False
    while iteration < _ITERATIONS and not converged:
        iteration += 1
        gradient, direction = step.gradient, _uphill(step, rank)
        converged = float(gradient @ direction) < _GAIN
        step = _searched(step, direction) or _step(cells, step.moved()[0], sd)
    total = float(step.found.log_marginal.sum())
    return PopulationFit(step.population, step.packed, step.observed(), sd, total, iteration, converged)


def _step(cells: Cells, population: Population, sd: float) -> _MStep:
    return _MStep(cells, population, positions(cells, population), sd)


def _uphill(step: _MStep, rank: int) -> Floats:
    """Newton's direction in the observed information; none along the rotations of z, which change nothing."""
    values, vectors = np.linalg.eigh(step.observed())
    size = np.maximum(np.abs(values), 1e-3 * np.median(np.abs(values)))
    still = np.argsort(np.abs(values))[: rank * (rank - 1) // 2]
    along = vectors.T @ step.gradient
    along[still] = 0.0
    return np.asarray(vectors @ (along / size))


def _searched(step: _MStep, direction: Floats) -> _MStep | None:
    """The first of a few ever shorter steps that loses no more than quadrature's error; None where none is."""
    for size in (1.0, 0.5, 0.25):
        there = _step(step.cells, step.unpack(step.packed + size * direction), step.sd)
        if there.value > step.value - 0.05:
            return there
    return None


def _started(votes: PairVotes, rank: int, rng: np.random.Generator) -> Population:
    d = votes.parameters
    x = np.zeros(d + len(votes.model.nuisances))
    pull = rater_scores(votes, x)[:, :d]
    pull = pull - pull.mean(axis=0)
    _, vectors = np.linalg.eigh(pull.T @ pull)
    loadings = vectors[:, ::-1][:, :rank] + 0.05 * rng.normal(size=(d, rank))
    if votes.design is None:
        loadings = loadings - loadings.mean(axis=0)
    return Population(np.zeros(d), loadings * 0.7, x[d:])


class _MStep:
    """Expected sums over z of the votes' derivatives, by powers of z, and what follows from them."""

    def __init__(self, cells: Cells, population: Population, found: Positions, sd: float) -> None:
        self.cells, self.population, self.found = cells, population, found
        d, q = population.loadings.shape
        self.d, self.q, self.sd = d, q, sd
        self.packed = np.concatenate([population.weights, population.loadings.T.ravel(), population.nuisance])
        self.precision = np.concatenate(
            [
                np.full(d, sd**-2),
                np.full(d * q, LOADING_SD**-2),
                np.full(len(population.nuisance), NUISANCE_SD**-2),
            ]
        )
        self.value = float(found.log_marginal.sum()) - float(self.precision @ self.packed**2) / 2
        self._sums()

    def unpack(self, x: Floats) -> Population:
        end = self.d * (1 + self.q)
        return Population(x[: self.d], x[self.d : end].reshape(self.q, self.d).T, x[end:])

    def _sums(self) -> None:
        cells, population, found = self.cells, self.population, self.found
        differences = cells.votes.dense_differences
        centre, reach = differences @ population.weights, differences @ population.loadings
        z = found.samples[cells.rater]
        difference = centre[cells.pair, None] + np.einsum("eq,esq->es", reach[cells.pair], z)
        shape = difference.shape
        many = np.repeat(cells.counts, shape[1], axis=1)
        sums = cells.votes.model.derivatives(many, difference.ravel(), population.nuisance)
        self.gradients = sums.gradient.reshape(len(sums.gradient), *shape)
        weight = found.weight[cells.rater]
        self.powers = np.concatenate([np.ones((*shape, 1)), z], axis=2)  # 1, z
        weighted = sums.information.reshape(*sums.information.shape[:2], *shape) * weight
        self.slope = np.einsum("es,esa->ea", self.gradients[0] * weight, self.powers)
        self.curvature = np.einsum("es,esa,esb->eab", weighted[0, 0], self.powers, self.powers)
        self.mixed = np.einsum("ces,esa->eac", weighted[0, 1:], self.powers)
        self.nuisance = weighted[1:, 1:].sum(axis=(2, 3))
        self.nuisance_slope = (self.gradients[1:] * weight).sum(axis=(1, 2))

    def _to_pairs(self, by_cell: Floats) -> Floats:
        shape = by_cell.shape[1:]
        flat = self.cells.by_pair @ by_cell.reshape(len(by_cell), math.prod(shape))
        return np.asarray(flat).reshape(len(flat), *shape)

    @property
    def gradient(self) -> Floats:
        slope = self.cells.votes.dense_differences.T @ self._to_pairs(self.slope)
        return np.asarray(np.concatenate([slope.T.ravel(), self.nuisance_slope]) - self.precision * self.packed)

    def complete(self) -> Floats:
        """The information of the votes were z known, averaged over it [P, P]."""
        through, parts = self.cells.votes.dense_differences, 1 + self.q
        curvature, mixed = self._to_pairs(self.curvature), self._to_pairs(self.mixed)
        end = self.d * parts
        matrix = np.diag(self.precision)
        for a in range(parts):
            rows = slice(a * self.d, (a + 1) * self.d)
            for b in range(parts):
                columns = slice(b * self.d, (b + 1) * self.d)
                matrix[rows, columns] += through.T @ (curvature[:, a, b, None] * through)
            matrix[rows, end:] += through.T @ mixed[:, a]
            matrix[end:, rows] = matrix[rows, end:].T
        matrix[end:, end:] += self.nuisance
        return matrix

    def moved(self) -> tuple[Population, float]:
        """The next parameters, and the variance of w summed over its entries."""
        inverse = np.linalg.inv(self.complete())
        x, d, q = self.packed + inverse @ self.gradient, self.d, self.q
        weights, loadings = x[:d], x[d : d * (1 + q)].reshape(q, d).T
        if q:
            weight, samples = self.found.weight, self.found.samples
            mean = np.einsum("rs,rsq->q", weight, samples) / len(weight)
            square = np.einsum("rs,rsa,rsb->ab", weight, samples, samples) / len(weight)
            weights = weights + loadings @ mean
            loadings = loadings @ np.linalg.cholesky(square - np.outer(mean, mean))
        return Population(weights, loadings, x[d * (1 + q) :]), float(np.diag(inverse)[:d].sum())

    def observed(self) -> Floats:
        """The information of the votes, z being unknown [P, P]: the complete one less the spread of its scores."""
        votes, weight = self.cells.votes, self.found.weight
        through = votes.dense_differences[self.cells.pair]
        information = self.complete()
        size, raters = len(self.packed), len(weight)
        mean = np.zeros((raters, size))
        for s in range(weight.shape[1]):
            own = self.cells.by_rater @ (self.gradients[0][:, s, None] * through)
            levels = self.cells.by_rater @ self.gradients[1:, :, s].T
            powers = np.concatenate([np.ones((raters, 1)), self.found.samples[:, s]], axis=1)
            score = np.concatenate([(powers[:, :, None] * own[:, None]).reshape(raters, -1), levels], axis=1)
            mean += weight[:, s, None] * score
            information -= score.T @ (weight[:, s, None] * score)
        information += mean.T @ mean
        return np.asarray((information + information.T) / 2)
