"""Students learn as Bayes' rule says: against functions and examples drawn, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.worlds import Students, lines


def test_beliefs_are_what_functions_that_gave_these_examples_were() -> None:
    """Functions drawn from the prior, examples shown with noise: among those that look alike, how often each it was."""
    rng, n = np.random.default_rng(0), 200_000
    functions, prior, noise = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 0]]), np.array([[0.5, 0.3, 0.2]]), 0.3
    inputs = np.array([0, 2])
    drawn = rng.choice(3, n, p=prior[0])
    shown = functions[drawn][:, inputs]
    shown = np.where(rng.random(shown.shape) < noise, rng.integers(2, size=shown.shape), shown)
    students = Students(functions, prior, noise)
    for example in ([0, 0], [0, 1], [1, 0], [1, 1]):
        alike = (shown == example).all(axis=1)
        found = students.beliefs(inputs, np.array([example]))[0, 0]
        np.testing.assert_allclose(found, np.bincount(drawn[alike], minlength=3) / alike.sum(), atol=0.01)
        told = students.answers(inputs, np.array([example]), np.array([1]))[0, 0, 0]
        np.testing.assert_allclose(told[1], functions[drawn[alike], 1].mean(), atol=0.01)


def test_two_places_tell_a_line_and_a_student_that_does_not_believe_in_it_learns_less() -> None:
    functions = lines(5)
    assert len(np.unique(functions, axis=0)) == 25
    line = functions[13]
    even = np.full(25, 1 / 25)
    doubting = np.where(np.arange(25) == 13, 1e-3, (1 - 1e-3) / 24)
    students = Students(functions, np.stack([even, doubting]), 0.01)
    inputs, asked = np.array([0, 3]), np.array([1, 2, 4])
    right = students.right(inputs, line[None, inputs], asked, line[asked])
    assert right.shape == (1, 2, 3)
    assert (right[0, 0] > 0.9).all()
    assert (right[0, 1] < right[0, 0]).all()
    wrong = students.right(inputs, (line[None, inputs] + [0, 1]) % 5, asked, line[asked])
    assert (wrong[0, 0] < 0.1).all()
    np.testing.assert_allclose(students.answers(inputs, line[None, inputs], asked).sum(axis=3), 1.0)


def test_faults_are_refused() -> None:
    with pytest.raises(InputError, match="priors"):
        Students(lines(2), np.ones((1, 3)) / 3)
    with pytest.raises(InputError, match="sums to 1"):
        Students(lines(2), np.ones((1, 4)))
    with pytest.raises(InputError, match="above 0"):
        Students(lines(2), np.ones((1, 4)) / 4, noise=0.0)
