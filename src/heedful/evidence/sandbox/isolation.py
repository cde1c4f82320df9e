"""Whether processes can be sealed here: tried once, by one that does its worst."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO, Any

from heedful.core import HeedfulError

OUTPUT = 1_000_000
"""The most bytes that a program can print."""
START_SECONDS = 20.0
"""How long a process may take to start, on a busy machine."""
# Under these names, but without the packages above them, which would cost more than the program.
_LOAD = """
import sys, types
for name in ("heedful", "heedful.evidence", "heedful.evidence.sandbox"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[name].__path__ = [sys.argv.pop(1)]
from heedful.evidence.sandbox.cell import main
main(*sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, of a test or of a process, megabytes of address space, and whether the process is sealed."""

    seconds: float
    memory_mb: int
    sealed: bool = True

    def longer(self, seconds: float) -> Limits:
        return replace(self, seconds=self.seconds + seconds)


class IsolationError(HeedfulError):
    """Programs cannot be run apart from everything else on this machine."""


def cell(
    role: str,
    *more: object,
    limits: Limits,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """A process in a role of `cell.py`, without environment, in a session of its own."""
    given = "sealed" if limits.sealed else "open", int(limits.seconds) + 1, limits.memory_mb * 2**20, OUTPUT
    return subprocess.Popen(
        [sys.executable, "-P", "-s", "-S", "-c", _LOAD, str(Path(__file__).parent), role, *map(str, (*given, *more))],
        env={"PYTHONHASHSEED": "0"},
        cwd="/",
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


@cache
def why_not(sealed: bool = True) -> str:
    """Why programs cannot be isolated here, "" where they can: a sealed process tries what it must not do."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        secret = Path(folder) / "secret"
        secret.touch()
        asked = secret, server.getsockname()[1], os.getpid()
        with cell("probe", *asked, limits=Limits(START_SECONDS, 256, sealed), stderr=subprocess.PIPE) as process:
            try:
                told, error = process.communicate(timeout=START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return "the sealed process did not answer"
        if process.returncode:
            return error.decode("utf-8", "replace").strip() or f"a sealed process ends with {process.returncode}"
        done = [attempt for attempt, outcome in json.loads(told).items() if outcome == "done"]
    return f"a sealed process can still {', '.join(done)}" if done else ""


def require(limits: Limits) -> None:
    """Raises IsolationError where programs cannot be kept within `limits` here."""
    if sys.platform != "linux":
        what = f"limits and seals are what Linux offers, not {sys.platform}"
        raise IsolationError(what, where="UnitTests", fix="run tests of programs on Linux")
    if limits.sealed and (reason := why_not()):
        fix = "run on Linux 6.2 or later, or accept that programs can do whatever you can: unsafe=True (--unsafe)"
        raise IsolationError(f"programs cannot be isolated here: {reason}", where="UnitTests", fix=fix)
