"""Decision processes against all their policies, listed, and against simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from heedful.core import InputError
from heedful.models.decisions import DecisionProcess


def drawn(seed: int, states: int = 4, actions: int = 3, features: int = 2) -> tuple[DecisionProcess, np.ndarray]:
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.full(states, 0.5), size=(states, actions))
    return DecisionProcess(transitions, rng.normal(size=(states, actions, features)), 0.9), rng.normal(size=features)


@pytest.mark.parametrize("seed", range(5))
def test_no_policy_is_better_than_the_best(seed: int) -> None:
    process, weights = drawn(seed)
    values = [
        process.successor_features(np.array(policy)) @ weights for policy in itertools.product(range(3), repeat=4)
    ]
    best = process.successor_features(process.best(weights)) @ weights
    np.testing.assert_allclose(best, np.max(values, axis=0), atol=1e-10)
    assert (process.advantages(process.best(weights)) @ weights).max() < 1e-9


def test_successor_features_are_discounted_sums() -> None:
    """Against a sum of 400 steps, of a random policy and of the same one written as actions."""
    process, _ = drawn(7)
    policy = np.array([0, 2, 1, 1])
    for law in (np.eye(3)[policy], np.random.default_rng(0).dirichlet(np.ones(3), size=4)):
        move = np.einsum("sa,sat->st", law, process.transitions)
        given = np.einsum("sa,sad->sd", law, process.features)
        total = sum(0.9**t * np.linalg.matrix_power(move, t) @ given for t in range(400))
        np.testing.assert_allclose(process.successor_features(law), total, atol=1e-9)
    np.testing.assert_allclose(process.successor_features(policy), process.successor_features(np.eye(3)[policy]))


def test_equal_actions_are_those_of_the_start() -> None:
    process, _ = drawn(1)
    start = np.array([2, 0, 1, 1])
    np.testing.assert_array_equal(process.best(np.zeros(2), start), start)


def test_faults_are_named() -> None:
    process, _ = drawn(0)
    with pytest.raises(InputError, match="sum to 1"):
        DecisionProcess(process.transitions * 2, process.features, 0.9)
    with pytest.raises(InputError, match="discount"):
        DecisionProcess(process.transitions, process.features, 1.0)
    with pytest.raises(InputError, match="transitions"):
        DecisionProcess(process.transitions[:, :2], process.features, 0.9)
