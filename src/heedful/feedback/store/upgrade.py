"""Bring a store to the newest schema version, by the scripts in `migrations`."""

from __future__ import annotations

import secrets
import threading

import sqlalchemy as sa

from heedful.feedback.store import schema
from heedful.feedback.store.engine import is_sqlite, name_of, reading, writing
from heedful.feedback.store.values import StoreError

VERSIONS = ("0001", "0002", "0003")
VERSION_TABLE = "heedful_version"
_SCRIPTS = "heedful.feedback.store:migrations"
_KEY_NAME = "erasure_key"
_KEY = sa.select(schema.settings.c.value).where(schema.settings.c.name == _KEY_NAME)
_one_at_a_time = threading.Lock()  # alembic keeps the running migration in module globals


def upgrade(engine: sa.Engine) -> None:
    """Create or migrate the tables where needed, all in one transaction.

    Raises StoreError where a newer version, or something else, made them.
    """
    with reading(engine) as connection:
        if _version(connection) == VERSIONS[-1]:
            return
    with _one_at_a_time, writing(engine) as connection:
        if _version(connection) != VERSIONS[-1]:  # another process may have been faster
            migrate(connection, VERSIONS[-1])
            _give_key(connection)


def erasure_key(engine: sa.Engine) -> bytes:
    """The key by which erased raters are known again (see `erasure`)."""
    with reading(engine) as connection:
        return bytes.fromhex(connection.execute(_KEY).scalar_one())


def _give_key(connection: sa.Connection) -> None:
    if connection.execute(_KEY).scalar_one_or_none() is None:
        connection.execute(sa.insert(schema.settings).values(name=_KEY_NAME, value=secrets.token_hex(32)))


def migrate(connection: sa.Connection, version: str) -> None:
    """Run the migration scripts up to `version` within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, version)


def _version(connection: sa.Connection) -> str | None:
    """The schema version of the store; None where there is nothing yet."""
    where = name_of(connection.engine)
    names = set(sa.inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        # An SQLite file belongs to one program; a PostgreSQL database may be shared.
        if names if is_sqlite(connection.engine) else names & set(schema.metadata.tables):
            raise StoreError("these tables belong to another program", where=where, fix="give another place")
        return None
    version = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one_or_none()
    if version is not None and version not in VERSIONS:
        raise StoreError(
            f"this store has schema version {version}, newer than the {VERSIONS[-1]} known here",
            where=where,
            fix="upgrade heedful",
        )
    return None if version is None else str(version)
