"""The measures of benchmarks/training.py."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return runpy.run_path(str(BENCHMARKS / "training.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_intervals_of_a_ratio_hold_what_they_promise(benchmark):
    """Rates of both rise and fall together, by far more than their ratio does."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(500):
        drift = np.cumsum(rng.normal(0, 0.3, 15))
        ours, other = (np.exp(drift + rng.normal(mean, 0.05, 15)) for mean in (np.log(1.25), 0.0))
        told = benchmark["ratio"](ours, other)
        assert told["low"] < told["ratio"] < told["high"] < 1.5
        held += told["low"] < 1.25 < told["high"]
    assert 463 <= held <= 487  # two and a half standard errors of 475


def test_contenders_that_do_not_do_the_same_end_the_benchmark(benchmark):
    def turn(loss, tokens):
        return {"losses": [loss], "tokens": tokens}

    told = {"floor": [turn(0.7, 90)], "ours": [turn(0.70001, 90)]}
    benchmark["refuse_other_losses"]("dpo", told)
    for other, what in ((turn(0.71, 90), "losses 1.4e-02 apart"), (turn(0.7, 91), "tokens others")):
        with pytest.raises(SystemExit, match=what):
            benchmark["refuse_other_losses"]("dpo", told | {"ours": [other]})
