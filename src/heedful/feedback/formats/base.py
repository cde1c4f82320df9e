"""What a format is: how to tell it, and how one row of it becomes judgements."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

Row = Mapping[str, Any]
LINE = "\x00line"  # the column of a frame of rows that counts them; named so that no source has a column like it


@dataclass(frozen=True)
class Problem:
    """A judgement that cannot be accepted, and why, in words for the person who has the data."""

    reason: str


Judgement = dict[str, Any] | Problem
Framed = tuple["pl.DataFrame", "pl.DataFrame"]
Rowed = tuple["pl.DataFrame", "list[int]"]


@dataclass(frozen=True)
class Format:
    """One format of feedback.

    `name` is what users write and what reports say; `about` one line: what it is, and its public source.
    `matches(row)`: does this row (the first of a file, with the types its file gives) look like this format?
    `parse(row)`: one source row as judgements, each a dict for `Record.model_validate` (with the alias "schema") or a
    Problem. A row without any judgement gives nothing. Values of CSV rows are texts; empty ones are "".
    A comparison whose order of display is unknown may name the preferred candidate first: the reader permutes it.
    `frame(rows)`: the same for many rows at once, where speed matters. Rows, as read, with a column `LINE`, become the
    columns of `heedful.feedback.table.SCHEMA` (one judgement per row, with its `LINE`), and those rows that are not
    plainly sound: the reader gives these to `parse`, so that both paths accept and reject alike.
    `rows(rows)`: the same for rows that come as dicts. Their places in the sequence, from 0, stand for lines: in the
    column `LINE`, and in the list of those that are left.
    """

    name: str
    about: str
    matches: Callable[[Row], bool]
    parse: Callable[[Row], Iterable[Judgement]]
    frame: Callable[[pl.DataFrame], Framed] | None = None
    rows: Callable[[Sequence[Row]], Rowed] | None = None


def well_formed(value: Any) -> None:
    """Raises ValueError where a text within `value` holds a lone surrogate, which no UTF-8 can carry."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise ValueError(f"text with a lone surrogate (\\u{code:04x}), which is no Unicode") from None


def missing(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN or blank text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def name_of(value: Any) -> str | None:
    """A cell that names something (a model, a rater, a prompt): as text, 8, 8.0 and "8" are one name. None: none."""
    if missing(value) or isinstance(value, bool | list | dict):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number_of(value: Any) -> float | None:
    """A cell as a number, finite or not; None where it is missing or is none."""
    if missing(value) or isinstance(value, list | dict):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def text_of(value: Any) -> Any:
    """A cell that holds a text, which JSON may give as a number or true; NaN as None, other values as they are."""
    if isinstance(value, bool | int | float):
        return None if missing(value) else json.dumps(value)
    return value


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "yes": True, "no": False}


def boolean_of(value: Any) -> bool | None:
    """A cell as true or false: booleans, 0 and 1, and their usual spellings; None otherwise."""
    return _BOOLEANS.get(str(value).strip().lower())


def extra_of(row: Row, used: Collection[str]) -> dict[str, Any]:
    """The cells of a row that no field of the record holds, less the empty ones."""
    return {name: value for name, value in row.items() if name not in used and not missing(value)}


def reference(name: str, value: str) -> list[dict[str, Any]]:
    """A context known only by its identifier, for example prompt 8: a part that refers to a text not at hand."""
    return [{"by": "world", "uri": f"{name}:{value}"}]
