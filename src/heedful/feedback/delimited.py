"""Rows of CSV and TSV files: whole blocks by polars where they are plainly sound, one by one where they are not."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from heedful.core import InputError
from heedful.feedback.formats.base import LINE
from heedful.feedback.rows import Chunk, Entry, Line, Loss, SourceRow, decoded, in_chunks, lines_of, readable
from heedful.feedback.streams import Stream

_BLOCK = 4 << 20
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'


def delimited(
    stream: Stream, reader: io.BufferedIOBase, limit: int, where: str, *, block_size: int = _BLOCK
) -> Iterator[Chunk]:
    """Chunks of rows whose cells are texts: frames with a column `LINE`, or lists of entries.

    The first line names the columns; the delimiter is the comma, semicolon or tab that it holds most of. Rows with
    fewer cells are filled with empty ones; rows with more are lost. Raises InputError where the head is unusable.
    """
    head = reader.readline(limit)
    names, delimiter = _header(head, where)
    number, offset, pending = 2, len(head), b""
    while len(pending) <= limit and (raw := reader.read(block_size)):
        pending += raw
        end = _record_end(pending, delimiter)
        if end is None:
            break
        block, pending = pending[:end], pending[end:]
        yield from _of_block(block, number, offset, names, delimiter, limit)
        number, offset = number + _newlines(block), offset + end
    # What is left is the last line, or is quoted in a way that only careful reading can follow.
    lines = lines_of(io.BufferedReader(_Joined(pending, reader)), limit, number=number, offset=offset)
    yield from in_chunks(_Careful(lines, names, delimiter, limit, stream))


def _of_block(block: bytes, number: int, offset: int, names: list[str], delimiter: str, limit: int) -> Iterator[Chunk]:
    """The rows of `block`, which holds whole records and begins with line `number` at byte `offset`."""
    if not block:
        return
    frame = _frame(block, names, delimiter, number) if len(block) <= limit else None
    if frame is not None:
        yield frame
        return
    lines = lines_of(io.BufferedReader(io.BytesIO(block)), limit, number=number, offset=offset)
    yield from in_chunks(_Careful(lines, names, delimiter, limit))


def _header(head: bytes, where: str) -> tuple[list[str], str]:
    try:
        text = decoded(head.removeprefix(codecs.BOM_UTF8), 0)
        delimiter = max(",;\t", key=text.count)
        names = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"the first line cannot be read as column names ({error})",
            where=where,
            fix="save the file as UTF-8 CSV with one line of column names",
        ) from error
    names = [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"columns have the same name: {', '.join(twice)}", where=where, fix="give each its own name")
    return names, delimiter


# Whole blocks


def _record_end(data: bytes, delimiter: str) -> int | None:
    """Where the last whole record of `data` ends (0: nowhere); None where quotes do not plainly enclose cells.

    `data` begins at the start of a record. A quote is plain if it opens right after a delimiter or line end and closes
    right before one; quotes within a cell are doubled. Then a line end is one of a record if it follows an even number
    of quotes. A carriage return that stands alone is not plain either.
    """
    codes = np.frombuffer(data, np.uint8)
    if np.count_nonzero(codes[:-1] == _RETURN) and data.count(b"\r", 0, -1) != data.count(b"\r\n"):
        return None
    quotes = np.flatnonzero(codes == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    before = codes[opening[opening > 0] - 1]
    after = codes[closing[closing < len(data) - 1] + 1]
    comma = ord(delimiter)
    if not (_among(before, comma, _NEWLINE, _QUOTE) and _among(after, comma, _NEWLINE, _QUOTE, _RETURN)):
        return None
    end = len(data)
    for gap in range(len(quotes) // 2, -1, -1):  # the stretches outside quotes, last first
        start = int(closing[gap - 1]) if gap else 0
        stop = int(opening[gap]) if gap < len(opening) else end
        found = data.rfind(b"\n", start, stop)
        if found >= 0:
            return found + 1
    return 0


def _newlines(block: bytes) -> int:
    """How many there are; where they are many, numpy counts ten times as fast as bytes do."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE))


def _among(codes: Any, *allowed: int) -> bool:
    return bool(np.isin(codes, allowed).all())


