"""What happened in a run: which stage was called with what, what it read and gave."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from heedful.core import UsageError
from heedful.rewriting.context import Scope
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.places import Place
from heedful.rewriting.remembering import Key, Memory

_DEEPEST = 8  # containers within containers that are looked into


@dataclass(eq=False)
class Call:
    """One call of a stage, at its place in the program. `ended` is False while it lasts.

    `given` and `gave` are the texts and numbers in its arguments and its result, as they were then. `within` is the
    call that made it, None for the program itself. `reads` are the parameters that it read, not those of calls in it.
    """

    number: int
    stage: str
    within: int | None
    place: Place
    inputs: Mapping[str, Any]
    given: frozenset[str | float]
    ended: bool = False
    output: Any = None
    gave: frozenset[str | float] = frozenset()
    error: str = ""
    recalled: bool = False
    reads: Mapping[str, Parameter[Any]] = field(default_factory=dict)


class Recorder:
    """The calls of one run, which threads may share. Numbers are those of when calls began until it is `seen`."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory
        self._calls: list[Call] = []
        self._parameters: dict[str, Parameter[Any]] = {}
        self._read: defaultdict[int, dict[str, Place]] = defaultdict(dict)  # where first, by call and parameter
        self._counted: Counter[Key] = Counter()
        self._one_at_a_time = threading.Lock()

    def begin(self, stage: str, scope: Scope, inputs: Mapping[str, Any]) -> Call:
        """The call of a stage where the scope is."""
        given = frozenset(leaves(inputs))
        with self._one_at_a_time:
            place = (*scope.place, scope.strand.call())
            call = Call(len(self._calls), stage, scope.stage, place, inputs, given)
            self._calls.append(call)
        return call

    def end(self, call: Call, output: Any = None, error: str = "") -> None:
        gave = frozenset(leaves(output))
        with self._one_at_a_time:
            call.output, call.gave, call.error, call.ended = output, gave, error, True

    def read(self, parameter: Parameter[Any], scope: Scope) -> None:
        """A parameter is read where the scope is. Raises UsageError where another has the name of one."""
        place = (*scope.place, (scope.strand.group, scope.strand.tasks))
        with self._one_at_a_time:
            if self._parameters.setdefault(parameter.name, parameter) is not parameter:
                raise UsageError(f"two parameters are named {parameter.name!r}", where="trace", fix="rename one")
            read = self._read[scope.stage or 0]
            read[parameter.name] = min(place, read.get(parameter.name, place))

    def reads(self, call: Call) -> dict[str, Parameter[Any]]:
        """The parameters that a call read, in the order of the program."""
        with self._one_at_a_time:
            return self._reads(call.number)

    def turn(self, key: Key | None) -> Key | None:
        """The key with the number of times that it came before in this run: equal calls are draws of their own."""
        if key is None:
            return None
        with self._one_at_a_time:
            self._counted[key] += 1
            return replace(key, turn=self._counted[key] - 1)

    def made_calls(self, call: Call) -> bool:
        """Whether stages were called within a call."""
        with self._one_at_a_time:
            return any(other.within == call.number for other in self._calls[call.number + 1 :])

    def seen(self) -> tuple[list[Call], dict[str, Parameter[Any]]]:
        """The calls so far, in the order of the program, which their numbers now are; and the parameters read, in the
        order of their first places."""
        with self._one_at_a_time:
            order = sorted(self._calls, key=lambda call: call.place)
            numbers = {call.number: number for number, call in enumerate(order)}
            calls = [
                replace(
                    call,
                    number=number,
                    within=None if call.within is None else numbers[call.within],
                    reads=self._reads(call.number),
                )
                for number, call in enumerate(order)
            ]
            places = [(place, name) for read in self._read.values() for name, place in read.items()]
            names = [name for _, name in sorted(places, key=lambda own: own[0])]
            return calls, {name: self._parameters[name] for name in names}

    def _reads(self, number: int) -> dict[str, Parameter[Any]]:
        read = self._read[number]
        return {name: self._parameters[name] for name in sorted(read, key=read.__getitem__)}


def settled(value: Any, depth: int = 0) -> Any:
    """A value as it is now, to be looked at later: parameters in it are what they are in this run, and Python's own
    containers are copied."""
    if isinstance(value, Parameter):
        return value.now
    if depth == _DEEPEST:
        return value
    if type(value) is dict:
        return {name: settled(own, depth + 1) for name, own in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(settled(own, depth + 1) for own in value)
    return value


def leaves(value: Any, depth: int = 0) -> Iterator[str | float]:
    """The texts and numbers in a value, within containers and dataclasses; not truth values, which tell nothing."""
    value = value.now if isinstance(value, Parameter) else value
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, int | float):
        if not isinstance(value, bool):
            yield value
    elif depth < _DEEPEST:
        for part in _parts(value):
            yield from leaves(part, depth + 1)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, own.name) for own in dataclasses.fields(value)]
    if hasattr(type(value), "model_fields"):  # of pydantic; other objects may hold anything, such as a client
        return list(vars(value).values())
    return []
