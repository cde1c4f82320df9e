"""Raters looked at one by one, as part of a decision and alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from heedful.cli import text
from heedful.core import Finding, FitError
from heedful.feedback import Table
from heedful.loops import rater_reliability
from heedful.loops.reliability import reliability_of


def votes(raters: int = 8, each: int = 60, *, named: bool = True, seed: int = 0) -> Table:
    """Raters who see 8 items in a clear order; the first of them names the worse."""
    rng = np.random.default_rng(seed)
    n = raters * each
    rater = np.repeat(np.arange(raters), each)
    first = rng.integers(8, size=n)
    second = (first + rng.integers(1, 8, size=n)) % 8
    won = rng.random(n) < 1 / (1 + np.exp(second - first))
    won ^= rater == 0
    columns: dict[str, Any] = {
        "id": [str(row) for row in range(n)],
        "kind": ["comparison"] * n,
        "systems": [[f"item {a}", f"item {b}"] for a, b in zip(first, second, strict=True)],
        "choice": np.where(won, "first", "second"),
    }
    return Table.shaped(pl.DataFrame(columns | ({"rater": [f"r{r}" for r in rater]} if named else {})))


def test_the_rater_who_names_the_worse_comes_first_and_is_named() -> None:
    found = rater_reliability(votes())
    assert found["raters"][0]["rater"] == "r0"
    assert found["raters"][0]["reliability"] < 0
    assert found["raters"][0]["adversarial"] > 0.9
    assert [one["code"] for one in found["findings"]] == ["raters.adversarial"]
    assert found["findings"][0]["examples"] == ("r0",)
    values = [row["reliability"] for row in found["raters"]]
    assert values == sorted(values)


def test_a_decision_looks_at_raters_where_there_are_some() -> None:
    findings: list[Finding] = []
    part = reliability_of(votes(), "overall", seed=0, findings=findings)
    assert part is not None
    assert set(part) == {"model", "raters"}
    assert [finding.code for finding in findings] == ["raters.adversarial"]
    assert reliability_of(votes(named=False), "overall", seed=0, findings=findings) is None
    assert reliability_of(votes(raters=2), "overall", seed=0, findings=findings) is None


def test_without_raters_there_is_nothing_to_tell() -> None:
    with pytest.raises(FitError, match="rater"):
        rater_reliability(votes(named=False))


def test_raters_of_grades_come_strictest_first_also_without_comparisons() -> None:
    rng = np.random.default_rng(2)
    rater, item = rng.integers(6, size=600), rng.integers(5, size=600)
    level = np.clip(np.round(3 + 0.5 * (item - 2) - 0.8 * (rater - 2.5) + rng.normal(size=600)), 1, 5)
    ratings = Table.shaped(
        pl.DataFrame(
            {
                "id": [f"g{row}" for row in range(600)],
                "kind": ["rating"] * 600,
                "systems": [[f"item {one}"] for one in item],
                "rating": level,
                "scale_low": np.ones(600),
                "scale_high": np.full(600, 5.0),
                "rater": [f"r{one}" for one in rater],
            }
        )
    )
    found = rater_reliability(ratings)
    assert [scale["rater"] for scale in found["scales"]] == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert (found["model"], found["raters"]) == (None, [])
    both = rater_reliability(Table.concat([votes(), ratings]))
    assert len(both["scales"]) == 6
    assert both["raters"][0]["rater"] == "r0"
    assert "strictness" in text.reliability(found)
