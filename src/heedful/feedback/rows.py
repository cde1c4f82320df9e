"""Rows of sources, in bounded memory: their types, lines of text, Parquet files and data frames."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from heedful.core import InputError
from heedful.feedback.formats.base import LINE

Fields = Mapping[str, Any]
MAX_RECORD_BYTES = 64 << 20
_CHUNK_ROWS, _CHUNK_CHARACTERS = 4096, 16 << 20
_FRAME_ROWS, _FRAME_BYTES = 1 << 16, 64 << 20
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as read. `line` is the line it starts on (text lines) or its number (arrays, tables), from 1."""

    line: int
    fields: Fields
    text: str | None = None

    @property
    def raw(self) -> str:
        """The row as it stood in its file; as JSON where the file is no text."""
        if self.text is not None:
            return self.text
        return json.dumps(self.fields, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Loss:
    """A piece of a source that gives no row, and why."""

    line: int
    reason: str
    raw: str | None = None


Entry = SourceRow | Loss
Chunk = list[Entry] | pl.DataFrame


@dataclass(frozen=True, slots=True)
class Line:
    """One line of bytes with its number (from 1) and its byte offset in the (decompressed) file."""

    number: int
    offset: int
    content: bytes

    @property
    def whole(self) -> bool:
        return self.content.endswith(b"\n")


def lines_of(reader: io.BufferedIOBase, limit: int, *, number: int = 1, offset: int = 0) -> Iterator[Line | Loss]:
    """Lines of at most `limit` bytes; a longer one is passed over piece by piece and becomes a Loss."""
    while content := reader.readline(limit + 1):
        if len(content) > limit and not content.endswith(b"\n"):
            length, digest = _pass_over(reader, content)
            reason = f"line of {length} bytes at byte {offset}, more than {limit} allowed (BLAKE2b {digest})"
            yield Loss(number, reason)
        else:
            length = len(content)
            yield Line(number, offset, content)
        number, offset = number + 1, offset + length


def _pass_over(reader: io.BufferedIOBase, begun: bytes) -> tuple[int, str]:
    """The length and digest of the line that began with `begun`, less its line end."""
    digest = hashlib.blake2b(begun, digest_size=16)
    length, piece = len(begun), begun
    while not piece.endswith(b"\n") and (piece := reader.readline(_PIECE)):
        length += len(piece)
        digest.update(piece.removesuffix(b"\n"))
    return length, digest.hexdigest()


def decoded(content: bytes, offset: int) -> str:
    """UTF-8 text. Raises ValueError that names the byte offset in the file where it is none."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {offset + error.start}") from None


def readable(content: bytes) -> str:
    """Bytes as text that shows what is not UTF-8."""
    return content.decode("utf-8", "backslashreplace")


def frame_chunks(frame: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, float]]:
    """A data frame in pieces of bounded size, each with the share of all rows that ends with it.

    A column `LINE` counts the rows from 1.
    """
    size = _rows_at_once(int(frame.estimated_size()), frame.height)
    for start in range(0, frame.height, size):
        piece = frame.slice(start, size)
        yield _numbered(piece, start), (start + piece.height) / frame.height


def parquet_chunks(file: Any, where: str, stored_bytes: int) -> Iterator[tuple[pl.DataFrame, float]]:
    """A Parquet file as `frame_chunks` gives a frame. `file` is a path or a seekable file.

    Raises InputError where it is no readable Parquet file.
    """
    try:
        lazy = pl.scan_parquet(file, glob=False)
        height = int(lazy.select(pl.len()).collect().item())
        # Values on disk are encoded and compressed; eight times their size is a guess on the safe side.
        size = _rows_at_once(8 * stored_bytes, height)
        for start in range(0, height, size):
            piece = lazy.slice(start, size).collect()
            yield _numbered(piece, start), (start + piece.height) / height
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"this is no readable Parquet file ({str(error).splitlines()[0]})",
            where=where,
            fix="write the file again; a Parquet file that was cut has lost its index",
        ) from error


def _rows_at_once(size: int, height: int) -> int:
    return max(1024, min(_FRAME_ROWS, _FRAME_BYTES * max(height, 1) // max(size, 1)))


def _numbered(frame: pl.DataFrame, start: int) -> pl.DataFrame:
    numbers = pl.int_range(start + 1, start + 1 + frame.height, dtype=pl.Int64, eager=True)
    return frame.with_columns(numbers.alias(LINE))


def rows_of_frame(frame: pl.DataFrame) -> Iterator[SourceRow]:
    """Each row of a numbered frame, its values as JSON would give them."""
    plain = all(_is_plain(dtype) for dtype in frame.dtypes)
    for fields in frame.iter_rows(named=True):
        line = fields.pop(LINE)
        yield SourceRow(line, fields if plain else {name: plain_value(value) for name, value in fields.items()})


def _is_plain(dtype: Any) -> bool:
    return dtype in (pl.String, pl.Boolean, pl.Null) or (dtype.is_numeric() and not dtype.is_decimal())


def plain_value(value: Any) -> Any:
    """A value as JSON knows it: times in ISO 8601, decimals as numbers, bytes in hexadecimal, arrays as lists."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain_value(member) for name, member in value.items()}
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if isinstance(value, Iterable):
        return [plain_value(member) for member in value]
    return str(value)


def in_chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries in lists of bounded length and size."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        chunk.append(entry)
        size += len((entry.text if isinstance(entry, SourceRow) else entry.raw) or "")
        if len(chunk) >= _CHUNK_ROWS or size > _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
