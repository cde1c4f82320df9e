"""The arena: closed forms against integration and simulation, tables as they should be."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from heedful.core import FitError, InputError, Item
from heedful.worlds import ArenaWorld, SimulatedRaters, answer, collect, davidson_limit, tie_probabilities


def test_win_probability_without_prompt_effects_is_logistic() -> None:
    world = ArenaWorld(6, seed=2)
    a, b = world.names[:3], world.names[3:]
    np.testing.assert_allclose(world.win_probability(a, b), expit(world.truth(a) - world.truth(b)), atol=1e-12)
    np.testing.assert_allclose(world.win_probability(b, a), 1 - world.win_probability(a, b), atol=1e-12)


def test_win_probability_with_prompt_effects_is_the_integral() -> None:
    world = ArenaWorld(2, given=(0.8, -0.4), prompt_spread=0.9, tie=0.6)
    weights = lambda x: np.array([np.exp(x / 2), np.exp(-x / 2), 0.6])  # noqa: E731
    density = norm(1.2, np.sqrt(2) * 0.9).pdf
    expected = [quad(lambda x, o=o: density(x) * weights(x)[o] / weights(x).sum(), -12, 14)[0] for o in range(3)]
    found = world.outcome_probabilities(["system-1"], ["system-2"])[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert world.win_probability(["system-1"], ["system-2"])[0] == pytest.approx(expected[0] / sum(expected[:2]))


@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_simulated_frequencies_match(spread: float) -> None:
    world = ArenaWorld(4, tie=0.5, prompt_spread=spread, prompts=20_000, seed=3)
    table = world.sample(120_000, rng=np.random.default_rng(0))
    votes = table.frame.select(
        a=pl.col("systems").list.get(0), b=pl.col("systems").list.get(1), choice=pl.col("choice").cast(pl.String)
    )
    for (a, b), group in votes.group_by("a", "b"):
        expected = world.outcome_probabilities([a], [b])[:, 0]
        found = [np.mean(group["choice"].to_numpy() == choice) for choice in ("first", "second", "tie")]
        # Votes on one prompt go together; 20,000 prompts leave the frequencies nearly independent.
        assert np.abs(found - expected).max() < 5 * np.sqrt(0.25 / group.height)
    assert votes.select("a", "b").n_unique() == 12


def test_truth_is_centred_and_in_the_order_asked() -> None:
    world = ArenaWorld(30, spread=2.0)
    assert world.truth().sum() == pytest.approx(0)
    assert np.std(world.truth()) == pytest.approx(2.0, rel=0.3)
    np.testing.assert_array_equal(world.truth(world.names[::-1]), world.truth()[::-1])
    assert ArenaWorld(30, seed=1).truth()[0] != ArenaWorld(30, seed=2).truth()[0]


def test_projection_is_the_truth_without_prompt_effects_and_shrinks_with_them() -> None:
    plain = ArenaWorld(8, tie=0.7)
    np.testing.assert_allclose(plain.projection(), plain.truth(), atol=1e-6)
    noisy = ArenaWorld(8, prompt_spread=1.0)
    slope = np.polyfit(noisy.truth(), noisy.projection(), 1)[0]
    # A logistic curve with normal noise of variance v is nearly logistic with slope 1/sqrt(1 + πv/8).
    assert slope == pytest.approx(1 / np.sqrt(1 + np.pi * 2 / 8), abs=0.03)


def test_projection_is_where_large_samples_lead() -> None:
    world = ArenaWorld(5, prompt_spread=1.2, prompts=200_000, seed=4)
    table = world.sample(400_000, rng=np.random.default_rng(1))
    number = {name: place for place, name in enumerate(world.names)}
    a, b = (table.frame["systems"].list.get(side).replace_strict(number).to_numpy() for side in (0, 1))
    wins = np.zeros((5, 5))
    np.add.at(wins, (a, b), table.frame["choice"].to_numpy() == "first")
    np.add.at(wins, (b, a), table.frame["choice"].to_numpy() == "second")
    rate = wins / np.maximum(wins + wins.T, 1)
    fitted, weight = davidson_limit(np.stack([rate, rate.T, np.zeros((5, 5))]))
    np.testing.assert_allclose(fitted, world.projection(), atol=0.03)
    assert weight == 0.0


def test_projection_with_ties_balances_scores_and_ties() -> None:
    world = ArenaWorld(5, prompt_spread=1.2, tie=0.8)
    rows, columns = np.nonzero(~np.eye(5, dtype=bool))
    names = np.array(world.names)
    outcomes = np.zeros((3, 5, 5))
    outcomes[:, rows, columns] = world.outcome_probabilities(names[rows].tolist(), names[columns].tolist())
    strengths, weight = davidson_limit(outcomes)
    model = np.zeros((3, 5, 5))
    model[:, rows, columns] = tie_probabilities((strengths[:, None] - strengths)[rows, columns], weight, "davidson")
    np.testing.assert_allclose(model[2].sum(), outcomes[2].sum(), atol=1e-6)
    scores = [(each[0] + each[2] / 2).sum(axis=1) for each in (model, outcomes)]
    np.testing.assert_allclose(*scores, atol=1e-6)
    np.testing.assert_allclose(strengths, world.projection(), atol=1e-9)


def test_no_strengths_fit_an_item_that_always_wins() -> None:
    sure = np.array([[0.0, 1.0], [0.0, 0.0]])
    with pytest.raises(FitError):
        davidson_limit(np.stack([sure, sure.T, np.zeros((2, 2))]))


def test_table_holds_what_records_need() -> None:
    world = ArenaWorld(5, prompts=7)
    table = world.sample(40, rng=np.random.default_rng(0), raters=SimulatedRaters(6), votes=4)
    records = list(table.records())
    assert len({record.id for record in records}) == 40
    assert {record.order for record in records} == {"shown"}
    for start in range(0, 40, 4):
        four = records[start : start + 4]
        assert len({record.rater.id for record in four if record.rater}) == 4
        assert len({(record.context, record.items()) for record in four}) == 1
    assert all(record.rater and record.rater.kind == "simulated" for record in records)
    assert table.frame["time"].is_sorted()


@pytest.mark.parametrize("kind", ["comparison", "ranking", "best_of", "best_worst", "rating", "label"])
def test_every_kind_is_a_valid_record(kind: Any) -> None:
    raters = SimulatedRaters(3, tie=0.4, tie_law="threshold", degree_step=1.0)
    table = collect(ArenaWorld(6), 60, raters=raters, rng=np.random.default_rng(0), kind=kind)
    assert [record.kind for record in table.records()] == ["best_of" if kind == "best_worst" else kind] * 60
    assert table.has("worst") == (kind == "best_worst")
    again = collect(ArenaWorld(6), 60, raters=raters, rng=np.random.default_rng(0), kind=kind)
    assert table.frame.equals(again.frame)


def test_answers_are_to_the_questions_asked_in_random_order() -> None:
    world = ArenaWorld(4)
    a, b = Item(system="system-1"), Item(system="system-3")
    table = answer(world, [(a, b)] * 400, raters=SimulatedRaters(9), rng=np.random.default_rng(0), time=1.0)
    first = table.frame["systems"].list.get(0)
    assert set(table.frame["systems"].explode()) == {"system-1", "system-3"}
    assert 140 < (first == "system-1").sum() < 260
    assert table.frame["time"].n_unique() == 1
    assert len(answer(world, [], raters=SimulatedRaters(9), rng=np.random.default_rng(0))) == 0


def test_a_million_comparisons_are_quick() -> None:
    world = ArenaWorld(100, prompt_spread=0.4, tie=0.3)
    start = time.process_time()
    assert len(world.sample(1_000_000, rng=np.random.default_rng(0))) == 1_000_000
    assert time.process_time() - start < 4, "about 1 s of processor time on one slow core"


def test_false_worlds_are_refused() -> None:
    rng = np.random.default_rng(0)
    for wrong in ({"n_items": 1}, {"spread": -1.0}, {"prompts": 0}, {"given": (1.0,)}):
        with pytest.raises(InputError):
            ArenaWorld(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nobody"):
        ArenaWorld(3).truth(["nobody"])
    with pytest.raises(InputError):
        collect(ArenaWorld(3), 10, raters=SimulatedRaters(2), rng=rng, votes=3)
    with pytest.raises(InputError):
        collect(ArenaWorld(3), 10, raters=SimulatedRaters(2), rng=rng, kind="comparison", size=3)
    with pytest.raises(InputError):
        collect(ArenaWorld(3), 10, raters=SimulatedRaters(2), rng=rng, kind="ranking", size=4)
    with pytest.raises(InputError, match="critique"):
        collect(ArenaWorld(3), 10, raters=SimulatedRaters(2), rng=rng, kind="critique", size=2)  # type: ignore[arg-type]
