"""The posterior that games of duels are played with, against derivatives of its density."""

from __future__ import annotations

import numpy as np
from scipy.special import log_expit

from heedful.catalogue.games import Drawn, laplace
from heedful.core import Item


def test_laplace_is_the_mode_and_the_curvature_there() -> None:
    rng, sd = np.random.default_rng(0), 1.5
    wins = rng.integers(0, 4, size=(4, 4)).astype(float) * ~np.eye(4, dtype=bool)

    def log_density(u: np.ndarray) -> float:
        return float((wins * log_expit(u[:, None] - u)).sum() - (u**2).sum() / 2 / sd**2)

    mean, covariance = laplace(wins, laplace(wins, np.zeros(4), sd)[0], sd)
    step, unit = 1e-4, np.eye(4) * 1e-4
    slope = [(log_density(mean + own) - log_density(mean - own)) / 2 / step for own in unit]
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    curvature = [
        [
            (
                log_density(mean + a + b)
                - log_density(mean + a - b)
                - log_density(mean - a + b)
                + log_density(mean - a - b)
            )
            / (4 * step**2)
            for b in unit
        ]
        for a in unit
    ]
    np.testing.assert_allclose(-np.array(curvature), np.linalg.inv(covariance), atol=1e-5)
    both = laplace(np.stack([wins, wins.T]), np.zeros((2, 4)), sd)
    np.testing.assert_allclose(both[0][0], mean, atol=1e-3)


def test_draws_are_of_the_items_asked_for() -> None:
    items = tuple(Item(system=name) for name in "abc")
    scores = Drawn(items, np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))([items[2], items[0]])
    np.testing.assert_array_equal(scores.mean, [2.0, 2.0])
    np.testing.assert_array_equal(scores.draws, [[3.0, 1.0], [1.0, 3.0]])
