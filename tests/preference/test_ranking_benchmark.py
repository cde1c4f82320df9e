"""The benchmark of ranking: what it says of times and intervals follows from what it measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def ranking() -> Any:
    place = Path(__file__).parents[2] / "benchmarks" / "ranking.py"
    spec = importlib.util.spec_from_file_location("benchmark_ranking", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def row(method: str, seconds: float, error: float) -> dict[str, Any]:
    times = {"prepare": 0.0, "fit": 2 * seconds, "processor": seconds}
    return {"method": method, "data": "small", "error": error} | times


def test_a_fit_written_here_stands_beside_the_releases_not_among_them(ranking: Any) -> None:
    rows = [row("heedful: strengths", 1, 0), row("heedful: strengths + sandwich", 2, 0), row("evalica", 100, 1e-9)]
    rows += [row("another", 10, 1e-3), row(ranking.WRITTEN_HERE, 4, 1e-8)]
    found = ranking.targets(rows)
    assert list(found) == ["small, processor", "small, wall"]
    own = found["small, processor"]
    assert own["fastest correct release"] == "evalica"
    assert own["strengths, times faster than the release"] == 100
    assert own["strengths, times faster than FastChat-style"] == 4
    assert own["strengths and intervals, times faster than FastChat-style"] == 2


def test_the_fit_written_here_has_the_loosest_tolerance_that_is_right(ranking: Any, tmp_path: Path) -> None:
    path = ranking.generate(tmp_path / "votes.npz", 20, 3000)
    ranking.reference(path)
    measured = ranking.one(ranking.WRITTEN_HERE, path)
    assert measured["error"] < ranking.CORRECT
    assert measured["gtol"] >= 1e-11


def test_each_promise_has_its_own_tally(ranking: Any) -> None:
    """Some sets of votes have enough that were decided for `confidence`, others have not."""
    cell = ranking.Cell("bradley_terry", "davidson", -0.7, 4, 20)
    tally = ranking.simulate(cell, 60, np.random.default_rng(0))
    assert set(tally) == {"confidence", "at least"}
    assert sum(checked for _, checked in tally.values()) == 60
    assert all(hits <= checked for hits, checked in tally.values())
