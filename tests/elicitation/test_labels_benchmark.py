"""The measures of the benchmark on labels, by hand; and what its page says is what the committed results hold."""

from __future__ import annotations

import json
import math
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "labels.json"


@pytest.fixture(scope="module")
def labels() -> dict[str, Any]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return runpy.run_path(str(ROOT / "benchmarks" / "labels.py"))
    finally:
        sys.path.pop(0)


def test_measures_of_a_curve(labels: dict[str, Any]) -> None:
    at = [10, 100, 1000]
    assert labels["area"](at, [0.6, 0.5, 0.4]) == pytest.approx(0.5)
    assert labels["needed"](at, [0.6, 0.5, 0.4], 0.45) == pytest.approx(100 * math.sqrt(10))
    assert labels["needed"](at, [0.6, 0.5, 0.4], 0.7) == 10
    assert labels["needed"](at, [0.6, 0.5, 0.4], 0.3) == math.inf


def test_a_rule_that_halves_the_labels_is_said_to(labels: dict[str, Any]) -> None:
    at = np.array([8, 16, 32, 64, 128])
    rng = np.random.default_rng(0)
    courses = []
    for _ in range(6):
        shift = rng.normal() / 50
        loss = {rule: (1 - 0.1 * np.log2(times * at) + shift).tolist() for rule, times in (("random", 1), ("half", 2))}
        seconds = {"seconds": 1.0, "choosing": 0.5}
        courses.append({rule: {"labels": at.tolist(), "loss": values, **seconds} for rule, values in loss.items()})
        courses[-1]["odd"] = {"skipped": "it asks about one output"}
    random, half, odd = labels["summarised"](courses, 0.0)
    assert random["less random's"] == pytest.approx((0, 0, 0))
    assert half["less random's"] == pytest.approx((-0.1, -0.1, -0.1))
    assert half["labels, times random's"] == pytest.approx([0.5, 0.5, 0.5], rel=1e-6)
    assert odd == {"rule": "odd", "skipped": "it asks about one output"}


def test_labels_are_revealed_once_and_as_many_as_asked_for(labels: dict[str, Any]) -> None:
    pool = labels["arena"]("ArenaWorld", 0)
    waiting = labels["_by_pair"](pool.asked, np.random.default_rng(0))
    first = sorted(row for rows in waiting.values() for row in rows)
    assert first == list(range(len(pool.asked)))
    known = labels["Known"](labels["_fitted"](pool, range(40), 1.0, np.random.default_rng(0)), pool.x)
    rule = labels["RULES"]["random"]
    seen = labels["_answers"](rule, known, waiting, 400, np.random.default_rng(0))
    assert len(set(seen)) == 400
    left = {row for rows in waiting.values() for row in rows}
    assert left == set(first) - set(seen)


def test_rows_of_the_page_are_the_results(labels: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8").split("## What asking saves")[1].split("\n## ")[0]
    results = json.loads(RESULTS.read_text("utf-8"))
    assert set(results) == set(labels["SETS"])
    for name, found in results.items():
        for row in found["summary"]:
            assert "skipped" in row or labels["row_of"](name, row) in page
