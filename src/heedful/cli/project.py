"""The project file: a TOML table a command, whose keys are the command's flags."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heedful.core import UsageError

PROJECT_FILE = "heedful.toml"
_FIX = 'a table for each command, with its flags as keys: [run] feedback = ["votes.csv"], out = "report", seed = 1'


def defaults(path: str | None, commands: Mapping[str, Sequence[Any]]) -> dict[str, Any] | None:
    """Defaults by command from the project file; None where there is none.

    `commands` maps each command to its parameters, which have a `name` and `opts`. Keys are written as the flags are
    (`input-format` or `format`). Raises UsageError naming the key where the file says something no flag says.
    """
    file = Path(path or PROJECT_FILE)
    if not file.is_file():
        if path is None:
            return None
        raise UsageError("there is no such project file", where=path)
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a TOML file ({error})", where=str(file), fix=_FIX) from error
    return {command: _flags(file, command, table, commands) for command, table in content.items()}


def _flags(file: Path, command: str, table: Any, commands: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    if command not in commands or not isinstance(table, dict):
        raise UsageError(f"[{command}] is no command; there are {', '.join(commands)}", where=str(file), fix=_FIX)
    names = {spelling: param.name for param in commands[command] for spelling in _spellings(param)}
    unknown = [key for key in table if key not in names]
    if unknown:
        known = ", ".join(sorted(names))
        raise UsageError(f"[{command}] {unknown[0]} is no flag of this command; there are {known}", where=str(file))
    several = (own for own in commands[command] if getattr(own, "nargs", 1) == -1 or getattr(own, "multiple", False))
    lists = {param.name for param in several}
    return {names[key]: _typed(file, command, key, value, names[key] in lists) for key, value in table.items()}


def _typed(file: Path, command: str, key: str, value: Any, several: bool) -> Any:
    """A value as the flag takes it: a lone file among several is a list of one."""
    if several:
        value = [value] if isinstance(value, str) else value
        right = isinstance(value, list) and all(isinstance(one, str) for one in value)
    else:
        right = isinstance(value, str | int | float | bool)
    if not right:
        wanted = "a text or a list of texts" if several else "a text, a number, true or false"
        raise UsageError(f"[{command}] {key} is {wanted}, not {value!r}", where=str(file), fix=_FIX)
    return value


def _spellings(param: Any) -> set[str]:
    """The flags as they are written; an argument by its name."""
    return {option.lstrip("-") for option in param.opts if option.startswith("--")} or {param.name}
