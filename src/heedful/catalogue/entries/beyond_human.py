"""004-036: fine-tuning on those of its own solutions that pass, again and again, each time from where it began."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner
from heedful.core import Floats

_PROBLEMS, _TOLD, _LENGTH = 80, 16, 4
_N, _MOST, _ROUNDS, _STEPS = 16, 4, 3, 30
_ARMS = {"filtered": (True, True), "continued": (True, False), "unfiltered": (False, True)}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.loops.meters import pass_at
    from heedful.training.choosing import capped

    rng = np.random.default_rng([436, seed])
    n, machine = 30 if quick else _PROBLEMS, Machine.drawn(10, 10, rng)
    task = Sums.drawn(machine, 2 * n, _LENGTH, rng, memory=True)
    trained, fresh = np.split(np.arange(2 * n), 2)
    base = task.knowing(rng.normal(2.5, 1.0, machine.acts.shape))
    told = trained[:_TOLD]
    human = _fitted(task, base, told, task.true[told, None], np.ones((_TOLD, 1), dtype=bool))
    found = {"base": base, "human": human}
    for name, (filtered, anew) in _ARMS.items():
        weights = human
        for number in range(_ROUNDS):
            outputs = task.writer().write(weights, trained, _N, rng)
            passed = task.solved(trained, outputs) | (not filtered)
            weights = _fitted(task, base if anew else weights, trained, outputs, capped(passed, _MOST, rng))
            found |= {f"{name} once": weights} if number == 0 and name == "filtered" else {}
        found[name] = weights
    figures: dict[str, float] = {}
    for name, weights in found.items():
        own, seen = (
            task.solved(prompts, task.writer().write(weights, prompts, 16, rng)).astype(np.float64)
            for prompts in (fresh, trained)
        )
        figures |= {name: float(own.mean()), f"gap, {name}": float(seen.mean() - own.mean())}
        figures[f"of eight, {name}"] = float(pass_at(own, 8).mean())
    return figures


def _fitted(task: Sums, start: Floats, prompts: Indices, outputs: Indices, chosen: NDArray[np.bool_]) -> Floats:
    """Weights fine-tuned on the outputs chosen."""
    from heedful.training import Weighted

    learner, records = Learner(start, 0.05), Records(prompts, outputs, {"score": chosen})
    learner.step(task.writer().loss(Weighted("above"), records, chosen=chosen), _STEPS)
    return learner.weights


_NAMES = {
    "base": "the base",
    "human": "fine-tuned on true solutions of 16 problems",
    "filtered once": "on its own solutions that pass, one round",
    "filtered": "on its own solutions that pass, three rounds",
    "continued": "the same, each round from the one before",
    "unfiltered": "on its own solutions, passing or not, three rounds",
}
ENTRY = Entry(
    id="004-036",
    title="Beyond Human Data: Scaling Self-Training for Problem-Solving with Language Models",
    area="training/curation",
    citation="Singh et al. 2024",
    claim=(
        "Four steps of arithmetic by a policy that half knows its tables and can learn problems by heart; 80 problems, "
        "true solutions of 16 of them, answers of all. Three rounds of self-training on at most 4 of 16 solutions that "
        "pass, each from the base, solve more of 80 fresh problems at one try than the base fine-tuned on the 16 true "
        "solutions, by 0.05 at least, and no fewer at eight; without the filter they do not come within 0.05 of it. "
        "Continued from round to round, the gap between problems trained on and fresh ones is wider."
    ),
    configuration=(
        "training.Weighted('above') on outputs that training.choosing.capped keeps of those that pass, from the base "
        "in every round; loops.meters.pass_at."
    ),
    measures={
        f"{what}{name}": f"{shown}, {how}"
        for name, how in _NAMES.items()
        for what, shown in {
            "": "share of fresh problems solved at one try",
            "gap, ": "share of trained problems solved at one try less that of fresh ones",
            "of eight, ": "share of fresh problems solved at one of eight tries",
        }.items()
    },
    checks=(
        Check("filtered", "human", above=0.05),
        Check("of eight, filtered", "of eight, human", above=0.0),
        Check("unfiltered", "filtered", below=-0.05),
        Check("gap, continued", "gap, filtered", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "A log-linear policy of steps, not a network: what it knows of an act and a value is shared by all problems, "
        "and each problem and step has weights of its own, by which it overfits. Human data are true solutions of a "
        "fifth of the problems; the work has them for all. That starting anew keeps the gap narrow is what the work "
        "says for it. Here each fine-tuning is as short as the others, so that a policy which goes on has had more of "
        "them, and what it gained from them was mostly knowledge that problems share."
    ),
)
