"""How the benchmark of raters draws its crowds and sums them up."""

from __future__ import annotations

import itertools
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp


@pytest.fixture(scope="module")
def raters() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "raters.py"))


def test_intervals_are_those_of_a_t_test(raters: dict[str, Any]) -> None:
    gains = np.random.default_rng(0).normal(0.1, 1, 20)
    runs = [{"tau": gain, "tau, equal": 0.0, "log loss": 0.0, "log loss, equal": -gain} for gain in gains]
    row = raters["summary"](("rate", "uniform", 200, 20), runs)
    truth = ttest_1samp(gains, 0).confidence_interval(0.95)
    for name in ("tau", "log loss"):
        assert row[f"{name}, difference"] == pytest.approx([gains.mean(), truth.low, truth.high])


def test_every_cell_has_crowds_of_its_own(raters: dict[str, Any]) -> None:
    cells = itertools.product(raters["LAWS"], (*raters["SHAPES"], "equal"), (200, 500), (20, 40), range(3))
    first = [raters["generator"](*cell).random() for cell in cells]
    assert len(set(first)) == len(first) == 144
