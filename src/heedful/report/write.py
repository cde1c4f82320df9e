"""The report on disk: both files appear whole, or neither does."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from heedful.core import HeedfulError
from heedful.feedback.atomic import synced
from heedful.report.page import render
from heedful.report.summary import to_json

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class ReportFiles(NamedTuple):
    """Where the two files of a report lie."""

    report: Path
    summary: Path


def write_report(summary: Mapping[str, Any], folder: str | Path) -> ReportFiles:
    """Write `report.html` and `summary.json` into `folder`, which is made where it is missing.

    Each file is written beside its place, flushed to disk and renamed over it, so that an interruption leaves the old
    file or the new one. Where the second cannot be put in its place, the first is put back as it was.

    Raises InputError where the summary is not one, HeedfulError where the disk is full or the folder is not writable.
    """
    return write_files(render(summary), to_json(summary), folder)


def write_files(html: str, json_text: str, folder: str | Path) -> ReportFiles:
    """Write a page and its numbers, as `write_report` does."""
    target = Path(folder)
    files = ReportFiles(target / "report.html", target / "summary.json")
    try:
        target.mkdir(parents=True, exist_ok=True)
        _write_all({files.summary: json_text.encode(), files.report: html.encode()})
    except OSError as error:
        raise _explained(error, target) from error
    return files


def _write_all(contents: Mapping[Path, bytes]) -> None:
    staged = {place: place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp") for place in contents}
    try:
        for place, content in contents.items():
            if place.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
            _write_durably(staged[place], content)
        _put_in_place(staged)
        if os.name == "posix":  # the renames themselves, where the system lets a folder be opened
            synced(next(iter(contents)).parent)
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def _write_durably(file: Path, content: bytes) -> None:
    with file.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _put_in_place(staged: Mapping[Path, Path]) -> None:
    """Rename all. An interruption between two renames still finishes them; a failure undoes those already done."""
    before = {place: place.read_bytes() if place.exists() else None for place in staged}
    try:
        _rename(staged)
    except KeyboardInterrupt:
        _rename(staged)
        raise
    except OSError:
        for place, temporary in staged.items():
            if not temporary.exists():
                _restore(place, before[place])
        raise


def _rename(staged: Mapping[Path, Path]) -> None:
    for place, temporary in staged.items():
        if temporary.exists():
            os.replace(temporary, place)  # noqa: PTH105 (the tests stand in for the system call)


def _restore(place: Path, content: bytes | None) -> None:
    if content is None:
        place.unlink(missing_ok=True)
    else:
        place.write_bytes(content)


def _explained(error: OSError, folder: Path) -> HeedfulError:
    kept = "nothing half-written is left"
    if error.errno in _FULL:
        return HeedfulError(
            f"the disk is full, so the report was not written; {kept}",
            where=str(folder),
            fix="free some space, or give another folder",
        )
    return HeedfulError(
        f"the report could not be written ({error.strerror or error}); {kept}",
        where=str(error.filename or folder),
        fix="give a folder that can be written to",
    )
