"""Sets of ranks: what they must cover, and what they must not hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.stats import rank_intervals


def true_ranks(mean):
    """Lowest and highest rank of each item that some order of ties gives."""
    better, worse = (mean[None, :] > mean[:, None]).sum(1), (mean[None, :] < mean[:, None]).sum(1)
    return 1 + better, len(mean) - worse


def test_two_items_are_a_z_test():
    rng = np.random.default_rng(0)
    # Var(difference) = 2, so the difference is significant beyond 1.96 * sqrt(2) = 2.772.
    for gap, expected in ((2.6, [1, 1]), (3.0, [1, 2])):
        low, high = rank_intervals(np.array([gap, 0.0]), np.eye(2), rng=rng)
        assert low.tolist() == expected
        assert high.tolist() == [3 - rank for rank in expected[::-1]]


def test_a_common_shift_of_the_gauge_changes_nothing():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(8, 8))
    covariance, mean = a @ a.T / 8, rng.normal(size=8) * 3
    one = rank_intervals(mean, covariance, rng=np.random.default_rng(2))
    centre = np.eye(8) - 1 / 8
    two = rank_intervals(mean - 5, centre @ covariance @ centre, rng=np.random.default_rng(2))
    np.testing.assert_array_equal(one, two)


def test_well_separated_items_have_one_rank():
    mean = np.array([5.0, 30.0, -20.0, 17.0])
    low, high = rank_intervals(mean, np.eye(4), rng=np.random.default_rng(3))
    assert low.tolist() == high.tolist() == [3, 1, 4, 2]


def test_few_degrees_of_freedom_widen():
    mean = np.array([3.3, 0.0])
    assert rank_intervals(mean, np.eye(2), rng=np.random.default_rng(4))[1][0] == 1
    assert rank_intervals(mean, np.eye(2), df=4, rng=np.random.default_rng(4))[1][0] == 2


def test_identical_items_are_never_told_apart():
    covariance = np.ones((3, 3))  # all differences are known exactly to be what they are: of the same item
    low, high = rank_intervals(np.array([1.0, 1.0, 1.0]), covariance, rng=np.random.default_rng(5))
    assert low.tolist() == [1, 1, 1]
    assert high.tolist() == [3, 3, 3]


def test_one_item_or_none():
    low, high = rank_intervals(np.array([1.0]), np.eye(1), rng=np.random.default_rng(6))
    assert (low.tolist(), high.tolist()) == ([1], [1])
    assert rank_intervals(np.zeros(0), np.zeros((0, 0)), rng=np.random.default_rng(6))[0].shape == (0,)


def test_bad_input_is_refused():
    rng = np.random.default_rng(7)
    with pytest.raises(InputError, match="covariance"):
        rank_intervals(np.zeros(2), np.eye(3), rng=rng)
    with pytest.raises(InputError, match="identified"):
        rank_intervals(np.array([0.0, np.nan]), np.eye(2), rng=rng)


@pytest.mark.parametrize(
    ("truth", "df"),
    [
        (np.zeros(6), np.inf),  # all tied: every rank is everyone's
        (np.array([0.0, 0.1, 0.2, 2.0, 2.1, 6.0]), np.inf),  # near ties
        (np.array([0.0, 0.0, 1.0, 1.0, 4.0, 4.0]), 10.0),  # ties, covariance estimated with ten degrees of freedom
    ],
)
def test_each_item_is_covered_at_least_at_the_level(truth, df):
    rng = np.random.default_rng(8)
    a = rng.normal(size=(6, 12))
    covariance = a @ a.T / 12
    low_rank, high_rank = true_ranks(truth)
    root, sets = np.linalg.cholesky(covariance), 300
    covered = np.zeros(6)
    for _ in range(sets):
        scale = 1.0 if np.isinf(df) else rng.chisquare(df) / df
        low, high = rank_intervals(truth + root @ rng.normal(size=6), scale * covariance, df=df, rng=rng)
        covered += (low <= low_rank) & (high_rank <= high)
    assert all(scipy_stats.binomtest(int(c), sets, 0.95, alternative="less").pvalue > 1e-4 for c in covered)


def test_many_items_fit_in_memory_and_time():
    n = 400
    low, high = rank_intervals(np.linspace(0, 40, n), np.eye(n), rng=np.random.default_rng(9))
    assert (low <= high).all()
    assert low[-1] == 1
    assert high[0] == n
    assert (high - low).mean() < n / 3
