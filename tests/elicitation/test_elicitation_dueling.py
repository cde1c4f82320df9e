"""Duels: the law of double Thompson sampling, bounds by hand, counts from tables, and regret against random pairs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from posteriors_by_hand import ByHand, WithTies, laplace
from scipy.special import expit

from heedful.core import InputError, Item, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import (
    RULES,
    Boltzmann,
    DoubleThompson,
    Duels,
    Perturbed,
    Random,
    Undominated,
    UpperConfidence,
    context_pairs,
    minimax_regret,
)
from heedful.elicitation.perturbed import perturbed_pair
from heedful.feedback import Table

NAMES = ("a", "b", "c", "d", "e")
ITEMS = tuple(Item(system=name) for name in NAMES)
CYCLE = np.array([[0.5, 0.8, 0.2, 0.7], [0.2, 0.5, 0.8, 0.7], [0.8, 0.2, 0.5, 0.7], [0.3, 0.3, 0.3, 0.5]])


def a_posterior(k: int = 12, seed: int = 0) -> ByHand:
    return ByHand(NAMES, np.random.default_rng(seed).normal(size=(k, len(NAMES))) * [0.1, 0.5, 1, 2, 1])


def duels_of(prefer: np.ndarray, each: int, seed: int = 0) -> Duels:
    """`each` duels of every pair with these probabilities."""
    wins = np.triu(np.random.default_rng(seed).binomial(each, prefer), 1).astype(float)
    return Duels(ITEMS[: len(prefer)], wins + np.tril(each - wins.T, -1), np.zeros_like(wins))


class TestDoubleThompson(AcquisitionRuleContract):
    def make(self) -> Any:
        return DoubleThompson(batch=4)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return list(itertools.combinations(ITEMS, 2))


class TestUpperConfidence(TestDoubleThompson):
    def make(self) -> Any:
        return UpperConfidence(batch=4)


class TestBoltzmann(TestDoubleThompson):
    def make(self) -> Any:
        return Boltzmann(batch=4)


class TestPerturbed(TestDoubleThompson):
    def make(self) -> Any:
        return Perturbed(batch=4)


class TestUndominated(TestDoubleThompson):
    def make(self) -> Any:
        return Undominated(batch=4)


class TestDoubleThompsonWithTies(TestDoubleThompson):
    def posterior(self) -> Any:
        return WithTies(NAMES, a_posterior().draws, tie=0.8)


class TestDoubleThompsonOfCounts(TestDoubleThompson):
    def posterior(self) -> Any:
        return Duels.none(ITEMS).tell(ITEMS[0], ITEMS[1], "tie")


class TestUpperConfidenceOfCounts(TestDoubleThompsonOfCounts):
    def make(self) -> Any:
        return UpperConfidence(batch=4)


def test_double_thompson_follows_its_law() -> None:
    """P(first, second) = P(first is best) · P(second is best | it is not the first), over the draws, by enumeration."""
    posterior = a_posterior(k=9, seed=3)
    best = posterior.draws.argmax(axis=1)
    expected: Counter[frozenset[str]] = Counter()
    for first in best:
        others = best[best != first]
        for second in others:
            expected[frozenset((NAMES[first], NAMES[second]))] += 1 / len(best) / len(others)  # type: ignore[assignment]
    pool, rng, runs = list(itertools.combinations(ITEMS, 2)), np.random.default_rng(0), 1500
    rule = DoubleThompson(batch=1)
    seen = Counter(
        frozenset(item.system or "" for item in rule(posterior, pool, rng=rng).items[0]) for _ in range(runs)
    )
    assert len(expected) > 2
    assert set(seen) == set(expected)
    for pair, p in expected.items():
        assert abs(seen[pair] / runs - p) < 4.5 * np.sqrt(p * (1 - p) / runs)


def test_where_the_best_is_certain_any_other_is_the_second() -> None:
    posterior = ByHand(("a", "b", "c"), np.array([[3.0, 0.0, -1.0], [3.1, 0.1, -2.0]]))
    pool = list(itertools.combinations(posterior.items, 2))
    seen = Counter(
        DoubleThompson(batch=1)(posterior, pool, rng=np.random.default_rng(seed)).items[0] for seed in range(200)
    )
    assert set(seen) == {pool[0], pool[1]}
    assert min(seen.values()) > 60


def test_boltzmann_follows_its_law() -> None:
    """Firsts ∝ e^u, seconds ∝ e^u among the others, whatever is not known."""
    utility = np.array([1.0, 0.0, -0.5])
    posterior = ByHand(("a", "b", "c"), utility + np.random.default_rng(0).normal(size=(1, 1)))
    p, rng, runs = np.exp(utility) / np.exp(utility).sum(), np.random.default_rng(0), 2000
    pool = list(itertools.combinations(posterior.items, 2))
    seen = Counter(Boltzmann(batch=1)(posterior, pool, rng=rng).items[0] for _ in range(runs))
    for pair in pool:
        a, b = (posterior.items.index(item) for item in pair)
        expected = p[a] * p[b] * (1 / (1 - p[a]) + 1 / (1 - p[b]))
        assert abs(seen[pair] / runs - expected) < 4.5 * np.sqrt(expected * (1 - expected) / runs)


def test_perturbed_duels_by_hand() -> None:
    """Means 1, 0.8, 0; only the last is in doubt. Greedy: the two best; with a bonus of 2, what may be best."""
    mean, left = np.array([1.0, 0.8, 0.0]), ~np.eye(3, dtype=bool)
    covariance, still = np.diag([0.0, 0.0, 0.25]), np.zeros(3)
    assert perturbed_pair(mean, covariance, still, left, 1.0, 0.0) == (0, 1)
    assert perturbed_pair(mean, covariance, still, left, 1.0, 2.0) == (0, 2)  # 0.8 < 0 + 2 · 0.5
    assert perturbed_pair(mean, covariance, np.array([0.0, 0.0, 2.1]), left, 1.0, 0.0) == (2, 0)
    left[0] = left[:, 0] = False
    assert perturbed_pair(mean, covariance, still, left, 1.0, 0.0) == (1, 2)
    # What moves together is not in doubt: with a correlation of one, the bonus is for 0.5 − 0.4 = 0.1.
    together = np.outer([0.5, 0.4, 0.0], [0.5, 0.4, 0.0])
    assert perturbed_pair(np.zeros(3), together, still, ~np.eye(3, dtype=bool), 0.0, 1.0) == (0, 2)


def test_the_robust_choice_has_the_least_regret_in_its_worst_class() -> None:
    """In the last class all fail alike, which says nothing against anybody."""
    best, regret = minimax_regret([[0.0, 0.5, 0.9], [0.2, 0.2, 0.9], [0.5, 0.1, 0.9]])
    assert best == 1
    np.testing.assert_allclose(regret, [[0, 0.4, 0], [0.2, 0.1, 0], [0.5, 0, 0]])
    with pytest.raises(InputError, match="finite"):
        minimax_regret([[np.nan]])
    with pytest.raises(UsageError, match="two or more"):
        Perturbed()(a_posterior(k=1), [ITEMS[:2]], rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="weights"):
        Perturbed(noise=-1.0)


def test_each_context_gets_its_duel_and_no_pair_two() -> None:
    groups = [[Item.of(f"q{context}", f"o{output}") for output in range(3)] for context in range(4)]
    items = [item for group in groups for item in group]
    posterior = ByHand(tuple(item.key for item in items), np.random.default_rng(0).normal(size=(20, 12)))
    pool = context_pairs(groups, rng=np.random.default_rng(0))
    for rule in (DoubleThompson(batch=4), UpperConfidence(batch=4)):
        asked = rule(posterior, pool, rng=np.random.default_rng(1))
        assert {pair[0].context for pair in asked.items} == {group[0].context for group in groups}
    whole = DoubleThompson(batch=99)(posterior, pool, rng=np.random.default_rng(1))
    assert set(whole.items) == set(pool)


def test_a_stranger_is_asked_about_as_often_as_any() -> None:
    """Known items are alike; one that the posterior knows nothing of is drawn as one of them."""
    posterior = ByHand(NAMES[:4], np.random.default_rng(5).normal(size=(400, 4)))
    pool, rng = list(itertools.combinations(ITEMS, 2)), np.random.default_rng(0)
    asked = [DoubleThompson(batch=1)(posterior, pool, rng=rng).items[0] for _ in range(300)]
    assert 0.25 < np.mean([ITEMS[4] in pair for pair in asked]) < 0.55


def test_upper_bounds_of_counts_by_hand() -> None:
    """After 8 duels of a and b (6 won by a) and 2 of a and c (1 tie, 1 won by c), as Zoghi et al. write them."""
    duels = Duels.none(ITEMS[:3])
    for _ in range(6):
        duels = duels.tell(ITEMS[0], ITEMS[1], "first")
    for _ in range(2):
        duels = duels.tell(ITEMS[0], ITEMS[1], "second")
    duels = duels.tell(ITEMS[0], ITEMS[2], "tie").tell(ITEMS[2], ITEMS[0], "first")
    pool = list(itertools.combinations(ITEMS[:3], 2))
    # t = 10. b against a: 2/8 + √(0.51 ln 10 / 8) = 0.633 ≥ 1/2; a against c: 1/4 + √(0.51 ln 10 / 2) = 1.02: all may
    # be the best. Against a, c has 3/4 + 0.77 and b 0.633; against b, c is unbounded; against c, b is.
    seen = {UpperConfidence(batch=1)(duels, pool, rng=np.random.default_rng(seed)).items[0] for seed in range(40)}
    assert seen == {pool[1], pool[2]}
    # With 80 times the duels b is beaten by a for sure, c beats a, and b and c are not known: c is asked about with b,
    # which has no bound against it.
    many = Duels(duels.items, duels.wins * 80, duels.ties * 80)
    seen = {UpperConfidence(batch=1)(many, pool, rng=np.random.default_rng(seed)).items[0] for seed in range(40)}
    assert seen == {pool[2]}


def test_counts_of_a_table_are_those_told_one_by_one() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(3, size=60), rng.integers(1, 3, size=60)
    second = (first + second) % 3
    choice = rng.choice(["first", "second", "tie"], size=60)
    systems = [[NAMES[a], NAMES[b]] for a, b in zip(first, second, strict=True)]
    table = Table.shaped(
        pl.DataFrame({"id": [str(n) for n in range(60)], "systems": systems, "choice": choice}).with_columns(
            kind=pl.lit("comparison")
        )
    )
    duels = Duels.none(ITEMS[:3])
    for a, b, outcome in zip(first, second, choice, strict=True):
        duels = duels.tell(ITEMS[a], ITEMS[b], outcome)
    read = Duels.of(table, ITEMS[:3])
    np.testing.assert_array_equal(read.wins, duels.wins)
    np.testing.assert_array_equal(read.ties, duels.ties)
    assert read.asked.sum() == 120
    some = Duels.of(table, ITEMS[1:3])
    np.testing.assert_array_equal(some.wins, duels.wins[1:, 1:])
    assert read.left_out == 0
    assert some.left_out + some.asked.sum() / 2 == 60


def test_draws_of_counts_have_the_moments_of_their_beta_law() -> None:
    duels = Duels(ITEMS[:2], np.array([[0.0, 5.0], [2.0, 0.0]]), np.array([[0.0, 2.0], [2.0, 0.0]]))
    drawn = duels.draws(np.random.default_rng(0), size=20_000)
    a, b = 7.0, 4.0
    assert drawn[:, 0, 1].mean() == pytest.approx(a / (a + b), abs=0.004)
    assert drawn[:, 0, 1].var() == pytest.approx(a * b / (a + b) ** 2 / (a + b + 1), rel=0.05)
    np.testing.assert_allclose(drawn + drawn.transpose(0, 2, 1), 1.0)


def by_search(draws: np.ndarray, width: float) -> frozenset[str]:
    """The pair of `Undominated` by its definition, item by item; the width is widened where there is none."""
    gap = draws[:, :, None] - draws[:, None]
    mean, sd = gap.mean(axis=0), gap.std(axis=0, ddof=1)
    n = draws.shape[1]
    hopeful = [i for i in range(n) if all(mean[j, i] <= width * sd[j, i] for j in range(n) if j != i)]
    if len(hopeful) < 2:
        return by_search(draws, width + 1e-3)
    return frozenset(NAMES[place] for place in max(itertools.combinations(hopeful, 2), key=lambda pair: sd[pair]))


@pytest.mark.parametrize("width", [0.0, 0.3, 1.0, 50.0])
def test_the_undominated_pair_is_that_of_a_search(width: float) -> None:
    for seed in range(20):
        posterior = a_posterior(seed=seed)
        asked = Undominated(1, width)(posterior, list(itertools.combinations(ITEMS, 2)), rng=np.random.default_rng(0))
        assert {item.system for item in asked.items[0]} == by_search(posterior.draws, width)


def test_a_batch_widens_what_may_be_best_when_pairs_run_out() -> None:
    """Of a, b, c, d only b and c may be the best; a is nearer to them than d, though less is known of d."""
    draws = np.array([[-1.0, 0.0, 0.1, -9.5], [-1.3, 0.1, 0.0, -9.0]])
    posterior = ByHand(NAMES[:4], draws)
    asked = Undominated(6)(posterior, list(itertools.combinations(ITEMS[:4], 2)), rng=np.random.default_rng(0))
    assert asked.items[0] == (ITEMS[1], ITEMS[2])
    assert {ITEMS[0] in pair and ITEMS[3] not in pair for pair in asked.items[1:3]} == {True}
    with pytest.raises(UsageError, match="at least 0"):
        Undominated(width=-1.0)


def late_regret(truth: np.ndarray, rule: Any, seed: int, duels: int = 60) -> float:
    """What the items asked about lack of the best, in nats: the mean over the second half of the duels."""
    n, rng = len(truth), np.random.default_rng(seed)
    items = tuple(Item(system=str(number)) for number in range(n))
    pool = list(itertools.combinations(items, 2))
    votes, lost = np.zeros((0, 3)), []
    for _ in range(duels):
        mean, covariance = laplace(votes[:, 0].astype(int), votes[:, 1].astype(int), votes[:, 2], n)
        posterior = ByHand(tuple(item.system or "" for item in items), rng.multivariate_normal(mean, covariance, 64))
        pair = [int(item.system or "") for item in rule(posterior, pool, rng=rng).items[0]]
        won = rng.random() < expit(truth[pair[0]] - truth[pair[1]])
        votes = np.concatenate([votes, [[*pair, won]]])
        lost.append(truth.max() - truth[pair].mean())
    return float(np.mean(lost[duels // 2 :]))


@pytest.mark.parametrize(
    "rule", [DoubleThompson(batch=1), UpperConfidence(batch=1), Perturbed(batch=1), Undominated(1, 1.0)]
)
def test_duels_of_the_best_regret_less_than_random_ones(rule: Any) -> None:
    saved = []
    for seed in range(8):
        truth = np.random.default_rng(100 + seed).normal(size=8)
        chance = truth.max() - truth.mean()  # what random pairs lack, exactly
        saved.append(1 - late_regret(truth, rule, seed) / chance)
    assert np.mean(saved) > 0.35, saved


def late_duels(rule: Any, prefer: np.ndarray, duels: int = 300) -> np.ndarray:
    """The items asked about in the second half of so many duels [duels / 2, 2]."""
    n, rng = len(prefer), np.random.default_rng(0)
    told, pool, asked = Duels.none(ITEMS[:n]), list(itertools.combinations(ITEMS[:n], 2)), []
    for _ in range(duels):
        pair = rule(told, pool, rng=rng).items[0]
        asked.append([ITEMS.index(item) for item in pair])
        told = told.tell(*pair, "first" if rng.random() < prefer[*asked[-1]] else "second")
    return np.array(asked[duels // 2 :])


def test_double_thompson_leaves_alone_who_is_no_copeland_winner() -> None:
    """All of the cycle of three are; item 3 is in half of random pairs."""
    assert (late_duels(DoubleThompson(batch=1), CYCLE) == 3).any(axis=1).mean() < 0.25


@pytest.mark.parametrize("rule", [DoubleThompson(batch=1), UpperConfidence(batch=1)])
def test_who_beats_all_is_asked_about_whatever_cycle_the_others_make(rule: Any) -> None:
    """The first item is in half of random pairs, and beats each of a cycle of three with probability 0.7."""
    prefer = np.pad(CYCLE[:3, :3], ((1, 0), (1, 0)), constant_values=0.7)
    prefer[:, 0] = 1 - prefer[0]
    assert (late_duels(rule, prefer) == 0).any(axis=1).mean() > 0.75


def test_false_uses_are_refused() -> None:
    with pytest.raises(InputError, match="each named once"):
        Duels.none([ITEMS[0], ITEMS[0]])
    with pytest.raises(InputError, match="'first', 'second' or 'tie'"):
        Duels.none(ITEMS).tell(ITEMS[0], ITEMS[1], "won")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="none of the 5 items"):
        Duels.none(ITEMS).tell(ITEMS[0], Item(system="z"), "tie")
    with pytest.raises(UsageError, match="exploration"):
        UpperConfidence(exploration=0.2)


def test_every_rule_reads_counts_but_those_of_utilities() -> None:
    duels, pool = duels_of(CYCLE, 1), list(itertools.combinations(ITEMS[:4], 2))
    none = dict.fromkeys(("gain per cost", "routed", "d-optimal", "difference"), "no utilities")
    of_utilities = {"perturbed": "have none", "undominated": "have none", **none}
    for name, why in of_utilities.items():
        with pytest.raises(UsageError, match=why):
            RULES[name]()(duels, pool, rng=np.random.default_rng(0))
    for rule in (own for name, own in RULES.items() if name not in of_utilities):
        asked = rule(batch=3)(duels, pool, rng=np.random.default_rng(0))  # type: ignore[call-arg]
        assert len(set(asked.items)) == 3
    assert set(Random(batch=9)(duels, pool, rng=np.random.default_rng(0)).items) == set(pool)
