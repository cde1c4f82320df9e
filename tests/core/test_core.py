"""Items, values, budgets and errors."""

from __future__ import annotations

import math
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import (
    Budget,
    BudgetExceededError,
    EndpointError,
    Estimate,
    FitError,
    HeedfulError,
    InputError,
    Interval,
    Item,
    MissingExtraError,
    Part,
    ScaleError,
    Scores,
    UsageError,
    decode_parts,
    encode_parts,
    render,
    text_parts,
)

texts = st.text(max_size=20) | st.text(alphabet='\x1e\x1f[]{}"a', max_size=8)
without_separator = texts.map(lambda text: text.replace("\x1f", ""))
any_part = st.builds(
    Part,
    text=texts,
    kind=st.sampled_from(["text", "tool_call", "tool_result", "media", "array"]),
    by=st.sampled_from(["system", "world"]),
    role=st.none() | texts,
    uri=st.none() | texts,
    sha256=st.none() | texts,
)
authors = st.sampled_from(["system", "world"])
contents = st.lists(any_part, max_size=3).map(tuple)


# --- Items -----------------------------------------------------------------------------------------------------------


@settings(max_examples=300, derandomize=True)
@given(parts=contents, by=authors)
def test_content_survives_encoding(parts, by) -> None:
    assert decode_parts(encode_parts(parts, by), by) == parts


@settings(max_examples=300, derandomize=True)
@given(a=contents, b=contents, by=authors)
def test_unlike_content_is_encoded_unlike(a, b, by) -> None:
    assert (encode_parts(a, by) == encode_parts(b, by)) == (a == b)


@settings(max_examples=200, derandomize=True)
@given(text=texts, by=authors)
def test_plain_text_survives_and_reads_as_itself(text, by) -> None:
    parts = text_parts(text, by)
    encoded = encode_parts(parts, by)
    assert decode_parts(encoded, by) == parts
    assert render(encoded) == text
    if not text.startswith("\x1e"):
        assert encoded == text


def test_several_parts_read_as_paragraphs() -> None:
    parts = (Part("Look:"), Part("", kind="media", uri="https://example.org/cat.png"), Part('{"a": 1}', "tool_call"))
    assert render(encode_parts(parts, "system")) == 'Look:\n\nhttps://example.org/cat.png\n\n{"a": 1}'


@pytest.mark.parametrize("broken", ["\x1e{", '\x1e{"a": 1}', '\x1e[{"colour": "red"}]', "\x1e[1]", "\x1e7"])
def test_marked_content_that_is_no_list_of_parts_is_refused(broken) -> None:
    with pytest.raises(InputError, match="marked as parts but cannot be read"):
        decode_parts(broken, "system")


def test_items_of_plain_texts() -> None:
    item = Item.of("2 + 2?", "4", "a model")
    assert item == Item((Part("2 + 2?", by="world"),), (Part("4", by="system"),), "a model")
    assert Item.of("", "4").context == ()


plain_items = st.builds(
    Item.of, without_separator, without_separator, st.none() | st.text("ab", min_size=1, max_size=2)
)


@settings(max_examples=200, derandomize=True)
@given(a=plain_items, b=plain_items)
def test_keys_are_equal_where_items_are(a, b) -> None:
    assert (a.key == b.key) == (a == b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Item.of("a", "b\x1fc"), Item.of("a\x1fb", "c")),
        (Item.of("a", "b", ""), Item.of("a", "b")),
    ],
)
def test_keys_of_unlike_items_differ_whatever_they_hold(a, b) -> None:
    assert a.key != b.key


def test_key_is_stable() -> None:
    # Written into files: a change would orphan what was saved before.
    assert Item.of("2 + 2?", "4", "a").key == "a290c77137e55f1a93a08cf85f6a21a5"


def test_items_are_values() -> None:
    assert len({Item.of("q", "a"), Item.of("q", "a"), Item.of("q", "b")}) == 2
    with pytest.raises(AttributeError):
        Item.of("q", "a").system = "b"


# --- Budget ----------------------------------------------------------------------------------------------------------


def test_a_budget_is_reserved_all_or_none() -> None:
    budget = Budget(samples=8, calls=2)
    budget.reserve(samples=5, calls=1)
    with pytest.raises(BudgetExceededError, match=r"4 samples needed, 3 of 8 left Fix: raise the cap on samples"):
        budget.reserve(calls=1, samples=4)
    assert budget.spent == {"samples": 5, "calls": 1}
    budget.reserve(samples=3, calls=1)
    assert (budget.left("samples"), budget.left("calls")) == (0, 0)
    budget.reserve(samples=0)
    with pytest.raises(BudgetExceededError):
        budget.reserve(samples=1)


def test_what_is_not_capped_is_counted_without_end() -> None:
    budget = Budget(samples=1)
    assert budget.left("tokens") == math.inf
    budget.reserve(tokens=1e12)
    budget.reserve(tokens=1)
    assert budget.spent["tokens"] == 1e12 + 1
    assert budget.left("tokens") == math.inf


