"""What happened in a run: which stage was called with what, what it read and gave."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heedful.core import UsageError

if TYPE_CHECKING:
    from heedful.rewriting.parameters import Parameter
    from heedful.rewriting.remembering import Memory

_DEEPEST = 8  # containers within containers that are looked into


@dataclass(eq=False)
class Call:
    """One call of a stage. `began` and `ended` count what happened in the run; `ended` is None while it lasts.

    `given` and `gave` are the texts and numbers in its arguments and its result, as they were then. `within` is the
    call that made it, None for the program itself. `reads` are the parameters that it read, not those of calls in it.
    """

    number: int
    stage: str
    within: int | None
    inputs: Mapping[str, Any]
    given: frozenset[str | float]
    began: int
    ended: int | None = None
    output: Any = None
    gave: frozenset[str | float] = frozenset()
    error: str = ""
    recalled: bool = False
    reads: dict[str, Parameter[Any]] = field(default_factory=dict)


class Recorder:
    """The calls of one run, in the order in which they began. Threads may share it."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.calls: list[Call] = []
        self.parameters: dict[str, Parameter[Any]] = {}
        self.memory = memory
        self._clock = 0
        self._counted: dict[bytes, int] = {}
        self._one_at_a_time = threading.Lock()

    def begin(self, stage: str, within: int | None, inputs: Mapping[str, Any]) -> Call:
        given = frozenset(leaves(inputs))
        with self._one_at_a_time:
            call = Call(len(self.calls), stage, within, inputs, given, self._tick())
            self.calls.append(call)
        return call

    def end(self, call: Call, output: Any = None, error: str = "") -> None:
        gave = frozenset(leaves(output))
        with self._one_at_a_time:
            call.output, call.gave, call.error, call.ended = output, gave, error, self._tick()

    def read(self, parameter: Parameter[Any], number: int) -> None:
        """A parameter is read in the call of this number. Raises UsageError where another has the name of one."""
        with self._one_at_a_time:
            if self.parameters.setdefault(parameter.name, parameter) is not parameter:
                raise UsageError(f"two parameters are named {parameter.name!r}", where="trace", fix="rename one")
            self.calls[number].reads[parameter.name] = parameter

    def turn(self, key: bytes | None) -> bytes | None:
        """The key with the number of times that it came before in this run: equal calls are draws of their own."""
        if key is None:
            return None
        with self._one_at_a_time:
            self._counted[key] = self._counted.get(key, -1) + 1
            return key + self._counted[key].to_bytes(4, "big")

    def made_calls(self, call: Call) -> bool:
        """Whether stages were called within a call."""
        with self._one_at_a_time:
            return any(other.within == call.number for other in self.calls[call.number + 1 :])

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def leaves(value: Any, depth: int = 0) -> Iterator[str | float]:
    """The texts and numbers in a value, within containers and dataclasses; not truth values, which tell nothing."""
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
