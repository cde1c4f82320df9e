"""Win rates by hand, and as published."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.evaluation import win_rates

from .common import comparisons

DATA = Path(os.environ.get("HEEDFUL_DATA", Path(__file__).parents[3] / "shared" / "data")) / "alpaca_eval"
MODELS = (
    "FuseChat-Gemma-2-9B-Instruct",
    "FuseChat-Llama-3.1-8B-Instruct",
    "OpenHermes-2.5-Mistral-7B",
    "Qwen-14B-Chat",
)


def by_pair(rows):
    return {(row["item"], row["baseline"]): row for row in rows}


def test_a_pair_by_hand():
    choice = ["first", "first", "second", "tie", "both_bad", "incomparable"]
    findings = []
    rows = by_pair(win_rates(comparisons(6, choice=choice), min_votes=1, findings=findings))
    values = np.array([1, 1, 0, 0.5, 0.5])
    found = rows["a", "b"]
    assert found["win_rate"] == pytest.approx(0.6)
    assert found["n"] == 5
    assert found["standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(5))
    assert rows["b", "a"]["win_rate"] == pytest.approx(0.4)
    assert findings[0].code == "win_rates.incomparable"
    assert findings[0].count == 1


def test_shares_count_as_they_are():
    table = comparisons(3, choice=["first", "second", "tie"], share=[0.9, 0.2, None])
    assert by_pair(win_rates(table, min_votes=1))["a", "b"]["win_rate"] == pytest.approx((0.9 + 0.2 + 0.5) / 3)


def test_the_order_of_candidates_does_not_matter():
    table = comparisons(
        4, first=["a", "b", "b", "a"], second=["b", "a", "a", "b"], choice=["first", "second", "first", "tie"]
    )
    assert by_pair(win_rates(table, min_votes=1))["a", "b"]["win_rate"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_a_system_in_most_comparisons_is_the_baseline():
    table = comparisons(60, first=["x"] * 20 + ["y"] * 20 + ["z"] * 20, second="base")
    assert {(row["item"], row["baseline"]) for row in win_rates(table)} == {("x", "base"), ("y", "base"), ("z", "base")}


def test_without_a_baseline_pairs_stand_both_ways_and_mirror():
    rng = np.random.default_rng(0)
    pairs = [("a", "b"), ("b", "c"), ("a", "c")] * 20
    table = comparisons(
        60, first=[p[0] for p in pairs], second=[p[1] for p in pairs], choice=list(rng.choice(["first", "second"], 60))
    )
    rows = by_pair(win_rates(table))
    assert len(rows) == 6
    for (item, baseline), row in rows.items():
        other = rows[baseline, item]
        assert row["win_rate"] + other["win_rate"] == pytest.approx(1)
        assert row["interval"]["low"] + other["interval"]["high"] == pytest.approx(1)
        assert row["standard_error"] == pytest.approx(other["standard_error"])


def test_few_votes_and_the_limit_are_reported():
    table = comparisons(33, first=["a"] * 15 + ["c"] * 14 + ["e"] * 4, second=["b"] * 15 + ["d"] * 14 + ["f"] * 4)
    findings = []
    rows = win_rates(table, limit=2, findings=findings)
    assert set(by_pair(rows)) == {("a", "b"), ("b", "a")}
    assert [(finding.code, finding.count) for finding in findings] == [("win_rates.few_votes", 1), ("win_rates.cut", 1)]


def test_only_systems_compared_as_wholes_on_the_criterion_count():
    table = comparisons(
        40,
        first=["a"] * 30 + [None] * 5 + ["b"] * 5,
        choice=["first"] * 40,
        criterion=["overall"] * 20 + ["tone"] * 10 + ["overall"] * 10,
        address=[None] * 15 + ['{"kind":"turn","index":1}'] * 5 + [None] * 20,
    )
    rows = by_pair(win_rates(table))
    assert rows["a", "b"]["n"] == 15
    assert by_pair(win_rates(table, criterion="tone"))["a", "b"]["n"] == 10
    assert win_rates(comparisons(0)) == []
    assert win_rates(table, criterion="none such") == []


def test_prompts_that_recur_widen_the_interval_not_the_published_error():
    rng = np.random.default_rng(1)
    win = np.repeat(rng.integers(0, 2, 50), 8)
    choice = ["first" if w else "second" for w in win]
    plain = win_rates(comparisons(400, choice=choice))[0]
    clustered = win_rates(comparisons(400, choice=choice, context=[f"p{i // 8}" for i in range(400)]))[0]

    def width(row):
        return row["interval"]["high"] - row["interval"]["low"]

    assert clustered["standard_error"] == plain["standard_error"]
    assert width(clustered) > 2 * width(plain)


def test_coverage_with_raters_in_common():
    rng = np.random.default_rng(2)
    covered, sets = 0, 400
    threshold = scipy_stats.norm.ppf(0.7)
    for _ in range(sets):
        rater = rng.integers(0, 50, 300)
        latent = np.sqrt(0.25) * rng.normal(size=50)[rater] + np.sqrt(0.75) * rng.normal(size=300)
        choice = np.where(latent < threshold, "first", "second")
        row = by_pair(win_rates(comparisons(300, choice=list(choice), rater=[f"r{r}" for r in rater])))["a", "b"]
        assert row["interval"]["promise"] == "confidence"
        covered += row["interval"]["low"] <= 0.7 <= row["interval"]["high"]
    assert scipy_stats.binomtest(covered, sets, 0.95).pvalue > 1e-4


@pytest.mark.skipif(not DATA.exists(), reason="the AlpacaEval annotations are not here: set HEEDFUL_DATA")
@pytest.mark.parametrize("model", MODELS)
def test_published_alpaca_eval_numbers(model):
    with (DATA / "leaderboard.csv").open() as file:
        published = next(row for row in csv.DictReader(file) if row["model"] == model)
    with gzip.open(DATA / "annotations" / f"{model}.json.gz") as file:
        raw = json.load(file)
    # Preference runs from 1 (the first, the baseline, wins) to 2; 0 and 1.5 are ties.
    second = [float(row["preference"]) - 1 if row["preference"] not in (0, 0.0) else 0.5 for row in raw]
    flip = [i % 2 == 1 for i in range(len(raw))]  # the baseline first in half of them: order must not matter
    table = comparisons(
        len(raw),
        first=[row["generator_2"] if turned else row["generator_1"] for row, turned in zip(raw, flip, strict=True)],
        second=[row["generator_1"] if turned else row["generator_2"] for row, turned in zip(raw, flip, strict=True)],
        share=[value if turned else 1 - value for value, turned in zip(second, flip, strict=True)],
        choice="tie",
        context=[row["instruction"] for row in raw],
        rater=[row["annotator"] for row in raw],
    )
    row = by_pair(win_rates(table))[model, raw[0]["generator_1"]]
    assert row["n"] == int(published["n_total"])
    assert row["win_rate"] == pytest.approx(float(published["win_rate"]) / 100, abs=1e-6)
    assert row["standard_error"] == pytest.approx(float(published["standard_error"]) / 100, abs=1e-6)
    assert row["interval"]["low"] < row["win_rate"] < row["interval"]["high"]
