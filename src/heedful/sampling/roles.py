"""Who criticises and who revises: plain functions and chat models behind one signature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template
from typing import Literal, Protocol

import numpy as np

from heedful.core import Budget, Item, UsageError
from heedful.models import Prompt, Replies, Request, Writer, asked
from heedful.models.marked import context_text, filled, in_block, output_text, verdict_in

KEEP = ""
"""A critique that finds nothing to change."""
REPAIR = "Your answer lacks its end, or is not between its marks. Give it once more, whole, in the form asked for."
_FIELDS = "context", "answer", "other", "critique"


@dataclass(frozen=True, slots=True)
class Task:
    """One answer to be criticised or revised.

    `other` is a worse answer in the same context, where there is one to contrast it with; `critique` what was said of
    it; `number` tells apart the samples of what is asked more than once.
    """

    item: Item
    critique: str = ""
    other: Item | None = None
    number: int = 0


class Role(Protocol):
    """Gives a text for each task: of a critic a critique (`KEEP` where nothing is to change), of an editor the answer
    revised; None where there is none that can be used. Reserves its calls before it makes them."""

    @property
    def most_calls(self) -> int:
        """The most calls that a task can take."""
        ...

    def __call__(self, tasks: Sequence[Task], *, budget: Budget, rng: np.random.Generator) -> Replies[str]: ...


@dataclass(frozen=True, slots=True)
class Played:
    """A function of a task and a random generator as a role; a call each."""

    function: Callable[[Task, np.random.Generator], str | None]
    most_calls: int = 1

    def __call__(self, tasks: Sequence[Task], *, budget: Budget, rng: np.random.Generator) -> Replies[str]:
        cost = {"calls": float(len(tasks))}
        budget.reserve(**cost)
        values = tuple(self.function(task, rng) for task in tasks)
        return Replies(values, tuple(own or "" for own in values), 0, cost)


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat model as a role, asked by a template with $mark and any of $context, $answer, $other and $critique.

    form  how its answer is read: the "block" between the marks (a text, such as an answer revised); "all" of it; or a
          "critique" whose last line is "verdict MARK: CHANGE", or KEEP where nothing is to change

    What cannot be read is asked for once more and then None. All tasks are asked at once. `secret` as of
    `evidence.PairJudge`. Raises UsageError where the template has other fields.
    """

    writer: Writer
    template: str
    form: Literal["block", "all", "critique"] = "block"
    secret: str = ""
    most_calls: int = 2

    def __post_init__(self) -> None:
        own = Template(self.template)
        other = {*own.get_identifiers()} - {*_FIELDS, "mark"} if own.is_valid() else {"a lone $"}
        if other:
            what = f"the template has {', '.join(sorted(other))}, and its fields are mark, {', '.join(_FIELDS)}"
            raise UsageError(what, where="Chat", fix="write a dollar sign as $$")

    def __call__(self, tasks: Sequence[Task], *, budget: Budget, rng: np.random.Generator) -> Replies[str]:
        return asked(self.writer, [self._prompt(task) for task in tasks], budget)

    def _prompt(self, task: Task) -> Prompt[str]:
        texts = {
            "context": context_text(task.item.context),
            "answer": output_text(task.item),
            "other": "" if task.other is None else output_text(task.other),
            "critique": task.critique,
        }
        shown = {name: text for name, text in texts.items() if name in Template(self.template).get_identifiers()}
        prompt, mark = filled(self.template, shown, {}, self.secret)
        return Prompt(Request.of(prompt, sample=task.number), lambda text: _READ[self.form](text, mark), REPAIR)


@dataclass(frozen=True, slots=True)
class Then:
    """Two roles in a row: the text of the first is the critique that the second is given, unless it is `KEEP`."""

    first: Role
    second: Role

    @property
    def most_calls(self) -> int:
        return self.first.most_calls + self.second.most_calls

    def __call__(self, tasks: Sequence[Task], *, budget: Budget, rng: np.random.Generator) -> Replies[str]:
        before = self.first(tasks, budget=budget, rng=rng)
        values = list(before.values)
        on = [row for row, text in enumerate(values) if text is not None and text != KEEP]
        ahead = [replace(tasks[row], critique=values[row] or "") for row in on]
        after = self.second(ahead, budget=budget, rng=rng)
        for row, text in zip(on, after.values, strict=True):
            values[row] = text
        cost = Counter[str](before.cost)
        cost.update(after.cost)
        repaired = before.repaired + after.repaired
        return Replies(tuple(values), tuple(own or "" for own in values), repaired, dict(cost))


def _critique(text: str, mark: str) -> str | None:
    """What stands before the last line, or `KEEP`."""
    said = (verdict_in(text, mark) or "").upper()
    if said == "CHANGE":
        return text.strip().rpartition("\n")[0].strip() or None
    return KEEP if said == "KEEP" else None


_READ: Mapping[str, Callable[[str, str], str | None]] = {
    "block": in_block,
    "all": lambda text, mark: text.strip() or None,
    "critique": _critique,
}
