"""Agreement between raters on questions whatever the order of candidates."""

from __future__ import annotations

import json
import sys

import numpy as np
import polars as pl
import pytest

from heedful.evaluation import agreement
from heedful.feedback import Table

from .common import choices, comparisons, decided_by


def measure(table, *args, **options):
    return agreement(table, *args, **options)


def test_percent_by_hand():
    # Question 1: first, first, second -> 1 of 3 pairs agree. Question 2: tie, tie -> 1. Question 3: one vote.
    table = comparisons(
        6,
        context=["q1"] * 3 + ["q2"] * 2 + ["q3"],
        choice=["first", "first", "second", "tie", "tie", "first"],
        rater=["r1", "r2", "r3", "r1", "r2", "r1"],
    )
    found = measure(table)["between_raters"]
    assert found["percent"] == pytest.approx((1 / 3 + 1) / 2)
    assert (found["n"], found["votes"], found["kind"], found["metric"]) == (2, 5, "comparison", "nominal")


def test_candidates_in_another_order_are_the_same_question():
    table = comparisons(
        4,
        context=["q1", "q1", "q2", "q2"],
        first=["a", "b", "a", "b"],
        second=["b", "a", "b", "a"],
        choice=["first", "second", "first", "first"],
        rater=["r1", "r2", "r1", "r2"],
    )
    assert measure(table)["between_raters"]["percent"] == pytest.approx(0.5)


@pytest.mark.parametrize("column", ["criterion", "address"])
def test_what_makes_another_question(column):
    other = {"criterion": "tone", "address": '{"kind":"turn","index":1}'}[column]
    usual = {"criterion": "overall", "address": None}[column]
    table = comparisons(2, context="q", rater=["r1", "r2"], **{column: [usual, other]})
    assert measure(table)["between_raters"] is None


def test_outputs_tell_candidates_apart():
    table = comparisons(2, first=None, second=None, context="q", rater=["r1", "r2"], outputs=[["x", "y"], ["x", "z"]])
    assert measure(table)["between_raters"] is None
    unknown = comparisons(2, first=None, context="q", rater=["r1", "r2"])
    assert measure(unknown)["between_raters"] is None
    somewhere = comparisons(2, rater=["r1", "r2"])  # the same two systems, on who knows what prompts
    assert measure(somewhere)["between_raters"] is None
    same = comparisons(2, first=None, second=None, rater=["r1", "r2"], outputs=[["x", "y"], ["y", "x"]])
    assert measure(same)["between_raters"]["percent"] == 0.0


def test_a_rater_is_not_asked_to_agree_with_themselves():
    table = comparisons(3, context="q", choice=["first", "second", "second"], rater=["r1", "r1", "r2"])
    found = measure(table)["between_raters"]
    assert found["votes"] == 2
    assert found["percent"] == 0.0  # the first answer of r1 counts


def test_votes_without_a_rater_are_by_different_raters():
    found = measure(comparisons(2, context="q", choice=["first", "first"]))
    assert found["between_raters"]["percent"] == 1.0
    assert found["raters"] == []


