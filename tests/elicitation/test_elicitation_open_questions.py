"""Questions in words: gains by listing, weights by Bayes' rule, and a rule-based generator on features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from test_elicitation_information import listed_information, some_outcomes

from heedful.core import InputError, UsageError
from heedful.elicitation import AxisQuestions, OpenQuestion, rank_questions, told
from heedful.models import StyleFeatures
from heedful.preference import fit
from heedful.worlds import LanguageWorld, SimulatedRaters, collect


@dataclass
class Weights:
    names: tuple[str, ...]
    draws: np.ndarray
    model: dict[str, Any] = field(default_factory=lambda: {"utility": "features"})


def asked(law: np.ndarray, name: str = "?", cost: float = 1.0) -> OpenQuestion:
    return OpenQuestion(name, tuple(f"answer {number}" for number in range(len(law))), law, cost)


def test_gains_of_questions_with_different_numbers_of_answers_add_up() -> None:
    laws = [some_outcomes(o, 6, 1, seed=o)[:, :, 0] for o in (2, 3, 4)]
    ranked = rank_questions([asked(law, str(len(law))) for law in laws], rng=np.random.default_rng(0))
    padded = np.stack([np.pad(law, ((0, 4 - len(law)), (0, 0))) for law in laws], axis=2)
    assert sum(worth.gain for worth in ranked) == pytest.approx(listed_information(padded), abs=1e-12)
    first = max(range(3), key=lambda place: listed_information(padded[:, :, [place]]))
    assert ranked[0].question.text == str(first + 2)
    dear = [asked(law, str(len(law)), 1000.0 if len(law) == first + 2 else 1.0) for law in laws]
    assert rank_questions(dear, rng=np.random.default_rng(0))[-1].question.text == str(first + 2)


def test_what_was_told_weighs_the_draws_by_bayes() -> None:
    laws = [some_outcomes(3, 5, 1, seed=seed)[:, :, 0] for seed in (0, 1)]
    prior = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    weights = told([(asked(laws[0]), "answer 2"), (asked(laws[1]), "answer 0")], prior)
    expected = prior * laws[0][2] * laws[1][0]
    np.testing.assert_allclose(weights, expected / expected.sum(), atol=1e-14)
    again = rank_questions([asked(laws[0])], weights=weights, rng=np.random.default_rng(0))
    repeated = np.repeat(laws[0], np.round(weights * 1e5).astype(int), axis=1)[:, :, None]
    assert again[0].gain == pytest.approx(listed_information(repeated), rel=1e-3)


def test_axes_are_asked_about_as_comparisons_of_outputs_one_step_apart() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(400, 3)) * [3.0, 0.05, 1.0]
    questions = AxisQuestions(step=2.0, clarity=0.5, tie=0.0)(Weights(("length", "courtesy", "lists"), draws))
    assert len(questions) == 3 + 3
    np.testing.assert_allclose(questions[0].law[0], expit(draws[:, 0]), atol=1e-12)
    np.testing.assert_allclose(questions[3].law[0], expit(draws[:, 0] - draws[:, 1]), atol=1e-12)
    assert questions[3].answers[:2] == ("length", "courtesy")
    davidson = AxisQuestions(tie=1.5, tradeoffs=False)(Weights(("length",), draws[:, :1]))[0].law
    weights = np.stack([np.exp(draws[:, 0] / 2), np.exp(-draws[:, 0] / 2), np.full(400, 1.5)])
    np.testing.assert_allclose(davidson, weights / weights.sum(axis=0), atol=1e-12)
    assert "length" in rank_questions(questions, 1, rng=rng)[0].question.text


def test_a_fitted_posterior_is_asked_about_its_features() -> None:
    world, rng = LanguageWorld(length=2, prompts=6, seed=0), np.random.default_rng(0)
    table = collect(world, 60, raters=SimulatedRaters(5), rng=rng)
    posterior = fit(table, utility="features", features=StyleFeatures(), prior_sd=1.0)
    ranked = rank_questions(AxisQuestions()(posterior), 3, rng=rng)
    assert all(any(name in worth.question.text for name in posterior.names) for worth in ranked)
    assert ranked[0].gain >= ranked[1].gain >= ranked[2].gain > 0


def test_false_uses_are_refused() -> None:
    half, rng = np.full((2, 4), 0.5), np.random.default_rng(0)
    with pytest.raises(InputError, match="sum to one"):
        asked(half * 0.9)
    with pytest.raises(InputError, match="3 answers with a law"):
        OpenQuestion("?", ("a", "b", "c"), half)
    with pytest.raises(InputError, match="costs more than 0"):
        asked(half, cost=0.0)
    with pytest.raises(InputError, match="4, 5 draws"):
        rank_questions([asked(half), asked(np.full((2, 5), 0.5))], rng=rng)
    with pytest.raises(InputError, match="'maybe' is no answer"):
        told([(asked(half), "maybe")])
    with pytest.raises(InputError, match="weights of 4 draws"):
        rank_questions([asked(half)], weights=np.ones(3), rng=rng)
    sure = np.array([[1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(UsageError, match="no draw allows"):
        told([(asked(sure), "answer 1")])
    with pytest.raises(UsageError, match="no features"):
        AxisQuestions()(Weights(("a",), np.zeros((2, 1)), {"utility": "items"}))
    assert rank_questions([], rng=rng) == ()
