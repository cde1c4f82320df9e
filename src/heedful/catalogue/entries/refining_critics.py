"""002-047: a critic taught by whether refinements that it asks for come out right, against one taught verdicts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.solving import rewritten, seen, steps_of, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Potential
from heedful.evidence import prefixes
from heedful.feedback import prefix_labels
from heedful.sampling import KEEP, Played, Refined, Refining, Task, minimum_bayes_risk
from heedful.target import Target
from heedful.worlds import ChainWorld, SimulatedRaters, completion_marks, marks, outcomes

_LABELLED, _VOTES = 300, 16
_TAUGHT, _TRIED = range(40), range(40, 80)
_Critic = Callable[[Task, np.random.Generator], str]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2047, seed])
    world = ChainWorld(steps=5, problems=80, seed=seed)
    drawn, encoder = world.draw(60 if quick else _LABELLED, rng=rng, problems=_TAUGHT), seen(world)
    told = outcomes(world, drawn, rng=rng)
    verdict = verifier(told, encoder)
    marked = marks(world, drawn, raters=SimulatedRaters(5), certainty=3.0, rng=rng)
    step = verifier(prefix_labels(marked), encoder)
    tried = completion_marks(world, drawn, world, completions=1, rng=rng)
    success = verifier(prefix_labels(tried), encoder)
    anew = float(np.log(world.value(drawn).mean()))  # what comes of writing all of it anew
    critics = {"verdicts": _by_verdict(verdict), "marks": _by_marks(step), "refinements": _by_success(success, anew)}
    contexts = [world.contexts[number] for number in _TRIED for _ in range(1 if quick else 4)]
    target, figures = Target(world.base(), verdict), {}
    for name, critic in critics.items():
        how = Refining(Played(critic), Played(rewritten(world.base())), take="always", parts=steps_of)
        found = how(target, contexts, budget=Budget(), rng=rng)
        figures[f"right, {name}"] = float(100 * world.value(found.items).mean())
        figures[f"found, {name}"] = _found(world, found, len(contexts))
    figures["right, draft"] = float(100 * world.value([own.item for own in found.met[: len(contexts)]]).mean())
    return figures | _voted(world, {"verdicts": verdict, "refinements": success}, rng)


def _by_verdict(verdict: Potential) -> _Critic:
    """Says whether a solution is wrong, and has learnt nothing of where."""
    return lambda task, rng: KEEP if verdict([task.item]).mean[0] > np.log(0.5) else str(rng.integers(5))


def _by_marks(step: Potential) -> _Critic:
    """Names the first step that is likelier wrong than not."""

    def critic(task: Task, rng: np.random.Generator) -> str:
        wrong = np.flatnonzero(step(prefixes(task.item)).mean < np.log(0.5))
        return str(int(wrong[0])) if len(wrong) else KEEP

    return critic


def _by_success(success: Potential, anew: float) -> _Critic:
    """Names the step from which a refinement is likeliest to come out right; the end is to keep the solution."""

    def critic(task: Task, rng: np.random.Generator) -> str:
        chance = np.append(anew, success(prefixes(task.item)).mean)
        kept = int(chance.argmax())
        return KEEP if kept == len(task.item.output) else str(kept)

    return critic


def _found(world: ChainWorld, refined: Refined, drafts: int) -> float:
    """How often, per cent, the step named is the first wrong one, of solutions that have one."""
    named = {own.parent: int(own.critique) for own in refined.met[drafts:]}
    first = world.first_error([own.item for own in refined.met[:drafts]]).tolist()
    return float(100 * np.mean([named.get(row) == own for row, own in enumerate(first) if own < world.steps]))


def _voted(world: ChainWorld, rewards: dict[str, Potential], rng: np.random.Generator) -> dict[str, float]:
    """Right answers, per cent, of votes of 16 solutions: of all, and of the half that a critic holds for best."""
    base, right = world.base(), dict.fromkeys(("all", *rewards), 0.0)
    for number in _TRIED:
        items = base.sample(world.contexts[number], _VOTES, rng=rng)
        answer = world.read(items).value[:, -1]
        truth = world.value(items)
        weights = {name: _half(reward(items).mean) for name, reward in rewards.items()}
        for name, weight in {"all": np.ones(_VOTES), **weights}.items():
            with np.errstate(divide="ignore"):
                log_prob = np.log(weight / weight.sum())[None]
            right[name] += float(truth[minimum_bayes_risk(log_prob, answer[:, None] != answer)[0]])
    return {f"vote of 16, {name}": 100 * count / len(_TRIED) for name, count in right.items()}


def _half(score: Floats) -> Floats:
    """Ones for the better half."""
    return np.asarray(np.argsort(np.argsort(-score)) < len(score) / 2, np.float64)


_NAMES = {
    "verdicts": "a critic taught outcomes alone",
    "marks": "a critic taught marks of steps",
    "refinements": "a critic taught by which refinements come out right",
}

ENTRY = Entry(
    id="002-047",
    title="RefCritic: Training Long Chain-of-Thought Critic Models with Refinement Feedback",
    area="preference/training",
    citation="Tang et al. 2025",
    claim=(
        "Chains of five additions, 300 solutions. A critic taught by whether one refinement from each step came out "
        "right names the step from which a refinement is likeliest to, or keeps the solution. Solutions refined once "
        "as it says are right more often than drafts, by more than 5 points, and than those refined by a critic "
        "taught outcomes alone, who says only that something is wrong; it finds the first wrong step more often, "
        "without marks of steps; and the vote of 16 solutions filtered by it is right more often than that of all."
    ),
    configuration=(
        "feedback.prefix_labels of worlds.completion_marks(completions=1), outcomes and marks; evidence.Labelled; "
        "sampling.Refining(take='always'); sampling.minimum_bayes_risk for votes."
    ),
    measures={
        "right, draft": "right outcomes, per cent, drafts",
        **{f"right, {name}": f"right outcomes, per cent, refined once by {what}" for name, what in _NAMES.items()},
        **{f"found, {name}": f"first wrong steps found, per cent, by {what}" for name, what in _NAMES.items()},
        "vote of 16, all": "right answers, per cent, most frequent of 16",
        "vote of 16, verdicts": "the same, of the half of best verdict by the critic taught outcomes",
        "vote of 16, refinements": "the same, of the half of best verdict by the critic taught by refinements",
    },
    checks=(
        Check("right, refinements", "right, draft", above=5.0),
        Check("right, refinements", "right, verdicts", above=0.0),
        Check("found, refinements", "found, verdicts", above=0.0),
        Check("vote of 16, refinements", "vote of 16, all", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The critic is a probability on features of prefixes and chooses by it, in the place of a language model "
        "trained by reinforcement learning on both rewards; refinements of the 300 solutions are one from each step. "
        "That it beats critics taught by marks is not claimed: marks here are right 19 times in 20, and stand beside."
    ),
)
