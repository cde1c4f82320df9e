"""One program against tests, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Literal

from heedful.evidence.sandbox.isolation import START_SECONDS, IsolationError, Limits, cell
from heedful.evidence.sandbox.plain import CANNOT_SEAL, failure

Kind = Literal["passed", "failed", "timed out", "out of memory", "refused"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one test, and why, in words."""

    kind: Kind
    message: str = ""


def run_asserts(source: str, tests: Sequence[tuple[str, Sequence[str]]], limits: Limits) -> list[Ran]:
    """Each test (its text, and the names it may take from the program) on the program, loaded anew for each.

    What follows a test that ended the program, or its time, runs with new processes.
    """
    found: list[Ran] = []
    while len(found) < len(tests):
        found += _asked(source, tests[len(found) :], limits)
    return found


def _asked(source: str, tests: Sequence[tuple[str, Sequence[str]]], limits: Limits) -> list[Ran]:
    """The outcomes of the first tests, one at least."""
    whole = limits.longer(START_SECONDS + limits.seconds * len(tests))
    (asked, ask), (answer, answered) = os.pipe(), os.pipe()
    program = cell("program", limits=whole, stdin=asked, stdout=answered)
    judge = cell("tests", ask, answer, limits=whole, stdin=subprocess.PIPE, pass_fds=(ask, answer))
    for end in (asked, ask, answer, answered):
        os.close(end)
    job = {"source": source, "tests": list(tests), "seconds": limits.seconds}
    try:
        told, _ = judge.communicate(json.dumps(job).encode(), timeout=whole.seconds)
    except subprocess.TimeoutExpired:
        judge.kill()
        told, _ = judge.communicate()
    finally:
        status = _ended(program)
    if judge.returncode == CANNOT_SEAL:
        raise IsolationError("a process could not be sealed", where="UnitTests", fix="run on Linux 6.2 or later")
    lines = told.split(b"\n")[:-1]  # each ends with a line feed, but for one cut short
    found = [_ran(*json.loads(line), status=status) for line in lines]
    return found or [Ran("timed out", "the test itself did not end")]


def _ran(kind: str, message: str, *, status: int) -> Ran:
    if kind != "ended":
        return Ran(kind, message)  # type: ignore[arg-type]
    return Ran("timed out", "") if status == -signal.SIGXCPU else Ran("failed", f"{message} ({_status(status)})")


def run_script(source: str, given: str, limits: Limits) -> tuple[Ran, str]:
    """A program as the main module on its input: whether it ended well, and what it printed."""
    written = source.encode()
    sent = len(written).to_bytes(8, "big") + written + given.encode()
    whole = limits.longer(START_SECONDS)
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        process = cell("script", limits.seconds, limits=whole, stdin=subprocess.PIPE, stdout=printed, stderr=errors)
        try:
            process.communicate(sent, timeout=whole.seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            status = _ended(process)
        return _script_ran(status, _text(errors), limits), _text(printed)


def _script_ran(status: int, errors: str, limits: Limits) -> Ran:
    if status == 0:
        return Ran("passed")
    if status in (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL):
        return Ran("timed out", f"after {limits.seconds:g} s")
    try:  # the program may have written this itself
        name, message, line = json.loads(errors.rsplit("\n", 1)[-1])
    except (ValueError, TypeError, RecursionError):
        return Ran("failed", _status(status))
    place = f", line {line} of the program" if line and isinstance(line, int) else ""
    return Ran(*failure(str(name), str(message), place))  # type: ignore[arg-type]


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Kill what may still run of a process and its group; its status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.05 if process.poll() is None else 0)
    if process.stdin:
        process.stdin.close()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    known = -status in {own.value for own in signal.Signals}
    return f"signal {signal.Signals(-status).name if known else -status}"


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
