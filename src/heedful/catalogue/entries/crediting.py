"""002-002: steps that critics vote wrong lose credit that their answer earns."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner
from heedful.sampling.voting import voted

_PROBLEMS, _LENGTH, _VALUES = 30, 5, 8
_N, _ROUNDS, _RATE = 8, 40, 0.1
_OUTCOME, _STEP, _FLIPPED = 2.0, 1.0, 0.2

# Critiques of an output, the share of them that must call a step wrong, and how often a critique errs about a step.
_ARMS = {
    "outcome": (0, 1.0, 0.0),
    "one": (1, 1.0, _FLIPPED),
    "most of four": (4, 0.75, _FLIPPED),
    "all of four": (4, 1.0, _FLIPPED),
    "spread": (4, 0.75, _FLIPPED),
    "chance": (4, 0.75, 0.5),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    import torch

    from heedful.training import grpo
    from heedful.training.objectives import of_group

    rng = np.random.default_rng([202, seed])
    machine = Machine.drawn(8, _VALUES, rng)
    task = Sums.drawn(machine, 2 * _PROBLEMS, _LENGTH, rng, memory=True)
    base, writer = task.knowing(rng.normal(2.0, 1.0, machine.acts.shape)), task.writer()
    trained, fresh = np.split(np.arange(2 * _PROBLEMS), 2)
    figures: dict[str, float] = {}
    for name, (critiques, share, flipped) in _ARMS.items():
        own, learner = np.random.default_rng([203, seed]), Learner(base, _RATE)
        for _ in range(3 if quick else _ROUNDS):
            outputs = writer.write(learner.weights, trained, _N, own)
            reward = _OUTCOME * np.repeat(task.solved(trained, outputs)[..., None], _LENGTH, axis=2)
            if critiques:
                wrong = np.repeat(~task.right(trained, outputs)[:, :, None], critiques, axis=2)
                said = wrong ^ (own.random(wrong.shape) < flipped)
                lost = _STEP * (voted(said) >= share)
                reward = reward - (lost.mean(2, keepdims=True) if name == "spread" else lost)
            advantage = of_group(torch.from_numpy(reward), torch.ones(reward.shape, dtype=torch.bool))
            learner.step(writer.loss(grpo(), Records(trained, outputs, {"advantage": advantage.numpy()})))
        outputs = writer.write(learner.weights, fresh, 32, own)
        solved = task.solved(fresh, outputs)
        figures[f"solved, {name}"] = float(solved.mean())
        figures[f"valid, {name}"] = float(task.right(fresh, outputs)[solved].mean())
    return figures


_HOW = {
    "outcome": "rewards of outcomes alone",
    "one": "steps that one critique calls wrong lose credit",
    "most of four": "steps that three or four of four critiques call wrong lose credit",
    "all of four": "steps that all of four critiques call wrong lose credit",
    "spread": "as most of four, what steps lose spread over all tokens of their output",
    "chance": "as most of four, by critiques at chance",
}
ENTRY = Entry(
    id="002-002",
    title="CAPO: Towards Enhancing LLM Reasoning through Verifiable Generative Credit Assignment",
    area="training/preference",
    citation="Xie et al. 2025",
    claim=(
        "Five steps of arithmetic; critiques that are wrong about a step one time in five. After 40 rounds of GRPO on "
        "8 solutions to each of 30 problems, where steps that most of four critiques call wrong lose half of what a "
        "right outcome earns, more fresh problems are solved, by 0.02 at least, than where outcomes alone are "
        "rewarded, more of the steps to right answers are right, and more problems are solved than with one critique, "
        "or where the credit lost is spread over the whole output. Critiques at chance do not gain 0.02."
    ),
    configuration=(
        "training.grpo() with advantages by training.objectives.of_group of 2 · [outcome right] − [step voted wrong]; "
        "votes by sampling.voted."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in _HOW.items()
        for what, shown in {
            "solved": "share of fresh problems solved",
            "valid": "share of steps that are right in right answers to them",
        }.items()
    },
    checks=(
        Check("solved, most of four", "solved, outcome", above=0.02),
        Check("valid, most of four", "valid, outcome", above=0.0),
        Check("solved, most of four", "solved, one", above=0.0),
        Check("solved, most of four", "solved, spread", above=0.0),
        Check("solved, chance", "solved, outcome", below=0.02),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "What outcomes and steps weigh, the votes and the standardisation over all tokens of a group are not in the "
        "abstract. Errors of critiques are independent, which those of one judge asked again are not."
    ),
)
