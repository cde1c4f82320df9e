"""The search for failures: against Beta posteriors of blocks and the determinantal law it draws by."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, UsageError
from heedful.elicitation import FailureSearch, draw_determinantal


def blocks() -> FailureSearch:
    """Two blocks of four that are the same, and nothing between them."""
    return FailureSearch(np.kron(np.eye(2), np.ones((4, 4))), np.zeros(0, np.intp), np.zeros(0), 0.2, 3.0)


def test_the_same_instances_share_a_beta_posterior() -> None:
    search = blocks().tell([0, 1, 5], [True, False, True]).tell([2], [1])
    np.testing.assert_allclose(search.probability[:4], (0.6 + 2) / (3 + 3))
    np.testing.assert_allclose(search.probability[4:], (0.6 + 1) / (3 + 1))
    assert search.left.tolist() == [3, 4, 6, 7]


def test_similarity_is_a_gaussian_of_the_distance() -> None:
    points = np.random.default_rng(0).normal(size=(7, 3))
    search = FailureSearch.of(points, 0.8)
    for i in range(7):
        for j in range(7):
            assert search.similarity[i, j] == pytest.approx(np.exp(-((points[i] - points[j]) ** 2).sum() / 1.28))
    told = search.tell([1, 4], [1, 0])
    near = search.similarity
    expected = (0.1 + near[:, 1]) / (1 + near[:, 1] + near[:, 4])
    np.testing.assert_allclose(told.probability, expected)


def test_what_is_asked_next_is_likely_to_fail_and_differs() -> None:
    """Of the two blocks left, one instance each; alone, in proportion to the probabilities."""
    rng = np.random.default_rng(1)
    search = blocks().tell([0, 4], [1, 0])
    assert all(sorted(search.ask(2, rng) // 4) == [0, 1] for _ in range(100))
    chance = 0.4 / (0.4 + 0.15)  # 1.6 / 4 and 0.6 / 4, three instances each
    first = np.mean([search.ask(1, rng)[0] < 4 for _ in range(5000)])
    assert first == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 5000))


def test_the_kernel_is_that_of_those_left() -> None:
    search = FailureSearch.of(np.random.default_rng(2).normal(size=(9, 2)), 1.0).tell([3, 7], [1, 0])
    rows, p = [0, 1, 2, 4, 5, 6, 8], search.probability
    kernel = np.array([[np.sqrt(p[i] * p[j]) * search.similarity[i, j] for j in rows] for i in rows])
    expected = np.array(rows)[draw_determinantal(kernel, 4, np.random.default_rng(5))]
    np.testing.assert_array_equal(search.ask(4, np.random.default_rng(5)), expected)


def test_false_uses_are_refused() -> None:
    search = blocks()
    with pytest.raises(UsageError, match="a share of 0"):
        FailureSearch.of(np.zeros((2, 1)), 1.0, share=0.0)
    with pytest.raises(InputError, match="between 0 and 1"):
        FailureSearch(-np.eye(3), np.zeros(0, np.intp), np.zeros(0))
    with pytest.raises(InputError, match="a scale above 0"):
        FailureSearch.of(np.zeros((2, 1)), 0.0)
    with pytest.raises(InputError, match="rank 2 gives no set of 3"):
        search.ask(3, np.random.default_rng(0))
    with pytest.raises(InputError, match="each once"):
        search.tell([0], [1]).tell([0], [1])
    with pytest.raises(InputError, match="each once"):
        search.tell([8], [1])
    with pytest.raises(InputError, match=r"whether it failed \(1\) or not \(0\)"):
        search.tell([0], [0.5])
