"""Rows of source files, in bounded memory: JSON Lines, JSON, Parquet and data frames."""

from __future__ import annotations

import codecs
import datetime as dt
import decimal
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from heedful.core import InputError
from heedful.feedback.formats.base import LINE, well_formed
from heedful.feedback.streams import Stream

Fields = Mapping[str, Any]
MAX_RECORD_BYTES = 64 << 20
_CHUNK_ROWS, _CHUNK_CHARACTERS = 4096, 16 << 20
_FRAME_ROWS, _FRAME_BYTES = 1 << 16, 64 << 20
_PIECE = 1 << 16
_SMALL_OBJECT = 8 << 20  # bytes within which one JSON object is decoded whole rather than member by member


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


# JSON Lines


def json_lines(stream: Stream, reader: io.BufferedIOBase, limit: int) -> Iterator[Entry]:
    """One row per line; blank lines are nothing. A last line cut by damage to the stream is part of that damage."""
    number = 0
    for line in lines_of(reader, limit):
        if isinstance(line, Loss):
            number = line.line
            yield line
            continue
        number = line.number
        entry = _json_line(line)
        if isinstance(entry, Loss) and not line.whole and stream.damage:
            yield Loss(number, f"{stream.damage}, within this line", entry.raw)
            return
        if entry is not None:
            yield entry
    if stream.damage:
        yield Loss(number + 1, stream.damage)


def _json_line(line: Line) -> Entry | None:
    content = line.content.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.content
    if not content.strip():
        return None
    try:
        text = decoded(content, line.offset + len(line.content) - len(content)).strip()
        return SourceRow(line.number, _row_of(json.loads(text), text), text)
    except json.JSONDecodeError as error:
        return Loss(line.number, f"not JSON: {error.msg} at column {error.colno}", readable(content.strip()))
    except (ValueError, RecursionError) as error:
        return Loss(line.number, str(error), readable(content.strip()))


def _row_of(value: Any, text: str) -> Fields:
    """`value` as a row. Raises ValueError where it is no object or holds text that is no Unicode."""
    if not isinstance(value, dict):
        raise ValueError(f"a row must be a JSON object, not {type(value).__name__}")
    if "\\ud" in text or "\\uD" in text:
        well_formed(value)
    return value


# JSON values: arrays, objects that hold lists, objects one after the other


class _JsonText:
    """A growing window on a JSON text. `at` is the cursor; what lies before it is dropped when more is read."""

    def __init__(self, stream: Stream, reader: io.BufferedIOBase, limit: int) -> None:
        self._stream, self._reader, self._limit = stream, reader, limit
        # Bytes that are no UTF-8 become lone surrogates, so that only the value that holds them is lost.
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._scan = json.JSONDecoder().raw_decode
        self._size, self._dropped, self._ended = _PIECE, 0, False
        self.text, self.at = "", 0

    @property
    def offset(self) -> int:
        """The byte offset of the cursor."""
        return self._dropped + _byte_length(self.text[: self.at])

    def more(self) -> bool:
        """Read on; False at the end. Each call reads twice as much as what could not be decoded yet."""
        if self._ended:
            return False
        self._dropped += _byte_length(self.text[: self.at])
        rest = self.text[self.at :]
        raw = self._reader.read(max(_PIECE, len(rest)))
        self._ended = not raw
        self.text, self.at = rest + self._decode(raw, not raw), 0
        return True

    def next_mark(self) -> str:
        """The next character that is no space, without passing it; "" at the end."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in " \t\r\n\ufeff":
                    return self.text[self.at]
                self.at += 1
            if not self.more():
                return ""

    def take(self, mark: str) -> bool:
        """Pass `mark` if it comes next."""
        found = self.next_mark() == mark
        self.at += found
        return found

    def value(self, limit: int | None = None) -> tuple[Any, str]:
        """The value at the cursor and its text. Raises ValueError where none ends within `limit` characters."""
        self.next_mark()
        while True:
            try:
                value, end = self._scan(self.text, self.at)
            except json.JSONDecodeError as error:
                if len(self.text) - self.at > (limit or self._limit) or not self.more():
                    raise ValueError(f"not JSON: {error.msg}") from None
            else:
                text = self.text[self.at : end]
                self.at = end
                return value, text

    def fault(self, reason: str) -> str:
        """The reason why the rest cannot be read, with its place."""
        place = f"byte {self.offset}"
        return f"{self._stream.damage or reason}; the rest, from {place} on, cannot be read"


def _byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def json_values(
    stream: Stream, reader: io.BufferedIOBase, limit: int, is_row: Callable[[Fields], bool]
) -> Iterator[Entry]:
    """Rows of a JSON text: the elements of an array, those of the lists in an object, or objects in succession.

    `is_row` tells an object that is itself a row from one that only holds rows. `line` counts rows.
    """
    text = _JsonText(stream, reader, limit)
    number = 0
    try:
        while text.next_mark():
            for entry in _top_level(text, number, is_row):
                number += 1
                yield entry
    except (ValueError, RecursionError) as error:
        yield Loss(number + 1, text.fault(str(error)))
        return
    if stream.damage:
        yield Loss(number + 1, stream.damage)


def _top_level(text: _JsonText, number: int, is_row: Callable[[Fields], bool]) -> Iterator[Entry]:
    if text.take("["):
        yield from _elements(text, number)
        return
    start = text.next_mark()
    if start != "{":
        raise ValueError(f"a JSON object or array was expected, not {start!r}")
    try:
        value, raw = text.value(_SMALL_OBJECT)
    except (ValueError, RecursionError):
        yield from _members(text, number)
        return
    lists = [member for member in value.values() if _is_rows(member)]
    if text.next_mark() or is_row(value) or not lists:
        yield _entry(number + 1, value, raw, text)
        return
    for element in (element for rows in lists for element in rows):
        number += 1
        yield _entry(number, element, json.dumps(element, ensure_ascii=False), text)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)


def _elements(text: _JsonText, number: int) -> Iterator[Entry]:
    """The rest of an array, whose bracket is passed."""
    if text.take("]"):
        return
    while True:
        value, raw = text.value()
        number += 1
        yield _entry(number, value, raw, text)
        if text.take("]"):
            return
        if not text.take(","):
            raise ValueError("a comma or ] was expected between elements")


def _members(text: _JsonText, number: int) -> Iterator[Entry]:
    """The elements of every list of an object too large to decode whole."""
    text.take("{")
    while not text.take("}"):
        text.value()
        if not text.take(":"):
            raise ValueError("a colon was expected after a member's name")
        if text.take("["):
            for entry in _elements(text, number):
                number += 1
                yield entry
        else:
            text.value()
        if not text.take(",") and text.next_mark() != "}":
            raise ValueError("a comma or } was expected between members")


def _entry(number: int, value: Any, raw: str, text: _JsonText) -> Entry:
    try:
        raw.encode()
        return SourceRow(number, _row_of(value, raw), raw)
    except UnicodeEncodeError as error:
        place = text.offset - _byte_length(raw[error.start :])
        return Loss(number, f"not UTF-8 at byte {place}", readable(raw.encode("utf-8", "surrogateescape")))
    except ValueError as error:
        return Loss(number, str(error), raw)


# Tables


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
        lazy = pl.scan_parquet(file)
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