def _frame(block: bytes, names: list[str], delimiter: str, number: int) -> pl.DataFrame | None:
    """The block by polars; None where it would not read every row as careful reading does."""
    try:
        frame = pl.read_csv(
            block, has_header=False, separator=delimiter, schema=dict.fromkeys(names, pl.String), quote_char='"'
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    # A row of nulls may be a blank line, which is no row.
    if frame.select(pl.all_horizontal(pl.all().is_null()).any()).item():
        return None
    frame = frame.with_columns(pl.all().fill_null(""))
    starts = _starting_lines(frame, block, number)
    return None if starts is None else frame.with_columns(starts)


def _starting_lines(frame: pl.DataFrame, block: bytes, number: int) -> pl.Series | None:
    """The line on which each row starts; None where rows and lines do not add up."""
    height = frame.height
    lines = np.ones(height, np.int64)
    if b'"' in block:
        within = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True))
        lines += frame.select(within.cast(pl.Int64)).to_series().to_numpy()
    ends = np.cumsum(lines)
    if not height or ends[-1] != _newlines(block):
        return None
    return pl.Series(LINE, number + ends - lines)


# Row by row


class _Joined(io.RawIOBase):
    """Bytes already read, then the rest of their reader."""

    def __init__(self, begun: bytes, reader: io.BufferedIOBase) -> None:
        super().__init__()
        self._begun, self._reader = io.BytesIO(begun), reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._begun.readinto(buffer) or self._reader.readinto(buffer)


class _Careful:
    """Rows by the csv module, record after record, so that one that is unsound costs no other.

    `stream` is given where its damage may have cut the last record: that record is then part of the damage.
    """

    def __init__(
        self, lines: Iterator[Line | Loss], names: list[str], delimiter: str, limit: int, stream: Stream | None = None
    ) -> None:
        self._lines, self._names, self._delimiter, self._limit = lines, names, delimiter, limit
        self._stream = stream
        self._waiting: deque[Line | Loss] = deque()
        self._number = 1
        self._told = False

    def __iter__(self) -> Iterator[Entry]:
        while (line := self._next()) is not None:
            entry = line if isinstance(line, Loss) else self._record(line)
            if entry is not None:
                yield entry
        if self._damage() and not self._told:
            yield Loss(self._number + 1, self._damage())

    def _damage(self) -> str:
        return self._stream.damage if self._stream else ""

    def _next(self) -> Line | Loss | None:
        line = self._waiting.popleft() if self._waiting else next(self._lines, None)
        if line is not None:
            self._number = line.line if isinstance(line, Loss) else line.number
        return line

    def _record(self, first: Line) -> Entry | None:
        taken, open_ended = [first], False

        def feed() -> Iterator[str]:
            nonlocal open_ended
            size = len(first.content)
            yield _lenient(first)
            while size <= self._limit and (line := self._next()) is not None:
                if isinstance(line, Loss):
                    self._waiting.appendleft(line)
                    break
                taken.append(line)
                size += len(line.content)
                yield _lenient(line)
            open_ended = True

        try:
            cells = _cells(csv.reader(feed(), delimiter=self._delimiter))
        except csv.Error as error:
            return self._given_up(taken, str(error))
        if self._damage() and (open_ended or not taken[-1].whole):
            self._told = True
            return Loss(first.number, f"{self._damage()}, within this row", readable(_joined(taken)))
        if open_ended:
            return self._given_up(taken, f"a quote opens in this row and does not close within {self._limit} bytes")
        return self._entry(cells, taken)

    def _given_up(self, taken: list[Line], reason: str) -> Loss:
        """Only the first line is lost: those after it are read again, as rows of their own."""
        self._waiting.extendleft(reversed(taken[1:]))
        return Loss(taken[0].number, reason, readable(taken[0].content.strip()))

    def _entry(self, cells: list[str], taken: list[Line]) -> Entry | None:
        first, raw = taken[0], _joined(taken)
        if not cells:
            return None
        try:
            decoded(raw, first.offset)
        except ValueError as error:
            return Loss(first.number, str(error), readable(raw.strip()))
        surplus = len(cells) - len(self._names)
        if surplus > 0:
            reason = f"{len(cells)} cells where the first line names {len(self._names)} columns"
            return Loss(first.number, reason, readable(raw.strip()))
        return SourceRow(first.number, dict(zip(self._names, cells + [""] * -surplus, strict=True)))


def _lenient(line: Line) -> str:
    return line.content.decode("utf-8", "surrogateescape")


def _joined(lines: list[Line]) -> bytes:
    return b"".join(line.content for line in lines)


def _cells(reader: Any) -> list[str]:
    """The next record, with cells of any size: the csv module's own limit is set for this call alone."""
    limit = csv.field_size_limit((1 << 31) - 1)
    try:
        return next(reader, [])
    finally:
        csv.field_size_limit(limit)
