"""Criteria as data: what to judge by, on which scale, with what weight."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from heedful.core import InputError

_FIX = (
    'TOML such as [[criterion]] name = "clear", description = "...", scale = [1, 5], anchors = {1 = "...", 5 = "..."}'
)
_MOST_LEVELS = 101


@dataclass(frozen=True)
class Criterion:
    """One thing to judge by.

    scale    its lowest and highest level; every whole number between them is one
    anchors  what levels mean, by level, for as many as one likes
    weight   what it counts in a weighted sum of scores

    Raises InputError naming the criterion where one of these cannot be.
    """

    name: str
    description: str
    scale: tuple[int, int] = (1, 5)
    anchors: Mapping[int, str] = field(default_factory=dict)
    weight: float = 1.0

    def __post_init__(self) -> None:
        where = f"criterion {self.name!r}"
        if not self.name.strip() or not self.description.strip():
            raise InputError("a criterion has a name and a description", where=where, fix="say what is to be judged")
        low, high = self.scale
        if not low < high < low + _MOST_LEVELS:
            what = f"a scale rises by whole numbers, in at most {_MOST_LEVELS} levels, not {low} to {high}"
            raise InputError(what, where=where, fix="scale = [1, 5]")
        if outside := [level for level in self.anchors if level not in self.levels]:
            raise InputError(f"the anchor {outside[0]} is no level from {low} to {high}", where=where)
        if not math.isfinite(self.weight):
            raise InputError(f"a weight is a finite number, not {self.weight}", where=where)

    @property
    def levels(self) -> range:
        return range(self.scale[0], self.scale[1] + 1)

    def told(self) -> str:
        """The criterion and its scale in words, as a judge reads them."""
        anchors = [f"  {level}: {self.anchors[level]}" for level in sorted(self.anchors)]
        head = f"{self.name} ({self.scale[0]} to {self.scale[1]}, more is better): {self.description}"
        return "\n".join([head, *anchors])


OVERALL = Criterion("overall", "Which answer would the one who asked rather have?")


def read_criteria(path: str | Path) -> tuple[Criterion, ...]:
    """The criteria of a TOML or JSON file: tables [[criterion]], or a list of objects (also under "criterion").

    Raises InputError naming the file, and the criterion where it is one.
    """
    try:
        text = Path(path).read_text("utf-8")
        content = json.loads(text) if str(path).endswith(".json") else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"no criteria can be read ({error})", where=str(path), fix=_FIX) from error
    rows = content.get("criterion") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise InputError("there are no criteria in it", where=str(path), fix=_FIX)
    return checked_criteria([_criterion(row, place, str(path)) for place, row in enumerate(rows, 1)], str(path))


def checked_criteria(criteria: Sequence[Criterion], where: str) -> tuple[Criterion, ...]:
    """The criteria. Raises InputError where there are none, or two share a name."""
    names = [own.name for own in criteria]
    if not names:
        raise InputError("at least one criterion is needed", where=where)
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"there are two criteria {twice[0]!r}", where=where, fix="name each apart")
    return tuple(criteria)


def _criterion(row: Any, place: int, path: str) -> Criterion:
    name = row.get("name") if isinstance(row, dict) else None
    where = f"{path}, criterion {name!r}" if isinstance(name, str) else f"{path}, criterion {place}"
    if not isinstance(name, str) or not isinstance(row.get("description"), str):
        raise InputError("a criterion has a name and a description, both texts", where=where, fix=_FIX)
    known = {own.name for own in fields(Criterion)}
    if unknown := sorted(row.keys() - known):
        raise InputError(f"{unknown[0]!r} is no field of a criterion", where=where, fix=f"one of {', '.join(known)}")
    try:
        return Criterion(**{key: _FIELDS.get(key, lambda value: value)(value) for key, value in row.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"a field of it cannot be read ({error})", where=where, fix=_FIX) from error
    except InputError as error:
        raise InputError(error.what, where=where, fix=error.fix) from error


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError(f"{value!r} is no whole number")
    return int(value)


def _scale(value: Any) -> tuple[int, int]:
    low, high = map(_whole, value)
    return low, high


_FIELDS: Mapping[str, Any] = {
    "scale": _scale,
    "anchors": lambda value: {_whole(level): str(words) for level, words in value.items()},
    "weight": float,
}
