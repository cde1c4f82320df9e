"""002-064: a policy taught to write its next attempt with the last one before its eyes."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_VALUES, _LENGTH, _PROBLEMS, _FRESH = 8, 4, 60, 40
_N, _TURNS, _ROUNDS, _STEPS, _RATE = 4, 3, 4, 10, 0.1
_TRIES = 5


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([264, seed])
    machine = Machine.drawn(8, _VALUES, rng)
    task = Sums.drawn(machine, _PROBLEMS + _FRESH, _LENGTH, rng)
    writer = _turning(task)
    known = task.knowing(rng.normal(2.0, 1.0, machine.acts.shape))
    base = np.concatenate([known, np.zeros(writer.start.size - known.size)])
    figures: dict[str, float] = {}
    for name, turns in {"base": 0, "single": 1, "turns": _TURNS}.items():
        own, weights = np.random.default_rng([265, seed]), base
        for _ in range(0 if turns == 0 else 1 if quick else _ROUNDS):
            weights = _round(task, writer, weights, turns, own)
        figures |= {f"{what}, {name}": value for what, value in _looks(task, writer, weights, own).items()}
    return figures


def _turning(task: Sums) -> Writer:
    """A writer of attempts; prompts are a problem, whether there was an attempt, and it [n, 2 + length]. Beside what
    a step sees it sees the last attempt's value at its place, and whether the attempts are alike up to there."""
    plain = task.writer()

    def seen(asked: Indices, before: Indices) -> Indices:
        place = before.shape[1]
        alike = (before == asked[:, 2 : 2 + place]).all(1)
        shown = plain.rows + np.where(asked[:, 1] == 1, 1 + alike * _VALUES + asked[:, 2 + place], 0)
        return np.column_stack([task.seen(asked[:, 0], before), shown])

    return Writer(_VALUES, _LENGTH, plain.rows + 1 + 2 * _VALUES, seen)


def _asked(problems: Indices, last: Indices | None = None) -> Indices:
    """Prompts of these problems, after their last attempts [n, length], if any."""
    shown = np.zeros((len(problems), _LENGTH), np.intp) if last is None else last
    return np.column_stack([problems, np.full(len(problems), int(last is not None)), shown])


def _round(task: Sums, writer: Writer, weights: Floats, turns: int, rng: np.random.Generator) -> Floats:
    """One round of reward-weighted regression on attempts drawn at each turn, each after a wrong one of the turn
    before; as many attempts however many turns there are."""
    from heedful.training import Weighted

    problems = np.arange(_PROBLEMS)
    asked, drawn = [_asked(problems)], []
    for turn in range(turns):
        drawn.append(writer.write(weights, asked[-1], _N * _TURNS // turns, rng))
        wrong = ~task.solved(problems, drawn[-1])
        pick = np.where(wrong, rng.random(wrong.shape), -1.0).argmax(1)
        last = drawn[-1][np.arange(len(problems)), pick]
        if turn + 1 < turns:
            problems, last = problems[wrong.any(1)], last[wrong.any(1)]
            asked.append(_asked(problems, last))
    prompts, outputs = np.concatenate(asked), np.concatenate(drawn)
    score = task.solved(prompts[:, 0], outputs).astype(np.float64)
    learner = Learner(weights, _RATE)
    learner.step(writer.loss(Weighted("advantage", strength=8.0), Records(prompts, outputs, {"score": score})), _STEPS)
    return learner.weights


def _looks(task: Sums, writer: Writer, weights: Floats, rng: np.random.Generator) -> dict[str, float]:
    """Fresh problems solved at once, by five tries apart, by five turns; second attempts that repeat a wrong first."""
    problems = np.repeat(np.arange(_PROBLEMS, _PROBLEMS + _FRESH), 8)
    tries = task.solved(problems, writer.write(weights, _asked(problems), _TRIES, rng))
    last = writer.write(weights, _asked(problems), 1, rng)
    solved, repeated = task.solved(problems, last)[:, 0], 0.0
    for turn in range(1, _TRIES):
        left = problems[~solved]
        again = writer.write(weights, _asked(left, last[~solved, 0]), 1, rng)
        if turn == 1:
            repeated = float((again[:, 0] == last[~solved, 0]).all(1).mean())
        last[~solved] = again
        solved[~solved] = task.solved(left, again)[:, 0]
    return {
        "at once": float(tries.mean()),
        "five tries": float(tries.any(1).mean()),
        "five turns": float(solved.mean()),
        "repeated": repeated,
    }


_HOW = {
    "base": "the base",
    "single": "trained on first attempts alone",
    "turns": "trained on attempts at three turns",
}
ENTRY = Entry(
    id="002-064",
    title="Recursive Introspection: Teaching Language Model Agents How to Self-Improve",
    area="training/sampling",
    citation="Qu et al. 2024",
    claim=(
        "Four steps of arithmetic by a policy that half knows its tables and can see its last attempt, which was "
        "wrong. After four rounds of reward-weighted regression on its own attempts, 12 to each of 60 problems, taken "
        "at three turns, five turns solve more fresh problems than five tries apart of the same policy, and than five "
        "tries of one trained on first attempts alone, of which it solves no fewer, less 0.02, at once; and second "
        "attempts repeat a wrong first one less often than there."
    ),
    configuration=(
        "training.Weighted('advantage', strength=8) on outputs after prompts that hold the last attempt, or none."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in _HOW.items()
        for what, shown in {
            "at once": "share of fresh problems solved at the first attempt",
            "five tries": "share solved by some of five attempts that do not see one another",
            "five turns": "share solved by some of five attempts that see the one before",
            "repeated": "share of second attempts equal to the wrong first that they see",
        }.items()
    },
    checks=(
        Check("five turns, turns", "five tries, turns", above=0.0),
        Check("five turns, turns", "five tries, single", above=0.0),
        Check("at once, turns", "at once, single", above=-0.02),
        Check("repeated, turns", "repeated, single", below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "The weights of regression are not in the abstract. Attempts follow one another until one is right, which a "
        "verifier says. A policy sees its last attempt alone, value by value, and whether it has written the same so "
        "far; it can learn to write another, not to find the wrong step. In trials on other seeds lower strengths, "
        "longer rounds and fewer problems made all policies repeat themselves and solve fewer at five tries than the "
        "base."
    ),
)
