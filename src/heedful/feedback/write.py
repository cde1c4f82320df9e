"""Feedback to files: heedful's own JSON Lines and Parquet without loss, other forms with their losses counted."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import polars as pl

from heedful.core import UsageError
from heedful.feedback.atomic import Replacement, compressed
from heedful.feedback.formats.native import METADATA_KEY, NATIVE, NATIVE_TABLE
from heedful.feedback.projections import Projection, projections
from heedful.feedback.record import SCHEMA_VERSION
from heedful.feedback.table import PROVENANCE, SCHEMA, Reject, Table

_PACKED = (".gz", ".zst")
_LINES = (".jsonl", ".ndjson")
_LOSSLESS = (NATIVE.name, NATIVE_TABLE.name)
_DEFAULTS = {".jsonl": NATIVE.name, ".ndjson": NATIVE.name, ".parquet": NATIVE_TABLE.name, ".csv": "arena"}
_CHUNK_ROWS = 1 << 15
_ALMOST_FULL = 1 << 20  # bytes


@dataclass(frozen=True)
class Written:
    """What was written: `written` records in `format` to `path`.

    `lost` counts, by reason, the records that have no place in the format: written + lost is what was given. `stripped`
    counts, by field, the records written without what that field held; both are empty for heedful's own formats.
    """

    path: str
    format: str
    written: int
    lost: dict[str, int] = field(default_factory=dict)
    stripped: dict[str, int] = field(default_factory=dict)


def write(table: Table, path: str | os.PathLike[str], *, format: str | None = None) -> Written:  # noqa: A002
    """Write a table to `path`, whole or not at all.

    `format` is "heedful" (the default for .jsonl; in .parquet it is "heedful-table"), "arena" (the default for .csv),
    "trl-preference", "trl-unpaired", "trl-completion" or "trl-steps". The suffix says how: .jsonl, .csv (both also .gz
    or .zst) or .parquet. Raises UsageError for a name that fits no format, HeedfulError where the disk fills up; what
    stood at `path` before then still stands.
    """
    with writer(path, format=format) as out:
        for start in range(0, len(table), _CHUNK_ROWS):
            out.add(Table(table.frame.slice(start, _CHUNK_ROWS)))
    return out.result


@contextmanager
def writer(path: str | os.PathLike[str], *, format: str | None = None) -> Iterator[Writer]:  # noqa: A002
    """Write tables to one file as they come, in bounded memory. The file appears when the block ends without an error.

    >>> with writer("votes.parquet") as out:  # doctest: +SKIP
    ...     for table in tables:
    ...         out.add(table)
    >>> out.result.written  # doctest: +SKIP
    """
    target = _Target.of(Path(path), format)
    with Replacement(path) as replacement, ExitStack() as stack:
        out = Writer(target, stack.enter_context(target.container(replacement)), replacement)
        yield out


def write_rejects(rejects: Iterable[Reject], path: str | os.PathLike[str]) -> int:
    """Write rejected judgements as JSON Lines: file, line, reason, and the text as read (null: too large to hold).

    Returns how many there were.
    """
    number = 0
    with Replacement(path) as replacement, replacement.temporary.open("wb") as file:
        for reject in rejects:
            one = {"file": reject.source, "line": reject.line, "reason": reject.reason, "raw": reject.raw}
            file.write(json.dumps(one).encode() + b"\n")
            number += 1
            replacement.wrote = f"{number} rejects"
    return number


class Writer:
    """Takes tables; `result` says what became of them so far."""

    def __init__(self, target: _Target, container: _Container, replacement: Replacement) -> None:
        self._target, self._container, self._replacement = target, container, replacement
        self._written = 0

    def add(self, table: Table) -> None:
        """Write the records of one more table."""
        projection = self._target.projection
        if projection is None:
            self._container.add(_Records(table))
            self._written += len(table)
        else:
            rows = projection.rows(table)
            self._container.add(_Rows(rows))
            self._written += len(rows)
        self._replacement.wrote = f"{self._written} records"

    @property
    def result(self) -> Written:
        projection = self._target.projection
        lost, stripped = (projection.lost, projection.stripped) if projection else ({}, {})
        return Written(str(self._target.path), self._target.format, self._written, dict(lost), dict(stripped))


@dataclass(frozen=True)
class _Target:
    """Where and how to write."""

    path: Path
    format: str
    suffix: str  # of the kind of file
    packing: str  # ".gz", ".zst" or ""
    projection: Projection | None

    @classmethod
    def of(cls, path: Path, name: str | None) -> _Target:
        packing = path.suffix.lower() if path.suffix.lower() in _PACKED else ""
        suffix = (Path(path.stem) if packing else path).suffix.lower()
        if suffix not in _DEFAULTS or (suffix == ".parquet" and packing):
            raise UsageError(
                f"cannot tell from the name {path.name!r} what kind of file to write",
                where=str(path),
                fix="end it in .jsonl, .jsonl.gz, .jsonl.zst, .csv, .csv.gz, .csv.zst or .parquet",
            )
        forms = projections()
        chosen = _DEFAULTS[suffix] if name is None or (name in _LOSSLESS and suffix != ".csv") else name
        if chosen not in (*_LOSSLESS, *forms):
            raise UsageError(f"no format {chosen!r} to write", fix=f"use one of {', '.join((NATIVE.name, *forms))}")
        if chosen != _DEFAULTS[suffix] and suffix not in _LINES:
            raise UsageError(f"{chosen} is not written as {suffix}", where=str(path), fix="end the name in .jsonl")
        if not path.parent.is_dir():
            raise UsageError("there is no such folder", where=str(path.parent), fix="make the folder first")
        return cls(path, chosen, suffix, packing, None if chosen in _LOSSLESS else forms[chosen]())

    @contextmanager
    def container(self, replacement: Replacement) -> Iterator[_Container]:
        if self.suffix == ".parquet":
            parquet = _Parquet(replacement)
            yield parquet
            parquet.join()
            return
        with compressed(replacement.temporary, self.packing) as file:
            yield _Lines(file) if self.suffix in _LINES else _Csv(file)


class _Batch(Protocol):
    """Rows on their way into a file."""

    def lines(self) -> Iterator[str]: ...

    def frame(self) -> pl.DataFrame: ...


@dataclass(frozen=True)
class _Records:
    """Records, without loss. Where they came from is not part of them."""

    table: Table

    def lines(self) -> Iterator[str]:
        for record in self.table.records():
            yield record.model_dump_json(by_alias=True, exclude_none=True)

    def frame(self) -> pl.DataFrame:
        return pl.DataFrame([self.table.column(name) for name in SCHEMA if name not in PROVENANCE])


@dataclass(frozen=True)
class _Rows:
    """Rows of a projection."""

    rows: Sequence[dict[str, Any]]

    def lines(self) -> Iterator[str]:
        return (json.dumps(row, ensure_ascii=False) for row in self.rows)

    def frame(self) -> pl.DataFrame:
        """The rows as texts, for CSV."""
        columns = dict.fromkeys(self.rows[0] if self.rows else (), pl.String)
        return pl.DataFrame(list(self.rows), schema=columns)


class _Container(Protocol):
    """A file that takes batches."""

    def add(self, batch: _Batch) -> None: ...


class _Lines:
    """JSON Lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, batch: _Batch) -> None:
        for line in batch.lines():
            self._file.write(line.encode() + b"\n")


