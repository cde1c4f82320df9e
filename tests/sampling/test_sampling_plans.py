"""Engines say beforehand what they can cost at most, and go through contexts in portions that the base can hold."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError
from heedful.models import SequenceTable
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
    engine = ENGINES[name]
    plan = engine.plan(NARROW, MANY)
    found = engine(TARGET, MANY, budget=Budget(), rng=np.random.default_rng(0))
    # Reading the contexts comes on top: three tokens at most a portion or round, of which there are not 200.
    assert all(found.cost[unit] <= most + 600 * (unit == "tokens") for unit, most in plan.items())
    assert set(found.context_index.tolist()) == set(range(9))
    assert all(item.context == MANY[row] for item, row in zip(found.items, found.context_index, strict=True))
    assert found.kl is None or len(found.kl) == 9
    assert getattr(found, "moved", None) is None or found.moved.shape == (9,)
    if name != "rejection":  # which stops with what there is
        few = {unit: most - 1 for unit, most in plan.items() if unit in ("samples", "tokens")}
        for unit, most in few.items():
            if name != "cascade":  # which asks fewer
                with pytest.raises(BudgetExceededError, match=unit):
                    engine(TARGET, MANY, budget=Budget(**{unit: most}), rng=np.random.default_rng(0))


def test_what_reading_contexts_again_uses_up_ends_it_with_what_there_is():
    """Tokens for the outputs alone, and a few for contexts."""
    for engine in (EarlyBestOfN(40, 0.0), Rejection(9.0, tries=40, batch=1)):
        budget = Budget(tokens=engine.plan(BASE, CONTEXTS)["tokens"] + 3)
        found = engine(Target(BASE, 1.0 * Liked()), CONTEXTS, budget=budget, rng=np.random.default_rng(0))
        assert budget.spent["tokens"] == found.cost["tokens"] <= budget.caps["tokens"]
        assert found.cost["samples"] >= 40
    dear = Cascade((Stage(BASE, 0.0, KnownScores.of([99.0])),))
    target = Target(BASE, 1.0 * Liked())
    cheap = BestOfN(1)(target, CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    budget = Budget(tokens=cheap.cost["tokens"] + 7)  # two dear answers of three tokens, but not their contexts
    found = dear(target, CONTEXTS, budget=budget, rng=np.random.default_rng(0))
    assert found.items == cheap.items
    assert (found.asked, found.turned_away) == ((2, 0), (0, 2))
