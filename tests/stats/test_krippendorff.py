"""Alpha against Krippendorff's own worked example, and against its definition by pairs."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

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
    found = krippendorff_alpha(units, values, metric=metric, rng=np.random.default_rng(0))
    assert round(found.value, 3) == published
    assert found.n == 11  # the twelfth unit has one value only
    assert found.interval is None
    assert "fewer than" in found.note


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
    found = krippendorff_alpha(units, values, metric="interval", rng=rng)
    assert found.value == pytest.approx(by_pairs(units, values), rel=1e-9)


def test_perfect_agreement_and_none():
    units = np.repeat(np.arange(200), 2)
    rng = np.random.default_rng(2)
    same = np.repeat(rng.integers(0, 3, 200), 2)
    assert krippendorff_alpha(units, same, metric="nominal", rng=rng).value == 1.0
    noise = krippendorff_alpha(units, rng.integers(0, 3, 400), metric="nominal", rng=rng)
    assert abs(noise.value) < 0.15
    assert noise.interval.low < 0 < noise.interval.high


def test_where_alpha_does_not_exist():
    rng = np.random.default_rng(3)
    equal = krippendorff_alpha(np.array([0, 0, 1, 1]), np.ones(4), metric="nominal", rng=rng)
    assert not equal.identified
    assert "equal" in equal.note
    alone = krippendorff_alpha(np.arange(4), np.arange(4.0), metric="nominal", rng=rng)
    assert (alone.n, alone.identified) == (0, False)
    with pytest.raises(InputError, match="metric"):
        krippendorff_alpha(np.arange(2), np.zeros(2), metric="cardinal", rng=rng)
    with pytest.raises(InputError, match="finite"):
        krippendorff_alpha(np.arange(2), np.array([0.0, np.nan]), metric="nominal", rng=rng)


def ratings(rng, units, raters=3, loyalty=0.6):
    """A rater copies the unit's value with probability `loyalty`, else takes any of four: alpha is loyalty squared."""
    truth = rng.integers(0, 4, units)[:, None]
    values = np.where(rng.random((units, raters)) < loyalty, truth, rng.integers(0, 4, (units, raters)))
    return np.repeat(np.arange(units), raters), values.ravel()


def test_the_interval_covers_the_known_alpha():
    rng = np.random.default_rng(4)
    sets, covered = 150, 0
    for _ in range(sets):
        interval = krippendorff_alpha(*ratings(rng, 150), metric="nominal", rng=rng).interval
        covered += interval.low <= 0.36 <= interval.high
    assert covered / sets > 0.88
