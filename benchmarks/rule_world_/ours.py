"""Our own ways: the settings of `Improving` that the benchmark compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import heedful
from heedful.catalogue.rewriters import Taken
from heedful.core import Budget, BudgetExceededError, Floats, Item
from heedful.evidence import Rule
from heedful.models import NgramFeatures, Request
from heedful.rewriting import (
    Audit,
    Failures,
    FromHistory,
    Improving,
    Joined,
    Logged,
    Merged,
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
from heedful.sampling import KEEP
from heedful.worlds import SimulatedRaters, collect
from heedful.worlds.played import as_writer
from heedful.worlds.rule_people import RulePeople
from heedful.worlds.rule_players import RuleCritic, RuleEditor
from heedful.worlds.rule_world import RuleWorld
from rule_world_.charged import START, Paid


@dataclass(frozen=True, eq=False)
class Decided:
    """A trial that decides by the mean of all validation examples."""

    order: Sequence[int]
    differences: Floats

    @property
    def open(self) -> bool:
        return len(self.differences) < len(self.order)

    @property
    def kept(self) -> bool:
        return float(self.differences.mean()) > 0

    def next(self, most: int) -> Sequence[int]:
        return self.order[len(self.differences) : len(self.differences) + most]

    def after(self, differences: Floats) -> Decided:
        return Decided(self.order, np.concatenate([self.differences, differences]))

    def told(self) -> Mapping[str, Any]:
        return {"n": len(self.differences), "kept": self.kept}


class ByMean:
    """In the place of `Gate`: the mean on all of validation decides."""

    def trial(self, n: int, coming: int, **_: Any) -> Decided:
        return Decided(range(n), np.zeros(0))

    def closed(self, trial: Decided) -> ByMean:
        return self


class Kept(Audit):
    """Tells what is kept to the models' account."""

    def __init__(self, paid: Paid) -> None:
        super().__init__()
        self.paid = paid

    def __call__(self, event: str, **told: Any) -> None:
        super().__call__(event, **told)
        if event == "tried" and told["kept"]:
            self.paid.keep(str(told["values"]["prompt"]))


def engines(paid: Paid, world: RuleWorld) -> dict[str, Improving]:
    """By name; "NAME, wins" and the ways of votes are the same by other evidence."""
    critic, editor = ModelCritic(as_writer(paid, "critic")), as_writer(paid, "editor")
    reader = Rewriter(as_writer(paid, "reader"))
    earned = Failures(enough=0, says=lambda item: f"It earned {world.share(item):.2g} of 1.")
    merging = Joined([Rewriter(editor), Merged()])
    mutate = Mutated(lambda _, text, rng: RuleEditor(world).mutate(text, rng))
    how: Any = {"rounds": 40, "concurrency": 1, "select": incumbent, "trials": None}  # 40 trials share alpha
    free: Any = {**how, "rounds": 1_000, "gate": Taken()}
    six: Any = {"rounds": 30, "trials": 6, "concurrency": 1}
    front: Any = {**free, "batch": 3, "select": pareto, "gate": ByMean()}
    return {
        "ours": Improving(Rewriter(editor), critic=critic, **six),
        "ours shown": Improving(reader, critic=earned, **six),
        "ours merged": Improving(merging, critic=critic, **six),
        "trials": Improving(Rewriter(editor), critic=critic, **how),
        "trials merged": Improving(merging, critic=critic, **how),
        "trials shown": Improving(reader, critic=earned, **how),
        "textgrad": Improving(Rewriter(editor), rule=PerCall(as_writer(paid, "critic")), critic=critic, **free),
        "trace": Improving(Rewriter(editor), critic=critic, **free),
        "trace shown": Improving(reader, critic=earned, **free),
        "opro": Improving(FromHistory(editor), critic=Logged(()), **free),
        "gepa": Improving(Rewriter(editor), critic=critic, **front),
        "gepa shown": Improving(reader, critic=earned, **front),
        "random": Improving(mutate, critic=Logged(()), **how),
        "ours random": Improving(mutate, critic=Logged(()), **six),
    }


NAMES = (
    *("ours", "ours, wins", "ours shown, wins", "ours merged, wins"),
    *("trials", "trials, wins", "trials shown, wins", "trials merged, wins"),
    *("textgrad", "trace", "trace shown", "opro", "gepa", "gepa shown"),
    *("random", "votes", "votes only", "critiques only"),
)


def complaints(paid: Paid, world: RuleWorld, rng: np.random.Generator) -> Rule:
    """Evidence by words alone: 1 where the critic, asked once more, has nothing to say of an answer. A call is paid."""
    says = RuleCritic(world)

    def silent(item: Item) -> float:
        if paid.calls == paid.cap:
            raise BudgetExceededError("all calls were made")
        paid.calls += 1
        return float(says(item, rng) == KEEP)

    return Rule(silent, "nothing to say")


def play(name: str, paid: Paid, world: RuleWorld, splits: Splits, rng: np.random.Generator) -> None:
    """A run of one of `NAMES`, which ends when all calls were made or all rounds."""
    by, _, wins = name.partition(", ")
    worth = Worth(world.reward(), None if wins else (0, 1))
    if name.startswith("votes"):
        people = RulePeople(world, {"one": START, "other": world.best()})
        log = collect(people, 200, raters=SimulatedRaters(), rng=rng, kind="comparison")
        worth = Worth(heedful.fit(log, utility="features", features=NgramFeatures()).potential())
        by = "ours random" if name == "votes only" else "ours"
    if name == "critiques only":
        worth, by = Worth(complaints(paid, world, rng), (0, 1)), "ours"
    prompt, task = Text(START, "prompt"), as_writer(paid, "task")

    @stage
    def ask(text: str, number: int) -> str:
        return task.complete([Request.of(text, sample=number)])[0].text or ""

    def program(question: str) -> str:
        return ask(f"{prompt}\n{question}", draw())

    engines(paid, world)[by](trace(program), worth, splits, budget=Budget(), rng=rng, audit=Kept(paid))
