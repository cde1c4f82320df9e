"""Scores of held-out judgements against numbers worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from heedful.core import InputError
from heedful.evaluation import held_out
from heedful.feedback import Table
from heedful.stats import wilson

from .common import Prediction, choices, comparisons, decided_by


def score(prediction, table, seed=0, **options):
    return held_out(prediction, table, rng=np.random.default_rng(seed), **options)


def test_scores_by_hand():
    outcome = np.array([1, 0, 1, 1])
    part = score(decided_by([0.8, 0.4, 0.5, 0.3], outcome), comparisons(4, choice=choices(outcome)))
    assert part["n"] == part["n_decided"] == 4
    assert part["accuracy"] == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert part["brier"] == pytest.approx((0.04 + 0.16 + 0.25 + 0.49) / 4)
    assert part["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.5, 0.3]).mean())


def test_ties_count_in_the_log_loss_only():
    outcome = np.array([1.0, 0.0, np.nan])
    prediction = Prediction(np.log([0.5, 0.4, 0.2]), np.array([0.7, 0.4, 0.6]), outcome)
    part = score(prediction, comparisons(3, choice=["first", "second", "tie"]))
    assert part["n_decided"] == 2
    assert part["log_loss_n"] == 3
    assert part["accuracy"] == 1.0
    assert part["log_loss"] == pytest.approx(-np.log([0.5, 0.4, 0.2]).mean())


def test_shares_are_scored_against_a_voter_drawn_at_random():
    # Shares 0.75, 0.5 (a tie) and 0.2 of comparisons, and a vote without a share.
    p, s = np.array([0.8, 0.6, 0.7, 0.4]), np.array([0.75, 0.5, 0.2, 0.0])
    outcome = np.array([1.0, np.nan, 0.0, 0.0])
    loss = -s * np.log(p) - (1 - s) * np.log(1 - p)
    table = comparisons(4, choice=["first", "tie", "second", "second"], share=[0.75, 0.5, 0.2, None])
    part = score(Prediction(-loss, p, outcome), table, bins=2)
    assert (part["n"], part["n_decided"], part["log_loss_n"]) == (4, 3, 4)
    assert part["accuracy"] == pytest.approx((1 + 0 + 1) / 3)
    assert part["brier"] == pytest.approx((0.75 * 0.04 + 0.25 * 0.64 + 0.26 + 0.2 * 0.09 + 0.8 * 0.49 + 0.16) / 4)
    assert part["log_loss"] == pytest.approx(loss.mean())
    # Turned to the likelier winner: 0.6 twice, observed 0.5 and 1.0; 0.7 observed 0.2, 0.8 observed 0.75.
    observed = [(row["predicted"], row["observed"]) for row in part["reliability"]]
    assert observed == [(pytest.approx(0.6), 0.75), (0.75, pytest.approx(0.475))]
    assert part["ece_plain"] == pytest.approx(0.5 * 0.15 + 0.5 * 0.275)


def test_turning_comparisons_turns_their_shares():
    rng = np.random.default_rng(3)
    p, s = rng.beta(2, 2, 300), rng.integers(0, 6, 300) / 5
    outcome, swap = (s > 0.5).astype(float), rng.random(300) < 0.5
    one = score(decided_by(p, outcome), comparisons(300, choice=choices(outcome), share=s))
    turned = np.where(swap, 1 - s, s)
    other = (turned > 0.5).astype(float)
    two = score(decided_by(np.where(swap, 1 - p, p), other), comparisons(300, choice=choices(other), share=turned))
    for key in ("accuracy", "brier", "ece", "ece_plain"):
        assert two[key] == pytest.approx(one[key], rel=1e-9)


def random_votes(n=600, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 2, n).round(2)
    outcome = (rng.random(n) < p).astype(float)
    return p, outcome, rng


def test_swapping_candidates_changes_nothing():
    p, outcome, rng = random_votes()
    swap = rng.random(len(p)) < 0.5
    one = score(decided_by(p, outcome), comparisons(len(p), choice=choices(outcome)))
    turned = np.where(swap, 1 - outcome, outcome)
    two = score(decided_by(np.where(swap, 1 - p, p), turned), comparisons(len(p), choice=choices(turned)))
    for key in ("accuracy", "brier", "log_loss", "ece", "ece_plain"):
        assert two[key] == pytest.approx(one[key], rel=1e-12)
    assert [row["observed"] for row in two["reliability"]] == pytest.approx([r["observed"] for r in one["reliability"]])


def test_a_calibrated_model_lies_in_its_null_band_and_an_overconfident_one_does_not():
    p, outcome, _ = random_votes(4000)
    table = comparisons(len(p), choice=choices(outcome))
    low, high = (part := score(decided_by(p, outcome), table))["ece_null_band"]
    assert low <= part["ece"] <= high
    sure = 1 / (1 + (1 / np.clip(p, 0.01, 0.99) - 1) ** 3)
    part = score(decided_by(sure, outcome), table)
    assert part["ece"] > part["ece_null_band"][1]
    assert part["ece"] > 0.05


def test_accuracy_interval_is_wilson_without_clusters_and_wider_with():
    p, outcome, _ = random_votes(600)
    table = comparisons(600, choice=choices(outcome))
    part = score(decided_by(p, outcome), table)
    hits = ((p > 0.5) == (outcome == 1)).sum()
    if not (p == 0.5).any():
        expected = wilson(hits, 600)
        assert part["accuracy_interval"] == {
            "low": expected.low,
            "high": expected.high,
            "promise": "confidence",
            "level": 0.95,
        }
    # Ten copies of each of 60 votes, known to be about one prompt.
    p, outcome, context = np.repeat(p[:60], 10), np.repeat(outcome[:60], 10), np.repeat(np.arange(60), 10)
    wide = score(decided_by(p, outcome), comparisons(600, choice=choices(outcome), context=[f"c{c}" for c in context]))
    width = wide["accuracy_interval"]["high"] - wide["accuracy_interval"]["low"]
    assert width > 2 * (part["accuracy_interval"]["high"] - part["accuracy_interval"]["low"])
    assert wide["notes"] == []


def test_few_raters_are_held_fixed_and_that_is_said():
    p, outcome, _ = random_votes(300)
    table = comparisons(300, choice=choices(outcome), rater=[f"r{i % 3}" for i in range(300)])
    part = score(decided_by(p, outcome), table)
    assert part["accuracy_interval"] is not None
    assert part["notes"] == ["the interval speaks for these 3 raters alone: too few to speak for others"]


def test_too_few_prompts_leave_notes_where_intervals_would_be():
    p, outcome, _ = random_votes(300)
    criterion = ["helpful"] * 150 + ["harmless"] * 150
    table = comparisons(300, choice=choices(outcome), context=[f"c{i % 13}" for i in range(300)], criterion=criterion)
    part = score(decided_by(p, outcome), table)
    assert part["accuracy_interval"] is part["ece_null_band"] is None
    assert part["ece"] is not None
    for row in part["reliability"] + part["slices"]:
        assert row.get("interval", row.get("accuracy_interval")) is None
        assert "clusters" in row["note"]
    assert any(note.startswith("calibration: 13 clusters") for note in part["notes"])


def test_unpredicted_rows_are_counted():
    p, outcome, _ = random_votes(100)
    prediction = decided_by(p, outcome)
    prediction.log_prob[:30] = np.nan
    prediction.probability[:30] = np.nan
    findings = []
    part = score(prediction, comparisons(100, choice=choices(outcome)), findings=findings)
    assert (part["n"], part["n_decided"], part["log_loss_n"]) == (100, 70, 70)
    assert (findings[0].code, findings[0].count) == ("held_out.unpredicted", 30)


def test_an_impossible_outcome_is_a_problem_not_a_crash():
    findings = []
    part = score(decided_by([1.0, 0.5], [0, 1]), comparisons(2, choice=["second", "first"]), findings=findings)
    assert part["log_loss"] is None
    assert findings[0].code == "held_out.impossible"
    assert "infinite" in " ".join(part["notes"])


def test_nothing_predicted_is_nothing_scored():
    nothing = np.full(5, np.nan)
    part = score(Prediction(nothing, nothing, nothing), comparisons(5))
    assert part["accuracy"] is part["ece"] is part["log_loss"] is None
    assert part["reliability"] == part["slices"] == []
    json.dumps(part, allow_nan=False)


def test_slices_are_listed_where_there_are_several_with_enough_votes():
    n = 120
    p, outcome, _ = random_votes(n)
    table = comparisons(
        n,
        choice=choices(outcome),
        criterion=["helpful"] * 80 + ["harmless"] * 40,
        rater=[f"r{i}" for i in range(n)],
        rater_kind=["person"] * 100 + ["model"] * 20,
        context=["x" * (1 + i) for i in range(n)],
    )
    prediction = decided_by(p, outcome)
    slices = {row["slice"]: row for row in score(prediction, table)["slices"]}
    assert slices["criterion: helpful"]["n"] == 80
    right = ((p > 0.5) == (outcome == 1)) + 0.5 * (p == 0.5) * np.where((p > 0.5) == (outcome == 1), -1, 1)
    assert slices["criterion: harmless"]["accuracy"] == pytest.approx(right[80:].mean())
    assert "rater: person" in slices
    assert "rater: model" not in slices  # 20 votes are too few
    assert not any(name.startswith("kind") for name in slices)  # one kind is no slice
    terciles = [row["n"] for name, row in slices.items() if name.startswith("context")]
    assert sum(terciles) == n
    assert len(terciles) == 3


def test_labels_are_calibrated_as_they_are():
    # Were labels turned to the likelier answer, as comparisons are, the errors here would cancel:
    # P(yes) is 0.3 and 0.7, and both are observed 0.1 higher.
    table = Table.shaped(
        pl.DataFrame(
            {
                "id": [f"l{i}" for i in range(200)],
                "kind": ["label"] * 200,
                "systems": [["a"]] * 200,
                "label": [True] * 200,
            }
        )
    )
    p = np.repeat([0.3, 0.7], 100)
    outcome = np.r_[np.ones(40), np.zeros(60), np.ones(80), np.zeros(20)]
    part = score(decided_by(p, outcome), table)
    assert part["ece_plain"] == pytest.approx(0.1)


def test_a_prediction_of_another_table_is_refused():
    with pytest.raises(InputError, match="2 rows"):
        score(decided_by([0.5, 0.5], [1, 0]), comparisons(3))


def test_the_part_is_plain_json():
    p, outcome, _ = random_votes(200)
    part = score(decided_by(p, outcome), comparisons(200, choice=choices(outcome)), split="by context")
    json.dumps(part, allow_nan=False)
    assert part["split"] == "by context"
    wanted = {"n", "n_decided", "accuracy", "accuracy_interval", "brier", "ece", "ece_null_band", "log_loss"}
    assert wanted | {"log_loss_interval", "reliability", "learning_curve", "slices", "split"} <= part.keys()
    assert {"low", "high", "n", "predicted", "observed", "interval", "note"} == part["reliability"][0].keys()
