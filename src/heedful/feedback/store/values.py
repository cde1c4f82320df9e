"""What the store takes and gives besides records."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from heedful.core import HeedfulError
from heedful.feedback.record import Record
from heedful.feedback.table import Reject


class StoreError(HeedfulError):
    """The store cannot do what was asked. Whatever it acknowledged before stands."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the records handed in; every one is counted once.

    `added` are new; `already` were stored before, with the same content; `erased` are of raters whose records were
    erased, and stay out; `rejects` could not be stored, each with its reason.
    """

    added: int = 0
    already: int = 0
    erased: int = 0
    rejects: tuple[Reject, ...] = ()

    @property
    def rejected(self) -> int:
        return len(self.rejects)

    @property
    def read(self) -> int:
        """All records handed in."""
        return self.added + self.already + self.erased + self.rejected

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            self.added + other.added,
            self.already + other.already,
            self.erased + other.erased,
            self.rejects + other.rejects,
        )


@dataclass(frozen=True, slots=True)
class StoredSource:
    """One source of records. `read` and `accepted` are the reader's counts; `records` how many the store holds now.

    `complete` is False while records are being taken in, and stays so where that was broken off: ingest it again.
    """

    name: str
    format: str
    digest: str
    read: int
    accepted: int
    records: int
    complete: bool
    first_stored: dt.datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record. `reason` says why it replaced the version before; the first one has none."""

    id: str
    record: Record
    reason: str | None
    stored: dt.datetime
    current: bool


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure removed: `records` by this call, `total` by all calls for this rater."""

    records: int
    total: int
