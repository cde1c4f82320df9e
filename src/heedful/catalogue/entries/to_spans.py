"""002-006: words of a critic as rewards of the spans that they name, against a reward of the whole output."""

from __future__ import annotations

import re

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner
from heedful.core import Floats
from heedful.preference.heads import Linear, Votes

_ACTS, _VALUES, _LENGTH, _PROBLEMS, _TOLD = 5, 6, 5, 30, 200
_N, _ROUNDS, _EARLY, _RATE, _COST = 8, 30, 8, 0.05, 0.05
_MISLED = (0.0, 0.5)
_ARMS = {"scalar": 0.0} | {f"spans, {own:g}": own for own in _MISLED}
_BLAME = re.compile(r"step (\d+) is wrong")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([206, seed])
    machine = Machine.drawn(_ACTS, _VALUES, rng)
    task = Sums.drawn(machine, _TOLD + 2 * _PROBLEMS, _LENGTH, rng)
    base = task.knowing(rng.normal(2.5, 1.5, machine.acts.shape))
    told, trained, fresh = np.split(np.arange(len(task.start)), [_TOLD, _TOLD + _PROBLEMS])
    told = told[::8] if quick else told
    outputs = task.writer().write(base, told, 1, rng)
    figures = {"base": _solved(task, base, fresh, rng)}
    for name, misled in _ARMS.items():
        words = _criticised(task, told, outputs, misled, np.random.default_rng([207, seed]))
        marks = np.array([_marked(said) for said in words])
        whole = name == "scalar"
        scorer = _scorer(_steps(task, told, outputs)[:, 0], marks, whole, rng)
        learner, own = Learner(base, _RATE), np.random.default_rng([208, seed])
        for number in range(2 if quick else _ROUNDS):
            _reinforce(task, learner, base, trained, scorer, whole, own)
            if number == (0 if quick else _EARLY - 1):
                figures[f"{name}, early"] = _solved(task, learner.weights, fresh, own)
        figures[f"{name}, late"] = _solved(task, learner.weights, fresh, own)
    return figures


def _criticised(task: Sums, told: Indices, outputs: Indices, misled: float, rng: np.random.Generator) -> list[str]:
    """Of each output [n, 1, length], "step 3 is wrong": one of the wrong ones, or any where the critic is misled; "all
    is right" where it is."""
    right, words = task.right(told, outputs)[:, 0], []
    for own in right:
        wrong, any_step = rng.permutation(np.flatnonzero(~own)), rng.integers(_LENGTH)
        place = any_step if rng.random() < misled else (wrong[0] if len(wrong) else 0)
        words.append("all is right" if own.all() else f"step {place + 1} is wrong")
    return words


def _marked(words: str) -> Floats:
    """−1 for the step that words blame, 1 for all that they praise, 0 for those of which they say nothing [length];
    steps are characters of the output."""
    from heedful.training.objectives import span_values

    found = _BLAME.search(words)
    span = (int(found[1]) - 1, int(found[1]), -1.0) if found else (0, _LENGTH, 1.0)
    return span_values([span], [(place, place + 1) for place in range(_LENGTH)])


def _steps(task: Sums, prompts: Indices, outputs: Indices) -> Indices:
    """The number of each step [r, k, length]: its act, the value before, and the value written."""
    first = np.broadcast_to(task.start[prompts][:, None, None], (*outputs.shape[:2], 1))
    before = np.concatenate([first, outputs[..., :-1]], axis=2)
    return np.asarray((task.acts[prompts][:, None] * _VALUES + before) * _VALUES + outputs)


