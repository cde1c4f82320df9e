"""004-149: the best of many items shown in groups, where who is shown beside an item changes how often it wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import Elimination

_ITEMS, _DECOYS, _PULL, _LEAD, _WORLDS = 32, 1 / 3, 0.5, 0.2, 10
_RULES = {
    "winner": Elimination(4, "winner"),
    "half": Elimination(4, "half"),
    "all but one": Elimination(4, "all but one"),
    "half of eight": Elimination(8, "half"),
}
_SAID = {
    "winner": "the winner of each four goes on (CSWS)",
    "half": "half of each four goes on (CSH)",
    "all but one": "all but one of each four go on (CSR)",
    "half of eight": "half of each eight goes on",
    "round robin": "all in turn, in fours at random, most wins",
    "upper confidence": "the four of the greatest upper bounds on their share of wins, most wins a question",
}


@dataclass(frozen=True)
class _Arena:
    """Utilities [n], of which the first is the best, and which item is lifted by the presence of which [n, n]."""

    utility: Floats
    decoy: NDArray[np.bool_]
    rng: np.random.Generator

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Arena:
        decoy = rng.random((_ITEMS, _ITEMS)) < _DECOYS
        decoy[0] = False
        np.fill_diagonal(decoy, False)
        utility = rng.random(_ITEMS)
        utility[0] = (utility[1:] + _PULL).max() + _LEAD
        return cls(utility, decoy, rng)

    def wins(self, shown: Sequence[int], times: int) -> Floats:
        """How often each of those shown wins."""
        own = np.asarray(shown)
        lifted = self.decoy[np.ix_(own, own)].any(axis=1)
        return np.asarray(self.rng.multinomial(times, softmax(self.utility[own] + _PULL * lifted)), np.float64)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4149, seed])
    worlds = [_Arena.drawn(rng) for _ in range(1 if quick else _WORLDS)]
    figures = {}
    for budget in (128, 512):
        for name in _SAID:
            found = [_found(name, arena, budget) == 0 for arena in worlds]
            figures[f"{name}, {budget}"] = 100 * float(np.mean(found))
    return figures


def _found(name: str, arena: _Arena, budget: int) -> int:
    """The item that a rule names after so many questions."""
    if name in _RULES:
        return int(_RULES[name](arena.wins, range(_ITEMS), budget, rng=arena.rng).best)
    won, seen = np.zeros(_ITEMS), np.zeros(_ITEMS)
    for turn in range(budget):
        # Unseen items and ties come in random order; then by Chen et al. 2013, "Combinatorial multi-armed bandit".
        bound = won / np.maximum(seen, 1) + np.sqrt(1.5 * np.log(turn + 1) / np.maximum(seen, 1))
        rank = seen if name == "round robin" else np.where(seen > 0, -bound, -np.inf)
        shown = np.lexsort((arena.rng.random(_ITEMS), rank))[:4]
        won[shown] += arena.wins(shown.tolist(), 1)
        seen[shown] += 1
    return int(np.lexsort((arena.rng.random(_ITEMS), -won / np.maximum(seen, 1)))[0])


ENTRY = Entry(
    id="004-149",
    title="Finding Optimal Arms in Non-stochastic Combinatorial Bandits with Semi-bandit Feedback and Finite Budget",
    area="elicitation/evaluation",
    citation="Brandt et al. 2022",
    claim=(
        "32 items, shown in fours of which one is said to be best. Each item but the best is lifted by half a nat "
        "where one of its decoys, a third of the others, is shown; the best leads any lifted item by 0.2 nats, and so "
        "wins most in every group that holds it. With 512 questions, eliminating names it more often than asking about "
        "all in turn, whether the winner of each group, half of it or all but one go on; half, more often than asking "
        "by upper confidence bounds on shares of wins; and half, more often than the winner alone, which one unlucky "
        "group can throw out."
    ),
    configuration="elicitation.Elimination with groups of four and of eight, on counts of wins.",
    measures={
        f"{name}, {budget}": f"best item named, per cent, after {budget} questions: {what}"
        for budget in (128, 512)
        for name, what in _SAID.items()
    },
    checks=(
        Check("winner, 512", "round robin, 512", above=0.0),
        Check("half, 512", "round robin, 512", above=0.0),
        Check("all but one, 512", "round robin, 512", above=0.0),
        Check("half, 512", "upper confidence, 512", above=0.0),
        Check("half, 512", "winner, 512", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work proves budgets that suffice and are necessary, and orders none of its three; the world, the budget "
        "and the last two checks are ours. Rounds are counted and not bounded, so that more of the budget is spent. "
        "Upper confidence did as well as halving: an item that leads in every group leads on average too, with decoys "
        "or without."
    ),
)
