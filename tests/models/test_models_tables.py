"""Bases that can be listed: they sample what they list, and list what they were given."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from heedful.core import InputError, Item, Part
from heedful.core.contracts import BaseContract
from heedful.models import END, SequenceTable, TableModel

CONTEXT = Item.of("tell me").context
LANGUAGE = {
    (): {"sun": 0.5, "rain": 0.3, END: 0.2},
    ("sun",): {"sun": 0.1, "rain": 0.6, END: 0.3},
    ("sun", "rain"): {"sun": 0.9, END: 0.1},
    ("me",): {"sun": 0.25, "rain": 0.75},
}


class TestTableModel(BaseContract):
    def make(self):
        return TableModel.of({"tell me": {"sun": 0.6, "rain": 0.3, "": 0.1}, "": {"snow": 1.0}}, system="table")

    def context(self):
        return CONTEXT


class TestSequenceTable(BaseContract):
    def make(self):
        return SequenceTable(LANGUAGE, max_tokens=3)

    def context(self):
        return CONTEXT


class TestSequenceTableFromTexts(BaseContract):
    def make(self):
        texts = ["sun sun rain", "rain", "sun rain sun", ""]
        return SequenceTable.from_texts(texts, order=2, max_tokens=4, smoothing=0.5)

    def context(self):
        return ()


def test_a_table_holds_the_probabilities_given():
    base = TestTableModel().make()
    items = [Item.of("tell me", text) for text in ("rain", "", "hail")] + [Item.of("", "snow")]
    np.testing.assert_allclose(np.exp(base.log_prob(items)), [0.3, 0.1, 0.0, 1.0])
    assert [item.system for item in base.support(CONTEXT)] == ["table"] * 3


def test_counts_become_shares_and_what_never_occurs_is_not_listed():
    base = TableModel.from_counts({"tell me": {"sun": 6, "rain": 2, "hail": 0}})
    assert len(base.support(CONTEXT)) == 2
    np.testing.assert_allclose(np.exp(base.log_prob(base.support(CONTEXT))), [0.75, 0.25])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": 0.5, "b": 0.4}, "add up to 0.9"),
        ({"a": 1.5, "b": -0.5}, "0 or more"),
        ({"a": math.nan}, "finite"),
        ({}, "must be some"),
    ],
)
def test_probabilities_that_are_none_are_refused(row, message):
    with pytest.raises(InputError, match=message) as error:
        TableModel.of({"tell me": row})
    assert "tell me" in str(error.value)


@pytest.mark.parametrize("row", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": math.inf}])
def test_counts_that_are_none_are_refused(row):
    with pytest.raises(InputError):
        TableModel.from_counts({"tell me": row})


def test_an_unknown_context_is_named():
    with pytest.raises(InputError, match="'elsewhere'"):
        TestTableModel().make().support(Item.of("elsewhere").context)


def brute_force(max_tokens: int) -> dict[str, float]:
    """Every text of the language after "tell me", by multiplying through by hand."""
    found = {}
    for length in range(max_tokens + 1):
        for tokens in itertools.product(["sun", "rain"], repeat=length):
            history, probability = ["tell", "me"], 1.0
            for token in [*tokens, END][:max_tokens]:
                rows = [LANGUAGE[tuple(history[-k:])] for k in (2, 1) if tuple(history[-k:]) in LANGUAGE]
                probability *= (rows or [LANGUAGE[()]])[0].get(token, 0.0)
                history.append(token)
            if probability:
                found[" ".join(tokens)] = probability
    return found


@pytest.mark.parametrize("max_tokens", [1, 2, 4])
def test_a_language_multiplies_its_rows_through(max_tokens):
    base, truth = SequenceTable(LANGUAGE, max_tokens), brute_force(max_tokens)
    support = base.support(CONTEXT)
    texts = [item.output[0].text if item.output else "" for item in support]
    assert sorted(texts) == sorted(truth)
    np.testing.assert_allclose(np.exp(base.log_prob(support)), [truth[text] for text in texts], rtol=1e-12)
    assert math.fsum(truth.values()) == pytest.approx(1.0)


def test_the_context_is_the_beginning_of_the_history():
    base = SequenceTable(LANGUAGE, 3)
    assert base.next_tokens(CONTEXT, ()) == LANGUAGE[("me",)]
    assert base.next_tokens(Item.of("no idea").context, ()) == LANGUAGE[()]
    assert base.next_tokens(CONTEXT, ("sun", "rain")) == LANGUAGE[("sun", "rain")]
    assert base.next_tokens(CONTEXT, ("rain", "rain", "rain")) == {END: 1.0}


def test_what_the_language_cannot_say_has_no_probability():
    base = SequenceTable(LANGUAGE, 3)
    outside = ["hail", "sun  rain", " sun", "sun sun sun sun", ""]
    assert (base.log_prob([Item.of("tell me", text) for text in outside]) == -math.inf).all()
    two_parts = Item(CONTEXT, (Part("sun"), Part("rain")))
    assert base.log_prob([two_parts])[0] == -math.inf


def test_frequencies_are_those_of_the_texts():
    base = SequenceTable.from_texts(["a b", "a a", "b"], order=1, max_tokens=5)
    # After nothing: a, b, END, a, a, END, b, END; after a: b, a, END; after b: END, END.
    assert base.following[()] == pytest.approx({"a": 3 / 8, "b": 2 / 8, END: 3 / 8})
    assert base.following[("a",)] == pytest.approx({"a": 1 / 3, "b": 1 / 3, END: 1 / 3})
    assert base.following[("b",)] == pytest.approx({"a": 0, "b": 0, END: 1})
    smooth = SequenceTable.from_texts(["a b", "a a", "b"], order=1, max_tokens=5, smoothing=1.0)
    assert smooth.following[("b",)] == pytest.approx({"a": 1 / 5, "b": 1 / 5, END: 3 / 5})


@pytest.mark.parametrize(
    ("following", "max_tokens", "message"),
    [
        ({("a",): {"a": 1.0}}, 2, "empty history"),
        ({(): {"a": 1.0}}, 0, "max_tokens"),
        ({(): {"a": 0.9}}, 2, "add up to 0.9"),
        ({(): {"a b": 1.0}}, 2, "white space"),
    ],
)
def test_a_language_that_is_none_is_refused(following, max_tokens, message):
    with pytest.raises(InputError, match=message):
        SequenceTable(following, max_tokens)


def test_a_language_too_large_to_list_says_so_and_still_samples():
    base = SequenceTable({(): {"a": 0.5, "b": 0.5}}, max_tokens=40, most_outputs=1000)
    with pytest.raises(InputError, match="more than 1,000 outputs"):
        base.support(())
    drawn = base.sample((), 5, rng=np.random.default_rng(0))
    np.testing.assert_allclose(base.log_prob(drawn), 40 * math.log(0.5))


def test_nothing_can_be_learnt_from_no_texts():
    with pytest.raises(InputError, match="no texts"):
        SequenceTable.from_texts([], max_tokens=3)
