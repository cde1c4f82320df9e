"""Corrections: a new record takes the place of an old one, which stays."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from heedful.core import UsageError
from heedful.feedback.record import Record
from heedful.feedback.store.engine import name_of, reading, writing
from heedful.feedback.store.ingestion import channel, count_in, new_id, put, refuse_unless_stored, single_row
from heedful.feedback.store.rows import CONTENT_COLUMNS, Row, differing, moment, now, table_of
from heedful.feedback.store.schema import records
from heedful.feedback.store.values import StoreError, Version

_ALL = (*CONTENT_COLUMNS, *(column for column in records.c if column.name not in {c.name for c in CONTENT_COLUMNS}))


def correct(engine: sa.Engine, key: bytes, record_id: str, record: Record, reason: str, source: str) -> str:
    """Store `record` in place of `record_id`; returns its id."""
    if not reason.strip():
        raise UsageError("a correction needs a reason", where="correct(reason=...)")
    given = record.id if record.id != record_id else None
    [row] = single_row(engine, record, given or new_id(), source)
    with writing(engine) as connection:
        old = _found(connection, records.c.id == record_id)
        if old is None:
            raise _unknown(engine, record_id)
        if old.superseded_at is not None:
            return _same_again(connection, old, row)
        _replace(connection, key, old.seq, row | {"supersedes": old.seq, "reason": reason}, source)
    return str(row["id"])


def _replace(connection: sa.Connection, key: bytes, old: int, row: Row, source: str) -> None:
    seq = channel(connection, source)
    receipt = put(connection, key, seq, [row])
    refuse_unless_stored(connection.engine, receipt)
    if not receipt.added:
        raise StoreError(
            f"id {row['id']!r} is taken by a record of the same content", fix="give the correction another id"
        )
    count_in(connection, seq, 1)
    connection.execute(sa.update(records).where(records.c.seq == old).values(superseded_at=now()))


def _same_again(connection: sa.Connection, old: Any, row: Row) -> str:
    """The id of the correction made before, where it is this very one: its caller may not have heard of the success."""
    successor = _found(connection, records.c.supersedes == old.seq)
    if successor is not None and not differing(row, successor._mapping):
        return str(successor.id)
    by = "a record that was erased since" if successor is None else f"record {successor.id!r}"
    fix = "add the record anew" if successor is None else f"correct {successor.id!r}"
    raise StoreError(f"record {old.id!r} was corrected before, by {by}", where=name_of(connection.engine), fix=fix)


def history(engine: sa.Engine, record_id: str) -> tuple[Version, ...]:
    """All versions of a record, oldest first, whichever of their ids is given."""
    c = records.c
    with reading(engine) as connection:
        row = _found(connection, c.id == record_id)
        if row is None:
            raise _unknown(engine, record_id)
        while row.supersedes is not None:
            row = _found(connection, c.seq == row.supersedes)
        chain = [row]
        while (row := _found(connection, c.supersedes == row.seq)) is not None:
            chain.append(row)
    return tuple(_version(row) for row in chain)


def _found(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Any:
    return connection.execute(sa.select(*_ALL).where(condition)).one_or_none()


def _version(row: Any) -> Version:
    [record] = table_of([row]).records()
    return Version(row.id, record, row.reason, moment(row.stored_at), row.superseded_at is None)


def _unknown(engine: sa.Engine, record_id: str) -> StoreError:
    return StoreError(
        f"there is no record {record_id!r}", where=name_of(engine), fix="check the id; erased records are gone"
    )
