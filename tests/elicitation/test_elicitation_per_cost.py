"""Questions of several kinds to several raters under a budget: against today's rule for pairs, listing, brute force."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand, WithTies
from test_elicitation_information import listed_information
from test_elicitation_rules import NAMES, a_posterior, all_pairs, outcomes_of

from heedful.core import InputError, Item, Queries, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import ExpectedInformationGain, GainPerCost, Respondent, answer_law, respondents, subsets
from heedful.feedback import Table
from heedful.preference import fit, fit_raters
from heedful.worlds import ArenaWorld, SimulatedRaters, collect

COSTS = {"comparison": 2.0, "ranking": 5.0, "best_of": 3.0}
RATERS = (Respondent("good", 1.0), Respondent("cheap", 0.3, attention=0.4), Respondent("contrary", 0.5, 2, 0.9, -1.0))


def a_pool(posterior: ByHand) -> list[tuple[Item, ...]]:
    rng = np.random.default_rng(0)
    return [*subsets([posterior.items], 2, rng=rng), *subsets([posterior.items], 3, rng=rng)]


class TestGainPerCost(AcquisitionRuleContract):
    def make(self) -> Any:
        return GainPerCost(COSTS, 20.0, 30, RATERS)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return a_pool(a_posterior())


@pytest.mark.parametrize("posterior", [a_posterior(), WithTies(NAMES, a_posterior().draws, tie=0.8)])
def test_of_pairs_at_one_cost_it_is_expected_information_gain(posterior: ByHand) -> None:
    pool, rng = all_pairs(posterior), np.random.default_rng(0)
    asked = GainPerCost(batch=4)(posterior, pool, rng=rng)
    today = ExpectedInformationGain(batch=4)(posterior, pool, rng=rng)
    assert asked.items == today.items
    np.testing.assert_allclose(asked.expected_gain, today.expected_gain, atol=1e-12)
    assert asked.kind == ("comparison",) * 4


def outcomes_asked(posterior: ByHand, asked: Queries, raters: Sequence[Respondent] = RATERS) -> list[np.ndarray]:
    """The outcome probabilities [o, k] of each question, written out."""
    by_id, found = {rater.id: rater for rater in raters}, []
    for question, name, kind in zip(asked.items, asked.rater, asked.kind, strict=True):
        u, rater = posterior(question).draws[:, None, :], by_id[name]
        law = answer_law(posterior, kind)
        seen, blind = law(rater.sharpness * u), law(0 * u)
        found.append((rater.attention * seen + (1 - rater.attention) * blind)[:, :, 0])
    return found


def joint(laws: Sequence[np.ndarray]) -> float:
    """The information of several answers together, answers listed; shorter lists of answers are padded."""
    most = max(map(len, laws))
    padded = np.stack([np.pad(law, ((0, most - len(law)), (0, 0))) for law in laws], axis=2)
    return listed_information(padded)


def test_gains_add_up_to_the_joint_information_and_stay_within_budget_and_capacity() -> None:
    posterior = a_posterior()
    rule = GainPerCost(COSTS, 6.0, 30, RATERS, histories=10_000)
    asked = rule(posterior, a_pool(posterior), rng=np.random.default_rng(0))
    assert asked.cost.sum() <= 6.0
    assert asked.rater.count("contrary") <= 2
    assert len(set(asked.rater)) > 1
    assert asked.expected_gain.sum() == pytest.approx(joint(outcomes_asked(posterior, asked)), abs=1e-10)
    prices = {rater.id: rater.price for rater in RATERS}
    np.testing.assert_allclose(asked.cost, [COSTS[k] * prices[r] for k, r in zip(asked.kind, asked.rater, strict=True)])


def test_each_step_takes_the_most_information_per_cost() -> None:
    posterior = a_posterior()
    pool = a_pool(posterior)[::3]
    asked = GainPerCost(COSTS, batch=3, raters=RATERS[:2])(posterior, pool, rng=np.random.default_rng(0))
    ways = list(zip(asked.items, asked.rater, asked.kind, strict=True))
    laws = outcomes_asked(posterior, asked)
    for step in range(3):
        before, top = joint(laws[:step]) if step else 0.0, -np.inf
        for question, rater, (kind, cost) in itertools.product(pool, RATERS[:2], COSTS.items()):
            if (len(question) == 3 and kind == "comparison") or (question, rater.id, kind) in ways[:step]:
                continue
            alone = Queries((question,), (rater.id,), np.zeros(1), np.zeros(1), kind=(kind,))
            told = joint([*laws[:step], *outcomes_asked(posterior, alone)]) - before
            top = max(top, told / (cost * rater.price))
        assert asked.expected_gain[step] / asked.cost[step] == pytest.approx(top, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_bought_is_near_the_best_that_the_budget_buys(seed: int) -> None:
    posterior = ByHand(("a", "b", "c"), np.random.default_rng(seed).normal(size=(8, 3)) * [0.3, 1.0, 2.0])
    budget, raters = 2.0, (Respondent("x", 1.0), Respondent("y", 0.6, attention=0.7))
    rule = GainPerCost({"comparison": 1.0, "ranking": 1.7}, budget, 9, raters, histories=10_000)
    pool = a_pool(posterior)
    asked = rule(posterior, pool, rng=np.random.default_rng(0))
    ways = [
        (question, rater, kind, cost * rater.price)
        for question, rater, (kind, cost) in itertools.product(pool, raters, rule.costs.items())
        if len(question) == 2 or kind == "ranking"
    ]
    best = 0.0
    for count in (1, 2, 3):
        for some in itertools.combinations(ways, count):
            if sum(way[3] for way in some) <= budget:
                questions, who, kinds, _ = zip(*some, strict=True)
                one = Queries(questions, tuple(r.id for r in who), np.zeros(count), np.zeros(count), kind=kinds)
                best = max(best, joint(outcomes_asked(posterior, one, raters)))
    assert asked.cost.sum() <= budget
    assert asked.expected_gain.sum() >= 0.8 * best, "the bound is 0.32; greedy choices do much better here"


def test_one_dear_question_is_asked_where_it_tells_more_than_all_cheap_ones() -> None:
    draws = np.column_stack([np.zeros(64), np.tile([-3.0, 3.0], 32), np.tile([-0.4, -0.4, 0.4, 0.4], 16)])
    posterior = ByHand(("a", "far", "near"), draws)
    a, far, near = posterior.items
    raters = (Respondent("dear", 10.0), Respondent("cheap", 0.01, 1, attention=0.1))
    rule = GainPerCost({"comparison": 1.0}, 10.0, 5, raters)
    asked = rule(posterior, [(a, far), (a, near)], rng=np.random.default_rng(0))
    assert asked.rater == ("dear",)
    assert asked.items == ((a, far),)


def test_a_contrary_rater_tells_as_much_as_one_who_agrees() -> None:
    posterior = a_posterior()
    pool, rng = all_pairs(posterior), np.random.default_rng(0)
    gains = [
        GainPerCost(batch=3, raters=(Respondent("x", sharpness=sign),))(posterior, pool, rng=rng).expected_gain
        for sign in (1.0, -1.0)
    ]
    np.testing.assert_allclose(gains[0], gains[1], atol=1e-12)
    p = 0.5 + 0.6 * (outcomes_of(posterior, pool)[0] - 0.5)
    half = GainPerCost(batch=1, raters=(Respondent("x", attention=0.6),))(posterior, pool, rng=rng)
    best = max(listed_information(np.stack([p, 1 - p])[:, :, [column]]) for column in range(len(pool)))
    assert half.expected_gain[0] == pytest.approx(best, abs=1e-12)


def test_a_fitted_posterior_is_asked_in_every_kind_it_has_read() -> None:
    world, rng = ArenaWorld(5, seed=1), np.random.default_rng(0)
    raters = SimulatedRaters(12, tie=0.3)
    kinds = ("comparison", "ranking", "rating", "label")
    table = Table.concat([collect(world, 120, raters=raters, rng=rng, kind=kind, name=kind) for kind in kinds])
    posterior = fit(table)
    pool = [question for size in (1, 2, 4) for question in subsets([world.items()], size, rng=rng)]
    costs = dict.fromkeys(kinds, 1.0)
    asked = GainPerCost(costs, batch=5)(posterior, pool, rng=rng)
    assert asked.kind[0] == "ranking", "at equal cost the order of four tells most"
    dear = GainPerCost(costs | {"ranking": 1000.0}, batch=8)(posterior, pool, rng=rng)
    assert set(dear.kind) <= {"comparison", "rating", "label"}
    known = GainPerCost({"rating": 1.0}, batch=2, raters=(Respondent("rater-001"),))(posterior, pool[:5], rng=rng)
    assert (known.expected_gain > 0).all()


def test_careful_raters_found_by_fit_raters_are_asked_first() -> None:
    world, rng = ArenaWorld(6, seed=2), np.random.default_rng(0)
    careless = np.repeat([0.0, 0.9], 10)
    table = collect(world, 1600, raters=SimulatedRaters(20, carelessness=careless), rng=rng)
    fitted = fit_raters(table, model="lapse")
    people = respondents(fitted, capacity=2)
    pool = list(itertools.combinations(world.items(), 2))
    asked = GainPerCost(batch=12, raters=people)(fitted.items, pool, rng=rng)
    good = {f"rater-{number:03d}" for number in range(1, 11)}
    assert set(asked.rater) <= good
    assert max(asked.rater.count(name) for name in good) == 2
    with pytest.raises(InputError, match="no price for"):
        respondents(fitted, price={"rater-001": 1.0})


def test_false_uses_are_refused() -> None:
    posterior, rng = a_posterior(), np.random.default_rng(0)
    a, b, c = posterior.items[:3]
    with pytest.raises(UsageError, match="none of comparison asks about 3 items"):
        GainPerCost()(posterior, [(a, b), (a, b, c)], rng=rng)
    with pytest.raises(InputError, match="pool, row 1"):
        GainPerCost()(posterior, [(a, b), (a, a)], rng=rng)
    with pytest.raises(InputError, match="nothing is known of 'stranger'"):
        GainPerCost()(posterior, [(a, Item(system="stranger"))], rng=rng)
    for wrong in ({"costs": {"comparison": 0.0}}, {"batch": 0}, {"budget": -1.0}, {"raters": ()}):
        with pytest.raises(UsageError):
            GainPerCost(**wrong)  # type: ignore[arg-type]
    for wrong in ({"price": 0.0}, {"attention": 1.5}, {"sharpness": np.nan}, {"capacity": -1}):
        with pytest.raises(InputError):
            Respondent("x", **wrong)  # type: ignore[arg-type]
