"""Who can be asked: raters with what a judgement of theirs costs, and how many they can give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heedful.core import InputError
from heedful.feedback.formats.base import missing, name_of, number_of
from heedful.feedback.formats.fields import whole
from heedful.feedback.source import rows_of

_FIX = "columns rater, cost (of one judgement, 1 where absent) and capacity (in judgements, no limit where empty)"


@dataclass(frozen=True)
class HiredRater:
    """A rater who can be asked: `cost` of one judgement, at most `capacity` judgements (None: any number)."""

    id: str
    cost: float = 1.0
    capacity: int | None = None


def read_raters(path: str) -> tuple[HiredRater, ...]:
    """One rater for each row of `path` (CSV, JSON Lines, JSON or Parquet): `rater`, `cost`, `capacity`.

    Raises InputError naming the line where a row names nobody, somebody twice, or a number that is none.
    """
    found: dict[str, HiredRater] = {}
    for line, row in rows_of(path):
        where = f"{path}, line {line}"
        rater = _rater(row, where)
        if rater.id in found:
            raise InputError(f"{rater.id!r} stands here a second time", where=where, fix="give each rater one line")
        found[rater.id] = rater
    if not found:
        raise InputError("no raters in it", where=path, fix=_FIX)
    return tuple(found.values())


def _rater(row: Mapping[str, Any], where: str) -> HiredRater:
    name = name_of(row.get("rater"))
    if name is None:
        raise InputError("this row names no rater", where=where, fix=_FIX)
    cost = 1.0 if missing(row.get("cost")) else number_of(row["cost"])
    if cost is None or not 0 <= cost < math.inf:
        raise InputError(f"a cost is a number from 0, not {row['cost']!r}", where=where, fix=_FIX)
    capacity = None if missing(row.get("capacity")) else whole(row["capacity"])
    if not missing(row.get("capacity")) and (capacity is None or capacity < 0):
        raise InputError(f"a capacity is a whole number from 0, not {row['capacity']!r}", where=where, fix=_FIX)
    return HiredRater(name, cost, capacity)