class _Csv:
    """CSV with one line of column names."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._begun = file, False

    def add(self, batch: _Batch) -> None:
        frame = batch.frame()
        if frame.height:
            self._file.write(frame.write_csv(include_header=not self._begun).encode())
            self._begun = True


class _Parquet:
    """Parquet, zstd-compressed. Each table is kept in a file of its own until the end, when they are joined."""

    def __init__(self, replacement: Replacement) -> None:
        self._replacement = replacement
        self._pieces: list[Path] = []

    def add(self, batch: _Batch) -> None:
        folder = self._replacement.folder
        piece = folder / f"piece-{len(self._pieces)}"
        _as_os_error(lambda: batch.frame().write_parquet(piece, compression="zstd"), folder)
        self._pieces.append(piece)

    def join(self) -> None:
        """Make the whole file of the pieces."""
        empty = {name: dtype for name, dtype in SCHEMA.items() if name not in PROVENANCE}
        whole = pl.scan_parquet(self._pieces) if self._pieces else pl.LazyFrame(schema=empty)
        metadata = {METADATA_KEY: str(SCHEMA_VERSION)}
        target = self._replacement.temporary
        _as_os_error(lambda: whole.sink_parquet(target, compression="zstd", metadata=metadata), target.parent)


def _as_os_error(act: Callable[[], Any], folder: Path) -> None:
    """Does it; what polars could not write to `folder` is raised as the error of the system that it is."""
    try:
        act()
    except pl.exceptions.PolarsError as error:
        # Polars does not always say that the disk is full, so look.
        full = "No space left" in str(error) or shutil.disk_usage(folder).free < _ALMOST_FULL
        raise OSError(errno.ENOSPC if full else errno.EIO, os.strerror(errno.ENOSPC) if full else str(error)) from error
