"""Rules by D-optimal design: the contract, what they make of posteriors, whom they ask, and whether it pays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand, WithTies, laplace
from scipy.special import expit
from test_elicitation_rules import squared_error

from heedful.core import InputError, Item, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import RULES, DifferenceUncertainty, DOptimal, Dual, Random, answer_information
from heedful.feedback import Table
from heedful.models import StyleFeatures
from heedful.preference import fit
from heedful.worlds import ArenaWorld, SimulatedRaters, answer

NAMES = ("a", "b", "c", "d", "e")


def a_posterior(k: int = 200, seed: int = 0) -> ByHand:
    return ByHand(NAMES, np.random.default_rng(seed).normal(size=(k, len(NAMES))) * [0.1, 0.5, 1, 2, 1])


def subsets(posterior: Any, size: int) -> list[tuple[Item, ...]]:
    return list(itertools.combinations(posterior.items, size))


class TestDOptimal(AcquisitionRuleContract):
    def make(self) -> Any:
        return DOptimal(batch=4)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return subsets(a_posterior(), 2)


class TestOfLists(TestDOptimal):
    def pool(self) -> Sequence[tuple[Item, ...]]:
        return [*subsets(a_posterior(), 3), *subsets(a_posterior(), 4), *subsets(a_posterior(), 2)]


class TestOfBests(TestOfLists):
    def make(self) -> Any:
        return DOptimal(batch=4, answers="best")


class TestOfTies(TestDOptimal):
    def posterior(self) -> Any:
        return WithTies(NAMES, a_posterior().draws, tie=0.8)


class TestDifferenceUncertainty(TestDOptimal):
    def make(self) -> Any:
        return DifferenceUncertainty(batch=4)


class TestDual(TestDOptimal):
    def make(self) -> Any:
        return Dual({"ann": 2.0, "bob": 0.5}, batch=4, price={"bob": 0.1})


def gaussian(posterior: ByHand) -> tuple[np.ndarray, np.ndarray]:
    return posterior.draws.mean(axis=0), np.cov(posterior.draws.T, bias=True)


def weighed(mean: np.ndarray, covariance: np.ndarray, questions: Sequence[tuple[int, ...]], answers: Any) -> float:
    """½ log det of the precision with these answers over that without, by dense matrices over all items."""
    told = np.zeros_like(covariance)
    for own in questions:
        told[np.ix_(own, own)] += answer_information(mean[list(own)][None], answers)[0]
    return 0.5 * float(np.linalg.slogdet(np.eye(len(mean)) + covariance @ told)[1])


@pytest.mark.parametrize("answers", ["ranking", "best"])
def test_a_batch_of_lists_is_the_greedy_one_of_dense_matrices(answers: Any) -> None:
    posterior = a_posterior()
    mean, covariance = gaussian(posterior)
    numbers = list(itertools.combinations(range(5), 3))
    asked = DOptimal(batch=3, answers=answers)(posterior, subsets(posterior, 3), rng=np.random.default_rng(0))
    chosen: list[tuple[int, ...]] = []
    for _ in range(3):
        value = [weighed(mean, covariance, [*chosen, own], answers) if own not in chosen else -1 for own in numbers]
        chosen.append(numbers[int(np.argmax(value))])
    assert [tuple(NAMES.index(item.system or "") for item in own) for own in asked.items] == chosen
    assert asked.expected_gain.sum() == pytest.approx(weighed(mean, covariance, chosen, answers), rel=1e-9)


def test_a_tie_leaves_as_much_as_davidsons_model_says() -> None:
    posterior = WithTies(NAMES, a_posterior().draws, tie=2.0)
    mean, covariance = gaussian(posterior)
    pool = subsets(posterior, 2)
    asked = DOptimal(batch=10)(posterior, pool, rng=np.random.default_rng(0))
    a, b = (NAMES.index(item.system or "") for item in asked.items[0])
    weights = np.array([np.exp((mean[a] - mean[b]) / 2), 2.0, np.exp((mean[b] - mean[a]) / 2)])
    p = weights / weights.sum()
    told = (p[0] + p[2] - (p[0] - p[2]) ** 2) / 4
    spread = covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]
    assert asked.expected_gain[0] == pytest.approx(0.5 * np.log1p(told * spread), rel=1e-9)


def test_features_share_what_is_learnt() -> None:
    # Lengths alone differ: after one pair far apart in length, little is left to learn from any other.
    rng = np.random.default_rng(0)
    items = [Item.of("q", "word " * n) for n in (1, 2, 4, 8, 16)]
    table = comparisons(items, rng.normal(size=5), 40, rng)
    posterior = fit(table, utility="features", features=StyleFeatures())
    pool = list(itertools.combinations(items, 2))
    asked = DOptimal(batch=4)(posterior, pool, rng=rng)
    design = posterior.utility.encoder.encode(items)  # type: ignore[attr-defined]
    mean, covariance = design @ posterior.mean, design @ posterior.covariance @ design.T
    chosen = [tuple(items.index(item) for item in own) for own in asked.items]
    assert asked.expected_gain.sum() == pytest.approx(weighed(mean, covariance, chosen, "best"), rel=1e-6)
    first = [weighed(mean, covariance, [own], "best") for own in itertools.combinations(range(5), 2)]
    assert asked.expected_gain[0] == pytest.approx(max(first), rel=1e-6)


def comparisons(items: list[Item], utility: np.ndarray, n: int, rng: np.random.Generator) -> Table:
    import polars as pl

    first = rng.integers(len(items), size=n)
    second = (first + rng.integers(1, len(items), size=n)) % len(items)
    won = rng.random(n) < expit(utility[first] - utility[second])
    texts = [item.output[0].text for item in items]
    columns = {
        "id": [str(row) for row in range(n)],
        "kind": ["comparison"] * n,
        "context": ["q"] * n,
        "outputs": [[texts[a], texts[b]] for a, b in zip(first, second, strict=True)],
        "choice": np.where(won, "first", "second"),
    }
    return Table.shaped(pl.DataFrame(columns))


def test_free_items_of_a_fit_are_weighed_by_their_covariance() -> None:
    world, rng = ArenaWorld(5, given=(1.0, 0.5, 0.0, -0.5, -1.0)), np.random.default_rng(0)
    items = world.items()
    pool = list(itertools.combinations(items, 2))
    posterior = fit(answer(world, pool * 20, raters=SimulatedRaters(1), rng=rng))
    assert posterior.identified.all()
    assert posterior.covariance is not None
    order = [posterior.names.index(item.system or "") for item in items]
    mean, covariance = posterior.mean[order], posterior.covariance[np.ix_(order, order)]
    asked = DOptimal(batch=3)(posterior, pool, rng=rng)
    chosen = [tuple(items.index(item) for item in own) for own in asked.items]
    assert asked.expected_gain.sum() == pytest.approx(weighed(mean, covariance, chosen, "best"), rel=1e-6)
    assert all(gain < 0.1 for gain in asked.expected_gain), "after forty votes a pair little is left"
    stranger = Item(system="stranger")
    assert stranger in DOptimal(batch=1)(posterior, [*pool, (items[0], stranger)], rng=rng).items[0]


def test_a_stranger_is_under_the_wide_prior() -> None:
    posterior = a_posterior()
    stranger = Item(system="stranger")
    asked = DOptimal(batch=1)(posterior, [(posterior.items[0], stranger)], rng=np.random.default_rng(0))
    mean, covariance = gaussian(posterior)
    p = expit(mean[0])
    assert asked.expected_gain[0] == pytest.approx(0.5 * np.log1p(p * (1 - p) * (6.25 + covariance[0, 0])), rel=1e-9)


def test_difference_uncertainty_does_not_ask_how_sure_the_answer_is() -> None:
    rng = np.random.default_rng(0)
    draws = np.column_stack([np.zeros(400), 6 + 3 * rng.normal(size=400), 2 * rng.normal(size=400)])
    posterior = ByHand(("anchor", "sure", "open"), draws)
    pool = [(posterior.items[0], posterior.items[1]), (posterior.items[0], posterior.items[2])]
    assert DifferenceUncertainty(batch=1)(posterior, pool, rng=rng).items == (pool[0],)
    assert DOptimal(batch=1)(posterior, pool, rng=rng).items == (pool[1],)


def test_the_norms_are_those_after_the_questions_before() -> None:
    posterior = a_posterior()
    mean, covariance = gaussian(posterior)
    pool = subsets(posterior, 2)
    asked = DifferenceUncertainty(batch=4)(posterior, pool, rng=np.random.default_rng(0))
    precision, rest = np.linalg.inv(covariance), set(itertools.combinations(range(5), 2))
    for own in asked.items:
        a, b = (NAMES.index(item.system or "") for item in own)
        left = np.linalg.inv(precision)
        norms = {(i, j): left[i, i] + left[j, j] - 2 * left[i, j] for i, j in rest}
        assert norms[a, b] == pytest.approx(max(norms.values()), rel=1e-8)
        rest.remove((a, b))
        x = np.eye(5)[a] - np.eye(5)[b]
        p = expit(mean[a] - mean[b])
        precision += p * (1 - p) * np.outer(x, x)


def test_the_sharp_rater_gets_the_close_pair_and_the_blunt_one_the_clear_pair() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(400, 2))
    noise = 0.3 * (noise - noise.mean(axis=0)) / noise.std(axis=0)
    posterior = ByHand(("anchor", "close", "clear"), np.column_stack([np.zeros(400), np.array([0.0, 4.0]) + noise]))
    pool = [(posterior.items[0], posterior.items[1]), (posterior.items[0], posterior.items[2])]
    asked = Dual({"sharp": 3.0, "blunt": 0.6}, batch=2)(posterior, pool, rng=rng)
    assert dict(zip(asked.items, asked.rater, strict=True)) == {pool[0]: "sharp", pool[1]: "blunt"}
    for gain, gap, beta in zip(asked.expected_gain, (0.0, 4.0), (3.0, 0.6), strict=True):
        told = beta**2 * expit(beta * gap) * expit(-beta * gap)
        assert gain == pytest.approx(0.5 * np.log1p(told * 0.09), rel=1e-3)
    dear = Dual({"sharp": 3.0, "blunt": 0.6}, batch=1, price={"sharp": 1000.0})(posterior, pool[:1], rng=rng)
    assert dear.rater == ("blunt",)
    assert dear.cost.tolist() == [1.0]


def test_false_uses_are_refused() -> None:
    posterior, rng = a_posterior(), np.random.default_rng(0)
    a, b, c = posterior.items[:3]
    for rule in (DOptimal(), DifferenceUncertainty(), Dual({"ann": 1.0})):
        for pool in ([(a, b), (a, a)], [(a, b), (a,)]):
            with pytest.raises(InputError, match="pool, row 1"):
                rule(posterior, pool, rng=rng)
    with pytest.raises(InputError, match="two different"):
        Dual({"ann": 1.0})(posterior, [(a, b, c)], rng=rng)
    for wrong in ({}, {"ann": np.nan}):
        with pytest.raises(UsageError, match="rationality"):
            Dual(wrong)
    for price in ({"bob": 1.0}, {"ann": 0.0}):
        with pytest.raises(UsageError, match="price"):
            Dual({"ann": 1.0}, price=price)
    with pytest.raises(UsageError, match="answer"):
        DOptimal(answers="ratings")  # type: ignore[arg-type]
    assert RULES["d-optimal"] is DOptimal


def test_asking_by_design_beats_asking_at_random() -> None:
    difference = []
    for seed in range(24):
        truth = np.random.default_rng(1000 + seed).normal(size=12) * 2.0
        each = [squared_error(truth, rule(batch=8), seed) for rule in (Random, DOptimal)]
        difference.append(each[0] - each[1])
    t = np.mean(difference) / (np.std(difference, ddof=1) / np.sqrt(len(difference)))
    assert t > 2.5, f"mean gain {np.mean(difference):.3f}, t = {t:.2f}"


def test_what_a_batch_is_said_to_tell_is_what_it_tells() -> None:
    """The fitted posterior's volume shrinks by the gains reported, on average over answers, once much is known."""
    rng, names = np.random.default_rng(0), tuple("abcdef")
    truth = rng.normal(size=6)
    pool = list(itertools.combinations([Item(system=name) for name in names], 2))
    first, second = (np.array([names.index(pair[side].system or "") for pair in pool * 8]) for side in (0, 1))
    said, shrunk = [], []
    for _ in range(30):
        won = (rng.random(len(first)) < expit(truth[first] - truth[second])).astype(float)
        mean, covariance = laplace(first, second, won, 6)
        posterior = ByHand(names, rng.multivariate_normal(mean, covariance, size=2000))
        asked = DOptimal(batch=15)(posterior, pool, rng=rng)
        a, b = (np.array([names.index(pair[side].system or "") for pair in asked.items]) for side in (0, 1))
        answered = (rng.random(15) < expit(truth[a] - truth[b])).astype(float)
        after = laplace(*map(np.concatenate, zip((first, second, won), (a, b, answered), strict=True)), 6)[1]
        said.append(asked.expected_gain.sum())
        shrunk.append(0.5 * (np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(after)[1]))
    assert np.mean(said) == pytest.approx(np.mean(shrunk), rel=0.05)
