"""Taking records in: in bulk from a source, or one at a time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from heedful.core import UsageError
from heedful.feedback.record import Record
from heedful.feedback.store import schema
from heedful.feedback.store.engine import is_sqlite, name_of, writing
from heedful.feedback.store.erasure import keyed_hash
from heedful.feedback.store.rows import CONTENT_COLUMNS, Row, differing, digest_of, faults, named, now, rows_of
from heedful.feedback.store.values import Receipt, StoreError
from heedful.feedback.table import Feedback, Reject, Source, Table

LARGEST_BATCH = 20_000  # one query asks for all ids of a batch; SQLite takes 32,766 values in one


def ingest(
    engine: sa.Engine,
    key: bytes,
    parts: Sequence[tuple[Source, Table]],
    *,
    batch: int,
    on_batch: Callable[[Receipt], None] | None,
) -> Receipt:
    """Take in each part, a batch to a transaction; `on_batch` hears the totals after each commit."""
    if not 1 <= batch <= LARGEST_BATCH:
        raise UsageError(f"a batch holds 1 to {LARGEST_BATCH} records, not {batch}", where="ingest(batch=...)")
    total = Receipt()
    for source, table in parts:
        pieces = list(named(table, source.digest).frame.iter_slices(batch)) or [table.frame]
        for left, frame in zip(reversed(range(len(pieces))), pieces, strict=True):
            total += _take_in(engine, key, source, Table(frame), last=not left)
            if on_batch:
                on_batch(total)
    return total


def parts_of(given: Feedback | Table, source: str | None, digest: str | None) -> Iterator[tuple[Source, Table]]:
    """The sources of what is given, each with its records.

    Raises UsageError where `source` or `digest` is given for feedback that names its own sources.
    """
    if isinstance(given, Table) or not given.sources:
        table = given if isinstance(given, Table) else given.table
        yield _identified(Source(source or "table", "table", digest or "", len(table), len(table)), table)
        return
    if source is not None or digest is not None:
        raise UsageError("this feedback names its own sources", where="ingest", fix="leave source= and digest= out")
    if len(given.sources) == 1:
        yield _identified(given.sources[0], given.table)
    else:
        yield from _by_source(given)


def _identified(source: Source, table: Table) -> tuple[Source, Table]:
    """A source that is no file has no digest: it gets that of its rows."""
    return replace(source, digest=source.digest or digest_of(table)), table


def _by_source(given: Feedback) -> Iterator[tuple[Source, Table]]:
    """The records of each source, told by the path in their column `source`; then those that name none of them."""
    origin = given.table.column("source")
    by_path = {source.path: source for source in given.sources}
    for path, source in by_path.items():
        table = given.table.where(origin == path)
        if len(table) or source.digest:
            yield _identified(source, table)
    strays = given.table.where(~origin.is_in(list(by_path)).fill_null(False))
    if len(strays):
        yield from parts_of(strays, None, None)


def add(engine: sa.Engine, key: bytes, record: Record, source: str) -> str:
    """Store one record and return its id; the one it has, else a new one."""
    [row] = single_row(engine, record, record.id or new_id(), source)
    with writing(engine) as connection:
        seq = channel(connection, source)
        receipt = put(connection, key, seq, [row])
        refuse_unless_stored(engine, receipt)
        count_in(connection, seq, receipt.added)
    return str(row["id"])


def new_id() -> str:
    return uuid.uuid4().hex


def single_row(engine: sa.Engine, record: Record, record_id: str, source: str) -> list[Row]:
    """A record as the row to store. Raises StoreError where the database could not give it back unchanged."""
    table = Table.of([record.model_copy(update={"id": record_id})], source=source)
    table = Table(table.frame.drop("line"))
    sound, rejects = _sifted(engine, table)
    if rejects:
        raise StoreError(rejects[0].reason, where=f"record {record_id!r}")
    return rows_of(sound)


def refuse_unless_stored(engine: sa.Engine, receipt: Receipt) -> None:
    """Raise StoreError where the one record of a receipt is neither added nor there already."""
    if receipt.erased:
        raise StoreError(
            "the records of this rater were erased, and new ones are not taken",
            where=name_of(engine),
            fix="should they take part again, give them another rater id",
        )
    if receipt.rejects:
        raise StoreError(
            receipt.rejects[0].reason, where=name_of(engine), fix="give it another id, or correct the stored one"
        )


def channel(connection: sa.Connection, name: str) -> int:
    """The source that stands for records added one at a time under a name."""
    return _registered(connection, Source(name, "added", f"added:{name}", 0, 0), complete=True)


def count_in(connection: sa.Connection, seq: int, added: int) -> None:
    """Note that a channel took `added` records in."""
    c = schema.sources.c
    counts = {"read": c.read + added, "accepted": c.accepted + added}
    connection.execute(sa.update(schema.sources).where(c.seq == seq).values(counts))


def put(connection: sa.Connection, key: bytes, seq: int, rows: Sequence[Row]) -> Receipt:
    """Store rows, all with the same columns, within the connection's transaction."""
    forgotten = set(connection.execute(sa.select(schema.erasures.c.rater_hash)).scalars())
    kept = [row for row in rows if not (forgotten and keyed_hash(key, row.get("rater")) in forgotten)]
    erased = len(rows) - len(kept)
    if not kept:
        return Receipt(erased=erased)
    stamp = {"source_seq": seq, "stored_at": now()}
    added = connection.execute(
        _insert(connection, schema.records, "id"),
        [row | stamp for row in kept],
        execution_options={"preserve_rowcount": True},
    ).rowcount
    rejects = () if added == len(kept) else _clashes(connection, kept)
    return Receipt(added, len(kept) - added - len(rejects), erased, rejects)


