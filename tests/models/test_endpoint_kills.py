"""A run that is killed again and again buys nothing on record again and stays within its caps."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "endpoint.py"


@pytest.mark.parametrize(("kills", "seed"), [(3, 0), pytest.param(20, 1, marks=pytest.mark.slow)])
def test_a_killed_run_loses_no_more_than_what_was_under_way(kills, seed, tmp_path) -> None:
    found: dict[str, Any] = runpy.run_path(str(SCRIPT))["killed_run"](kills, seed, tmp_path)
    concurrency = 8
    assert (found["kills"], found["answered"]) == (kills, 200)
    assert found["bought_again"] == found["above_caps"] == 0
    assert found["caps_reached"] == 1
    assert found["repeats"] > 0  # else no kill struck a call
    assert found["most_repeats"] <= concurrency
    assert found["served"]["calls"] == 200 + found["repeats"]
    assert all(found["served"][unit] <= charged + 1e-9 for unit, charged in found["charged"].items())


def test_the_page_on_benchmarks_shows_the_committed_results() -> None:
    page = (SCRIPT.parents[1] / "docs" / "benchmarks.md").read_text("utf-8")
    results = json.loads((SCRIPT.parent / "results" / "endpoint.json").read_text("utf-8"))
    for lines in runpy.run_path(str(SCRIPT))["tables"](results):
        assert "\n".join(lines) in page
    assert all(row["bought_again"] == row["above_caps"] == 0 and row["most_repeats"] <= 8 for row in results["kills"])
    assert all(row["more_processor"] - row["within_processor"] < 1.0 for row in results["overhead"])
