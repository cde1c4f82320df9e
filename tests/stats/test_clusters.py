"""Clustered sums against their definition written out, and against an independent formula."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from heedful.core import InputError
from heedful.stats import clustered_meat, mean_variance
from heedful.stats.clusters import Grouping


def by_hand(scores, codes):
    """G/(G-1) Σ s_g s_gᵀ, written as the sum it is."""
    labels = sorted(set(codes))
    total = np.zeros((scores.shape[1],) * 2)
    for label in labels:
        s = sum(row for row, code in zip(scores, codes, strict=True) if code == label)
        total += np.outer(s, s)
    return len(labels) / (len(labels) - 1) * total


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    n = 400
    prompt, rater = rng.integers(0, 60, n), rng.integers(0, 25, n)
    scores = rng.normal(size=(n, 3)) + rng.normal(size=(60, 3))[prompt] + rng.normal(size=(25, 3))[rater]
    return scores, prompt, rater


def test_one_way_is_its_definition(data):
    scores, prompt, _ = data
    meat, df = clustered_meat(scores, [prompt])
    np.testing.assert_allclose(meat, by_hand(scores, prompt.tolist()), rtol=1e-12)
    assert df == 59


def test_without_clusters_each_row_is_its_own(data):
    scores, _, _ = data
    n = len(scores)
    meat, df = clustered_meat(scores)
    np.testing.assert_allclose(meat, n / (n - 1) * scores.T @ scores, rtol=1e-12)
    assert df == n - 1


def test_two_way_is_inclusion_exclusion(data):
    scores, prompt, rater = data
    both = [f"{a}/{b}" for a, b in zip(prompt, rater, strict=True)]
    expected = by_hand(scores, prompt.tolist()) + by_hand(scores, rater.tolist()) - by_hand(scores, both)
    assert np.linalg.eigvalsh(expected).min() > 0  # so nothing needs repair here
    meat, df = clustered_meat(scores, [prompt, rater])
    np.testing.assert_allclose(meat, expected, rtol=1e-10)
    assert df == 24


def test_two_way_is_made_positive_semidefinite():
    # A complete 2 x 2 table with an interaction only: both one-way sums vanish and V1 + V2 - V12 is negative.
    scores = np.array([[1.0], [-1.0], [-1.0], [1.0]])
    meat, _ = clustered_meat(scores, [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])])
    assert meat == pytest.approx(np.zeros((1, 1)))


@pytest.mark.parametrize("ways", [1, 2])
def test_sparse_equals_dense(data, ways):
    scores, prompt, rater = data
    scores = np.where(np.abs(scores) > 1, scores, 0.0)
    clusters = [prompt, rater][:ways]
    dense, _ = clustered_meat(scores, clusters)
    thin, _ = clustered_meat(sparse.csr_array(scores), clusters)
    np.testing.assert_allclose(thin, dense, rtol=1e-10, atol=1e-10)


def test_a_negative_code_is_a_cluster_of_its_own(data):
    scores, prompt, _ = data
    unknown = prompt.copy()
    unknown[:50] = -1
    named = prompt.copy()
    named[:50] = 1000 + np.arange(50)
    np.testing.assert_allclose(clustered_meat(scores, [unknown])[0], clustered_meat(scores, [named])[0])


def test_a_single_cluster_is_refused(data):
    scores, _, _ = data
    with pytest.raises(InputError, match="at least two clusters"):
        clustered_meat(scores, [np.zeros(len(scores), int)])


def test_bad_codes_are_refused():
    with pytest.raises(InputError, match="integers"):
        Grouping.of(np.array([0.5, 1.0]))
    with pytest.raises(InputError, match="2 rows was given for 3 values"):
        mean_variance(np.zeros(3), [np.array([0, 1])])


def test_mean_variance_of_independent_rows_is_the_textbook_one():
    x = np.random.default_rng(1).normal(size=50)
    found = mean_variance(x - x.mean())
    assert found.variance == pytest.approx(x.var(ddof=1) / 50, rel=1e-12)
    assert found.df == pytest.approx(49, rel=1e-12)
    assert found.groups == found.effective == 50


def test_mean_variance_of_equal_clusters_is_that_of_their_means():
    # With equal sizes the mean of all is the mean of cluster means, whose variance needs no model.
    x = np.random.default_rng(2).normal(size=(30, 4)) + np.random.default_rng(3).normal(size=(30, 1)) * 2
    code = np.repeat(np.arange(30), 4)
    found = mean_variance((x - x.mean()).ravel(), [code])
    assert found.variance == pytest.approx(x.mean(axis=1).var(ddof=1) / 30, rel=1e-12)
    assert found.df == pytest.approx(29, rel=1e-9)
    assert found.effective == pytest.approx(30)


def test_degrees_of_freedom_are_those_of_the_matrix_formula():
    # The O(G) traces against (tr Ω)² / tr Ω² with Ω = (I - p 1ᵀ) D (I - 1 pᵀ) written out.
    rng = np.random.default_rng(4)
    sizes = np.array([1, 1, 2, 3, 5, 8, 13, 40])
    code = np.repeat(np.arange(8), sizes)
    x = rng.normal(size=len(code)) + 3 * rng.normal(size=8)[code]
    e = x - x.mean()
    sums = np.bincount(code, e)
    n = len(x)
    rho = np.clip((sums @ sums - e @ e) / ((sizes @ sizes - n) * (e @ e) / n), 0, 1)
    p, d = sizes / n, sizes + rho * (sizes**2 - sizes)
    centre = np.eye(8) - np.outer(p, np.ones(8))
    omega = centre @ np.diag(d) @ centre.T
    found = mean_variance(e, [code])
    assert found.df == pytest.approx(np.trace(omega) ** 2 / np.trace(omega @ omega), rel=1e-9)
    assert found.variance == pytest.approx(sums @ sums * d.sum() / np.trace(omega) / n**2, rel=1e-9)
    assert found.df < 5  # one cluster of 40 among 73 rows leaves little


def test_heavy_tails_leave_fewer_degrees_of_freedom():
    # Ten equal groups of which one alone differs: sums a, ..., a, -9a.
    values, code = np.repeat(np.r_[np.zeros(9), 1.0], 5), np.repeat(np.arange(10), 5)
    found = mean_variance(values - values.mean(), [code])
    assert found.df == pytest.approx(9, rel=1e-9)
    excess = (9 + 9**4) / (9 + 81) ** 2 - 3 / 10
    assert found.heavy_df == pytest.approx(1 / (1 / 9 + excess / 2))
    # Sums of two values, a and -a, have lighter tails than normal ones.
    light = np.repeat(np.tile([1.0, -1.0], 5), 5)
    assert mean_variance(light, [code]).heavy_df == pytest.approx(9, rel=1e-9)
    assert mean_variance(values - values.mean()).heavy_df == pytest.approx(49)


def test_where_the_two_way_sum_is_not_positive_the_larger_one_way_stands():
    first, second = np.repeat(np.arange(4), 4), np.tile(np.arange(4), 4)
    values = np.kron([[1.0, -1.0], [-1.0, 1.0]], np.ones((2, 2))).ravel() + 0.01 * first
    e = values - values.mean()
    alone = max(mean_variance(e, [first]).variance, mean_variance(e, [second]).variance)
    assert mean_variance(e, [first, second]).variance == pytest.approx(alone)


def test_clusters_that_join_nothing_change_nothing(data):
    scores, prompt, _ = data
    e = scores[:, 0] - scores[:, 0].mean()
    assert mean_variance(e, [prompt, np.arange(len(e))]) == mean_variance(e, [prompt])


def test_large_input_is_one_pass():
    rng = np.random.default_rng(5)
    n = 200_000
    left, right = rng.integers(0, 100, n), rng.integers(0, 100, n)
    data = np.tile([1.0, -1.0], n)
    scores = sparse.csr_array((data, np.stack([left, right], 1).ravel(), np.arange(0, 2 * n + 1, 2)), shape=(n, 100))
    prompt, rater = rng.integers(0, 5000, n), rng.integers(0, 300, n)
    meat, df = clustered_meat(scores, [prompt, rater])
    assert meat.shape == (100, 100)
    assert df == 299
    np.testing.assert_allclose(meat.sum(axis=0), 0, atol=1e-6 * np.abs(meat).max())  # each row of scores sums to zero
    assert all(a <= b + 1e-6 for a, b in pairwise(np.linalg.eigvalsh(meat)))
    assert np.linalg.eigvalsh(meat).min() > -1e-6
