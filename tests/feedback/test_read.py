"""Reading: every kind of source gives the same judgements, and the accounts add up."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pandas as pd
import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import InputError, UsageError
from heedful.feedback import Feedback, Record, Table
from heedful.feedback import formats as known_formats
from heedful.feedback.delimited import delimited
from heedful.feedback.formats import Format, all_formats, format_named
from heedful.feedback.identities import Identities, Repeat
from heedful.feedback.read import iter_parts, iter_tables, read
from heedful.feedback.rows import MAX_RECORD_BYTES, SourceRow, rows_of_frame
from heedful.feedback.source import rows_of
from heedful.feedback.streams import Stream

VOTES = [
    {
        "model_a": f"m{n % 5}",
        "model_b": f"m{n % 5 + 1}",
        "winner": ("model_a", "model_b", "tie")[n % 3],
        "judge": f"j{n % 7}",
    }
    for n in range(200)
]
FRAME = pl.DataFrame(VOTES)


def json_lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def said(feedback: Feedback) -> list[Any]:
    """What the records say, in order, apart from their ids and the order of candidates."""
    found = []
    for record in feedback.table.records():
        names = [candidate.system for candidate in record.candidates]
        choice = record.value.choice
        best = {"first": names[0], "second": names[1]}.get(choice, choice)
        found.append((frozenset(names), best, record.rater.id if record.rater else None))
    return found


EXPECTED = [
    (frozenset((vote["model_a"], vote["model_b"])), vote.get(vote["winner"], vote["winner"]), vote["judge"])
    for vote in VOTES
]


def test_expected_is_not_trivial() -> None:
    assert {best for _, best, _ in EXPECTED} >= {"tie", "m0", "m5"}


# Kinds of sources


def csv_of(frame: pl.DataFrame, separator: str = ",") -> bytes:
    return frame.write_csv(separator=separator).encode()


def parquet_of(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


CONTENTS = {
    "votes.jsonl": json_lines(VOTES),
    "crlf.jsonl": json_lines(VOTES).replace(b"\n", b"\r\n\r\n"),
    "bom.jsonl": b"\xef\xbb\xbf" + json_lines(VOTES),
    "unended.jsonl": json_lines(VOTES).rstrip(),
    "lines.json": json_lines(VOTES),
    "array.json": json.dumps(VOTES).encode(),
    "array.jsonl": json.dumps(VOTES, indent=1).encode(),
    "object.json": json.dumps({"meta": {"n": 1}, "data": VOTES, "empty": []}, indent=2).encode(),
    "succession.json": "\n".join(json.dumps(vote, indent=1) for vote in VOTES).encode(),
    "votes.csv": csv_of(FRAME),
    "crlf.csv": csv_of(FRAME).replace(b"\n", b"\r\n"),
    "bom.csv": b"\xef\xbb\xbf" + csv_of(FRAME),
    "blank.csv": csv_of(FRAME).replace(b"\n", b"\n\n"),
    "semicolons.csv": csv_of(FRAME, ";"),
    "votes.tsv": csv_of(FRAME, "\t"),
    "votes.parquet": parquet_of(FRAME),
    "votes": csv_of(FRAME),
    "votes.jsonl.gz": gzip.compress(json_lines(VOTES)),
    "members.jsonl.gz": gzip.compress(json_lines(VOTES[:50])) + gzip.compress(json_lines(VOTES[50:])) + b"\0" * 9,
    "votes.csv.zst": zstandard.compress(csv_of(FRAME)),
    "frames.csv.zst": zstandard.compress(csv_of(FRAME)[:99]) + zstandard.compress(csv_of(FRAME)[99:]),
    "misnamed.csv": gzip.compress(csv_of(FRAME)),
    "votes.parquet.gz": gzip.compress(parquet_of(FRAME)),
    "votes[1]*.parquet": parquet_of(FRAME),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_kind_of_file_says_the_same(tmp_path: Path, name: str) -> None:
    feedback = read(write(tmp_path / name, CONTENTS[name]))
    assert said(feedback) == EXPECTED
    assert feedback.rejects == ()
    (source,) = feedback.sources
    assert (source.path, source.format, source.read, source.accepted) == (str(tmp_path / name), "arena", 200, 200)


@pytest.mark.parametrize(
    "source",
    [FRAME, FRAME.lazy(), FRAME.to_pandas(), VOTES, (vote for vote in VOTES), [FRAME[:120], VOTES[120:]],
     FRAME.with_columns(pl.col("model_a", "winner").cast(pl.Categorical)), FRAME.to_pandas().astype(object)],
    ids=["polars", "lazy", "pandas", "dicts", "generator", "mixed", "categorical", "objects"],
)  # fmt: skip
def test_objects_say_the_same(source: Any) -> None:
    feedback = read(source)
    assert said(feedback) == EXPECTED


def test_pandas_columns_of_mixed_types_are_read_row_by_row() -> None:
    frame = pd.DataFrame([*VOTES, {"model_a": "m1", "model_b": "m2", "winner": 1, "judge": float("nan")}])
    feedback = read(frame)
    assert said(feedback) == [*EXPECTED, (frozenset(("m1", "m2")), "m1", None)]


def test_records_and_tables_and_feedback(tmp_path: Path) -> None:
    feedback = read(write(tmp_path / "votes.csv", CONTENTS["votes.csv"] + b"m1,m1,tie,j\n"))
    for source in (feedback, feedback.table, list(feedback.table.records()), [feedback]):
        again = read(source)
        assert list(again.table.records()) == list(feedback.table.records())
    assert read(feedback).rejects == feedback.rejects
    assert read(feedback).sources == feedback.sources


def test_folders_globs_and_lists_read_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    first = write(tmp_path / "a.csv", csv_of(FRAME[:100]))
    second = write(tmp_path / "deep" / "b.jsonl", json_lines(VOTES[100:]))
    write(tmp_path / "notes.txt", b"not feedback")
    write(tmp_path / "models.jsonl", b'{"id": 1, "name": "m1"}\n')
    for source in (tmp_path, [first, tmp_path], f"{tmp_path}/**/[ab].*", [str(tmp_path / "*.csv"), second]):
        assert said(read(source)) == EXPECTED
    assert any("more than once" in note for note in read([first, tmp_path]).notes)
    assert any("models.jsonl was left aside" in note for note in read(tmp_path).notes)


# Identity, order, totals


def test_reading_again_gives_the_same_table(tmp_path: Path) -> None:
    path = write(tmp_path / "votes.csv", CONTENTS["votes.csv"])
    first, again = read(path), read(path)
    assert first.table.frame.equals(again.table.frame)
    assert first.sources == again.sources


def test_ids_are_digest_and_ordinal(tmp_path: Path) -> None:
    rows = [VOTES[0], {**VOTES[1], "winner": "nobody"}, VOTES[2]]
    one = read(write(tmp_path / "a.jsonl", json_lines(rows)))
    digest = one.sources[0].digest
    assert one.table.frame["id"].to_list() == [f"{digest[:12]}-1", f"{digest[:12]}-3"]
    assert one.table.frame["line"].to_list() == [1, 3]
    other = read(write(tmp_path / "b.jsonl", json_lines(rows[:1])))
    assert other.sources[0].digest != digest


def test_equal_content_is_never_merged(tmp_path: Path) -> None:
    feedback = read(write(tmp_path / "a.jsonl", json_lines([VOTES[0]] * 7)))
    assert len(feedback.table) == 7


def test_unknown_orders_are_permuted_fairly_and_known_ones_are_kept() -> None:
    rows = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(2000)]
    table = read(rows).table
    firsts = [record.candidates[0].output == "good" for record in table.records()]
    # Six standard deviations of a fair coin: a fair hash fails once in 10^8 sets.
    assert abs(sum(firsts) - 1000) < 6 * (2000 * 0.25) ** 0.5
    for record in table.records():
        chosen = record.candidates[0 if record.value.choice == "first" else 1]
        assert chosen.output == "good"
    shown = [{"left": "m1", "right": "m2", "winner": "left"}] * 50
    assert all(record.candidates[0].system == "m1" for record in read(shown).table.records())
    records = [Record.model_validate(one) for one in _comparisons(50)]
    assert list(read(records).table.records()) == records


def _comparisons(n: int) -> list[dict[str, Any]]:
    """Records of heedful's own, whose order of candidates must stay."""
    pair = [{"output": "a"}, {"output": "b"}]
    return [{"id": f"r{k}", "kind": "comparison", "candidates": pair, "value": {"choice": "first"}} for k in range(n)]


