"""Strengths under a prior: brute force, finite differences, coverage over truths of the prior whatever was asked."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, log_expit, logit

from heedful.core import InputError
from heedful.preference import count, rate
from heedful.preference.normal import Strengths, under_prior

FIRST, SECOND = np.array([0, 0, 1, 2, 2, 1, 0]), np.array([1, 2, 2, 3, 0, 3, 1])
WON = np.array([1, 1, -1, 1, 1, 1, -1])


def log_posterior(u: np.ndarray, sd: float) -> float:
    return float(log_expit(WON * (u[FIRST] - u[SECOND])).sum() - u @ u / (2 * sd**2))


def test_it_is_the_mode_and_the_inverse_of_its_curvature() -> None:
    found = under_prior(count(FIRST, SECOND, WON, 5), 1.3)
    best = optimize.minimize(lambda u: -log_posterior(u, 1.3), np.zeros(5), tol=1e-12).x
    np.testing.assert_allclose(found.mean, best, atol=1e-6)
    step = 1e-4 * np.eye(5)
    hessian = [
        [
            (log_posterior(best + a + b, 1.3) - log_posterior(best + a - b, 1.3) - log_posterior(best - a + b, 1.3)
             + log_posterior(best - a - b, 1.3)) / 4e-8
            for a in step
        ]
        for b in step
    ]  # fmt: skip
    np.testing.assert_allclose(found.covariance, np.linalg.inv(-np.array(hessian)), atol=1e-5)
    assert found.promise == "credible"


def test_intervals_of_differences_and_win_rates_follow_the_gradient() -> None:
    found = under_prior(count(FIRST, SECOND, WON, 5), 1.0)

    def win_rate(u: np.ndarray) -> float:
        return float(logit(expit(u[2] - u[[0, 1, 3, 4]]).mean()))

    gradient = optimize.approx_fprime(found.mean, win_rate, 1e-7)
    interval = found.win_rate(2)
    assert interval is not None
    assert logit(interval.high) - win_rate(found.mean) == pytest.approx(
        stats.norm.ppf(0.975) * np.sqrt(gradient @ found.covariance @ gradient), rel=1e-5
    )
    apart = found.difference(3, 0, level=0.8)
    assert apart is not None
    covariance = found.covariance
    sd = np.sqrt(covariance[3, 3] + covariance[0, 0] - 2 * covariance[0, 3])
    assert apart.high - apart.low == pytest.approx(2 * stats.norm.ppf(0.9) * sd)


def test_no_interval_of_items_that_are_not_placed() -> None:
    fitted = Strengths.of(rate(np.array([0, 1, 0, 2]), np.array([1, 0, 1, 0]), np.array([1, 1, 1, 1]), 3))
    assert fitted.difference(0, 2) is None
    assert fitted.difference(0, 1) is not None
    assert fitted.win_rate(0) is None
    nobody = Strengths.of(rate([0, 1], [1, 2], [1, 1], 3))
    assert nobody.difference(0, 1) is nobody.win_rate(1) is None


def test_ties_are_a_likelihood_and_weights_are_none() -> None:
    first, second = np.array([0, 0, 1]), np.array([1, 1, 0])
    tied, decided = under_prior(count(first, second, [1, 0, 0], 2), 1.0), under_prior(count([0], [1], [1], 2), 1.0)
    # Of one pair alone, Davidson's parameter takes up all that ties say.
    np.testing.assert_allclose(tied.mean, decided.mean, atol=1e-9)
    np.testing.assert_allclose(tied.covariance, decided.covariance, atol=1e-9)
    drawn = under_prior(count([0, 0, 0, 1], [1, 2, 2, 2], [1, 0, 0, 1], 3), 1.0).mean
    assert drawn[0] - drawn[2] < (under_prior(count([0, 1], [1, 2], [1, 1], 3), 1.0).mean @ [1, 0, -1])
    with pytest.raises(InputError, match="weights"):
        under_prior(count(first, second, np.array([1, -1, 1]), 2, weight=np.array([1.0, 2.0, 1.0])), 1.0)
    with pytest.raises(InputError, match="above 0"):
        under_prior(count(first, second, np.array([1, -1, 1]), 2), np.inf)
    with pytest.raises(InputError, match="covariance"):
        Strengths.of(rate(first, second, np.array([1, -1, 1]), 2, interval=None))


def test_it_covers_truths_of_its_prior_though_one_stops_when_it_looks_decided() -> None:
    # Three items; mostly the two that look best are asked about, until their interval excludes zero.
    rng = np.random.default_rng(0)
    sets, hits = 100, 0
    for _ in range(sets):
        u, votes, order = rng.standard_normal(3), np.zeros((0, 3), int), np.arange(3)
        while True:
            pair = order[:2] if rng.random() < 0.7 else order[[0, 2]]
            won = np.where(rng.random(5) < expit(u[pair[0]] - u[pair[1]]), 1, -1)
            votes = np.concatenate([votes, np.stack([np.full(5, pair[0]), np.full(5, pair[1]), won], axis=1)])
            found = under_prior(count(*votes.T, 3), 1.0)
            order = np.argsort(-found.mean)
            interval = found.difference(order[0], order[1])
            assert interval is not None
            if interval.low > 0 or len(votes) >= 40:
                break
        hits += interval.low <= u[order[0]] - u[order[1]] <= interval.high
    assert stats.binomtest(hits, sets, 0.95).pvalue > 1e-3
