"""Intervals against published numbers, exact enumeration and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.stats import (
    MIN_CLUSTERS,
    clopper_pearson,
    mean_estimate,
    mean_variance,
    paired_difference,
    proportion,
    wilson,
)

SETS = 2000


def consistent(covered, sets, level=0.95):
    """Whether so many of so many sets can be covered at the level: binomial test, p > 1e-4."""
    return scipy_stats.binomtest(int(covered), int(sets), level).pvalue > 1e-4


def not_below(covered, sets, level=0.95):
    return scipy_stats.binomtest(int(covered), int(sets), level, alternative="less").pvalue > 1e-4


def test_wilson_is_newcombes_published_example():
    # Newcombe 1998, table I: 81 of 263 -> 0.2553 to 0.3662; 15 of 148 -> 0.0624 to 0.1605; 1 of 29 -> 0.0061 to 0.1718.
    for successes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        interval = wilson(successes, n)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert wilson(81, 263).promise == "confidence"


def test_clopper_pearson_is_newcombes_published_example():
    for successes, n, low, high in ((81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684)):
        interval = clopper_pearson(successes, n)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert clopper_pearson(3, 9).promise == "at least"


def test_clopper_pearson_never_covers_less_by_enumeration():
    n = 25
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    for p in np.linspace(0.01, 0.99, 99):
        weights = scipy_stats.binom.pmf(np.arange(n + 1), n, p)
        assert sum(w for w, i in zip(weights, intervals, strict=True) if i.low <= p <= i.high) >= 0.95


def test_independent_proportion_is_wilson():
    values = np.r_[np.ones(81), np.zeros(182)]
    found = proportion(values)
    assert found.interval == wilson(81, 263)
    assert found.value == pytest.approx(81 / 263)
    assert found.n == 263


def test_independent_mean_is_the_t_interval():
    x = np.random.default_rng(0).normal(3, 2, 60)
    low, high = scipy_stats.t.interval(0.95, 59, x.mean(), scipy_stats.sem(x))
    found = mean_estimate(x)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), rel=1e-9)
    assert found.standard_error == pytest.approx(scipy_stats.sem(x))


def test_clusters_of_one_are_no_clusters():
    values = np.random.default_rng(1).integers(0, 2, 100).astype(float)
    assert proportion(values, clusters=[np.arange(100)]) == proportion(values)
    assert proportion(values, clusters=[np.full(100, -1)]) == proportion(values)


def test_copies_of_votes_tell_nothing_new():
    values = np.random.default_rng(2).integers(0, 2, 200).astype(float)
    once, thrice = proportion(values), proportion(np.repeat(values, 3), clusters=[np.repeat(np.arange(200), 3)])
    assert thrice.interval.low == pytest.approx(once.interval.low, abs=3e-3)
    assert thrice.interval.high == pytest.approx(once.interval.high, abs=3e-3)
    assert proportion(np.repeat(values, 3)).interval.low > once.interval.low + 0.02


def test_halves_count_half_and_narrow():
    halves = proportion(np.r_[np.full(300, 0.5), np.ones(50), np.zeros(50)])
    coins = proportion(np.r_[np.ones(200), np.zeros(200)])
    assert halves.value == coins.value == 0.5
    assert halves.interval.high < coins.interval.high


def test_too_few_clusters_give_no_interval_but_a_reason():
    rng = np.random.default_rng(3)
    few = np.repeat(np.arange(MIN_CLUSTERS - 1), 20)
    for found in (
        proportion(rng.integers(0, 2, len(few)), clusters=[few]),
        mean_estimate(rng.normal(size=len(few)), clusters=[few]),
    ):
        assert found.interval is None
        assert f"{MIN_CLUSTERS - 1} clusters" in found.note
        assert found.variance > 0


def test_a_single_cluster_is_too_few():
    found = mean_estimate(np.arange(50.0), clusters=[np.zeros(50, int)])
    assert found.interval is None
    assert found.note.startswith("1 clusters")


def test_one_dominant_cluster_gives_no_interval():
    code = np.r_[np.zeros(5000, int), np.arange(1, 40)]
    assert mean_estimate(np.random.default_rng(4).normal(size=len(code)), clusters=[code]).interval is None


def test_uneven_clusters_promise_at_least():
    code = np.repeat(np.arange(40), 1 + np.arange(40, 0, -1) ** 2 // 3)
    found = mean_estimate(np.random.default_rng(5).normal(size=len(code)), clusters=[code])
    assert found.interval.promise == "confidence"
    code = np.repeat(np.arange(40), (400 / np.arange(1, 41)).astype(int))
    found = mean_estimate(np.random.default_rng(5).normal(size=len(code)), clusters=[code])
    assert found.interval.promise == "at least"
    assert "wide side" in found.note


def test_unanimous_votes_rest_on_rows_that_share_nothing():
    assert proportion(np.ones(20)).interval == wilson(20, 20)
    prompts, raters = np.repeat(np.arange(10), 5), np.tile(np.arange(5), 10)
    assert proportion(np.ones(50), clusters=[prompts]).interval == clopper_pearson(10, 10)
    crossed = proportion(np.zeros(50), clusters=[prompts, raters])  # at most five rows share neither
    assert crossed.interval == clopper_pearson(0, 5)
    assert "5 rows" in crossed.note
    thrice = proportion(np.zeros(50), clusters=[prompts, raters, raters])
    assert thrice.interval == clopper_pearson(0, 5)
    many = proportion(np.ones(200), clusters=[np.repeat(np.arange(50), 4)]).interval
    assert (many.low, many.promise) == (clopper_pearson(50, 50).low, "confidence")


def test_constant_values_have_no_interval():
    assert mean_estimate(np.full(50, 2.0)).interval is None
    assert mean_estimate(np.full(50, 0.1)).interval is None  # whose mean is not exactly 0.1
    assert proportion(np.full(50, 0.5)).interval is None
    assert mean_estimate([1.0]).interval is None


def test_bad_values_are_refused():
    for call in (
        lambda: proportion([0.5, 1.2]),
        lambda: proportion([]),
        lambda: mean_estimate([1.0, np.nan]),
        lambda: wilson(5, 4),
        lambda: wilson(1, 4, level=1.0),
        lambda: paired_difference([1.0, 2.0], [1.0]),
        lambda: mean_estimate([[1.0]]),
    ):
        with pytest.raises(InputError):
            call()


def test_paired_difference_is_the_paired_t_test():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.2, 1, 80), rng.normal(0, 1, 80)
    estimate, p_value = paired_difference(a, b)
    assert p_value == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert estimate.value == pytest.approx((a - b).mean())
    assert (p_value < 0.05) == (not estimate.interval.low <= 0 <= estimate.interval.high)


def test_equal_pairs_do_not_differ():
    estimate, p_value = paired_difference(np.arange(40.0), np.arange(40.0))
    assert (estimate.value, p_value, estimate.interval) == (0.0, 1.0, None)


def test_a_difference_from_too_few_clusters_has_no_p_value():
    _, p_value = paired_difference(np.arange(40.0), np.zeros(40), clusters=[np.arange(40) // 10])
    assert np.isnan(p_value)


def votes(rng, n, p, groups, correlation, sizes):
    """Correlated votes: shared normal effects of each way of clustering, cut so that P(1) = p exactly."""
    latent, clusters = np.sqrt(1 - correlation * len(groups)) * rng.normal(size=n), []
    for count in groups:
        weight = {"equal": np.ones(count), "geometric": rng.exponential(1, count)}[sizes]
        code = rng.choice(count, n, p=weight / weight.sum())
        latent += np.sqrt(correlation) * rng.normal(size=count)[code]
        clusters.append(code)
    return latent, (latent < scipy_stats.norm.ppf(p)).astype(float), clusters


@pytest.mark.parametrize(
    ("n", "p", "groups", "correlation", "sizes"),
    [
        (200, 0.95, (), 0.0, "equal"),
        (200, 0.7, (40,), 0.0, "equal"),
        (300, 0.6, (60,), 0.3, "geometric"),
        (500, 0.8, (50, 50), 0.0, "equal"),
        (500, 0.8, (60, 40), 0.2, "equal"),
        (300, 0.9, (150, 50), 0.2, "geometric"),
    ],
)
def test_coverage(n, p, groups, correlation, sizes):
    rng = np.random.default_rng(7)
    hit = {(kind, promise): [0, 0] for kind in ("p", "mean") for promise in ("confidence", "at least")}
    sets = SETS // 2
    for _ in range(sets):
        latent, outcome, clusters = votes(rng, n, p, groups, correlation, sizes)
        for kind, truth, found in (
            ("p", p, proportion(outcome, clusters=clusters)),
            ("mean", 0.0, mean_estimate(latent, clusters=clusters)),
        ):
            assert found.interval is not None
            count = hit[kind, found.interval.promise]
            count[0] += found.interval.low <= truth <= found.interval.high
            count[1] += 1
    for (_, promise), (covered, seen) in hit.items():
        if seen:
            assert (consistent if promise == "confidence" else not_below)(covered, seen)


def test_rare_losses_that_come_together_are_covered():
    # With the degrees of freedom of normal effects, 0.92 to 0.93 of such intervals covered.
    rng, sets, covered, before = np.random.default_rng(11), 1000, 0, 0
    for _ in range(sets):
        p = rng.uniform(0.93, 0.97)
        _, outcome, clusters = votes(rng, 1000, p, (40,), 0.4, "equal")
        found = proportion(outcome, clusters=clusters)
        variance = mean_variance(outcome - outcome.mean(), clusters)
        assert variance.heavy_df <= variance.df
        covered += found.interval.low <= p <= found.interval.high
        half = scipy_stats.t.ppf(0.975, variance.df) * variance.variance**0.5
        before += abs(outcome.mean() - p) <= half
    assert consistent(covered, sets)
    assert before < covered


def test_ignoring_clusters_would_be_noticed():
    # The same check must fail where correlated votes are taken as independent.
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(SETS // 2):
        _, outcome, _ = votes(rng, 300, 0.6, (40,), 0.3, "equal")
        interval = proportion(outcome).interval
        covered += interval.low <= 0.6 <= interval.high
    assert not consistent(covered, SETS // 2)


def test_paired_difference_rejects_a_true_null_as_often_as_it_says():
    rng = np.random.default_rng(9)
    rejected = 0
    for _ in range(SETS // 2):
        rater = rng.integers(0, 50, 400)
        difference = rng.normal(size=50)[rater] + rng.normal(size=400)
        rejected += paired_difference(difference, np.zeros(400), clusters=[rater])[1] < 0.05
    assert consistent(rejected, SETS // 2, 0.05)
