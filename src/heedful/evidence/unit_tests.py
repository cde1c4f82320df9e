"""Tests of programs as evidence: an output is a program, and is as good as what it does."""

from __future__ import annotations

import ast
import builtins
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Literal

import numpy as np

from heedful.core import InputError, Item, Parts, Scale, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.core.items import text_parts
from heedful.evidence.sandbox.isolation import Limits, require
from heedful.evidence.sandbox.plain import cut
from heedful.evidence.sandbox.running import Kind, Ran, run_asserts, run_script
from heedful.models.texts import joined

_FENCED = re.compile(r"^```[^\n]*\n(.*?)(?:^```|\Z)", re.MULTILINE | re.DOTALL)
_LONGEST_LABEL = 80
_LONGEST_PRINTED = 200


@dataclass(frozen=True, slots=True)
class Asserts:
    """A test as Python source that raises nothing where the program is right: `assert area(2, 3) == 6`.

    Names it uses and does not define are the program's, but for those of builtins, which are Python's own; `program`
    is the program itself, for the rest (`program.sum([1, 2])`).
    """

    source: str
    name: str = ""

    def __post_init__(self) -> None:
        """Raises InputError where it is no Python."""
        try:
            ast.parse(self.source)
        except (SyntaxError, ValueError) as error:
            raise InputError(f"this test is no Python ({error})", where=str(self)) from error

    def __str__(self) -> str:
        return self.name or cut(" ".join(self.source.split()), _LONGEST_LABEL)


@dataclass(frozen=True, slots=True)
class Script:
    """A test of the program as a script: what it prints when it reads `stdin`, but for blanks at the ends of lines."""

    stdin: str
    stdout: str
    name: str = ""

    def __str__(self) -> str:
        return self.name or f"input {cut(self.stdin, _LONGEST_LABEL)!r}"


