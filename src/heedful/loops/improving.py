"""From prompts in files, examples and evidence to prompts that are proven better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from heedful.core import Budget, EndpointError, InputError, Item, Potential, UsageError
from heedful.feedback import read
from heedful.feedback.source import rows_of
from heedful.models import Endpoint, Request, Writer
from heedful.rewriting import (
    Audit,
    Critic,
    Failures,
    Gate,
    Improved,
    Improving,
    Limits,
    Logged,
    ModelCritic,
    PerCall,
    Program,
    Rewriter,
    Shorter,
    Subgraph,
    Text,
    draw,
    improve,
    stage,
)

Inputs = Mapping[str, Any]
ANSWER = "answer"
"""The field of an example that holds what is right, where evidence asks for it."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Who answers, who says what is wrong (nobody: only what is known without a model is said), and who rewrites."""

    task: Writer
    critic: Writer | None
    rewriter: Writer


@dataclass(frozen=True, slots=True)
class Search:
    """How prompts are searched: as of `rewriting.Improving`, and `carry`, the rule that carries what is said."""

    rounds: int = 10
    batch: int = 16
    proposals: int = 1
    trials: int = 2
    alpha: float = 0.05
    carry: Literal["subgraph", "per-call"] = "subgraph"
    concurrency: int = 16
    runs: int | None = None
    alarm: bool = False
    seed: int = 0
    minutes: float = math.inf
    limits: Limits = field(default_factory=Limits)
    shorter: Shorter | None = None


def improve_prompts(
    prompts: Mapping[str, str],
    examples: Sequence[Inputs],
    evidence: Potential,
    roles: Roles,
    how: Search,
    *,
    comments: Sequence[tuple[Item, str]] = (),
    audit: Audit | None = None,
) -> Improved:
    """`rewriting.improve` of the program that fills prompts in order (`program_of`), a call of the model each. What the
    claim takes is held back of the caps of the endpoint's journal. Raises what it raises."""
    known: Critic = Failures() if roles.critic is None else ModelCritic(roles.critic)
    engine = Improving(
        Rewriter(roles.rewriter, n=how.proposals),
        rule=Subgraph() if how.carry == "subgraph" else PerCall(roles.critic or roles.rewriter),
        critic=Logged(comments, behind=known) if comments else known,
        rounds=how.rounds,
        minutes=how.minutes,
        trials=how.trials,
        batch=how.batch,
        gate=Gate(how.alpha),
        concurrency=how.concurrency,
        alarm=how.alarm,
        limits=how.limits,
        shorter=how.shorter,
    )
    budget = Budget() if how.runs is None else Budget(runs=how.runs)
    program = program_of(prompts, roles.task)
    own: dict[str, Any] = {"engine": engine, "budget": budget, "seed": how.seed, "audit": audit}
    if isinstance(roles.task, Endpoint):
        own |= {"journal": roles.task.journal, "a_run": {"calls": float(len(prompts))}}
    return improve(program, examples, evidence, **own)


def read_prompts(paths: Sequence[str]) -> dict[str, str]:
    """Prompts by the names of their files, without suffix, in the order given. Raises InputError, UsageError."""
    found: dict[str, str] = {}
    for path in paths:
        name = Path(path).stem
        if name in found:
            raise UsageError(f"two prompts are named {name!r}", where=path, fix="rename one of the files")
        try:
            found[name] = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"this prompt cannot be read ({error})", where=path) from error
        fields_of(found[name], path)
    if not found:
        raise UsageError("there is no prompt", where="prompt", fix="give a file for each step, in their order")
    if lost := [name for name in list(found)[:-1] if not name.isidentifier()]:
        what = f"no prompt behind {lost[0]!r} can name it as a field"
        raise UsageError(what, where="prompt", fix="rename the file, with letters, digits and _ alone")
    return found


def fields_of(template: str, where: str) -> tuple[str, ...]:
    """The {fields} of a prompt. Raises InputError where its braces cannot be read as fields, or there is none."""
    fix = "write {question} for a field, and a brace of its own twice: {{"
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise InputError(f"the braces of this prompt cannot be read ({error})", where=where, fix=fix) from error
    if not names or not all(name.isidentifier() for name in names):
        raise InputError("a prompt has one field or more, each a name", where=where, fix=fix)
    return tuple(dict.fromkeys(names))


