"""Judgements of outputs in steps as labels of prefixes: by hand."""

from __future__ import annotations

import pytest

from heedful.core import InputError
from heedful.feedback import (
    Candidate,
    PartRecord,
    Rater,
    Record,
    Table,
    Value,
    agreeing,
    prefix_labels,
    until_first_error,
)

STEPS = [PartRecord(text=text) for text in ("one", "two", "three")]


def record(kind, value, output=STEPS, **other):
    return Record(kind=kind, context="q", candidates=[Candidate(output=output, system="s")], value=value, **other)


def told(table):
    return [
        (made.id, [part.text for part in made.items()[0].output], made.value.label)
        for made in prefix_labels(table).records()
    ]


def test_a_mark_labels_the_prefix_that_ends_in_its_step():
    table = Table.of([record("steps", Value(steps=[1, None, 0]), id="r", rater=Rater(id="ann"), criterion="sense")])
    assert told(table) == [("r/1", ["one"], True), ("r/3", ["one", "two", "three"], False)]
    made = list(prefix_labels(table).records())
    assert {(one.kind, one.rater.id, one.criterion, one.context) for one in made} == {("label", "ann", "sense", "q")}
    assert {one.candidates[0].system for one in made} == {"s"}


def test_an_outcome_labels_every_prefix():
    table = Table.of([record("label", Value(label=False), id="r")])
    prefixes = [["one"], ["one", "two"], ["one", "two", "three"]]
    assert told(table) == [(f"r/{size}", prefix, False) for size, prefix in enumerate(prefixes, 1)]


def test_both_kinds_together_and_none():
    table = Table.of([record("steps", Value(steps=[1, 1, 0]), id="a"), record("label", Value(label=True), id="b")])
    assert [label for _, _, label in told(table)] == [True, True, False, True, True, True]
    assert len(prefix_labels(table.take([]))) == 0


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (record("steps", Value(steps=[1, 0])), "2 marks for an output of 3 parts"),
        (record("steps", Value(steps=[1, -1, 0])), "not all 0 or 1"),
        (record("label", Value(label=True), output=None), "not known"),
        (record("rating", Value(rating=1, scale=(0, 2))), "1 records of kind rating"),
    ],
)
def test_what_has_no_labels_of_prefixes_is_refused(made, match):
    with pytest.raises(InputError, match=match):
        prefix_labels(Table.of([made]))


def test_marks_end_with_the_first_wrong_one():
    table = Table.of([record("steps", Value(steps=marks)) for marks in ([1, 0, 1], [1, None, 1], [0, 0, 0])])
    table = Table.concat([table, Table.of([record("label", Value(label=True))])])
    cut = until_first_error(table).column("steps").to_list()
    assert cut == [[1, 0, None], [1, None, 1], [0, None, None], None]


def test_what_two_agree_on_is_kept():
    ours, theirs = (
        Table.of([record("steps", Value(steps=marks)) for marks in own])
        for own in (([1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0]), ([1, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 1]))
    )
    assert agreeing(ours, theirs).column("steps").to_list() == [[1, 0, 1], [1, 1, 1]]
    with pytest.raises(InputError, match="different solutions"):
        agreeing(ours, theirs.take([0, 1]))
    other = Table.of([record("steps", Value(steps=[1, 1]), output=STEPS[:2])] * 4)
    with pytest.raises(InputError, match="different solutions"):
        agreeing(ours, other)