def _take_in(engine: sa.Engine, key: bytes, source: Source, table: Table, *, last: bool) -> Receipt:
    """One batch of a source, in one transaction."""
    sound, rejects = _sifted(engine, table)
    rows = rows_of(sound)
    with writing(engine) as connection:
        seq = _registered(connection, source, complete=False)
        receipt = put(connection, key, seq, rows)
        if last:
            finished = {"read": source.read, "accepted": source.accepted, "complete": True}
            connection.execute(sa.update(schema.sources).where(schema.sources.c.seq == seq).values(finished))
    return receipt + Receipt(rejects=rejects)


def _sifted(engine: sa.Engine, table: Table) -> tuple[Table, tuple[Reject, ...]]:
    """What can be stored, and what cannot."""
    fault = faults(table, allow_nul=is_sqlite(engine))
    if fault.null_count() == len(table):
        return table, ()
    unsound = rows_of(Table(table.frame.filter(fault.is_not_null())))
    reasons = fault.drop_nulls().to_list()
    rejects = tuple(_reject(row, reason) for row, reason in zip(unsound, reasons, strict=True))
    return Table(table.frame.filter(fault.is_null())), rejects


def _reject(row: Row, reason: str) -> Reject:
    present = {name: value for name, value in row.items() if value is not None}
    return Reject(row.get("source") or "", row.get("line") or 0, reason, json.dumps(present, ensure_ascii=False))


def _clashes(connection: sa.Connection, rows: Sequence[Row]) -> tuple[Reject, ...]:
    """The rows whose id is that of a stored record with other content."""
    ids = [row["id"] for row in rows]
    found = connection.execute(sa.select(*CONTENT_COLUMNS).where(schema.records.c.id.in_(ids))).mappings()
    stored = {row["id"]: dict(row) for row in found}
    compared = ((row, stored[row["id"]]) for row in rows)
    return tuple(_reject(row, _clash(row, other, names)) for row, other in compared if (names := differing(row, other)))


def _clash(row: Row, other: Row, names: Sequence[str]) -> str:
    taken = f"id {row['id']!r} is taken by another record ({_place(other)})"
    return f"{taken}; this one ({_place(row)}) differs from it in {', '.join(names)}"


def _place(row: Row) -> str:
    line = row.get("line")
    return f"{row.get('source') or 'no source'}" + (f", line {line}" if line else "")


def _registered(connection: sa.Connection, source: Source, *, complete: bool) -> int:
    """The number of a source, known or new."""
    values = {
        "digest": source.digest,
        "name": source.path,
        "format": source.format,
        "read": source.read,
        "accepted": source.accepted,
        "complete": complete,
        "stored_at": now(),
    }
    connection.execute(_insert(connection, schema.sources, "digest").values(values))
    c = schema.sources.c
    return int(connection.execute(sa.select(c.seq).where(c.digest == source.digest)).scalar_one())


def _insert(connection: sa.Connection, table: sa.Table, unique: str) -> Any:
    """An insert that passes over rows whose `unique` value is there already."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing(index_elements=[unique])
