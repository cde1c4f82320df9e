"""000-001: criticism of the end carried back to the prompts of all steps, beside that of the last alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.rewriters import told
from heedful.catalogue.verdicts import Check
from heedful.models import FunctionWriter, Request
from heedful.rewriting import Program, Text, draw, stage, trace
from heedful.worlds import PROGRAM_STEPS, RuleWorld, in_steps

_CALLS = 240
_START = {step: f"You do the step {step}." for step in PROGRAM_STEPS}
_WORLD = RuleWorld()
_WAYS = {
    "carried": "criticism of the end carried back, call by call, to the prompts of all steps",
    "last": "the same, where the prompt of the last step alone is rewritten",
    "history": "an editor shown what was tried and what it earned",
    "misled": "criticism of what is right, carried back to the prompts of all steps",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    calls = 60 if quick else _CALLS
    ways: dict[str, dict[str, Any]] = {
        "carried": {},
        "last": {"frozen": frozenset(PROGRAM_STEPS[:-1])},
        "history": {"by_history": True},
        "misled": {"misled": 1.0},
    }
    reached: dict[str, dict[str, Any]] = {"start": {}}
    for name, own in ways.items():
        reached[name] = {**told(_WORLD, _program, calls, np.random.default_rng([1, seed]), **own)}
    return {name: 100 * _WORLD.expected({**_START, **values}) for name, values in reached.items()}


def _program(task: FunctionWriter) -> Program:
    """Three steps, each with a prompt of its own."""
    prompts = {step: Text(text, step, role=f"instructions of the step {step}") for step, text in _START.items()}

    @stage
    def ask(text: str, number: int) -> str:
        return task.complete([Request.of(text, sample=number)])[0].text or ""

    return trace(lambda question: in_steps(lambda _, text: ask(text, draw()), prompts, question))


ENTRY = Entry(
    id="000-001",
    title="TextGrad: Automatic 'Differentiation' via Text",
    area="rewriting/sampling",
    citation="Yuksekgonul et al. 2024",
    claim=(
        "A program of three steps, each with a prompt of its own, whose answers are criticised at the end; the rules "
        f"that matter belong in all three. With {_CALLS} calls of models in all, those of the program among them, "
        "prompts rewritten by what was carried back to each of them, call by call, get more of what matters right than "
        "where the prompt of the last step alone is rewritten so, than prompts by an editor that is shown what was "
        "tried and what it earned, and than where the critic complains of what is right: by more than 20 points each."
    ),
    configuration=(
        "rewriting.Improving with rewriting.PerCall, ModelCritic and Rewriter(each=True); frozen prompts; FromHistory "
        "in the place of Rewriter. Every change that does no worse on its batch of four is kept. worlds.RuleWorld "
        "answers, criticises and rewrites."
    ),
    measures={
        "start": "share of what matters that is right, per cent, at the start, exactly",
        **{name: f"share of what matters that is right, per cent, exactly: {what}" for name, what in _WAYS.items()},
    },
    checks=tuple(Check("carried", name, above=20.0) for name in ("last", "history", "misled")),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "Models are played. The critic that carries words back knows what each step decides, and errs only as it is "
        "misled at the end, one time in ten. The editor does what is asked nine times in ten, and without words adds "
        "or takes away any rule. No change is proven: what proof costs and saves is measured in "
        "benchmarks/rule_world.py. Up to 500 calls on up to five other seeds were seen before the claim was written."
    ),
)
