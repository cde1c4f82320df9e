"""Routing by predicted performance: against linear worlds and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from heedful.core import InputError, UsageError
from heedful.elicitation import MixturePerformance, fit_mixtures


def mixtures(m: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((m, n)) < rng.random((m, 1))


@pytest.mark.parametrize("quadratic", [False, True])
def test_a_world_that_is_as_assumed_is_found(quadratic: bool) -> None:
    rng = np.random.default_rng(0)
    features, slope = rng.random((80, 3)), np.array([0.2, -1.0, 0.5, 0.0])
    bend = np.array([0.0, 0.0, -1.5, 0.0]) if quadratic else np.zeros(4)
    truth = MixturePerformance(0.7, slope, bend, 0.0)
    routed = mixtures(400, 80, rng)
    model = fit_mixtures(features, routed, truth.predict(features, routed), quadratic=quadratic)
    other = mixtures(50, 80, rng)
    np.testing.assert_allclose(model.predict(features, other), truth.predict(features, other), atol=5e-3)
    assert model.error < 5e-3


def test_gains_are_differences_of_predictions() -> None:
    rng = np.random.default_rng(1)
    model = MixturePerformance(0.5, rng.normal(size=3), rng.normal(size=3), 0.0)
    features, routed = rng.normal(size=(9, 2)), rng.random(9) < 0.5
    for place, gain in enumerate(model.gains(features, routed)):
        with_it, without = routed.copy(), routed.copy()
        with_it[place], without[place] = True, False
        both = model.predict(features, np.stack([with_it, without]))
        assert gain == pytest.approx(both[0] - both[1], abs=1e-12)


def test_the_route_of_a_linear_prediction_is_the_best_of_all_mixtures() -> None:
    rng = np.random.default_rng(2)
    model = MixturePerformance(0.5, rng.normal(size=3), np.zeros(3), 0.0)
    features = rng.normal(size=(10, 2))
    for budget in (0, 2, 4, 10):
        every = np.array(list(itertools.product([False, True], repeat=10)))
        allowed = every[every.sum(axis=1) <= budget]
        route = model.route(features, budget)
        assert route.sum() <= budget
        assert model.predict(features, route)[0] == pytest.approx(model.predict(features, allowed).max(), abs=1e-12)


def test_the_route_of_a_bent_prediction_spends_no_more_than_pays() -> None:
    """Performance s − s² in the share s alone: half of the instances are best, whatever the budget."""
    model = MixturePerformance(0.0, np.array([1.0, 0.0]), np.array([-1.0, 0.0]), 0.0)
    assert model.route(np.zeros((20, 1)), 20).sum() == 10


def test_false_uses_are_refused() -> None:
    features = np.ones((5, 2))
    with pytest.raises(InputError, match="mixtures \\(6, 4\\) and 5 instances"):
        fit_mixtures(features, np.ones((6, 4), bool), np.ones(6))
    with pytest.raises(InputError, match="finite"):
        fit_mixtures(features * np.nan, np.ones((6, 5), bool), np.ones(6))
    model = MixturePerformance(0.0, np.ones(3), np.zeros(3), 0.0)
    with pytest.raises(InputError, match=r"\[n, 2\], not \[5, 1\]"):
        model.gains(features[:, :1])
    with pytest.raises(UsageError, match="0 or more"):
        model.route(features, -1)
