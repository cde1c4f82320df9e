"""Determinantal sets against the determinants of all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from heedful.core import InputError
from heedful.elicitation import draw_determinantal


@pytest.mark.parametrize(("size", "rank"), [(1, 6), (2, 6), (3, 6), (3, 4), (3, 3)])
def test_sets_come_as_often_as_their_determinants_say(size: int, rank: int) -> None:
    rng = np.random.default_rng(size + rank)
    points = rng.normal(size=(6, rank)) * np.array([[0.5], [1], [1], [2], [1], [0.7]])
    kernel = points @ points.T
    every = list(combinations(range(6), size))
    weight = np.array([np.linalg.det(kernel[np.ix_(own, own)]) for own in every])
    drawn = [tuple(sorted(draw_determinantal(kernel, size, rng).tolist())) for _ in range(4000)]
    counts = np.array([drawn.count(own) for own in every])
    expected = 4000 * weight / weight.sum()
    order = np.argsort(expected)
    few = order[np.cumsum(expected[order]) < 10]  # rare sets together are one
    kept = np.setdiff1d(order, few)
    seen, sought = np.append(counts[kept], counts[few].sum()), np.append(expected[kept], expected[few].sum())
    possible = sought > 1e-9
    assert seen[~possible].sum() == 0
    assert stats.chisquare(seen[possible], sought[possible]).pvalue > 1e-3


def test_what_is_the_same_is_never_drawn_twice() -> None:
    kernel = np.kron(np.eye(3), np.ones((4, 4))) * 2.0
    rng = np.random.default_rng(0)
    for _ in range(200):
        assert sorted(draw_determinantal(kernel, 3, rng) // 4) == [0, 1, 2]


def test_many_candidates_do_not_overflow() -> None:
    rng = np.random.default_rng(1)
    points = 1e3 * rng.normal(size=(600, 300))
    assert len(set(draw_determinantal(points @ points.T, 250, rng).tolist())) == 250
    assert draw_determinantal(np.zeros((0, 0)), 0, rng).shape == (0,)


def test_faults_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="rank 1 gives no set of 2"):
        draw_determinantal(np.ones((3, 3)), 2, rng)
    with pytest.raises(InputError, match="symmetric"):
        draw_determinantal(np.array([[1.0, 0.5], [0.0, 1.0]]), 1, rng)
    with pytest.raises(InputError, match="semi-definite; its least eigenvalue is -1"):
        draw_determinantal(np.array([[1.0, 2.0], [2.0, 1.0]]), 1, rng)
    with pytest.raises(InputError, match=r"\[n, n\], not \[2, 3\]"):
        draw_determinantal(np.ones((2, 3)), 1, rng)
