"""Everything that was decided in a run of rewriting, line by line as it happens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from heedful.core import UsageError


class Audit:
    """Events in order, each a mapping with its `event`; with a path also lines of JSON in that file, each written
    before the next step is taken. A file that is there already is added to: nothing recorded is lost. `tell` is called
    with each event too."""

    def __init__(
        self, path: str | os.PathLike[str] | None = None, tell: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        self.tell = tell
        self.events: list[Mapping[str, Any]] = []
        self.path = None if path is None else Path(path)
        if self.path is not None and not self.path.parent.is_dir():
            raise UsageError("the folder of the audit log is not there", where=str(self.path), fix="make it first")

    def __call__(self, event: str, **told: Any) -> None:
        """Record an event; what is no JSON is recorded as its text, NaN and infinities as null."""
        line = {"event": event, **{name: _plain(value) for name, value in told.items()}}
        self.events.append(line)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if self.tell is not None:
            self.tell(line)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
