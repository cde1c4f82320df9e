"""People and judges: gains against log-determinants, against draws, and with fitted judges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from posteriors_by_hand import ByHand
from scipy.special import expit
from test_elicitation_rules import a_posterior, all_pairs

from heedful.core import Item, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import GainPerCost, GaussianGains, Respondent, Routed, information_gain
from heedful.elicitation.routed import _left
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import ArenaWorld, SimulatedRaters, collect

PERSON, JUDGE = Respondent("person", 10.0), Respondent("judge", 1.0, deviation=0.8)


class TestRouted(AcquisitionRuleContract):
    def make(self) -> Any:
        return Routed((PERSON, JUDGE), 50.0, 12)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return all_pairs(a_posterior())


def log_det(matrix: np.ndarray) -> float:
    return float(np.linalg.slogdet(matrix)[1])


def test_gains_add_up_to_the_log_determinants() -> None:
    """Three utilities u, one judge who reads u + η, η correlated with u; six questions asked of both."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    joint = root @ root.T  # of (u, η)
    read = np.block([[np.eye(3), np.zeros((3, 3))], [np.eye(3), np.eye(3)]])  # (u, u + η) of (u, η)
    total = read @ joint @ read.T
    cross = total[:, :3]
    given = total - cross @ np.linalg.solve(joint[:3, :3], cross.T)
    plus, minus = np.array([0, 1, 3, 3, 4, 3]), np.array([1, 2, 4, 5, 5, 4])
    precision = rng.uniform(0.1, 0.5, size=6)
    search, sum_of_gains = GaussianGains(total, given, plus, minus, precision), 0.0
    for question in range(6):
        sum_of_gains += search.gains()[question]
        search.ask(question)
        x = np.zeros((question + 1, 6))
        x[np.arange(question + 1), plus[: question + 1]] = 1
        x[np.arange(question + 1), minus[: question + 1]] -= 1
        noise = np.diag(1 / precision[: question + 1])
        expected = (log_det(x @ total @ x.T + noise) - log_det(x @ given @ x.T + noise)) / 2
        assert sum_of_gains == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("rater", [Respondent("a"), Respondent("b", attention=0.5), Respondent("c", sharpness=-0.7)])
def test_one_answer_of_a_person_tells_about_what_the_draws_say(rater: Respondent) -> None:
    names = tuple("abcd")
    posterior = ByHand(names, np.random.default_rng(1).normal(size=(4000, 4)) * [0.2, 0.5, 0.8, 1.1])
    pool, rng = all_pairs(posterior), np.random.default_rng(0)
    routed = Routed((rater,), batch=1)(posterior, pool, rng=rng)
    drawn = GainPerCost(raters=(rater,), batch=1)(posterior, pool, rng=rng)
    assert routed.items == drawn.items
    assert routed.expected_gain[0] == pytest.approx(drawn.expected_gain[0], rel=0.1)


def test_one_answer_of_a_new_judge_tells_about_what_the_draws_say() -> None:
    """P(first | u) is averaged over the judge's deviation, which takes many draws for each draw of u."""
    rng = np.random.default_rng(2)
    posterior = ByHand(("a", "b"), rng.normal(size=(2000, 2)))
    asked = Routed((JUDGE,), batch=1)(posterior, [posterior.items], rng=rng)
    gap = posterior.draws[:, :1] - posterior.draws[:, 1:]
    p = expit(gap + 0.8 * np.sqrt(2) * rng.normal(size=1000)).mean(axis=1)
    assert asked.expected_gain[0] == pytest.approx(information_gain(np.stack([p, 1 - p])[:, :, None])[0], rel=0.15)


