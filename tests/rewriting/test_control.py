"""Steering a number: closed forms of a linear plant, bounds without wind-up, and a program that is steered."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError
from heedful.rewriting import Number, Runner, draw, trace
from heedful.rewriting.control import Control, steer


def followed(control: Control, gain: float, offset: float, wanted: float, rounds: int) -> list[float]:
    """What a linear plant measures, round by round."""
    value, measured = control.start, []
    for _ in range(rounds):
        measured.append(gain * value + offset)
        control, value = control.after(wanted - measured[-1])
    return measured


def test_p_alone_leaves_an_error_in_closed_form_and_integral_action_none() -> None:
    """At rest y = g (u0 + k e) + b, so e = (w − g u0 − b) / (1 + g k)."""
    gain, offset, wanted = 0.5, 3.0, 20.0
    rest = wanted - followed(Control(10.0, proportional=1.0), gain, offset, wanted, 200)[-1]
    assert rest == pytest.approx((wanted - gain * 10 - offset) / (1 + gain))
    assert followed(Control(10.0, 0.5, integral=0.5), gain, offset, wanted, 200)[-1] == pytest.approx(wanted)
    assert followed(Control(10.0, 0.5, 0.5, 0.1), gain, offset, wanted, 200)[-1] == pytest.approx(wanted)


def test_too_much_of_it_does_not_settle() -> None:
    """y' = g (u0 + k e) + b is stable for g k < 1."""
    assert abs(followed(Control(10.0, proportional=1.9), 0.5, 3.0, 20.0, 400)[-1]) < 30
    assert abs(followed(Control(10.0, proportional=2.1), 0.5, 3.0, 20.0, 400)[-1]) > 1e6


def test_no_wind_up_at_a_bound() -> None:
    """Kept far from what is wanted for 50 rounds, it is back at once when the plant lets it."""
    control = Control(0.0, 0.1, 0.5, low=0.0, high=1.0)
    for _ in range(50):
        control, value = control.after(5.0)
    assert value == 1.0
    control, value = control.after(-1.0)
    assert value < 1.0


def test_a_program_is_steered_to_a_length() -> None:
    knob = Number(5, "words", low=1, high=40, whole=True)

    def program(topic: str) -> str:
        rng = np.random.default_rng([draw(), len(topic)])
        return "word " * int(0.7 * knob.now + 4 + rng.integers(0, 3))

    examples = [{"topic": "a" * length} for length in range(8)]
    control = Control(5, 0.2, 0.5, low=1, high=40)
    with Runner(trace(program), 1) as runner:
        told = steer(runner, knob, examples, lambda item: len(item.output[0].text.split()), 20, control, rounds=12)
        assert abs(told.measured[-1].value - 20) < 1.5
        assert told.measured[0].value < 10
        assert len(told.values) == 13
        with pytest.raises(BudgetExceededError):
            steer(runner, knob, examples, lambda item: 1.0, 2, control, rounds=3, budget=Budget(runs=10))
        with pytest.raises(InputError, match="lies outside of 1 to 40"):
            steer(runner, knob, examples, lambda item: 1.0, 2, Control(5, 1, low=0, high=40), rounds=1)


def test_a_controller_feeds_something_back() -> None:
    with pytest.raises(InputError, match="nothing is fed back"):
        Control(1.0)
    with pytest.raises(InputError, match="outside"):
        Control(2.0, 1.0, high=1.0)
