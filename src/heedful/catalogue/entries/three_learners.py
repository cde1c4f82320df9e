"""004-059: expert iteration, PPO and return-conditioned learning from the same number of samples."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Programs
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_ACTS, _VALUES, _LENGTH = 4, 10, 4
_TRAINED, _FRESH, _TOLD = 30, 40, 15
_SAMPLES, _STEPS, _RATE = 24, 24, 0.1
_Draws = tuple[Indices, NDArray[np.bool_]]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([459, seed])
    pairs = rng.permutation(np.array(list(itertools.product(range(_VALUES), repeat=2))))[: _TRAINED + _FRESH]
    task = Programs(Machine.drawn(_ACTS, _VALUES, rng), pairs[:, :1], pairs[:, 1:], _LENGTH)
    writer = task.writer()
    every = np.broadcast_to(writer.strings, (len(pairs), *writer.strings.shape))
    right = task.solved(np.arange(len(pairs)), every)
    shown = np.flatnonzero(right[:_TOLD].any(1))
    told = writer.strings[[[rng.choice(np.flatnonzero(right[prompt]))] for prompt in shown]]
    sft, longer = (_imitated(writer, writer.start, shown, told, steps) for steps in (15, 60))
    fresh, figures = np.arange(_TRAINED, len(pairs)), {}

    def look(name: str, weights: Floats, start: Floats | None = None) -> None:
        """Exact chances on fresh problems, and how much of what is right 96 draws of where it began would not hold."""
        law = np.where(right[fresh], np.exp(writer.law(weights, fresh)), 0.0)
        one = np.minimum(law.sum(1), 1.0)
        figures.update(
            {f"one try, {name}": float(one.mean()), f"16 tries, {name}": float((1 - (1 - one) ** 16).mean())}
        )
        if start is not None:
            missed = (1 - np.exp(writer.law(start, fresh))) ** 96
            figures[f"new, {name}"] = float((law * missed).sum() / law.sum())

    look("taught", sft)
    look("taught longer", longer)
    for begun, start in {"taught": sft, "untaught": writer.start}.items():
        for name, learn in {"imitates": _expert, "ppo": _ppo, "conditioned": _conditioned}.items():
            weights = learn(task, start, 12 if quick else _SAMPLES, np.random.default_rng([460, seed]))
            look(f"{begun}, {name}", weights, start if begun == "taught" else None)
    return figures


def _expert(task: Programs, start: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Rounds of imitating what was right in all rounds so far, from the start each time."""
    writer, prompts, weights = task.writer(), np.arange(_TRAINED), start
    drawn = np.zeros((_TRAINED, 0, _LENGTH), np.intp)
    for _ in range(4):
        drawn = np.concatenate([drawn, writer.write(weights, prompts, samples // 4, rng)], axis=1)
        weights = _imitated(writer, start, prompts, drawn, _STEPS, task.solved(prompts, drawn))
    return weights


def _ppo(task: Programs, start: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Rounds of four outputs to a problem and three clipped steps on them, values from the round before."""
    import torch

    from heedful.training import PolicyGradient
    from heedful.training.objectives import generalised_advantages

    writer, prompts, learner = task.writer(), np.arange(_TRAINED), Learner(start, _RATE)
    rows = np.zeros(writer.rows)
    for _ in range(samples // 4):
        outputs = writer.write(learner.weights, prompts, 4, rng)
        solved = task.solved(prompts, outputs).astype(np.float64)
        reward = np.zeros(outputs.shape)
        reward[..., -1] = solved
        value = (writer.design(prompts, outputs) @ rows).reshape(outputs.shape)
        given = (torch.from_numpy(own) for own in (reward, value, np.ones(outputs.shape, dtype=bool)))
        said = {
            "advantage": generalised_advantages(*given)[0].numpy(),
            "behaviour": writer.log_prob(learner.weights, prompts, outputs),
        }
        learner.step(writer.loss(PolicyGradient("none", (0.2, 0.2)), Records(prompts, outputs, said)), 3)
        rows = writer.valued(prompts, outputs, solved)
    return learner.weights


def _conditioned(task: Programs, start: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Rounds of imitating every output after the word of whether it was right; the weights with the word "right"."""
    writer, prompts = task.writer(), np.arange(_TRAINED)
    worded = Writer(
        _ACTS,
        _LENGTH,
        3 * writer.rows,
        lambda asked, before: np.column_stack(
            [writer.seen(asked[:, 0], before), writer.rows * (1 + asked[:, 1:]) + writer.seen(asked[:, 0], before)]
        ),
    )
    own = np.concatenate([start, np.zeros(2 * len(start))])
    drawn = np.zeros((_TRAINED, 0, _LENGTH), np.intp)
    weights = start
    for _ in range(4):
        drawn = np.concatenate([drawn, writer.write(weights, prompts, samples // 4, rng)], axis=1)
        words = task.solved(prompts, drawn).astype(np.intp).ravel()
        asked = np.column_stack([np.repeat(prompts, drawn.shape[1]), words])
        found = _imitated(worded, own, asked, drawn.reshape(-1, 1, _LENGTH), _STEPS)
        shared, _, good = np.split(found, 3)
        weights = shared + good
    return weights


def _imitated(
    writer: Writer,
    start: Floats,
    prompts: Indices,
    outputs: Indices,
    steps: int,
    chosen: NDArray[np.bool_] | None = None,
) -> Floats:
    """Weights fine-tuned on the outputs chosen."""
    from heedful.training import Weighted

    learner, records = Learner(start, _RATE), Records(prompts, outputs, {"score": np.ones(outputs.shape[:2])})
    learner.step(writer.loss(Weighted("above"), records, chosen=chosen), steps)
    return learner.weights


_HOW = {
    "taught": "shown a program for each of 15 problems",
    "taught longer": "shown them four times as long",
} | {
    f"{begun}, {name}": f"{how}, {start}"
    for begun, start in {
        "taught": "from the policy shown programs",
        "untaught": "from one that writes anything",
    }.items()
    for name, how in {
        "imitates": "expert iteration",
        "ppo": "PPO",
        "conditioned": "imitation conditioned on whether an output was right",
    }.items()
}
ENTRY = Entry(
    id="004-059",
    title="Teaching Large Language Models to Reason with Reinforcement Learning",
    area="training/evaluation",
    citation="Havrilla et al. 2024",
    claim=(
        "Programs of four acts that take one of ten values to another; 24 outputs to each of 30 problems for each "
        "learner. Whether a policy was shown programs before or not, expert iteration solves more of 40 fresh "
        "problems at one try than PPO and than return-conditioned imitation, PPO no more than 0.1 fewer than it where "
        "programs were shown. There both raise what is solved at one try and at one of 16, while being shown the same "
        "programs four times as long raises the first and lowers the second; and less than a tenth of the right "
        "programs that PPO then writes are such as 96 draws of the policy it began with would not hold."
    ),
    configuration=(
        "training.Weighted('above') on all right outputs so far, from the start in each of four rounds; "
        "training.PolicyGradient('none', clip) with training.objectives.generalised_advantages over fitted values, "
        "six rounds of three steps; Weighted('above') on all outputs after a word for their outcome."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in _HOW.items()
        for what, shown in {
            "one try": "chance to solve a fresh problem at one try",
            "16 tries": "chance to solve a fresh problem at one of 16 tries",
            "new": "share of what it solves that 96 draws of the start would not hold",
        }.items()
        if what != "new" or name.startswith("taught, ")
    },
    checks=(
        *(
            Check(f"one try, {begun}, imitates", f"one try, {begun}, {other}", above=0.0)
            for begun in ("taught", "untaught")
            for other in ("ppo", "conditioned")
        ),
        Check("one try, taught, ppo", "one try, taught, imitates", above=-0.1),
        Check("16 tries, taught, imitates", "16 tries, taught", above=0.0),
        Check("16 tries, taught, ppo", "16 tries, taught", above=0.0),
        Check("one try, taught longer", "one try, taught", above=0.0),
        Check("16 tries, taught longer", "16 tries, taught", below=0.0),
        Check("new, taught, ppo", below=0.1),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "Rewards are of outcomes alone; the work also tries dense and learned ones. Values are linear in what the "
        "policy sees. There are 256 programs, so that 16 tries stand for the work's 96. Numbers of steps were set by "
        "trials on other seeds, and are not the best of each learner; first full runs, of 32 outputs and 30 steps a "
        "round of imitation and not 24, took too long and had the same outcomes. With so few programs shown, being "
        "shown them longer still teaches, and much of what is right is new."
    ),
)
