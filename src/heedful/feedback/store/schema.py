"""The tables of the newest schema version. `migrations` holds the steps that lead to it; a test compares the two."""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa

from heedful.feedback.table import SCHEMA

# SQLite numbers rows by itself only where the key is declared INTEGER.
_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _column_type(dtype: Any) -> sa.types.TypeEngine[Any]:
    """How a column of the feedback table is stored: lists as JSON text, times as microseconds since 1970 (UTC)."""
    if dtype == pl.Float64:
        return sa.Double()
    if dtype == pl.Boolean:
        return sa.Boolean()
    if dtype == pl.Int32:
        return sa.Integer()
    if dtype == pl.Int64 or isinstance(dtype, pl.Datetime):
        return sa.BigInteger()
    return sa.Text()


CONTENT = tuple(name for name in SCHEMA if name != "id")
_REQUIRED = ("kind", "outputs", "systems", "criterion")

metadata = sa.MetaData()

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("seq", _Key, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("read", sa.BigInteger, nullable=False),
    sa.Column("accepted", sa.BigInteger, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("stored_at", sa.BigInteger, nullable=False),
)

# `supersedes` is the seq of the version that a row replaces; `superseded_at` is set on the replaced row, and is all
# that ever changes in it.
records = sa.Table(
    "records",
    metadata,
    sa.Column("seq", _Key, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("source_seq", sa.BigInteger, sa.ForeignKey("sources.seq"), nullable=False),
    sa.Column("stored_at", sa.BigInteger, nullable=False),
    *(sa.Column(name, _column_type(SCHEMA[name]), nullable=name not in _REQUIRED) for name in CONTENT),
    sa.Column("supersedes", sa.BigInteger),
    sa.Column("superseded_at", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Index("records_supersedes", "supersedes", unique=True),
    sqlite_autoincrement=True,
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("rater_hash", sa.Text, primary_key=True),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("erased_at", sa.BigInteger, nullable=False),
)
