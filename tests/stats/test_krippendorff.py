"""Alpha against Krippendorff's own worked example, and against its definition by pairs."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.stats import krippendorff_alpha

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units, gaps.
GAP = 0
EXAMPLE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
)


def long_form(table):
    observer, unit = np.nonzero(table)
    return unit, table[observer, unit].astype(float)


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(metric, published):
    units, values = long_form(EXAMPLE)
    found = krippendorff_alpha(units, values, metric=metric)
    assert round(found.value, 3) == published
    assert found.n == 11  # the twelfth unit has one value only
    assert found.interval is None
    assert "differ on 3 of 11 units" in found.note


def by_pairs(units, values):
    """Interval alpha, written as sums over ordered pairs."""
    groups = [values[units == unit] for unit in np.unique(units)]
    groups = [group for group in groups if len(group) > 1]
    pooled = np.concatenate(groups)
    n = len(pooled)
    observed = sum(sum((a - b) ** 2 for a, b in permutations(g, 2)) / (len(g) - 1) for g in groups) / n
    expected = sum((a - b) ** 2 for a, b in permutations(pooled, 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_interval_alpha_is_its_definition():
    rng = np.random.default_rng(1)
    units = rng.integers(0, 30, 90)
    values = rng.normal(size=30)[units] + rng.normal(size=90) + 1000
    found = krippendorff_alpha(units, values, metric="interval")
    assert found.value == pytest.approx(by_pairs(units, values), rel=1e-9)


def test_perfect_agreement_and_none():
    units = np.repeat(np.arange(200), 2)
    rng = np.random.default_rng(2)
    same = np.repeat(rng.integers(0, 3, 200), 2)
    for metric in ("nominal", "ordinal", "interval"):
        perfect = krippendorff_alpha(units, same, metric=metric)
        assert (perfect.value, perfect.interval) == (pytest.approx(1.0), None)
        assert "differ on 0 of 200 units" in perfect.note
    noise = krippendorff_alpha(units, rng.integers(0, 3, 400), metric="nominal")
    assert abs(noise.value) < 0.15
    assert noise.interval.low < 0 < noise.interval.high


def test_where_alpha_does_not_exist():
    equal = krippendorff_alpha(np.array([0, 0, 1, 1]), np.ones(4), metric="nominal")
    assert not equal.identified
    assert "equal" in equal.note
    alone = krippendorff_alpha(np.arange(4), np.arange(4.0), metric="nominal")
    assert (alone.n, alone.identified) == (0, False)
    with pytest.raises(InputError, match="metric"):
        krippendorff_alpha(np.arange(2), np.zeros(2), metric="cardinal")
    with pytest.raises(InputError, match="finite"):
        krippendorff_alpha(np.arange(2), np.array([0.0, np.nan]), metric="nominal")


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_the_variance_is_that_of_leaving_out_units_one_by_one(metric):
    units, values = ratings(np.random.default_rng(4), 200)
    found = krippendorff_alpha(units, values, metric=metric)
    without = [krippendorff_alpha(units[units != u], values[units != u], metric=metric).value for u in range(200)]
    jackknife = 199**2 / 200 * np.var(without, ddof=1)
    assert found.variance == pytest.approx(jackknife, rel=0.03)


def ratings(rng, units, raters=3, loyalty=0.6):
    """A rater copies the unit's value with probability `loyalty`, else takes any of four: alpha is loyalty squared."""
    truth = rng.integers(0, 4, units)[:, None]
    values = np.where(rng.random((units, raters)) < loyalty, truth, rng.integers(0, 4, (units, raters)))
    return np.repeat(np.arange(units), raters), values.ravel()


def consistent(covered, sets):
    return scipy_stats.binomtest(covered, sets, 0.95).pvalue > 1e-4


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_the_interval_covers_the_known_alpha(metric):
    rng = np.random.default_rng(4)
    sets, covered = 500, 0
    for _ in range(sets):
        interval = krippendorff_alpha(*ratings(rng, 60), metric=metric).interval
        assert interval.promise == "confidence"
        covered += interval.low <= 0.36 <= interval.high
    assert consistent(covered, sets)


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_units_of_one_prompt_are_known_to_belong_together(metric):
    # Loyalty is that of the prompt, Beta(4, 2), and so is what answers are likely: alpha is the mean squared loyalty.
    rng, prompts, each, alpha = np.random.default_rng(5), 40, 10, 4 * 5 / (6 * 7)
    prompt = np.repeat(np.arange(prompts), each)
    sets, covered = 500, {"prompts": 0, "units": 0}
    for _ in range(sets):
        loyalty, likely = rng.beta(4, 2, prompts)[prompt], rng.dirichlet(np.ones(4), prompts)[prompt]
        truth = (rng.random((len(prompt), 1)) > likely.cumsum(axis=1)[:, :3]).sum(axis=1)[:, None]
        values = np.where(rng.random((len(prompt), 3)) < loyalty[:, None], truth, rng.integers(0, 4, (len(prompt), 3)))
        units = np.repeat(np.arange(len(prompt)), 3)
        for name, clusters in (("prompts", [np.repeat(prompt, 3)]), ("units", [])):
            interval = krippendorff_alpha(units, values.ravel(), metric=metric, clusters=clusters).interval
            covered[name] += interval.low <= alpha <= interval.high
    assert consistent(covered["prompts"], sets)
    assert covered["units"] / sets < 0.88


def test_too_few_prompts_give_no_interval_but_a_reason():
    units, values = ratings(np.random.default_rng(6), 260)
    found = krippendorff_alpha(units, values, metric="nominal", clusters=[units % 13])
    assert found.interval is None
    assert "13 clusters" in found.note
    with pytest.raises(InputError, match="two clusters"):
        krippendorff_alpha(units, values, metric="nominal", clusters=[np.arange(len(units)) % 13])
