"""Counting comparisons: every dtype, weights, chunks and files give what counting one by one gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from heedful.core import UsageError
from heedful.preference.counting import PairCounts, count, count_chunks, scan


def comparisons(n: int, rows: int, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=rows)
    return first, (first + rng.integers(1, n, size=rows)) % n, rng.integers(-1, 2, size=rows)


def one_by_one(first: Any, second: Any, outcome: Any, weight: Any = None) -> dict[tuple[int, int], list[float]]:
    """Votes of (second wins, tie, first wins), by pair from the side of its lower item."""
    found: dict[tuple[int, int], list[float]] = {}
    for row, (a, b, y) in enumerate(zip(first.tolist(), second.tolist(), outcome.tolist(), strict=True)):
        place = {-1: 0, 0: 1, 1: 2}[y]
        votes = found.setdefault((min(a, b), max(a, b)), [0.0, 0.0, 0.0])
        votes[place if a < b else 2 - place] += 1.0 if weight is None else weight[row]
    return found


def as_dict(counts: PairCounts) -> dict[tuple[int, int], list[float]]:
    pairs = zip(counts.first.tolist(), counts.second.tolist(), strict=True)
    return dict(zip(pairs, counts.counts.T.tolist(), strict=True))


def same(one: PairCounts, other: PairCounts) -> None:
    assert one.rows == other.rows
    assert one.items == other.items
    np.testing.assert_array_equal(one.first, other.first)
    np.testing.assert_array_equal(one.second, other.second)
    np.testing.assert_allclose(one.counts, other.counts, rtol=1e-12)
    assert (one.squares is None) == (other.squares is None)
    if one.squares is not None and other.squares is not None:
        np.testing.assert_allclose(one.squares, other.squares, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 7, 100, 700])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4"])
def test_every_integer_type_is_counted_as_one_by_one(n: int, dtype: str) -> None:
    if n > 100 and dtype in ("int8", "uint8"):
        return
    first, second, outcome = comparisons(n, 3000)
    if "u" in dtype:
        outcome = abs(outcome)
    counts = count(first.astype(dtype), second.astype(dtype)[::1], outcome.astype(dtype), n)
    assert as_dict(counts) == one_by_one(first, second, outcome)
    assert counts.rows == 3000
    assert counts.squares is None
    keys = counts.first * n + counts.second
    assert (np.diff(keys) > 0).all()


@pytest.mark.parametrize("n", [5, 700])
def test_weights_add_up_and_so_do_their_squares(n: int) -> None:
    first, second, outcome = comparisons(n, 500)
    weight = np.random.default_rng(1).random(500)
    counts = count(first, second, outcome, n, weight=weight.astype(np.float32))
    assert counts.squares is not None
    for found, truth in ((counts.counts, weight), (counts.squares, weight**2)):
        expected = one_by_one(first, second, outcome, truth.tolist())
        table = np.array([expected[pair] for pair in zip(counts.first, counts.second, strict=True)]).T
        np.testing.assert_allclose(found, table, rtol=1e-5, atol=1e-12)


def test_votes_of_weight_zero_are_no_votes() -> None:
    counts = count(np.array([0, 1]), np.array([1, 2]), np.array([1, 1]), 3, weight=np.array([1.0, 0.0]))
    assert as_dict(counts) == {(0, 1): [0.0, 0.0, 1.0]}


@pytest.mark.parametrize("n", [6, 900])
def test_blocks_and_chunks_of_any_size_give_the_same_counts(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = comparisons(n, 5000)
    whole = count(*rows, n)
    chunked = count_chunks((tuple(a[i : i + 333] for a in rows) for i in range(0, 5000, 333)), n)
    same(whole, chunked)
    monkeypatch.setattr("heedful.preference.counting._BLOCK", 64)
    monkeypatch.setattr("heedful.preference.counting._PENDING", 500)
    same(whole, count(*rows, n))
    halves = [count(*(a[half] for a in rows), n) for half in (slice(0, 2000), slice(2000, None))]
    same(whole, halves[0] + halves[1])


@pytest.mark.parametrize("n", [6, 900])
def test_weighted_and_plain_counts_add(n: int) -> None:
    rows = comparisons(n, 400)
    weight = np.where(np.arange(400) < 150, 1.0, 0.3)
    plain = count(*(a[:150] for a in rows), n)
    weighted = count(*(a[150:] for a in rows), n, weight=weight[150:])
    same(plain + weighted, count(*rows, n, weight=weight))
    chunks = [tuple(a[:150] for a in rows), (*(a[150:] for a in rows), weight[150:])]
    same(count_chunks(chunks, n), count(*rows, n, weight=weight))


def test_strided_and_empty_arrays_are_counted() -> None:
    first, second, outcome = comparisons(9, 1000)
    table = np.stack([first, second, outcome], axis=1).astype(np.int16)
    assert as_dict(count(table[:, 0], table[:, 1], table[:, 2], 9)) == one_by_one(first, second, outcome)
    nothing = count(first[:0], second[:0], outcome[:0], 9)
    assert nothing.rows == 0
    assert nothing.counts.shape == (3, 0)
    same(nothing + count(first, second, outcome, 9), count(first, second, outcome))


@pytest.mark.parametrize("n", [10, 900])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((0, 77, -1), r"row 77.*item -1"),
        ((1, 78, "n"), r"row 78.*item"),
        ((2, 79, 2), r"row 79.*outcome 2.*−1 where the second won"),
        ((2, 80, -2), r"row 80.*outcome -2"),
        ((1, 81, "self"), r"row 81.*itself"),
    ],
)
def test_what_cannot_be_a_comparison_is_named_by_its_row(n: int, change: tuple[int, int, Any], says: str) -> None:
    rows = [a.astype(np.int32) for a in comparisons(n, 200)]
    column, row, value = change
    rows[column][row] = {"n": n, "self": rows[0][row]}.get(value, value) if isinstance(value, str) else value
    with pytest.raises(UsageError, match=says):
        count(*rows, n)
    with pytest.raises(UsageError, match=says):
        count_chunks([tuple(a[:50] for a in rows), tuple(a[50:] for a in rows)], n)
    with pytest.raises(UsageError, match=says):
        count(*rows, n, weight=np.zeros(200))


def test_unsigned_types_do_not_hide_wrong_outcomes() -> None:
    with pytest.raises(UsageError, match=r"row 1.*outcome 255.*signed"):
        count(np.array([0, 0]), np.array([1, 1]), np.array([1, -1]).astype(np.uint8), 2)


def test_small_signed_types_do_not_hide_negative_items() -> None:
    with pytest.raises(UsageError, match="item -3"):
        count(np.array([0, -3], np.int8), np.array([1, 1], np.int8), np.array([1, 1], np.int8), 400)


@pytest.mark.parametrize(
    ("first", "outcome", "weight", "says"),
    [
        (np.array([0.0, 1.0]), np.array([1, 1]), None, "whole numbers"),
        (np.array([0, 1]), np.array([True, False]), None, "whole numbers"),
        (np.array([0, 1, 2]), np.array([1, 1]), None, "same length"),
        (np.array([0, 1]), np.array([1, 1]), np.array([1.0, -1.0]), "row 1.*weight"),
        (np.array([0, 1]), np.array([1, 1]), np.array([np.nan, 1.0]), "row 0.*weight"),
        (np.array([0, 1]), np.array([1, 1]), np.array([np.inf, 1.0]), "row 0.*weight"),
    ],
)
def test_arrays_that_are_no_comparisons_are_refused(first: Any, outcome: Any, weight: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        count(first, np.array([2, 3]), outcome, 4, weight=weight)


def test_counts_of_different_items_do_not_add() -> None:
    rows = comparisons(5, 50)
    with pytest.raises(UsageError, match=r"5 items.*6"):
        count(*rows, 5) + count(*rows, 6)


def test_a_parquet_scan_is_counted_in_chunks(tmp_path: Path) -> None:
    rows = comparisons(40, 20_000)
    frame = pl.DataFrame(dict(zip(("a", "b", "y"), rows, strict=True))).with_columns(w=pl.lit(0.5))
    for part in range(2):
        frame[part * 10_000 : (part + 1) * 10_000].write_parquet(tmp_path / f"{part}.parquet", row_group_size=1500)
    counts = count_chunks(scan(tmp_path / "*.parquet", ("a", "b", "y"), chunk=1000), 40)
    same(counts, count(*rows, 40))
    weighted = count_chunks(scan(pl.scan_parquet(tmp_path / "*.parquet"), ("a", "b", "y", "w")), 40)
    same(weighted, count(*rows, 40, weight=np.full(20_000, 0.5)))


def test_missing_values_in_a_scan_are_an_error(tmp_path: Path) -> None:
    pl.DataFrame({"a": [0, None], "b": [1, 2], "y": [1, 1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"'a'.*missing"):
        count_chunks(scan(tmp_path / "a.parquet", ("a", "b", "y")), 3)


def test_memory_does_not_grow_with_the_rows() -> None:
    import tracemalloc

    rows = [a.astype(np.int32) for a in comparisons(50, 2_000_000)]
    tracemalloc.start()
    count(*rows, 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_a_scan_says_which_file_or_column_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        list(scan(tmp_path / "none.parquet", ("a", "b", "y")))
    pl.DataFrame({"a": [0], "b": [1]}).write_parquet(tmp_path / "votes.parquet")
    with pytest.raises(UsageError, match="no column 'y'"):
        list(scan(tmp_path / "votes.parquet", ("a", "b", "y")))
