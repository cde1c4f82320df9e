"""002-021: hypotheses refined by judges' scores, all at once or from concepts to details, by one judge or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item, Part, Parts
from heedful.evidence import PrefixValue, Rule
from heedful.models import StepModel
from heedful.sampling import BestOfN, HillClimb
from heedful.target import Target

# One concept, two mechanisms, three details, each one of five.
_OPTIONS, _LEVELS = 5, (1, 3, 6)
_SLOTS, _CALLS = _LEVELS[-1], 63
_CONTEXT = Item.of("a direction of research").context
_CLIMBS = 20
_BIAS, _WAVERING = (0.4, 0.6, 0.6), 0.5
# Standard deviations of what parts are worth, by themselves and with each other.
_SPREADS: dict[tuple[int, ...], float] = {
    **{(slot,): spread for slot, spread in enumerate((1.0, 0.7, 0.7, 0.5, 0.5, 0.5))},
    **{(0, mechanism): 0.7 for mechanism in (1, 2)},
    **{(1 + detail % 2, detail): 0.5 for detail in (3, 4, 5)},
}
_WAYS = {
    "drawn": "the best of 63 drawn",
    "flat": "a climb over all parts at once",
    "hierarchical": "a climb from the concept to mechanisms to details",
    "repeated": "the same by three answers of that judge, a third of the steps",
    "diverse": "the same by three judges, a third of the steps",
}


@dataclass(frozen=True, eq=False)
class Landscape:
    """Values of hypotheses by how many parts they have: `tables` [5] for the concept alone, and so on."""

    tables: dict[int, Floats]

    @classmethod
    def of(cls, whole: Floats, wavering: float, rng: np.random.Generator) -> Landscape:
        """An unfinished hypothesis is worth the mean of all that can become of it; each value with noise of its own."""
        means = {size: whole.mean(axis=tuple(range(size, _SLOTS))) for size in _LEVELS}
        return cls({size: own + wavering * rng.normal(size=own.shape) for size, own in means.items()})

    def __add__(self, other: Landscape) -> Landscape:
        return Landscape({size: own + other.tables[size] for size, own in self.tables.items()})

    def over(self, count: int) -> Landscape:
        return Landscape({size: own / count for size, own in self.tables.items()})

    def potential(self) -> PrefixValue:
        def value(item: Item) -> float:
            return float(self.tables[len(item.output)][tuple(int(part.text) for part in item.output)])

        return PrefixValue(Rule(value, "judge"), "twist")


def _worth(rng: np.random.Generator) -> Floats:
    """What each whole hypothesis is worth [5, ..., 5]: what its parts are by themselves, mechanisms with the concept,
    and details with a mechanism."""
    total = np.zeros((_OPTIONS,) * _SLOTS)
    for parts, spread in _SPREADS.items():
        shape = [_OPTIONS if place in parts else 1 for place in range(_SLOTS)]
        total = total + spread * rng.normal(size=shape)
    return total


def _following(context: Parts, steps: Parts) -> tuple[tuple[Part, ...], Sequence[float]]:
    if len(steps) == _SLOTS:
        return (), ()
    return tuple(Part(str(option)) for option in range(_OPTIONS)), (1 / _OPTIONS,) * _OPTIONS


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2021, seed])
    truth = _worth(rng)
    believed = [truth + bias * _worth(rng) for bias in _BIAS]
    strongest = [Landscape.of(believed[0], _WAVERING, rng) for _ in range(3)]
    others = [Landscape.of(own, _WAVERING, rng) for own in believed[1:]]
    one = strongest[0]
    repeated = (strongest[0] + strongest[1] + strongest[2]).over(3)
    diverse = (one + others[0] + others[1]).over(3)
    contexts = [_CONTEXT] * (4 if quick else _CLIMBS)
    rounds = _CALLS // len(_LEVELS) - 1
    third = _CALLS // (3 * len(_LEVELS)) - 1
    searches: dict[str, tuple[BestOfN | HillClimb, Landscape]] = {
        "drawn": (BestOfN(_CALLS), one),
        "flat": (HillClimb(_CALLS - 1), one),
        "hierarchical": (HillClimb(rounds, _LEVELS), one),
        "repeated": (HillClimb(third, _LEVELS), repeated),
        "diverse": (HillClimb(third, _LEVELS), diverse),
    }
    base, figures, spread = StepModel(_following), dict[str, float](), truth.std()
    for name, (engine, judge) in searches.items():
        found = engine(Target(base, judge.potential()), contexts, budget=Budget(), rng=rng)
        rows = tuple(np.array([[int(part.text) for part in item.output] for item in found.items]).T)
        figures[f"worth, {name}"] = float((truth[rows] - truth.mean()).mean() / spread)
        if name in ("drawn", "flat", "hierarchical"):
            whole = judge.tables[_SLOTS]
            figures[f"judged, {name}"] = float((whole[rows] - whole.mean()).mean() / whole.std())
    for name, judge in {"one": one, "repeated": repeated, "diverse": diverse}.items():
        figures[f"rank, {name}"] = float(spearmanr(judge.tables[_SLOTS].ravel(), truth.ravel())[0])
    return figures


ENTRY = Entry(
    id="002-021",
    title="MOOSE-Chem2: Exploring LLM Limits in Fine-Grained Scientific Hypothesis Discovery via Hierarchical Search",
    area="sampling/evaluation",
    citation="Yang et al. 2025",
    claim=(
        "Hypotheses of a concept, two mechanisms and three details, each one of five, with interactions; a judge's "
        "scores are the truth with a bias of its own and noise. In 63 scores, a climb that settles the concept, then "
        "mechanisms, then details, unfinished hypotheses scored as such, comes to hypotheses that the judge scores "
        "higher than those of a climb over all parts, by more than 0.1 standard deviations of hypotheses, and than the "
        "best of 63 drawn; and they are truly worth more than those of the climb over all parts, too."
    ),
    configuration="sampling.HillClimb with levels, and without; BestOfN; evidence.PrefixValue of judges' scores.",
    measures={
        **{
            f"judged, {name}": f"score above the mean hypothesis, in standard deviations, {_WAYS[name]}"
            for name in ("drawn", "flat", "hierarchical")
        },
        **{
            f"worth, {name}": f"true worth above the mean, in standard deviations, {how}" for name, how in _WAYS.items()
        },
        **{
            f"rank, {name}": f"rank correlation of scores and truth over all hypotheses, {who}"
            for name, who in {"one": "one judge", "repeated": "three answers of it", "diverse": "three judges"}.items()
        },
    },
    checks=(
        Check("judged, hierarchical", "judged, flat", above=0.1),
        Check("judged, hierarchical", "judged, drawn", above=0.0),
        Check("worth, hierarchical", "worth, flat", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract asks whether several judges help and does not say; here, too, they stand beside without a check, "
        "at as many answers of judges in all. A judge scores an unfinished hypothesis by the mean of what can become "
        "of it, with as much noise as a finished one; noise is fixed, so that asking again the same way tells nothing. "
        "What a climb over all parts loses to local optima (of which a judge has about 36), levels lose to a concept "
        "settled before what goes with it is known. With 189 scores, on ten landscapes, the two came to 2.95 and 3.00, "
        "where the best is 3.43. A third of the steps costs more than three judges give."
    ),
)