def inputs_of_prompts(prompts: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that examples must have: those that no prompt before gives. Raises UsageError where a prompt's result
    goes nowhere."""
    names, inputs = list(prompts), []
    used: set[str] = set()
    for place, (name, template) in enumerate(prompts.items()):
        fields = fields_of(template, name)
        used |= {*fields} & {*names[:place]}
        inputs += [field for field in fields if field not in names[:place]]
    if lost := [name for name in names[:-1] if name not in used]:
        fix = f"write {{{lost[0]}}} in a prompt behind it"
        raise UsageError(f"what the prompt {lost[0]!r} gives goes nowhere", where="prompt", fix=fix)
    if shared := {*names} & {*inputs}:
        raise UsageError(f"{min(shared)!r} is a prompt and, before it, a field", where="prompt", fix="rename the file")
    return tuple(dict.fromkeys(inputs))


def program_of(prompts: Mapping[str, str], writer: Writer) -> Program:
    """Each prompt in its turn is filled with the example's fields and what the prompts before it gave, and answered by
    the writer; what the last one gives is the output. An endpoint is asked by all runs at once.

    Raises EndpointError where a model gives no answer.
    """
    texts = {name: Text(own, name, fields=fields_of(own, name)) for name, own in prompts.items()}
    steps = {name: stage(name=name)(_asking(writer)) for name in prompts}
    fields, last = inputs_of_prompts(prompts), list(prompts)[-1]

    async def program(**given: Any) -> str:
        known = {name: given[name] for name in fields}
        for name, text in texts.items():
            known[name] = await steps[name](text.format(**{field: known[field] for field in text.fields}))
        return str(known[last])

    program.__signature__ = _signature(fields)  # type: ignore[attr-defined]
    return Program(program)


def read_examples(path: str, fields: Sequence[str], *, answers: bool) -> tuple[list[Inputs], list[tuple[Inputs, Any]]]:
    """Examples of a file, each with these fields; and with what is right, its field `answer`, where `answers`.

    Raises InputError naming the line where a row lacks one, UsageError where a prompt would show what is right.
    """
    if answers and ANSWER in fields:
        what = f"a prompt with the field {{{ANSWER}}} would be told what is right"
        raise UsageError(what, where="prompt", fix="take the field out, or give the examples' answers another name")
    found: list[Inputs] = []
    right: list[tuple[Inputs, Any]] = []
    for line, row in rows_of(path):
        if lost := [name for name in (*fields, *([ANSWER] if answers else [])) if row.get(name) is None]:
            what = f"this example has no {', '.join(map(repr, lost))}"
            raise InputError(what, where=f"{path}, line {line}", fix="give a field for each that a prompt names")
        found.append({name: row[name] for name in fields})
        if answers:
            right.append((found[-1], row[ANSWER]))
    if not found:
        raise InputError("there are no examples", where=path, fix="give a row for each, with the fields of the prompts")
    return found, right


def read_comments(paths: Sequence[str]) -> tuple[list[tuple[Item, str]], int]:
    """What people said of outputs, from feedback files: comments, and how many records say something else."""
    if not paths:
        return [], 0
    records = list(read(paths).table.records())
    found = [
        (item, own.value.text) for own in records if own.kind == "critique" and own.value.text for item in own.items()
    ]
    return found, sum(own.kind != "critique" for own in records)


def _asking(writer: Writer) -> Any:
    async def ask(text: str) -> str:
        requests = [Request.of(text, sample=draw())]
        (answer,) = await writer.acomplete(requests) if isinstance(writer, Endpoint) else writer.complete(requests)
        if answer.text is None:
            what = f"the model gave no answer ({answer.fault}), which would count against what was asked"
            raise EndpointError(what, fix="run the same again: what is recorded is not bought again")
        return answer.text

    return ask


def _signature(fields: Sequence[str]) -> Any:
    from inspect import Parameter, Signature

    return Signature([Parameter(name, Parameter.KEYWORD_ONLY) for name in fields])
