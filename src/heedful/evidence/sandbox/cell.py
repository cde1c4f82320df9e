"""What runs in a sealed process: `main(ROLE, SEALED, SECONDS, MEMORY, OUTPUT, ...)`; numbers in seconds and bytes.

`program` holds a program under test, `tests` runs tests that ask it, `script` runs a program on its input, and `probe`
tries what a sealed process must not be able to do.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable

from heedful.evidence.sandbox.asked import Program, module
from heedful.evidence.sandbox.asking import Link, run_tests
from heedful.evidence.sandbox.plain import CANNOT_SEAL, MODULE, line_of
from heedful.evidence.sandbox.seal import CannotSealError, limit, seal

TYPE_CHECKING = False
if TYPE_CHECKING:  # what a process imports is what it costs to start
    from typing import Any


def main(role: str, sealed: str, seconds: str, memory: str, output: str, *more: str) -> None:
    """Take the role, its limits and, where asked to, the seal."""
    sys.set_int_max_str_digits(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        limit(int(seconds), int(memory), int(output))
        if sealed == "sealed":
            seal(sys.path)
    except (CannotSealError, OSError, ValueError) as error:
        os.write(2, str(error).encode())
        os._exit(CANNOT_SEAL)
    if role == "script":
        signal.setitimer(signal.ITIMER_REAL, float(more[0]))
        run_script()
    elif role == "probe":
        print(json.dumps(probe(more[0], int(more[1]), int(more[2]))))
    else:
        given, own = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(nowhere, 0), os.dup2(nowhere, 1)
        if role == "program":
            Program(own).serve(given)
        else:
            link = Link(os.fdopen(int(more[0]), "wb", buffering=0), os.fdopen(int(more[1]), "rb"))
            job = json.loads(given.read())
            run_tests(link, job["source"], job["tests"], job["seconds"], own)


def run_script() -> None:
    """The program, its length before it in 8 bytes, then its input, from standard input. Told on standard error: why
    it failed."""
    size = int.from_bytes(_exactly(8), "big")
    source = _exactly(size).decode()
    try:
        module(source, "__main__")
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        told = json.dumps([type(error).__name__, str(error), line_of(error, MODULE)])
        os.write(2, b"\n" + told.encode())
        os._exit(1)


def _exactly(size: int) -> bytes:
    found = b""
    while len(found) < size and (more := os.read(0, size - len(found))):
        found += more
    return found


def probe(secret: str, port: int, parent: int) -> dict[str, str]:
    """What came of each thing that must fail: the name of the error, or "done"."""
    import _socket
    import fcntl

    def connect() -> None:
        _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", port))

    attempts: dict[str, Callable[[], Any]] = {
        "read a file": lambda: os.open(secret, os.O_RDONLY),
        "write a file": lambda: os.open(secret, os.O_WRONLY),
        "make a file": lambda: os.open(secret + "x", os.O_WRONLY | os.O_CREAT),
        "change a file's mode": lambda: os.chmod(secret, 0o777),  # noqa: PTH101
        "delete a file": lambda: os.unlink(secret),  # noqa: PTH108
        "reach a server": connect,
        "start a process": _forked,
        "signal a process": lambda: os.kill(parent, 0),
        "have a process signalled": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, parent),
    }
    return {name: _outcome(attempt) for name, attempt in attempts.items()}


def _forked() -> None:
    if os.fork() == 0:
        os._exit(0)


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"
