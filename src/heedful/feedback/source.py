"""What can be read: files of any known kind, data frames, lists of rows, each as chunks of rows with a digest."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from shutil import copyfileobj
from typing import IO, Any, Literal, cast

import polars as pl

from heedful.core import InputError, MissingExtraError
from heedful.feedback.delimited import delimited
from heedful.feedback.formats.base import well_formed
from heedful.feedback.formats.native import check_version
from heedful.feedback.json_rows import json_lines, json_values
from heedful.feedback.record import Record
from heedful.feedback.rows import (
    MAX_RECORD_BYTES,
    Chunk,
    Entry,
    Fields,
    Loss,
    SourceRow,
    frame_chunks,
    in_chunks,
    parquet_chunks,
    plain_value,
    rows_of_frame,
)
from heedful.feedback.streams import PathLike, Place, Stream, digest_of, locate

Kind = Literal["empty", "parquet", "json lines", "json", "delimited"]
IsRow = Callable[[Fields], bool]

_HEAD = 1 << 20
_BUFFER = 1 << 18


@dataclass(frozen=True)
class Input:
    """One source. `chunks` gives each chunk with how much of `size` has been read by then (bytes, or rows).

    `named`: the person named it, so that it must be readable; False for a file that a folder or glob led to.
    """

    name: str
    digest: str
    chunks: Iterator[tuple[Chunk, int]]
    size: int
    named: bool = True


def of_file(place: Place, limit: int, is_row: IsRow) -> Input:
    """A file; see `heedful.feedback.read.read`. Raises InputError where it cannot be opened or is of no known kind."""
    return Input(
        str(place.path),
        digest_of(place.path),
        _file_chunks(place, limit, is_row),
        place.path.stat().st_size,
        place.named,
    )


def of_frame(frame: pl.DataFrame, name: str) -> Input:
    """A polars data frame."""
    chunks = ((piece, round(share * frame.height)) for piece, share in frame_chunks(frame))
    return Input(name, digest_of_frame(frame), chunks, frame.height)


def of_rows(rows: Iterable[Any], name: str) -> Input:
    """Rows as dicts, or records."""
    plain = [_plain_row(row) for row in rows]
    digest = hashlib.blake2b(digest_size=16)
    for row in plain:
        digest.update(json.dumps(row, default=str).encode())
    entries = (_entry(line, row) for line, row in enumerate(plain, 1))
    chunks = ((chunk, chunk[-1].line) for chunk in in_chunks(entries))
    return Input(name, digest.hexdigest(), iter(chunks), len(plain))


def frame_of_pandas(frame: Any) -> pl.DataFrame | None:
    """A pandas data frame as a polars one; None where its columns mix types that no column can hold."""
    try:
        return pl.from_pandas(frame)
    except ImportError as error:
        raise MissingExtraError("pyarrow", "pandas") from error
    except Exception:  # pyarrow and polars each have their own ways to refuse a column of objects
        return None


def rows_of(path: PathLike, *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[tuple[int, Fields]]:
    """The rows of a file of any kind, whatever they hold, each with its line or number.

    Raises InputError at the first that cannot be read.
    """
    (place,), _ = locate([path])
    for chunk, _ in _file_chunks(place, max_record_bytes, lambda fields: False):
        for entry in rows_of_frame(chunk) if isinstance(chunk, pl.DataFrame) else chunk:
            if isinstance(entry, Loss):
                raise InputError(entry.reason, where=f"{path}, line {entry.line}", fix="repair this line")
            yield entry.line, entry.fields


def _plain_row(row: Any) -> Any:
    if isinstance(row, Record):
        return row.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain_value(row)


def _entry(line: int, row: Any) -> Entry:
    if not isinstance(row, Mapping):
        return Loss(line, f"a row must be a dict, not {type(row).__name__}", str(row))
    try:
        well_formed(row)
    except ValueError as error:
        return Loss(line, str(error), json.dumps(row, default=str))
    return SourceRow(line, row)


class _Hashing(io.RawIOBase):
    """A sink that only hashes."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.blake2b(digest_size=16)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return len(data)


def digest_of_frame(frame: pl.DataFrame) -> str:
    """BLAKE2b-128 of the rows as JSON Lines, in hexadecimal."""
    sink = _Hashing()
    for piece, _ in frame_chunks(frame):
        piece.write_ndjson(cast(IO[bytes], sink))
    return sink.digest.hexdigest()


# Files


def _file_chunks(place: Place, limit: int, is_row: IsRow) -> Iterator[tuple[Chunk, int]]:
    where = str(place.path)
    kind = _kind(place)
    if kind == "parquet":
        yield from _of_parquet(place)
        return
    with Stream(place.path) as stream:
        reader = io.BufferedReader(stream, _BUFFER)
        if kind == "delimited":
            chunks = delimited(stream, reader, limit, where)
        elif kind == "json lines":
            chunks = in_chunks(json_lines(stream, reader, limit))
        else:  # an empty file reads as a JSON text without values, with its damage if there is any
            chunks = in_chunks(json_values(stream, reader, limit, is_row))
        for chunk in chunks:
            yield chunk, stream.position


def _kind(place: Place) -> Kind:
    """The kind of a file by its first bytes and, where these leave it open, by its suffix."""
    with Stream(place.path) as stream:
        head = io.BufferedReader(stream, _BUFFER).read(_HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("the text is UTF-16", where=str(place.path), fix="save it as UTF-8")
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        return "empty"
    if text.startswith(b"["):
        return "json"
    if place.suffix in (".jsonl", ".ndjson"):
        return "json lines"
    if text.startswith(b"{") or place.suffix == ".json":
        return "json lines" if _has_rows_in_lines(text) else "json"
    if place.suffix == ".parquet" or (b"\0" in text and place.suffix not in (".csv", ".tsv")):
        raise InputError(
            "the file is neither text nor Parquet", where=str(place.path), fix="give it as JSON, CSV or Parquet"
        )
    return "delimited"


def _has_rows_in_lines(text: bytes) -> bool:
    """Whether the first line is a JSON object and the next line begins another."""
    first, *rest = (line for line in text.split(b"\n", 64) if line.strip())
    try:
        return isinstance(json.loads(first), dict) and bool(rest) and rest[0].lstrip().startswith(b"{")
    except (ValueError, RecursionError):
        return False


def _of_parquet(place: Place) -> Iterator[tuple[Chunk, int]]:
    where, size = str(place.path), place.path.stat().st_size
    with Stream(place.path) as stream, tempfile.TemporaryFile() as unpacked:
        if not stream.compressed:
            check_version(_metadata(place.path, where), where)
            yield from ((piece, round(share * size)) for piece, share in parquet_chunks(place.path, where, size))
            return
        copyfileobj(stream, unpacked, _BUFFER)
        if stream.damage:
            raise InputError(stream.damage, where=where, fix="fetch or write the file again")
        length = unpacked.tell()
        unpacked.seek(0)
        check_version(_metadata(unpacked, where), where)
        unpacked.seek(0)
        yield from ((piece, round(share * size)) for piece, share in parquet_chunks(unpacked, where, length))


def _metadata(file: Any, where: str) -> dict[str, str]:
    try:
        return pl.read_parquet_metadata(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"this is no readable Parquet file ({str(error).splitlines()[0]})",
            where=where,
            fix="write the file again; a Parquet file that was cut has lost its index",
        ) from error
