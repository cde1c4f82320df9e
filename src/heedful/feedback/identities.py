"""Which judgement is which: no record twice, and an order of candidates that says nothing where none is known."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Floats
from heedful.feedback.table import PROVENANCE
from heedful.stats.hashing import unit_hash

Words = NDArray[np.uint64]
_RUNS = 8  # searching one costs less than merging two
_AT_ONCE = 1 << 13  # texts copied out of a column: a million at once would not stay in the processor's cache


def permuted(frame: pl.DataFrame, free: NDArray[np.bool_] | bool = True) -> pl.DataFrame:
    """Comparisons whose order of display is unknown, half of them swapped: which ones, a hash of the id decides.

    So the place of a candidate says nothing about who won, and reading again gives the same table. `free` marks the
    rows [n] that may be swapped.
    """
    if "choice" not in frame.columns:
        return frame
    unknown = pl.lit(True) if "shown" not in frame.columns else pl.col("shown").fill_null(False).not_()
    due = frame.select((pl.col("kind") == "comparison") & unknown).to_series().to_numpy() & free
    if not due.any():
        return frame
    swap = pl.lit(pl.Series(due & _coin(frame["id"])))
    mirrored = {"first": "second", "second": "first"}
    changes = [
        pl.when(swap).then(pl.col(name).list.reverse()).otherwise(pl.col(name)).alias(name)
        for name in ("outputs", "systems")
    ]
    changes.append(pl.when(swap).then(pl.col("choice").replace(mirrored)).otherwise(pl.col("choice")).alias("choice"))
    if "share" in frame.columns:
        changes.append(pl.when(swap).then(1.0 - pl.col("share")).otherwise(pl.col("share")).alias("share"))
    return frame.with_columns(changes)


def _coin(ids: pl.Series) -> NDArray[np.bool_]:
    """One fair bit per id."""
    return hashed_texts(ids, 0, "order") < 0.5


def hashed_texts(texts: pl.Series, seed: int, purpose: str) -> Floats:
    """A number in [0, 1) for each text [n]; see `heedful.stats.hashing.unit_hash`."""
    parts = (texts.slice(start, _AT_ONCE).cast(pl.Binary) for start in range(0, max(len(texts), 1), _AT_ONCE))
    return np.concatenate([unit_hash(part.to_list(), seed, purpose) for part in parts])


@dataclass(frozen=True)
class _Run:
    """Records met, sorted by the hash of their id."""

    key: Words
    content: Words
    source: NDArray[np.int32]
    line: NDArray[np.int64]

    @classmethod
    def merged(cls, runs: list[_Run]) -> _Run:
        columns = [np.concatenate([getattr(run, name) for run in runs]) for name in cls.__dataclass_fields__]
        order = np.argsort(columns[0], kind="stable")
        return cls(*(column[order] for column in columns))


@dataclass(frozen=True)
class Repeat:
    """A row whose id was used before, at `line` of `source`; `same`: by a record of the same content."""

    row: int
    same: bool
    source: str
    line: int


class Identities:
    """Every id met so far, as 64-bit hashes: 28 bytes per record, whatever the records hold."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._sources: list[str] = []

    def repeats(self, frame: pl.DataFrame) -> list[Repeat]:
        """Rows of `frame` whose id was used before, there or in an earlier frame, in order; and remember the rest.

        The columns "source" and "line" say where each row comes from.
        """
        if not frame.height:
            return []
        key, content = _hashed(frame["id"]), _content_hash(frame)
        where, line = self._numbers(frame["source"].fill_null("")), frame["line"].fill_null(0).to_numpy()
        rows = _sorted_rows(key)
        run = _Run(key[rows], content[rows], where[rows], line[rows])
        fresh = np.ones(len(rows), bool)
        found = []
        for earlier in self._runs:
            at = np.minimum(np.searchsorted(earlier.key, run.key), len(earlier.key) - 1)
            known = fresh & (earlier.key[at] == run.key)
            found += [self._repeat(int(rows[i]), run, int(i), earlier, int(at[i])) for i in np.flatnonzero(known)]
            fresh &= ~known
        leads = np.concatenate([[True], run.key[1:] != run.key[:-1]])
        lead = np.maximum.accumulate(np.where(leads, np.arange(len(rows)), 0))
        found += [self._repeat(int(rows[i]), run, int(i), run, int(lead[i])) for i in np.flatnonzero(fresh & ~leads)]
        fresh &= leads
        self._remember(_Run(run.key[fresh], run.content[fresh], run.source[fresh], run.line[fresh]))
        return sorted(found, key=lambda repeat: repeat.row)

    def _numbers(self, sources: pl.Series) -> NDArray[np.int32]:
        """The number of each source [n], by the order in which they were met."""
        new = [name for name in sources.unique(maintain_order=True) if name not in self._sources]
        self._sources += new
        numbers = sources.replace_strict(self._sources, range(len(self._sources)), return_dtype=pl.Int32)
        return np.asarray(numbers.to_numpy(), np.int32)

    def _repeat(self, row: int, run: _Run, at: int, earlier: _Run, first: int) -> Repeat:
        same = bool(run.content[at] == earlier.content[first])
        return Repeat(row, same, self._sources[int(earlier.source[first])], int(earlier.line[first]))

    def _remember(self, run: _Run) -> None:
        """Past a few, runs are merged as they come to be of like size, so that each record moves seldom."""
        if len(run.key):
            self._runs.append(run)
        while len(self._runs) > _RUNS and len(self._runs[-1].key) * 2 >= len(self._runs[-2].key):
            self._runs[-2:] = [_Run.merged(self._runs[-2:])]


def _sorted_rows(key: Words) -> NDArray[np.intp]:
    """The rows in the order of their keys, equal ones in their own order."""
    rows = np.argsort(key)
    ordered = key[rows]
    if not (ordered[1:] == ordered[:-1]).any():
        return rows
    return np.argsort(key, kind="stable")  # several times as slow, and seldom needed


def _hashed(column: pl.Series, seed: int = 0) -> Words:
    hashed: Any = column.hash(seed).to_numpy()
    return np.asarray(hashed, np.uint64)


def _content_hash(frame: pl.DataFrame) -> Words:
    """A hash of all that a row says; columns that are null add nothing, so that absent ones are as null ones."""
    total = np.zeros(frame.height, np.uint64)
    for name in frame.columns:
        if name in PROVENANCE:
            continue
        column = frame[name]
        hashes = _hashed(column, zlib.crc32(name.encode()))
        total += np.where(column.is_null().to_numpy(), np.uint64(0), hashes) if column.null_count() else hashes
    return total
