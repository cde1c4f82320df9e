"""Expected costs against sums written out, and decisions against all actions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from heedful.core import InputError
from heedful.sampling import expected_costs, minimum_bayes_risk

LOG_PROB = log_softmax(np.random.default_rng(0).normal(0, 2, (20, 5)), axis=1)


def test_costs_are_expectations() -> None:
    cost = np.random.default_rng(1).normal(size=(3, 5))
    expected = [[sum(np.exp(row[y]) * own[y] for y in range(5)) for own in cost] for row in LOG_PROB]
    np.testing.assert_allclose(expected_costs(LOG_PROB, cost), expected)
    chosen = minimum_bayes_risk(LOG_PROB, cost)
    for row, action in zip(expected, chosen, strict=True):
        assert row[action] == min(row)


def test_equal_costs_of_errors_choose_the_mode() -> None:
    np.testing.assert_array_equal(minimum_bayes_risk(LOG_PROB, 1 - np.eye(5)), LOG_PROB.argmax(axis=1))


def test_an_uneven_cost_moves_the_threshold() -> None:
    """To say yes wrongly costs four times as much as to say no wrongly: yes from 4/5 on."""
    yes = np.array([0.79, 0.81])
    log_prob = np.log(np.column_stack([1 - yes, yes]))
    np.testing.assert_array_equal(minimum_bayes_risk(log_prob, [[0.0, 1.0], [4.0, 0.0]]), [0, 1])


def test_faults_are_named() -> None:
    with pytest.raises(InputError, match="are needed"):
        expected_costs(LOG_PROB, np.eye(4))
    with pytest.raises(InputError, match="sum to one"):
        expected_costs(LOG_PROB + 1, np.eye(5))