def test_a_judge_is_asked_while_it_is_cheap_to_learn_from_and_then_people_are() -> None:
    posterior = ByHand(("a", "b"), np.random.default_rng(3).normal(size=(2000, 2)) * 1.5)
    judges = tuple(Respondent("judge", 1.0 + i * 1e-6, deviation=0.6) for i in range(40))
    raters = (*judges, Respondent("person", 3.0))
    asked = Routed(raters, batch=41)(posterior, [posterior.items], rng=np.random.default_rng(0))
    person = asked.rater.index("person")
    assert 1 < person < 30
    per_cost = asked.expected_gain / asked.cost
    assert per_cost[0] > 2 * per_cost[person] > 0


def test_all_that_a_judge_says_tells_no_more_than_their_deviation_allows() -> None:
    """u − v apart by η ~ N(0, sd²): I(v; u) = ½ log(1 + var u / sd²) for the one difference of two items."""
    draws = np.random.default_rng(4).normal(size=(4000, 2))
    posterior = ByHand(("a", "b"), draws)
    judges = tuple(Respondent("judge", price, deviation=0.8) for price in np.linspace(1, 2, 400).tolist())
    asked = Routed(judges, batch=400)(posterior, [posterior.items], rng=np.random.default_rng(0))
    limit = np.log1p((draws[:, 0] - draws[:, 1]).var() / (2 * 0.8**2)) / 2
    assert 0.9 * limit < asked.expected_gain.sum() < limit
    apart = tuple(Respondent(f"judge {i}", deviation=0.8) for i in range(100))
    many = Routed(apart, batch=100)(posterior, [posterior.items], rng=np.random.default_rng(0))
    assert many.expected_gain.sum() > 1.5 * limit, "deviations of many judges average out"


def test_what_the_utilities_leave_of_a_reading_is_unbiased() -> None:
    """v = 0.5 u₁ − u₂ + N(0, 0.7²) over mirrored draws: the variance left is 0.49, few draws though there are."""
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        half = rng.normal(size=(8, 4)), 0.7 * rng.normal(size=(8, 1))
        u, noise = (np.concatenate([part, -part]) for part in half)
        found.append(float((_left(u[:, :1] * 0.5 - u[:, 1:2] + noise, u) ** 2).mean()))
    assert np.mean(found) == pytest.approx(0.49, abs=4 * np.std(found) / np.sqrt(len(found)))


def with_judge(people: int, judged: int) -> tuple[ArenaWorld, Table]:
    world, rng = ArenaWorld(6, seed=3), np.random.default_rng(0)
    votes = collect(world, people, raters=SimulatedRaters(20), rng=rng)
    other = ArenaWorld(6, given=tuple(world.strengths + rng.normal(size=6)), seed=3)
    frame = collect(other, judged, raters=SimulatedRaters(1), rng=rng, name="judge").frame
    told = Table.shaped(frame.with_columns(rater=pl.lit("judge"), rater_kind=pl.lit("model")))
    return world, Table.concat([votes, told])


def test_a_fitted_judge_tells_less_of_people_than_of_itself() -> None:
    world, table = with_judge(150, 150)
    posterior, pool = fit(table, prior_sd=1.0, draws=1024), list(itertools.combinations(world.items(), 2))
    rng = np.random.default_rng(0)
    judge = Respondent("judge")
    asked = Routed((judge,), batch=15)(posterior, pool, rng=rng)
    person = Routed((Respondent(),), batch=15)(posterior, pool, rng=rng)
    assert 0 < asked.expected_gain.sum() < 0.7 * person.expected_gain.sum()
    with pytest.raises(UsageError, match="fit with draws=48"):
        Routed((judge,))(fit(table, prior_sd=1.0, draws=16), pool, rng=rng)


def test_false_uses_are_refused() -> None:
    posterior = a_posterior()
    for wrong in ({"batch": 0}, {"budget": -1.0}, {"raters": ()}):
        with pytest.raises(UsageError):
            Routed(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing is known"):
        Routed()(posterior, [(posterior.items[0], Item(system="stranger"))], rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="deviates from what people want"):
        GainPerCost(raters=(JUDGE,))
