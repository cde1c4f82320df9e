"""004-048: rules for the next duel in worlds that keep or break what they assume."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.games import Drawn, laplace
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DoubleThompson, Duels, UpperConfidence

_ARMS, _BATCH, _ROUNDS, _WIDTH = 8, 5, 40, 1.5
_ITEMS = tuple(Item(system=f"arm {number}") for number in range(_ARMS))
_POOL = list(combinations(_ITEMS, 2))
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
    duels, late, mean = Duels.none(_ITEMS), [], np.zeros(_ARMS)
    for turn in range(rounds):
        belief: Duels | Drawn = duels
        if name == "utility":
            mean, covariance = laplace(duels.wins, mean, _WIDTH)
            belief = Drawn(_ITEMS, rng.multivariate_normal(mean, covariance, 128, method="cholesky"))
        for first, second in _RULES[name][0](belief, _POOL, rng=rng).items:
            a, b = _ITEMS.index(first), _ITEMS.index(second)
            late += [a, b] if turn >= rounds // 2 else []
            duels = duels.tell(first, second, "first" if rng.random() < prefer[a, b] else "second")
    return _lacking(prefer, late)


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
        "Bradley-Terry posterior under N(0, 1.5²)."
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
        "Copeland winners are left out. 200 duels are few: bounds that are to hold at every time tell few arms apart "
        "by then, so that relative upper confidence asks almost at random. A first run fitted utilities by "
        "preference.heads.Linear, which took 61 s, and took all votes of a pair for one record, so that utilities were "
        "less certain: the first check was open, the last failed, the others held."
    ),
)
