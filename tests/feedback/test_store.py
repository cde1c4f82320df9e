"""The store: nothing acknowledged is lost, nothing is doubled, what is erased is gone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import heedful.feedback.store as package
from heedful.core import MissingExtraError, UsageError
from heedful.feedback import KINDS, Address, Candidate, Feedback, PartRecord, Rater, Record, Source, Table, Value
from heedful.feedback.store import Receipt, Store, StoreError
from heedful.feedback.store.engine import open_engine, reading, writing
from heedful.feedback.store.schema import metadata, records
from heedful.feedback.store.upgrade import VERSION_TABLE, VERSIONS, migrate

# A place in memory, where there is one: every commit waits for the disk, and the tests need not.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder) / "feedback.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


def vote(name: str, *, rater: str | None = "ann", choice: str = "first", context: str = "2 + 2?") -> Record:
    return Record(
        id=name,
        kind="comparison",
        context=context,
        candidates=[Candidate(output="4", system="a"), Candidate(output="5", system="b")],
        value=Value(choice=choice),
        rater=Rater(id=rater) if rater else None,
    )


def votes(n: int, **changes: Any) -> Table:
    return Table.of([vote(f"v{i}", **changes) for i in range(n)], source="votes.jsonl")


def ids(store: Store) -> list[str]:
    return store.table().frame["id"].to_list()


def files(path: Path) -> bytes:
    """All bytes of the database, its log and its index."""
    return b"".join(p.read_bytes() for p in sorted(path.parent.glob(path.name + "*")))


# --- Round trip ------------------------------------------------------------------------------------------------------

text = st.text(max_size=12) | st.sampled_from(["", "\x1e", "\x1e[]", "a\x00b", "\u2028é😀", "null", '"'])
some = st.none() | text
names = st.text(min_size=1, max_size=8)
number = st.floats(allow_nan=False, allow_infinity=False)
fraction = st.floats(0, 1)
parts = st.lists(
    st.builds(PartRecord, text=text, kind=st.sampled_from(["text", "tool_call", "media"]), role=some, uri=some),
    min_size=2,
    max_size=3,
)
candidate = st.builds(Candidate, output=st.none() | text | parts, system=st.none())
values = {
    "comparison": st.builds(
        Value,
        choice=st.sampled_from(["first", "second", "tie", "both_bad", "incomparable"]),
        degree=st.none() | st.floats(0.1, 5),
        share=st.none() | fraction,
        text=some,
    ),
    "ranking": st.builds(Value, ranks=st.sampled_from([[1, 2], [3, 1], [1, 1], [None, 1], [2, None]])),
    "best_of": st.sampled_from([Value(best=0), Value(best=1), Value(best=1, worst=0)]),
    "rating": st.builds(
        Value, rating=st.floats(1, 5), scale=st.just((1.0, 5.0)), step=st.none() | st.floats(0.1, 1), text=some
    ),
    "label": st.builds(Value, label=st.booleans()),
    "steps": st.builds(Value, steps=st.lists(st.none() | number, max_size=4)),
    "critique": st.builds(Value, text=text),
    "edit": st.builds(Value, text=some),
    "demonstration": st.just(Value()),
    "implicit": st.builds(Value, signal=names, amount=number),
}
address = st.builds(
    Address, kind=st.sampled_from(["whole", "span", "scope"]), index=st.none() | st.integers(0, 9), name=some
)


@st.composite
def any_record(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from(sorted(values)))
    n = 2 if kind in ("comparison", "ranking", "best_of", "edit") else 1
    return Record(
        kind=kind,
        context=draw(st.none() | text | parts),
        candidates=draw(st.lists(candidate, min_size=n, max_size=n)),
        order=draw(st.sampled_from(["shown", "unknown"])),
        address=draw(address),
        criterion=draw(names),
        value=draw(values[kind]),
        rater=draw(st.none() | st.builds(Rater, id=names, kind=st.sampled_from(["person", "model"]))),
        propensity=draw(st.none() | st.floats(0.01, 1)),
        position=draw(st.none() | st.integers(0, 99)),
        policy=draw(some),
        time=draw(st.none() | st.datetimes(timezones=st.just(dt.UTC))),
        seconds=draw(st.none() | st.floats(0, 1e6)),
        consent=draw(st.none() | st.booleans()),
        extra=draw(st.dictionaries(names, st.none() | number | text | st.lists(st.booleans()), max_size=2)),
    )


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, Store.open(Path(folder) / "shared.db") as opened:
        yield opened


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(batch=st.lists(any_record(), min_size=1, max_size=8))
def test_records_come_back_as_they_were(shared: Store, batch: list[Record]) -> None:
    first = shared.count()
    named = [record.model_copy(update={"id": f"{first}-{i}"}) for i, record in enumerate(batch)]
    table = Table.of(named, source="some.jsonl", first_line=7)
    assert shared.ingest(table, source="some", digest=f"batch {first}").added == len(batch)
    back = shared.table(id=[record.id for record in named])
    assert back.frame.equals(table.frame)
    assert list(back.records()) == named


def test_every_kind_is_tried() -> None:
    assert set(values) == set(KINDS)


def test_tables_are_read_in_chunks_in_order(store: Store) -> None:
    store.ingest(votes(25))
    chunks = [len(chunk) for chunk in store.tables(size=10)]
    assert chunks == [10, 10, 5]
    assert ids(store) == [f"v{i}" for i in range(25)]
    assert list(store.tables(rater="nobody")) == []
    assert len(store.table(rater="nobody")) == 0


def test_choosing_records(store: Store) -> None:
    time_ = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)
    timed = vote("late", choice="tie").model_copy(update={"time": time_})
    store.ingest(Table.of([vote("a"), vote("b", rater="bob"), vote("c", rater=None), timed]))
    assert store.count() == 4
    assert store.count(rater="ann") == 2
    assert store.count(rater=["bob", "ann"]) == 3
    assert store.count(rater=None) == 1
    assert store.count(rater="ann", choice="tie") == 1
    assert store.table(time=time_).frame["id"].to_list() == ["late"]
    with pytest.raises(UsageError, match="there is no choice 'best'"):
        store.count(choice="best")
    with pytest.raises(UsageError, match="cannot be chosen by 'outputs'"):
        store.table(outputs="4")


# --- Idempotence -----------------------------------------------------------------------------------------------------


def test_ingesting_again_adds_nothing(store: Store) -> None:
    heard: list[int] = []
    table = votes(25)
    receipt = store.ingest(
        table, source="votes.jsonl", digest="abc", batch=10, on_batch=lambda r: heard.append(r.added)
    )
    assert receipt == Receipt(added=25)
    assert heard == [10, 20, 25]
    assert store.ingest(table, source="votes.jsonl", digest="abc", batch=7) == Receipt(already=25)
    [source] = store.sources()
    assert (source.name, source.digest, source.accepted, source.records) == ("votes.jsonl", "abc", 25, 25)
    assert source.complete


def test_replicate_votes_are_kept(store: Store) -> None:
    # Equal content under two ids is two votes; under one id it is one.
    assert store.ingest(Table.of([vote("a"), vote("b"), vote("a")])) == Receipt(added=2, already=1)


def test_swapped_candidates_are_the_same_vote_unless_the_order_was_shown(store: Store) -> None:
    voted = vote("a").model_copy(update={"value": Value(choice="first", share=0.3)})
    swap = {"candidates": voted.candidates[::-1], "value": Value(choice="second", share=1.0 - 0.3)}
    store.add(voted)
    assert store.add(voted.model_copy(update=swap)) == "a"
    shown = voted.model_copy(update={"id": "b", "order": "shown"})
    store.add(shown)
    with pytest.raises(StoreError, match="differs from it in outputs, systems, choice, share"):
        store.add(shown.model_copy(update=swap))
    with pytest.raises(StoreError, match="differs from it in choice"):
        store.add(voted.model_copy(update={"value": Value(choice="second", share=0.3)}))


def test_records_without_an_id_are_told_by_source_and_ordinal(store: Store) -> None:
    nameless = Table(votes(3).frame.with_columns(id=pl.lit(None, pl.String)))
    assert store.ingest(nameless, digest="one").added == 3
    assert store.ingest(nameless, digest="one").already == 3
    assert store.ingest(nameless, digest="two").added == 3
    assert store.ingest(nameless).added == 3  # the digest of its rows
    assert store.ingest(nameless).already == 3


def test_an_id_taken_by_another_record_is_rejected_naming_both(store: Store) -> None:
    store.ingest(votes(3))
    other = Table.of([vote("v1", choice="tie", rater="bob"), vote("w")], source="other.jsonl")
    receipt = store.ingest(other)
    assert (receipt.added, receipt.rejected, receipt.read) == (1, 1, 2)
    [reject] = receipt.rejects
    assert (reject.source, reject.line) == ("other.jsonl", 1)
    for word in ("'v1'", "votes.jsonl, line 2", "other.jsonl, line 1", "choice, rater"):
        assert word in reject.reason
    assert store.table(id="v1").frame["choice"].to_list() == ["first"]
    with pytest.raises(StoreError, match=r"'v1' is taken by another record \(votes.jsonl, line 2\).*choice"):
        store.add(vote("v1", choice="tie"))


def test_a_clash_within_one_batch_keeps_the_first(store: Store) -> None:
    receipt = store.ingest(Table.of([vote("a"), vote("a", choice="second")]))
    assert (receipt.added, receipt.rejected) == (1, 1)
    assert store.table().frame["choice"].to_list() == ["first"]


def test_numbers_that_are_none_are_rejected(store: Store) -> None:
    frame = votes(4).frame.with_columns(
        degree=pl.Series([1.0, math.nan, None, 2.0]), steps=pl.Series([None, None, [1.0, None], [math.inf]])
    )
    receipt = store.ingest(Table.shaped(frame))
    assert receipt.added == 2
    assert [reject.reason for reject in receipt.rejects] == [
        "degree is not a finite number",
        "steps holds a number that is not finite",
    ]


def test_feedback_of_several_sources(store: Store) -> None:
    one, two = votes(3), Table.of([vote("w0"), vote("w1")], source="w.jsonl")
    sources = (Source("votes.jsonl", "heedful", "d1", 4, 3), Source("w.jsonl", "heedful", "d2", 2, 2))
    feedback = Feedback(Table.concat([one, two]), sources=sources)
    assert store.ingest(feedback).added == 5
    assert store.ingest(feedback).already == 5
    assert [(s.name, s.read, s.accepted, s.records) for s in store.sources()] == [
        ("votes.jsonl", 4, 3, 3),
        ("w.jsonl", 2, 2, 2),
    ]
    assert store.ingest(dataclasses.replace(feedback, sources=sources[:1])).already == 5
    with pytest.raises(UsageError, match="names its own sources"):
        store.ingest(feedback, digest="mine")


def test_rows_of_no_named_source_are_not_dropped(store: Store) -> None:
    named = (Source("votes.jsonl", "heedful", "d1", 3, 3), Source("empty.jsonl", "heedful", "d2", 0, 0))
    stray = Table.of([vote("s")], source="elsewhere")
    assert store.ingest(Feedback(Table.concat([votes(3), stray]), sources=named)).added == 4
    assert [s.records for s in store.sources()] == [3, 0, 1]


def test_tables_read_without_a_digest_are_told_by_their_rows(store: Store) -> None:
    named = (Source("table 1", "heedful-table", "", 3, 3), Source("table 2", "heedful-table", "", 1, 1))
    one, other = Feedback(votes(3), sources=named[:1]), Feedback(Table.of([vote("x")]), sources=named[:1])
    both = Feedback(Table.concat([one.table, other.table]), sources=named)
    assert [store.ingest(given).added for given in (one, other, both)] == [3, 1, 0]
    assert [(s.name, s.records) for s in store.sources()] == [("table 1", 3), ("table 1", 1), ("table", 0)]
    assert len({s.digest for s in store.sources()}) == 3


def test_adding_one_by_one(store: Store) -> None:
    assert store.add(vote("a")) == "a"
    assert store.add(vote("a")) == "a"
    new = store.add(vote("a").model_copy(update={"id": None}), source="web")
    assert new != "a"
    assert store.count() == 2
    assert [(s.name, s.format, s.records, s.accepted) for s in store.sources()] == [
        ("added", "added", 1, 1),
        ("web", "added", 1, 1),
    ]
    assert store.table(source="web").frame["id"].to_list() == [new]


# --- Corrections -----------------------------------------------------------------------------------------------------


def test_corrections_supersede_and_are_remembered(store: Store) -> None:
    store.ingest(votes(3))
    second = store.correct("v1", vote("v1", choice="tie"), "a slip of the mouse")
    third = store.correct(second, vote("third", choice="second"), "second thoughts")
    assert third == "third"
    assert ids(store) == ["v0", "v2", "third"]
    assert store.count() == 3
    for known in ("v1", second, third):
        versions = store.history(known)
        assert [v.id for v in versions] == ["v1", second, "third"]
    assert [v.record.value.choice for v in versions] == ["first", "tie", "second"]
    assert [v.reason for v in versions] == [None, "a slip of the mouse", "second thoughts"]
    assert [v.current for v in versions] == [False, False, True]
    assert versions[0].stored <= versions[1].stored <= versions[2].stored
    assert store.ingest(votes(3)) == Receipt(already=3)  # what was corrected does not come back
    assert ids(store) == ["v0", "v2", "third"]


def test_corrections_that_cannot_be(store: Store) -> None:
    store.ingest(votes(3))
    with pytest.raises(StoreError, match="there is no record 'nobody'"):
        store.correct("nobody", vote("x"), "why not")
    with pytest.raises(UsageError, match="needs a reason"):
        store.correct("v0", vote("x"), " ")
    with pytest.raises(StoreError, match="'v1' is taken by another record"):
        store.correct("v0", vote("v1", choice="tie"), "mixed up")
    with pytest.raises(StoreError, match="'v1' is taken by a record of the same content"):
        store.correct("v0", vote("v1"), "mixed up")
    with pytest.raises(StoreError, match="there is no record 'nobody'"):
        store.history("nobody")
    assert ids(store) == ["v0", "v1", "v2"]
    assert all(len(store.history(name)) == 1 for name in ids(store))


def test_correcting_twice_is_refused_unless_it_is_the_same(store: Store) -> None:
    store.ingest(votes(1))
    corrected = store.correct("v0", vote("v0", choice="tie"), "slip")
    assert store.correct("v0", vote("v0", choice="tie"), "slip") == corrected  # repeated after a lost answer
    with pytest.raises(StoreError, match=f"corrected before, by record '{corrected}'.*Fix: correct '{corrected}'"):
        store.correct("v0", vote("v0", choice="second"), "slip")
    assert len(store.history("v0")) == 2


# --- Erasure ---------------------------------------------------------------------------------------------------------

SECRETS = (b"mallory-17", b"private thoughts", b"her own words", b"record-of-mallory", b"told us by phone")


def private(name: str, **changes: Any) -> Record:
    return vote(name, rater="mallory-17", context="private thoughts", **changes).model_copy(
        update={"extra": {"note": "her own words"}}
    )


def fill_with_secrets(store: Store) -> Table:
    """Records of one person among those of others, one of them corrected."""
    secret = Table.of([private(f"record-of-mallory-{i}") for i in range(40)], source="web")
    store.ingest(Table.concat([votes(300), secret]), digest="mixed")
    store.correct("record-of-mallory-0", private("record-of-mallory-new", choice="tie"), "told us by phone")
    return secret


def test_erased_bytes_are_gone(path: Path, store: Store) -> None:
    store.ingest(Table.of([vote("z0"), private("record-of-mallory-alone"), vote("z1")]))
    secret = fill_with_secrets(store)
    idle = sqlite3.connect(path, isolation_level=None)  # keeps the log in being, and is careless about what it deletes
    idle.execute("PRAGMA secure_delete=OFF")
    idle.execute("DELETE FROM records WHERE id = 'record-of-mallory-alone'")
    store.add(private("record-of-mallory-late"))
    assert all(word in files(path) for word in SECRETS)
    assert b"mallory" in path.with_name(path.name + "-wal").read_bytes()

    erasure = store.erase("mallory-17")
    assert (erasure.records, erasure.total) == (42, 42)
    assert not [word for word in SECRETS if word in files(path)]
    idle.close()
    assert store.count() == 302
    assert b"ann" in files(path)

    # The tombstone keeps them out, however they come back.
    assert store.ingest(Table.concat([votes(300), secret]), digest="mixed") == Receipt(already=300, erased=40)
    with pytest.raises(StoreError, match="records of this rater were erased"):
        store.add(private("new"))
    with pytest.raises(StoreError, match="records of this rater were erased"):
        store.correct("v0", private("new"), "hers, really")
    assert store.count() == 302
    assert store.erase("mallory-17").total == 42
    assert not [word for word in SECRETS if word in files(path)]


def test_a_reader_in_the_way_is_named_and_erasing_again_finishes(path: Path) -> None:
    with Store.open(path, timeout=0.2) as store:
        fill_with_secrets(store)
        reader = store.tables(size=10)
        next(reader)
        with pytest.raises(StoreError, match=r"reader elsewhere still holds.*erase again"):
            store.erase("mallory-17")
        assert store.count(rater="mallory-17") == 0
        assert len(list(reader)) == 34 - 1  # 300 + 40 current ones, as they were when the reading began
        assert store.erase("mallory-17").records == 0
        assert not [word for word in SECRETS if word in files(path)]


def test_erasing_a_correction_does_not_bring_the_old_version_back(store: Store) -> None:
    store.ingest(votes(1))
    store.correct("v0", vote("v0", rater="bob", choice="tie"), "bob says so")
    assert store.erase("bob").records == 1
    assert store.count() == 0
    assert [(v.id, v.current) for v in store.history("v0")] == [("v0", False)]
    with pytest.raises(StoreError, match="erased since"):
        store.correct("v0", vote("v0", choice="tie"), "again")


def test_erasing_within_a_chain_closes_the_gap(store: Store) -> None:
    store.ingest(votes(1))
    store.correct("v0", vote("one", rater="bob"), "of bob")
    store.correct("one", vote("two", rater="bob", choice="tie"), "of bob")
    store.correct("two", vote("three", choice="second"), "about bob")
    assert store.erase("bob").records == 2
    assert [(v.id, v.reason) for v in store.history("v0")] == [("v0", None), ("three", None)]
    assert ids(store) == ["three"]
    assert store.erase("ann").records == 2
    assert store.count() == 0


# --- Many processes, and kill -9 -------------------------------------------------------------------------------------

CHILD = """
    import sys
    import heedful.feedback.store as package
    from heedful.feedback import Candidate, Record, Table, Value
    assert "sqlalchemy" not in sys.modules
    def record(name, text="4"):
        pair = [Candidate(output=text, system="a"), Candidate(output="5", system="b")]
        return Record(id=name, kind="comparison", candidates=pair, value=Value(choice="first"))
    def say(word):
        print(word, flush=True)
