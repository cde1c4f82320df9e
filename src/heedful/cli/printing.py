"""Results on stdout: JSON for programs, plain text for people."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from heedful.cli import text


def printed(as_json: bool, result: Any, human: Callable[[], str]) -> None:
    """Write the result, bare of control characters where it is for people."""
    if as_json:
        from heedful.report import to_json

        sys.stdout.buffer.write(to_json(result).encode())
    else:
        sys.stdout.buffer.write(text.plain(human()).encode(sys.stdout.encoding or "utf-8", "replace") + b"\n")
    sys.stdout.flush()
