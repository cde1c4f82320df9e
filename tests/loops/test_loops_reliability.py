"""Raters looked at one by one, as part of a decision and alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

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