"""


def child(code: str, *args: object) -> subprocess.Popen[str]:
    script = textwrap.dedent(CHILD) + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", script, *map(str, args)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("writers", "n"), [("abcd", 30), pytest.param("abcdef", 200, marks=pytest.mark.slow)])
def test_many_processes_write_at_once(path: Path, writers: str, n: int) -> None:
    # The file does not exist yet: they race to make it, too. Everyone also adds one common record.
    code = """
        path, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
        with package.Store.open(path) as store:
            for i in range(n):
                store.add(record(f"{name}-{i}"))
            store.add(record("common"))
    """
    processes = [child(code, path, name, n) for name in writers]
    assert {process.wait(timeout=120) for process in processes} == {0}
    with Store.open(path, create=False) as store:
        assert sorted(ids(store)) == sorted([f"{name}-{i}" for name in writers for i in range(n)] + ["common"])
        [source] = store.sources()
        assert source.records == source.accepted == len(writers) * n + 1


@pytest.mark.parametrize("rounds", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_killing_an_ingestion_loses_nothing_acknowledged(path: Path, rounds: int) -> None:
    n, batch, rng = 1500 * rounds, 20, random.Random(7)
    code = """
        path, n, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        table = Table.of([record(f"r{i}", "x" * 300) for i in range(n)], source="big.jsonl")
        with package.Store.open(path) as store:
            store.ingest(table, digest="big", batch=batch, on_batch=lambda r: say(r.added + r.already))
        say("done")
    """
    held: list[str] = []
    broken_off = 0
    for _ in range(rounds):
        process = child(code, path, n, batch)
        acknowledged = read_until_killed(process, len(held) // batch + rng.randint(1, 30), rng.uniform(0, 0.05))
        broken_off += acknowledged < n
        with Store.open(path, create=False) as store:
            held = ids(store)
            assert len(held) == len(set(held)) >= acknowledged
            assert set(held[:acknowledged]) == {f"r{i}" for i in range(acknowledged)}
            assert len(held) % batch == 0  # a batch is there whole or not at all
            assert store.sources()[0].complete == (len(held) == n)
    assert broken_off
    process = child(code, path, n, batch)
    assert process.communicate(timeout=60)[0].split()[-2:] == [str(n), "done"]
    with Store.open(path, create=False) as store:
        assert ids(store) == [f"r{i}" for i in range(n)]
        assert store.sources()[0].complete


def read_until_killed(process: subprocess.Popen[str], batches: int, delay: float) -> int:
    """Kill the process `delay` seconds after so many acknowledged batches; returns the last count it acknowledged."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(batches)]
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [int(line) for line in lines if line.strip().isdigit()][-1]


