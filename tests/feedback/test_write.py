"""Files appear whole or not at all, hold what they should, and losses are counted."""

from __future__ import annotations

import csv
import errno
import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from heedful.core import HeedfulError, UsageError
from heedful.feedback import SCHEMA, Record, Reject, Table, read, write, write_rejects, writer
from heedful.feedback.write import Writer

DIALOGUE = [
    {"text": "You are terse.", "by": "world", "role": "system"},
    {"text": "Weather?", "by": "world", "role": "user"},
]


def record(number: int = 0, **fields: Any) -> Record:
    base = {
        "id": f"r{number}",
        "kind": "comparison",
        "context": "What is 2 + 2?",
        "candidates": [{"output": "4", "system": "a"}, {"output": "22", "system": "b"}],
        "value": {"choice": "first"},
    }
    return Record.model_validate({**base, **fields})


def choices(*names: str) -> Table:
    return Table.of([record(place, value={"choice": name}) for place, name in enumerate(names)])


# Kinds of files


def test_compression_is_what_the_suffix_says(tmp_path: Path) -> None:
    table = choices("first", "tie")
    write(table, tmp_path / "plain.jsonl")
    write(table, tmp_path / "packed.jsonl.gz")
    write(table, tmp_path / "packed.jsonl.zst")
    plain = (tmp_path / "plain.jsonl").read_bytes()
    assert gzip.decompress((tmp_path / "packed.jsonl.gz").read_bytes()) == plain
    with zstandard.ZstdDecompressor().stream_reader((tmp_path / "packed.jsonl.zst").read_bytes()) as reader:
        assert reader.read() == plain
    assert [json.loads(line)["schema"] for line in plain.splitlines()] == [1, 1]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz", "a.parquet", "b.parquet"):
        write(choices("first", "tie"), tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_parquet_tells_its_schema_and_others_can_read_it(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "o.parquet"
    assert write(choices("first", "tie"), path).format == "heedful-table"
    file = parquet.ParquetFile(path)
    assert file.metadata.metadata[b"heedful_schema"] == b"1"
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.read().column("choice").to_pylist() == ["first", "tie"]
    assert pl.read_parquet(path).columns == [name for name in SCHEMA if name not in ("source", "line")]


def test_no_records_make_an_empty_file_that_can_be_read(tmp_path: Path) -> None:
    for name in ("o.jsonl", "o.parquet", "o.csv"):
        assert write(Table.of([]), tmp_path / name).written == 0
        assert (tmp_path / name).exists()
    assert len(read(tmp_path / "o.parquet").table) == 0


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("votes.txt", None, "what kind of file"),
        ("votes.parquet.gz", None, "what kind of file"),
        ("votes.jsonl", "trl", "no format 'trl'"),
        ("votes.csv", "trl-preference", "not written as .csv"),
        ("votes.parquet", "trl-preference", "not written as .parquet"),
        ("votes.csv", "heedful", "not written as .csv"),
        ("nowhere/votes.jsonl", None, "no such folder"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, form: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        write(choices("first"), tmp_path / name, format=form)
    assert list(tmp_path.iterdir()) == []


# Whole or not at all


def _interrupted(out: Writer) -> None:
    out.add(choices("first"))
    raise KeyboardInterrupt


def test_an_error_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), writer(path) as out:
        _interrupted(out)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_only_at_the_end(tmp_path: Path) -> None:
    for name in ("o.jsonl", "o.parquet"):
        with writer(tmp_path / name) as out:
            out.add(choices("first"))
            assert not (tmp_path / name).exists()
        assert (tmp_path / name).exists()
        assert out.result.written == 1


@pytest.mark.parametrize("name", ["o.jsonl", "o.jsonl.gz", "o.csv"])
def test_a_full_disk_is_told_with_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened = Path.open

    class Full:
        """A file that takes 300 bytes."""

        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 300

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> int:
            if len(content) > self.left:
                self.file.write(content[: self.left])
                self.file.flush()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.left -= len(content)
            return int(self.file.write(content))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    monkeypatch.setattr(Path, "open", lambda self, mode="r", *a, **k: Full(opened(self, mode, *a, **k)))
    (tmp_path / name).write_bytes(b"old")
    random = [record(n, context=os.urandom(200).hex()) for n in range(4)]
    with pytest.raises(HeedfulError, match=r"No space left.*records and \d+ bytes had been written") as raised:
        write(Table.of(random), tmp_path / name)
    assert raised.value.where == str(tmp_path / name)
    monkeypatch.undo()
    assert (tmp_path / name).read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("mount is not installed")
    if done.returncode:
        pytest.skip("no right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _in_pieces(out: Writer, table: Table) -> None:
    for start in range(0, len(table), 100):
        out.add(table.take(slice(start, start + 100)))


@pytest.mark.parametrize("name", ["o.jsonl", "o.jsonl.zst", "o.parquet", "o.csv"])
def test_a_real_full_disk_is_left_as_it_was(tiny_disk: Path, name: str) -> None:
    (tiny_disk / name).write_bytes(b"old")
    table = Table.of([record(n, context=os.urandom(300).hex()) for n in range(1000)])
    with pytest.raises(HeedfulError, match="No space left"), writer(tiny_disk / name) as out:
        _in_pieces(out, table)
    assert list(tiny_disk.iterdir()) == [tiny_disk / name]
    assert (tiny_disk / name).read_bytes() == b"old"
    assert out.result.written > 0


# Projections


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_preferences_as_trl_has_them(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    written = write(choices("first", "second", "tie", "tie", "both_bad", "incomparable"), path, format="trl-preference")
    assert rows(path) == [
        {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "22"},
        {"prompt": "What is 2 + 2?", "chosen": "22", "rejected": "4"},
    ]
    assert written.lost == {
        "a tie has no place in chosen/rejected": 2,
        "both bad has no place in chosen/rejected": 1,
        "incomparable has no place in chosen/rejected": 1,
    }
    assert written.stripped == {"systems": 2}


def test_dialogues_make_a_conversational_file(tmp_path: Path) -> None:
    call = json.dumps({"name": "weather", "arguments": {}})
    tools = [*DIALOGUE, {"text": call, "kind": "tool_call", "by": "system", "role": "assistant"}]
    table = Table.of([record(0, context=DIALOGUE), record(1), record(2, context=tools), record(3, context=None)])
    path = tmp_path / "o.jsonl"
    assert write(table, path, format="trl-preference").lost == {}
    system, user = ({"role": "system", "content": "You are terse."}, {"role": "user", "content": "Weather?"})
    called = {"role": "assistant", "content": "", "tool_calls": [{"name": "weather", "arguments": {}}]}
    assert [row["prompt"] for row in rows(path)] == [
        [system, user],
        [{"role": "user", "content": "What is 2 + 2?"}],
        [system, user, called],
        [],
    ]
    assert rows(path)[0]["chosen"] == [{"role": "assistant", "content": "4"}]


def test_what_trl_cannot_hold_is_counted_by_reason(tmp_path: Path) -> None:
    media = [{"kind": "media", "uri": "cat.png", "by": "world"}]
    numbered = [{"uri": "prompt:8", "by": "world"}]
    table = Table.of(
        [
            record(0),
            record(1, context=media),
            record(2, context=numbered),
            record(3, context=DIALOGUE),
            record(4, candidates=[{"output": "4"}, {"output": None, "system": "b"}]),
            record(5, candidates=[{"output": "4", "system": "a"}, {"output": "4", "system": "b"}]),
            record(6, address={"kind": "turn", "index": 0}),
            record(7, kind="label", candidates=[{"output": "4"}], value={"label": True}),
        ]
    )
    with writer(tmp_path / "o.jsonl", format="trl-preference") as out:
        out.add(table.take([0]))  # a plain prompt comes first, and settles that prompts are plain
        out.add(table.take(slice(1, None)))
    assert out.result.written == 1
    assert out.result.lost == {
        "media has no place in a message of TRL": 1,
        "a text that is known only by a reference has no place in TRL's forms": 1,
        "a dialogue with roles has no place among prompts that are plain texts": 1,
        "an output that is not given has no place in chosen/rejected": 1,
        "two equal outputs have no place in chosen/rejected": 1,
        "a judgement of a part of an output has no place in chosen/rejected": 1,
        "a label has no place in chosen/rejected": 1,
    }


def test_what_kept_records_lose_is_counted_by_field(tmp_path: Path) -> None:
    more = {"rater": {"id": "ann"}, "criterion": "style", "seconds": 2.0, "value": {"choice": "first", "degree": 2}}
    table = Table.of([record(0), record(1, **more), record(2, value={"choice": "tie"}, rater={"id": "bo"})])
    written = write(table, tmp_path / "o.jsonl", format="trl-preference")
    assert written.stripped == {"systems": 2, "rater": 1, "rater_kind": 1, "criterion": 1, "seconds": 1, "degree": 1}
    assert write(table, tmp_path / "o.csv").stripped == {"seconds": 1, "degree": 1}


def test_arena_tables(tmp_path: Path) -> None:
    rated = {"rater": {"id": "gpt-4", "kind": "model"}, "order": "shown", "time": "2024-03-01T12:00:00Z"}
    numbered = [{"uri": "question_id:8", "by": "world"}]
    table = Table.of(
        [record(0, **rated), record(1, **rated, context=numbered, value={"choice": "both_bad"})]
    )  # fmt: skip
    path = tmp_path / "o.csv"
    assert write(table, path).format == "arena"
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "model_a": "a", "model_b": "b", "winner": "model_a", "judge": "gpt-4", "rater_kind": "model",
        "criterion": "overall", "question": "What is 2 + 2?", "question_id": "", "response_a": "4", "response_b": "22",
        "left": "a", "right": "b", "tstamp": "2024-03-01T12:00:00+00:00",
    }  # fmt: skip
    assert (second["winner"], second["question"], second["question_id"]) == ("tie (bothbad)", "", "8")
    # The number of a prompt that stands beside a column of texts is kept twice, in `extra` too.
    bare = {"id": None, "extra": {}}
    back = [one.model_copy(update=bare) for one in read(path).table.records()]
    assert back == [one.model_copy(update=bare) for one in table.records()]


def test_what_an_arena_table_cannot_hold_is_counted(tmp_path: Path) -> None:
    table = Table.of(
        [
            record(0),
            record(1, candidates=[{"output": "4"}, {"output": "22", "system": "b"}]),
            record(2, candidates=[{"system": "a"}, {"output": "22", "system": "b"}]),
            record(3, context=DIALOGUE),
            record(4, rater={"id": " "}),
            record(5, kind="best_of", value={"best": 0}),
        ]
    )
    written = write(table, tmp_path / "o.csv")
    assert written.lost == {
        "an output whose system is not known has no place in an arena table": 1,
        "an output that is not given has no place in an arena table with texts": 1,
        "a dialogue or other content in parts has no place in an arena table": 1,
        "a rater of blanks only has no place in an arena table": 1,
        "a best_of has no place in an arena table": 1,
    }
    shown = Table.of([record(0, order="shown")])
    with writer(tmp_path / "p.csv") as out:
        out.add(shown)
        out.add(Table.of([record(1)]))
    assert out.result.lost == {"an unknown order of display has no place in an arena table that states the order": 1}


def test_rejects_are_kept_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    rejects = [Reject("votes.csv", 3, "no winner", 'a,b,"\n\x1e'), Reject("votes.csv", 9, "a line too long", None)]
    assert write_rejects(rejects, path) == 2
    assert rows(path) == [
        {"file": "votes.csv", "line": 3, "reason": "no winner", "raw": 'a,b,"\n\x1e'},
        {"file": "votes.csv", "line": 9, "reason": "a line too long", "raw": None},
    ]
    assert write_rejects([Reject("x", 1, "lone \udc80 surrogate", "\udc80")], path) == 1
    assert rows(path)[0]["raw"] == "\udc80"
