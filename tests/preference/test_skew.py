"""Posteriors of duels against numerical integration, the closed form of one duel, and rejection sampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import spearmanr

from heedful.core import InputError, UsageError
from heedful.preference.gaussian import Gaussian
from heedful.preference.skew import SkewGaussian

KERNEL = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.5], [0.2, 0.5, 1.0]])
WINNER, LOSER, NOISE = [0, 0, 1, 2], [1, 2, 2, 0], 0.5


def exact() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [3], covariance [3, 3] and P(u_row > u_column) [3, 3] on a grid of utilities."""
    axis = np.linspace(-4.5, 4.5, 91)
    u = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    log = -0.5 * np.einsum("gi,ij,gj->g", u, np.linalg.inv(KERNEL), u)
    for winner, loser in zip(WINNER, LOSER, strict=True):
        log += np.log(ndtr((u[:, winner] - u[:, loser]) / NOISE))
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = weight @ u
    above = u[:, :, None] > u[:, None]
    equal = u[:, :, None] == u[:, None]
    better = np.einsum("g,gij->ij", weight, above + 0.5 * equal)
    return mean, np.einsum("g,gi,gj->ij", weight, u - mean, u - mean), better


def test_gibbs_sampling_is_the_exact_posterior() -> None:
    mean, covariance, better = exact()
    skew = SkewGaussian.of(KERNEL, WINNER, LOSER, noise=NOISE)
    v = skew.sampled(20_000, 60, rng=np.random.default_rng(0))
    assert (v > 0).all()
    found = skew.moments(v)
    np.testing.assert_allclose(found.mean, mean, atol=0.02)
    np.testing.assert_allclose(found.covariance, covariance, atol=0.02)
    np.testing.assert_allclose(skew.better(v[:2000]), better, atol=0.01)


def test_truncated_differences_are_those_of_rejection() -> None:
    skew = SkewGaussian.of(KERNEL, WINNER, LOSER, noise=NOISE)
    rng = np.random.default_rng(1)
    u = rng.multivariate_normal(np.zeros(3), KERNEL, 400_000)
    tried = u[:, WINNER] - u[:, LOSER] + NOISE * rng.normal(size=(len(u), 4))
    kept = tried[(tried > 0).all(axis=1)]
    v = skew.sampled(20_000, 60, rng=rng)
    assert len(kept) > 5000
    np.testing.assert_allclose(v.mean(axis=0), kept.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(np.cov(v.T), np.cov(kept.T), atol=0.02)


def test_one_duel_in_closed_form() -> None:
    """v is a half-normal of variance s = u-variance + noise²: E u = c √(2 / (π s)), Var u = K − c cᵀ (2 / π) / s."""
    skew = SkewGaussian.of(KERNEL, [2], [0], noise=NOISE)
    c = KERNEL[:, 2] - KERNEL[:, 0]
    s = c[2] - c[0] + NOISE**2
    found = skew.propagated()
    np.testing.assert_allclose(found.mean, c * np.sqrt(2 / (np.pi * s)))
    np.testing.assert_allclose(found.covariance, KERNEL - np.outer(c, c) * (2 / np.pi) / s)


def test_expectation_propagation_is_near_and_laplace_is_the_mode() -> None:
    mean, covariance, _ = exact()
    skew = SkewGaussian.of(KERNEL, WINNER, LOSER, noise=NOISE)
    found = skew.propagated()
    np.testing.assert_allclose(found.mean, mean, atol=0.01)
    np.testing.assert_allclose(found.covariance, covariance, atol=0.01)

    def log_posterior(u: np.ndarray) -> float:
        return float(np.log(ndtr((u[WINNER] - u[LOSER]) / NOISE)).sum() - 0.5 * u @ np.linalg.solve(KERNEL, u))

    mode, step, eye = skew.laplace(), 1e-4, np.eye(3)
    slope = [(log_posterior(mode.mean + step * e) - log_posterior(mode.mean - step * e)) / (2 * step) for e in eye]
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    bend = [
        [
            (
                log_posterior(mode.mean + step * (a + b))
                - log_posterior(mode.mean + step * (a - b))
                - log_posterior(mode.mean - step * (a - b))
                + log_posterior(mode.mean - step * (a + b))
            )
            / (4 * step**2)
            for a in eye
        ]
        for b in eye
    ]
    np.testing.assert_allclose(np.linalg.inv(mode.covariance), -np.array(bend), atol=1e-4)


def test_given_the_differences_all_is_normal_regression() -> None:
    """Observations of u_winner − u_loser with noise, one after another."""
    skew = SkewGaussian.of(KERNEL, WINNER, LOSER, noise=NOISE)
    v = np.array([0.3, 1.2, 0.1, 0.7])
    told = Gaussian.prior(KERNEL)
    for winner, loser, value in zip(WINNER, LOSER, v, strict=True):
        told = told.given(np.eye(3)[winner] - np.eye(3)[loser], float(value), NOISE)
    means, covariance = skew.given(v[None])
    np.testing.assert_allclose(means[0], told.mean, atol=1e-12)
    np.testing.assert_allclose(covariance, told.covariance, atol=1e-12)
    rng = np.random.default_rng(3)
    beliefs = [skew.believer(sweeps=30, rng=rng).mean for _ in range(400)]
    spread = np.cov(np.array(beliefs).T) + covariance
    np.testing.assert_allclose(spread, exact()[1], atol=0.1)


def test_many_duels_of_little_noise_stay_finite() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=12)
    pairs = np.array([rng.choice(12, 2, replace=False) for _ in range(60)])
    better = truth[pairs[:, 0]] > truth[pairs[:, 1]]
    won, lost = np.where(better, *pairs.T), np.where(better, *pairs.T[::-1])
    skew = SkewGaussian.of(np.eye(12), won, lost, noise=0.02)
    found = skew.moments(skew.sampled(20, 50, rng=rng)), skew.laplace(), skew.propagated()
    for belief in found:
        assert np.isfinite(belief.mean).all()
        assert (np.linalg.eigvalsh(belief.covariance) > -1e-8).all()
        assert spearmanr(belief.mean, truth).statistic > 0.95


def test_without_duels_all_is_as_before() -> None:
    skew = SkewGaussian.of(KERNEL, [], [], noise=1.0)
    v = skew.sampled(3, 2, rng=np.random.default_rng(0))
    for belief in (skew.laplace(), skew.propagated(), skew.moments(v)):
        np.testing.assert_array_equal(belief.mean, 0)
        np.testing.assert_array_equal(belief.covariance, KERNEL)


def test_duels_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="a sweep"):
        SkewGaussian.of(KERNEL, [0], [1], noise=1.0).sampled(1, 0, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="of 3 items"):
        SkewGaussian.of(KERNEL, [0, 3], [1, 1], noise=1.0)
    with pytest.raises(InputError, match="no item meets itself"):
        SkewGaussian.of(KERNEL, [0], [0], noise=1.0)
    with pytest.raises(InputError, match="noise is above 0"):
        SkewGaussian.of(KERNEL, [0], [1], noise=0.0)
