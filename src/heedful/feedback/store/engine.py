"""Connections and transactions: one file that many processes read and one at a time writes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from heedful.core import UsageError
from heedful.feedback.store.values import StoreError

_WRITERS_LOCK = 0x68656564  # the advisory lock for which the writers of a PostgreSQL store take turns
_ADVICE = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space and do it again"),
    sqlite3.SQLITE_BUSY: (
        "another process has kept the store busy for too long",
        "do it again, or open the store with a longer timeout=",
    ),
    sqlite3.SQLITE_LOCKED: ("the store is in use by the caller's own reading", "finish reading first"),
    sqlite3.SQLITE_READONLY: ("the store cannot be written to", "check the permissions of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("the file cannot be opened", "check that its folder exists and may be written to"),
    sqlite3.SQLITE_NOTADB: ("this file is not a store", "give the path of a store, or of a file yet to be made"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "restore a copy, or ingest its sources into a new store"),
    sqlite3.SQLITE_IOERR: ("the disk failed to read or write", "check the disk and its free space, then do it again"),
}


def open_engine(where: str | Path, *, timeout: float, create: bool) -> sa.Engine:
    """An engine for a path or SQLAlchemy URL.

    No connection outlives its operation. An idle one would be carried into forked processes, and SQLite loses writes
    where that happens.
    """
    url = _url_of(where)
    if url.get_backend_name() == "postgresql":
        return _postgresql(url)
    if url.get_backend_name() != "sqlite":
        raise UsageError(f"a store lives in SQLite or PostgreSQL, not {url.get_backend_name()}", where=str(where))
    if url.database in (None, "", ":memory:"):
        raise UsageError("a store in memory would be lost with the process", where=str(where), fix="name a file")
    if not create and not Path(str(url.database)).exists():
        raise StoreError("there is no such store", where=str(where), fix="check the path, or open it with create=True")
    return _sqlite(url, timeout)


def _url_of(where: str | Path) -> sa.URL:
    if "://" not in str(where):
        return sa.URL.create("sqlite", database=str(where))
    try:
        return sa.make_url(str(where))
    except sa.exc.ArgumentError as error:
        raise UsageError("this is neither a path nor a database URL", where="Store.open") from error


def _postgresql(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise StoreError(f"PostgreSQL needs the package {error.name!r}", fix="pip install 'psycopg[binary]'") from error


def _sqlite(url: sa.URL, timeout: float) -> sa.Engine:
    engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args={"timeout": timeout})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
        # FULL: a commit is on the disk, not only with the operating system, when it returns. secure_delete: the place
        # of deleted content is overwritten with zeros.
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer takes the lock at once: one that began by reading could not wait for its turn.
        mode = connection.get_execution_options().get("begin", "DEFERRED")
        if mode:
            connection.exec_driver_sql(f"BEGIN {mode}")

    with speaking(engine):
        _use_wal(engine, timeout)
    return engine


def _use_wal(engine: sa.Engine, timeout: float) -> None:
    """Switch the file to a write-ahead log, once for all. SQLite itself does not wait for its turn at this step."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with unguarded(engine) as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
        except sa.exc.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise StoreError(
            "this file system cannot hold a write-ahead log", where=name_of(engine), fix="use a local disk"
        )


def name_of(engine: sa.Engine) -> str:
    """The file, or the URL without its password."""
    if is_sqlite(engine):
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)


def is_sqlite(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes, committed at the end; writers take turns. Errors become StoreError."""
    with speaking(engine), engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        if not is_sqlite(engine):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS_LOCK)))
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees the store as it is at its first query. Errors become StoreError."""
    with speaking(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def unguarded(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection outside any transaction, for what cannot run within one."""
    options = {"begin": ""} if is_sqlite(engine) else {"isolation_level": "AUTOCOMMIT"}
    with engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def speaking(engine: sa.Engine) -> Iterator[None]:
    """Turn the database's errors into errors that say what to do."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        what, fix = _ADVICE.get(_primary_code(error), (f"the database refused ({error.orig})", None))
        raise StoreError(what, where=name_of(engine), fix=fix) from error


def _primary_code(error: sa.exc.DBAPIError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", -1)) & 0xFF
