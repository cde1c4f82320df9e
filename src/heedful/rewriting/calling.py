"""One call of a stage: what it is given, what it gives, and whether it is remembered."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from heedful.core import UsageError
from heedful.rewriting.catching import told
from heedful.rewriting.context import SCOPE, Scope
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.recording import Call, settled
from heedful.rewriting.remembering import key_of


@dataclass(slots=True)
class Under:
    """A call under way: its result, which is `known` where it is remembered."""

    call: Call
    result: Any = None
    known: bool = False


@contextmanager
def calling(
    scope: Scope, name: str, inputs: Mapping[str, Any], remembered: Callable[..., Any] | None = None
) -> Iterator[Under]:
    """Records a call, its result, or what it raises. Within, the scope is that of the call. A memory knows it as a call
    of the function `remembered`."""
    recorder, memory = scope.recorder, scope.recorder.memory
    call = recorder.begin(name, scope, inputs)
    under, key, inner = Under(call), None, scope.within(call.number, call.place)
    if remembered is not None and memory is not None:
        key = recorder.turn(key_of(remembered, inputs, scope.draw))
        if key is not None and (known := memory.recall(key, scope.values)):
            under.result, under.known, call.recalled = known.output, True, True
            for parameter in known.reads.values():
                recorder.read(parameter, inner)
    token = SCOPE.set(inner)
    try:
        yield under
        _refuse_unfinished(under.result, name)
        output = settled(under.result)
    except asyncio.CancelledError:  # it has not ended, and gave nothing
        raise
    except BaseException as error:
        recorder.end(call, error=told(error))
        raise
    finally:
        SCOPE.reset(token)
    recorder.end(call, output)
    if key is not None and not under.known and memory is not None and not recorder.made_calls(call):
        memory.keep(key, under.result, recorder.reads(call), scope.values)


def inputs_of(signature: inspect.Signature, args: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Inputs by name: arguments that are no parameters, without `self`. Raises TypeError where they do not fit."""
    given = arguments_of(signature, args, named)
    return {name: value for name, value in given.items() if not isinstance(value, Parameter)}


def arguments_of(signature: inspect.Signature, args: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    bound = signature.bind(*args, **named)
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif name not in ("self", "cls"):
            found[name] = value
    return found


def name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def is_async(function: Any) -> bool:
    """Whether a function, or an object that is called, is awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def refuse_generators(function: Any, where: str) -> None:
    """Raises UsageError where a function yields, or it is none."""
    if not callable(function):
        raise UsageError(f"{function!r} cannot be called", where=where, fix="put @stage below @classmethod and such")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        what = f"{name_of(function)} yields, and a stage or a program returns"
        raise UsageError(what, where=where, fix="gather what it yields, and return that")


def _refuse_unfinished(result: Any, name: str) -> None:
    """Raises UsageError where nobody can see yet what a call gives."""
    if isinstance(result, Awaitable):
        fix = "write it as `async def`, and await there"
        raise UsageError(f"{name} gives what is yet to be awaited", where="trace", fix=fix)
    if isinstance(result, Iterator | AsyncIterator):
        fix = "gather what it gives, such as by list(...), and return that"
        raise UsageError(f"{name} gives what is yet to be read ({type(result).__name__})", where="trace", fix=fix)
