"""004-035: a critic and reviser learnt from few records, applied over and over to the answers of another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Parts
from heedful.preference.heads import FittedHead, Linear, Votes
from heedful.sampling import KEEP, Played, Refining, Task
from heedful.target import Target
from heedful.worlds import RepairWorld

_LENGTH, _LOOKS, _CLARITY = 8, 4, 0.7
_GENERATORS = {"weaker": 0.4, "stronger": 0.15}
_ROUNDS = (1, 2, 5)
_FOLLOWS = 0.9


@dataclass(frozen=True, eq=False)
class Seen:
    """What a critic sees of the letters of a string: noisy looks [letters, 4] along an axis that tells the wrong."""

    axis: Floats

    def of(self, wrong: Floats, rng: np.random.Generator) -> Floats:
        return np.asarray(_CLARITY * np.outer(2 * wrong - 1, self.axis) + rng.normal(size=(len(wrong), _LOOKS)))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4035, seed])
    seen = Seen(rng.choice([-1.0, 1.0], _LOOKS))
    critics = {n: _critic(seen, _trained(seen, n, rng)) for n in (20, 1000)}
    figures = {}
    for generator, wrong in _GENERATORS.items():
        world = RepairWorld(_LENGTH, wrong, follows=_FOLLOWS)
        contexts = world.contexts(5 if quick else 100, rng=rng)
        target = Target(world.base(contexts), world.reward())
        for n, critic in critics.items():
            for rounds in _ROUNDS:
                figures[f"{generator}, {n}, {rounds}"] = _wins(world, target, contexts, critic, rounds, rng)
        figures[f"{generator}, no critique, 1"] = _wins(world, target, contexts, _critic(seen, None), 1, rng)
    return figures


def _trained(seen: Seen, records: int, rng: np.random.Generator) -> FittedHead:
    """P(a letter is wrong) learnt from so many critiques, each of one letter: wrong or not."""
    wrong = (rng.random(records) < 0.4).astype(np.float64)
    design = np.vstack([np.hstack([seen.of(wrong, rng), np.ones((records, 1))]), np.zeros(_LOOKS + 1)])
    rows = np.arange(records)
    return Linear(prior_sd=1.0, pairs=2).fit(design, Votes.of(rows, np.full(records, records), wrong), rng=rng)


def _critic(seen: Seen, head: FittedHead | None) -> Played:
    """Names the letter that looks most wrong, or stops where none is likelier wrong than not; without a head, any."""

    def critic(task: Task, rng: np.random.Generator) -> str:
        if head is None:
            return str(rng.integers(_LENGTH))
        shown, own = task.item.context[0].text, task.item.output[0].text
        wrong = np.array([a != b for a, b in zip(shown, own, strict=True)], np.float64)
        probability = expit(head.mean(np.hstack([seen.of(wrong, rng), np.ones((_LENGTH, 1))])))
        return str(int(probability.argmax())) if probability.max() > 0.5 else KEEP

    return Played(critic)


def _wins(
    world: RepairWorld,
    target: Target,
    contexts: Sequence[Parts],
    critic: Played,
    rounds: int,
    rng: np.random.Generator,
) -> float:
    """How often, per cent, the revised answer has fewer errors than the original; equals count half."""
    how = Refining(critic, Played(world.editor), rounds=rounds, take="always")
    found = how(target, contexts, budget=Budget(), rng=rng)
    before = np.array([world.errors(own.item) for own in found.met[: len(contexts)]])
    after = np.array([world.errors(item) for item in found.items])
    return float(100 * ((after < before) + (after == before) / 2).mean())


ENTRY = Entry(
    id="004-035",
    title="Data-Efficient Alignment of Large Language Models with Human Feedback Through Natural Language",
    area="sampling/feedback",
    citation="Jin et al. 2023",
    claim=(
        "Strings of 8 letters, copied by a weaker generator (40 % of letters wrong) and a stronger one (15 %); a "
        "critic learnt from 1000 critiques of single letters names the letter that looks most wrong, or stops, and an "
        "editor follows 9 times in 10; no score is asked. One revision beats the original in more than 55 % of cases "
        "(equals count half) with both generators, five revisions beat it more often than one does, and a critic "
        "learnt from 20 records does worse over five than that of 1000. A revision without a critique loses to the "
        "stronger generator's original."
    ),
    configuration=(
        "sampling.Refining(take='always', rounds=1 to 5), Played roles (the chat form is "
        "sampling.critique_and_revise); preference.heads.Linear as the critic; worlds.RepairWorld."
    ),
    measures={
        **{
            f"{generator}, {name}, {rounds}": f"wins over the original, per cent, {generator} generator, critic of "
            f"{name} records, {rounds} revision{'s' * (rounds > 1)}"
            for generator in _GENERATORS
            for name in ("20", "1000")
            for rounds in _ROUNDS
        },
        **{f"{own}, no critique, 1": f"the same, any letter edited, {own} generator" for own in _GENERATORS},
    },
    checks=(
        Check("weaker, 1000, 1", above=55.0),
        Check("stronger, 1000, 1", above=55.0),
        Check("weaker, 1000, 5", "weaker, 1000, 1", above=0.0),
        Check("stronger, 1000, 5", "stronger, 1000, 1", above=0.0),
        Check("weaker, 1000, 5", "weaker, 20, 5", above=0.0),
        Check("stronger, no critique, 1", below=50.0),
    ),
    miniature=miniature,
    beyond=(
        "The critic is a linear reward on noisy looks at letters, fresh at each revision, in the place of a fine-tuned "
        "model; the editor is given. The work's records hold critique and revision of whole responses."
    ),
)
