"""Exercises and their truth, and the small model that is trained on them."""

from __future__ import annotations

import ast
import operator
import re

import numpy as np
import pytest

from heedful.core import InputError, Item
from heedful.worlds.exercises import KINDS, LETTERS, Exercise, exercises, right_answer, slips


def evaluated(given: str) -> int:
    """A sum by Python's own grammar."""
    sign = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}

    def value(node):
        if isinstance(node, ast.Constant):
            return node.value
        return sign[type(node.op)](value(node.left), value(node.right))

    return value(ast.parse(given, mode="eval").body)


def test_answers_are_those_of_python():
    for own in exercises(300, seed=3):
        truth = {
            "calc": lambda given: str(evaluated(given)),
            "copy": str,
            "reverse": lambda given: "".join(reversed(given)),
            "sort": lambda given: "".join(letter for known in LETTERS for letter in given if letter == known),
        }
        assert own.answer == truth[own.kind](own.given)
        assert own.right(own.worked())
        assert all(own.steps(own.worked()))


def test_a_sum_is_worked_out_products_first_and_then_from_the_left():
    own = Exercise("calc", "3-4*2+9")
    assert own.worked() == "4*2=8\n3-8=-5\n-5+9=4\n4"
    assert len(own.steps(own.worked())) == 4


@pytest.mark.parametrize(
    ("output", "marks", "answered"),
    [
        ("4*2=9\n3-9=-6\n-6+9=3\n3", (False, True, True, True), False),  # an error counts where it is made
        ("4*2=8\n3-8=-5\n-5+9=4\n5", (True, True, True, False), False),
        ("3-4=-1\n-1*2=-2\n-2+9=7\n7", (False,) * 4, False),  # not what is to be done next
        ("4", (False,), True),  # a right answer that nothing leads to
        ("4*2=8\n3-8=-5\n-5+9=4\n4\n4\n4", (True,) * 4 + (False,) * 2, True),  # what follows the answer
        ("4*2=8\n3-8=-5\n-5+9=4\n5\n4", (True,) * 3 + (False,) * 2, True),
        ("4*2=8\n3-8=-5\n-5+9=4\n4\n", (True,) * 4 + (False,), False),
        ("4*2=" + "8" * 5000 + "\n4*2=8", (False, True), False),  # no number that Python reads
        ("4*2=" + "8" * 1000 + "\n3-" + "8" * 1000 + "=-" + "8" * 999 + "5", (False, True), False),
        ("", (False,), False),
        ("4*2=\n4*2=8", (False, True), False),
    ],
)
def test_each_line_is_marked_given_the_lines_before(output, marks, answered):
    own = Exercise("calc", "3-4*2+9")
    assert own.steps(output) == marks
    assert own.right(output) == answered


def test_the_marks_of_an_edit_are_those_of_its_answer():
    own = Exercise("reverse", "abca")
    assert own.steps("acba") == (True,)
    assert own.steps("abca\nacba") == (False, False)
    assert right_answer(Item(own.context, Item.of("", "acba").output))


def test_what_is_held_out_is_never_drawn_for_training():
    held, trained = exercises(400, seed=0), exercises(4000, seed=0, held_out=False)
    assert all(own.held_out for own in held)
    assert not set(held) & set(trained)
    shares = np.bincount([KINDS.index(own.kind) for own in held], minlength=4) / 400
    assert (abs(shares - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 400)).all()
    assert exercises(5, seed=0) == held[:5] != exercises(5, seed=1)


def test_slips_come_at_their_rate_and_are_carried_on():
    rng = np.random.default_rng(0)
    own, slip = Exercise("calc", "3*4-5"), slips(rng, 0.2)
    outputs = [own.worked(slip) for _ in range(4000)]
    marks = np.array([own.steps(output) for output in outputs])
    spread = 5 * np.sqrt(0.2 * 0.8 / 4000)
    assert (abs(marks[:, :2].mean(axis=0) - 0.8) < spread).all()
    assert marks[:, 2].all()
    letters = [slip("abcdefgh") for _ in range(4000)]
    # A letter becomes itself with probability 1/24 of a slip.
    assert abs(np.mean([text == "abcdefgh" for text in letters]) - (1 - 0.05 * 23 / 24) ** 8) < 5 * np.sqrt(0.25 / 4000)


def test_contexts_that_hold_no_exercise_are_refused():
    for text in (
        "",
        "calc 3+4",
        "calc 3++4=",
        "calc 3+0=",
        "calc +3=",
        "sort =",
        "sort abz=",
        "solve 3+4=",
        f"calc 3{'*9' * 5000}=",
    ):
        with pytest.raises(InputError, match="no exercise"):
            Exercise.read(Item.of(text).context)
    assert all(re.fullmatch(r"\w+ \S+=", own.context[0].text) for own in exercises(20, seed=0))
