"""Engines say beforehand what they can cost at most, and go through contexts in portions that the base can hold."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError
from heedful.evidence import PrefixValue, Rule
from heedful.models import SequenceTable, TableModel, complete
from heedful.sampling import (
    BestOfN,
    Cascade,
    EarlyBestOfN,
    Guided,
    KnownScores,
    Metropolis,
    ParticleGibbs,
    Particles,
    Rejection,
    Stage,
    Tempered,
    TokenBeam,
    WordGuide,
)
from heedful.target import Target

from .language import BASE, CONTEXTS, Liked


class Narrow(SequenceTable):
    """The language, four rows at a time."""

    batch_size = 4


NARROW = Narrow(BASE.following, max_tokens=BASE.max_tokens)
TARGET = Target(NARROW, 1.0 * Liked())
MANY = [CONTEXTS[row % 2] for row in range(9)]
SETS = Particles(2, resampling="multinomial")
ENGINES = {
    "best of n": BestOfN(3),
    "early": EarlyBestOfN(3, 0.1, batch=2),
    "cascade": Cascade((Stage(NARROW, 0.0, KnownScores.of([9.0]), unit="dear"),)),
    "guided": Guided((WordGuide({"b": 1.0}),)),
    "rejection": Rejection(4.0, tries=200),
    "particles": Particles(2),
    "draws": Metropolis(2, burn_in=2),
    "edits": Metropolis(2, burn_in=2, proposal="edit"),
    "sets": ParticleGibbs(SETS, 2, burn_in=1),
    "tempered": Tempered(2, steps=2, moves=1),
    "beam": TokenBeam(2, groups=2, diversity=1.0),
}


@pytest.mark.parametrize("name", ENGINES)
def test_plans_hold_and_contexts_come_back_in_their_order(name):
    engine, budget = ENGINES[name], Budget()
    plan = engine.plan(NARROW, MANY)
    found = engine(TARGET, MANY, budget=budget, rng=np.random.default_rng(0))
    assert set(found.cost) <= set(plan)
    assert all(found.cost[unit] <= most for unit, most in plan.items() if unit in found.cost)
    assert {unit: spent for unit, spent in budget.spent.items() if spent} == pytest.approx(
        {unit: spent for unit, spent in found.cost.items() if spent}
    )
    assert set(found.context_index.tolist()) == set(range(9))
    assert all(item.context == MANY[row] for item, row in zip(found.items, found.context_index, strict=True))
    assert found.kl is None or len(found.kl) == 9
    assert getattr(found, "moved", None) is None or found.moved.shape == (9,)


LONG = Narrow(
    {words: {chr(97 + k): 1 / 26 for k in range(26)} for words in [(), *((chr(97 + k),) for k in range(26))]},
    max_tokens=2,
)
# Engines that write as much and read contexts as often, whatever comes out. Of the others plans bound: rejection by its
# tries, best of n that stops early by n, cascades by every stage asked everywhere, tempering by all its steps.
FIXED = ("best of n", "guided", "particles", "draws", "edits", "sets", "beam")


@pytest.mark.parametrize("name", FIXED)
def test_plans_are_met_where_outputs_have_one_length(name):
    found = ENGINES[name](Target(LONG, 1.0 * Liked()), MANY, budget=Budget(), rng=np.random.default_rng(1))
    plan = ENGINES[name].plan(LONG, MANY)
    assert (found.cost["tokens"], found.cost["samples"]) == (plan["tokens"], plan["samples"])
    assert found.cost["scores"] > plan["scores"] / 3  # equal outputs are scored once, and no particle gives way ended


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("unit", ["samples", "tokens", "scores"])
def test_no_cap_is_ever_exceeded(name, unit):
    """An engine refuses beforehand what its plan does not fit, or stops with what there is."""
    engine = ENGINES[name]
    plan = engine.plan(NARROW, MANY)
    for share in (0.999, 0.6, 0.1):
        budget = Budget(**{unit: share * plan[unit]})
        with contextlib.suppress(BudgetExceededError):
            found = engine(TARGET, MANY, budget=budget, rng=np.random.default_rng(0))
            assert found.cost[unit] <= budget.caps[unit]
            assert name in ("rejection", "cascade", "early"), "a plan that does not fit is refused"
        assert budget.spent[unit] <= budget.caps[unit]


def test_ended_particles_that_give_way_are_scored_too_and_planned_for():
    """Each word more is worth much, and outputs end half of the time: what ended is drawn anew again and again."""
    follow = {"x": 0.2, "y": 0.2, "z": 0.1, "": 0.5}
    words = [own for size in range(1, 6) for own in itertools.product("xyz", repeat=size)]
    base = SequenceTable({(): {"x": 0.4, "y": 0.4, "z": 0.2}} | dict.fromkeys(words, follow), max_tokens=6)
    longer = PrefixValue(Rule(lambda item: 6.0 * sum(len(part.text.split()) for part in item.output), "long"), "twist")
    engine, most = Particles(4), 0.0
    for seed in range(5):
        found = engine(Target(base, 1.0 * longer), CONTEXTS, budget=Budget(), rng=np.random.default_rng(seed))
        most = max(most, found.cost["scores"])
    assert 2 * 4 < most <= engine.plan(base, CONTEXTS)["scores"] == 2 * (4 + 3 * 5)


def test_a_cap_on_scores_is_refused_beforehand_or_gone_up_to():
    budget = Budget(scores=8)
    with pytest.raises(BudgetExceededError, match="scores"):
        ENGINES["cascade"](TARGET, MANY, budget=budget, rng=np.random.default_rng(0))
    assert not any(budget.spent.values())
    found = ENGINES["cascade"](TARGET, MANY, budget=Budget(scores=11), rng=np.random.default_rng(0))
    assert found.cost["scores"] <= 11
    assert found.turned_away[1] > 0
    found = Rejection(9.0)(TARGET, CONTEXTS, budget=Budget(scores=5), rng=np.random.default_rng(0))
    assert 4 < found.cost["scores"] <= 5  # equal outputs are scored once
    assert sum(own.missing for own in found.certificates) > 0


class Sold(TableModel):
    """A base that charges two calls a draw, one where it fails, which is on the turn given."""

    turn, asked, calls = 1, 0, 0.0

    def plan(self, contexts, n):
        return {"calls": 3.0 * n * len(contexts)}

    def charged(self):
        return {"calls": Sold.calls}

    def sample_each(self, contexts, n, *, rng):
        Sold.asked += 1
        Sold.calls += 1.0 if Sold.asked == Sold.turn else 2.0 * n * len(contexts)
        if Sold.asked == Sold.turn:
            raise RuntimeError("broken")
        return tuple(item for context in contexts for item in self.sample(context, n, rng=rng))


def test_what_draws_cost_a_base_is_planned_counted_and_capped(monkeypatch):
    table = Sold.of({"a": {"a": 0.5, "b": 0.5}, "b c": {"a": 1.0}})
    monkeypatch.setattr(Sold, "turn", 2)
    engine, target, rng = BestOfN(3), Target(table, 1.0 * Liked()), np.random.default_rng(0)
    assert engine.plan(table, CONTEXTS) == {"samples": 6.0, "calls": 18.0, "scores": 6.0}
    budget = Budget(calls=17)
    with pytest.raises(BudgetExceededError, match="calls"):
        engine(target, CONTEXTS, budget=budget, rng=rng)
    assert (Sold.asked, budget.spent["calls"]) == (0, 0)
    budget = Budget(calls=30)
    assert engine(target, CONTEXTS, budget=budget, rng=rng).cost["calls"] == budget.spent["calls"] == 12
    with pytest.raises(RuntimeError):
        engine(target, CONTEXTS, budget=budget, rng=rng)
    assert budget.spent["calls"] == 12 + 1  # what was charged, not what was planned


class Breaking(Liked):
    """What fails when it is asked for the k-th time, and counts the whole outputs it was asked for."""

    def __init__(self, k):
        super().__init__()
        self.left, self.asked = k, 0

    def __call__(self, items):
        self.asked += len(items)
        return self._counted(super().__call__(items))

    def prefix(self, items):
        return self._counted(super().prefix(items))

    def _counted(self, scores):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("broken")
        return scores


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("k", [0, 1, 3])
def test_what_fails_gives_back_what_it_did_not_spend(name, k):
    whole = ENGINES[name](TARGET, MANY, budget=Budget(), rng=np.random.default_rng(0)).cost
    potential, budget = Breaking(k), Budget()
    with contextlib.suppress(RuntimeError):
        ENGINES[name](Target(NARROW, 1.0 * potential), MANY, budget=budget, rng=np.random.default_rng(0))
        return  # it asks fewer times
    assert 0 < budget.spent["tokens"] <= whole["tokens"]
    assert budget.spent["samples"] <= whole["samples"]
    assert budget.spent.get("scores", 0) <= potential.asked


class Broken(WordGuide):
    """A guide that cannot begin."""

    def begin(self, base, contexts):
        raise RuntimeError("broken")


def test_a_guide_that_cannot_begin_costs_what_was_read():
    budget = Budget()
    for engine in (Guided((Broken({"b": 1.0}),)), Particles(2, guides=(Broken({"b": 1.0}),))):
        budget = Budget()
        with pytest.raises(RuntimeError):
            engine(TARGET, CONTEXTS, budget=budget, rng=np.random.default_rng(0))
        assert budget.spent["tokens"] == NARROW.reading(CONTEXTS)


class Deaf(Narrow):
    """A model that cannot read one context."""

    def reading(self, contexts):
        if CONTEXTS[1] in contexts:
            raise InputError("unreadable", where="context")
        return super().reading(contexts)


@pytest.mark.parametrize("name", ENGINES)
def test_a_context_that_cannot_be_read_is_refused_before_anything_is_paid_for(name):
    deaf, budget = Deaf(BASE.following, max_tokens=BASE.max_tokens), Budget()
    with pytest.raises(InputError, match="unreadable"):
        ENGINES[name](Target(deaf, 1.0 * Liked()), [CONTEXTS[0]] * 9 + [CONTEXTS[1]], budget=budget,
                      rng=np.random.default_rng(0))  # fmt: skip
    assert not any(budget.spent.values())


class Measured(Narrow):
    """A model that knows how many rows it ever held at once, and how many contexts it read."""

    def begin(self, contexts):
        state = super().begin(contexts)
        SEEN.append(state)
        return state


SEEN: list = []


def test_many_draws_of_one_context_are_drawn_in_parts_and_read_once(monkeypatch):
    rows = []
    monkeypatch.setattr(
        "heedful.sampling.writing.complete", lambda state, rng: (rows.append(len(state)), complete(state, rng))
    )
    measured = Measured(BASE.following, max_tokens=BASE.max_tokens)
    SEEN.clear()
    found = BestOfN(10)(Target(measured, 1.0 * Liked()), CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    assert rows == [4, 4, 2, 4, 4, 2]
    assert [state.positions for state in SEEN] == [1, 2]
    assert found.cost["samples"] == 20


def test_what_reading_contexts_again_uses_up_ends_it_with_what_there_is():
    """Tokens for the outputs alone, and a few for contexts."""
    for engine in (EarlyBestOfN(40, 0.0), Rejection(9.0, tries=40, batch=1)):
        budget = Budget(tokens=40 * 2 * (BASE.max_tokens - 1) + BASE.reading(CONTEXTS))
        found = engine(Target(BASE, 1.0 * Liked()), CONTEXTS, budget=budget, rng=np.random.default_rng(0))
        assert budget.spent["tokens"] == found.cost["tokens"] <= budget.caps["tokens"]
        assert found.cost["samples"] >= 40
    dear = Cascade((Stage(BASE, 0.0, KnownScores.of([99.0])),))
    target = Target(BASE, 1.0 * Liked())
    cheap = BestOfN(1)(target, CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    budget = Budget(tokens=cheap.cost["tokens"] + 6)  # two tokens of two dear answers, but not their contexts
    found = dear(target, CONTEXTS, budget=budget, rng=np.random.default_rng(0))
    assert found.items == cheap.items
    assert (found.asked, found.turned_away) == ((2, 0), (0, 2))
