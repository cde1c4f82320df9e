"""Low-rank differences between people: integrals, derivatives, the population found again, calibrated few-shot."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import integrate, stats

from heedful.core import Floats, InputError, Item, UsageError
from heedful.core.contracts import PosteriorContract, PotentialContract, PreferenceContract
from heedful.preference import FittedPosterior
from heedful.preference.people import PairVotes, People, Person, fit_people
from heedful.preference.people.latent import Cells, Population, positions
from heedful.preference.people.persons_em import _step

from .people_votes import answers, questions

N = 6
ITEMS = [Item(system=str(i)) for i in range(N)]
WEIGHTS = np.array([1.0, 0.5, 0.2, -0.2, -0.5, -1.0])
LOADINGS = np.array([[1.0, -1.0, 0.8, -0.8, 0.6, -0.6], [0.0, 0.0, 0.9, 0.9, -0.9, -0.9]]).T


def votes_of(z: Floats, each: int, rng: np.random.Generator) -> tuple[Floats, PairVotes]:
    """Utilities [R, n] of people at z [R, q], and `each` votes of everyone."""
    own = WEIGHTS + z @ LOADINGS[:, : z.shape[1]].T
    rater, first, second = questions(len(z), each, N, rng)
    outcome = answers(own[rater, first] - own[rater, second], 0.4, rng)
    return own, PairVotes.from_arrays(rater, first, second, outcome, items=N, ties=True)


@cache
def fitted() -> People:
    rng = np.random.default_rng(0)
    return fit_people(votes_of(rng.normal(size=(150, 2)), 20, rng)[1], rank=2)


@cache
def person() -> Person:
    rng = np.random.default_rng(1)
    return fitted().person(votes_of(np.array([[1.5, -1.0]]), 12, rng)[1])


class TestPeopleAsPotential(PotentialContract):
    def make(self) -> People:
        return fitted()

    def items(self) -> list[Item]:
        return ITEMS


class TestPeopleAsPreference(PreferenceContract):
    def make(self) -> People:
        return fitted()

    def items(self) -> list[Item]:
        return ITEMS


class TestPosteriorOfAPerson(PosteriorContract):
    def make(self) -> FittedPosterior:
        return person().posterior

    def items(self) -> list[Item]:
        return ITEMS


def test_the_marginal_likelihood_is_the_integral() -> None:
    rng = np.random.default_rng(2)
    _, votes = votes_of(rng.normal(size=(4, 1)), 9, rng)
    population = Population(WEIGHTS, LOADINGS[:, :1] * 1.3, np.array([-0.9]))
    found = positions(Cells.of(votes), population)

    def joint(z: float, rater: int) -> float:
        own = WEIGHTS + population.loadings[:, 0] * z
        log_p = votes.model.log_prob(own[votes.first] - own[votes.second], population.nuisance)
        return float(np.exp(votes.log_likelihood(log_p)[rater]) * stats.norm.pdf(z))

    for rater in range(4):
        exact = integrate.quad(joint, -8, 8, (rater,), epsabs=1e-14)[0]
        assert found.log_marginal[rater] == pytest.approx(np.log(exact), abs=1e-4)
        mean = integrate.quad(lambda z, r: z * joint(z, r), -8, 8, (rater,), epsabs=1e-14)[0] / exact
        assert found.weight[rater] @ found.samples[rater, :, 0] == pytest.approx(mean, abs=1e-3)


def test_gradient_and_information_are_derivatives_of_the_value() -> None:
    rng = np.random.default_rng(3)
    _, votes = votes_of(rng.normal(size=(5, 1)), 8, rng)
    cells = Cells.of(votes)
    here = _step(cells, Population(WEIGHTS, LOADINGS[:, :1], np.array([-0.7])), 0.8)
    size = 1e-3
    around = [
        [_step(cells, here.unpack(here.packed + sign * e), 0.8) for sign in (1, -1)]
        for e in size * np.eye(len(here.packed))
    ]
    by_value = [(a.value - b.value) / (2 * size) for a, b in around]
    np.testing.assert_allclose(here.gradient, by_value, atol=2e-3)
    by_gradient = [(b.gradient - a.gradient) / (2 * size) for a, b in around]
    np.testing.assert_allclose(here.observed(), by_gradient, atol=2e-2)


def test_the_population_is_found_again() -> None:
    found = fitted()
    assert found.converged
    spread = found.population.loadings @ found.population.loadings.T
    np.testing.assert_allclose(spread, LOADINGS @ LOADINGS.T, atol=0.6)
    z = (found.population.weights - WEIGHTS) / found.weight_draws.std(axis=0)
    assert np.abs(z).max() < 4
    aleatoric = found(ITEMS).aleatoric
    assert aleatoric is not None
    np.testing.assert_allclose(aleatoric, np.sqrt((LOADINGS**2).sum(axis=1)), atol=0.3)


def test_rank_is_told_by_raters_held_out() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=(160, 2))
    _, votes = votes_of(z, 15, rng)
    train, test = votes.of_raters(np.arange(110)), votes.of_raters(np.arange(110, 160))
    score = [fit_people(train, rank=rank, draws=2).log_evidence_of(test).sum() for rank in (0, 1, 2)]
    assert score[2] > score[1] > score[0]
    _, alike = votes_of(np.zeros((160, 1)), 15, rng)
    train, test = alike.of_raters(np.arange(110)), alike.of_raters(np.arange(110, 160))
    found = fit_people(train, rank=1, draws=2)
    assert np.abs(found.population.loadings).max() < 0.6
    assert found.log_evidence_of(test).sum() < fit_people(train, rank=0, draws=2).log_evidence_of(test).sum() + 2


@pytest.mark.parametrize("each", [0, 3, 12])
def test_intervals_of_a_new_person_cover(each: int) -> None:
    """120 people drawn from the population, one difference of utilities each, at the 90 % level."""
    rng, held = np.random.default_rng(5), 0
    for _ in range(120):
        own, votes = votes_of(rng.normal(size=(1, 2)), max(each, 1), rng)
        posterior = fitted().person(votes if each else None, draws=400).posterior
        a, b = rng.choice(N, 2, replace=False)
        low, high = np.quantile(posterior.draws[:, a] - posterior.draws[:, b], [0.05, 0.95])
        held += low <= own[0, a] - own[0, b] <= high
    assert stats.binomtest(int(held), 120, 0.9).pvalue > 1e-3


def test_votes_of_a_person_make_it_known() -> None:
    truth = np.array([[1.5, -1.0]])
    rng = np.random.default_rng(6)
    own, votes = votes_of(truth, 200, rng)
    known = fitted().person(votes).posterior
    assert np.abs(known.mean - known.mean.mean() - own[0] + own[0].mean()).max() < 0.8
    unknown = fitted().person().posterior
    assert known.draws.std(axis=0).mean() < 0.5 * unknown.draws.std(axis=0).mean()
    with pytest.raises(InputError):
        fitted().person(votes_of(np.zeros((2, 2)), 3, rng)[1])
    with pytest.raises(UsageError):
        fit_people(votes, rank=-1)


def test_expected_information_is_that_of_the_outcome() -> None:
    asked = person().expected_information(ITEMS[:1] * 5, ITEMS[1:])
    assert (asked > 0).all()
    assert (asked < np.log(3)).all()
    np.testing.assert_allclose(asked, person().expected_information(ITEMS[1:], ITEMS[:1] * 5), atol=1e-12)
    assert person().expected_information(ITEMS[:1], ITEMS[:1])[0] == pytest.approx(0.0, abs=1e-12)
    # By quadrature over z ~ N(0, I), for someone who has not voted.
    nobody, population = fitted().person(draws=40_000), fitted().population
    reach = np.linalg.norm(population.loadings[0] - population.loadings[1])
    centre = population.weights[0] - population.weights[1]
    x, w = np.polynomial.hermite_e.hermegauss(60)
    p = np.exp(fitted().votes.model.log_prob(centre + reach * x, population.nuisance))
    w = w / w.sum()
    mean = p @ w
    exact = -(mean * np.log(mean)).sum() + (p * np.log(p)).sum(axis=0) @ w
    assert nobody.expected_information(ITEMS[:1], ITEMS[1:2])[0] == pytest.approx(exact, rel=0.03)
