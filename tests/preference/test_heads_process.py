"""The Gaussian process head: against direct maximisation, the closed form of Laplace's posterior, and known worlds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from heedful.core import FitError, InputError
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.process import FittedProcess, GaussianProcess, Waves, chosen_places, squared_distances
from heedful.preference.heads.votes import Votes

SCALE, SD = 0.6, 1.5


def small(n: int = 14, v: int = 60, seed: int = 0) -> tuple[np.ndarray, Votes]:
    rng = np.random.default_rng(seed)
    x, first = rng.normal(size=(n, 2)), rng.integers(n, size=v)
    second = (first + rng.integers(1, n, size=v)) % n
    return x, Votes.of(first, second, (rng.random(v) < expit(x[first, 0] - x[second, 0])).astype(float))


def kernel(fitted: FittedProcess, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return SD**2 * np.exp(-squared_distances(x / fitted.unit, y / fitted.unit) / (2 * SCALE**2))


def wavy(x: np.ndarray) -> np.ndarray:
    return np.asarray(2 * np.sin(2 * x[:, 0]) * x[:, 1])


def wavy_votes(n: int, v: int, seed: int) -> tuple[np.ndarray, Votes]:
    rng = np.random.default_rng(seed)
    x, first = rng.normal(size=(n, 2)), rng.integers(n, size=v)
    second = (first + rng.integers(1, n, size=v)) % n
    gap = wavy(x)[first] - wavy(x)[second]
    return x, Votes.of(first, second, (rng.random(v) < expit(gap)).astype(float))


def test_mean_is_the_maximum_a_posteriori_function() -> None:
    x, votes = small()
    fitted = GaussianProcess(SCALE, SD).fit(x, votes, rng=np.random.default_rng(0))
    precision = np.linalg.inv(kernel(fitted, x, x) + 1e-6 * SD**2 * np.eye(len(x)))
    sign = 2 * votes.share - 1

    def loss(f: np.ndarray) -> float:
        return float(-log_expit(sign * (f[votes.first] - f[votes.second])).sum() + f @ precision @ f / 2)

    direct = minimize(loss, np.zeros(len(x)), method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(fitted.mean(x), direct, atol=2e-4)


def test_draws_have_the_covariance_of_the_posterior_near_and_far() -> None:
    x, votes = small()
    head = GaussianProcess(SCALE, SD, pairs=6000, waves=6000)
    fitted = head.fit(x, votes, rng=np.random.default_rng(1))
    new = np.array([[0.0, 0.0], [1.0, -0.5], [6.0, 6.0]])
    difference = np.zeros((len(votes), len(x)))
    difference[np.arange(len(votes)), votes.first] += 1
    difference[np.arange(len(votes)), votes.second] -= 1
    p = expit(difference @ fitted.mean(x))
    information = difference.T @ ((p * (1 - p))[:, None] * difference)
    inside = np.linalg.inv(kernel(fitted, x, x) + 1e-6 * SD**2 * np.eye(len(x)))
    across = kernel(fitted, new, x) @ inside
    told = np.linalg.inv(inside + information)
    truth = kernel(fitted, new, new) - across @ kernel(fitted, x, new) + across @ told @ across.T
    np.testing.assert_allclose(np.cov(fitted.draws(new), rowvar=False), truth, atol=0.1 * SD**2)
    assert fitted.draws(new)[:, 2].std() == pytest.approx(SD, rel=0.05)


def test_waves_have_the_kernels_covariance() -> None:
    waves = Waves.drawn(2, 4000, 4000, SCALE, SD, np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(5, 2))
    truth = SD**2 * np.exp(-squared_distances(x, x) / (2 * SCALE**2))
    np.testing.assert_allclose(np.cov(waves(x), rowvar=False), truth, atol=0.08 * SD**2)


def test_it_learns_what_a_line_cannot_and_knows_how_well() -> None:
    x, votes = wavy_votes(200, 1200, seed=2)
    fitted = GaussianProcess(search=60, evaluations=15).fit(x, votes, rng=np.random.default_rng(0))
    fresh = np.random.default_rng(3).normal(size=(300, 2))
    truth = wavy(fresh)
    assert np.corrcoef(fitted.mean(fresh), truth)[0, 1] > 0.9
    assert np.corrcoef(Linear().fit(x, votes, rng=np.random.default_rng(0)).mean(fresh), truth)[0, 1] < 0.6
    draws, miss = fitted.draws(fresh), fitted.mean(fresh) - truth
    between = (miss[::2] - miss[1::2]) / (draws[:, ::2] - draws[:, 1::2]).std(axis=0)
    assert 0.7 < np.sqrt(np.mean(between**2)) < 1.4
    assert fitted.facts["places"] == 200
    assert fitted.facts["places_for_search"] <= 60


def test_beyond_the_exact_size_places_are_chosen_and_what_they_leave_is_said() -> None:
    x, votes = wavy_votes(200, 1200, seed=2)
    losses = {}
    for count in (10, 80):
        head = GaussianProcess(0.35, 2.0, exact=50, inducing=count)
        fitted = head.fit(x, votes, rng=np.random.default_rng(0))
        assert fitted.facts["places"] <= count
        losses[count] = fitted.facts["variance_left"]
    assert losses[80] < 0.02 < losses[10]


def test_places_leave_less_than_random_ones() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))

    def left(places: np.ndarray) -> float:
        inside = np.exp(-squared_distances(x[places], x[places]) / 0.5) + 1e-9 * np.eye(len(places))
        across = np.exp(-squared_distances(x, x[places]) / 0.5)
        return float(1 - np.einsum("ij,ji->i", across, np.linalg.solve(inside, across.T)).mean())

    random = [left(np.random.default_rng(seed).choice(300, 25, replace=False)) for seed in range(10)]
    chosen = [left(chosen_places(x, 0.5, 25, np.random.default_rng(seed))) for seed in range(10)]
    assert np.mean(chosen) < np.mean(random) - 3 * np.std(random) / np.sqrt(10)


def test_it_says_what_it_cannot_fit() -> None:
    x, votes = small()
    with pytest.raises(FitError):
        GaussianProcess().fit(x, Votes.of([0], [1], [1], tied=[True]), rng=np.random.default_rng(0))
    asked = Votes.of(votes.first, votes.second, votes.share, margin=np.ones(len(votes)))
    with pytest.raises(InputError, match="margins"):
        GaussianProcess().fit(x, asked, rng=np.random.default_rng(0))
