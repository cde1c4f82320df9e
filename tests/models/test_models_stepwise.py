"""The stepwise base: against a tree worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import InputError, Item, Part
from heedful.core.contracts import BaseContract
from heedful.models import StepModel

A, B, STOP = Part("a"), Part("b"), Part("stop")
CONTEXT = Item.of("q").context


def following(context, steps):
    """a or b, then after an a a stop or one more a, at most three steps; after a b nothing."""
    if len(steps) == 3 or (steps and steps[-1] != A):
        return (), ()
    return ((A, B), (0.25, 0.75)) if not steps else ((STOP, A, B), (0.5, 0.5, 0.0))


TREE = {
    (B,): 0.75,
    (A, STOP): 0.125,
    (A, A, STOP): 0.0625,
    (A, A, A): 0.0625,
}


class TestStepModel(BaseContract):
    def make(self):
        return StepModel(following)

    def context(self):
        return CONTEXT


def test_the_support_and_its_law_are_those_of_the_tree():
    base = StepModel(following, "tree")
    listed = base.support(CONTEXT)
    assert {item.output for item in listed} == set(TREE)
    np.testing.assert_allclose(np.exp(base.log_prob(listed)), [TREE[item.output] for item in listed])
    assert {item.system for item in listed} == {"tree"}


def test_unfinished_and_impossible_outputs_have_no_probability():
    base = StepModel(following)
    unfinished, never, beyond = (Item(CONTEXT, steps) for steps in ((A,), (A, B), (B, A)))
    assert base.log_prob([unfinished, never, beyond]).tolist() == [-math.inf] * 3
    np.testing.assert_allclose(base.prefix_log_prob([unfinished, never]), [math.log(0.25), -math.inf])
    assert not base.ended(unfinished)
    assert base.ended(Item(CONTEXT, (B,)))


def test_it_goes_on_by_one_step_and_stays_where_it_ended():
    base, ended = StepModel(following), Item(CONTEXT, (B,))
    drawn = base.continued([Item(CONTEXT, (A,))] * 4000 + [ended], rng=np.random.default_rng(0))
    assert drawn[-1] == ended
    share = np.mean([item.output[1] == STOP for item in drawn[:-1]])
    assert abs(share - 0.5) < 5 * math.sqrt(0.25 / 4000)


def test_too_many_outputs_are_refused():
    with pytest.raises(InputError, match="more than 3 outputs"):
        StepModel(following, most_outputs=3).support(CONTEXT)
