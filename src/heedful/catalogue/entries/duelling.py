"""004-048: rules for the next duel in worlds that keep or break what they assume."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DoubleThompson, Duels, UpperConfidence
from heedful.preference.heads import HeadPosterior, Linear, Votes

_ARMS, _BATCH, _ROUNDS, _WIDTH = 8, 5, 40, 1.5
_ITEMS = tuple(Item.of("", f"arm {number}") for number in range(_ARMS))
_POOL = list(combinations(_ITEMS, 2))
_ENCODER = Given.by_output([f"arm {number}" for number in range(_ARMS)], np.eye(_ARMS))
_WORLDS = {
    "utilities": "each arm has a utility",
    "one best": "one arm beats all, the others at random",
    "none best": "each pair at random, and no arm beats all",
}
# By what is assumed of preferences: a utility of each arm, one arm that beats all, or nothing.
_RULES: Mapping[str, tuple[AcquisitionRule, str]] = {
    "utility": (DoubleThompson(_BATCH), "double Thompson sampling of utilities"),
    "upper confidence": (UpperConfidence(_BATCH), "relative upper confidence of counts"),
    "Thompson": (DoubleThompson(_BATCH), "double Thompson sampling of counts"),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4048, seed])
    figures = {}
    for world in _WORLDS:
        prefer = _preferences(world, rng)
        for name in _RULES:
            figures[f"{world}, {name}"] = _regret(prefer, name, 4 if quick else _ROUNDS, rng)
        figures[f"{world}, random"] = _lacking(prefer, np.arange(_ARMS))
    return figures


def _preferences(world: str, rng: np.random.Generator) -> Floats:
    """How probably the row's arm beats the column's [arms, arms]."""
    if world == "utilities":
        utility = _WIDTH * rng.normal(size=_ARMS)
        return np.asarray(expit(utility[:, None] - utility))
    while True:
        upper = np.triu(rng.choice([-1.0, 1.0], (_ARMS, _ARMS)) * rng.uniform(0.05, 0.45, (_ARMS, _ARMS)), 1)
        if world == "one best":
            upper[0] = np.abs(upper[0])
        prefer = 0.5 + upper - upper.T
        if world == "one best" or not ((prefer > 0.5).sum(axis=1) == _ARMS - 1).any():
            return prefer


def _lacking(prefer: Floats, arms: Any) -> float:
    """How many arms fewer these beat than the Copeland winner does, per cent of the others, their mean."""
    score = (prefer > 0.5).sum(axis=1)
    return float(100 * (score.max() - score[arms]).mean() / (_ARMS - 1))


def _regret(prefer: Floats, name: str, rounds: int, rng: np.random.Generator) -> float:
    """What the arms asked about in the second half of the rounds lack."""
    duels, late, rule = Duels.none(_ITEMS), [], _RULES[name][0]
    for turn in range(rounds):
        belief = _utilities(duels, rng) if name == "utility" and turn else duels
        for first, second in rule(belief, _POOL, rng=rng).items:
            a, b = _ITEMS.index(first), _ITEMS.index(second)
            late += [a, b] if turn >= rounds // 2 else []
            duels = duels.tell(first, second, "first" if rng.random() < prefer[a, b] else "second")
    return _lacking(prefer, late)


def _utilities(duels: Duels, rng: np.random.Generator) -> HeadPosterior:
    first, second = np.nonzero(duels.wins)
    votes = Votes.of(first, second, np.ones(len(first)), weight=duels.wins[first, second])
    return HeadPosterior(_ENCODER, Linear(_WIDTH, pairs=64).fit(np.eye(_ARMS), votes, rng=rng))


ENTRY = Entry(
    id="004-048",
    title="Preference-based Online Learning with Dueling Bandits: A Survey",
    area="elicitation",
    citation="Bengs et al. 2021",
    claim=(
        "200 duels of eight arms in batches of five; regret is how many arms fewer than the Copeland winner the arms "
        "asked about beat, in the second half. Each assumption helps where it holds and hurts where it does not: where "
        "arms have utilities, double Thompson sampling of utilities has less regret than that of counts; where no arm "
        "beats all others, more; there relative upper confidence, which looks for one that does, has more than double "
        "Thompson sampling of counts; and where one does, it has less than random pairs by a quarter."
    ),
    configuration=(
        "elicitation.DoubleThompson and UpperConfidence on elicitation.Duels (counts), and DoubleThompson on a "
        "Bradley-Terry posterior of free items (preference.heads.Linear on indicators)."
    ),
    measures={
        f"{world}, {name}": f"regret, per cent of arms, {what}; {where}"
        for world, where in _WORLDS.items()
        for name, what in [*((name, what) for name, (_, what) in _RULES.items()), ("random", "random pairs, exactly")]
    },
    checks=(
        Check("utilities, Thompson", "utilities, utility", above=0.0),
        Check("none best, utility", "none best, Thompson", above=0.0),
        Check("none best, upper confidence", "none best, Thompson", above=0.0),
        Check("one best, random", "one best, upper confidence", factor=4 / 3, above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The survey has no experiment. Worlds, budget and the choice of three rules are ours; targets other than "
        "Copeland winners are left out."
    ),
)
