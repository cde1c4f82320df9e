"""004-200: which two policies to try against each other, where people compare what they did."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.games import Drawn
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.catalogue.walking import START, SYMBOLS, Walked, expected, slippery
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DifferenceUncertainty, DoubleThompson, Random, Undominated
from heedful.preference.heads import Linear, Votes
from heedful.worlds import GridWorld

_POLICIES, _BATCH, _ROUNDS = 30, 5, 20
_DRAWS, _MAPS = 128, 16
_RULES: Mapping[str, tuple[AcquisitionRule, str]] = {
    "undominated": (Undominated(_BATCH), "the least known pair of undominated policies"),
    "Thompson": (DoubleThompson(_BATCH), "double Thompson sampling"),
    "uncertain": (DifferenceUncertainty(_BATCH), "the least known pair of all"),
    "random": (Random(_BATCH), "random pairs"),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4200, seed])
    world = slippery(seed)
    policies, features = _policies(world, rng)
    wanted = rng.normal(size=SYMBOLS)
    rounds = 2 if quick else _ROUNDS
    regret = {
        name: _regret(world, policies, features, wanted, rule, rounds, np.random.default_rng([4200, seed, 1]))
        for name, (rule, _) in _RULES.items()
    }
    rng = np.random.default_rng([4200, seed, 1])
    learnt = _regret(world, policies, features, wanted, Undominated(_BATCH), rounds, rng, learnt=True)
    return {**regret, "undominated, learnt": learnt}


def _policies(world: GridWorld, rng: np.random.Generator) -> tuple[Whole, Floats]:
    """Policies [p, s] that are each best for some reward and do different things, and their features [p, d]."""
    process = world.process()
    found: dict[bytes, Whole] = {}
    while len(found) < _POLICIES:
        policy = process.best(rng.normal(size=SYMBOLS))
        found[np.round(process.successor_features(policy)[START], 6).tobytes()] = policy
    policies = np.array(list(found.values()))
    return policies, expected(process, policies)


def _regret(
    world: GridWorld,
    policies: Whole,
    features: Floats,
    wanted: Floats,
    rule: AcquisitionRule,
    rounds: int,
    rng: np.random.Generator,
    *,
    learnt: bool = False,
) -> float:
    """What the two policies of a duel lack of the best one, in nats, mean over all duels.

    With `learnt`, where moves lead is known from the walks compared so far alone.
    """
    unit = features.std()
    value = features @ wanted / unit
    items = tuple(Item(system=f"policy {number}") for number in range(len(policies)))
    pool, lacking = list(combinations(items, 2)), []
    walked, rows, won = Walked(world), np.zeros((0, SYMBOLS)), np.zeros(0)
    drawn = rng.normal(size=(_DRAWS, SYMBOLS))
    for turn in range(rounds):
        if turn:
            votes = Votes.of(np.arange(0, len(rows), 2), np.arange(1, len(rows), 2), won)
            drawn = Linear(1.0, pairs=_DRAWS // 2).fit(rows, votes, rng=rng).drawn
        maps = np.array([expected(walked.drawn(rng), policies) for _ in range(_MAPS)]) if learnt else features[None]
        utilities = np.einsum("kpd,kd->kp", maps[np.arange(_DRAWS) % len(maps)], drawn) / unit
        asked = rule(Drawn(items, utilities), pool, rng=rng).items
        tried = np.array([items.index(item) for pair in asked for item in pair])
        gathered = walked.walk(policies[tried], rng) / unit
        gap = (gathered[::2] - gathered[1::2]) @ wanted
        rows, won = np.concatenate([rows, gathered]), np.concatenate([won, rng.random(len(asked)) < expit(gap)])
        lacking += (value.max() - value[tried]).tolist()
    return float(np.mean(lacking))


ENTRY = Entry(
    id="004-200",
    title="Dueling RL: Reinforcement Learning with Trajectory Preferences",
    area="elicitation/control",
    citation="Pacchiano et al. 2021",
    claim=(
        "Grids of 4 × 4 with five symbols on which one slips, 30 policies that are each best for some reward, and 100 "
        "comparisons, in batches of five, of a walk of one policy with a walk of another; regret is what both lack of "
        "the best policy. With known transitions, the least known pair of undominated policies has less than half of "
        "the regret of random pairs, and less than the least known pair of all; with transitions learnt from the walks "
        "it has still less than random pairs with known ones by a quarter (30 seeds)."
    ),
    configuration=(
        "elicitation.Undominated (width 2), DoubleThompson, DifferenceUncertainty and Random; preference.heads.Linear "
        "on the features of walks; worlds.GridWorld, of which policies are solved exactly."
    ),
    measures={
        **{name: f"regret of a duel, nats, {what}" for name, (_, what) in _RULES.items()},
        "undominated, learnt": "regret of a duel, nats, the least known pair of undominated, transitions learnt",
    },
    checks=(
        Check("random", "undominated", factor=2.0, above=0.0),
        Check("uncertain", "undominated", above=0.0),
        Check("random", "undominated, learnt", factor=4 / 3, above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The confidence region is that of a Bayesian fit, and what is not known of transitions is in its draws "
        "(Dirichlet) and no bonus. Policies are a given list. Double Thompson sampling is measured beside it, without "
        "a claim. In a first run a batch that ran out of undominated pairs went on with the least known of all others, "
        "so that better knowledge made for more regret: 1.04 nats, 0.84 with learnt transitions, 2.40 of random pairs; "
        "the first check was open, the others held. Now such a batch goes on with those that are dominated least."
    ),
)
