"""Feedback tables as rows of the database, and back."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from heedful.core import UsageError
from heedful.feedback.store.schema import records
from heedful.feedback.table import PROVENANCE, SCHEMA, Table

Row = dict[str, Any]
LISTS = tuple(name for name, dtype in SCHEMA.items() if isinstance(dtype, pl.List))
CONTENT_COLUMNS = tuple(records.c[name] for name in SCHEMA)
_UTC = dt.UTC
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=_UTC)


def rows_of(table: Table) -> list[Row]:
    """The rows of a table, each with the columns that the table has."""
    names = table.frame.columns
    columns = [_stored(series) for series in table.frame]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def table_of(rows: Sequence[sa.Row[Any]]) -> Table:
    """The inverse of `rows_of`, for rows that begin with `CONTENT_COLUMNS`."""
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    return Table.shaped(pl.DataFrame([_restored(name, values) for name, values in zip(SCHEMA, columns, strict=False)]))


def _stored(series: pl.Series) -> list[Any]:
    if isinstance(series.dtype, pl.List):
        return [None if value is None else json.dumps(value, ensure_ascii=False) for value in series.to_list()]
    if isinstance(series.dtype, pl.Datetime):
        series = series.dt.timestamp("us")
    return series.to_list()


def _restored(name: str, values: Sequence[Any]) -> pl.Series:
    dtype = SCHEMA[name]
    if name in LISTS:
        return pl.Series(name, values, dtype=pl.String).str.json_decode(dtype)
    if isinstance(dtype, pl.Datetime):
        return pl.Series(name, values, dtype=pl.Int64).cast(dtype)
    return pl.Series(name, values, dtype=dtype)


def differing(row: Row, stored: Row) -> list[str]:
    """The columns in which two records differ, their ids and where they came from aside.

    A comparison whose order of display is unknown is the same with its candidates swapped: readers swap half of them.
    """
    names = _unequal(row, stored)
    if names and row["kind"] == "comparison" and row.get("shown") is None and not _unequal(_mirrored(row), stored):
        return []
    return names


def _unequal(row: Row, stored: Row) -> list[str]:
    compared = (name for name in SCHEMA if name not in ("id", *PROVENANCE))
    return [name for name in compared if not _equal(row.get(name), stored[name])]


def _equal(a: Any, b: Any) -> bool:
    """Equality; numbers may differ in the last digits, as 1 - (1 - share) does from share."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=0, abs_tol=1e-15)
    return bool(a == b)


def _mirrored(row: Row) -> Row:
    """A comparison with its candidates swapped."""
    swapped: Row = {
        name: json.dumps(json.loads(row[name])[::-1], ensure_ascii=False) for name in ("outputs", "systems")
    }
    swapped["choice"] = {"first": "second", "second": "first"}.get(row["choice"], row["choice"])
    swapped["share"] = None if row.get("share") is None else 1.0 - row["share"]
    return row | swapped


def named(table: Table, digest: str) -> Table:
    """The table with an id for every record: where none was given, a hash of source digest and ordinal."""
    if not table.frame["id"].null_count():
        return table
    ids = [given or hashed(f"{digest}:{n}") for n, given in enumerate(table.frame["id"])]
    return Table(table.frame.with_columns(pl.Series("id", ids, dtype=pl.String)))


def digest_of(table: Table) -> str:
    """A digest of all rows, for a table that comes from no file."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows_of(table):
        digest.update(json.dumps(row, sort_keys=True).encode("utf-8"))
    return digest.hexdigest()


def hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def faults(table: Table, *, allow_nul: bool) -> pl.Series:
    """Per row: what about it no database could give back unchanged, or null."""
    checks = [
        pl.when(~pl.col(name).is_finite()).then(pl.lit(f"{name} is not a finite number"))
        for name in table.frame.columns
        if SCHEMA[name] == pl.Float64
    ]
    if "steps" in table.frame.columns:
        infinite = pl.col("steps").list.eval(~pl.element().is_finite()).list.any()
        checks.append(pl.when(infinite).then(pl.lit("steps holds a number that is not finite")))
    if not allow_nul:
        texts = [name for name in table.frame.columns if SCHEMA[name] == pl.String]
        checks.extend(
            pl.when(pl.col(name).str.contains("\x00", literal=True)).then(
                pl.lit(f"{name} holds the character U+0000, which PostgreSQL cannot store")
            )
            for name in texts
        )
    nothing = pl.lit(None, pl.String)
    return table.frame.select(fault=pl.coalesce(*checks, nothing) if checks else nothing.first()).to_series()


def matching(where: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Conditions on columns of the feedback table: a value, several values (any of them), or None (absent).

    Raises UsageError for a column that there is not, or a kind or choice that there is not.
    """
    return [_condition(name, wanted) for name, wanted in where.items()]


def _condition(name: str, wanted: Any) -> sa.ColumnElement[bool]:
    if name not in SCHEMA or name in LISTS:
        known = ", ".join(column for column in SCHEMA if column not in LISTS)
        raise UsageError(f"records cannot be chosen by {name!r}", where="where", fix=f"choose by one of {known}")
    if wanted is None:
        return records.c[name].is_(None)
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    values = [_comparable(name, value) for value in (wanted if several else [wanted])]
    return records.c[name].in_(values) if several else records.c[name] == values[0]


def _comparable(name: str, value: Any) -> Any:
    dtype = SCHEMA[name]
    if isinstance(dtype, pl.Enum) and value not in dtype.categories:
        raise UsageError(
            f"there is no {name} {value!r}", where="where", fix=f"one of {', '.join(dtype.categories.to_list())}"
        )
    return microseconds(value) if isinstance(value, dt.datetime) else value


def microseconds(time: dt.datetime) -> int:
    """Microseconds since 1970; times without a zone are in UTC."""
    aware = time.replace(tzinfo=_UTC) if time.tzinfo is None else time
    return (aware - _EPOCH) // dt.timedelta(microseconds=1)


def moment(stored: int) -> dt.datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + dt.timedelta(microseconds=stored)


def now() -> int:
    return microseconds(dt.datetime.now(_UTC))
