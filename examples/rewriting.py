"""Improve a program of three steps (retrieve, draft, check) from what people said of it: 40 thumbs and 10 comments.

    python examples/rewriting.py [FOLDER] [SEED]

The models stand behind a server on this machine, as any would: one answers, one rewrites. They are played by a world of
rules in which the worth of every prompt is known, so what is claimed can be held against the truth. Needs the extra
`endpoint`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import heedful
from heedful.feedback import Table
from heedful.models import Endpoint, Journal, NgramFeatures, Request
from heedful.models.marked import context_text
from heedful.report.rewriting import write_rewriting
from heedful.rewriting import Improved, Improving, Logged, Rewriter, draw
from heedful.worlds import ChatServer, SimulatedRaters, collect
from heedful.worlds.rule_models import PROGRAM_STEPS, rule_models, step_text
from heedful.worlds.rule_people import RulePeople
from heedful.worlds.rule_players import RuleCritic, RuleEditor
from heedful.worlds.rule_world import RuleWorld

WORLD = RuleWorld()
START = {step: f"You do the step {step}." for step in PROGRAM_STEPS}


def logged(rng: np.random.Generator) -> Table:
    """What people said of answers of the program as it was, as any tool would have logged it."""
    people = RulePeople(WORLD, {"as it was": START})
    thumbs = collect(people, 40, raters=SimulatedRaters(), rng=rng, kind="label")
    return Table.concat([thumbs, people.comments(10, RuleCritic(WORLD), rng=rng)])


def improved(url: str, folder: Path, *, examples: int = 300, rounds: int = 12, seed: int = 0) -> Improved:
    rng = np.random.default_rng(seed)
    log = logged(rng)
    thumbs = log.where(log.column("kind") == "label")
    liked = heedful.fit(thumbs, utility="features", features=NgramFeatures()).potential()
    comments = [(own.items()[0], own.value.text or "") for own in log.records() if own.kind == "critique"]

    journal = Journal(folder / "journal")
    task, editor = (Endpoint(url, name, journal=journal) for name in ("task", "editor"))
    prompts = {step: heedful.Text(text, step, role=f"instructions of the step {step}") for step, text in START.items()}

    @heedful.stage
    async def ask(text: str) -> str:
        (answer,) = await task.acomplete([Request.of(text, sample=draw())])
        return answer.text or ""

    async def program(question: str) -> str:
        notes = await ask(step_text(prompts["retrieve"], "retrieve", question))
        first = await ask(step_text(prompts["draft"], "draft", question, notes))
        return await ask(step_text(prompts["check"], "check", question, first))

    questions = [context_text(own) for own in WORLD.contexts(examples, rng=rng)]
    engine = Improving(Rewriter(editor, n=3), critic=Logged(comments), rounds=rounds)
    with journal, task, editor:
        return heedful.improve(program, questions, liked, engine=engine, seed=seed, audit=folder / "audit.jsonl")


def main(folder: Path, seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with ChatServer(rule_models(WORLD, editor=RuleEditor(WORLD, finds=0.9))) as server:
        done = improved(server.url, folder, seed=seed)
    files = write_rewriting(done.summary(), folder)
    after = {**START, **done.values}
    within = done.claim.interval
    assert within is not None
    print(f"Held out: better than at the start in {0.5 + done.claim.value:.0%} of examples", end=" ")
    print(f"[{0.5 + within.low:.0%}, {0.5 + within.high:.0%}]")
    print(f"The truth: worth {WORLD.expected(START):.3f} before, {WORLD.expected(after):.3f} after,")
    print(f"of at most {WORLD.expected({step: WORLD.best(step) for step in PROGRAM_STEPS}):.3f}")
    print(f"{done.counts['proposed']} proposals, {done.counts['kept']} kept; the page: {files.report}")


if __name__ == "__main__":
    main(Path((sys.argv[1:] or ["rewriting-report"])[0]), *map(int, sys.argv[2:]))
