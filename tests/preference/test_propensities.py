"""Weights by propensities: exact expectations by enumeration under adaptive rules, and known special cases."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import InputError
from heedful.preference import rate
from heedful.preference.propensities import asked_win_rate, rate_asked

ITEMS = 3
PAIRS = tuple(combinations(range(ITEMS), 2))
U = np.array([0.7, 0.0, -0.4])


def chances(wins: int) -> np.ndarray:
    """An adaptive rule: the more the first has won, the likelier the first pair."""
    return np.array([0.2 + 0.3 * (wins > 0), 0.5 - 0.3 * (wins > 0), 0.3])


def test_the_win_rate_has_its_truth_for_expectation_by_enumeration() -> None:
    truth = expit(U[1] - U[[0, 2]]).mean()
    total = mean = 0.0
    for steps in product(product(range(3), (1, -1)), repeat=3):
        probability, wins, propensity = 1.0, 0, []
        for pair, outcome in steps:
            first, second = PAIRS[pair]
            propensity.append(chances(wins)[pair])
            probability *= propensity[-1] * expit(outcome * (U[first] - U[second]))
            wins += outcome > 0
        first, second = np.array([PAIRS[pair] for pair, _ in steps]).T
        estimate = asked_win_rate(first, second, [outcome for _, outcome in steps], propensity, 1, ITEMS)
        total, mean = total + probability, mean + probability * estimate.value
    assert total == pytest.approx(1.0)
    assert mean == pytest.approx(truth, rel=1e-12)


def test_so_it_has_where_two_questions_are_asked_together() -> None:
    # Both of two batches ask the pair (0, 1) surely, and one of the other pairs by what the batch before said.
    truth = expit(U[0] - U[[1, 2]]).mean()
    mean = 0.0
    for picks in product((1, 2), repeat=2):
        for outcomes in product((1, -1), repeat=4):
            share = [0.5, 0.8 if outcomes[0] > 0 else 0.3]
            chance = [share[batch] if pick == 1 else 1 - share[batch] for batch, pick in enumerate(picks)]
            pairs = [PAIRS[0], PAIRS[picks[0]], PAIRS[0], PAIRS[picks[1]]]
            first, second = np.array(pairs).T
            answers = np.prod(expit(np.array(outcomes) * (U[first] - U[second])))
            propensity = [1.0, chance[0], 1.0, chance[1]]
            found = asked_win_rate(first, second, outcomes, propensity, 0, ITEMS, batch=[0, 0, 1, 1])
            mean += np.prod(chance) * answers * found.value
    assert mean == pytest.approx(truth, rel=1e-12)


def test_even_propensities_are_no_weights() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(4, size=300)
    second = (first + rng.integers(1, 4, size=300)) % 4
    outcome = rng.choice([1, 0, -1], size=300)
    even, plain = rate_asked(first, second, outcome, np.full(300, 1 / 6), 4), rate(first, second, outcome, 4)
    np.testing.assert_allclose(even.strengths, plain.strengths, atol=1e-9)
    assert even.covariance is not None
    assert plain.covariance is not None
    np.testing.assert_allclose(even.covariance, plain.covariance, atol=1e-9)


def test_the_weighted_fit_solves_its_weighted_score_equation() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.permuted(np.tile([[0, 1, 2]], (200, 1)), axis=1)[:, :2].T
    outcome, propensity = rng.choice([1, -1], size=200), rng.uniform(0.05, 1.0, 200)
    u = rate_asked(first, second, outcome, propensity, 3).strengths
    score = np.zeros(3)
    residual = propensity**-0.5 * ((1 + outcome) / 2 - expit(u[first] - u[second]))
    np.add.at(score, first, residual)
    np.add.at(score, second, -residual)
    np.testing.assert_allclose(score, 0.0, atol=1e-7)


@pytest.mark.parametrize("wrong", [0.0, 1.5, np.nan])
def test_what_is_no_propensity_is_named(wrong: float) -> None:
    with pytest.raises(InputError, match="row 1"):
        rate_asked([0, 1], [1, 0], [1, 1], [0.5, wrong], 2)
    with pytest.raises(InputError, match="2 comparisons"):
        asked_win_rate([0, 1], [1, 0], [1, 1], [0.5], 0, 2)
    with pytest.raises(InputError, match="no item 5"):
        asked_win_rate([0, 1], [1, 0], [1, 1], [0.5, 0.5], 5, 2)