def crowd(n_questions=150, raters=6, loyalty=0.7, seed=0):
    """Raters who give the question's answer with probability `loyalty`, else a coin; one of them only tosses."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, 2, n_questions), raters)
    who = np.tile(np.arange(raters), n_questions)
    follows = (rng.random(len(truth)) < loyalty) & (who != raters - 1)
    vote = np.where(follows, truth, rng.integers(0, 2, len(truth)))
    context = [f"q{q}" for q in np.repeat(np.arange(n_questions), raters)]
    return comparisons(len(truth), context=context, choice=choices(vote), rater=[f"r{w}" for w in who])


def test_the_careless_rater_stands_out():
    found = measure(crowd())
    raters = {row["rater"]: row for row in found["raters"]}
    assert len(raters) == 6
    assert min(raters, key=lambda name: raters[name]["agreement"]) == "r5"
    assert raters["r5"]["interval"]["low"] < 0.5 < raters["r5"]["interval"]["high"]
    # Two loyal raters agree with probability 0.49 + 0.51 / 2; four of five others are loyal, the last is a coin.
    expected = (4 * (0.49 + 0.51 / 2) + 0.5) / 5
    assert raters["r0"]["agreement"] == pytest.approx(expected, abs=0.04)
    json.dumps(found, allow_nan=False)


def test_alpha_has_its_interval_and_a_long_list_of_raters_is_cut(monkeypatch):
    monkeypatch.setattr(sys.modules["heedful.evaluation.agreement"], "MAX_RATERS", 4)
    findings = []
    found = measure(crowd(), findings=findings)
    interval = found["between_raters"]["alpha_interval"]
    assert interval["low"] < found["between_raters"]["alpha"] < interval["high"]
    assert len(found["raters"]) == 4
    assert (findings[0].code, findings[0].count) == ("agreement.cut", 2)


@pytest.mark.parametrize("prompts", [13, 50])
def test_questions_of_one_prompt_belong_together(prompts):
    rng, each = np.random.default_rng(1), 20
    truth = np.repeat(rng.integers(0, 2, prompts * each), 2)
    follows = rng.random(len(truth)) < np.repeat(rng.beta(1, 1, prompts), 2 * each)
    vote = np.where(follows, truth, rng.integers(0, 2, len(truth)))
    question, n = np.arange(len(truth)) // 2, len(truth)
    options = {"first": None, "second": None, "rater": ["r1", "r2"] * (n // 2), "choice": choices(vote)}
    outputs = [[f"yes {q}", f"no {q}"] for q in question]
    found, alone = (
        measure(comparisons(n, outputs=outputs, context=[f"c{c}" for c in context], **options))["between_raters"]
        for context in (question // each, question)
    )
    assert found["alpha"] == pytest.approx(alone["alpha"], abs=0.02)  # which candidate counts as first is arbitrary
    assert alone["alpha_interval"] is not None
    if prompts == 13:
        assert found["alpha_interval"] is found["percent_interval"] is None
        assert found["note"].count("13 clusters") == 1
    else:
        wide, narrow = (part["alpha_interval"]["high"] - part["alpha_interval"]["low"] for part in (found, alone))
        assert wide > 1.5 * narrow


def graded(values, raters, contexts, kind="rating"):
    n = len(values)
    columns = (
        {"rating": values, "scale_low": [1.0] * n, "scale_high": [5.0] * n} if kind == "rating" else {"label": values}
    )
    frame = {
        "id": [f"g{i}" for i in range(n)],
        "kind": [kind] * n,
        "systems": [["a"]] * n,
        "rater": raters,
        "context": contexts,
    }
    return Table.shaped(pl.DataFrame({**frame, **columns}))


def test_ratings_are_ordinal_and_labels_nominal():
    contexts, raters = ["q1", "q1", "q2", "q2"], ["r1", "r2"] * 2
    found = measure(graded([1.0, 2.0, 5.0, 5.0], raters, contexts))["between_raters"]
    assert (found["metric"], found["percent"]) == ("ordinal", 0.5)
    assert 0.5 < found["alpha"] < 1
    found = measure(graded([True, False, True, True], raters, contexts, "label"))["between_raters"]
    assert (found["kind"], found["metric"], found["percent"]) == ("label", "nominal", 0.5)
    many = np.arange(40.0).repeat(2) / 10
    found = measure(graded(many.tolist(), raters * 20, [f"q{i // 2}" for i in range(80)]))["between_raters"]
    assert (found["metric"], found["alpha"]) == ("interval", 1.0)


def test_the_kind_with_most_shared_votes_is_reported():
    table = Table.concat([crowd(20), graded([True, False], ["r1", "r2"], ["q", "q"], "label")])
    assert measure(table)["between_raters"]["kind"] == "comparison"


def test_nobody_shares_a_question():
    findings = []
    found = measure(comparisons(5, context=[f"q{i}" for i in range(5)]), findings=findings)
    assert found == {"between_raters": None, "with_model": None, "raters": []}
    assert findings[0].code == "agreement.none"


def test_agreement_with_a_model():
    outcome = np.array([1, 0, 1, 1] * 10)
    table = comparisons(40, choice=choices(outcome))
    found = measure(crowd(), decided_by(np.full(40, 0.8), outcome), predicted=table)
    assert found["with_model"]["accuracy"] == pytest.approx(0.75)
    assert found["with_model"]["n"] == 40
