"""004-164: a prompt's number steered by feedback control, where the generator has a bias of its own."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Item

_WANTED, _RUNS, _LAST = 30.0, 8, 10


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.rewriting import Number, Runner, Task, draw, trace
    from heedful.rewriting.control import Control, steer

    rng = np.random.default_rng([164, seed])
    gain, offset, bend = rng.uniform(0.5, 0.9), rng.uniform(2, 6), rng.uniform(0.0, 0.001)
    knob = Number(20, "words asked for", low=1, high=200)

    def program(topic: str) -> str:
        noise = np.random.default_rng([seed, draw(), len(topic)])
        asked = knob.now
        return "word " * max(round(gain * asked + offset - bend * asked**2 + noise.normal(0, 3)), 1)

    def words(item: Item) -> float:
        return float(len(item.output[0].text.split()))

    examples = [{"topic": "a" * length} for length in range(1, _RUNS + 1)]
    rounds = 4 if quick else 30
    ways = {"P": (0.4, 0.0, 0.0), "PI": (0.2, 0.5, 0.0), "PID": (0.2, 0.5, 0.1), "PI, hot": (0.2, 3.5, 0.0)}
    told: dict[str, float] = {}
    with Runner(trace(program), 1) as runner:
        for name, gains in ways.items():
            control = Control(20.0, *gains, low=1, high=200)
            found = steer(runner, knob, examples, words, _WANTED, control, rounds=rounds)
            off = np.array([own.value for own in found.measured]) - _WANTED
            told[f"bias, {name}"] = float(abs(off[-_LAST:].mean()))
            told[f"error, {name}"] = float(np.sqrt(np.mean(off[-_LAST:] ** 2)))
        runs = runner([Task(own, {}, 0) for own in examples])
    told["error, not steered"] = float(abs(np.mean([len(run.output.split()) for run in runs]) - _WANTED))
    return told


ENTRY = Entry(
    id="004-164",
    title="Linear Feedback Control Systems for Iterative Prompt Optimization in Large Language Models",
    area="rewriting",
    citation="Karn 2025",
    claim=(
        "A generator writes a·asked + b − c·asked² words, all unknown, with noise of 3 words; 30 are wanted, and "
        "8 answers are measured a round. Over the last 10 of 30 rounds: control with an integral part has a bias below "
        "a word, proportional control alone one of more than 2 words; both err less than no control; and an integral "
        "part seven times as strong errs more, by a word or more."
    ),
    configuration="rewriting.steer of a Number by rewriting.Control: P 0.4; PI 0.2, 0.5; PID 0.2, 0.5, 0.1; PI 0.2, 3.5.",
    measures={
        **{f"bias, {name}": f"|mean of words − 30| over the last 10 rounds, {name}" for name in ("P", "PI", "PID")},
        "bias, PI, hot": "the same of PI with an integral part of 3.5",
        **{f"error, {name}": f"root mean square of words − 30 over them, {name}" for name in ("P", "PI", "PID")},
        "error, PI, hot": "the same of PI with an integral part of 3.5",
        "error, not steered": "|mean of words − 30| where 20 are asked for",
    },
    checks=(
        Check("bias, PI", below=1.0),
        Check("bias, PID", below=1.0),
        Check("bias, P", above=2.0),
        Check("error, P", "error, not steered", below=0.0),
        Check("error, PI", "error, P", below=0.0),
        Check("error, PI, hot", "error, PI", above=1.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract names controllers and no numbers; the generator stands for a language model that is asked for so "
        "many words. The claim about a stronger integral part is that of the theory: it does not settle. In a first run c "
        "was 0.004 at most, and some generators could not write 30 words whatever was asked; it is 0.001 at most now."
    ),
    seeds=SEEDS[:30],
)