def test_permuting_mirrors_shares() -> None:
    rows = [{"model_a": "m1", "model_b": "m2", "winner": 0.75}] * 64
    for record in read(rows).table.records():
        first = record.candidates[0].system
        assert (record.value.choice, record.value.share) == (("first", 0.75) if first == "m1" else ("second", 0.25))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["model_a", "tie", "nobody", None, 3, "no row"]), max_size=12))
def test_read_is_accepted_plus_rejected(tmp_path_factory: pytest.TempPathFactory, winners: list[Any]) -> None:
    votes = [{"model_a": "m1", "model_b": "m2", "winner": winner} for winner in ["tie", *winners]]
    rows = [7 if vote["winner"] == "no row" else vote for vote in votes]
    feedback = read(write(tmp_path_factory.mktemp("votes") / "x.jsonl", json_lines(rows)))
    (source,) = feedback.sources
    assert feedback.read == source.read == len(rows)
    bad = [line for line, vote in enumerate(votes, 1) if vote["winner"] not in ("model_a", "tie")]
    assert [reject.line for reject in feedback.rejects] == bad
    assert source.read - source.accepted == len(bad)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=6), min_size=1, max_size=8))
def test_repeated_ids_are_found_as_by_a_dictionary(batches: list[list[tuple[int, bool]]]) -> None:
    identities, seen = Identities(), {}
    for number, batch in enumerate(batches):
        source = f"file {number % 3}"
        records = [Record.model_validate({**_comparisons(1)[0], "id": f"r{k}", "consent": same}) for k, same in batch]
        found = identities.repeats(Table.of(records, source=source, first_line=10 * number).frame)
        expected = []
        for row, (k, same) in enumerate(batch):
            if k in seen:
                expected.append(Repeat(row, seen[k][0] == same, *seen[k][1:]))
            seen.setdefault(k, (same, source, 10 * number + row))
        assert found == expected


