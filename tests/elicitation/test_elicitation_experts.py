"""Experts are ranked rightly but for the error promised, with few evaluations where few tasks tell them apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.elicitation import rank_experts

WAYS = ("halving", "passes", "each task")


def scored(means: np.ndarray, rng: np.random.Generator, noise: float = 0.0) -> Callable[[int, np.ndarray], np.ndarray]:
    return lambda expert, tasks: means[expert, tasks] + noise * rng.uniform(-1, 1, len(tasks))


def passed(means: np.ndarray, rng: np.random.Generator) -> Callable[[int, np.ndarray], np.ndarray]:
    return lambda expert, tasks: (rng.random(len(tasks)) < means[expert, tasks]).astype(float)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(5))
def test_scores_without_noise_give_their_order(way: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = rng.permutation(7) / 7
    means = np.tile(level[:, None], (1, 12)) * np.linspace(0.5, 1, 12)
    found = rank_experts(scored(means, rng), 7, 12, way=way, rng=rng)
    assert found.order == tuple(np.argsort(-level).tolist())


@pytest.mark.parametrize("way", WAYS)
def test_a_ranking_is_wrong_no_more_often_than_promised(way: str) -> None:
    """Two experts who are equal, on tasks of unequal noise: "the second is better" is said with at most this error."""
    means = np.tile(np.linspace(0.05, 0.95, 10), (2, 1))
    orders = [
        rank_experts(passed(means, rng), 2, 10, alpha=0.5, most=1500, way=way, rng=rng).order
        for rng in map(np.random.default_rng, range(200))
    ]
    wrong = orders.count((1, 0))
    assert scipy_stats.binomtest(wrong, 200, 0.5, alternative="greater").pvalue > 1e-3
    assert wrong > 0


def test_halving_finds_the_tasks_that_tell() -> None:
    """One of 64 tasks tells: uniform passes need the evaluations of a mean gap of 1/64, halving far fewer."""
    rng = np.random.default_rng(0)
    means = np.full((2, 64), 0.5)
    means[:, 17] = 0.9, 0.1
    used = {way: [rank_experts(passed(means, rng), 2, 64, way=way, rng=rng) for _ in range(8)] for way in WAYS}
    assert all(found.order == (0, 1) for own in used.values() for found in own)
    spent = {way: np.mean([found.evaluations for found in own]) for way, own in used.items()}
    assert spent["halving"] < spent["passes"] / 3


@pytest.mark.parametrize("way", WAYS)
def test_evaluations_are_counted_and_end(way: str) -> None:
    rng, asked = np.random.default_rng(1), []
    equal = np.full((3, 5), 0.5)

    def score(expert: int, tasks: np.ndarray) -> np.ndarray:
        asked.append(len(tasks))
        return equal[expert, tasks]

    found = rank_experts(score, 3, 5, most=500, way=way, rng=rng)
    assert found.order is None
    assert 500 <= found.evaluations == sum(asked) < 2000


def test_comparisons_are_those_of_a_search_by_halves() -> None:
    """The tenth of ten meets no more than four of the nine before it."""
    rng, met = np.random.default_rng(2), []
    means = np.tile(rng.permutation(10)[:, None] / 9, (1, 3))

    def score(expert: int, tasks: np.ndarray) -> np.ndarray:
        met.append(expert)
        return means[expert, tasks]

    rank_experts(score, 10, 3, way="passes", rng=rng)
    assert len(set(met[met.index(9) :])) <= 1 + 4


def test_what_is_no_score_is_refused() -> None:
    rng = np.random.default_rng(0)
    for faulty in (lambda expert, tasks: np.full(len(tasks), 1.5), lambda expert, tasks: np.zeros(1)):
        with pytest.raises(InputError, match="as many scores"):
            rank_experts(faulty, 2, 4, rng=rng)
    with pytest.raises(InputError, match="two experts"):
        rank_experts(passed(np.zeros((2, 2)), rng), 1, 2, rng=rng)
