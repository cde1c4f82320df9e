"""Results of stages by content: which function, what it was given, and the parameters that it read."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heedful.rewriting.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Key:
    """What a stage is asked for the time of this number: the function itself, whatever others are called as it is, and
    a hash of its inputs and the number of the run."""

    function: Callable[..., Any]
    asked: bytes
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Remembered:
    """A result, the parameters that were read for it, and their values then."""

    output: Any
    reads: Mapping[str, Parameter[Any]]
    values: Mapping[str, Any]


class Memory:
    """Results of stages that call no other stage. What was read is compared when it is looked up, as a build system
    does with the files that a rule opened. Threads may share it; it lasts as long as this object.

    `recalled` counts results that were not computed again, `unkept` those that are no plain values and were not kept.
    """

    def __init__(self) -> None:
        self._known: dict[Key, list[Remembered]] = {}
        self.recalled = self.unkept = 0
        self._one_at_a_time = threading.Lock()

    def recall(self, key: Key, values: Mapping[str, Any]) -> Remembered | None:
        """The result under a key of a stage that would read the same values."""
        with self._one_at_a_time:
            for known in self._known.get(key, ()):
                if all(values.get(name, own.value) == known.values[name] for name, own in known.reads.items()):
                    self.recalled += 1
                    return dataclasses.replace(known, output=copy.deepcopy(known.output))
        return None

    def keep(self, key: Key, output: Any, reads: Mapping[str, Parameter[Any]], values: Mapping[str, Any]) -> None:
        """Remember a result, where it is a plain value."""
        plain = content(output) is not None
        with self._one_at_a_time:
            if not plain:
                self.unkept += 1
                return
            then = {name: values.get(name, own.value) for name, own in reads.items()}
            self._known.setdefault(key, []).append(Remembered(copy.deepcopy(output), dict(reads), then))


def key_of(function: Callable[..., Any], inputs: Mapping[str, Any], draw: int) -> Key | None:
    """What a stage is asked; None where inputs are not plain values."""
    written = content(dict(inputs))
    if written is None:
        return None
    asked = repr((written, draw)).encode("utf-8", "surrogatepass")
    return Key(function, hashlib.blake2b(asked, digest_size=16).digest())


def content(value: Any) -> Any:
    """A plain value as nested tuples whose `repr` tells it from every other; None where it, or a part of it, is of a
    type that may hide something."""
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return type(value).__name__, value
    parts: list[Any]
    if isinstance(value, Mapping):
        parts = [content(part) for pair in value.items() for part in pair]
    elif isinstance(value, list | tuple):
        parts = [content(part) for part in value]
    elif isinstance(value, set | frozenset):
        parts = sorted((content(part) for part in value), key=repr)
    elif isinstance(value, Parameter):
        return None  # a copy of it would be another parameter
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [content(getattr(value, own.name)) for own in dataclasses.fields(value)]
    elif hasattr(type(value), "model_fields"):
        parts = [content(part) for part in vars(value).values()]
    else:
        return None
    return None if None in parts else (f"{type(value).__module__}.{type(value).__qualname__}", *parts)
