"""004-069: who beats the most others, where duels may end in indifference: whom to ask about, and when to stop."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Item
from heedful.elicitation import CopelandRace, Duels
from heedful.elicitation.duels import Outcome

_ITEMS = tuple(Item(system=f"arm {number}") for number in range(5))
_USUAL, _MOST = 0.65, 1200
_OUTCOMES: tuple[Outcome, ...] = ("first", "tie", "second")
_WAYS = {
    "POCOWISTA": "pairs of the item that may still win the most",
    "round robin": "all undecided pairs in turn",
    "without ties": "pairs as in the first, with indifference said to be a win for either at random",
}

Pair = tuple[Item, Item]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4069, seed])
    arms = 3 if quick else len(_ITEMS)
    upper = np.triu(rng.choice([-1, 0, 1], size=(arms, arms), p=[0.35, 0.3, 0.35]), 1)
    scores = (upper - upper.T).sum(axis=1)
    figures = {}
    for name in _WAYS:
        search = _searched(upper - upper.T, name, rng)
        named = [_ITEMS.index(item) for item in search.winners]
        figures[f"labels, {name}"] = float(search.duels.asked.sum() / 2)
        figures[f"wrong, {name}"] = 100.0 * (not named or bool((scores[named] < scores.max()).any()))
    return figures


def _searched(relation: Whole, way: str, rng: np.random.Generator) -> CopelandRace:
    """The search in a world with this relation [arms, arms], until a winner is named or the labels are spent."""
    search = CopelandRace(Duels.none(_ITEMS[: len(relation)]))
    for _ in range(_MOST):
        if (pair := _in_turn(search) if way == "round robin" else search.ask()) is None:
            break
        usual = 1 - int(relation[_ITEMS.index(pair[0]), _ITEMS.index(pair[1])])
        said = usual if rng.random() < _USUAL else (usual + int(rng.integers(1, 3))) % 3
        if way == "without ties" and said == 1:
            said = int(rng.choice([0, 2]))
        search = search.tell(*pair, _OUTCOMES[said])
    return search


def _in_turn(search: CopelandRace) -> Pair | None:
    """The undecided pair that was asked about least."""
    asked, place = search.duels.asked, search.duels.items.index
    return None if search.winners else min(search.open(), key=lambda pair: asked[place(pair[0]), place(pair[1])])


ENTRY = Entry(
    id="004-069",
    title="Identifying Copeland Winners in Dueling Bandits with Indifferences",
    area="elicitation/evaluation",
    citation="Bengs et al. 2024",
    claim=(
        "Five arms whose relations are drawn at random (30 % indifferent; cycles and all), each duel ending as the "
        "relation says with probability 0.65 and otherwise in either other way. To name a Copeland winner at an error "
        "of 5 %, the search that stays with the arm that may still win needs less than 0.8 of the labels of the same "
        "tests with all pairs in turn; and fewer labels than where raters may not say that two are as good (searches "
        "end at 1,200 labels)."
    ),
    configuration="elicitation.CopelandRace on elicitation.Duels: ask, tell, winners; evidence by stats.coin_capital.",
    measures={
        **{f"labels, {name}": f"labels until a winner is named, {what}" for name, what in _WAYS.items()},
        **{f"wrong, {name}": f"a wrong winner named or none, per cent, {what}" for name, what in _WAYS.items()},
    },
    checks=(
        Check("labels, round robin", "labels, POCOWISTA", factor=1 / 0.8, above=0.0),
        Check("labels, without ties", "labels, POCOWISTA", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The test of a pair's most likely outcome is by mixtures of likelihood ratios and not by the ratio of prior to "
        "posterior. The refinement under transitivity is not tried: relations at random are not transitive. Without "
        "ties a pair that is as good has no relation, and the search for it no end."
    ),
)
