"""Bad input: each fault has a clear message, costs only itself, and is counted."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from heedful.core import InputError, UsageError
from heedful.feedback import Feedback
from heedful.feedback.read import read

VOTE = {"model_a": "m1", "model_b": "m2", "winner": "tie"}
LINE = json.dumps(VOTE).encode() + b"\n"
HEAD = b"model_a,model_b,winner\n"
RATING = {"kind": "rating", "candidates": [{"output": "a"}], "value": {"rating": 3, "scale": [1, 5]}}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def outcome(feedback: Feedback) -> tuple[int, list[tuple[int, str]]]:
    assert feedback.read == sum(source.read for source in feedback.sources)
    assert len(feedback.table) == sum(source.accepted for source in feedback.sources)
    return len(feedback.table), [(reject.line, reject.reason) for reject in feedback.rejects]


def one_reject(feedback: Feedback, accepted: int) -> Any:
    assert len(feedback.table) == accepted
    (reject,) = feedback.rejects
    outcome(feedback)
    return reject


# Nothing to read


@pytest.mark.parametrize("name", ["absent.jsonl", "absent/*.csv"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"(?s)absent.*: (there is no such|no file matches).*Fix: check"):
        read(tmp_path / name)


def test_nothing_given_and_empty_folder(tmp_path: Path) -> None:
    for nothing in ([], None):
        with pytest.raises(InputError, match="nothing was given"):
            read(nothing)
    with pytest.raises(InputError, match="holds no file of a known kind"):
        read(tmp_path)
    with pytest.raises(UsageError, match="int cannot be read"):
        read(7)


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.jsonl.gz", "x"])
@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_note(tmp_path: Path, name: str, content: bytes) -> None:
    content = gzip.compress(content) if name.endswith(".gz") else content
    feedback = read(write(tmp_path / name, content))
    assert (feedback.read, len(feedback.notes)) == (0, 1)
    assert "is empty" in feedback.notes[0]


@pytest.mark.parametrize(("name", "content"), [("x.csv", HEAD), ("x.json", b"[]"), ("y.csv", HEAD.strip())])
def test_a_file_without_rows_is_a_note(tmp_path: Path, name: str, content: bytes) -> None:
    assert "is empty" in read(write(tmp_path / name, content)).notes[0]


def test_an_empty_frame_is_a_note() -> None:
    assert "is empty" in read(pl.DataFrame({"model_a": []})).notes[0]


def test_a_file_of_no_known_format(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", b"colour,size\nred,1\n")
    with pytest.raises(InputError, match=r"x.csv: no known format.*colour, size.*Fix: describe the columns"):
        read(path)
    with pytest.raises(InputError, match="none of the files"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "model_a,model_b".encode("utf-16"), "UTF-16"),
        ("x.bin", b"\x7fELF\0\0", "neither text nor Parquet"),
        ("x.parquet", b"PAR1 cut short", "no readable Parquet"),
        ("x.csv", b"a,b,a\n1,2,3\n", "same name: a"),
        ("x.csv", b"\xff\xfea,b\n1,2\n", "UTF-16"),
        ("x.csv", b"mod\xe8l,b\n1,2\n", "not UTF-8 at byte 3"),
    ],
)
def test_files_that_cannot_be_read_at_all(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"{name}: .*{message}.*Fix: "):
        read(write(tmp_path / name, content))


# Damaged files


def packed(content: bytes, packing: str) -> bytes:
    return gzip.compress(content) if packing == "gz" else zstandard.compress(content)


def incompressible(n: int) -> list[bytes]:
    """Lines of judgements that differ enough that cutting the packed file cuts many of them."""
    return [json.dumps({**VOTE, "note": f"{k * 2654435761 % 2**32:x}" * 9}).encode() + b"\n" for k in range(n)]


@pytest.mark.parametrize("packing", ["gz", "zst"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
def test_truncated_archives_keep_what_came_before(tmp_path: Path, packing: str, share: float) -> None:
    lines = incompressible(8_000)
    whole = packed(b"".join(lines), packing)
    path = write(tmp_path / f"x.jsonl.{packing}", whole[: int(len(whole) * share)])
    feedback = read(path)
    accepted, ((line, reason),) = outcome(feedback)
    assert accepted > share * 8_000 * 0.7
    assert line == accepted + 1
    assert f"stream ends early, at byte {path.stat().st_size} of the file" in reason
    assert feedback.rejects[0].source == str(path)


def test_every_cut_of_a_small_archive_is_one_reject(tmp_path: Path) -> None:
    whole = gzip.compress(LINE * 5)
    for cut in range(3, len(whole)):
        feedback = read(write(tmp_path / "x.jsonl.gz", whole[:cut]))
        assert "ends early" in one_reject(feedback, len(feedback.table)).reason


def test_truncated_csv_never_accepts_half_a_row(tmp_path: Path) -> None:
    rows = b"".join(b"m%d,model-%d,model_a\n" % (n, n) for n in range(50_000))
    whole = gzip.compress(HEAD + rows)
    path = write(tmp_path / "x.csv.gz", whole[: len(whole) // 2])
    feedback = read(path)
    reject = one_reject(feedback, len(feedback.table))
    assert "ends early" in reject.reason
    systems = {name for pair in feedback.table.frame["systems"].to_list() for name in pair}
    assert systems == {f"{kind}{n}" for n in range(len(feedback.table)) for kind in ("m", "model-")}
    assert len(feedback.table) > 10_000


@pytest.mark.parametrize("end", [b'm1,m2,"ti', b'm1,"m2\nm3,m4,tie\nm5,m'])
def test_a_quoted_cell_cut_by_damage_is_one_reject(tmp_path: Path, end: bytes) -> None:
    whole = gzip.compress(HEAD + b"m1,m2,tie\n" + end, mtime=0)
    feedback = read(write(tmp_path / "x.csv.gz", whole[:-8]))
    assert "ends early" in one_reject(feedback, 1).reason


def test_corrupt_archives_are_one_reject(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"".join(incompressible(8_000))))
    whole[len(whole) // 2] ^= 0xFF
    feedback = read(write(tmp_path / "x.jsonl.gz", bytes(whole)))
    assert len(feedback.table) > 2_000
    assert all("corrupt" in reject.reason or "not JSON" in reject.reason for reject in feedback.rejects)
    assert "corrupt near byte" in feedback.rejects[-1].reason


@pytest.mark.parametrize("cut", [2, 30, 70])
def test_truncated_arrays_keep_their_first_elements(tmp_path: Path, cut: int) -> None:
    text = json.dumps([VOTE] * 10).encode()
    feedback = read(write(tmp_path / "x.json", text[:-cut]))
    accepted = 9 - cut // len(LINE)
    reject = one_reject(feedback, accepted)
    assert "cannot be read" in reject.reason
    assert f"from byte {1 + (len(LINE) + 1) * accepted} on" in reject.reason


def test_truncated_archives_of_arrays(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps([json.loads(line) for line in incompressible(5000)]).encode())
    feedback = read(write(tmp_path / "x.json.gz", whole[: len(whole) // 2]))
    assert "ends early" in one_reject(feedback, len(feedback.table)).reason
    assert len(feedback.table) > 1000


# Damaged text


def test_invalid_utf8_costs_one_line(tmp_path: Path) -> None:
    bad = LINE.replace(b"m2", b"m\xff")
    reject = one_reject(read(write(tmp_path / "x.jsonl", LINE + bad + LINE)), 2)
    assert reject.line == 2
    assert reject.reason == f"not UTF-8 at byte {len(LINE) + bad.index(0xFF)}"
    assert "m\\xff" in reject.raw


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_invalid_utf8_in_csv_and_arrays(tmp_path: Path, mark: bytes) -> None:
    csv = mark + HEAD + b"m1,m2,tie\nm\xff,m2,tie\n" + b"m1,m2,tie\n" * 3
    reject = one_reject(read(write(tmp_path / "x.csv", csv)), 4)
    assert (reject.line, reject.reason) == (3, f"not UTF-8 at byte {csv.index(0xFF)}")
    array = mark + b"[" + LINE + b"," + LINE.replace(b"m2", b"\xc3\xa9\xff") + b"," + LINE + b"]"
    reject = one_reject(read(write(tmp_path / "x.json", array)), 2)
    assert (reject.line, reject.reason) == (2, f"not UTF-8 at byte {array.index(0xFF)}")


def test_lone_surrogates_cost_one_line(tmp_path: Path) -> None:
    bad = LINE.replace(b"m2", b"m\\ud800")
    for name, content in (("x.jsonl", LINE + bad + LINE), ("x.json", b"[" + LINE + b"," + bad + b"," + LINE + b"]")):
        reject = one_reject(read(write(tmp_path / name, content)), 2)
        assert (reject.line, "lone surrogate (\\ud800)" in reject.reason) == (2, True)
    assert len(read(write(tmp_path / "x.jsonl", LINE.replace(b"m2", b"\\ud83d\\ude00"))).table) == 1
    assert "lone surrogate" in one_reject(read([VOTE, {**VOTE, "note": "\ud800"}]), 1).reason


def test_a_line_of_100_megabytes_is_never_held(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(LINE + b'{"text": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
        file.write(b'"}\n' + LINE)
    tracemalloc.start()
    feedback = read(path, max_record_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    reject = one_reject(feedback, 2)
    assert reject.line == 2
    assert f"line of {100 * 2**20 + 13} bytes at byte {len(LINE)}" in reject.reason
    assert "BLAKE2b" in reject.reason
    assert reject.raw is None
    assert peak < 16 * 2**20


def test_the_default_bound_takes_long_lines(tmp_path: Path) -> None:
    long = {**VOTE, "note": "x" * 2**23}
    assert len(read(write(tmp_path / "x.jsonl", json.dumps(long).encode())).table) == 1


def test_long_csv_rows_are_rejected_with_their_length(tmp_path: Path) -> None:
    long = b"m1,m2," + b"x" * 5000 + b"\n"
    content = HEAD + b"m1,m2,tie\n" + long + b'm1,m2,"' + b"y\n" * 3000 + b'"\n' + b"m1,m2,tie\n"
    feedback = read(write(tmp_path / "x.csv", content), max_record_bytes=1000)
    assert len(feedback.table) == 2
    assert f"line of {len(long)} bytes at byte {len(HEAD) + 10}" in feedback.rejects[0].reason
    assert "does not close within 1000 bytes" in feedback.rejects[1].reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "not JSON: Expecting value at column 1"),
        (b'{"model_a": "m1"', "not JSON"),
        (b"[1, 2]", "must be a JSON object, not list"),
        (b"7", "must be a JSON object, not int"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_lines_that_are_no_rows(tmp_path: Path, line: bytes, reason: str) -> None:
    reject = one_reject(read(write(tmp_path / "x.jsonl", LINE + line + b"\n" + LINE)), 2)
    assert (reject.line, reason in reject.reason) == (2, True)


def test_csv_rows_of_other_lengths(tmp_path: Path) -> None:
    content = HEAD + b"m1,m2,tie\nm1,m2,tie,extra\nm1,m2\nm1,m2,tie\n"
    assert outcome(read(write(tmp_path / "x.csv", content))) == (
        2,
        [(3, "4 cells where the first line names 3 columns"), (4, "no winner is given")],
    )


def test_a_quote_that_never_closes_costs_one_line(tmp_path: Path) -> None:
    content = HEAD + b'm1,m2,tie\nm1,"m2,tie\nm3,m4,tie\nm5,m6,tie\n'
    reject = one_reject(read(write(tmp_path / "x.csv", content)), 3)
    assert (reject.line, "a quote opens" in reject.reason) == (3, True)


def test_a_broken_element_ends_an_array(tmp_path: Path) -> None:
    content = b"[" + LINE + b"," + LINE + b", {oops}, " + LINE + b"]"
    reject = one_reject(read(write(tmp_path / "x.json", content)), 2)
    assert (reject.line, "the rest" in reject.reason) == (3, True)


# Judgements that cannot be


@pytest.mark.parametrize(
    ("rating", "reason"),
    [
        ("NaN", "value.rating: Input should be a finite number"),
        ("Infinity", "value.rating: Input should be a finite number"),
        ("-Infinity", "value.rating: Input should be a finite number"),
        ("6", "rating 6 lies outside its scale [1.0, 5.0]"),
        ("null", "a rating needs value.rating"),
        ('"good"', "value.rating: Input should be a valid number"),
    ],
)
def test_ratings_that_cannot_be(tmp_path: Path, rating: str, reason: str) -> None:
    text = json.dumps(RATING)
    bad = text.replace('"rating": 3', f'"rating": {rating}')
    reject = one_reject(read(write(tmp_path / "x.jsonl", f"{text}\n{bad}\n{text}\n".encode())), 2)
    assert (reject.line, reject.raw) == (2, bad)
    assert reject.reason.startswith(reason)


@pytest.mark.parametrize("rating", [float("nan"), float("inf"), 6.0, None])
def test_ratings_of_tables_that_cannot_be(rating: float | None) -> None:
    rows = {
        "id": ["a", "b"], "kind": "rating", "outputs": [["x"], ["y"]], "systems": [[None], [None]], "scale_low": 1.0,
        "scale_high": 5.0, "rating": [3.0, rating],
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={"systems": pl.List(pl.String), "rating": pl.Float64})
    assert "rating" in one_reject(read(frame), 1).reason


@pytest.mark.parametrize(
    "row",
    [
        {"model_a": "m1", "model_b": "m1", "winner": "tie"},
        {"prompt": "q", "chosen": "a", "rejected": "a"},
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: a"},
        {"instruction": "q", "output_1": "a", "output_2": "a", "generator_1": "m", "generator_2": "m", "preference": 1},
        {"kind": "comparison", "candidates": [{"system": "m"}] * 2, "value": {"choice": "tie"}},
        {"kind": "ranking", "candidates": [{"system": "m"}] * 3, "value": {"ranks": [1, 2, 3]}},
    ],
    ids=lambda row: "-".join(row)[:30],
)
def test_an_item_against_itself(row: dict[str, Any]) -> None:
    assert "judged against itself" in one_reject(read([row]), 0).reason


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("best_of", {"worst": 1}, "a best_of needs value.best"),
        ("best_of", {"best": 1, "worst": 1}, "candidate 1 is said to be both the best and the worst"),
        ("best_of", {"best": 1, "worst": 3}, "value.worst is 3, but candidates count from 0 to 2"),
        ("best_of", {"best": 1, "worst": -1}, "value.worst: "),
        ("ranking", {"ranks": [None, None, None]}, "at least one needs a rank"),
        ("ranking", {"ranks": [1, None]}, "2 ranks for 3 candidates"),
        ("ranking", {"ranks": [1, 0, None]}, "value.ranks.1: "),
        ("ranking", {"ranks": [1, 2**31, None]}, "value.ranks.1: "),
    ],
)
def test_choices_that_cannot_be(kind: str, value: dict[str, Any], reason: str) -> None:
    row = {"kind": kind, "candidates": [{"system": name} for name in "abc"], "value": value}
    assert reason in one_reject(read([row]), 0).reason


@pytest.mark.parametrize("position", [-1, 2**31, 1.5, "first"])
def test_positions_that_cannot_be(position: Any) -> None:
    row = {"kind": "implicit", "candidates": [{"system": "a"}], "value": {"signal": "click", "amount": 1}}
    assert one_reject(read([{**row, "position": position}]), 0).reason.startswith("position: ")
    frame = pl.DataFrame({**row, "systems": [["a"]], "outputs": [["x"]], "signal": "click", "amount": 1.0}
                         | {"position": [position]}).drop("candidates", "value")  # fmt: skip
    assert one_reject(read(frame), 0).reason.startswith("position: ")


def test_ids_used_twice(tmp_path: Path) -> None:
    def line(name: str, label: bool) -> str:
        record = {"id": name, "kind": "label", "candidates": [{"output": "a"}], "value": {"label": label}}
        return json.dumps(record) + "\n"

    first = write(tmp_path / "1.jsonl", (line("a", True) + line("b", True) + line("a", False)).encode())
    second = write(tmp_path / "2.jsonl", (line("c", True) + line("b", True) + line("a", False) * 2).encode())
    accepted, rejects = outcome(read([first, second]))
    assert accepted == 3
    assert rejects == [
        (3, f"has the id of another record, at line 1 of {first} (id 'a')"),
        (2, f"repeats the record at line 2 of {first} (id 'b')"),
        (3, f"has the id of another record, at line 1 of {first} (id 'a')"),
        (4, f"has the id of another record, at line 1 of {first} (id 'a')"),
    ]


def test_a_file_and_its_copy(tmp_path: Path) -> None:
    content = b"".join(json.dumps({**VOTE, "judge": f"j{n}"}).encode() + b"\n" for n in range(10))
    first, copy = (write(tmp_path / name, content) for name in ("a.jsonl", "b.jsonl"))
    accepted, rejects = outcome(read([first, copy]))
    assert accepted == 10
    assert rejects == [(n, rejects[n - 1][1]) for n in range(1, 11)]
    assert all(f"repeats the record at line {n} of {first}" in reason for n, reason in rejects)


def test_newer_versions_are_refused(tmp_path: Path) -> None:
    newer = json.dumps({"schema": 2, **RATING})
    reject = one_reject(read(write(tmp_path / "x.jsonl", f"{json.dumps(RATING)}\n{newer}\n".encode())), 1)
    assert "newer heedful (schema version 2" in reject.reason
    path = tmp_path / "x.parquet"
    read([RATING]).table.frame.write_parquet(path, metadata={"heedful_schema": "2"})
    with pytest.raises(InputError, match=r"x.parquet: written by a newer heedful.*Fix: pip install"):
        read(path)


def test_formats_that_break_cost_one_row() -> None:
    feedback = read([{"prompt": "q", "completions": ["a"], "labels": [True]}, {"completions": ["a"], "labels": None}])
    assert len(feedback.table) == 1
    assert "cannot be read as" in feedback.rejects[0].reason
