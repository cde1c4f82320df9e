"""004-096: a policy trained on those of its outputs about which the reward model can be trusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner
from heedful.core import Floats

_VALUES, _LENGTH, _PROBLEMS, _N = 8, 4, 40, 8
_ROUNDS, _RATE = 40, 0.05
_Filter = Callable[[Floats, np.random.Generator], NDArray[np.bool_]]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import PolicyGradient
    from heedful.training.choosing import determination

    rng = np.random.default_rng([496, seed])
    machine = Machine.drawn(8, _VALUES, rng)
    task = Sums.drawn(machine, 2 * _PROBLEMS, _LENGTH, rng)
    base, writer = task.knowing(rng.normal(2.0, 1.0, machine.acts.shape)), task.writer()
    trained, fresh = np.split(np.arange(2 * _PROBLEMS), 2)
    guesses = rng.uniform(0.1, 0.9, (_PROBLEMS, _VALUES**_LENGTH))

    def drawn(weights: Floats, rng: np.random.Generator) -> tuple[Indices, Floats, Floats]:
        """Outputs, what they are worth, and what the reward model gives: it knows the ends, and guesses between."""
        outputs = writer.write(weights, trained, _N, rng)
        worth = task.right(trained, outputs).mean(2)
        guess = guesses[trained[:, None], outputs @ _VALUES ** np.arange(_LENGTH)]
        return outputs, worth, np.where((worth > 0) & (worth < 1), guess, worth)

    figures: dict[str, float] = {}
    for name, chosen in _filters().items():
        own, learner = np.random.default_rng([497, seed]), Learner(base, _RATE)
        _, worth, reward = drawn(base, own)
        figures[f"R², {name}"] = determination(reward, worth, chosen(reward, own))
        for _ in range(3 if quick else _ROUNDS):
            outputs, _, reward = drawn(learner.weights, own)
            advantage = (reward - reward.mean(1, keepdims=True))[:, :, None]
            records = Records(trained, outputs, {"advantage": advantage})
            learner.step(writer.loss(PolicyGradient("none", (0.2, 0.2)), records, chosen=chosen(reward, own)))
        figures[f"solved, {name}"] = float(task.solved(fresh, writer.write(learner.weights, fresh, 32, own)).mean())
    greatest = max(_filters().keys() - {"any two"}, key=lambda name: figures[f"R², {name}"])
    return figures | {"solved, by R²": figures[f"solved, {greatest}"]}


def _filters() -> dict[str, _Filter]:
    from heedful.training.choosing import ends

    return {
        "all": lambda reward, rng: np.ones(reward.shape, dtype=bool),
        "best": lambda reward, rng: ends(reward),
        "best and any": lambda reward, rng: ends(reward, others=1, rng=rng),
        "best and worst": lambda reward, rng: ends(reward, worst=1),
        "any two": lambda reward, rng: ends(rng.random(reward.shape), best=2),
    }


_HOW = {
    "all": "all 8 outputs",
    "best": "the best alone",
    "best and any": "the best and any other",
    "best and worst": "the best and the worst",
    "any two": "any two",
}
ENTRY = Entry(
    id="004-096",
    title="Policy Filtration in RLHF to Fine-Tune LLM for Code Generation",
    area="training/preference",
    citation="Shen and Zhang 2024",
    claim=(
        "Outputs of four steps are worth the share that is right. A reward model knows those that are right or wrong "
        "throughout and guesses about the rest, always the same of the same output. Kept to the best and the worst, "
        "or to the best and any other, of 8 outputs to a prompt by that reward, rewards tell more of worth (R²) than "
        "over all 8, and 40 rounds of PPO on these alone solve more fresh problems than on all. So does, in each run, "
        "that filter among all, best, best and any, and best and worst of which R² is greatest at first."
    ),
    configuration=(
        "training.PolicyGradient('none', clip) with advantages over the mean of all 8, on outputs chosen by "
        "training.choosing.ends; training.choosing.determination."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in _HOW.items()
        for what, shown in {
            "R²": "R² of reward and worth over what the base drew and the filter kept",
            "solved": "share of fresh problems solved after training",
        }.items()
    }
    | {"solved, by R²": "share of fresh problems solved after training with the filter of greatest R² in each run"},
    checks=(
        Check("R², best and worst", "R², all", above=0.0),
        Check("R², best and any", "R², all", above=0.0),
        Check("solved, best and worst", "solved, all", above=0.0),
        Check("solved, best and any", "solved, all", above=0.0),
        Check("solved, by R²", "solved, all", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "Steps of arithmetic stand for lines of a program. The mean reward of a prompt's outputs, of all that were "
        "drawn, stands for PPO's values, and each batch is used once. R² is measured on 8 outputs to each of 40 "
        "prompts. Two outputs that were chosen teach far more than any two, and about as much as all 8: the errors of "
        "this reward model, each of one output, cancel where steps are shared."
    ),
)
