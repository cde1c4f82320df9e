"""Scores by hand; calibration that finds what is wrong and leaves alone what is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.stats import (
    accuracy,
    apply_temperature,
    brier,
    equal_mass_bins,
    expected_calibration_error,
    log_loss,
    overlap,
    reliability_curve,
    softmax_temperature,
    temperature,
)


def test_scores_by_hand():
    p, y = [0.9, 0.2, 0.5, 0.0], [1, 1, 0, 0]
    np.testing.assert_allclose(brier(p, y), [0.01, 0.64, 0.25, 0.0])
    np.testing.assert_allclose(log_loss(p, y), [-np.log(0.9), -np.log(0.2), np.log(2), 0.0])
    np.testing.assert_array_equal(accuracy(p, y), [1, 0, 0.5, 1])


def test_certainty_that_was_wrong_costs_infinitely():
    assert np.isposinf(log_loss([0.0], [1])[0])


@pytest.mark.parametrize("score", [brier, log_loss, accuracy])
def test_scores_refuse_what_is_not_a_forecast(score):
    for p, y in (([1.1], [1]), ([np.nan], [1]), ([0.5], [np.nan]), ([0.5], [1.5]), ([0.5, 0.5], [1])):
        with pytest.raises(InputError):
            score(p, y)
    with pytest.raises(InputError, match="0 or 1"):
        accuracy([0.5], [0.5])


def test_the_score_of_a_share_is_the_mean_score_of_its_voters():
    # Three voters of four are for the first, who was given 0.9: 0.75 * 0.01 + 0.25 * 0.81.
    assert brier([0.9], [0.75]) == pytest.approx([0.21])
    assert log_loss([0.9], [0.75]) == pytest.approx([-0.75 * np.log(0.9) - 0.25 * np.log(0.1)])
    for score in (brier, log_loss):
        voters = score(np.full(4, 0.9), [1, 1, 1, 0])
        assert score([0.9], [0.75]) == pytest.approx([voters.mean()])
        grid = np.linspace(0.01, 0.99, 99)
        assert grid[score(grid, np.full(99, 0.3)).argmin()] == pytest.approx(0.3)  # proper
    assert log_loss([0.0, 1.0], [0.0, 1.0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("score", [brier, log_loss])
def test_scores_are_proper(score):
    truth = 0.3
    grid = np.linspace(0.01, 0.99, 99)
    expected = truth * score(grid, np.ones(99)) + (1 - truth) * score(grid, np.zeros(99))
    assert grid[expected.argmin()] == pytest.approx(truth)


def test_bins_have_equal_mass_and_keep_equals_together():
    p = np.random.default_rng(0).permutation(np.arange(100) / 100)
    assert np.bincount(equal_mass_bins(p, 10)).tolist() == [10] * 10
    tied = np.r_[np.full(95, 0.5), np.linspace(0.6, 0.9, 5)]
    assert len(set(equal_mass_bins(tied, 10)[:95])) == 1
    assert equal_mass_bins(np.full(7, 0.3), 10).max() == 0
    assert equal_mass_bins(np.zeros(0)).shape == (0,)


def test_reliability_curve_by_hand():
    p, y = np.array([0.1, 0.1, 0.8, 0.9]), np.array([0, 1, 1, 1])
    low, high = reliability_curve(p, y, 2)
    assert (low.low, low.high, low.n, low.predicted, low.observed) == (0.1, 0.1, 2, 0.1, 0.5)
    assert (high.low, high.high, high.n, high.observed) == (0.8, 0.9, 2, 1.0)
    assert high.predicted == pytest.approx(0.85)
    assert high.interval.high == 1.0
    assert reliability_curve([], []) == ()


def test_plain_error_by_hand():
    found = expected_calibration_error(
        np.array([0.1, 0.1, 0.8, 0.9]), np.array([0, 1, 1, 1]), bins=2, rng=np.random.default_rng(0)
    )
    assert found["plain"] == pytest.approx(0.5 * 0.4 + 0.5 * 0.15)
    assert found["bins"] == 2


def test_expected_error_of_one_bin_is_the_mean_absolute_deviation():
    # One bin of probabilities 1/2: E|Binomial(n, 1/2) - n/2| / n, known exactly.
    n = 40
    k = np.arange(n + 1)
    exact = (scipy_stats.binom.pmf(k, n, 0.5) * np.abs(k - n / 2)).sum() / n
    found = expected_calibration_error(np.full(n, 0.5), np.tile([0, 1], n // 2), rng=np.random.default_rng(1))
    assert found["expected"] == pytest.approx(exact, rel=0.06)
    assert (found["plain"], found["ece"]) == (0.0, 0.0)


def test_bias_is_removed_from_a_miscalibrated_model():
    # Truth 0.1 above every prediction: the error is 0.1 whatever n, and noise adds little once taken off.
    rng = np.random.default_rng(2)
    p = rng.uniform(0.2, 0.7, 4000)
    found = expected_calibration_error(p, rng.random(4000) < p + 0.1, rng=rng)
    assert found["plain"] > found["null_high"]
    assert 0.06 < found["ece"] < found["plain"]


@pytest.mark.parametrize(("n", "sets"), [(300, 400), (30_000, 100)])
def test_a_calibrated_model_leaves_the_band_as_often_as_it_may(n, sets):
    rng = np.random.default_rng(3)
    outside = 0
    for _ in range(sets):
        p = rng.beta(2, 2, n)
        found = expected_calibration_error(p, rng.random(n) < p, rng=rng)
        outside += not found["null_low"] <= found["plain"] <= found["null_high"]
    assert scipy_stats.binomtest(outside, sets, 0.05).pvalue > 1e-3


def shared(rng, n, prompts, correlation):
    """Uniform numbers [n] that are correlated within prompts, and the prompts [n]."""
    prompt = rng.integers(0, prompts, n)
    latent = np.sqrt(correlation) * rng.normal(size=prompts)[prompt] + np.sqrt(1 - correlation) * rng.normal(size=n)
    return special.ndtr(latent), prompt


def within_its_part(outside, sets):
    """Whether so many sets above the band are no more than the 2.5 % there may be."""
    return scipy_stats.binomtest(outside, sets, 0.025, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize(("n", "prompts", "correlation"), [(600, 60, 0.4), (2000, 60, 0.4), (600, 60, 0.0)])
def test_correlated_votes_need_the_band_of_their_clusters(n, prompts, correlation):
    # Correlated but calibrated: shared effects in a Gaussian copula keep each margin, and move all bins together.
    rng, sets = np.random.default_rng(4), 200
    alarms, expected, plain = {"clustered": 0, "independent": 0}, 0.0, 0.0
    for _ in range(sets):
        level, prompt = shared(rng, n, prompts, correlation)
        p = rng.beta(2, 2, n)
        for name, clusters in (("clustered", [prompt]), ("independent", [])):
            found = expected_calibration_error(p, level < p, rng=rng, clusters=clusters)
            alarms[name] += found["plain"] > found["null_high"]
            if clusters:
                expected, plain = expected + found["expected"] / sets, plain + found["plain"] / sets
    assert within_its_part(alarms["clustered"], sets)
    assert expected == pytest.approx(plain, rel=0.05)
    assert within_its_part(alarms["independent"], sets) == (correlation == 0)


@pytest.mark.parametrize(("n", "prompts"), [(100, 0), (500, 0), (500, 60)])
def test_shares_of_voters_need_a_narrower_band(n, prompts):
    rng, sets, voters = np.random.default_rng(5), 300, 5
    outside, expected, as_votes, plain = 0, 0.0, 0.0, 0.0
    for _ in range(sets):
        level, prompt = shared(rng, n, prompts or n, 0.4 if prompts else 0.0)
        p = rng.beta(3, 2, n)
        share = rng.binomial(voters, special.betaincinv(4 * p, 4 * (1 - p), level)) / voters  # of mean p
        found = expected_calibration_error(p, share, rng=rng, clusters=[prompt] if prompts else [])
        outside += found["plain"] > found["null_high"]
        expected, plain = expected + found["expected"] / sets, plain + found["plain"] / sets
        as_votes += expected_calibration_error(p, rng.random(n) < p, rng=rng)["expected"] / sets
    assert within_its_part(outside, sets)
    assert expected == pytest.approx(plain, rel=0.05)
    assert prompts or expected < 0.8 * as_votes


def test_the_error_of_shares_by_hand():
    p, share = np.array([0.6, 0.6, 0.9, 0.9]), np.array([0.5, 1.0, 0.75, 0.75])
    low, high = reliability_curve(p, share, 2)
    assert (low.observed, high.observed) == (0.75, 0.75)
    found = expected_calibration_error(p, share, bins=2, rng=np.random.default_rng(0))
    assert found["plain"] == pytest.approx(0.5 * 0.15 + 0.5 * 0.15)


def test_the_noise_of_shares_by_hand():
    # One bin; residuals -0.1, 0.1, 0.1: their sum has variance 0.03 about 0.
    found = expected_calibration_error(np.full(3, 0.5), [0.4, 0.6, 0.6], rng=np.random.default_rng(0))
    assert found["expected"] == pytest.approx(np.sqrt(2 / np.pi * 0.03) / 3, rel=0.08)


def test_too_few_clusters_give_no_band_but_a_reason():
    rng = np.random.default_rng(6)
    p = rng.beta(2, 2, 290)
    for clusters in ([np.arange(290) % 29], [np.zeros(290, int)]):
        found = expected_calibration_error(p, rng.random(290) < p, clusters=clusters, rng=rng)
        assert (found["null_low"], found["null_high"]) == (None, None)
        assert "too few" in found["note"]
        assert found["expected"] > 0
    found = expected_calibration_error(p, rng.random(290) < p, clusters=[np.arange(290)], rng=rng)
    assert found["note"] == ""
    curve = reliability_curve(p, rng.random(290) < p, 2, clusters=[np.arange(290) % 29])
    assert [(part.interval, "29 clusters" in part.note) for part in curve] == [(None, True)] * 2


def test_no_records_are_refused():
    with pytest.raises(InputError, match="no records"):
        expected_calibration_error([], [], rng=np.random.default_rng(0))


def test_temperature_is_the_minimiser():
    rng = np.random.default_rng(5)
    logit = rng.normal(0, 2, 3000)
    y = rng.random(3000) < special.expit(logit)
    sharp = special.expit(logit * 2.5)  # 2.5 times too sure
    found = temperature(sharp, y)
    best = optimize.minimize_scalar(
        lambda t: log_loss(apply_temperature(sharp, t), y).mean(), bounds=(0.1, 20), options={"xatol": 1e-10}
    )
    assert found.value == pytest.approx(best.x, rel=1e-5)
    assert abs(found.value - 2.5) < 4 * found.standard_error
    assert found.standard_error < 0.2


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_temperature_converges_from_afar(scale):
    rng = np.random.default_rng(6)
    logit = rng.normal(0, 1, 500) * scale
    y = rng.random(500) < special.expit(logit / scale)
    wanted = temperature(special.expit(logit / scale), y).value * scale
    kept = np.abs(logit) < 30
    if kept.all():
        assert temperature(special.expit(logit), y).value == pytest.approx(wanted, rel=1e-6)
    else:
        assert temperature(special.expit(logit[kept]), y[kept]).value > 10


def test_temperature_says_when_there_is_none():
    right = temperature([0.8, 0.3], [1, 0])
    assert (right.value, right.identified) == (0.0, False)
    wrong = temperature([0.8, 0.3, 0.6], [0, 1, 1])
    assert np.isinf(wrong.value)
    assert not wrong.identified
    assert not temperature([0.5, 0.5], [0, 1]).identified
    with pytest.raises(InputError, match="logit"):
        temperature([1.0, 0.4], [1, 0])
    with pytest.raises(InputError, match="positive"):
        apply_temperature([0.5], 0.0)


def test_overlap_is_the_f1_score():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    found, true = rng.random((2, 50)) < 0.4
    assert overlap(found, true) == pytest.approx(metrics.f1_score(true, found))
    assert overlap([0.0, 0.0], [0, 0]) == 1.0
    assert overlap([0.5, 1.0], [1, 0]) == pytest.approx(0.4)
    with pytest.raises(InputError, match="in \\[0, 1\\]"):
        overlap([2.0], [1.0])
    with pytest.raises(InputError, match="memberships"):
        overlap([1.0, 0.0], [1.0])


def test_a_temperature_of_two_outcomes_is_that_of_their_probability():
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 3, 500)
    happened = (rng.random(500) < special.expit(logit / 2)).astype(int)
    one = temperature(special.expit(logit), happened)
    many = softmax_temperature(np.column_stack([np.zeros(500), logit]), happened)
    assert many.value == pytest.approx(one.value, rel=1e-6)
    assert many.variance == pytest.approx(one.variance, rel=1e-6)


def test_the_temperature_of_a_softmax_is_found_with_its_error():
    """In 200 worlds the estimates scatter about the true temperature as their variances say."""
    rng, true, z = np.random.default_rng(4), 1.7, []
    for _ in range(200):
        logits = rng.normal(0, 2, (300, 6))
        happened = (logits / true + rng.gumbel(size=logits.shape)).argmax(axis=1)
        found = softmax_temperature(logits + rng.normal(size=(300, 1)), happened)
        z.append((found.value - true) / found.standard_error)
    assert abs(np.mean(z)) < 0.3
    assert 0.85 < np.std(z) < 1.15


def test_the_temperature_of_a_softmax_says_when_there_is_none():
    logits = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, -3.0]])
    assert softmax_temperature(logits, [0, 1]).value == 0
    assert softmax_temperature(logits, [2, 2]).value == np.inf
    assert not softmax_temperature(logits, [2, 2]).identified
    for wrong in ([0, 3], [0.0, 1.0], [0]):
        with pytest.raises(InputError):
            softmax_temperature(logits, wrong)
