"""Ordinary functions whose calls are captured as a graph, sync or async, and run again with other values.

`stage` marks a function whose calls are nodes; `trace` makes a program of the function that calls them. Functions and
what they pass to one another stay as they are: nothing is wrapped. Which call's result went into which other is seen
from the texts and numbers that were passed (`heedful.rewriting.graph`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, TypeVar, overload

from heedful.core import HeedfulError, InputError, UsageError
from heedful.rewriting.context import SCOPE, Scope
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.recording import Call, Recorder
from heedful.rewriting.remembering import Memory, key_of

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Run:
    """What a program did with its inputs: its output, or the `error` that it raised, and every call of a stage in it.

    `calls` are in the order in which they began; the first is the program itself. `parameters` are those that were
    read, by name; `values` those that stood in the place of some, `draw` the number of the run.
    """

    inputs: Mapping[str, Any]
    output: Any
    error: str
    calls: Sequence[Call]
    parameters: Mapping[str, Parameter[Any]]
    values: Mapping[str, Any]
    draw: int

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
        _refuse_generators(self.function, "trace")

    @property
    def is_async(self) -> bool:
        """Whether it is called with `await`."""
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            getattr(self.function, "__call__", None)  # noqa: B004 (of an object whose call is async)
        )

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
        self, args: Sequence[Any], named: Mapping[str, Any], *, draw: int = 0, memory: Memory | None = None
    ) -> Run:
        """The run of this number. What the program raises is the run's `error`, but for interrupts and what heedful
        raises of settings, endpoints and budgets.

        Raises UsageError where it is async (`acaptured`), or cannot be called with these arguments.
        """
        if self.is_async:
            raise UsageError("the program is async", where="run", fix="await arun(...), or use Runner")
        recorder = Recorder(memory)
        with _caught(recorder) as found, self._begun(args, named, recorder, draw) as call:
            found.output = call.result = self.function(*args, **named)
        return self._run(args, named, found, draw)

    async def acaptured(
        self, args: Sequence[Any], named: Mapping[str, Any], *, draw: int = 0, memory: Memory | None = None
    ) -> Run:
        """`captured` of a program that is async, or not."""
        if not self.is_async:
            return self.captured(args, named, draw=draw, memory=memory)
        recorder = Recorder(memory)
        with _caught(recorder) as found:
            found.output = await self._awaited(args, named, recorder, draw)
        return self._run(args, named, found, draw)

    def _run(self, args: Sequence[Any], named: Mapping[str, Any], found: _Found, draw: int) -> Run:
        calls, parameters = found.recorder.calls, found.recorder.parameters
        return Run(self._bound(args, named), found.output, found.error, calls, parameters, self.values, draw)

    def _bound(self, args: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return inputs_of(inspect.signature(self.function), args, named)
        except TypeError as error:
            name = getattr(self.function, "__name__", "program")
            raise UsageError(f"the program cannot be called so ({error})", where=name) from error

    @contextmanager
    def _begun(
        self, args: Sequence[Any], named: Mapping[str, Any], recorder: Recorder | None, draw: int
    ) -> Iterator[_Under]:
        """The call of the program: the first of a recorder, or, without one, a call in the run that is under way."""
        around = SCOPE.get()
        if recorder is not None or around is None:
            outer = Scope(recorder or Recorder(), None, self.values, draw)
        else:
            outer = replace(around, values={**self.values, **around.values})
        name = getattr(self.function, "__name__", "program")
        with _calling(outer, name, self._bound(args, named), remembered=False) as call:
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
    effect, nor for methods, whose object may hold anything. A stage that calls others is called again, and they are
    remembered.
    """
    if function is None:
        return lambda own: stage(own, name=name, remembered=remembered)  # type: ignore[call-overload]
    _refuse_generators(function, "stage")
    called, signature = name or function.__name__, inspect.signature(function)
    remembered = remembered and "self" not in signature.parameters  # what an object holds is not seen

    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def calling(*args: Any, **named: Any) -> Any:
            scope = SCOPE.get()
            if scope is None:
                return await function(*args, **named)
            with _calling(scope, called, inputs_of(signature, args, named), remembered) as call:
                if not call.known:
                    call.result = await function(*args, **named)
                return call.result

        return calling

    @wraps(function)
    def called_plainly(*args: Any, **named: Any) -> Any:
        scope = SCOPE.get()
        if scope is None:
            return function(*args, **named)
        with _calling(scope, called, inputs_of(signature, args, named), remembered) as call:
            if not call.known:
                call.result = function(*args, **named)
            return call.result

    return called_plainly


@dataclass(slots=True)
class _Under:
    """A call under way: its result, which is `known` where it is remembered."""

    call: Call
    result: Any = None
    known: bool = False


@dataclass(slots=True)
class _Found:
    """What a program gave while it was captured."""

    recorder: Recorder
    output: Any = None
    error: str = ""


@contextmanager
def _caught(recorder: Recorder) -> Iterator[_Found]:
    """Within, what a program raises is its `error`."""
    found = _Found(recorder)
    try:
        yield found
    except Exception as raised:
        found.error = _of_the_program(raised)


@contextmanager
def _calling(scope: Scope, name: str, inputs: Mapping[str, Any], remembered: bool) -> Iterator[_Under]:
    """Records a call, its result, or what it raises. Within, the scope is that of the call."""
    recorder = scope.recorder
    call = recorder.begin(name, scope.stage, inputs)
    under, key = _Under(call), None
    if remembered and recorder.memory is not None:
        key = recorder.turn(key_of(name, inputs, scope.draw))
        if key is not None and (known := recorder.memory.recall(key, scope.values)):
            under.result, under.known, call.recalled = known.output, True, True
            for parameter in known.reads.values():
                recorder.read(parameter, call.number)
    token = SCOPE.set(replace(scope, stage=call.number))
    try:
        yield under
    except BaseException as error:
        recorder.end(call, error=told(error))
        raise
    finally:
        SCOPE.reset(token)
    recorder.end(call, under.result)
    if key is not None and not under.known and recorder.memory is not None and not recorder.made_calls(call):
        recorder.memory.keep(key, under.result, call.reads, scope.values)


def inputs_of(signature: inspect.Signature, args: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments by name, without `self`. Raises TypeError where they do not fit."""
    bound = signature.bind(*args, **named)
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if name != "self"}


def told(error: BaseException) -> str:
    """An error in a line, with the line of the code that raised it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f" (line {at.tb_lineno} of {at.tb_frame.f_code.co_name})"
    return f"{type(error).__name__}: {error}{where}"


def _of_the_program(error: Exception) -> str:
    """What a program raised, told. What heedful raised is no fault of a text, and raised again; but for bad input."""
    if isinstance(error, HeedfulError) and not isinstance(error, InputError):
        raise error
    return told(error)


def _refuse_generators(function: Any, where: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        what = f"{getattr(function, '__name__', 'it')} yields, and a stage or a program returns"
        raise UsageError(what, where=where, fix="gather what it yields, and return that")