Test = Asserts | Script
Suite = tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test, and why, in words for whoever is to mend the program."""

    test: str
    kind: Kind
    message: str = ""

    def __str__(self) -> str:
        return f"{self.test}: {self.kind}" + (f" ({self.message})" if self.message else "")


@dataclass(frozen=True, slots=True, eq=False)
class UnitTests(Expressible):
    """Whether the program in an output passes its tests: 0 where it passes all, else `otherwise`; or the share passed.

    tests      the same for all contexts, or those of each: a mapping from contexts or their texts, or a function of
               the context. A text is an `Asserts`
    seconds    for each test, by the clock, once the process has started
    memory_mb  of address space, for each process; 64 or more
    unsafe     run programs as you would yourself: limits and clean processes stay, the seal is left out. What a program
               starts and moves out of its session then outlives it
    score      "all" (on the log_prob scale), or "share" of tests passed (a utility)
    otherwise  log-probability that an output which fails is good nevertheless: −inf rules it out
    workers    programs that run side by side; None for one on each core

    The program is the last fenced block of the text, else all of it. Equal programs run once, and are remembered.

    What is promised. A program runs in a fresh process, without environment, with limits on time, memory, output (1 MB)
    and open files. The seal (Landlock and a filter of system calls; Linux 6.2 or later, x86-64 or aarch64) lets it read
    the files of Python and shared libraries, and nothing else: it can open no other file, write none, reach no network,
    start no process, signal none; threads it may start. It can ask whether files exist and how large they are. When the
    first program is about to run, a sealed process tries all this, and where any of it succeeds nothing runs. This
    holds as far as the kernel does: it is no defence against faults of the kernel or the processor, and no virtual
    machine.

    Results cannot be forged. Tests run in another process than the program, and between the two go plain values alone
    (numbers, texts, bytes, lists, tuples, dictionaries, sets; subclasses as what they derive from). Other objects stay
    with the program: a test may call them, read, set and index their attributes and items, go through them and take
    their length, but they equal nothing. Lists, dictionaries and sets passed to the program are changed as it changes
    them; functions of the test cannot be passed to it. The program is loaded anew for each test. A test that the empty
    program passes says nothing of any program, and is refused.
    """

    tests: Sequence[Test | str] | Mapping[Parts | str, Sequence[Test | str]] | Callable[[Parts], Sequence[Test | str]]
    seconds: float = 2.0
    memory_mb: int = 256
    unsafe: bool = False
    score: Literal["all", "share"] = "all"
    otherwise: float = -math.inf
    workers: int | None = None
    under: str | None = None
    _known: dict[tuple[str, Suite], tuple[Outcome, ...]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError for limits that are none."""
        if not (0 < self.seconds < 3600 and self.memory_mb >= 64):
            raise UsageError(f"{self.seconds} seconds, {self.memory_mb} MB", where="UnitTests", fix="64 MB or more")
        if (
            self.score not in ("all", "share")
            or not self.otherwise <= 0
            or not (self.workers is None or self.workers > 0)
        ):
            what = f"score {self.score!r}, otherwise {self.otherwise}, {self.workers} workers"
            raise UsageError(what, where="UnitTests", fix="'all' or 'share'; a log-probability; 1 worker or more")

    @property
    def scale(self) -> Scale:
        return "log_prob" if self.score == "all" else "utility"

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Raises as `run`."""
        share = np.array([np.mean([own.kind == "passed" for own in outcomes]) for outcomes in self.run(items)])
        return Scores(share.astype(float) if self.score == "share" else np.where(share == 1.0, 0.0, self.otherwise))

    def run(self, items: Sequence[Item]) -> tuple[tuple[Outcome, ...], ...]:
        """The outcome of each test of each item.

        Raises IsolationError where programs cannot be isolated, InputError where a context has no tests, or one that
        the empty program passes.
        """
        suites = self._suites({item.context for item in items})
        asked = [(program_of(item), suites[item.context]) for item in items]
        fresh = [job for job in dict.fromkeys(asked) if job not in self._known]
        empty = [job for job in dict.fromkeys(("", suite) for _, suite in fresh) if job not in self._known]
        limits = Limits(self.seconds, self.memory_mb, not self.unsafe)
        if fresh:
            require(limits)
        with ThreadPoolExecutor(self.workers or len(os.sched_getaffinity(0))) as pool:
            for jobs in (empty, [job for job in fresh if job[0]]):
                self._known.update(zip(jobs, pool.map(partial(_run, limits), jobs), strict=True))
                if jobs is empty:
                    self._refuse_idle(empty)
        return tuple(self._known[job] for job in asked)

    def words(self, items: Sequence[Item]) -> tuple[str, ...]:
        """What is wrong with each item, in words; "" where it passes all its tests. Raises as `run`."""
        return tuple(map(in_words, self.run(items)))

    def _suites(self, contexts: Iterable[Parts]) -> dict[Parts, Suite]:
        given = self.tests
        if isinstance(given, Mapping):
            known = {text_parts(own, "world") if isinstance(own, str) else own: tests for own, tests in given.items()}
            return {context: _suite(context, known.get(context, ())) for context in contexts}
        return {context: _suite(context, given(context) if callable(given) else given) for context in contexts}

    def _refuse_idle(self, jobs: Sequence[tuple[str, Suite]]) -> None:
        for job in jobs:
            idle = next((own.test for own in self._known[job] if own.kind == "passed"), None)
            if idle is not None:
                del self._known[job]
                fix = "leave it out; builtins are never the program's: write program.NAME where it defines one anew"
                raise InputError("the empty program passes this test, which tells nothing", where=idle, fix=fix)


def asserts(source: str) -> tuple[Asserts, ...]:
    """A file of asserts as one test for each assert at its top level, after all else that stands before it there.

    The whole file is one test where no assert is at its top level. Raises InputError where it is no Python.
    """
    body = ast.parse(Asserts(source).source).body
    before: list[ast.stmt] = []
    found = []
    for own in body:
        if isinstance(own, ast.Assert):
            found.append(Asserts(ast.unparse([*before, own]), cut(ast.unparse(own), _LONGEST_LABEL)))  # type: ignore[arg-type]
        else:
            before.append(own)
    return tuple(found) or (Asserts(source),)


def program_of(item: Item) -> str:
    """The program in an output: the last fenced block of its text, else all of it."""
    text = joined(item.output)
    blocks = _FENCED.findall(text)
    return str(blocks[-1]) if blocks else text


def in_words(outcomes: Sequence[Outcome]) -> str:
    """What is wrong with a program, a line for each test that it does not pass; "" where it passes all."""
    return "\n".join(str(own) for own in outcomes if own.kind != "passed")


def _suite(context: Parts, given: Sequence[Test | str]) -> Suite:
    if not given or isinstance(given, str | Asserts | Script):
        fix = "give a list of tests for every context"
        raise InputError("there are no tests for this context", where=cut(joined(context), _LONGEST_LABEL), fix=fix)
    return tuple(Asserts(own) if isinstance(own, str) else own for own in given)


def _run(limits: Limits, job: tuple[str, Suite]) -> tuple[Outcome, ...]:
    program, suite = job
    of_asserts = iter(
        run_asserts(program, [_prepared(own.source) for own in suite if isinstance(own, Asserts)], limits)
    )
    ran = [next(of_asserts) if isinstance(own, Asserts) else _script_ran(program, own, limits) for own in suite]
    return tuple(Outcome(str(test), own.kind, own.message) for test, own in zip(suite, ran, strict=True))


def _script_ran(program: str, test: Script, limits: Limits) -> Ran:
    ran, printed = run_script(program, test.stdin, limits)
    if ran.kind == "passed" and _lines(printed) != _lines(test.stdout):
        told = f"it printed {cut(printed, _LONGEST_PRINTED)!r}, not {cut(test.stdout, _LONGEST_PRINTED)!r}"
        return Ran("failed", told)
    return ran


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


@cache
def _prepared(source: str) -> tuple[str, tuple[str, ...]]:
    """A test that tells what it got where it asserts an equality, and the names that it may take from the program."""
    tree = _Telling().visit(ast.parse(source))
    names = {own.id for own in ast.walk(tree) if isinstance(own, ast.Name)} - set(dir(builtins))
    return ast.unparse(ast.fix_missing_locations(tree)), tuple(sorted(names - {"program"}))


class _Telling(ast.NodeTransformer):
    """`assert a == b` as `assert (got := a) == b, f"{got!r}"`, the text of the assert with it."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        test = node.test
        if node.msg is not None:
            return node
        text = cut(ast.unparse(test), _LONGEST_PRINTED)
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
            node.msg = ast.Constant(text)
            return node
        got = ast.NamedExpr(ast.Name("_got", ast.Store()), test.left)
        told = [ast.Constant(f"{text} is false: it gave "), ast.FormattedValue(ast.Name("_got", ast.Load()), ord("r"))]
        return ast.Assert(ast.Compare(got, test.ops, test.comparators), ast.JoinedStr(told))
