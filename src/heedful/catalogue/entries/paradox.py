"""004-151: whether a moderately accurate reward makes a better policy than a very accurate one."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import (
    KnownScores,
    expected,
    fresh_pairs,
    language_encoder,
    listed,
    misordered,
    tilts,
    tilts_at,
)
from heedful.catalogue.verdicts import Check
from heedful.preference import fit
from heedful.worlds import LanguageWorld, SimulatedRaters, collect

_STRENGTH, _KL = 2.0, 1.5
_VOTES = {"weak": 30, "moderate": 120, "accurate": 2_000}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4151, seed])
    world = LanguageWorld(length=2 if quick else 3, prompts=6, seed=seed)
    base, contexts = world.base(), world.contexts
    items = listed(base, contexts)
    gold = {context: world.truth(base.support(context)) for context in contexts}
    table = collect(world, max(_VOTES.values()), raters=SimulatedRaters(count=50), rng=rng)
    encoder = language_encoder(world.length)
    first, second = fresh_pairs(world, 500, rng)
    true = world.win_probability(first, second)
    figures: dict[str, float] = {}
    for name, votes in _VOTES.items():
        reward = fit(
            table.take(np.arange(votes)), utility="features", features=encoder, prior_sd=0.3, clusters="none", draws=2
        )
        figures[f"accuracy, {name}"] = 100 - misordered(true, reward.prefer(first, second))
        scores = KnownScores.of(reward.potential(), items)
        figures[f"gold at one strength, {name}"] = expected(tilts(base, scores, contexts, _STRENGTH), gold)
        figures[f"gold at one divergence, {name}"] = expected(tilts_at(base, scores, contexts, _KL), gold)
    return figures


ENTRY = Entry(
    id="004-151",
    title="The Accuracy Paradox in RLHF: When Better Reward Models Don't Yield Better Language Models",
    area="preference/evaluation",
    citation="Chen et al. 2024",
    claim=(
        "Rewards fitted to 120 and to 2,000 votes on 584 answers to 6 questions, the second the more accurate on fresh "
        "pairs: the base tilted at strength 2 by the moderately accurate one has the greater true utility."
    ),
    configuration=(
        "preference.fit(utility='features') on growing parts of one table; target.enumerate_exact at equal strength, "
        "and at equal divergence from the base."
    ),
    measures={
        f"{measure}, {name}": f"{what}, reward from {votes:,} votes"
        for name, votes in _VOTES.items()
        for measure, what in {
            "accuracy": "fresh pairs in the right order, per cent",
            "gold at one strength": f"true utility of the base tilted at strength {_STRENGTH:g}, nats",
            "gold at one divergence": f"true utility of the base tilted to {_KL:g} nats of divergence, nats",
        }.items()
    },
    checks=(
        Check("accuracy, accurate", "accuracy, moderate", above=0.0),
        Check("gold at one strength, moderate", "gold at one strength, accurate", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The policies are exact tilts, the optima of E[reward] − KL/strength, so only the reward can cause a paradox, "
        "not the optimiser: what the work sees under PPO may come from there."
    ),
)
