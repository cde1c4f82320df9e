"""Ordinary functions whose calls are captured as a graph, sync or async, and run again with other values.

`stage` marks a function whose calls are nodes; `trace` makes a program of the function that calls them. Functions and
what they pass to one another stay as they are: nothing is wrapped. Which call's result went into which other is seen
from the texts and numbers that were passed (`heedful.rewriting.graph`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import Any, TypeVar, overload

from heedful.core import UsageError
from heedful.rewriting.calling import Under, arguments_of, calling, inputs_of, is_async, name_of, refuse_generators
from heedful.rewriting.catching import Found, in_time
from heedful.rewriting.context import SCOPE, Scope
from heedful.rewriting.forking import known_tasks
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.recording import Call, Recorder, settled
from heedful.rewriting.remembering import Memory

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Run:
    """What a program did with its inputs: its output, or the `error` that it raised, and every call of a stage in it.

    `calls` are in the order of the program; the first is the program itself. `parameters` are those that were read, by
    name; `values` those that stood in the place of some, `draw` the number of the run. `refused` says that the error is
    a server's refusal of what it was asked.
    """

    inputs: Mapping[str, Any]
    output: Any
    error: str
    calls: Sequence[Call]
    parameters: Mapping[str, Parameter[Any]]
    values: Mapping[str, Any]
    draw: int
    refused: bool = False

    def value(self, name: str) -> Any:
        """What a parameter was in this run."""
        return self.values.get(name, self.parameters[name].value)


@dataclass(frozen=True, eq=False)
class Program:
    """A function that reads parameters and calls stages. Called, it is that function; `values` replace those of its
    parameters, by name."""

    function: Callable[..., Any]
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.function, Program) or not callable(self.function):
            raise UsageError("a program is traced of a function", where="trace", fix="give the function itself")
        refuse_generators(self.function, "trace")

    @property
    def is_async(self) -> bool:
        """Whether it is called with `await`."""
        return is_async(self.function)

    def with_values(self, values: Mapping[str, Any]) -> Program:
        """The same program with these values too."""
        return replace(self, values={**self.values, **values})

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function gives. Within a run of another program it is a stage of that, whose values go before."""
        recorder = Recorder() if SCOPE.get() is None else None
        if self.is_async:
            return self._awaited(args, named, recorder, 0)
        with self._begun(args, named, recorder, 0) as call:
            call.result = self.function(*args, **named)
            return call.result

    async def _awaited(
        self, args: Sequence[Any], named: Mapping[str, Any], recorder: Recorder | None, draw: int
    ) -> Any:
        with self._begun(args, named, recorder, draw) as call:
            call.result = await self.function(*args, **named)
            return call.result

    def run(self, *args: Any, **named: Any) -> Run:
        """Call it and capture what happens: `captured` with these arguments."""
        return self.captured(args, named)

    async def arun(self, *args: Any, **named: Any) -> Run:
        """`run` of a program that is async."""
        return await self.acaptured(args, named)

    def captured(
        self,
        args: Sequence[Any],
        named: Mapping[str, Any],
        *,
        draw: int = 0,
        memory: Memory | None = None,
        seconds: float | None = None,
    ) -> Run:
        """The run of this number. What the program raises is the run's `error`, `sys.exit` and a server's refusal of
        what it asks too, but for interrupts and what else heedful raises of settings, endpoints and budgets. One that
        takes longer than `seconds` has failed, and is left to itself: a thread cannot be stopped.

        Raises UsageError where it is async (`acaptured`), cannot be called with these arguments, or gives what is yet
        to be awaited or read.
        """
        if self.is_async:
            raise UsageError("the program is async", where="run", fix="await arun(...), or use Runner")
        found = Found(Recorder(memory))
        if not in_time(partial(self._captured, found, args, named, draw), seconds) and seconds is not None:
            found.took(seconds)
        return self._run(args, named, found, draw)

    def _captured(self, found: Found, args: Sequence[Any], named: Mapping[str, Any], draw: int) -> None:
        with found.caught(), self._begun(args, named, found.recorder, draw) as call:
            call.result = self.function(*args, **named)

    async def acaptured(
        self,
        args: Sequence[Any],
        named: Mapping[str, Any],
        *,
        draw: int = 0,
        memory: Memory | None = None,
        seconds: float | None = None,
    ) -> Run:
        """`captured` of a program that is async, which is cancelled after so many seconds, or not."""
        if not self.is_async:
            return self.captured(args, named, draw=draw, memory=memory, seconds=seconds)
        found = Found(Recorder(memory))
        with known_tasks(), found.caught():
            try:
                async with asyncio.timeout(seconds) as clock:
                    await self._awaited(args, named, found.recorder, draw)
            except TimeoutError:
                if seconds is None or not clock.expired():
                    raise
                found.took(seconds)
        return self._run(args, named, found, draw)

    def _run(self, args: Sequence[Any], named: Mapping[str, Any], found: Found, draw: int) -> Run:
        error, refused, (calls, parameters) = found.error, found.refused, found.recorder.seen()
        if found.late:
            calls = [own if own.ended else replace(own, error=error) for own in calls]
        output = None if error else calls[0].output
        return Run(self._bound(args, named), output, error, calls, parameters, self.values, draw, refused)

    def _bound(self, args: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return inputs_of(inspect.signature(self.function), args, named)
        except TypeError as error:
            raise UsageError(f"the program cannot be called so ({error})", where=name_of(self.function)) from error

    @contextmanager
    def _begun(
        self, args: Sequence[Any], named: Mapping[str, Any], recorder: Recorder | None, draw: int
    ) -> Iterator[Under]:
        """The call of the program: the first of a recorder, or, without one, a call in the run that is under way."""
        around = SCOPE.get()
        if recorder is not None or around is None:
            outer = Scope(recorder or Recorder(), None, self.values, draw)
        else:
            outer = replace(around, values={**self.values, **around.values})
        with calling(outer, name_of(self.function), self._bound(args, named)) as call:
            yield call


def trace(function: Callable[..., Any], **values: Any) -> Program:
    """A program of a function, sync or async; `values` replace those of parameters of these names."""
    return Program(function, values)


@overload
def stage(function: Function, /) -> Function: ...
@overload
def stage(*, name: str = "", remembered: bool = True) -> Callable[[Function], Function]: ...
def stage(function: Any = None, /, *, name: str = "", remembered: bool = True) -> Any:
    """A function, sync or async, whose calls are nodes of the graph; outside of a run it is what it was.

    Where a run has a memory, the k-th call with the same inputs, and the same values of the parameters that it reads,
    gives what it gave before in a run of the same number: not so with `remembered=False`, for a stage that has an
    effect, nor for methods, whose object may hold anything, and functions made in a run, which may hold anything of it.
    A stage that calls others is called again, and they are remembered.
    """
    if function is None:
        return lambda own: stage(own, name=name, remembered=remembered)  # type: ignore[call-overload]
    refuse_generators(function, "stage")
    called, signature = name or name_of(function), inspect.signature(function)
    remembered = remembered and not _hides(function, signature)

    def calls(scope: Scope, key: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        inputs = {own: settled(value) for own, value in arguments_of(signature, args, named).items()}
        return calling(scope, called, inputs, key if remembered else None)

    if is_async(function):

        @wraps(function)
        async def called_async(*args: Any, **named: Any) -> Any:
            scope = SCOPE.get()
            if scope is None:
                return await function(*args, **named)
            with calls(scope, called_async, args, named) as call:
                if not call.known:
                    call.result = await function(*args, **named)
                return call.result

        return called_async

    @wraps(function)
    def called_plainly(*args: Any, **named: Any) -> Any:
        scope = SCOPE.get()
        if scope is None:
            return function(*args, **named)
        with calls(scope, called_plainly, args, named) as call:
            if not call.known:
                call.result = function(*args, **named)
            return call.result

    return called_plainly


def _hides(function: Callable[..., Any], signature: inspect.Signature) -> bool:
    """Whether what a function gives may follow from what is not seen: its object, or the run that it was made in."""
    return inspect.ismethod(function) or "self" in signature.parameters or SCOPE.get() is not None
