"""Acquisition rules: the contract, the greedy batch, what cannot be placed, and whether asking well pays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand, WithTies, laplace
from scipy.special import expit
from test_elicitation_information import listed_information

from heedful.core import InputError, Item, Scores, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import RULES, ExpectedInformationGain, Mixed, Random, Uncertainty, item_pairs
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import ArenaWorld, SimulatedRaters, answer

NAMES = ("a", "b", "c", "d", "e")


def a_posterior(k: int = 12, seed: int = 0) -> ByHand:
    return ByHand(NAMES, np.random.default_rng(seed).normal(size=(k, len(NAMES))) * [0.1, 0.5, 1, 2, 1])


def all_pairs(posterior: ByHand) -> list[tuple[Item, Item]]:
    return list(itertools.combinations(posterior.items, 2))


def outcomes_of(posterior: ByHand, pairs: Sequence[tuple[Item, Item]]) -> np.ndarray:
    first, second = zip(*pairs, strict=True)
    p = expit(posterior(first).draws - posterior(second).draws)
    return np.stack([p, 1 - p])


class TestExpectedInformationGain(AcquisitionRuleContract):
    def make(self) -> Any:
        return ExpectedInformationGain(batch=4)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return all_pairs(a_posterior())


class TestTopInformationGain(TestExpectedInformationGain):
    def make(self) -> Any:
        return ExpectedInformationGain(batch=4, diversity=False)


class TestUncertainty(TestExpectedInformationGain):
    def make(self) -> Any:
        return Uncertainty(batch=4)


class TestRandom(TestExpectedInformationGain):
    def make(self) -> Any:
        return Random(batch=4)


class TestMixed(TestExpectedInformationGain):
    def make(self) -> Any:
        return Mixed(Uncertainty(), batch=4, explore=0.4)


class TestWithTies(TestExpectedInformationGain):
    def posterior(self) -> Any:
        return WithTies(NAMES, a_posterior().draws, tie=0.8)


def test_greedy_batch_equals_greedy_enumeration() -> None:
    posterior = a_posterior()
    pool = all_pairs(posterior)
    asked = ExpectedInformationGain(batch=4)(posterior, pool, rng=np.random.default_rng(0))
    chosen: list[tuple[Item, Item]] = []
    for _ in range(4):
        rest = [pair for pair in pool if pair not in chosen]
        value = [listed_information(outcomes_of(posterior, [*chosen, pair])) for pair in rest]
        chosen.append(rest[int(np.argmax(value))])
    assert list(asked.items) == chosen
    assert asked.expected_gain.sum() == pytest.approx(listed_information(outcomes_of(posterior, chosen)), abs=1e-12)


def test_looking_lazily_finds_what_looking_everywhere_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"s{n}" for n in range(40))
    posterior = ByHand(names, np.random.default_rng(1).normal(size=(64, 40)))
    pool = all_pairs(posterior)
    rule = ExpectedInformationGain(batch=6)
    whole = rule(posterior, pool, rng=np.random.default_rng(0))
    monkeypatch.setattr("heedful.elicitation.asking.CHUNK", 7)
    pieces = rule(posterior, pool, rng=np.random.default_rng(0))
    assert whole.items == pieces.items
    np.testing.assert_allclose(whole.expected_gain, pieces.expected_gain, atol=1e-12)


def test_ties_count_as_answers() -> None:
    posterior = WithTies(NAMES, a_posterior().draws, tie=2.0)
    pool = all_pairs(posterior)
    asked = ExpectedInformationGain(batch=1)(posterior, pool, rng=np.random.default_rng(0))
    each = []
    for a, b in pool:  # Davidson (1970): e^{d/2}, tie, e^{-d/2}
        half = (posterior([a]).draws - posterior([b]).draws) / 2
        weights = np.stack([np.exp(half), np.full_like(half, 2.0), np.exp(-half)])
        each.append(listed_information(weights / weights.sum(axis=0)))
    assert asked.items == (pool[int(np.argmax(each))],)
    assert asked.expected_gain[0] == pytest.approx(max(each), abs=1e-12)


def test_diversity_beats_the_top_of_a_redundant_pool() -> None:
    # x and its nine twins are one unknown; y and z are two more, a little better known. Top-k asks about x ten times.
    rng = np.random.default_rng(3)
    unknown = rng.normal(size=(256, 3)) * [2.0, 1.8, 1.8]
    names = ("anchor", "y", "z", *(f"x{n}" for n in range(10)))
    draws = np.column_stack([np.zeros(256), unknown[:, 1:], np.repeat(unknown[:, :1], 10, axis=1)])
    posterior = ByHand(names, draws)
    pool = [(posterior.items[0], item) for item in posterior.items[1:]]
    asked = {
        diverse: ExpectedInformationGain(batch=3, diversity=diverse)(posterior, pool, rng=np.random.default_rng(0))
        for diverse in (True, False)
    }
    joint = {diverse: listed_information(outcomes_of(posterior, queries.items)) for diverse, queries in asked.items()}
    assert {item.system for _, item in asked[True].items} >= {"y", "z"}
    assert {item.system[0] for _, item in asked[False].items if item.system} == {"x"}
    assert joint[True] > 1.3 * joint[False]
    assert asked[False].expected_gain.sum() > 1.3 * joint[False], "single gains overstate a redundant batch"


def test_uncertainty_takes_noise_for_ignorance_and_information_does_not() -> None:
    # known: a coin flip for certain. open: either way, each draw being sure.
    draws = np.column_stack([np.zeros(50), np.zeros(50), np.where(np.arange(50) % 2, 4.0, -3.8)])
    posterior = ByHand(("a", "known", "open"), draws)
    pool = [(posterior.items[0], posterior.items[1]), (posterior.items[0], posterior.items[2])]
    names = ("information", "uncertainty")
    first = {name: RULES[name](batch=1)(posterior, pool, rng=np.random.default_rng(0)) for name in names}
    assert first["uncertainty"].items == (pool[0],)
    assert first["uncertainty"].expected_gain[0] == pytest.approx(0, abs=1e-12)
    assert first["information"].items == (pool[1],)


def test_an_unknown_item_is_asked_about_first_and_then_counts_for_less() -> None:
    posterior = a_posterior()
    stranger, newcomer = Item(system="stranger"), Item(system="newcomer")
    pool = [*all_pairs(posterior), *((posterior.items[place], stranger) for place in (0, 1)), (newcomer, stranger)]
    asked = ExpectedInformationGain(batch=4)(posterior, pool, rng=np.random.default_rng(0))
    assert asked.items[:2] == ((posterior.items[0], stranger), (newcomer, stranger))
    np.testing.assert_allclose(asked.expected_gain[:2], np.log(2))
    again = asked.items.index((posterior.items[1], stranger)) if (posterior.items[1], stranger) in asked.items else 9
    assert again > 1
    assert asked.expected_gain[2] < np.log(2) / 2


def test_what_has_no_finite_draws_counts_as_unknown() -> None:
    posterior = a_posterior()
    posterior.draws[:, 4] = np.nan
    asked = ExpectedInformationGain(batch=2)(posterior, all_pairs(posterior), rng=np.random.default_rng(0))
    assert [item.system for item in asked.items[0]] == ["a", "e"]
    assert asked.expected_gain[0] == pytest.approx(np.log(2))
    assert asked.expected_gain[1] < np.log(2)


def test_one_pair_either_way_round_is_one_question() -> None:
    posterior = a_posterior()
    a, b, c = posterior.items[:3]
    asked = ExpectedInformationGain(batch=9)(posterior, [(a, b), (b, a), (a, b), (b, c)], rng=np.random.default_rng(0))
    assert set(asked.items) == {(a, b), (b, c)}


def test_a_hundred_thousand_pairs_are_quick() -> None:
    import time

    posterior = ByHand(tuple(f"s{n}" for n in range(450)), np.random.default_rng(0).normal(size=(128, 450)))
    pool = all_pairs(posterior)
    assert len(pool) > 100_000
    start = time.process_time()
    ExpectedInformationGain(batch=4)(posterior, pool, rng=np.random.default_rng(0))
    assert time.process_time() - start < 15


def test_false_uses_are_refused() -> None:
    posterior, rng = a_posterior(), np.random.default_rng(0)
    a, b, c = posterior.items[:3]
    with pytest.raises(InputError, match="pool, row 1"):
        ExpectedInformationGain()(posterior, [(a, b), (a, a)], rng=rng)
    with pytest.raises(InputError, match="two different items"):
        ExpectedInformationGain()(posterior, [(a, b, c)], rng=rng)
    with pytest.raises(UsageError, match="none"):
        ExpectedInformationGain()(lambda items: Scores(np.zeros(len(items))), [(a, b)], rng=rng)
    for rule in RULES.values():
        with pytest.raises(UsageError):
            rule(batch=0)  # type: ignore[call-arg]


def squared_error(truth: np.ndarray, rule: Any, seed: int, rounds: int = 8) -> float:
    """Mean squared error of the strengths after `rounds` of questions, by a Laplace posterior under N(0, 4)."""
    n, rng = len(truth), np.random.default_rng(seed)
    names = tuple(str(number) for number in range(n))
    pool = list(itertools.combinations([Item(system=name) for name in names], 2))
    votes = np.zeros((0, 3))
    mean, covariance = np.zeros(n), 4 * np.eye(n)
    for _ in range(rounds):
        posterior = ByHand(names, rng.multivariate_normal(mean, covariance, size=256))
        asked = rule(posterior, pool, rng=rng)
        pairs = np.array([[int(item.system) for item in pair] for pair in asked.items])
        won = rng.random(len(pairs)) < expit(truth[pairs[:, 0]] - truth[pairs[:, 1]])
        votes = np.concatenate([votes, np.column_stack([pairs, won])])
        mean, covariance = laplace(votes[:, 0].astype(int), votes[:, 1].astype(int), votes[:, 2], n, sd=2.0)
    return float(np.mean((mean - mean.mean() - truth + truth.mean()) ** 2))


def test_asking_for_information_beats_asking_at_random() -> None:
    # The same worlds and budgets for both; strengths spread widely, so that most random pairs are foregone conclusions.
    difference = []
    for seed in range(24):
        truth = np.random.default_rng(1000 + seed).normal(size=12) * 2.0
        each = [squared_error(truth, rule(batch=8), seed) for rule in (Random, ExpectedInformationGain)]
        difference.append(each[0] - each[1])
    t = np.mean(difference) / (np.std(difference, ddof=1) / np.sqrt(len(difference)))
    assert t > 2.5, f"mean gain {np.mean(difference):.3f}, t = {t:.2f}"


def test_a_fitted_posterior_is_asked_to_join_its_islands() -> None:
    # Two islands of three systems, each settled within itself: nothing is worth as much as a question between them.
    world = ArenaWorld(6, given=(0.5, 0.0, -0.5, 0.5, 0.0, -0.5))
    items = world.items()
    within = [*itertools.permutations(items[:3], 2), *itertools.permutations(items[3:], 2)] * 20
    rng = np.random.default_rng(0)
    table = answer(world, within, raters=SimulatedRaters(1), rng=rng)
    posterior = fit(table)
    assert not posterior.identified.all()
    pool = item_pairs(items, rng=rng, table=table, posterior=posterior)
    asked = ExpectedInformationGain(batch=2)(posterior, pool, rng=rng)
    joins = [len({items.index(item) // 3 for item in pair}) == 2 for pair in (*pool[: pool.connecting], *asked.items)]
    assert joins == [True] * (pool.connecting + 2)
    assert asked.expected_gain[1] < 0.9 * asked.expected_gain[0], (
        "the second join tells less once the first is answered"
    )


def test_newcomers_are_placed_sooner_by_asking_than_at_random() -> None:
    difference = []
    for seed in range(28):
        losses = [newcomers_loss(rule(batch=20), seed) for rule in (Random, ExpectedInformationGain)]
        difference.append(losses[0] - losses[1])
    t = np.mean(difference) / (np.std(difference, ddof=1) / np.sqrt(len(difference)))
    assert t > 2.0, f"mean gain {np.mean(difference):.4f} nats, t = {t:.2f}"


def newcomers_loss(rule: Any, seed: int, old: int = 18) -> float:
    """Mean KL (nats) of predicted from true votes on the pairs of an old and a new system, after 2 rounds."""
    world, rng = ArenaWorld(old + 2, tie=0.3, prompts=100_000, seed=seed), np.random.default_rng(seed)
    raters, items = SimulatedRaters(200, tie=0.3), world.items()
    settled = [tuple(items[place] for place in rng.permutation(old)[:2]) for _ in range(600)]
    table = answer(world, [*settled, *itertools.product(items[old:], items[:2])], raters=raters, rng=rng)
    for _ in range(2):
        posterior = fit(table, seed=seed)
        asked = rule(posterior, item_pairs(items, rng=rng, table=table, posterior=posterior), rng=rng)
        table = Table.concat([table, answer(world, asked.items, raters=raters, rng=rng)])
    first, second = zip(*itertools.product(items[old:], items[:old]), strict=True)
    truth = world.win_probability(*([item.system or "" for item in side] for side in (first, second)))
    guess = fit(table, seed=seed).prefer(first, second)
    return float(np.mean(truth * np.log(truth / guess) + (1 - truth) * np.log((1 - truth) / (1 - guess))))


@pytest.mark.parametrize(("batch", "explore"), [(1, 0.2), (4, 0.4), (4, 0.5), (3, 1.0), (10, 0.3)])
def test_propensity_is_how_often_a_question_comes_to_be_asked(batch: int, explore: float) -> None:
    posterior, rng = a_posterior(), np.random.default_rng(0)
    pool, calls = all_pairs(posterior), 600
    counts, said = dict.fromkeys(map(frozenset, pool), 0), dict[frozenset[Item], float]()
    for _ in range(calls):
        asked = Mixed(Uncertainty(batch), explore)(posterior, [*pool, pool[0][::-1]], rng=rng)
        assert len(asked.items) == batch
        assert asked.propensity is not None
        for question, chance in zip(asked.items, asked.propensity, strict=True):
            counts[frozenset(question)] += 1
            assert said.setdefault(frozenset(question), chance) == chance
    assert len(said) == len(pool)
    assert sum(said.values()) == pytest.approx(batch)
    for question, chance in said.items():
        assert abs(counts[question] - calls * chance) <= 4.5 * np.sqrt(calls * chance * (1 - chance)) + 1e-9


def test_a_mixture_of_a_small_share_keeps_the_first_questions_of_its_rule() -> None:
    posterior = a_posterior()
    rule, pool = ExpectedInformationGain(4), all_pairs(posterior)
    best = rule(posterior, pool, rng=np.random.default_rng(0))
    asked = Mixed(rule, 0.5)(posterior, pool, rng=np.random.default_rng(0))
    assert asked.items[:2] == best.items[:2]
    np.testing.assert_array_equal(asked.propensity, [1.0, 1.0, 0.25, 0.25])
    own = Random(10)(posterior, pool, rng=np.random.default_rng(0))
    gains = dict(zip(own.items, own.expected_gain, strict=True))
    assert asked.expected_gain[3] == gains[asked.items[3]]
    for wrong in (0.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="explore"):
            Mixed(rule, wrong)
