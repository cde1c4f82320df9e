"""Rows of JSON Lines and JSON files, in bounded memory."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from heedful.feedback.formats.base import well_formed
from heedful.feedback.rows import Entry, Fields, Line, Loss, SourceRow, decoded, lines_of, readable
from heedful.feedback.streams import Stream

_PIECE = 1 << 16
_SMALL_OBJECT = 8 << 20  # bytes within which one JSON object is decoded whole rather than member by member


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