# Options


def test_a_format_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", json_lines([{"prompt": "q", "chosen": "a", "rejected": "b"}, {"other": 1}]))
    feedback = read(path, format="trl-preference")
    assert (len(feedback.table), len(feedback.rejects)) == (1, 1)
    with pytest.raises(UsageError, match=r"there is no format 'trl'.*trl-preference"):
        read(path, format="trl")
    with pytest.raises(UsageError, match="both given"):
        read(path, format="arena", mapping="m.toml")


def test_formats_have_distinct_names_and_say_what_they_are() -> None:
    names = [one.name for one in known_formats.FORMATS]
    assert len(set(names)) == len(names)
    assert all(one.about and format_named(one.name, known_formats.FORMATS) is one for one in known_formats.FORMATS)


def test_other_packages_offer_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(row: Any) -> list[Any]:
        return [{"kind": "label", "candidates": [{"output": row["answer"]}], "value": {"label": row["ok"]}}]

    thumbs = Format("thumbs", "a test", lambda row: "ok" in row, parse)
    offered = [SimpleNamespace(name="thumbs", value="x:y", load=lambda: thumbs)]
    monkeypatch.setattr(known_formats, "entry_points", lambda group: offered if group == "heedful.formats" else [])
    feedback = read([{"answer": "a", "ok": True}])
    assert feedback.sources[0].format == "thumbs"
    assert all_formats()[-1] is thumbs
    offered.append(SimpleNamespace(name="broken", value="x:z", load=lambda: 1))
    with pytest.raises(UsageError, match="broken"):
        all_formats()


def test_mixed_rows_are_read_by_the_format_they_have_and_noted(tmp_path: Path) -> None:
    rows = [VOTES[0], {"prompt": "q", "chosen": "a", "rejected": "b"}, VOTES[1], {"what": 1}]
    feedback = read(write(tmp_path / "x.jsonl", json_lines(rows)))
    assert [record.candidates[0].output is None for record in feedback.table.records()] == [True, False, True]
    assert [reject.line for reject in feedback.rejects] == [4]
    assert feedback.notes == (
        f"1 rows of {tmp_path / 'x.jsonl'} have the format trl-preference, not arena, and are read as such",
    )


