"""002-032: scores of steps that choose which outputs are trained on, and scores of steps that are rewards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_VALUES, _LENGTH, _PROBLEMS = 8, 4, 30
_N, _KEEP, _ROUNDS, _RATE = 16, 8, 30, 0.1
_NOISES, _BIAS = {"good": 0.5, "poor": 2.0}, 1.0


@dataclass(frozen=True, eq=False)
class _Styled:
    """Sums whose steps are written plainly or with a flourish, tokens beyond the values; and a scorer of steps, whose
    errors [acts, values, tokens] are fixed and who likes flourishes."""

    task: Sums
    errors: Floats

    @property
    def writer(self) -> Writer:
        return Writer(
            2 * _VALUES,
            _LENGTH,
            self.task.writer().rows,
            lambda prompts, before: self.task.seen(prompts, before % _VALUES),
        )

    def process(self, prompts: Indices, outputs: Indices) -> Floats:
        """Mean score of the steps [r, k]."""
        task, values = self.task, outputs % _VALUES
        first = np.broadcast_to(task.start[prompts][:, None, None], (*outputs.shape[:2], 1))
        before = np.concatenate([first, values[..., :-1]], axis=2)
        errors = self.errors[task.acts[prompts][:, None], before, outputs]
        scores = task.right(prompts, values) + errors + _BIAS * (outputs >= _VALUES)
        return np.asarray(scores.mean(2))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import grpo
    from heedful.training.choosing import consistent

    rng = np.random.default_rng([232, seed])
    machine = Machine.drawn(8, _VALUES, rng)
    task = Sums.drawn(machine, 2 * _PROBLEMS, _LENGTH, rng, memory=True)
    errors = rng.normal(size=(8, _VALUES, 2 * _VALUES))
    known = task.knowing(rng.normal(2.0, 1.0, machine.acts.shape)).reshape(-1, _VALUES)
    base = np.column_stack([known, known]).ravel()
    trained, fresh = np.split(np.arange(2 * _PROBLEMS), 2)
    figures: dict[str, float] = {}
    for name, (how, noise) in _ARMS.items():
        world = _Styled(task, noise * errors)
        learner, own = Learner(base, _RATE), np.random.default_rng([233, seed])
        for _ in range(3 if quick else _ROUNDS):
            outputs = world.writer.write(learner.weights, trained, _N, own)
            right, process = task.solved(trained, outputs % _VALUES), world.process(trained, outputs)
            score = right + process if how == "blended" else right
            chosen = consistent(right, process, _KEEP) if how == "filtered" else None
            learner.step(world.writer.loss(grpo(), Records(trained, outputs, {"score": score}), chosen=chosen))
        outputs = world.writer.write(learner.weights, fresh, 32, own)
        right, steps = task.solved(fresh, outputs % _VALUES), task.right(fresh, outputs % _VALUES)
        figures |= {
            f"solved, {name}": float(right.mean()),
            f"valid, {name}": float(steps[right].mean()),
            f"flourish, {name}": float((outputs >= _VALUES).mean()),
        }
    return figures


_ARMS = {"outcome": ("outcome", 0.0)} | {
    f"{how}, {kind}": (how, noise) for kind, noise in _NOISES.items() for how in ("blended", "filtered")
}
_HOW = {
    "outcome": "rewards of outcomes alone",
    "blended": "rewards of outcomes plus the mean score of steps",
    "filtered": "rewards of outcomes, 8 of 16 outputs kept whose steps agree with them",
}
ENTRY = Entry(
    id="002-032",
    title="Beyond Correctness: Harmonizing Process and Outcome Rewards through RL Training",
    area="training/curation",
    citation="Ye et al. 2025",
    claim=(
        "Four steps of arithmetic; a scorer of steps who gives a right one 1 more than a wrong one and a flourish as "
        "much, with fixed errors of standard deviation 0.5 (good) or 2 (poor). After 30 rounds of GRPO on 16 "
        "solutions to each of 30 problems, whichever the scorer, policies whose outputs were filtered by it solve "
        "more fresh problems, by 0.04, than those it rewarded beside outcomes, write fewer flourishes, and more of "
        "the steps to right answers are right than where outcomes alone are rewarded."
    ),
    configuration=(
        "training.grpo() on rewards of outcomes; on these plus mean scores of steps; on those outputs that "
        "training.choosing.consistent keeps, 8 of 16."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {_HOW[how]}{f', {name.split()[-1]} scorer' if noise else ''}"
        for name, (how, noise) in _ARMS.items()
        for what, shown in {
            "solved": "share of fresh problems solved",
            "valid": "share of steps that are right in right answers to them",
            "flourish": "share of steps written with a flourish",
        }.items()
    },
    checks=tuple(
        check
        for kind in _NOISES
        for check in (
            Check(f"solved, filtered, {kind}", f"solved, blended, {kind}", above=0.04),
            Check(f"flourish, filtered, {kind}", f"flourish, blended, {kind}", below=0.0),
            Check(f"valid, filtered, {kind}", "valid, outcome", above=0.0),
        )
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "The policy is log-linear, and can learn answers to the problems it is trained on by heart. All arms draw as "
        "many outputs; the filtered one is trained on half of them. Right and wrong ones are kept in proportion to "
        "how often they were drawn, at least one of each. A first try with the good scorer alone had shown blending "
        "ahead; the poor one was added, and the claim made of both. The good one tells 92 pairs of a right and a "
        "wrong step in 100 the right way round and the poor one 64, flourishes aside: rewarding what it says teaches "
        "the steps where it is good, and not where it is poor."
    ),
)
