"""Anytime validity under optional stopping; exact tests against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.stats import (
    cluster_bootstrap,
    confidence_sequence,
    e_process,
    mcnemar,
    percentile_interval,
    sign_flip_test,
)


def test_sequence_covers_under_the_worst_stopping():
    # Stop where it looks worst: the sequence is a running intersection, so its last interval is its worst.
    rng = np.random.default_rng(0)
    sets, misses = 400, 0
    for _ in range(sets):
        interval = confidence_sequence((rng.random(500) < 0.3).astype(float))
        misses += not interval.low <= 0.3 <= interval.high
    assert scipy_stats.binomtest(misses, sets, 0.05, alternative="greater").pvalue > 1e-4
    assert interval.promise == "at least"


def test_a_fixed_interval_fails_under_optional_stopping():
    # The control: a 95 % normal interval watched at every n excludes the truth far more than 5 % of the time.
    rng = np.random.default_rng(1)
    times = np.arange(20, 501)
    misses = 0
    for _ in range(200):
        mean = np.cumsum(rng.random(500) < 0.3)[19:] / times
        misses += (np.abs(mean - 0.3) > 1.96 * np.sqrt(mean * (1 - mean) / times)).any()
    assert misses > 40


def test_sequence_narrows_and_mirrors():
    x = np.random.default_rng(2).beta(2, 6, 4000)
    short, long = confidence_sequence(x[:200]), confidence_sequence(x)
    assert long.high - long.low < short.high - short.low < 0.3
    assert long.high - long.low < 0.03
    assert long.low < 0.25 < long.high
    mirrored = confidence_sequence(1 - x)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((long.low, long.high))


def test_sequence_of_little():
    assert confidence_sequence([]).high - confidence_sequence([]).low == 1.0
    ones = confidence_sequence(np.ones(100))
    assert ones.high == 1.0
    assert 0.8 < ones.low < 1.0
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        confidence_sequence([0.5, 1.5])
    with pytest.raises(InputError, match="level"):
        confidence_sequence([0.5], level=0)


def test_e_process_is_a_martingale_by_enumeration():
    # Under mean = 1/4 exactly, the expected capital after every step is 1: sum over all 2^8 binary paths.
    total = np.zeros(8)
    for path in product([0.0, 1.0], repeat=8):
        probability = 0.25 ** sum(path) * 0.75 ** (8 - sum(path))
        total += probability * e_process(np.array(path), 0.25)
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_e_process_is_rarely_large_and_grows_when_it_should():
    rng = np.random.default_rng(3)
    sets = 400
    fooled = sum(e_process((rng.random(400) < 0.5).astype(float), 0.5).max() >= 20 for _ in range(sets))
    assert scipy_stats.binomtest(fooled, sets, 0.05, alternative="greater").pvalue > 1e-4
    assert e_process((rng.random(400) < 0.7).astype(float), 0.5)[-1] > 1000
    with pytest.raises(InputError, match="under test"):
        e_process([0.5], 1.0)


def test_sign_flips_are_all_enumerated():
    sums = np.array([2.0, 3.0, -1.0, 4.0])
    exact = np.mean([abs(np.dot(s, sums)) >= abs(sums.sum()) for s in product([1, -1], repeat=4)])
    rng = np.random.default_rng(4)
    assert sign_flip_test(sums, rng=rng) == pytest.approx(exact)
    # Clusters are flipped whole.
    rows, code = np.array([1.0, 1.0, 3.0, -2.0, 1.0, 4.0]), np.array([0, 0, 1, 2, 2, 3])
    assert sign_flip_test(rows, clusters=[code], rng=rng) == pytest.approx(exact)


def test_drawn_flips_agree_with_the_exact_binomial():
    # 40 differences of +-1, 28 of them up: the sign test, known exactly.
    rng = np.random.default_rng(5)
    differences = np.r_[np.ones(28), -np.ones(12)]
    exact = scipy_stats.binomtest(28, 40, 0.5).pvalue
    assert sign_flip_test(differences, draws=40_000, rng=rng) == pytest.approx(exact, rel=0.15)


def test_sign_flip_keeps_its_level_in_clusters():
    rng = np.random.default_rng(6)
    rejected, sets = 0, 400
    for _ in range(sets):
        code = np.repeat(np.arange(10), 6)
        values = rng.standard_cauchy(10)[code] + rng.normal(size=60)
        rejected += sign_flip_test(values, clusters=[code], rng=rng) <= 0.05
    assert scipy_stats.binomtest(rejected, sets, 0.05).pvalue > 1e-4


def test_sign_flip_of_nothing_and_of_crossed_clusters():
    rng = np.random.default_rng(7)
    assert sign_flip_test(np.zeros(5), rng=rng) == 1.0
    with pytest.raises(InputError, match="one clustering"):
        sign_flip_test(np.ones(4), clusters=[np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])], rng=rng)


def test_mcnemar_is_the_binomial_test_of_discordant_pairs():
    first = np.r_[np.ones(9), np.zeros(2), np.ones(30), np.zeros(5)]
    second = np.r_[np.zeros(9), np.ones(2), np.ones(30), np.zeros(5)]
    assert mcnemar(first, second) == pytest.approx(scipy_stats.binomtest(9, 11, 0.5).pvalue)
    assert mcnemar(first, first) == 1.0
    assert mcnemar([1, 0], [0, 1]) == 1.0


def test_bootstrap_of_a_mean_has_its_known_spread():
    x = np.random.default_rng(8).normal(size=200)
    replicates = cluster_bootstrap(lambda w: float(w @ x / w.sum()), 200, draws=2000, rng=np.random.default_rng(9))
    assert replicates.std() == pytest.approx(x.std() / np.sqrt(200), rel=0.06)
    interval = percentile_interval(replicates)
    assert interval.low < x.mean() < interval.high


def test_bootstrap_of_the_undefined():
    rng = np.random.default_rng(10)
    assert percentile_interval(cluster_bootstrap(lambda w: float("nan"), 3, draws=50, rng=rng)) is None
    with pytest.raises(InputError, match="at least one cluster"):
        cluster_bootstrap(lambda w: 0.0, 0, rng=rng)