def test_threads_share_a_store(store: Store) -> None:
    def work(name: str) -> None:
        for i in range(5):
            store.add(vote(f"{name}{i}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(store)) == sorted(f"{name}{i}" for name in "abcd" for i in range(5))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to list open files")
def test_no_connection_outlives_its_operation(path: Path, store: Store) -> None:
    # One carried into a forked process would make SQLite lose writes.
    store.ingest(votes(3))
    store.table()
    held = [p for p in Path("/proc/self/fd").iterdir() if p.is_symlink() and path.name in str(p.resolve())]
    assert held == []


def test_a_writer_that_waits_too_long_says_so(path: Path) -> None:
    with Store.open(path, timeout=0.1) as store:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has kept the store busy"):
            store.add(vote("a"))
        with Store.open(path, timeout=0.1) as reader:
            assert reader.count() == 0  # opening and reading need no turn
        blocker.execute("ROLLBACK")
        blocker.close()
        store.add(vote("a"))
        assert store.count() == 1


# --- Full disk, schema versions, files that are no store -------------------------------------------------------------


def test_a_full_disk_is_said_and_loses_nothing(store: Store) -> None:
    store.ingest(votes(10))
    limit = 60

    def limited(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={limit}")

    sa.event.listen(store.engine, "connect", limited)
    heard: list[Receipt] = []
    big = Table.of([vote(f"big{i}", context="x" * 500) for i in range(1000)], source="big")
    with pytest.raises(StoreError, match=r"the disk is full.*Fix: free some space"):
        store.ingest(big, digest="big", batch=50, on_batch=heard.append)
    assert 0 < heard[-1].added < 1000
    assert store.count() == 10 + heard[-1].added
    assert not store.sources()[1].complete
    limit = 100_000
    receipt = store.ingest(big, digest="big")
    assert receipt == Receipt(added=1000 - heard[-1].added, already=heard[-1].added)
    assert store.sources()[1].complete


def test_a_version_1_file_is_upgraded(path: Path) -> None:
    engine = open_engine(path, timeout=5, create=True)
    with writing(engine) as connection:
        migrate(connection, "0001")
    with sqlite3.connect(path) as old:
        assert "supersedes" not in {row[1] for row in old.execute("PRAGMA table_info(records)")}
        old.execute("INSERT INTO sources VALUES (1, 'abc', 'votes.jsonl', 'heedful', 1, 1, 1, 0)")
        old.execute(
            "INSERT INTO records (id, source_seq, stored_at, kind, context, outputs, systems, criterion, choice, rater,"
            " rater_kind, source, line) VALUES ('v0', 1, 0, 'comparison', '2 + 2?', '[\"4\", \"5\"]', '[\"a\", \"b\"]',"
            " 'overall', 'first', 'ann', 'person', 'votes.jsonl', 1)"
        )
    old.close()
    with Store.open(path) as store:
        assert store.table().frame.equals(votes(1).frame)
        assert store.ingest(votes(2), digest="abc") == Receipt(added=1, already=1)
        new = store.correct("v0", vote("v0", choice="tie"), "slip")
        assert ids(store) == ["v1", new]
        assert store.erase("ann").records == 3


def test_the_migrations_lead_to_the_schema(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with reading(store.engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    scripts = ScriptDirectory(str(Path(package.__file__).parent / "migrations"))
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == VERSIONS


def test_a_newer_schema_is_refused(path: Path) -> None:
    Store.open(path).close()
    with sqlite3.connect(path) as file:
        file.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"schema version 0999, newer than the \d+ known here.*Fix: upgrade heedful"):
        Store.open(path)
    assert path.read_bytes() == before


def test_what_is_no_store_is_refused(path: Path, tmp_path: Path) -> None:
    text_file = tmp_path / "votes.jsonl"
    text_file.write_text('{"kind": "comparison"}\n' * 100)
    with pytest.raises(StoreError, match="this file is not a store"):
        Store.open(text_file)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="belong to another program"):
        Store.open(path)
    with pytest.raises(StoreError, match=r"there is no such store.*create=True"):
        Store.open(tmp_path / "typo.db", create=False)
    assert not (tmp_path / "typo.db").exists()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path / "no" / "folder.db")
    for wrong in ("sqlite://", "sqlite:///:memory:", "mysql://host/db", "://"):
        with pytest.raises(UsageError):
            Store.open(wrong)


def test_a_url_is_as_good_as_a_path(path: Path) -> None:
    with Store.open(f"sqlite:///{path}") as store:
        store.add(vote("a"))
    with Store.open(str(path), create=False) as store:
        assert store.count() == 1


def test_wrong_sizes_are_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="batch"):
        store.ingest(votes(1), batch=0)
    with pytest.raises(UsageError, match="at least one record"):
        next(store.tables(size=0))


def test_commits_reach_the_disk_and_deletions_are_overwritten(store: Store) -> None:
    with reading(store.engine) as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}
    assert records.c.id.unique


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        package, "find_spec", lambda name: None if name == "alembic" else importlib.util.find_spec(name)
    )
    with pytest.raises(MissingExtraError, match=r"alembic.*pip install 'heedful\[store\]'"):
        package.__getattr__("Store")
    with pytest.raises(AttributeError):
        package.__getattr__("Shop")
