"""Feedback in bulk: one row per record, one typed column per field (schema version 1)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from heedful.core import InputError
from heedful.feedback.record import (
    CHOICES,
    KINDS,
    RATER_KINDS,
    Address,
    Candidate,
    Rater,
    Record,
    Value,
    decode_content,
    encode_content,
)

SCHEMA: dict[str, Any] = {
    "id": pl.String,
    "kind": pl.Enum(KINDS),
    "context": pl.String,  # encoded content: plain text, or marked parts
    "outputs": pl.List(pl.String),  # encoded content per candidate; null where only the system is known
    "systems": pl.List(pl.String),
    "shown": pl.Boolean,  # True: candidates stand in the order the rater saw; null: unknown
    "address": pl.String,  # JSON; null is the whole output
    "criterion": pl.String,
    "choice": pl.Enum(CHOICES),
    "degree": pl.Float64,
    "share": pl.Float64,
    "ranks": pl.List(pl.Int32),
    "best": pl.Int32,
    "worst": pl.Int32,
    "rating": pl.Float64,
    "scale_low": pl.Float64,
    "scale_high": pl.Float64,
    "step": pl.Float64,
    "label": pl.Boolean,
    "steps": pl.List(pl.Float64),
    "text": pl.String,
    "signal": pl.String,
    "amount": pl.Float64,
    "rater": pl.String,
    "rater_kind": pl.Enum(RATER_KINDS),
    "protocol": pl.String,
    "propensity": pl.Float64,
    "position": pl.Int32,
    "policy": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "seconds": pl.Float64,
    "licence": pl.String,
    "consent": pl.Boolean,
    "personal": pl.Boolean,
    "extra": pl.String,  # JSON of fields the schema has no place for
    "source": pl.String,  # file and line the record came from; not part of the record
    "line": pl.Int64,
}
PROVENANCE = ("source", "line")
_ALWAYS = ("id", "kind", "outputs", "systems", "criterion")
_VALUE_COLUMNS = (
    "choice", "degree", "share", "ranks", "best", "worst", "rating", "step", "label", "steps", "text", "signal",
    "amount",
)  # fmt: skip
_WHOLE = Address()
_PLAIN_COLUMNS = ("protocol", "propensity", "position", "policy", "time", "seconds", "licence", "consent", "personal")


@dataclass(frozen=True)
class Table:
    """Feedback records as a polars frame. Columns that would be wholly null may be absent; `column` fills them in.

    `frame` has columns of `SCHEMA`, of its types, in its order; `outputs` and `systems` of a row have equal lengths.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        unknown = [name for name in self.frame.columns if name not in SCHEMA]
        missing = [name for name in _ALWAYS if name not in self.frame.columns]
        wrong = [n for n in self.frame.columns if n in SCHEMA and self.frame.schema[n] != SCHEMA[n]]
        if unknown or missing or wrong:
            raise InputError(
                f"this is not a feedback table (unknown columns {unknown}, missing {missing}, of another type {wrong})",
                fix="make tables with heedful.read, Table.of or Table.shaped",
            )

    @classmethod
    def shaped(cls, frame: pl.DataFrame) -> Table:
        """A frame with columns of `SCHEMA` in any order and castable types; missing ones are null, null ones dropped.

        `criterion` defaults to "overall"; `outputs` or `systems` to nulls of the other's length.
        """
        frame = frame.with_columns(pl.col(name).cast(SCHEMA[name]) for name in frame.columns if name in SCHEMA)
        frame = _with_candidates(frame)
        if "criterion" not in frame.columns:
            frame = frame.with_columns(criterion=pl.lit("overall", pl.String))
        kept = [n for n in SCHEMA if n in frame.columns and (n in _ALWAYS or frame[n].null_count() < frame.height)]
        other = [n for n in frame.columns if n not in SCHEMA]
        return cls(frame.select(kept + other))

    @classmethod
    def of(cls, records: Iterable[Record], *, source: str = "records", first_line: int = 1) -> Table:
        """A table of records; those without an id are named by `source` and their ordinal."""
        listed = list(records)
        columns = _columns(listed)
        columns["id"] = [record.id or f"{source}-{line}" for line, record in enumerate(listed, first_line)]
        columns["source"] = [source] * len(listed)
        columns["line"] = list(range(first_line, first_line + len(listed)))
        return cls.shaped(pl.DataFrame([_series(name, columns[name]) for name in SCHEMA if name in columns]))

    @classmethod
    def concat(cls, tables: Sequence[Table]) -> Table:
        """The rows of all tables, in order."""
        if not tables:
            return cls.of(())
        frames = [table.frame for table in tables if len(table)] or [tables[0].frame]
        return cls.shaped(pl.concat(frames, how="diagonal", rechunk=True))

    def __len__(self) -> int:
        return self.frame.height

    def column(self, name: str) -> pl.Series:
        """A column of the schema, all null where the table has none."""
        if name in self.frame.columns:
            return self.frame[name]
        return pl.Series(name, [None], dtype=SCHEMA[name]).extend_constant(None, max(len(self) - 1, 0)).head(len(self))

    def has(self, name: str) -> bool:
        """Whether any record has a value in this column."""
        return name in self.frame.columns and self.frame[name].null_count() < len(self)

    def where(self, mask: pl.Expr | pl.Series) -> Table:
        """The rows where `mask` holds."""
        return Table.shaped(self.frame.filter(mask))

    def take(self, rows: Any) -> Table:
        """The rows with these numbers, in this order."""
        return Table.shaped(self.frame[rows])

    def records(self) -> Iterator[Record]:
        """Each row as a record."""
        for row in self.frame.iter_rows(named=True):
            yield _record(row)


