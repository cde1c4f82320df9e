"""heedful's records in bulk: JSON objects as columns of a table, whose rules `native_frame` then checks."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import polars as pl

from heedful.core import Part, encode_parts
from heedful.core.items import Author, encode_text
from heedful.feedback.formats.base import LINE, Row
from heedful.feedback.formats.native_frame import frame
from heedful.feedback.record import Address, Candidate, Rater, Record, Value
from heedful.feedback.table import SCHEMA

_RECORD = frozenset(field.alias or name for name, field in Record.model_fields.items())
_VALUE, _CANDIDATE, _RATER = (frozenset(model.model_fields) for model in (Value, Candidate, Rater))
_AS_THEY_ARE = frozenset(
    ("id", "kind", "protocol", "propensity", "position", "policy", "seconds", "licence", "consent", "personal")
)
_LISTS = {"ranks", "steps"}
_WHOLE = {"kind": "whole"}
_SHOWN = {"shown": True, "unknown": None}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_TYPES = {name: pl.String if isinstance(dtype, pl.Enum) else dtype for name, dtype in SCHEMA.items()}


class _UnplainError(Exception):
    """A record needs a closer look; caught where it is left to be parsed."""


def rows(records: Sequence[Row]) -> tuple[pl.DataFrame, list[int]]:
    """As `Format.rows`."""
    made, places = [], []
    for place, record in enumerate(records):
        try:
            made.append(_columns(record))
            places.append(place)
        except (_UnplainError, AttributeError, LookupError, TypeError, ValueError):
            continue
    try:
        table = _table(made, places)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):  # a value of another type than its column's
        table = _table([], [])
    sound, _ = frame(table)
    taken = set(sound[LINE].to_list())
    return sound, [place for place in range(len(records)) if place not in taken]


def _table(made: list[dict[str, Any]], places: list[int]) -> pl.DataFrame:
    """The columns that any record has. Raises where a value is of another type than its column."""
    held = {"kind", "outputs", "systems"}.union(*made)
    columns = {name: _series(name, [one.get(name) for one in made]) for name in SCHEMA if name in held}
    return pl.DataFrame({LINE: pl.Series(places, dtype=pl.Int64), **columns})


def _series(name: str, values: list[Any]) -> pl.Series:
    if name in ("outputs", "systems") and values:
        # Lists of one length, which most are, go through one flat column: that is several times faster.
        lengths = set(map(len, values))
        if len(lengths) == 1 and (length := lengths.pop()):
            flat = pl.Series(list(chain.from_iterable(values)), dtype=pl.String, strict=True)
            return flat.reshape((len(values), length)).arr.to_list()
    return pl.Series(values, dtype=_TYPES[name], strict=True)


def _columns(record: Row) -> dict[str, Any]:
    """A record as columns. Raises where it is not plainly one: its keys and its nesting are checked, its values not."""
    get = record.get
    value, candidates, rater = get("value", {}), get("candidates"), get("rater")
    version = get("schema", 1)
    _plain(record, _RECORD)
    _plain(value, _VALUE)
    if not isinstance(candidates, list) or type(version) is not int or version != 1:
        raise _UnplainError
    columns: dict[str, Any] = {name: held for name, held in record.items() if name in _AS_THEY_ARE} | value
    scale = columns.pop("scale", None)
    if scale is not None:
        columns["scale_low"], columns["scale_high"] = map(_given, _list(scale))
    for name in _LISTS & columns.keys():
        _list(columns[name])
    for candidate in candidates:
        _plain(candidate, _CANDIDATE)
    columns["outputs"] = [_content(candidate.get("output"), "system") for candidate in candidates]
    columns["systems"] = [candidate.get("system") for candidate in candidates]
    columns["criterion"] = _given(get("criterion", "overall"))
    columns["shown"] = _SHOWN[get("order", "unknown")]
    if rater is not None:
        _plain(rater, _RATER)
        columns["rater"], columns["rater_kind"] = _given(rater["id"]), _given(rater.get("kind", "person"))
    columns.update((name, read(record[name])) for name, read in _READ.items() if name in record)
    return columns


def _plain(value: Any, names: frozenset[str]) -> None:
    if not isinstance(value, dict) or not value.keys() <= names:
        raise _UnplainError


def _list(value: Any) -> Any:
    if value is not None and not isinstance(value, list):
        raise _UnplainError
    return value


def _given(value: Any) -> Any:
    if value is None:
        raise _UnplainError
    return value


def _content(content: Any, by: Author) -> str | None:
    if content is None:
        return None
    if isinstance(content, str):
        return encode_text(content)
    if not all(isinstance(held, str) for part in _list(content) for held in part.values()):
        raise _UnplainError
    return encode_parts(tuple(Part(**part) for part in content), by)


def _time(time: Any) -> dt.datetime | None:
    if time is None:
        return None
    if not isinstance(time, str) or not _TIME.fullmatch(time):
        raise _UnplainError
    return dt.datetime.fromisoformat(time).astimezone(dt.UTC)


def _address(address: Any) -> str | None:
    if address == _WHOLE:
        return None
    checked = Address.model_validate(address)
    return None if checked == Address() else checked.model_dump_json(exclude_none=True)


def _extra(extra: Any) -> str | None:
    if not isinstance(extra, dict):
        raise _UnplainError
    return json.dumps(extra, ensure_ascii=False) if extra else None


_READ: dict[str, Callable[[Any], Any]] = {
    "context": lambda context: _content(context, "world"),
    "time": _time,
    "address": _address,
    "extra": _extra,
}
