"""Entropy of prompts against known densities; batches that spread over clusters; determinants by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand
from test_elicitation_rules import a_posterior, all_pairs

from heedful.core import InputError, Item, Scores, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import Diverse, ExpectedInformationGain, PromptEntropy, asked_entropy
from heedful.elicitation.diverse import _dpp
from heedful.elicitation.prompts import kth_distance


class Believer:
    """Utilities drawn afresh for each output by its text, with a spread told by its prompt."""

    def __call__(self, items: Sequence[Item]) -> Scores:
        columns = [
            np.random.default_rng([ord(c) for c in item.output[0].text]).normal(size=64) * spread(item)
            for item in items
        ]
        draws = np.stack(columns, axis=1)
        return Scores(draws.mean(axis=0), draws)


def place(item: Item) -> tuple[float, float]:
    x, y = item.context[0].text.split()
    return float(x), float(y)


def spread(item: Item) -> float:
    return 1.0 if place(item)[0] < 5 else 0.9


def features(contexts: Sequence[Any]) -> np.ndarray:
    return np.array([place(Item(context)) for context in contexts])


def clustered(counts: Sequence[int], seed: int = 0) -> list[tuple[Item, Item]]:
    """One pair on each prompt; cluster c of prompts lies about (10 c, 0)."""
    rng, pool = np.random.default_rng(seed), []
    for number, count in enumerate(counts):
        for x, y in rng.normal(0, 0.1, size=(count, 2)):
            context = f"{10 * number + x:.6f} {y:.6f}"
            pool.append((Item.of(context, f"{x}a"), Item.of(context, f"{y}b")))
    return pool


class TestPromptEntropy(AcquisitionRuleContract):
    def make(self) -> Any:
        return PromptEntropy(features, batch=4)

    def posterior(self) -> Any:
        return Believer()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return clustered((6, 4))


class TestDiverse(TestPromptEntropy):
    def make(self) -> Any:
        return Diverse(4)


class TestDeterminantal(TestPromptEntropy):
    def make(self) -> Any:
        return Diverse(4, "dpp")


@pytest.mark.parametrize(("d", "scale"), [(1, 1.0), (2, 0.3), (3, 2.0)])
def test_entropy_of_normal_prompts_is_that_of_the_normal(d: int, scale: float) -> None:
    """½ log((2πe σ²)^d), whatever the density of the pool that gives the scale."""
    truth = d / 2 * np.log(2 * np.pi * np.e * scale**2)
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        asked, pool = rng.normal(size=(600, d)) * scale, rng.normal(size=(900, d)) * 1.2 * scale
        found.append(asked_entropy(asked, pool, 20))
    assert np.mean(found) == pytest.approx(truth, abs=0.12)


def test_distances_are_to_the_kth_other_prompt() -> None:
    points = np.array([[0.0], [1.0], [3.0], [3.0], [7.0]])
    assert kth_distance(points, points, 1).tolist() == [1, 1, 2, 2, 4]
    assert kth_distance(points, points, 2).tolist() == [3, 2, 3, 3, 6]
    assert kth_distance(np.array([[2.5]]), points, 2).tolist() == [1.5]
    assert kth_distance(points, points, 99).tolist() == [7, 6, 4, 4, 7]


def test_without_weight_it_is_the_top_of_the_gains() -> None:
    pool, rng = clustered((10, 6, 3)), np.random.default_rng(0)
    plain = ExpectedInformationGain(8, diversity=False)(Believer(), pool, rng=rng)
    asked = PromptEntropy(features, batch=8, weight=0.0)(Believer(), pool, rng=rng)
    assert asked.items == plain.items
    np.testing.assert_allclose(asked.expected_gain, plain.expected_gain, atol=1e-12)


def test_a_crowded_cluster_is_not_asked_about_alone() -> None:
    pool, rng = clustered((60, 4, 4)), np.random.default_rng(0)
    shares = {}
    for weight in (0.0, 1.0):
        asked = PromptEntropy(features, batch=6, weight=weight, neighbours=3)(Believer(), pool, rng=rng)
        shares[weight] = np.bincount([round(place(pair[0])[0] / 10) for pair in asked.items], minlength=3)
    assert shares[0.0][0] >= 5
    assert (shares[1.0][1:] >= 1).all()
    before = [pair[0].context for pair in pool[60:]]
    later = PromptEntropy(features, before, batch=6, weight=1.0, neighbours=3)(Believer(), pool, rng=rng)
    clusters = np.bincount([round(place(pair[0])[0] / 10) for pair in later.items], minlength=3)
    assert clusters[0] > shares[1.0][0], "what was asked before counts"


def test_determinants_are_the_greedy_ones_and_near_the_best() -> None:
    rng = np.random.default_rng(0)
    points, gains = rng.normal(size=(9, 4)), rng.uniform(0.1, 1.0, size=9)
    rows = points / np.linalg.norm(points, axis=1, keepdims=True) * np.sqrt(gains)[:, None]
    kernel = rows @ rows.T
    volume = {
        some: float(np.linalg.det(kernel[np.ix_(some, some)]))
        for size in (1, 2, 3, 4)
        for some in itertools.combinations(range(9), size)
    }
    chosen: list[int] = []
    for step in range(4):
        best = max((n for n in range(9) if n not in chosen), key=lambda n: volume[tuple(sorted([*chosen, n]))])
        chosen.append(best)
        assert _dpp(points, gains, step + 1).tolist() == chosen
    beyond = _dpp(points, gains, 7)
    assert len(set(beyond.tolist())) == 7, "beyond the rank of the features the batch is filled by gain"
    rest = [n for n in np.argsort(-gains).tolist() if n not in chosen]
    assert beyond[4:].tolist() == rest[:3]


@pytest.mark.parametrize("how", ["k-means++", "dpp"])
def test_twins_are_not_asked_together(how: Any) -> None:
    rng = np.random.default_rng(3)
    unknown = rng.normal(size=(256, 3)) * [2.0, 1.8, 1.8]
    names = ("anchor", "y", "z", *(f"x{n}" for n in range(10)))
    draws = np.column_stack([np.zeros(256), unknown[:, 1:], np.repeat(unknown[:, :1], 10, axis=1)])
    posterior = ByHand(names, draws)
    pool = [(posterior.items[0], item) for item in posterior.items[1:]]
    for seed in range(5):
        asked = Diverse(3, how)(posterior, pool, rng=np.random.default_rng(seed))
        assert {item.system[0] for _, item in asked.items if item.system} == {"x", "y", "z"}


def test_the_first_of_k_means_is_drawn_by_gain_and_the_next_by_distance_too() -> None:
    posterior = ByHand(("a", "b", "c"), a_posterior(64).draws[:, :3])
    pool = all_pairs(posterior)
    gains = ExpectedInformationGain(3, diversity=False)(posterior, pool, rng=np.random.default_rng(0))
    by_pair = dict(zip(gains.items, gains.expected_gain, strict=True))
    weight = np.array([by_pair[pair] for pair in pool])
    firsts = [Diverse(1)(posterior, pool, rng=np.random.default_rng(seed)).items[0] for seed in range(600)]
    share = np.array([firsts.count(pair) for pair in pool]) / 600
    np.testing.assert_allclose(share, weight / weight.sum(), atol=0.08)


def test_false_uses_are_refused() -> None:
    rng = np.random.default_rng(0)
    pool = clustered((3,))
    with pytest.raises(InputError, match="fewer than two prompts"):
        PromptEntropy(lambda contexts: np.zeros((len(contexts), 2)))(Believer(), pool, rng=rng)
    with pytest.raises(InputError, match="finite"):
        PromptEntropy(lambda contexts: np.full((len(contexts), 2), np.nan))(Believer(), pool, rng=rng)
    with pytest.raises(UsageError):
        PromptEntropy(features, batch=0)
    with pytest.raises(UsageError, match="'k-means\\+\\+' or 'dpp'"):
        Diverse(3, "best")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="of 3 questions"):
        Diverse(2, features=lambda questions: np.zeros((2, 2)))(Believer(), pool, rng=rng)
    with pytest.raises(InputError, match="entropy of 1 point"):
        asked_entropy(np.zeros((1, 2)), np.zeros((5, 2)))
