"""Low-rank differences between people, and what a few comparisons say about a new person.

u_p(y) = f(y) · (w + L z_p), z_p ~ N(0, I): the latent user of variational preference learning (Poddar et al. 2024,
"Personalizing reinforcement learning from human feedback with variational preference learning") with a
linear decoder, for which the posterior of z needs no encoder: it is found to any accuracy by importance sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg
from scipy.special import entr, expit

from heedful.core import Floats, InputError, Item, Scale, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.feedback import Table
from heedful.preference.noise import Dense, mirrored
from heedful.preference.people import checks
from heedful.preference.people.latent import Cells, Population, nodes, positions
from heedful.preference.people.persons_em import LOADING_SD, fit_population
from heedful.preference.people.votes import KIND, PairVotes, pair_votes, parameter_names, votes_like
from heedful.preference.persistence import Saved
from heedful.preference.posterior import FittedPosterior
from heedful.preference.reading import Reading

_FEWEST_DRAWS = 100


@dataclass(frozen=True, eq=False)
class People(Expressible, Saved):
    """A population in which people differ along q directions.

    `population` holds the estimates; `weight_draws` [k, d], `loading_draws` [k, d, q] and `nuisance_draws` [k, p] are
    Laplace's draws of them. As a potential it scores items by the mean over people; `aleatoric` is the standard
    deviation between people, √(fᵀ L Lᵀ f). As a preference it gives the share of people who would prefer the first.
    """

    votes: PairVotes
    population: Population
    weight_draws: Floats
    loading_draws: Floats
    nuisance_draws: Floats
    log_likelihood: float
    converged: bool
    model: dict[str, Any] = field(default_factory=dict)
    scale: Scale = "utility"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        evaluate = self.votes.utility.evaluate
        apart = evaluate(items, self.population.loadings.T)
        mean, draws = evaluate(items, self.population.weights), evaluate(items, self.weight_draws)
        return Scores(mean, draws, np.sqrt((apart**2).sum(axis=0)))

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(a person of the population prefers the first | decided) [n], averaged over people and draws."""
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        evaluate = self.votes.utility.evaluate
        gap = evaluate(first, self.weight_draws) - evaluate(second, self.weight_draws)
        loadings = np.swapaxes(self.loading_draws, 1, 2)
        apart = evaluate(first, loadings) - evaluate(second, loadings)
        spread = np.sqrt((apart**2).sum(axis=1))
        z, log_weight = nodes(1)
        shares = zip(z[:, 0], np.exp(log_weight), strict=True)
        total = np.sum([weight * (2 * expit(gap + at * spread) - 1).mean(axis=0) for at, weight in shares], axis=0)
        return np.asarray((1 + total) / 2)

    def log_evidence_of(self, votes: PairVotes | Table) -> Floats:
        """log p(votes of each rater) [R], who may be new, at the estimates."""
        return positions(Cells.of(votes_like(votes, self.votes, "People")), self.population).log_marginal

    def person(self, votes: PairVotes | Table | None = None, *, draws: int = 1000, seed: int = 0) -> Person:
        """What the votes of one person (None: no vote yet) say of their utilities.

        z is drawn by importance sampling around Laplace's approximation at the estimated population; the population's
        own uncertainty enters the utilities through draws of w and L; there are 200 draws at least. Raises InputError
        for votes of several raters, or on other items, features or outcomes than those fitted, UsageError for draws
        below 1.
        """
        checks.at_least(1, draws=draws)
        rng, rank, k = np.random.default_rng(seed), self.population.rank, max(draws // 2, _FEWEST_DRAWS)
        given = None if votes is None else votes_like(votes, self.votes, "People")
        if given is None:
            z, weight = np.random.default_rng(seed).standard_normal((8 * k, rank)), np.full(8 * k, 1 / (8 * k))
        else:
            if len(given.raters) != 1:
                raise InputError(f"one person's votes are wanted, not those of {len(given.raters)}", where="person")
            found = positions(Cells.of(given), self.population, samples=4096)
            z, weight = found.samples[0], found.weight[0]
        chosen = z[rng.choice(len(z), size=k, p=weight)]
        theta = self._theta(chosen, rng)
        mean = self.population.weights + self.population.loadings @ (weight @ z)
        noise = theta - theta.mean(axis=0)
        posterior = self._posterior(mean, noise, 0 if given is None else given.votes, rng)
        return Person(self, weight @ z, _covariance(z, weight), chosen, posterior)

    def _theta(self, z: Floats, rng: np.random.Generator) -> Floats:
        """Utilities' parameters [k, d] of draws of z [k, q], each with a draw of the population."""
        at = rng.permutation(len(z)) % len(self.weight_draws)
        return np.asarray(self.weight_draws[at] + np.einsum("kdq,kq->kd", self.loading_draws[at], z))

    def _posterior(self, mean: Floats, noise: Floats, count: int, rng: np.random.Generator) -> FittedPosterior:
        utility, d = self.votes.utility, len(mean)
        at = np.arange(len(noise)) % (len(self.nuisance_draws) // 2)
        drift = self.nuisance_draws[at] - self.population.nuisance
        nuisance = mirrored(self.population.nuisance, drift)
        return FittedPosterior(
            utility=utility,
            criterion=self.votes.criterion,
            names=parameter_names(self.votes),
            mean=mean,
            covariance=noise.T @ noise / (len(noise) - 1),
            draws=mirrored(mean, noise),
            counts=np.full(d, float(count)),
            identified=np.ones(d, bool),
            notes=("",) * d,
            df=float("inf"),
            readings=(Reading(KIND, self.votes.model, self.population.nuisance, nuisance),),
            model={**self.model, "person": True, "votes": count},
        )


@dataclass(frozen=True, eq=False)
class Person(Saved):
    """One person: z with its mean [q], covariance [q, q] and draws [k, q], and the posterior of their utilities."""

    people: People
    position: Floats
    covariance: Floats
    position_draws: Floats
    posterior: FittedPosterior

    def expected_information(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """What asking "first or second?" is expected to tell about z [n], in nats, with the population as estimated.

        H(outcome) − E_z H(outcome | z), over all outcomes of the question, by the draws of z.
        """
        evaluate, population = self.people.votes.utility.evaluate, self.people.population
        theta = population.weights + self.position_draws @ population.loadings.T
        gap = evaluate(first, theta) - evaluate(second, theta)
        p = np.exp(self.people.votes.model.log_prob(gap, population.nuisance))
        gain = entr(p.mean(axis=1)).sum(axis=0) - entr(p).sum(axis=0).mean(axis=0)
        return np.asarray(np.maximum(gain, 0.0))


def fit_people(
    votes: PairVotes | Table, *, rank: int = 2, prior_sd: float | None = None, draws: int = 1000, seed: int = 0
) -> People:
    """Estimate w, L and the tie term by EM, people's z being integrated out; rank 0 lets people be all alike.

    A table is read as comparisons between systems; to read it otherwise, give `PairVotes.of` it.
    w has the prior N(0, prior_sd²), whose width None estimates; the entries of L have N(0, 1). How many directions
    there are is best asked of raters held out (`log_evidence_of`). Raises UsageError for a rank below 0 or
    above the number of parameters, draws below 1, or a prior_sd that is not above 0 and finite.
    """
    votes = pair_votes(votes)
    if rank < 0 or rank > votes.parameters:
        raise UsageError(f"a rank is 0 to {votes.parameters}, not {rank}", where="rank")
    checks.width(prior_sd, "prior_sd")
    checks.at_least(1, draws=draws)
    rng = np.random.default_rng(seed)
    fitted = fit_population(votes, rank, prior_sd, rng)
    values, vectors = linalg.eigh(fitted.information)
    # Rotations of z change nothing: as many directions as there are, the flattest, are left still.
    still = rank * (rank - 1) // 2
    spread = np.where(np.arange(len(values)) >= still, 1 / np.maximum(values, 1e-3 * np.median(values)), 0.0)
    noise = Dense((vectors * spread) @ vectors.T).sample(-(-draws // 2), rng)
    d = votes.parameters
    drawn = mirrored(fitted.packed, noise)
    weights, loadings = drawn[:, :d], np.swapaxes(drawn[:, d : d * (1 + rank)].reshape(len(drawn), rank, d), 1, 2)
    population = fitted.population
    if votes.design is None:  # a constant for all items is known from the prior alone, and changes nothing
        weights, loadings = _centred(weights.T).T, np.swapaxes(_centred(np.swapaxes(loadings, 0, 1)), 0, 1)
        population = Population(_centred(population.weights), _centred(population.loadings), population.nuisance)
    prior = {"family": "gaussian", "mean": 0.0, "sd": fitted.sd, "loading_sd": LOADING_SD}
    facts = {**votes.facts, "rank": rank, "prior": prior, "seed": seed}
    facts |= {"covariance": "laplace", "iterations": fitted.iterations}
    draws_of = weights, loadings, drawn[:, d * (1 + rank) :]
    return People(votes, population, *draws_of, fitted.log_likelihood, fitted.converged, facts)


def _centred(values: Floats) -> Floats:
    """Less their mean over items, which come first."""
    return np.asarray(values - values.mean(axis=0))


def _covariance(z: Floats, weight: Floats) -> Floats:
    """Of weighted draws [s, q]: [q, q]."""
    away = z - weight @ z
    return np.asarray(away.T @ (weight[:, None] * away))
