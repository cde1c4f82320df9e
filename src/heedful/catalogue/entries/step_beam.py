"""003-066: values of steps from tree searches alone, in rounds, and a beam over steps that goes by them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.solving import Foreseen, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item, PrefixPotential, SamplingEngine
from heedful.evidence import Constant, PrefixValue, Steps
from heedful.feedback import prefix_labels
from heedful.sampling import SearchTree, StepBeam, StepTree, tree_labels
from heedful.target import Target
from heedful.worlds import CHAIN_FEATURES, ChainWorld, SimulatedRaters, marks

_STEPS, _LONGER, _ROUNDS, _MARKED = 5, 7, 3, 200
_TAUGHT, _ASKED, _REPEATS = range(40), range(40, 70), 3
_TEACH = StepTree(4 * _STEPS, branches=2, exploration=0.5, rollouts=1)
_ONE, _BEAM = StepBeam(1, 1), StepBeam(2, 3)
_TREE = StepTree(_BEAM.width * _BEAM.branches * _STEPS, branches=3, exploration=0.1, backup="max")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3066, seed])
    world, longer = (ChainWorld(steps=size, problems=70, seed=seed) for size in (_STEPS, _LONGER))
    encoder = _seen(world, longer)
    values = _values(world, encoder, 10 if quick else 40, rng)
    drawn = world.draw(40 if quick else _MARKED, rng=rng, problems=_TAUGHT)
    marked = prefix_labels(marks(world, drawn, raters=SimulatedRaters(1), certainty=math.inf, rng=rng))
    by_marks = Steps(verifier(marked, encoder), "product")

    def right(engine: SamplingEngine, value: PrefixPotential, where: ChainWorld = world) -> float:
        contexts = [where.contexts[number] for number in _ASKED] * (1 if quick else _REPEATS)
        found = engine(Target(where.base(), value), contexts, budget=Budget(), rng=rng)
        return 100 * float(where.value(found.items).mean())

    return {
        "right, one draw": right(_ONE, values[-1]),
        "right, beam, round 1": right(_BEAM, values[0]),
        "right, beam": right(_BEAM, values[-1]),
        "right, tree": right(_TREE, values[-1]),
        "right, beam by marks": right(_BEAM, by_marks),
        "longer, one draw": right(_ONE, values[-1], longer),
        "longer, beam": right(_BEAM, values[-1], longer),
    }


def _values(world: ChainWorld, encoder: Given, problems: int, rng: np.random.Generator) -> list[PrefixValue]:
    """The value after each round, fitted to the trees of all rounds so far; the first are guided by none."""
    contexts = [world.contexts[number] for number in _TAUGHT[:problems]]
    trees: tuple[SearchTree, ...] = ()
    values: list[PrefixValue] = []
    for _ in range(_ROUNDS):
        guide = Foreseen(world, values[-1].potential if values else Constant(math.log(0.5), "log_prob"))
        trees += _TEACH(Target(world.base(), guide), contexts, budget=Budget(), rng=rng).trees
        labels = tree_labels(trees, lambda items: [bool(own) for own in world.value(items) == 1], name="search")
        values.append(PrefixValue(verifier(prefix_labels(labels), encoder), "soft", "base"))
    return values


def _seen(world: ChainWorld, longer: ChainWorld) -> Given:
    """What either world shows of prefixes; those of one call are of one world."""
    own = set(world.contexts)

    def measure(items: Sequence[Item]) -> Floats:
        return (world if not items or items[0].context in own else longer).features(items)

    return Given(CHAIN_FEATURES, measure)


ENTRY = Entry(
    id="003-066",
    title="AlphaMath Almost Zero: process Supervision without process",
    area="sampling/training",
    citation="Chen et al. 2024",
    claim=(
        "Chains of five additions; final answers to 40 problems are known, no step is labelled. Three rounds of tree "
        "search there, each guided by the value fitted to the trees before, give a value of prefixes. On new problems "
        "a beam over steps by it (2 prefixes, 3 branches) ends right more often than one draw, by more than 10 points; "
        "at most 5 points less often than the same beam by a reward fitted to faultless marks of the steps of 200 "
        "solutions; and at most 3 points less often than a tree search of as many steps. On problems of seven "
        "additions, of which the value saw none, the beam is still right more often than one draw."
    ),
    configuration=(
        "sampling.StepTree with roll-outs and tree_labels; feedback.prefix_labels; evidence.Labelled in PrefixValue; "
        "sampling.StepBeam and StepTree by it; evidence.Steps('product') on marks."
    ),
    measures={
        "right, one draw": "right outcomes, per cent, one draw",
        "right, beam, round 1": "right outcomes, per cent, beam by the value of round 1",
        "right, beam": "right outcomes, per cent, beam by the value of round 3",
        "right, tree": "right outcomes, per cent, tree search of as many steps by the value of round 3",
        "right, beam by marks": "right outcomes, per cent, beam by a reward fitted to marks of steps",
        "longer, one draw": "right outcomes, per cent, of seven additions, one draw",
        "longer, beam": "right outcomes, per cent, of seven additions, beam by the value of round 3",
    },
    checks=(
        Check("right, beam", "right, one draw", above=10.0),
        Check("right, beam", "right, beam by marks", above=-5.0),
        Check("right, beam", "right, tree", above=-3.0),
        Check("longer, beam", "longer, one draw", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work trains policy and value as one network; here the policy stays the base, and the value is linear in "
        "what can be seen of a prefix. Its search weighs children by the policy's probabilities (PUCT); here UCT on "
        "drawn children."
    ),
)
