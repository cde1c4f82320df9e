"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from heedful.core import HeedfulError


class Replacement:
    """A file in the making: written under a temporary name beside `path`, which takes its place when it is whole.

    Use as a context manager. Leaving it normally flushes, syncs and renames; leaving it by an exception removes every
    trace, and what stood at `path` before still stands. `folder` holds temporary files of the same fate. `wrote` says
    in words how far the writing came, for the error where the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.wrote = "0 records"

    def __enter__(self) -> Replacement:
        with self._explained():
            self.folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent))
        self.temporary = self.folder / "whole"
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                with self._explained():
                    self._publish()
            elif isinstance(error, OSError):
                raise self._failed(error) from error
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _publish(self) -> None:
        self.temporary.touch()
        with self.temporary.open("rb+") as file:
            os.fsync(file.fileno())
        self.temporary.replace(self.path)
        with contextlib.suppress(OSError):  # not every system can sync a folder
            synced(self.path.parent)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> HeedfulError:
        folder = getattr(self, "folder", None)
        size = sum(file.stat().st_size for file in folder.iterdir()) if folder else 0
        return HeedfulError(
            f"the file could not be written ({error.strerror or error}): {self.wrote} and {size} bytes had been "
            "written, which are removed again",
            where=str(self.path),
            fix="free space on the disk, or write elsewhere",
        )


def synced(path: Path) -> None:
    """A file or folder on the disk, so that a name never stands for less than was written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def compressed(path: Path, suffix: str) -> Iterator[IO[bytes]]:
    """A new file at `path`, compressed as `suffix` says: ".gz", ".zst", or plain."""
    with path.open("wb") as raw:
        if suffix == ".gz":
            import gzip

            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        elif suffix == ".zst":
            import zstandard

            with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as packed:
                yield packed
        else:
            yield raw