@pytest.mark.parametrize("amount", [-1, math.nan])
def test_budgets_and_amounts_are_not_negative(amount) -> None:
    with pytest.raises(InputError, match=r"Budget\(samples=...\)"):
        Budget(samples=amount)
    budget = Budget(samples=4)
    with pytest.raises(InputError, match=r"reserve\(samples=...\)"):
        budget.reserve(samples=amount)
    assert budget.spent == {"samples": 0}


def test_budgets_do_not_share_what_is_spent() -> None:
    caps = {"samples": 4}
    one, two = Budget(**caps), Budget(**caps)
    one.reserve(samples=4)
    assert two.left("samples") == 4


@settings(max_examples=100, derandomize=True)
@given(cap=st.integers(0, 50), amounts=st.lists(st.integers(0, 20), max_size=12))
def test_a_budget_is_never_overspent_and_never_refuses_what_fits(cap, amounts) -> None:
    budget, spent = Budget(samples=cap), 0
    for amount in amounts:
        if spent + amount <= cap:
            budget.reserve(samples=amount)
            spent += amount
        else:
            with pytest.raises(BudgetExceededError):
                budget.reserve(samples=amount)
        assert budget.spent["samples"] == spent == cap - budget.left("samples")


def test_what_was_spent_takes_the_place_of_what_was_reserved() -> None:
    budget = Budget(tokens=100)
    budget.reserve(calls=1, tokens=80)
    budget.settle({"calls": 1, "tokens": 80}, {"calls": 1, "tokens": 30})
    assert budget.spent == {"calls": 1, "tokens": 30}
    budget.settle({}, {"tokens": 90, "money": 0.5})  # more than there was: counted, and nothing is left
    assert budget.spent == {"calls": 1, "tokens": 120, "money": 0.5}
    assert budget.left("tokens") == -20
    with pytest.raises(BudgetExceededError, match=r"1 tokens needed, -20 of 100 left"):
        budget.reserve(tokens=1)


def test_threads_that_share_a_budget_never_overspend_it() -> None:
    budget, taken = Budget(samples=3000), []

    def spend() -> None:
        mine = 0
        try:
            while True:
                budget.reserve(samples=2)
                budget.settle({"samples": 2}, {"samples": 1})
                mine += 1
        except BudgetExceededError:
            taken.append(mine)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2990 <= sum(taken) == budget.spent["samples"] <= 3000


# --- Values ----------------------------------------------------------------------------------------------------------


def test_an_interval_rises_and_says_what_it_promises() -> None:
    interval = Interval(0.1, 0.1, "at least")
    assert (interval.level, interval.promise) == (0.95, "at least")
    for low, high in ((0.2, 0.1), (math.nan, 1.0), (0.0, math.nan)):
        with pytest.raises(InputError, match="low <= high"):
            Interval(low, high, "confidence")


def test_the_standard_error_is_the_root_of_the_variance() -> None:
    assert Estimate(0.5, 10, variance=0.04).standard_error == pytest.approx(0.2)
    assert Estimate(0.5, 10).standard_error is None


@pytest.mark.parametrize(
    ("mean", "draws", "aleatoric", "message"),
    [
        ((2, 1), None, None, r"mean must have shape \[n\], not \[2, 1\]"),
        ((), None, None, r"mean must have shape \[n\], not \[\]"),
        ((3,), (4, 2), None, r"draws must have shape \[k, 3\], not \[4, 2\]"),
        ((3,), (3,), None, r"draws must have shape \[k, 3\], not \[3\]"),
        ((3,), (4, 3), (2,), r"aleatoric must have shape \[3\], not \[2\]"),
    ],
)
def test_scores_have_matching_shapes(mean, draws, aleatoric, message) -> None:
    def zeros(shape):
        return None if shape is None else np.zeros(shape)

    with pytest.raises(InputError, match=message):
        Scores(zeros(mean), zeros(draws), zeros(aleatoric))
    scores = Scores(np.zeros(3), np.zeros((4, 3)), np.zeros(3))
    assert scores.draws.shape == (4, 3)
    assert Scores(np.zeros(0), np.zeros((4, 0))).mean.size == 0


# --- Errors ----------------------------------------------------------------------------------------------------------


def test_an_error_says_what_where_and_how_to_mend_it() -> None:
    error = InputError("the line is no JSON", where="votes.jsonl, line 3", fix="mend it")
    assert str(error) == "votes.jsonl, line 3: the line is no JSON Fix: mend it"
    assert (error.what, error.where, error.fix) == ("the line is no JSON", "votes.jsonl, line 3", "mend it")
    assert str(HeedfulError("it failed")) == "it failed"
    assert (
        str(MissingExtraError("torch", "encoder"))
        == "this needs the package 'torch' Fix: pip install 'heedful[encoder]'"
    )


def test_all_errors_can_be_caught_as_one_and_none_as_another() -> None:
    kinds = [UsageError, InputError, FitError, ScaleError, BudgetExceededError, EndpointError, MissingExtraError]
    assert all(issubclass(kind, HeedfulError) for kind in kinds)
    assert not any(issubclass(a, b) or issubclass(b, a) for a, b in pairwise(kinds))
