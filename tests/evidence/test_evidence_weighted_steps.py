"""The process value that grows with right steps and the end's coming near."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Item, Part, ScaleError, UsageError
from heedful.core.contracts import PrefixPotentialContract
from heedful.evidence import Rule, WeightedSteps

RIGHT = {"+": 1.0, "?": 0.5, "-": 0.0, "~": 0.8}


def item(marks: str) -> Item:
    return Item((), tuple(Part(own) for own in marks))


def last(one: Item) -> float:
    share = RIGHT[one.output[-1].text]
    return math.log(share) if share else -math.inf


STEP = Rule(last, "right", "log_prob")


class TestWeightedSteps(PrefixPotentialContract):
    def make(self):
        return WeightedSteps(STEP, lambda one: 4 - len(one.output))

    def items(self):
        return [item(marks) for marks in ("", "+", "+-", "~?+", "++++", "----")]


@pytest.mark.parametrize(
    ("marks", "value"),
    [
        ("", 0.0),
        ("+", 1 / 4),
        ("++", 2 / 4),
        ("++++", 1.0),
        ("-", 0.0),
        ("++-", 0.5 - 0.5 / 2),
        ("++-+", 1.0),
        ("++??", 0.5),
        ("~", 0.6 / 4),
        ("~~", 0.15 + 0.85 / 3 * 0.6),
    ],
)
def test_values_of_four_steps_are_those_worked_out_by_hand(marks, value):
    weighted = WeightedSteps(STEP, lambda one: 4 - len(one.output))
    assert weighted.prefix([item(marks)]).mean[0] == pytest.approx(value)


def test_values_stay_between_0_and_1_and_rise_with_every_right_step():
    rng = np.random.default_rng(0)
    for _ in range(200):
        marks = "".join(rng.choice(list(RIGHT), 6))
        values = WeightedSteps(STEP, lambda one: 6 - len(one.output))([item(marks[:n]) for n in range(7)]).mean
        assert ((values >= 0) & (values <= 1)).all()
        for place, mark in enumerate(marks):
            assert mark != "+" or values[place + 1] > values[place] or values[place] == 1
            assert mark != "-" or values[place + 1] <= values[place]


def test_steps_on_another_scale_are_refused():
    with pytest.raises(ScaleError):
        WeightedSteps(Rule(last, "right"), lambda one: 1)
    with pytest.raises(UsageError, match="-1 steps are left"):
        WeightedSteps(STEP, lambda one: 1 - len(one.output))([item("++")])
