"""Held-out judgements share no context with the rest, whatever the order of rows."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.evaluation import describe_split, hold_out, subsets

from .common import comparisons


def a_table(n=400, contexts=80):
    return comparisons(n, context=[f"prompt {row % contexts}" for row in range(n)])


def ids(table):
    return set(table.column("id"))


def test_no_context_is_on_both_sides_and_no_row_is_lost():
    table = a_table()
    train, test = hold_out(table, fraction=0.25, seed=3)
    assert not set(train.column("context")) & set(test.column("context"))
    assert ids(train) | ids(test) == ids(table)
    assert len(train) + len(test) == len(table)
    assert len(set(test.column("context"))) == 20


def test_the_order_of_rows_does_not_matter_but_the_seed_does():
    table = a_table()
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    assert ids(hold_out(table, seed=1)[1]) == ids(hold_out(shuffled, seed=1)[1])
    assert ids(hold_out(table, seed=1)[1]) != ids(hold_out(table, seed=2)[1])


def test_the_split_is_the_same_for_ever():
    # Pinned: a release that moved rows between train and test would make results of two releases incomparable.
    test = hold_out(a_table(20, 10), fraction=0.3, seed=0)[1]
    assert sorted(set(test.column("context"))) == ["prompt 4", "prompt 5", "prompt 9"]


def test_rows_without_context_are_their_own_groups():
    table = comparisons(100, context=[None] * 50 + [""] * 30 + ["one prompt"] * 20)
    train, test = hold_out(table, fraction=0.5, seed=0)
    sides = {
        len(set(test.column("context").drop_nulls()) & {"one prompt"}),
        len(set(train.column("context")) & {"one prompt"}),
    }
    assert sides == {0, 1}
    assert 30 <= len(test) <= 70


def test_too_few_groups_hold_nothing_out_and_say_so():
    findings = []
    train, test = hold_out(a_table(100, 4), seed=0, findings=findings)
    assert (len(train), len(test)) == (100, 0)
    assert findings[0].code == "held_out.too_few_groups"
    assert "4 contexts" in findings[0].message


def test_a_small_fraction_still_tests_something():
    assert len(set(hold_out(a_table(), fraction=0.001, seed=0)[1].column("context"))) == 1


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1, 2])
def test_fractions_outside_are_refused(fraction):
    with pytest.raises(InputError, match="fraction"):
        hold_out(a_table(), fraction=fraction, seed=0)


def test_subsets_nest():
    table = a_table()
    small, large, whole = subsets(table, (0.1, 0.5, 1.0), seed=5)
    assert ids(small) < ids(large) < ids(table)
    assert ids(whole) == ids(table)
    assert len(set(small.column("context"))) == 8


def test_describe_split_counts():
    train, test = hold_out(a_table(), fraction=0.25, seed=3)
    assert describe_split(train, test).startswith("100 of 400 judgements held out, on 20 of 80 contexts")
