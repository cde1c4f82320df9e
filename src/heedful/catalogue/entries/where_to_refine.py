"""001-089: when a solution is to be refined, from where on, and which of its refinements to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import separation
from heedful.catalogue.solving import rewritten, seen, steps_of, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Item, Potential
from heedful.evidence import prefixes
from heedful.feedback import prefix_labels
from heedful.models import StepModel
from heedful.sampling import KEEP, BestOfN, Played, Refining, Task
from heedful.target import Target
from heedful.worlds import ChainWorld, completion_marks, outcomes

_LABELLED, _COMPLETIONS = 300, 8
_TAUGHT, _TRIED = range(40), range(40, 80)
_Editor = Callable[[Task, np.random.Generator], str]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1089, seed])
    world = ChainWorld(steps=5, problems=80, seed=seed)
    drawn = world.draw(60 if quick else _LABELLED, rng=rng, problems=_TAUGHT)
    orm = verifier(prefix_labels(outcomes(world, drawn, rng=rng)), seen(world))
    sorms = {
        k: verifier(prefix_labels(completion_marks(world, drawn, world, completions=k, rng=rng)), seen(world))
        for k in (2, _COMPLETIONS)
    }
    fresh = world.draw(100 if quick else 400, rng=rng, problems=_TRIED)
    rewards = {"ORM": orm, "SORM": sorms[_COMPLETIONS], "SORM of 2": sorms[2]}
    figures = {f"wrong steps, {name}": _separated(world, own, fresh) for name, own in rewards.items()}
    contexts = [world.contexts[number] for number in _TRIED for _ in range(1 if quick else 3)]
    target, critic = Target(world.base(), orm), _critic(orm, sorms[_COMPLETIONS])
    editors = {"global": (_whole, 1), "local": (rewritten, 1), "both": (_either, 2)}
    engines: dict[str, BestOfN | Refining] = {"draft": BestOfN(1), "best of 3": BestOfN(3)}
    for name, (editor, revisions) in editors.items():
        engines[name] = Refining(critic, Played(editor(world.base())), revisions=revisions, parts=steps_of)
    for name, engine in engines.items():
        found = engine(target, contexts, budget=Budget(), rng=rng)
        figures[f"right, {name}"] = float(100 * world.value(found.items).mean())
        if name == "both":
            figures["calls, both"] = found.cost["calls"] / len(contexts)
    return figures


def _separated(world: ChainWorld, reward: Potential, solutions: tuple[Item, ...]) -> float:
    """How well the reward of prefixes tells first wrong steps from right ones, per cent."""
    right = world.right(solutions)
    scores = reward([prefix for item in solutions for prefix in prefixes(item)]).mean.reshape(right.shape)
    upto: np.ndarray = np.cumsum(~right, axis=1) - ~right == 0  # steps after which no wrong one has come
    return separation(-scores[upto], ~right[upto])


def _critic(orm: Potential, sorm: Potential) -> Played:
    """When: where the ORM holds the outcome for likelier wrong. Where: the first step that the SORM holds for lost,
    or the least likely."""

    def critic(task: Task, rng: np.random.Generator) -> str:
        if orm([task.item]).mean[0] > np.log(0.5):
            return KEEP
        chance = sorm(prefixes(task.item)).mean
        low = np.flatnonzero(chance < np.log(0.5))
        return str(int(low[0] if len(low) else chance.argmin()))

    return Played(critic)


def _whole(base: StepModel) -> _Editor:
    """Written anew, whatever the critique says."""
    editor = rewritten(base)
    return lambda task, rng: editor(replace(task, critique="0"), rng)


def _either(base: StepModel) -> _Editor:
    """The first sample anew, the second from the step named on."""
    whole, there = _whole(base), rewritten(base)
    return lambda task, rng: (there if task.number % 2 else whole)(task, rng)


ENTRY = Entry(
    id="001-089",
    title="GLoRe: When, Where, and How to Improve LLM Reasoning via Global and Local Refinements",
    area="preference/sampling",
    citation="Havrilla et al. 2024",
    claim=(
        "Chains of five additions. A reward of prefixes fitted to whether any of 8 completions of each prefix comes "
        "out right (SORM) tells first wrong steps from right ones better than one fitted to the outcomes of the same "
        "300 solutions (ORM). Where the ORM doubts a draft, it is written anew (global) and from the first step on "
        "that the SORM holds for lost (local), and the ORM keeps the best of the three: more outcomes are right than "
        "by either alone, and than by the best of three drafts."
    ),
    configuration=(
        "feedback.prefix_labels of outcomes and of worlds.completion_marks; evidence.Labelled; sampling.Refining with "
        "revisions=2, one global and one local, the ORM as the target's score; sampling.BestOfN."
    ),
    measures={
        "wrong steps, ORM": "first wrong steps scored below right ones, per cent, reward from outcomes",
        "wrong steps, SORM": "the same, reward from 8 completions of each prefix",
        "wrong steps, SORM of 2": "the same, reward from 2 completions of each prefix",
        "right, draft": "right outcomes, per cent, one draft",
        "right, best of 3": "right outcomes, per cent, best of 3 drafts by the ORM",
        "right, global": "right outcomes, per cent, doubted drafts written anew, the better kept",
        "right, local": "right outcomes, per cent, doubted drafts written on from the step found, the better kept",
        "right, both": "right outcomes, per cent, best of draft, global and local refinement",
        "calls, both": "calls a problem beside the draft, critic included",
    },
    checks=(
        Check("wrong steps, SORM", "wrong steps, ORM", above=0.0),
        Check("right, both", "right, global", above=0.0),
        Check("right, both", "right, local", above=0.0),
        Check("right, both", "right, best of 3", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Not reproduced, and why: a wrong addition is often undone by a later one here, so that after a first wrong "
        "step some of 8 completions comes out right in 67 to 88 % of cases but for the last step (after right steps "
        "in 98 % and more). Such labels hardly tell; two completions lose nothing to outcomes. With a SORM that holds "
        "few steps for lost, local refinement starts at the wrong place. The thresholds of one half are ours; the ORM "
        "doubts nine drafts in ten. Refinement models are not trained: the global one writes anew without looking at "
        "the draft, the local one goes on from before the step found, both with the base. Labels of completions are "
        "by their exact probability."
    ),
)
