"""The process of the tests: it asks a program in another process, and compares what that gives.

What is expected is never where the program could read it, and an object of the program that claims to equal anything
is never compared.
"""

from __future__ import annotations

import builtins
import json
import signal
from collections.abc import Iterator, Sequence

from heedful.evidence.sandbox.plain import MODULE, failure, line_of, packed, unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:  # what a process imports is what it costs to start
    from typing import Any, BinaryIO

LONGEST_ANSWER = 4_000_000  # bytes


class EndedError(BaseException):
    """The program is gone, or answers nonsense. No Exception, so that tests which catch any do not catch it."""


class ProgramError(Exception):
    """What the program raised, where it is no exception that Python has."""


class TimedOutError(BaseException):
    """The time of a test is over. No Exception, so that tests which catch any do not catch it."""


class Link:
    """Asks the program."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self.requests, self.answers = requests, answers

    def load(self, source: str, names: Sequence[str]) -> dict[str, Any]:
        """The program, run anew, and those of `names` that it defines: no others, whatever it answers."""
        held = self.read(self.asked({"source": source, "names": names}))
        return {MODULE: Remote(self, 0), **{name: held[name] for name in names if name in held}}

    def operate(self, operation: str, *values: Any, **named: Any) -> Any:
        sent = {name: packed(own, _numbered) for name, own in named.items()}
        request = {"operation": operation, "values": [packed(own, _numbered) for own in values], "named": sent}
        found, after = self.read(self.asked(request))
        for own, new in zip(values, after, strict=True):
            _refresh(own, new)
        return found

    def asked(self, request: dict[str, Any]) -> Any:
        """The packed value that the program gives. Raises what it raises."""
        try:
            self.requests.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError as error:
            raise EndedError("the program ended") from error
        reply = self.reply()
        if "raised" in reply:
            raise _raised(*reply["raised"])
        return reply.get("value")

    def reply(self) -> dict[str, Any]:
        line = self.answers.readline(LONGEST_ANSWER + 1)
        if not line:
            raise EndedError("the program ended")
        if len(line) > LONGEST_ANSWER:
            raise EndedError(f"an answer of more than {LONGEST_ANSWER:,} bytes")
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise EndedError("its answer cannot be read") from error
        if not isinstance(reply, dict):
            raise EndedError("its answer cannot be read")
        return reply

    def read(self, value: Any) -> Any:
        try:
            return unpacked(value, lambda number: Remote(self, number))
        except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
            raise EndedError("its answer cannot be read") from error


class Remote:
    """An object of the program. It can be called, read, indexed and gone through; it equals nothing but itself."""

    __slots__ = ("_link", "_number")

    def __init__(self, link: Link, number: int) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)

    def __call__(self, *values: Any, **named: Any) -> Any:
        return self._link.operate("call", self, *values, **named)

    def __getattr__(self, name: str) -> Any:
        return self._link.operate("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.operate("setattr", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._link.operate("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._link.operate("setitem", self, key, value)

    def __contains__(self, value: Any) -> bool:
        return self._link.operate("contains", self, value) is True

    def __bool__(self) -> bool:
        return self._link.operate("bool", self) is True

    def __len__(self) -> int:
        return int(self._link.operate("len", self))

    def __iter__(self) -> Iterator[Any]:
        found: Iterator[Any] = self._link.operate("iter", self)
        return found

    def __next__(self) -> Any:
        return self._link.operate("next", self)

    def __str__(self) -> str:
        return str(self._link.operate("str", self))

    def __repr__(self) -> str:
        return str(self._link.operate("repr", self))


def run_tests(link: Link, source: str, tests: Sequence[Sequence[Any]], seconds: float, results: BinaryIO) -> None:
    """One line of JSON for each test, as long as the program can be asked."""
    signal.signal(signal.SIGALRM, _time_is_over)
    link.reply()
    for text, names in tests:
        kind, message = _run_test(link, source, text, names, seconds)
        results.write(json.dumps([kind, message]).encode() + b"\n")
        if kind in ("timed out", "ended"):
            return


def _run_test(link: Link, source: str, text: str, names: Sequence[str], seconds: float) -> tuple[str, str]:
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        exec(compile(text, "<test>", "exec", dont_inherit=True), {"__name__": "test", **link.load(source, names)})
    except TimedOutError:
        return "timed out", f"after {seconds:g} s"
    except EndedError as error:
        return "ended", str(error)
    except BaseException as error:
        return _failure(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "passed", ""


def _failure(error: BaseException) -> tuple[str, str]:
    told = getattr(error, "of_program", None)
    name, message, line = told or (type(error).__name__, str(error), None)
    place = f", line {line} of the program" if line else "" if told else f", line {line_of(error, 'test')} of the test"
    return failure(name, message, place)


def _raised(name: Any, message: Any, line: Any) -> Exception:
    """What the program raised, as an exception of Python's own where it has one of this name."""
    kind = getattr(builtins, str(name), None)
    own = isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError)
    error: Exception = kind(str(message)) if own else ProgramError(f"{name}: {message}")  # type: ignore[misc]
    error.of_program = (str(name), str(message), line if isinstance(line, int) else None)  # type: ignore[attr-defined]
    return error


def _refresh(own: Any, after: Any) -> None:
    """Lists, dictionaries and sets passed to the program become what it made of them."""
    if isinstance(own, list) and isinstance(after, list):
        own[:] = after
    elif isinstance(own, dict | set) and isinstance(after, type(own)):
        own.clear()
        own.update(after)


def _numbered(value: Any) -> int:
    if isinstance(value, Remote):
        return int(object.__getattribute__(value, "_number"))
    raise TypeError(f"a {type(value).__name__} cannot be passed to the program, only plain values and its own objects")


def _time_is_over(*_: Any) -> None:
    raise TimedOutError