def _scorer(steps: Indices, marks: Floats, whole: bool, rng: np.random.Generator) -> Floats:
    """Weights of steps, the last of them constant: a logit x whose 2σ(x) − 1 is the mark to expect, learnt from marks
    [n, length], or (whole) from whether an output is praised or blamed.

    A mark is a vote against a row of zeros, half a vote where nothing is said.
    """
    kinds = _ACTS * _VALUES**2
    each = np.eye(kinds)[steps]
    rows, mark = (each.sum(1), np.sign(marks.sum(1))) if whole else (each.reshape(-1, kinds), marks.ravel())
    design = np.vstack([np.column_stack([rows, np.ones(len(rows))]), np.zeros(kinds + 1)])
    votes = Votes.of(np.arange(len(rows)), np.full(len(rows), len(rows)), (1 + mark) / 2)
    return Linear(prior_sd=2.0, pairs=2).fit(design, votes, rng=rng).weights


def _reinforce(
    task: Sums, learner: Learner, base: Floats, trained: Indices, scorer: Floats, whole: bool, rng: np.random.Generator
) -> None:
    """A step of PPO whose rewards are predicted marks, of steps or of whole outputs at their last token."""
    import torch

    from heedful.training import PolicyGradient
    from heedful.training.objectives import generalised_advantages

    writer = task.writer()
    outputs = writer.write(learner.weights, trained, _N, rng)
    behaviour = writer.log_prob(learner.weights, trained, outputs)
    logits = scorer[:-1][_steps(task, trained, outputs)]
    reward = np.tanh((logits + scorer[-1]) / 2)
    if whole:
        reward = np.zeros_like(logits)
        reward[..., -1] = np.tanh((logits.sum(2) + scorer[-1]) / 2)
    reward = reward - _COST * (behaviour - writer.log_prob(base, trained, outputs))
    value = np.broadcast_to(reward[..., ::-1].cumsum(2)[..., ::-1].mean(1, keepdims=True), reward.shape)
    there = torch.ones(reward.shape, dtype=torch.bool)
    advantage, _ = generalised_advantages(torch.from_numpy(reward), torch.from_numpy(value.copy()), there)
    said = {"advantage": advantage.numpy(), "behaviour": behaviour}
    learner.step(writer.loss(PolicyGradient("none", (0.2, 0.2)), Records(trained, outputs, said)), 2)


def _solved(task: Sums, weights: Floats, prompts: Indices, rng: np.random.Generator) -> float:
    return float(task.solved(prompts, task.writer().write(weights, prompts, 32, rng)).mean())


_HOW = {"scalar": "by a reward of whole outputs"} | {
    f"spans, {own:g}": f"by rewards of spans, the critic misled at {100 * own:.0f} % of wrong outputs"
    for own in _MISLED
}
ENTRY = Entry(
    id="002-006",
    title="Text2Grad: Reinforcement Learning from Natural Language Feedback",
    area="training/feedback",
    citation="Wang et al. 2025",
    claim=(
        "Five steps of arithmetic; a critic says of 200 outputs of the base which step is wrong, or that all is right. "
        "A reward model of steps learns from the spans that these words are aligned to, one of whole outputs from "
        "whether they praise or blame. PPO on rewards of steps solves more fresh problems than PPO on rewards of whole "
        "outputs after 8 rounds, by 0.03, and after 30, by 0.03; and after 30 still where the critic names any step, "
        "right or wrong, at half of wrong outputs."
    ),
    configuration=(
        "training.objectives.span_values on the critic's words; preference.heads.Linear on the marks; rewards less "
        "0.05 nats for each nat of a token's log-ratio to the base, training.objectives.generalised_advantages, "
        "training.PolicyGradient('none', clip=(0.2, 0.2))."
    ),
    measures={
        "base": "share of fresh problems solved, the base",
        **{
            f"{name}, {when}": f"share of fresh problems solved after {rounds} rounds, {how}"
            for name, how in _HOW.items()
            for when, rounds in (("early", _EARLY), ("late", _ROUNDS))
        },
    },
    checks=(
        Check("spans, 0, early", "scalar, early", above=0.03),
        Check("spans, 0, late", "scalar, late", above=0.03),
        Check("spans, 0.5, late", "scalar, late", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "The critic's words are of one template, and the reward model marks spans without writing words. Values are "
        "means of a problem's eight outputs. Critiques are as many for both; of the same words, rewards of whole "
        "outputs read only whether they blame."
    ),
)
