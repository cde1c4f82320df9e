"""Erasing a person: their records leave the file for good, and stay out."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from heedful.feedback.store.engine import is_sqlite, name_of, speaking, unguarded, writing
from heedful.feedback.store.rows import now
from heedful.feedback.store.schema import erasures, records
from heedful.feedback.store.values import Erasure, StoreError


def keyed_hash(key: bytes, rater: str | None) -> str | None:
    """What a tombstone keeps instead of the rater's id: nobody without the store's key can test a guess against it."""
    if rater is None:
        return None
    return hashlib.blake2b(rater.encode("utf-8"), key=key, digest_size=32).hexdigest()


def erase(engine: sa.Engine, key: bytes, rater: str) -> Erasure:
    """Delete the rater's records, leave a tombstone, then overwrite the place where they stood.

    Should the overwriting fail, the records are gone from every answer but their bytes may remain: the StoreError says
    so, and a further call finishes the work.
    """
    with writing(engine) as connection:
        removed = _unchain(connection, rater)
        removed += connection.execute(sa.delete(records).where(records.c.rater == rater)).rowcount
        total = _bury(connection, str(keyed_hash(key, rater)), removed)
    _overwrite(engine)
    return Erasure(removed, total)


def _unchain(connection: sa.Connection, rater: str) -> int:
    """Take the rater's corrections and corrected records out of their chains, which close over the gap.

    A version that another rater's erased one replaced stays replaced. Reasons given beside an erased version go too.
    """
    c = records.c
    in_chains = c.supersedes.is_not(None) | c.superseded_at.is_not(None)
    numbers = connection.execute(sa.select(c.seq).where(c.rater == rater, in_chains)).scalars().all()
    for seq in numbers:
        before = connection.execute(sa.select(c.supersedes).where(c.seq == seq)).scalar_one()
        connection.execute(sa.delete(records).where(c.seq == seq))
        connection.execute(sa.update(records).where(c.supersedes == seq).values(supersedes=before, reason=None))
    return len(numbers)


def _bury(connection: sa.Connection, rater_hash: str, removed: int) -> int:
    """Note the erasure; returns how many records it has removed in all."""
    c = erasures.c
    before = connection.execute(sa.select(c.records).where(c.rater_hash == rater_hash)).scalar_one_or_none()
    if before is None:
        connection.execute(sa.insert(erasures).values(rater_hash=rater_hash, records=removed, erased_at=now()))
        return removed
    connection.execute(sa.update(erasures).where(c.rater_hash == rater_hash).values(records=before + removed))
    return int(before) + removed


def _overwrite(engine: sa.Engine) -> None:
    """Rebuild the file without free space, and empty its log."""
    with speaking(engine), unguarded(engine) as connection:
        if not is_sqlite(engine):
            connection.exec_driver_sql("VACUUM FULL records")
            return
        connection.exec_driver_sql("VACUUM")
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    if busy:
        raise StoreError(
            "the records are erased, but a reader elsewhere still holds the log that contains their bytes",
            where=name_of(engine),
            fix="end that reading, then erase again",
        )
