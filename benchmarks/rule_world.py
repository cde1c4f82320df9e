"""Ways of improving a prompt where its worth is known: what they reach, at what cost, and what they keep in vain.

    python benchmarks/rule_world.py [--quick] [--seeds N] [--out FILE]

The world of rules (`heedful.worlds.RuleWorld`): one prompt, a model that answers by the rules in it, a critic who sees
8 of 10 failures and is misled once in ten, an editor who does what is asked 9 times of 10. All algorithms are settings
of `heedful.rewriting.Improving`, with the same critic and editor, 300 questions, and 2,000 calls of models in all.

ours         what is shown is the way to the end; changes build on one another in training, the best is tried six times
ours, wins   the same, by how often an answer is better than the one before rather than by how much it earns
trials       each change is tried, and kept where that proves it better
trials, wins the same, by how often an answer is better
textgrad     words by a model for each call, and each change kept that does no worse on its batch
trace        what is shown is the way to the end, and the same
opro         shown what was tried and what it earned; the same
gepa         batches of 3, parents by their front over examples, kept where the mean on validation is greater
random       a random edit, kept where a trial proves it better
votes        `ours`, where 200 comparisons of people by a fitted utility decide, and the critic says what to change
votes only  the same without critic: a random edit, kept where what the comparisons taught proves it better

`reached`: the share of seeds that came to 90 % of the best prompt's worth; `calls`: those it took, median of the seeds
that did; `worth`: that of the prompt in the end, of at most 1; `null`: the share of seeds that kept anything in the
world where nothing matters, with half the calls. Intervals are t intervals over seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import heedful
from heedful.core import Budget, BudgetExceededError, Floats
from heedful.models import FunctionWriter, NgramFeatures, Request
from heedful.models.marked import context_text
from heedful.rewriting import (
    Audit,
    FromHistory,
    Improving,
    Logged,
    ModelCritic,
    Mutated,
    PerCall,
    Rewriter,
    Splits,
    Text,
    Worth,
    draw,
    incumbent,
    pareto,
    stage,
    trace,
)
from heedful.stats import mean_estimate
from heedful.worlds import SimulatedRaters, collect
from heedful.worlds.played import as_writer
from heedful.worlds.rule_models import rule_models
from heedful.worlds.rule_people import RulePeople
from heedful.worlds.rule_players import RuleEditor
from heedful.worlds.rule_world import RuleWorld

START, CALLS, QUESTIONS, NEAR = "You answer questions.", 2_000, 300, 0.9


class Paid:
    """Models by name whose calls are counted together, up to a cap."""

    def __init__(self, world: RuleWorld, cap: int) -> None:
        self.calls, self.cap, self.models = 0, cap, rule_models(world)

    def __call__(self, name: str) -> FunctionWriter:
        model = as_writer(self.models, name)

        def answer(messages: Any, parameters: Any) -> str:
            if self.calls == self.cap:
                raise BudgetExceededError("all calls were made")
            self.calls += 1
            return model.answer(messages, parameters)

        return FunctionWriter(answer)


class Timeline(Audit):
    """What was kept, and after how many calls."""

    def __init__(self, paid: Paid) -> None:
        super().__init__()
        self.paid, self.kept = paid, [(0, START)]

    def __call__(self, event: str, **told: Any) -> None:
        super().__call__(event, **told)
        if event == "tried" and told["kept"]:
            self.kept.append((self.paid.calls, str(told["values"]["prompt"])))


@dataclass(frozen=True, eq=False)
class Decided:
    """A trial that decides by the mean of `looks` examples of validation; of none, it keeps at once."""

    order: Sequence[int]
    differences: Floats

    @property
    def open(self) -> bool:
        return len(self.differences) < len(self.order)

    @property
    def kept(self) -> bool:
        return not len(self.order) or float(self.differences.mean()) > 0

    def next(self, most: int) -> Sequence[int]:
        return self.order[len(self.differences) : len(self.differences) + most]

    def after(self, differences: Floats) -> Decided:
        return Decided(self.order, np.concatenate([self.differences, differences]))

    def told(self) -> Mapping[str, Any]:
        return {"n": len(self.differences), "kept": self.kept}


@dataclass(frozen=True, slots=True)
class ByMean:
    """In the place of `Gate`: the mean on all of validation decides, or nothing does."""

    looks: bool = True

    def trial(
        self, n: int, coming: int, *, rng: np.random.Generator, graded: bool = False, most: Any = None
    ) -> Decided:
        return Decided(range(n if self.looks else 0), np.zeros(0))

    def closed(self, trial: Decided) -> ByMean:
        return self


def engines(paid: Paid, world: RuleWorld) -> dict[str, Improving]:
    critic, editor = ModelCritic(paid("critic")), paid("editor")
    mutate = Mutated(lambda _, text, rng: RuleEditor(world).mutate(text, rng))
    how: Any = {"rounds": 40, "concurrency": 1, "select": incumbent, "trials": None}
    free: Any = {**how, "gate": ByMean(False)}
    return {
        "ours": Improving(Rewriter(editor), critic=critic, rounds=30, trials=6, concurrency=1),
        "trials": Improving(Rewriter(editor), critic=critic, **how),
        "textgrad": Improving(Rewriter(editor), rule=PerCall(paid("critic")), critic=critic, **free),
        "trace": Improving(Rewriter(editor), critic=critic, **free),
        "opro": Improving(FromHistory(editor), critic=Logged(()), **free),
        "gepa": Improving(Rewriter(editor), critic=critic, batch=3, **{**how, "select": pareto, "gate": ByMean()}),
        "random": Improving(mutate, critic=Logged(()), **how),
    }


def one(name: str, seed: int, world: RuleWorld, cap: int) -> dict[str, float]:
    """One run: its worth in the end, and the calls until it was near the best, NaN where it never was."""
    paid, rng = Paid(world, cap), np.random.default_rng([seed, 17])
    worth, by = Worth(world.reward(), None if name.endswith(", wins") else (0, 1)), name.partition(",")[0]
    if name in ("votes", "votes only"):
        people = RulePeople(world, {"one": START, "other": world.best()})
        log = collect(people, 200, raters=SimulatedRaters(), rng=rng, kind="comparison")
        worth = Worth(heedful.fit(log, utility="features", features=NgramFeatures()).potential())
        by = "random" if name == "votes only" else "ours"
    engine = engines(paid, world)[by]
    prompt, task = Text(START, "prompt"), paid("task")

    @stage
    def ask(text: str, number: int) -> str:
        return task.complete([Request.of(text, sample=number)])[0].text or ""

    def program(question: str) -> str:
        return ask(f"{prompt}\n{question}", draw())

    questions = [{"question": context_text(own)} for own in world.contexts(QUESTIONS, rng=rng)]
    line = Timeline(paid)
    engine(trace(program), worth, Splits.of(questions), budget=Budget(), rng=rng, audit=line)
    goal = NEAR * world.expected(world.best())
    reached = next((calls for calls, text in line.kept if world.expected(text) >= goal), np.nan)
    return {"worth": world.expected(line.kept[-1][1]), "calls": float(reached), "kept": len(line.kept) - 1}


def row(name: str, seeds: int, cap: int) -> dict[str, Any]:
    begun = time.process_time()
    runs = [one(name, seed, RuleWorld(), cap) for seed in range(seeds)]
    nothing = [one(name, 100 + seed, RuleWorld().without_worth(), cap // 2)["kept"] > 0 for seed in range(seeds)]
    near = [own["calls"] for own in runs if np.isfinite(own["calls"])]
    found = mean_estimate(np.array([own["worth"] for own in runs]))
    return {
        "worth": found.value,
        "worth_interval": None if found.interval is None else [found.interval.low, found.interval.high],
        "reached": len(near) / seeds,
        "calls": float(np.median(near)) if near else None,
        "null": float(np.mean(nothing)),
        "seconds": time.process_time() - begun,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, 300 calls, three of them")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seeds, cap = (1, 300) if options.quick else (options.seeds, CALLS)
    names = [*engines(Paid(RuleWorld(), 0), RuleWorld()), "ours, wins", "trials, wins", "votes", "votes only"][
        : 3 if options.quick else None
    ]
    world, told = RuleWorld(), {}
    print(f"start {world.expected(START):.3f}, best {world.expected(world.best()):.3f}, {seeds} seeds, {cap} calls")
    for name in names:
        told[name] = found = row(name, seeds, cap)
        within = "" if found["worth_interval"] is None else " [{:.3f}, {:.3f}]".format(*found["worth_interval"])
        print(
            f"{name:12s} worth {found['worth']:.3f}{within}, reached {found['reached']:.0%} after "
            f"{found['calls'] or float('nan'):.0f} calls, null {found['null']:.0%}, {found['seconds']:.0f} s",
            flush=True,
        )
    if options.out:
        options.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
