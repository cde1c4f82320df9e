"""Regret against its definition, its gradient against differences, and what endless votes identify."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import InputError, UsageError
from heedful.preference.heads import Linear, Votes
from heedful.preference.regret import _Climb, fit_regret, negated_regrets, partial_returns
from heedful.worlds import GridWorld

WORLD = GridWorld(size=4, symbols=4, seed=6)
WEIGHTS = np.array([-0.5, -1.5, 0.3, 3.0])


def walked(count: int, length: int, seed: int = 0) -> np.ndarray:
    return WORLD.walks(count, length, rng=np.random.default_rng(seed))


def endless(utility: np.ndarray, pairs: int, seed: int) -> Votes:
    """Votes on random pairs by their exact shares."""
    first, second = np.random.default_rng(seed).permutation(len(utility))[: 2 * pairs].reshape(2, pairs)
    return Votes.of(first, second, expit(utility[first] - utility[second]))


def test_regret_is_what_a_segment_falls_short() -> None:
    """Of one step: V*(s) − (r + γ V*(next)), with V* by value iteration."""
    process = WORLD.process()
    reward, value = process.features @ WEIGHTS, np.zeros(16)
    for _ in range(2000):
        value = (reward + process.discount * process.transitions @ value).max(axis=1)
    short = value[:, None] - (reward + process.discount * process.transitions @ value)
    visits = walked(200, 3)
    best = process.best(WEIGHTS)
    regret = -negated_regrets(process, visits, best) @ WEIGHTS
    np.testing.assert_allclose(regret, np.einsum("msa,sa->m", visits, short), atol=1e-9)
    assert regret.min() > -1e-9
    np.testing.assert_allclose(
        partial_returns(process, visits) @ WEIGHTS, np.einsum("msa,sa->m", visits, reward), atol=1e-12
    )


def test_the_gradient_is_that_of_differences() -> None:
    """The best policy moves with the weights, and the derivative through it is zero."""
    visits, rng = walked(60, 3), np.random.default_rng(1)
    votes = Votes.of(np.arange(30), np.arange(30, 60), (rng.random(30) < 0.5).astype(float))
    climb = _Climb(WORLD.process(), visits, votes.likelihoods(60), 1.0)
    for _ in range(5):
        x, step = rng.normal(size=4), 1e-6
        slopes = [(climb.at(x + step * e)[0].value - climb.at(x - step * e)[0].value) / (2 * step) for e in np.eye(4)]
        np.testing.assert_allclose(climb.at(x)[0].gradient, slopes, atol=1e-5)


def test_endless_votes_by_regret_identify_the_policy() -> None:
    """As Knox et al. prove: regret finds it, and partial returns fitted to the same votes do not."""
    process, visits = WORLD.process(), walked(2000, 3)
    utility = negated_regrets(process, visits, process.best(WEIGHTS)) @ WEIGHTS
    votes = endless(utility, 1000, 2)
    rng = np.random.default_rng(0)
    found = fit_regret(process, visits, votes, prior_sd=100.0, rng=rng)
    assert found.converged
    assert WORLD.normalised_value(found.policy, WEIGHTS) == pytest.approx(1, abs=1e-6)
    refitted = negated_regrets(process, visits, found.policy) @ found.weights
    np.testing.assert_allclose(refitted, utility, atol=0.05)
    returns = Linear(prior_sd=100.0, pairs=2).fit(partial_returns(process, visits), votes, rng=rng)
    assert WORLD.normalised_value(process.best(returns.weights), WEIGHTS) < 0.9


def test_faults_are_named() -> None:
    process = WORLD.process()
    with pytest.raises(InputError, match="visits are counts"):
        partial_returns(process, np.zeros((3, 2, 4)))
    with pytest.raises(InputError, match="about row"):
        fit_regret(process, walked(4, 2), Votes.of([0], [9], [1.0]), rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="above 0 and finite"):
        fit_regret(process, walked(4, 2), Votes.of([0], [1], [1.0]), prior_sd=0.0, rng=np.random.default_rng(0))
