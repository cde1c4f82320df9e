"""What miniatures of rewriting share: models whose calls are counted, and programs told what is amiss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Budget, BudgetExceededError, Floats
from heedful.models import FunctionWriter
from heedful.models.marked import context_text
from heedful.rewriting import (
    FromHistory,
    Improving,
    Logged,
    ModelCritic,
    PerCall,
    Program,
    Rewriter,
    Splits,
    Worth,
    incumbent,
)
from heedful.worlds import RuleCritic, RuleWorld, rule_models
from heedful.worlds.played import as_writer
from heedful.worlds.served import Answering

BATCH, QUESTIONS = 4, 100


class Paid:
    """Chat models by name, whose calls and characters read are counted, up to so many calls in all.

    `model("critic", "carrying")` is the model `critic`, counted as `carrying`.
    """

    def __init__(self, models: Answering, most: float = np.inf) -> None:
        self.models, self.most = models, most
        self.calls, self.characters = Counter[str](), Counter[str]()

    def __call__(self, name: str, counted: str = "") -> FunctionWriter:
        model, unit = as_writer(self.models, name), counted or name

        def answer(messages: Any, parameters: Any) -> str:
            if self.calls.total() >= self.most:
                raise BudgetExceededError(f"all {self.most:g} calls were made")
            self.calls[unit] += 1
            self.characters[unit] += sum(len(str(own["content"])) for own in messages)
            return model.answer(messages, parameters)

        return FunctionWriter(answer)


@dataclass(frozen=True, slots=True)
class Taken:
    """In the place of `Gate`: whatever did no worse on its batch is kept, and nothing is proven."""

    open: bool = False
    kept: bool = True

    def trial(self, n: int, coming: int, **_: Any) -> Taken:
        return self

    def next(self, most: int) -> Sequence[int]:
        return ()

    def after(self, differences: Floats) -> Taken:
        return self

    def closed(self, trial: Taken) -> Taken:
        return self

    def told(self) -> Mapping[str, Any]:
        return {"kept": self.kept}


def told(
    world: RuleWorld,
    program: Callable[[FunctionWriter], Program],
    calls: int,
    rng: np.random.Generator,
    *,
    misled: float = 0.1,
    by_history: bool = False,
    frozen: frozenset[str] = frozenset(),
) -> Mapping[str, Any]:
    """What the parameters of a program that answers questions become by so many calls of models, its own among them.

    Its answers are criticised, and words are carried back call by call to each parameter; what does no worse on its
    batch is kept. The critic complains of what is right as often as it is `misled`. `by_history`: nothing is said, and
    the editor sees what was tried and what it earned.
    """
    paid = Paid(rule_models(world, critic=RuleCritic(world, misled=misled)), calls)
    critic, editor = paid("critic"), paid("editor")
    engine = Improving(
        FromHistory(editor) if by_history else Rewriter(editor, each=True),
        PerCall(critic),
        Logged(()) if by_history else ModelCritic(critic),
        rounds=calls,
        batch=BATCH,
        gate=Taken(),
        select=incumbent,
        trials=None,
        frozen=frozen,
        concurrency=1,
    )
    questions = [{"question": context_text(own)} for own in world.contexts(QUESTIONS, rng=rng)]
    worth = Worth(world.reward(), (0, 1))
    return engine(program(paid("task")), worth, Splits.of(questions), budget=Budget(), rng=rng).values