def test_rows_of_another_format_are_permuted_and_own_records_are_not(tmp_path: Path) -> None:
    pairs = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(60)]
    feedback = read(write(tmp_path / "x.jsonl", json_lines([*_comparisons(60), *pairs])))
    firsts = [record.candidates[0].output for record in feedback.table.records()]
    assert firsts[:60] == ["a"] * 60
    assert set(firsts[60:]) == {"good", "bad"}


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    path = write(tmp_path / "votes.jsonl", CONTENTS["votes.jsonl"])
    read([path, FRAME], on_progress=lambda *one: told.append(one))
    size = path.stat().st_size
    assert told == [(str(path), size, size), ("data frame 1", 200, 200)]


def test_strict_stops_at_the_first_reject(tmp_path: Path) -> None:
    rows = [VOTES[0], {**VOTES[1], "winner": "nobody"}, {**VOTES[1], "winner": "no one"}]
    path = write(tmp_path / "x.jsonl", json_lines(rows))
    with pytest.raises(InputError, match=r"x.jsonl, line 2: winner is 'nobody'.*Fix: "):
        read(path, strict=True)
    assert len(read(tmp_path / "x.jsonl").rejects) == 2
    assert len(read(write(path, CONTENTS["votes.jsonl"]), strict=True).table) == 200


def test_parts_are_bounded_and_add_up(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}", "chosen": "a", "rejected": "b"} for n in range(10_000)]
    path = write(tmp_path / "x.jsonl", json_lines(rows))
    parts = list(iter_parts(path))
    assert max(len(part.table) for part in parts) <= 4096
    assert sum(len(part.table) for part in parts) == sum(len(table) for table in iter_tables(path)) == 10_000
    assert [source.accepted for part in parts for source in part.sources] == [10_000]


# Texts kept apart


PAIRS = [
    {"id": 1, "prompt": 8, "text": "a haiku?", "model_x": 97, "result_x": "97 says", "model_y": 98, "result_y": "98"},
    {"id": 2, "prompt": 9, "text": "a poem?", "model_x": 97, "result_x": "a poem", "model_y": 98, "result_y": "no"},
]  # fmt: skip
JUDGED = b"id,prompt,model_x,model_y,winner,left,right\n1,8,97,98,left,A,B\n2,9,97,98,tie,A,B\n3,7,97,98,tie,A,B\n"


def test_texts_of_pairs_are_joined(tmp_path: Path) -> None:
    texts = write(tmp_path / "pairs.jsonl", json_lines(PAIRS))
    feedback = read(write(tmp_path / "votes.csv", JUDGED), texts=texts)
    found = list(feedback.table.records())
    assert [record.context for record in found[:2]] == ["a haiku?", "a poem?"]
    assert [[c.output for c in record.candidates] for record in found] == [
        ["97 says", "98"],
        ["a poem", "no"],
        [None, None],
    ]
    assert feedback.notes == (f"1 rows of {tmp_path / 'votes.csv'} have no texts in {texts}",)


def test_texts_of_single_outputs_are_joined(tmp_path: Path) -> None:
    rows = [
        {"id": 5, "model": 97, "prompt": 8, "result": "x"},
        {"id": 6, "model": 98, "prompt": 8, "result": "y"},
        {"id": 7, "model": 97, "prompt": 9, "result": "one"},
        {"id": 8, "model": 97, "prompt": 9, "result": "another"},
        {"id": 9, "model": 98, "prompt": 9, "result": "z"},
    ]
    texts = write(tmp_path / "results.jsonl", json_lines(rows))
    feedback = read(write(tmp_path / "votes.csv", JUDGED), texts=texts)
    assert [c.output for c in next(feedback.table.records()).candidates] == ["x", "y"]
    assert feedback.table.frame["outputs"][1].to_list() == [None, None]
    assert any("1 keys of" in note for note in feedback.notes)


def test_texts_that_share_no_column_are_refused(tmp_path: Path) -> None:
    texts = write(tmp_path / "texts.jsonl", b'{"question": "q"}\n')
    with pytest.raises(InputError, match="share no column"):
        read(write(tmp_path / "votes.csv", JUDGED), texts=texts)


