"""What goes between a program and its tests: plain values as JSON, and words cut to a length."""

from __future__ import annotations

from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:  # what a process imports is what it costs to start
    from typing import Any

CANNOT_SEAL = 97  # the exit status of a process that could not be sealed
LONGEST_MESSAGE = 400  # characters
MODULE = "program"
_SEQUENCES: Mapping[str, Callable[[Any], Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def packed(value: Any, other: Callable[[Any], Any]) -> Any:
    """A plain value as JSON: subclasses as what they are derived from, anything else as `other` makes of it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin-1")]
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, dict):
        return ["dict", [[packed(key, other), packed(own, other)] for key, own in dict.items(value)]]
    for name, kind in _SEQUENCES.items():
        if isinstance(value, kind):  # type: ignore[arg-type]
            return [name, [packed(own, other) for own in value]]
    return ["object", other(value)]


def unpacked(value: Any, known: Callable[[int], Any]) -> Any:
    """The inverse of `packed`; `known` gives the object of a number."""
    if not isinstance(value, list):
        return value
    name = value[0]
    if name in _SEQUENCES:
        return _SEQUENCES[name](unpacked(own, known) for own in value[1])
    if name == "dict":
        return {unpacked(key, known): unpacked(own, known) for key, own in value[1]}
    if name == "bytes":
        return value[1].encode("latin-1")
    return complex(value[1], value[2]) if name == "complex" else known(value[1])


def cut(text: str, most: int = LONGEST_MESSAGE) -> str:
    """The first `most` characters of a text, and how many are left out."""
    return text if len(text) <= most else f"{text[:most]} ({len(text) - most:,} more characters)"


def failure(name: str, message: str, place: str) -> tuple[str, str]:
    """What an error of this name, raised at a place in words ("" where none is known), is, and what is said of it."""
    kind = {"MemoryError": "out of memory", "PermissionError": "refused"}.get(name, "failed")
    return kind, f"{cut(name)}{place}{': ' if message else ''}{cut(message)}"


def line_of(error: BaseException, file: str) -> int | None:
    """The last line of a file that an error passed through."""
    if isinstance(error, SyntaxError) and error.filename == f"<{file}>":
        return error.lineno
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"<{file}>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
