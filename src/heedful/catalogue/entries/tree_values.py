"""003-065: a tree search guided by process values that earlier searches infer from final answers alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.solving import Foreseen, seen, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Item
from heedful.evidence import Constant, Labelled, PrefixValue
from heedful.feedback import prefix_labels
from heedful.sampling import BestOfN, SearchTree, StepBeam, StepTree, step_shares, tree_labels
from heedful.target import Target
from heedful.worlds import ChainWorld

_STEPS, _DRAWS, _TAUGHT, _ASKED, _REPEATS = 5, 4, range(40), range(40, 70), 4
_TEACH = StepTree(2 * _STEPS * _DRAWS, branches=2, exploration=0.5, rollouts=1)
_ANSWER = StepTree(_STEPS * _DRAWS, branches=2, exploration=0.1, backup="max")
_NOTHING = Constant(float(np.log(0.5)), "log_prob")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3065, seed])
    world = ChainWorld(steps=_STEPS, problems=70, seed=seed)
    taught = [world.contexts[number] for number in (_TAUGHT[:10] if quick else _TAUGHT)]
    asked = [world.contexts[number] for number in _ASKED] * (1 if quick else _REPEATS)
    trees: tuple[SearchTree, ...] = ()
    values: list[Labelled] = []
    for value in (_NOTHING, None):
        target = Target(world.base(), Foreseen(world, value or values[-1]))
        trees += _TEACH(target, taught, budget=Budget(), rng=rng).trees
        labels = tree_labels(trees, lambda items: _right(world, items), name="search")
        values.append(verifier(prefix_labels(labels), seen(world)))
    first, second = (Target(world.base(), PrefixValue(value, "soft", "base")) for value in values)
    picks = {
        "best of 4": BestOfN(_DRAWS)(first, asked, budget=Budget(), rng=rng),
        "beam": StepBeam(2, 2)(first, asked, budget=Budget(), rng=rng),
        "search": _ANSWER(first, asked, budget=Budget(), rng=rng),
        "search, round 2": _ANSWER(second, asked, budget=Budget(), rng=rng),
    }
    shares = step_shares(trees[: len(taught)], lambda items: _right(world, items))
    unfinished = np.array([len(item.output) < _STEPS for item in shares.items])
    share, exact = shares.share[unfinished], world.value(shares.items)[unfinished]
    fresh = [Item(context) for context in asked]
    figures = {f"right, {name}": 100 * float(world.value(found.items).mean()) for name, found in picks.items()}
    return figures | {
        "right, one draw": 100 * float(world.value(fresh).mean()),
        "correlation": float(np.corrcoef(share, exact)[0, 1]),
        "share less value": 100 * float((share - exact).mean()),
        "steps, search": picks["search"].cost["steps"] / len(asked),
    }


def _right(world: ChainWorld, items: Sequence[Item]) -> list[bool]:
    return [bool(right) for right in world.value(items) == 1]


ENTRY = Entry(
    id="003-065",
    title="ReST-MCTS*: LLM Self-Training via Process Reward Guided Tree Search",
    area="sampling/training",
    citation="Zhang et al. 2024",
    claim=(
        "Chains of five additions; final answers to 40 problems are known, no step is labelled. Trees are searched "
        "there by roll-outs, and the share of right outcomes below a prefix is taken for the value of its last step: "
        "it goes with the exact value, their correlation above 0.5. On new problems a tree search of at most 20 steps, "
        "by a value fitted to these, ends right more often than the best of 4 solutions by the same value, and than a "
        "beam of as many steps (2 prefixes, 2 branches). And a second round, whose trees are guided by the first "
        "value, gives one by which the search is right more often than by the first."
    ),
    configuration=(
        "sampling.StepTree with roll-outs, tree_labels and step_shares; feedback.prefix_labels; evidence.Labelled in "
        "PrefixValue; StepTree by value with back-up of the maximum, against BestOfN and StepBeam."
    ),
    measures={
        "right, one draw": "right outcomes, per cent, one draw of the base, exact",
        "right, best of 4": "right outcomes, per cent, best of 4 solutions by the value of round 1",
        "right, beam": "right outcomes, per cent, beam of 2 prefixes with 2 branches each by the value of round 1",
        "right, search": "right outcomes, per cent, tree search by the value of round 1",
        "right, search, round 2": "right outcomes, per cent, tree search by the value of both rounds",
        "correlation": "of the shares of right outcomes below unfinished prefixes of round 1 and their exact values",
        "share less value": "mean of those shares less the exact values, points",
        "steps, search": "steps written by the search, mean; the others write 20",
    },
    checks=(
        Check("correlation", above=0.5),
        Check("right, search", "right, best of 4", above=0.0),
        Check("right, search", "right, beam", above=0.0),
        Check("right, search, round 2", "right, search", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work fits values that grow with the steps done (evidence.WeightedSteps states them); here the value is "
        "the inferred probability itself. The policy is not trained, so that rounds change the value alone. What the "
        "value can see of a prefix is noisy, and the search chooses its answer by that value, not by the truth. Shares "
        "are of different outcomes, each counted once, and come out below the exact values."
    ),
)
