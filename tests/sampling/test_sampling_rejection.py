"""Rejection: accepted draws are exact wherever it stops, and its certificates hold; tested by enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError, Interval, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import constraint
from heedful.sampling import Rejection, rejection
from heedful.target import Target, enumerate_exact

from .common import CONTEXTS as LISTED_CONTEXTS
from .common import target as listed_target
from .language import BASE, CONTEXTS, Plain, frequencies, law, sampled_variation, total_variation, words

TARGET = Target(BASE, 1.0 * Plain())
LISTED = {context: enumerate_exact(TARGET, context) for context in CONTEXTS}
BOUND = float(max(listed.scores.mean.max() for listed in LISTED.values()))
NO_INTERVAL = Interval(0.0, 1.0, "at least")
RATE = math.exp(LISTED[CONTEXTS[0]].log_normalizer - BOUND)


class TestRejectionKeepsTheContract(SamplingEngineContract):
    def make(self):
        return Rejection(BOUND)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]

    def budget(self):
        return Budget(samples=200)


def run(engine, target=TARGET, *, contexts=CONTEXTS[:1], repeats=1, seed=0, budget=None):
    return engine(target, list(contexts) * repeats, budget=budget or Budget(), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("bound", [BOUND, BOUND + 1.0])
def test_accepted_draws_are_exact_at_the_cost_in_closed_form(bound):
    wanted = 1500
    found = run(Rejection(bound, batch=1, level=0.9999), contexts=CONTEXTS, repeats=wanted)
    for number, context in enumerate(CONTEXTS):
        items = [item for item, row in zip(found.items, found.context_index, strict=True) if row % 2 == number]
        true, shown = law(TARGET, context), found.certificates[number]
        assert len(items) == wanted
        assert total_variation(frequencies(items), true) < sampled_variation(true, wanted)
        rate = math.exp(LISTED[context].log_normalizer - bound)
        # A negative binomial number of draws.
        assert abs(shown.tries - wanted / rate) < 4 * math.sqrt(wanted * (1 - rate)) / rate
        assert shown.rate.low < rate < shown.rate.high
        assert shown.log_normalizer.low < LISTED[context].log_normalizer < shown.log_normalizer.high
        assert -math.log(shown.rate.low) > LISTED[context].kl
        assert found.kl[number].value == pytest.approx(LISTED[context].kl, abs=0.05)
        assert found.log_normalizer[number] == pytest.approx(LISTED[context].log_normalizer, abs=0.05)
    assert not found.log_weights.any()


def test_a_chance_without_the_bound_is_noticed(monkeypatch):
    """A planted bug: scores above the bound are cut down to it instead of refused."""
    judge = rejection._Trials.judge

    def clamped(self, items, score, bound, rng):
        judge(self, items, np.minimum(score, bound), bound, rng)

    monkeypatch.setattr(rejection._Trials, "judge", clamped)
    found, true = run(Rejection(-1.0), repeats=1500), law(TARGET, CONTEXTS[0])
    assert total_variation(frequencies(found.items), true) > 2 * sampled_variation(true, 1500)


def test_what_is_accepted_within_a_tight_budget_is_exact_and_the_rest_is_counted():
    """Three wanted and eight draws: rows over many runs follow the target, however many each run gave."""
    items, missing, rng = [], 0, np.random.default_rng(1)
    for _ in range(250):
        budget = Budget(samples=8)
        found = Rejection(BOUND, batch=1)(TARGET, CONTEXTS[:1] * 3, budget=budget, rng=rng)
        shown = found.certificates[0]
        assert len(found.items) == len(found.context_index) == shown.accepted == 3 - shown.missing
        assert found.cost["samples"] == shown.tries == budget.spent["samples"] <= 8
        assert shown.tries == 8 or not shown.missing
        items, missing = [*items, *found.items], missing + shown.missing
    assert missing > 100
    true = law(TARGET, CONTEXTS[0])
    assert total_variation(frequencies(items), true) < sampled_variation(true, len(items))
    capped = run(Rejection(BOUND, tries=2, batch=3), repeats=10)
    assert capped.certificates[0].tries <= 20


def test_intervals_cover_wherever_it_stops():
    """Rejection stops when enough are accepted, which would bias a count of a fixed number of draws."""
    rng, runs, held, below = np.random.default_rng(2), 250, 0, 0
    for _ in range(runs):
        shown = Rejection(BOUND, level=0.9)(TARGET, CONTEXTS[:1] * 5, budget=Budget(), rng=rng).certificates[0]
        held += shown.rate.low <= RATE <= shown.rate.high
        below += shown.log_normalizer.low <= LISTED[CONTEXTS[0]].log_normalizer
        assert shown.rate.promise == "at least"
    assert held >= runs * 0.9 - 2 * math.sqrt(runs * 0.09)
    assert below >= held


SMALL = listed_target()
SMALL_Z = enumerate_exact(SMALL, LISTED_CONTEXTS[0])
SMALL_BOUND = float(SMALL_Z.scores.mean.max())


@pytest.mark.parametrize(
    ("wanted", "engine"),
    [
        (1, Rejection(SMALL_BOUND, batch=1)),
        (1, Rejection(SMALL_BOUND + 1.0, batch=4)),
        (3, Rejection(SMALL_BOUND + 0.5, batch=1)),
        (2, Rejection(SMALL_BOUND + 1.0, tries=3, batch=1)),
    ],
)
def test_log_z_and_kl_have_no_bias_however_it_stops(wanted, engine, monkeypatch):
    monkeypatch.setattr(rejection, "confidence_sequence", lambda values, level: NO_INTERVAL)  # which takes most time
    rng, runs = np.random.default_rng(3), 1000
    ratio, naive, kl = [], [], []
    for _ in range(runs):
        found = engine(SMALL, LISTED_CONTEXTS[:1] * wanted, budget=Budget(), rng=rng)
        ratio.append(math.exp(found.log_normalizer[0] - SMALL_Z.log_normalizer))
        shown = found.certificates[0]
        if engine.tries == 1000:
            kl.append(found.kl[0].value)
        naive.append(shown.accepted / shown.tries / math.exp(SMALL_Z.log_normalizer - engine.bound))
    assert abs(np.mean(ratio) - 1) < 3.5 * np.std(ratio) / math.sqrt(runs)
    if kl:
        assert abs(np.mean(kl) - SMALL_Z.kl) < 3.5 * np.std(kl) / math.sqrt(runs)
        # A planted bug: as if the number of draws had been fixed.
        assert engine.batch > 1 or np.mean(naive) - 1 > 4 * np.std(naive) / math.sqrt(runs)


def test_a_budget_that_may_end_it_leaves_log_z_without_bias(monkeypatch):
    """Some contexts take the draws away from others."""
    monkeypatch.setattr(rejection, "confidence_sequence", lambda values, level: NO_INTERVAL)
    rng, ratio = np.random.default_rng(4), []
    log_z = [enumerate_exact(SMALL, context).log_normalizer for context in LISTED_CONTEXTS]
    bound = max(float(enumerate_exact(SMALL, context).scores.mean.max()) for context in LISTED_CONTEXTS)
    for _ in range(1200):
        found = Rejection(bound + 1.0, batch=1)(SMALL, [*LISTED_CONTEXTS] * 2, budget=Budget(samples=9), rng=rng)
        ratio.append(np.exp(found.log_normalizer[:2] - log_z))
    for own in np.array(ratio).T:
        assert abs(own.mean() - 1) < 3.5 * own.std() / math.sqrt(len(own))


def test_a_score_above_the_bound_is_named():
    best = LISTED[CONTEXTS[0]].items[int(LISTED[CONTEXTS[0]].scores.mean.argmax())]
    with pytest.raises(InputError, match=rf"item {best.key}.*above the bound"):
        run(Rejection(float(np.sort(np.unique(LISTED[CONTEXTS[0]].scores.mean))[-1]) - 0.01), repeats=300)
    # What only rounding lifts above it is not.
    assert len(run(Rejection(BOUND - 1e-12), repeats=50).items) == 50


def test_what_is_ruled_out_is_never_returned():
    no_c = Target(BASE, 1.0 * Plain() + constraint(lambda item: "c" not in words(item), "no c"))
    assert not any("c" in words(item) for item in run(Rejection(BOUND), no_c, repeats=100).items)
    nothing = run(Rejection(0.0, tries=5), Target(BASE, constraint(lambda item: False, "nothing")), repeats=2)
    assert nothing.items == ()
    assert nothing.scores.mean.shape == (0,)
    assert [shown.missing for shown in nothing.certificates] == [2, 2]
    assert nothing.certificates[0].rate.low == 0.0
    assert nothing.certificates[0].log_normalizer.low == -np.inf
    assert (nothing.log_normalizer == -np.inf).all()


def test_a_cap_on_tokens_alone_is_gone_up_to():
    """Outputs have no cap then: tries are as many as the tokens pay for, and what is missing is counted."""
    found = Rejection(50.0)(TARGET, CONTEXTS, budget=Budget(tokens=60), rng=np.random.default_rng(0))
    assert 0 < found.cost["tokens"] <= 60
    assert all(own.missing == 1 for own in found.certificates)


def test_a_budget_too_small_for_each_context_is_refused():
    budget = Budget(samples=1)
    with pytest.raises(BudgetExceededError, match="samples"):
        run(Rejection(BOUND), contexts=CONTEXTS, budget=budget)
    assert budget.spent["samples"] == 0


def test_wrong_use_is_said():
    for wrong in ({"bound": np.inf}, {"bound": np.nan}, {"tries": 0}, {"batch": 0}, {"level": 95}):
        with pytest.raises(UsageError, match="Rejection"):
            Rejection(**{"bound": 0.0, **wrong})
