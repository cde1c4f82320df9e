"""004-095: a reward of steps or of outcomes to pick solutions by, and which solutions to have marked."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import KnownScores, listed
from heedful.catalogue.solving import best_of, seen, solution_table, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Item, Potential
from heedful.elicitation import Convincing
from heedful.evidence import Labelled, Steps
from heedful.feedback import prefix_labels
from heedful.worlds import ChainWorld, SimulatedRaters, marks, outcomes

_LABELLED, _POOL, _FIRST, _CERTAINTY = 60, 600, 20, 3.0
_TAUGHT, _ASKED, _DRAWS = range(40), range(40, 52), (4, 64, 256)
_RATERS = SimulatedRaters(5)
_REWARDS = {
    "ORM": "outcomes of 60 solutions",
    "ORM of as many labels": "outcomes of 300 solutions",
    "PRM": "marks of 60 solutions",
    "PRM, active": "marks of 60 solutions, 40 of them convincing ones of 600",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4095, seed])
    world = ChainWorld(steps=5, problems=52, seed=seed)
    base = solution_table(world, _ASKED[:2] if quick else _ASKED)
    contexts = tuple(base.rows)
    right = {context: world.value(base.support(context)) for context in contexts}
    pool = world.draw(_POOL, rng=rng, problems=_TAUGHT)
    drawn = [pool[row] for row in rng.permutation(_POOL)]
    first = drawn[:_FIRST]
    ask = Convincing(lambda item: world.value([item])[0] == 0, _LABELLED - _FIRST)
    asked = ask(_steps(world, first, rng), [(item,) for item in drawn[_FIRST:]], rng=rng)
    rewards: dict[str, Potential] = {
        "ORM": _ends(world, drawn[:_LABELLED], rng),
        "ORM of as many labels": _ends(world, drawn[: world.steps * _LABELLED], rng),
        "PRM": _steps(world, drawn[:_LABELLED], rng),
        "PRM, active": _steps(world, first + [item for (item,) in asked.items], rng),
    }
    figures: dict[str, float] = {}
    for name, reward in rewards.items():
        scores = KnownScores.of(reward, listed(base, contexts))
        figures |= {f"best of {n}, {name}": best_of(base, scores, right, n) for n in _DRAWS}
    for name in ("ORM", "PRM"):
        figures[f"gain, {name}"] = figures[f"best of 256, {name}"] - figures[f"best of 4, {name}"]
    return figures


def _steps(world: ChainWorld, solutions: list[Item], rng: np.random.Generator) -> Steps:
    marked = marks(world, solutions, raters=_RATERS, certainty=_CERTAINTY, rng=rng)
    return Steps(verifier(prefix_labels(marked), seen(world)), "product")


def _ends(world: ChainWorld, solutions: list[Item], rng: np.random.Generator) -> Labelled:
    return verifier(outcomes(world, solutions, rng=rng), seen(world))


ENTRY = Entry(
    id="004-095",
    title="Let's Verify Step by Step",
    area="preference/elicitation",
    citation="Lightman et al. 2023",
    claim=(
        "Chains of five additions, 60 solutions labelled, rewards tried on new problems by the exact law of best-of-N: "
        "the product of step probabilities fitted to marks of steps, a twentieth of them wrong, picks right outcomes "
        "more often from 64 draws than a reward fitted to outcomes does, by more than 2 points, and gains more from 4 "
        "draws to 256. And where 40 of the 60 were chosen from 600 as the most convincing, 80 % of them wrong, by a "
        "reward from the first 20, it picks right outcomes more often from 64 than where all 60 were random."
    ),
    configuration=(
        "feedback.prefix_labels on records of kind steps; evidence.Labelled and Steps('product'); "
        "elicitation.Convincing; sampling.best_of_n_law."
    ),
    measures={
        **{
            f"best of {n}, {name}": f"right outcomes among picks of {n} draws, per cent, reward from {what}"
            for name, what in _REWARDS.items()
            for n in _DRAWS
        },
        **{f"gain, {name}": f"best of 256 less best of 4, points, {name}" for name in ("ORM", "PRM")},
    },
    checks=(
        Check("best of 64, PRM", "best of 64, ORM", above=2.0),
        Check("gain, PRM", "gain, ORM", above=0.0),
        Check("best of 64, PRM, active", "best of 64, PRM", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Product and rule of selection are not in the abstract. The work marks steps up to the first error; here all "
        "are marked, each by whether it follows from the one before. The reward that selects has seen 20 solutions, "
        "which the random choice shares. Looks are fixed and noisy, so that more draws find wrong steps that look "
        "right: both rewards pick worse from 64 draws than from 4, unlike those of the work, which still rose."
    ),
)