@dataclass(frozen=True)
class Reject:
    """A judgement that could not be accepted: where it stands, why, and its text as read (None: too large to hold)."""

    source: str
    line: int
    reason: str
    raw: str | None = None


@dataclass(frozen=True)
class Source:
    """One input and how it was read."""

    path: str
    format: str
    digest: str
    read: int
    accepted: int


@dataclass(frozen=True)
class Feedback:
    """What reading gave: the table, every reject, and an account of each source. Totals always add up."""

    table: Table
    rejects: tuple[Reject, ...] = ()
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def read(self) -> int:
        return len(self.table) + len(self.rejects)


def _with_candidates(frame: pl.DataFrame) -> pl.DataFrame:
    for absent, present in (("outputs", "systems"), ("systems", "outputs")):
        if absent not in frame.columns and present in frame.columns:
            nulls = pl.lit(None, pl.String).repeat_by(pl.col(present).list.len())
            frame = frame.with_columns(nulls.cast(SCHEMA[absent]).alias(absent))
    return frame


def _columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Records as columns of the schema, less id, source and line, and less those that are wholly null."""
    values, raters = [record.value for record in records], [record.rater for record in records]
    columns = {name: [getattr(value, name) for value in values] for name in _VALUE_COLUMNS}
    columns |= {name: [getattr(record, name) for record in records] for name in ("kind", "criterion", *_PLAIN_COLUMNS)}
    columns |= {
        "context": [encode_content(record.context, "world") for record in records],
        "outputs": [[encode_content(one.output, "system") for one in record.candidates] for record in records],
        "systems": [[one.system for one in record.candidates] for record in records],
        "shown": [True if record.order == "shown" else None for record in records],
        "address": [_address(record.address) for record in records],
        "scale_low": [value.scale[0] if value.scale else None for value in values],
        "scale_high": [value.scale[1] if value.scale else None for value in values],
        "rater": [rater.id if rater else None for rater in raters],
        "rater_kind": [rater.kind if rater else None for rater in raters],
        "extra": [json.dumps(one.extra, ensure_ascii=False) if one.extra else None for one in records],
    }
    return {
        name: column for name, column in columns.items() if name in _ALWAYS or any(one is not None for one in column)
    }


def _address(address: Address) -> str | None:
    return None if address is _WHOLE or address == _WHOLE else address.model_dump_json(exclude_none=True)


def _series(name: str, column: list[Any]) -> pl.Series:
    """A column of the schema. Lists of candidates go by way of one flat column: polars is slow list by list."""
    if name not in ("outputs", "systems") or not column:
        return pl.Series(name, column, dtype=SCHEMA[name])
    flat = pl.Series(name, [one for listed in column for one in listed], dtype=pl.String)
    row = pl.Series("row", np.repeat(np.arange(len(column)), [len(listed) for listed in column]))
    return pl.DataFrame([row, flat]).group_by("row", maintain_order=True).agg(name)[name]


def _record(row: dict[str, Any]) -> Record:
    """The inverse of `_columns`, less where it came from. Rows were validated when read: nothing is checked again."""
    get = row.get
    scale = (row["scale_low"], row["scale_high"]) if get("scale_low") is not None else None
    candidates = [
        Candidate(output=decode_content(output, "system"), system=system)
        for output, system in zip(row["outputs"], row["systems"], strict=True)
    ]
    return Record(
        schema=1,
        id=row["id"],
        kind=row["kind"],
        context=decode_content(get("context"), "world"),
        candidates=candidates,
        order="shown" if get("shown") else "unknown",
        address=Address.model_validate_json(row["address"]) if get("address") else Address(),
        criterion=row["criterion"],
        value=Value(scale=scale, **{name: get(name) for name in _VALUE_COLUMNS}),
        rater=Rater(id=row["rater"], kind=get("rater_kind") or "person") if get("rater") else None,
        extra=json.loads(row["extra"]) if get("extra") else {},
        **{name: get(name) for name in _PLAIN_COLUMNS},
    )
