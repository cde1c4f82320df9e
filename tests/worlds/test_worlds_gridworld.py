"""The grid by hand, and its values against walks."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.worlds import GridWorld


def test_moves_by_hand() -> None:
    world = GridWorld(size=3, seed=1)
    goal = int(np.flatnonzero(world.ends)[0])
    expected = {0: (0, 3, 0, 1), 4: (1, 7, 3, 5), 8: (5, 8, 7, 8)}
    for cell, there in expected.items():
        if cell != goal:
            np.testing.assert_array_equal(world.transitions[cell].argmax(axis=1), there)
    np.testing.assert_array_equal(world.transitions[goal].argmax(axis=1), goal)
    np.testing.assert_array_equal(world.process().features[goal], 0)
    np.testing.assert_allclose(world.transitions.sum(axis=2), 1)


def test_a_slip_goes_anywhere() -> None:
    sure, astray = (GridWorld(size=3, slip=slip, seed=1).transitions for slip in (0.0, 0.4))
    np.testing.assert_allclose(astray, 0.6 * sure + 0.1 * sure.sum(axis=1, keepdims=True))


def test_values_are_those_of_walks() -> None:
    """Returns of 4,000 walks of 60 random steps (later ones count 1e-6 or less) against the exact value."""
    world = GridWorld(size=3, symbols=4, slip=0.3, discount=0.8, seed=2)
    weights = np.array([-1.0, 0.5, 0.2, 3.0])
    reward = world.process().features @ weights
    rng = np.random.default_rng(0)
    total, count, edges = np.zeros(4000), 4000, world.transitions.cumsum(axis=2)
    at = rng.choice(np.flatnonzero(~world.ends), count)
    for step in range(60):
        move = rng.integers(4, size=count)
        total += 0.8**step * reward[at, move]
        at = (rng.random((count, 1)) > edges[at, move]).sum(axis=1).clip(max=8)
    exact = world.value(np.full((9, 4), 0.25), weights)
    assert abs(total.mean() - exact) < 4 * total.std() / np.sqrt(count)


def test_paths_gather_what_policies_are_worth() -> None:
    """Mean counts of 4,000 walks of two policies against their successor features; steps beyond 60 count 1e-5."""
    world, start, rng = GridWorld(size=3, symbols=4, slip=0.3, discount=0.8, seed=2), 0, np.random.default_rng(0)
    policies = np.array([world.process().best(np.eye(4)[symbol]) for symbol in (0, 3)])
    paths = world.paths(np.repeat(policies, 4000, axis=0), start, 60, rng=rng)
    gathered = world.gathered(paths).reshape(2, 4000, 4)
    exact = np.array([world.process().successor_features(policy)[start] for policy in policies])
    error = gathered.std(axis=1) / np.sqrt(4000)
    assert (np.abs(gathered.mean(axis=1) - exact) <= 4 * error + 1e-4).all()
    reachable = world.transitions[
        paths[:, :-1], np.repeat(policies, 4000, axis=0)[np.arange(8000)[:, None], paths[:, :-1]]
    ]
    assert (np.take_along_axis(reachable, paths[:, 1:, None], axis=2) > 0).all()


def test_the_best_policy_is_worth_one_and_random_moves_nothing() -> None:
    world, weights = GridWorld(seed=3), np.array([-0.3, -1.0, 0.2, 0.0, 5.0])
    assert world.normalised_value(world.process().best(weights), weights) == pytest.approx(1)
    assert world.normalised_value(np.full((36, 4), 0.25), weights) == pytest.approx(0, abs=1e-12)
    assert world.normalised_value(world.process().best(-weights), weights) < 0


def test_walks_visit_where_they_can() -> None:
    world = GridWorld(size=3, seed=1)
    visits = world.walks(500, 4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(visits.sum(axis=(1, 2)), 4)
    starts = world.walks(3000, 1, rng=np.random.default_rng(1))
    assert starts[:, world.ends].sum() == 0
    np.testing.assert_allclose(starts.mean(axis=0)[~world.ends], 1 / 32, atol=0.015)


def test_faults_are_named() -> None:
    for wrong in ({"symbols": 1}, {"goals": 36}, {"slip": 1.5}):
        with pytest.raises(InputError, match="cannot be made"):
            GridWorld(**wrong)  # type: ignore[arg-type]
