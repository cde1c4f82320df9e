"""Where feedback lies: paths, folders and globs; files as streams of bytes, decompressed."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.core import InputError, UsageError

PathLike = str | os.PathLike[str]

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
COMPRESSIONS = (".gz", ".zst")
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PLAIN_BLOCK, _PACKED_BLOCK = 1 << 18, 1 << 14  # bytes read at once; of a corrupt file, the last block is lost


@dataclass(frozen=True)
class Place:
    """A file to read. `named`: the person named this very file; False where a folder or glob led to it."""

    path: Path
    named: bool

    @property
    def suffix(self) -> str:
        """The suffix that tells the kind of file, compression left aside."""
        path = Path(self.path.stem) if self.path.suffix.lower() in COMPRESSIONS else self.path
        return path.suffix.lower()


def locate(sources: Iterable[PathLike]) -> tuple[list[Place], list[str]]:
    """The files that paths, folders and globs name, each once, in order; and notes on files named twice.

    A folder stands for all files below it with a known suffix (`SUFFIXES`, plain or compressed), sorted by path.
    Raises InputError where a path does not exist or leads to no file.
    """
    places: dict[Path, Place] = {}
    notes: list[str] = []
    for source in sources:
        for place in _expand(source):
            key = place.path.resolve()
            if key in places:
                notes.append(f"{place.path} is named more than once; it is read once")
            places.setdefault(key, place)
    return list(places.values()), notes


def refuse_overwriting(out: PathLike, files: Iterable[PathLike]) -> None:
    """Raises UsageError where `out` is one of the files read."""
    if Path(out).resolve() in {Path(file).resolve() for file in files}:
        raise UsageError("this is a file that is read", where=str(out), fix="write to another file")


def digest_of(path: Path) -> str:
    """BLAKE2b-128 of the file's bytes as stored, in hexadecimal."""
    with _opened(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class Stream(io.RawIOBase):
    """The bytes of a file, decompressed where it is gzip or Zstandard (told by its first bytes, not its name).

    A truncated or corrupt file ends early without an exception: everything before the damage can be read, and
    `damage` then says what happened and where. `position` counts the bytes of the file consumed so far.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.position, self.damage = path, 0, ""
        self._file = _opened(path)
        head = self._file.read(len(_ZSTANDARD))
        self._file.seek(0)
        self._packing = "gzip" if head.startswith(_GZIP) else "Zstandard" if head == _ZSTANDARD else ""
        self._unpacker: Any = None
        self._ready = memoryview(b"")

    @property
    def compressed(self) -> bool:
        return bool(self._packing)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if self.damage or not self._fill():
                return 0
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _fill(self) -> bool:
        """Make more bytes ready; False at the end of the file."""
        raw = self._file.read(_PACKED_BLOCK if self._packing else _PLAIN_BLOCK)
        self.position += len(raw)
        if not raw and self._unpacker is not None:
            self.damage = f"the {self._packing} stream ends early, at byte {self.position} of the file"
        self._ready = memoryview(self._unpacked(raw) if self._packing else raw)
        return bool(raw)

    def _unpacked(self, raw: bytes) -> bytes:
        pieces = []
        try:
            while raw:
                if self._unpacker is None:
                    self._unpacker = self._new_unpacker()
                pieces.append(self._unpacker.decompress(raw))
                if not self._unpacker.eof:
                    break
                # The next member begins here; gzip files may be padded with zeros.
                raw = self._unpacker.unused_data.lstrip(b"\0")
                self._unpacker = None
        except self._errors() as error:
            self.damage = f"the {self._packing} stream is corrupt near byte {self.position} of the file ({error})"
        return b"".join(pieces)

    def _new_unpacker(self) -> Any:
        if self._packing == "gzip":
            return zlib.decompressobj(wbits=31)
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj()

    def _errors(self) -> tuple[type[Exception], ...]:
        if self._packing == "gzip":
            return (zlib.error,)
        import zstandard

        return (zstandard.ZstdError,)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(
            f"the file cannot be opened ({error.strerror})", where=str(path), fix="check the path and its permissions"
        ) from error


def _expand(source: PathLike) -> Sequence[Place]:
    path = Path(source).expanduser()
    if path.is_dir():
        return _below(path)
    if path.is_file():
        return [Place(path, named=True)]
    if path.exists():
        raise InputError("this is no regular file", where=str(source), fix="save what it gives to a file first")
    if any(mark in str(source) for mark in "*?["):
        return _matching(path)
    raise InputError("there is no such file or folder", where=str(source), fix="check the path")


def _below(folder: Path) -> list[Place]:
    found = [Place(path, named=False) for path in sorted(folder.rglob("*")) if path.is_file()]
    known = [place for place in found if place.suffix in SUFFIXES and not place.path.name.startswith(".")]
    if not known:
        raise InputError(
            "the folder holds no file of a known kind",
            where=str(folder),
            fix=f"give it files that end in {', '.join(SUFFIXES)} (plain, .gz or .zst)",
        )
    return known


def _matching(pattern: Path) -> list[Place]:
    anchor = Path(pattern.anchor)
    found = sorted(path for path in anchor.glob(str(pattern.relative_to(anchor))) if path.is_file())
    if not found:
        raise InputError("no file matches this pattern", where=str(pattern), fix="check the pattern")
    return [Place(path, named=False) for path in found]