# CSV in blocks reads as CSV row by row


def entries(content: bytes, block_size: int, limit: int = MAX_RECORD_BYTES) -> list[Any]:
    """The rows and losses of a CSV file, with the lines of the rows."""
    with io.BufferedReader(io.BytesIO(content)) as reader:
        found: list[Any] = []
        for chunk in delimited(SimpleNamespace(damage=""), reader, limit, "x", block_size=block_size):  # type: ignore[arg-type]
            rows = rows_of_frame(chunk) if isinstance(chunk, pl.DataFrame) else chunk
            found += [(one.line, dict(one.fields) if isinstance(one, SourceRow) else one.reason) for one in rows]
        return found


def quoted(cells: list[str]) -> str:
    needs = [any(mark in cell for mark in '",\n\r') for cell in cells]
    return ",".join('"' + c.replace('"', '""') + '"' if n else c for c, n in zip(cells, needs, strict=True)) + "\n"


PIECES = ["a", "b,", ",", '"', '""', "\n", "\r\n", "\n", ',"', '",', '"\n', " ", "\r", "é", "\udcff"]
ODD = st.lists(st.sampled_from(PIECES))
SOUND = st.lists(st.lists(st.text(alphabet='a",\n\r é\t;', max_size=4), max_size=3).map(quoted), max_size=12)


@settings(max_examples=400, deadline=None)
@given(st.one_of(ODD, SOUND).map("".join), st.integers(1, 40))
def test_blocks_do_not_matter(body: str, block_size: int) -> None:
    content = b"x,y,z\n" + body.encode("utf-8", "surrogateescape")
    in_blocks = entries(content, block_size)
    with patch("heedful.feedback.delimited._frame", return_value=None):
        assert entries(content, 1 << 20) == in_blocks


def test_quoted_line_ends_count_as_lines() -> None:
    content = b'x,y\n"one\ntwo","a""b"\n3,4\n"5\n6\n7",8\n9,10\n'
    rows = [
        (2, {"x": "one\ntwo", "y": 'a"b'}),
        (4, {"x": "3", "y": "4"}),
        (5, {"x": "5\n6\n7", "y": "8"}),
        (8, {"x": "9", "y": "10"}),
    ]
    for block_size in (1, 7, 1 << 20):
        assert entries(content, block_size) == rows


def test_cells_larger_than_the_csv_modules_limit() -> None:
    text = "x" * 300_000
    assert entries(f'a,b\n"{text}""",1 "2\n'.encode(), 1 << 20) == [(2, {"a": f'{text}"', "b": '1 "2'})]


# JSON in pieces


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=9), st.integers(), st.none()), min_size=1))
)
def test_json_of_any_layout_gives_its_rows(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    for text in (
        json.dumps(rows),
        json.dumps(rows, ensure_ascii=False, indent=1),
        json.dumps({"meta": 1, "rows": rows}),
    ):
        path.write_text(text, "utf-8")
        expected = rows if rows or not text.startswith("{") else [{"meta": 1, "rows": []}]
        assert [fields for _, fields in rows_of(path)] == expected


def test_json_larger_than_any_buffer(tmp_path: Path) -> None:
    rows = [{"n": n, "text": "é" * 1000} for n in range(12_000)]  # 24 MB of text
    for content in (rows, {"data": rows}):
        path = tmp_path / "x.json"
        path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        assert [fields for _, fields in rows_of(path)] == rows


def test_streams_count_their_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gz", gzip.compress(b"a" * 100_000))
    with Stream(path) as stream:
        assert io.BufferedReader(stream).read() == b"a" * 100_000
        assert (stream.position, stream.damage, stream.compressed) == (path.stat().st_size, "", True)


def test_tables_survive_parquet(tmp_path: Path) -> None:
    table = read(VOTES).table
    path = tmp_path / "t.parquet"
    table.frame.write_parquet(path, metadata={"heedful_schema": "1"})
    again = read(path)
    assert list(again.table.records()) == list(table.records())
    assert again.sources[0].format == "heedful-table"
    assert isinstance(again.table, Table)
