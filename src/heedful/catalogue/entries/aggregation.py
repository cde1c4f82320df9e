"""004-110: policies tilted by rewards of outcomes or of steps, on short chains and on long ones."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import KnownScores, expected, listed, tilts_at
from heedful.catalogue.solving import seen, solution_table, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Item, Potential
from heedful.evidence import Steps
from heedful.evidence.steps import Aggregation
from heedful.feedback import prefix_labels
from heedful.worlds import ChainWorld, SimulatedRaters, marks, outcomes

_LABELLED, _CERTAINTY, _KL, _TAUGHT = 200, 1.5, 0.5, 40
_HARDNESS = {"easy": (3, 12), "hard": (6, 4)}
_HOW: tuple[Aggregation, ...] = ("product", "min", "mean", "last")
_REWARDS = ("ORM", *(f"PRM, {how}" for how in _HOW))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4110, seed])
    figures: dict[str, float] = {}
    for hardness, (steps, asked) in _HARDNESS.items():
        world = ChainWorld(steps=steps, problems=_TAUGHT + asked, seed=seed)
        base = solution_table(world, range(_TAUGHT, _TAUGHT + (1 if quick else asked)))
        contexts = tuple(base.rows)
        right = {context: world.value(base.support(context)) for context in contexts}
        solutions = world.draw(_LABELLED, rng=rng, problems=range(_TAUGHT))
        marked = marks(world, solutions, raters=SimulatedRaters(5), certainty=_CERTAINTY, rng=rng)
        orm = verifier(outcomes(world, solutions, rng=rng), seen(world))
        items = listed(base, contexts)
        step = verifier(prefix_labels(marked), seen(world))
        rewards: dict[str, Potential] = {"ORM": orm} | {f"PRM, {how}": Steps(step, how) for how in _HOW}
        accuracy = {
            name: 100 * expected(tilts_at(base, _probability(reward, items), contexts, _KL), right)
            for name, reward in rewards.items()
        }
        found = [accuracy[f"PRM, {how}"] for how in _HOW]
        figures |= {f"{hardness}, {name}": value for name, value in accuracy.items()}
        figures[f"{hardness}, base"] = 100 * float(np.mean([np.exp(base.rows[c][1]) @ right[c] for c in contexts]))
        figures[f"{hardness}, spread"] = max(found) - min(found)
    return figures


def _probability(reward: Potential, items: list[Item]) -> KnownScores:
    """A reward that is the probability itself, as a utility in [0, 1]."""
    return KnownScores(dict(zip(items, np.exp(reward(items).mean).tolist(), strict=True)), "utility")


ENTRY = Entry(
    id="004-110",
    title="Let's Reinforce Step by Step",
    area="preference/training",
    citation="Pan et al. 2023",
    claim=(
        "Chains of 3 and of 6 additions, 200 solutions of each labelled by outcome or by marks of steps of which 18 % "
        "are wrong, the base tilted to 0.5 nats of divergence by rewards in [0, 1]. On short chains the mean of step "
        "probabilities gives more right outcomes than a reward fitted to outcomes does; on long ones fewer than the "
        "base. And on long ones the best and the worst of the aggregations product, min, mean and last lie more than 5 "
        "points apart."
    ),
    configuration=(
        "evidence.Steps by product, min, mean and last of evidence.Labelled fitted to feedback.prefix_labels; "
        "target.enumerate_exact at equal divergence."
    ),
    measures={
        f"{hardness}, {name}": f"right outcomes, per cent, chains of {steps}, {what}"
        for hardness, (steps, _) in _HARDNESS.items()
        for name, what in {
            **{reward: f"tilted by {reward}" for reward in _REWARDS},
            "base": "the base",
            "spread": "best less worst aggregation, points",
        }.items()
    },
    checks=(
        Check("easy, PRM, mean", "easy, ORM", above=0.0),
        Check("hard, PRM, mean", "hard, base", below=0.0),
        Check("hard, spread", above=5.0),
    ),
    miniature=miniature,
    beyond=(
        "The policies are exact tilts, the optima that reinforcement learning with a KL penalty approaches, so what "
        "comes of optimising badly is left out. The abstract names no aggregation; the claim takes the mean, of which "
        "the spread is one of four. The best of four aggregations lies above the worst by chance too: hence 5 points."
    ),
)
