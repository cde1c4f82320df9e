"""Tempering: steps as far as they promise, moves that leave each step's law as it is, weights that are proper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import constraint
from heedful.models import TableModel
from heedful.sampling import Particles, Tempered, effective_size
from heedful.sampling.metropolis import Edits, moved
from heedful.sampling.scoring import Scoring
from heedful.sampling.writing import Writing
from heedful.target import Target, enumerate_exact

from .language import BASE, CONTEXTS, Plain, frequencies, law, sampled_variation, total_variation, words

TARGET = Target(BASE, 1.5 * Plain())
RISING = (0.2, 0.6, 1.0)


class TestTemperedKeepsTheContract(SamplingEngineContract):
    def make(self):
        return Tempered(3, steps=2, moves=1)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


def run(engine, target=TARGET, contexts=CONTEXTS[:1], repeats=1, budget=None, seed=0):
    return engine(target, list(contexts) * repeats, budget=budget or Budget(), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_moves_leave_the_law_of_their_exponent_as_it_is(strength):
    """From exact draws of base · exp(strength · score), one move later."""
    between, draws = Target(BASE, strength * 1.5 * Plain()), 1500
    rng, true = np.random.default_rng(0), law(between, CONTEXTS[0])
    items = [list(true)[row] for row in rng.choice(len(true), draws, p=list(true.values()))]
    scoring = Scoring(TARGET, Budget())
    edits = Edits(Writing(BASE.begin([item.context for item in items])), rng)
    now = edits.next(None)
    now = now.of(tuple(items), BASE.encode(items))
    after, taken = moved(now, edits.next(now), scoring, np.full(draws, strength), rng)
    assert total_variation(frequencies(after.items), true) < sampled_variation(true, draws)
    assert 0.3 < taken.mean() < 1
    # At another strength they would not: where all start is then not where they stay.
    wrong = now
    for _ in range(4):
        wrong, _ = moved(wrong, edits.next(wrong), scoring, np.full(draws, 3 * strength), rng)
    assert total_variation(frequencies(wrong.items), true) > 1.2 * sampled_variation(true, draws)


def test_a_schedule_given_is_unbiased_and_declares_it():
    engine = Tempered(4, schedule=RISING, threshold=0.9, moves=1)
    assert (engine.honesty, Tempered(4).honesty) == ("proper", "consistent")
    found = run(engine, repeats=1500)
    ratio = np.exp(found.log_normalizer - enumerate_exact(TARGET, CONTEXTS[0]).log_normalizer)
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.02
    assert abs(ratio.mean() - 1) < 4 * error
    assert set(found.exponents) == {RISING}


def test_without_moves_and_resampling_it_is_importance_sampling():
    found = run(Tempered(16, schedule=RISING, threshold=1e-9, moves=0), contexts=CONTEXTS)
    np.testing.assert_allclose(found.log_weights, TARGET.log_weight(found.items) - math.log(16))
    assert found.cost["samples"] == 32


def test_an_adaptive_step_goes_as_far_as_weights_still_tell_enough():
    engine = Tempered(64, threshold=0.8, moves=0, steps=50)
    found = run(engine, seed=3)
    (steps,) = found.exponents
    assert steps[-1] == 1.0
    assert (np.diff([0.0, *steps]) > 0).all()
    score = TARGET.log_weight(BASE.sample(CONTEXTS[0], 1, rng=np.random.default_rng(0)))
    assert np.isfinite(score).all()
    # The first step, of the draws it begins with.
    rng = np.random.default_rng(3)
    drawn = Edits(Writing(BASE.begin([CONTEXTS[0]] * 64)), rng).next(None).items
    weight = np.exp(steps[0] * TARGET.log_weight(drawn))
    assert effective_size(weight / weight.sum()) == pytest.approx(0.8 * 64, rel=1e-6)
    flat = run(Tempered(8), Target(BASE, 0.01 * Plain()))
    assert flat.exponents == ((1.0,),)
    assert run(Tempered(8, threshold=0.999, steps=3), repeats=2).exponents[0][-1] == 1.0


def test_it_leaves_what_is_ruled_out():
    no_c = Target(BASE, 1.0 * Plain() + constraint(lambda item: "c" not in words(item), "no c"))
    found = run(Tempered(8), no_c, CONTEXTS, 20)
    held = np.isfinite(found.log_weights)
    assert held.any()
    assert not any("c" in words(item) for item, kept in zip(found.items, held, strict=True) if kept)
    nothing = run(Tempered(3), Target(BASE, constraint(lambda item: False, "nothing")))
    assert (nothing.log_normalizer == -np.inf).all()
    assert (nothing.log_weights == -np.inf).all()


def test_contexts_that_have_come_to_one_cost_nothing_more():
    budget = Budget(samples=4 * (1 + 20 * 2), tokens=500)
    flat = run(Tempered(4), Target(BASE, 0.01 * Plain()), budget=budget)
    assert flat.cost["samples"] == 4 * (1 + 2) == budget.spent["samples"]
    assert flat.cost["tokens"] == budget.spent["tokens"] < 500
    with pytest.raises(BudgetExceededError, match="samples"):
        run(Tempered(4), budget=Budget(samples=4 * (1 + 20 * 2) - 1))


def test_wrong_use_is_said():
    for wrong in ({"n": 0}, {"moves": -1}, {"steps": 0}):
        with pytest.raises(UsageError, match="moves in each"):
            Tempered(**{"n": 2, **wrong})
    for schedule in ((0.5, 0.2, 1.0), (0.5,), (0.0, 1.0), (0.5, 2.0)):
        with pytest.raises(UsageError, match="exponents rise"):
            Tempered(2, schedule=schedule)
    with pytest.raises(UsageError, match="share of n below 1"):
        Tempered(2, threshold=1.0)
    with pytest.raises(UsageError, match="no resampling"):
        Tempered(2, resampling="sometimes")
    with pytest.raises(UsageError, match="token by token"):
        run(Tempered(2), Target(TableModel.of({"a": {"x": 1.0}}), 1.0 * Plain()))
    with pytest.raises(UsageError, match="exponents of a twist"):
        Particles(2, tempering=(0.0,))
