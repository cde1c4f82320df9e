"""Directions made out from what was tried point where the truth does, and reach whoever rewrites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heedful.core import Budget, UsageError
from heedful.models import FunctionWriter
from heedful.rewriting import (
    Contrasted,
    Directed,
    ModelSurrogate,
    Number,
    ProcessSurrogate,
    Rewriter,
    Situation,
    Slopes,
    Text,
    Tried,
    keeps,
)
from heedful.rewriting.directions import neighbours
from heedful.rewriting.surrogates import linear_kernel
from heedful.worlds.rule_world import RuleWorld

X, Y = Number(0.5, "x", low=0, high=1), Number(2, "y", low=0, high=4, whole=True)
PROMPT = Text("Answer.", "prompt", limits=[keeps("Answer.")])
RNG = np.random.default_rng(0)


def numbers(earns: Any, count: int, rng: np.random.Generator) -> Situation:
    rows = [{"x": float(rng.random()), "y": int(rng.integers(5))} for _ in range(count)]
    history = tuple(Tried(own, float(earns(own)), 1, "train") for own in rows)
    return Situation({"x": X, "y": Y}, {"x": 0.5, "y": 2}, (), history)


def test_slopes_of_numbers_point_where_the_function_rises() -> None:
    """Of a quadratic with its top elsewhere in each of 20 worlds, from 12 trials: the sign of every word is right."""
    wrong = words = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        top = {"x": rng.choice([0.1, 0.9]), "y": rng.choice([0.0, 4.0])}

        def earns(own: Mapping[str, float], top: Mapping[str, float] = top) -> float:
            return 1 - 0.4 * (own["x"] - top["x"]) ** 2 - 0.4 * ((own["y"] - top["y"]) / 4) ** 2

        slopes = Slopes(ProcessSurrogate(noise=0.01), size=0.25)
        found = slopes(numbers(earns, 12, rng), budget=Budget(), rng=rng)
        for own in found.said:
            (name,) = own.bears_on
            words += 1
            wrong += ("greater" in own.words) != (top[name] > {"x": 0.5, "y": 2}[name])
    assert words >= 38
    assert wrong == 0


def test_slopes_of_texts_name_lines_that_matter() -> None:
    """Random prompts of the world of rules, worth what they are worth: the lines named are better than chance names."""
    world, rng = RuleWorld(), np.random.default_rng(1)
    rules = list(world.rules)
    rows = ["\n".join(["Answer.", *rng.choice(rules, 4, replace=False).tolist()]) for _ in range(60)]
    history = tuple(Tried({"prompt": own}, world.expected(own), 16, "train") for own in rows)
    state = Situation({"prompt": PROMPT}, {"prompt": "Answer."}, (), history)
    slopes = Slopes(ProcessSurrogate(kernel=linear_kernel, noise=0.1), most=4)
    found = slopes(state, budget=Budget(), rng=rng)
    gains = {rule: world.expected(f"Answer.\n{rule}") - world.expected("Answer.") for rule in rules}
    named = [own.words.split(": ", 1)[1].rsplit(" (", 1)[0] for own in found.said]
    assert len(named) == 4
    assert np.mean([gains[own] for own in named]) > np.mean(sorted(gains.values())[-8:])


def test_neighbours_keep_to_what_a_value_must_keep_to() -> None:
    state = Situation(
        {"x": X, "y": Y, "prompt": PROMPT},
        {"x": 1.0, "y": 2, "prompt": "Answer.\nBe brief."},
        (),
        (Tried({"x": 0.2, "y": 1, "prompt": "Answer.\nName the year."}, 0.5, 1, "train"),),
    )
    steps = {(own.name, own.value) for own in neighbours(state, 0.25)}
    assert steps == {
        ("x", 0.75),
        ("y", 3),
        ("y", 1),
        ("prompt", "Answer.\nBe brief.\nName the year."),
        ("prompt", "Answer."),
    }
    assert all(isinstance(value, int) for name, value in steps if name == "y")


def test_nothing_is_said_of_too_few_trials_or_where_nothing_gains() -> None:
    slopes = Slopes(ProcessSurrogate(noise=0.01), start=4)
    assert slopes(numbers(lambda own: own["x"], 3, RNG), budget=Budget(), rng=RNG).said == ()
    flat = numbers(lambda own: 0.5, 6, RNG)
    assert slopes(flat, budget=Budget(), rng=RNG).said == ()
    with pytest.raises(UsageError, match="above 0"):
        Slopes(size=0.0)


class Model:
    """Plays a writer: keeps what it was asked, and gives the same between the last marks, or of each part."""

    def __init__(self, answer: str) -> None:
        self.answer, self.asked = answer, list[str]()

    def __call__(self, messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        text = str(messages[0]["content"])
        self.asked.append(text)
        marks = re.findall(r"</([0-9a-f]{12}-\d)>", text) or re.findall(r"</([0-9a-f]{12})>", text)[-1:]
        return "\n".join(f"<{mark}>\n{self.answer}\n</{mark}>" for mark in dict.fromkeys(marks))


def test_a_writer_is_told_the_direction_beside_what_was_said() -> None:
    way, editor = Model("x should be greater."), Model("1")
    state = numbers(lambda own: own["x"], 5, RNG)
    proposer = Directed(Rewriter(FunctionWriter(editor)), Contrasted(FunctionWriter(way)))
    made = proposer(state, budget=Budget(), rng=RNG)
    assert made.values == ({"x": 1.0, "y": 1},)
    assert made.cost == {"calls": 2.0, "tokens": 0.0}
    assert "x should be greater." in editor.asked[0]
    best = max(state.history, key=lambda own: own.mean)
    assert way.asked[0].index(f"x: {best.values['x']!r}") > way.asked[0].index("earned")
    assert "x: 0.5\ny: 2" in way.asked[0]


def test_a_direction_that_cannot_be_read_is_counted() -> None:
    silent = FunctionWriter(lambda messages, _: "I do not know.")
    editor = Model("1")
    state = numbers(lambda own: own["x"], 5, RNG)
    made = Directed(Rewriter(FunctionWriter(editor)), Contrasted(silent))(state, budget=Budget(), rng=RNG)
    assert made.values == ()
    assert made.unread == 1
    assert editor.asked == []
    early = Directed(Rewriter(FunctionWriter(editor)), Contrasted(silent, start=9))(state, budget=Budget(), rng=RNG)
    assert early.unread == 0


def test_what_was_never_run_tells_no_direction() -> None:
    way, state = Model("x should be greater."), numbers(lambda own: own["x"], 5, RNG)
    never = Tried({"x": 0.875, "y": 2}, 1.0, 0, "train")
    Contrasted(FunctionWriter(way))(replace(state, history=(*state.history, never)), budget=Budget(), rng=RNG)
    assert "0.875" not in way.asked[0]


def test_a_model_may_be_the_surrogate() -> None:
    """One that says x itself: greater x is expected to earn more by the step, and y nothing."""

    def says_x(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        text = str(messages[0]["content"])
        mark = re.findall(r"</([0-9a-f]{12})>", text)[-1]
        return f"<{mark}>\n{re.findall(r'x: ([0-9.]+)', text)[-1]}\n</{mark}>"

    slopes = Slopes(ModelSurrogate(FunctionWriter(says_x), samples=2))
    found = slopes(numbers(lambda own: own["x"], 5, RNG), budget=Budget(), rng=RNG)
    assert [own.words for own in found.said] == ["x should be greater than 0.5. (+0.100 is expected)"]
