"""Engines are what they declare, by benchmarks/conformance.py in small; what peers got wrong is noticed."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from heedful.core import Budget, InputError, Item, Samples, Scores
from heedful.sampling import Particles
from heedful.worlds import deviations, law_test, proper_test

from .language import BASE, CONTEXTS, Liked, Target, enumerate_exact

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    from conforming import bugs, checks, engines
finally:
    sys.path.remove(str(BENCHMARKS))

CASES = engines.cases()
SCRIPT = runpy.run_path(str(BENCHMARKS / "conformance.py"))
TARGET = Target(BASE, 1.0 * Liked())
LISTED = {context: enumerate_exact(TARGET, context) for context in CONTEXTS}


# What is told is true: the tests' own sizes, by simulation.


def test_exact_draws_fail_the_test_of_laws_as_often_as_it_says():
    law = dict(zip(LISTED[CONTEXTS[0]].items, LISTED[CONTEXTS[0]].probability.tolist(), strict=True))
    rng = np.random.default_rng(0)
    items, p = list(law), np.array(list(law.values()))
    found = [
        law_test([items[row] for row in rng.choice(len(p), 60, p=p / p.sum())], law, rng=rng, runs=199).p
        for _ in range(400)
    ]
    for level in (0.05, 0.3):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 400))
    assert law_test(items[:1] * 60, law, rng=rng).p < 1e-3
    outside = law_test([Item.of("a", "no word")] * 3, law, rng=rng)
    assert (outside.distance, outside.draws) == (1.0, 3)
    with pytest.raises(InputError, match="no outputs"):
        law_test([], law, rng=rng)


def test_proper_weights_fail_their_test_as_often_as_it_says():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4))
    found = np.array([proper_test(rng.normal(size=(300, 4)) @ root).p for _ in range(1000)])
    for level in (0.05, 0.3):
        assert np.mean(found <= level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 1000) + 0.01)
    told = proper_test(rng.normal(size=(400, 3)) + np.array([0.3, 0.0, 0.0]))
    assert told.p < 1e-4
    assert told.ratio == pytest.approx(1.3, abs=4 * told.error)
    # What never varies must be right to the last digits.
    assert proper_test(np.zeros((50, 2))).p == 1.0
    assert proper_test(np.full((50, 2), 1e-3)).p == 0.0


def test_deviations_are_those_of_weighted_outputs():
    contexts = [CONTEXTS[0], CONTEXTS[1]]
    found = Particles(3)(TARGET, contexts, budget=Budget(), rng=np.random.default_rng(2))
    told = deviations(found, contexts, LISTED)
    for row, context in enumerate(contexts):
        own = found.context_index == row
        z = LISTED[context].log_normalizer
        assert told[row, 0] == pytest.approx(np.exp(found.log_normalizer[row] - z) - 1)
        weighted = np.exp(found.log_weights[own] - z) @ found.scores.mean[own]
        assert told[row, 1] == pytest.approx(weighted - LISTED[context].expected)
    alien = Samples((Item.of("a", "no word"),), np.zeros(1, np.intp), np.zeros(1), Scores(np.zeros(1)), {})
    with pytest.raises(InputError, match="cannot give"):
        deviations(alien, contexts[:1], LISTED)


# Engines, and bugs planted in them.


@pytest.mark.parametrize("name", CASES)
def test_an_engine_is_what_it_declares(name):
    assert SCRIPT["holds"](CASES[name].told(checks.QUICK)), name


def test_every_honesty_has_its_cases():
    by_honesty: dict[str, set[str]] = {}
    for case in CASES.values():
        by_honesty.setdefault(case.honesty, set()).add(case.engine)
    assert by_honesty == {
        "exact": {"exact", "Rejection", "Guided"},
        "proper": {"Particles", "Tempered", "resampling"},
        "consistent": {"BestOfN", "Metropolis", "Particles", "ParticleGibbs", "Tempered"},
        "maximiser": {"BestOfN", "EarlyBestOfN", "Cascade", "Refining"},
        "heuristic": {"Deepening", "Guided", "HillClimb", "StepBeam", "StepTree", "TokenBeam", "TreeSearch"},
    }


def noticed(name):
    bug = bugs.BUGS[name]
    with bug.planted():
        told = engines.cases()[bug.by].told(checks.BUGS)
    return not SCRIPT["holds"](told)


def test_peers_prefixes_merged_by_their_end_are_noticed():
    """Two prompts with one continuation, asked at once, answered alike (genlm-backend)."""
    assert noticed("different prefixes merged")


def test_peers_last_weight_counted_twice_is_noticed():
    """The reward of the end, weighed once more (its_hub)."""
    assert noticed("the last weight counted twice")


def test_peers_option_of_resampling_ignored_is_noticed():
    """Systematic resampling that stays multinomial (its_hub)."""
    assert noticed("the option of resampling ignored")


QUICK_KINDS = {"resampling", "weights", "guides", "rejection", "maximisers", "searches"}
PEERS = {"the last weight counted twice", "the option of resampling ignored"}


@pytest.mark.parametrize(
    "name", [name for name, bug in bugs.BUGS.items() if bug.kind in QUICK_KINDS and name not in PEERS]
)
def test_a_planted_bug_is_noticed(name):
    assert noticed(name)


# What is committed.


@pytest.fixture(scope="module")
def results():
    return json.loads((BENCHMARKS / "results" / "conformance.json").read_text("utf-8"))


def test_in_full_every_case_holds_and_every_bug_is_noticed(results):
    assert {row["case"] for row in results["cases"]} == set(CASES)
    assert all(row["holds"] for row in results["cases"])
    assert max(row["error"] for row in results["cases"] if "error" in row) <= 0.003
    assert {row["bug"] for row in results["bugs"]} == set(bugs.BUGS)
    assert all(row["noticed"] for row in results["bugs"])


def test_the_page_shows_the_committed_results(results):
    page = (BENCHMARKS.parent / "docs" / "benchmarks.md").read_text("utf-8")
    assert SCRIPT["tables"](results) in page
