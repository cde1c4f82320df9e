"""The store: feedback in one file, appended to, corrected, erased and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from heedful.core import UsageError
from heedful.feedback.record import Record
from heedful.feedback.store import corrections, erasure, ingestion
from heedful.feedback.store.engine import open_engine, reading, speaking
from heedful.feedback.store.rows import CONTENT_COLUMNS, matching, moment, table_of
from heedful.feedback.store.schema import records, sources
from heedful.feedback.store.upgrade import erasure_key, upgrade
from heedful.feedback.store.values import Erasure, Receipt, StoredSource, Version
from heedful.feedback.table import Feedback, Table


class Store:
    """Feedback records in an SQLite file or a PostgreSQL database.

    What a method acknowledges by returning is on the disk: neither `kill -9` nor, where the disk keeps its promises, a
    power cut loses it. Many processes may use one file at once; those that write take turns. All methods raise
    StoreError where the database cannot do what was asked. `engine` is the SQLAlchemy engine, for queries of one's own.

        with Store.open("feedback.db") as store:
            store.ingest(feedback.read("votes.jsonl"))
            helpful = store.table(criterion="helpful")
    """

    def __init__(self, engine: sa.Engine) -> None:
        """Use `Store.open`, which also brings the tables to the newest version."""
        self.engine = engine
        self._key = erasure_key(engine)

    @classmethod
    def open(cls, where: str | Path, *, timeout: float = 60.0, create: bool = True) -> Store:
        """Open the store at a path or SQLAlchemy URL, making it where there is none and `create` is left on.

        A file of an older schema version is brought to the newest; one of a newer version is refused. `timeout` is how
        many seconds an operation waits for its turn. SQLite files belong on a local disk, not on a network share.
        """
        engine = open_engine(where, timeout=timeout, create=create)
        with speaking(engine):
            upgrade(engine)
            return cls(engine)

    def close(self) -> None:
        """Let go of the file. No connection outlives its operation, so nothing is lost where this is not called."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def ingest(
        self,
        feedback: Feedback | Table,
        *,
        source: str | None = None,
        digest: str | None = None,
        batch: int = 5_000,
        on_batch: Callable[[Receipt], None] | None = None,
    ) -> Receipt:
        """Take in feedback as read, or a table; doing it again adds nothing.

        Records are committed in batches of `batch`, after each of which `on_batch` hears the totals so far; where that
        is broken off, ingest the same again. A record is known by its id: one stored before counts as already there, or
        is rejected where its content differs. Records without an id get a hash of digest and ordinal. `source` and
        `digest` name a table's origin; the digest of a table given none is that of its rows.
        """
        parts = list(ingestion.parts_of(feedback, source, digest))
        return ingestion.ingest(self.engine, self._key, parts, batch=batch, on_batch=on_batch)

    def add(self, record: Record, *, source: str = "added") -> str:
        """Store one record and return its id: the one it has, else a new one.

        A record that is there already is not stored again. Raises StoreError where its id is that of another record, or
        its rater was erased. `source` names the channel it came through.
        """
        return ingestion.add(self.engine, self._key, record, source)

    def correct(self, record_id: str, record: Record, reason: str, *, source: str = "corrected") -> str:
        """Store `record` in place of the current record `record_id`, which stays in the history; returns the new id.

        The new id is that of `record` where it has another one. Raises StoreError where `record_id` is unknown or was
        corrected otherwise before.
        """
        return corrections.correct(self.engine, self._key, record_id, record, reason, source)

    def history(self, record_id: str) -> tuple[Version, ...]:
        """All versions of a record, oldest first, by the id of any. Raises StoreError where there is none."""
        return corrections.history(self.engine, record_id)

    def erase(self, rater_id: str) -> Erasure:
        """Remove all records of a rater for good: when this returns, their bytes are gone from the file and its log.

        A tombstone stays, with counts and a keyed hash of the rater's id, by which their records are kept out when a
        source is ingested again. On PostgreSQL the table is rewritten, but archived logs and backups are its
        administrator's. Rebuilding the file takes time and free space in proportion to its size.
        """
        return erasure.erase(self.engine, self._key, rater_id)

    def table(self, **where: Any) -> Table:
        """The current records, in the order they were stored; superseded and erased ones are left out.

        `where` chooses by column of the feedback table: `kind="comparison"`, `rater=["a", "b"]`, `protocol=None`.
        """
        return Table.concat(list(self.tables(**where)))

    def tables(self, *, size: int = 50_000, **where: Any) -> Iterator[Table]:
        """The same records in tables of at most `size`, all as of the first: memory stays bounded.

        While they are being read, `erase` has to wait.
        """
        if size < 1:
            raise UsageError(f"a table holds at least one record, not {size}", where="tables(size=...)")
        current = records.c.superseded_at.is_(None)
        query = sa.select(*CONTENT_COLUMNS).where(current, *matching(where)).order_by(records.c.seq)
        with reading(self.engine) as connection:
            result = connection.execution_options(stream_results=True).execute(query)
            while rows := result.fetchmany(size):
                yield table_of(rows)

    def count(self, **where: Any) -> int:
        """How many current records there are, chosen as in `table`."""
        query = sa.select(sa.func.count()).select_from(records)
        with reading(self.engine) as connection:
            conditions = [records.c.superseded_at.is_(None), *matching(where)]
            return int(connection.execute(query.where(*conditions)).scalar_one())

    def sources(self) -> tuple[StoredSource, ...]:
        """Every source, in the order they came, with how many records it holds now, superseded ones included."""
        c = sources.c
        held = sa.select(records.c.source_seq, sa.func.count().label("held")).group_by(records.c.source_seq).subquery()
        wanted = (c.name, c.format, c.digest, c.read, c.accepted, sa.func.coalesce(held.c.held, 0), c.complete)
        query = sa.select(*wanted, c.stored_at).outerjoin(held, held.c.source_seq == c.seq).order_by(c.seq)
        with reading(self.engine) as connection:
            rows = connection.execute(query).all()
        return tuple(StoredSource(*row[:-1], moment(row[-1])) for row in rows)
