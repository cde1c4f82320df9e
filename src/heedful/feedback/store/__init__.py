"""A durable store of feedback that many processes may write at once (extra `store`)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from heedful.core import MissingExtraError
from heedful.feedback.store.values import Erasure, Receipt, StoredSource, StoreError, Version

if TYPE_CHECKING:
    from heedful.feedback.store.store import Store as Store

__all__ = ["Erasure", "Receipt", "Store", "StoreError", "StoredSource", "Version"]


def __getattr__(name: str) -> Any:
    """`Store` on first use: it alone needs SQLAlchemy and alembic."""
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for package in ("sqlalchemy", "alembic"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "store")
    from heedful.feedback.store.store import Store

    return Store
