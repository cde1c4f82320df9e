from __future__ import annotations

import datetime as dt
import enum
import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import examples
import numpy as np
import pytest

from heedful.core import Finding, HeedfulError, InputError, Interval
from heedful.report import load_summary, render, to_json, write, write_report

OLD = {"schema": 1, "title": "old"}
NEW = {"schema": 1, "title": "new"}


def titles(folder: Path) -> tuple[str | None, str | None]:
    """The title in either file, None where it is not there."""
    summary, report = folder / "summary.json", folder / "report.html"
    return (
        json.loads(summary.read_text())["title"] if summary.exists() else None,
        report.read_text().split("<title>")[1].split("<")[0] if report.exists() else None,
    )


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in ("summary.json", "report.html"))


# JSON


def test_what_is_written_is_strict_json_and_reads_back_equal(tmp_path: Path) -> None:
    for name, make in examples.EXAMPLES.items():
        written = write_report(make(), tmp_path / name)
        assert load_summary(written.summary) == load_summary(tmp_path / name) == make()
        assert written.report.read_text(encoding="utf-8") == render(make())


class _Kind(enum.StrEnum):
    problem = "problem"


def test_values_of_numpy_and_dataclasses_are_converted() -> None:
    summary = {
        "schema": np.int64(1),
        "seconds": {"fit": np.float32(0.5), "read": float("nan"), "ask": float("inf"), "x": -np.inf},
        "numbers": np.array([1.0, np.nan]),
        "truth": np.bool_(True),
        "interval": Interval(0.1, 0.2, "credible"),
        "findings": (Finding("a.b", "note", "m", examples=("x",)),),
        "when": dt.date(2024, 5, 1),
        "path": Path("a/b"),
        "kind": _Kind.problem,
        "zero": np.array(3.0),
    }
    read = json.loads(to_json(summary), parse_constant=pytest.fail)
    assert read == {
        "schema": 1,
        "seconds": {"fit": 0.5, "read": None, "ask": None, "x": None},
        "numbers": [1.0, None],
        "truth": True,
        "interval": {"low": 0.1, "high": 0.2, "promise": "credible", "level": 0.95},
        "findings": [{"code": "a.b", "severity": "note", "message": "m", "fix": "", "count": 0, "examples": ["x"]}],
        "when": "2024-05-01",
        "path": "a/b",
        "kind": "problem",
        "zero": 3.0,
    }


def test_numbers_keep_their_full_precision() -> None:
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 123456789.123456789]
    assert json.loads(to_json({"values": values}))["values"] == values


def test_texts_survive_whatever_they_hold(tmp_path: Path) -> None:
    text = "שלום \ud800 \u2028 \x00 𝄞 \"'\\"
    write_report({**NEW, "title": text, "feedback": {"read": 1}}, tmp_path)
    assert load_summary(tmp_path)["title"] == text
    assert "שלום" in (tmp_path / "summary.json").read_text(encoding="utf-8")


def test_a_value_without_a_json_form_is_named() -> None:
    with pytest.raises(InputError, match=r"summary\.model\.x\[1\].*object"):
        to_json({"model": {"x": [1, object()]}})


# Reading


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b'{"schema": 1, "seed": NaN}', "NaN is not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b"[]", "not a summary"),
        (b"{}", "not a summary"),
        (b'{"schema": true}', "not a summary"),
        (b'{"schema": 9}', "schema 9"),
        (b'{"schema": 1, "findings": [{"severity": "grave"}]}', r"findings\.0\.severity"),
        (b"[" * 100_000, "not valid JSON"),
        (b" \n", "file is empty"),
        (b'{"schema": 1, "title": "votes.csv", "ranking": []}', "no result"),
    ],
)
def test_what_is_not_a_summary_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_summary(tmp_path)
    assert str(tmp_path) in str(caught.value.where)


def test_a_missing_summary_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_summary(tmp_path)


# Writing


def test_the_folder_is_made_and_the_modes_are_those_of_any_file(tmp_path: Path) -> None:
    written = write_report(NEW, tmp_path / "a" / "b")
    (tmp_path / "plain").write_text("")
    plain = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert [stat.S_IMODE(path.stat().st_mode) for path in written] == [plain, plain]


def _at_call(k: int, real: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    """`real`, but raising at its k-th call."""
    calls: Iterator[int] = iter(range(1, 100))

    def stand_in(*arguments: Any, **named: Any) -> Any:
        if next(calls) == k:
            raise error
        return real(*arguments, **named)

    return stand_in


@pytest.mark.parametrize("before", [None, OLD], ids=["first", "again"])
@pytest.mark.parametrize(("call", "k"), [("fsync", 1), ("fsync", 2), ("fsync", 3), ("replace", 1), ("replace", 2)])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device"), OSError(5, "I/O")]
)
def test_an_interruption_leaves_both_files_old_or_both_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Any, call: str, k: int, error: BaseException
) -> None:
    if before:
        write_report(before, tmp_path)
    monkeypatch.setattr(write.os, call, _at_call(k, getattr(os, call), error))
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else HeedfulError
    with pytest.raises(expected):
        write_report(NEW, tmp_path)
    old = before["title"] if before else None
    assert titles(tmp_path) in ((old, old), ("new", "new"))
    assert leftovers(tmp_path) == []
    if expected is HeedfulError and (call, k) != ("fsync", 3):  # the third is the folder's, after both are in place
        assert titles(tmp_path) == (old, old)


def test_a_full_disk_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write.os, "fsync", _at_call(1, os.fsync, OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(HeedfulError, match="disk is full") as caught:
        write_report(NEW, tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "free some space" in str(caught.value.fix)


@pytest.mark.parametrize("taken", ["report.html", "summary.json"])
def test_a_folder_in_the_way_changes_nothing(tmp_path: Path, taken: str) -> None:
    write_report(OLD, tmp_path)
    (tmp_path / taken).unlink()
    (tmp_path / taken).mkdir()
    other = ({"report.html", "summary.json"} - {taken}).pop()
    kept = (tmp_path / other).read_bytes()
    with pytest.raises(HeedfulError, match="could not be written"):
        write_report(NEW, tmp_path)
    assert (tmp_path / other).read_bytes() == kept
    assert leftovers(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(HeedfulError, match="could not be written"):
        write_report(NEW, tmp_path / "out")


def test_a_wrong_summary_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_report({"schema": 1, "ranking": 3}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
