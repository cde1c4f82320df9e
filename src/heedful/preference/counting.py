"""One counting pass: comparisons from integer arrays, chunks or Parquet files, per pair of items and outcome.

Bradley-Terry, Davidson, Rao-Kupper and Thurstone's model, their sandwich intervals and their bootstrap depend on
independent comparisons through these counts alone. Memory is bounded by the number of pairs that met, not of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Floats, UsageError
from heedful.preference.observations import Indices

# Rows handled at once: their intermediate results (under 1 MB) stay in the cache.
_BLOCK = 1 << 16
# Up to this many items outcomes are counted in a table of all ordered pairs; beyond, keys are sorted.
_DENSE_ITEMS = 512
# Sorted keys that may wait to be merged into the counts.
_PENDING = 1 << 22
OUTCOMES = 3
# Weights beyond this, or below its inverse, have squares that 64 bits cannot sum.
_HEAVIEST = 1e100
_ITEMS = "number items from 0, and let `items` say how many there are"
_OUTCOMES = "write 1 where the first won, −1 where the second won, 0 for a tie, in a signed type"


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Comparisons of `items` items, counted per unordered pair and outcome.

    Pairs `first` < `second` [m] ascend. `counts` [3, m] are those that the second won, ties, and those that the first
    won (sums of weights, where votes have them); `squares` [3, m] sums of squared weights, None where every weight is
    one. `rows` is how many comparisons were counted.
    """

    items: int
    first: Indices
    second: Indices
    counts: Floats
    squares: Floats | None
    rows: int

    def __add__(self, other: PairCounts) -> PairCounts:
        """The counts of both sets of comparisons. Raises UsageError where they are not of the same items."""
        if self.items != other.items:
            raise UsageError(f"counts of {self.items} items and of {other.items} do not add", where="counts")
        weighted = self.squares is not None or other.squares is not None
        parts = [part._cells(weighted) for part in (self, other)]
        return _from_cells(_merged(parts), self.items, self.rows + other.rows)

    def _cells(self, weighted: bool) -> Cells:
        squares = self.counts if self.squares is None else self.squares
        key = (self.first * self.items + self.second) * OUTCOMES + np.arange(OUTCOMES)[:, None]
        seen = self.counts.T.ravel() > 0
        sums = [array.T.ravel()[seen] for array in (self.counts, squares)[: 1 + weighted]]
        return Cells(key.T.ravel()[seen], np.stack(sums))


@dataclass(frozen=True)
class Cells:
    """Distinct keys [c], ascending, and the sums for each [1 | 2, c]: of weights, of squared weights where given."""

    key: NDArray[np.int64]
    sums: Floats


def count(first: Any, second: Any, outcome: Any, items: int | None = None, *, weight: Any = None) -> PairCounts:
    """Count comparisons given as arrays [v] of any integer type.

    first, second: item numbers from 0. outcome: 1 where the first won, −1 where the second did, 0 for a tie.
    items: how many there are; None takes the largest number seen. weight [v]: of each vote, at least 0; None is 1 each.

    Raises UsageError, naming the row, for a number that is no item, an outcome other than 1, 0, −1, an item against
    itself, or a weight that is negative, not finite, above 1e100 or (but for 0) below 1e-100.
    """
    arrays = (first, second, outcome) if weight is None else (first, second, outcome, weight)
    return count_chunks([arrays], seen(first, second) if items is None else items)


def seen(first: Any, second: Any) -> int:
    """How many items there are by the largest number seen."""
    ids = [_whole(a, name) for a, name in ((first, "first"), (second, "second"))]
    return max((int(a.max()) + 1 for a in ids if len(a)), default=0)


def count_chunks(chunks: Iterable[Sequence[Any]], items: int) -> PairCounts:
    """Count comparisons from chunks (first, second, outcome[, weight]) of any size; see `count`."""
    table = _Table(items) if items <= _DENSE_ITEMS else _Sorted(items)
    rows = 0
    for chunk in chunks:
        arrays = _checked(chunk)
        size = len(arrays[0])
        for begin in range(0, size, _BLOCK):
            block = [array[begin : begin + _BLOCK] for array in arrays]
            _check(block, items, rows + begin)
            table.add(*block)
        if table.compares_alike():
            first, second = arrays[:2]
            _refuse(first == second, rows, "item {} is compared with itself", first, "leave such rows out")
        rows += size
    return replace(table.result(), rows=rows)


def scan(
    source: str | Path | pl.LazyFrame, columns: Sequence[str], *, chunk: int = 1_000_000
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Chunks for `count_chunks` from Parquet files (a path or glob) or a polars scan, larger than memory or not.

    columns: the names of first, second, outcome and, where votes have one, weight. chunk: rows read at once.
    Raises UsageError where there is no such file or column, or a value is missing.
    """
    frame = _frame(source, columns)
    for part in frame.select(columns).collect_batches(chunk_size=chunk, maintain_order=True):
        for name in columns:
            if part[name].null_count():
                raise UsageError(f"the column {name!r} has missing values", where="scan", fix="filter them out first")
        yield tuple(part[name].to_numpy() for name in columns)


def _frame(source: str | Path | pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    frame = source if isinstance(source, pl.LazyFrame) else pl.scan_parquet(source)
    try:
        present = frame.collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        fix = "give the path or glob of Parquet files"
        raise UsageError(f"cannot read {source}: {error}", where="scan", fix=fix) from error
    absent = [name for name in columns if name not in present]
    if absent:
        raise UsageError(f"there is no column {absent[0]!r}", where="scan", fix=f"choose of {', '.join(present)}")
    return frame


class _Table:
    """Counts of all ordered pairs and outcomes, for few items."""

    def __init__(self, items: int) -> None:
        self.items, self.plain = items, np.zeros(OUTCOMES * items * items, np.int64)
        self.weighted: Floats | None = None
        self.alike = False
        self._short, self._long = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.intp)

    def add(self, first: Any, second: Any, outcome: Any, weight: Any = None) -> None:
        """Arrays of one block, checked."""
        n, size = self.items, len(first)
        key, long = self._short[:size], self._long[:size]
        np.multiply(first, n, out=key, dtype=np.int32, casting="unsafe")
        np.add(key, second, out=key, dtype=np.int32, casting="unsafe")
        key *= OUTCOMES
        key += 1
        np.add(key, outcome, out=long, dtype=np.int32, casting="unsafe")
        if weight is None:
            self.plain += np.bincount(long, minlength=len(self.plain))
            return
        if self.weighted is None:
            self.weighted = np.zeros((2, len(self.plain)))
        self.alike |= bool((first == second).any())
        values = weight.astype(np.float64)
        self.weighted[0] += np.bincount(long, values, len(self.plain))
        self.weighted[1] += np.bincount(long, values**2, len(self.plain))

    def compares_alike(self) -> bool:
        """Whether any item was compared with itself: told by the table, sooner than by the rows."""
        same = np.arange(self.items)
        return self.alike or bool(self.plain.reshape(self.items, self.items, OUTCOMES)[same, same].any())

    def result(self) -> PairCounts:
        n = self.items
        low, high = np.triu_indices(n, 1)
        sums = self.plain[None] if self.weighted is None else self.plain + self.weighted
        folded = [_folded(total.reshape(n, n, OUTCOMES), low, high) for total in sums]
        met = folded[0].any(axis=0)
        counts, *squares = (array[:, met].astype(np.float64) for array in folded)
        return PairCounts(n, low[met], high[met], counts, squares[0] if squares else None, 0)


def _folded(table: NDArray[Any], low: Indices, high: Indices) -> NDArray[Any]:
    """Counts of ordered pairs [n, n, 3] as those of unordered ones [3, m]."""
    return np.asarray(table[low, high].T + table[high, low].T[::-1])


class _Sorted:
    """Keys of pair and outcome, sorted in runs that are merged, for many items."""

    def __init__(self, items: int) -> None:
        self.items, self.parts, self.waiting = items, list[Cells](), list[tuple[Any, ...]]()
        self.pending, self.weighted, self.alike = 0, False, False

    def add(self, first: Any, second: Any, outcome: Any, weight: Any = None) -> None:
        a, b = first.astype(np.int64), second.astype(np.int64)
        self.alike |= bool((a == b).any())
        swapped = a > b
        low, high = np.minimum(a, b), np.maximum(a, b)
        won = outcome.astype(np.int64)
        key = (low * self.items + high) * OUTCOMES + np.where(swapped, -won, won) + 1
        self.waiting.append((key, None if weight is None else weight.astype(np.float64)))
        self.pending += len(key)
        self.weighted |= weight is not None
        if self.pending >= _PENDING:
            self._merge()

    def compares_alike(self) -> bool:
        return self.alike

    def _merge(self) -> None:
        parts = [self._sorted()] if self.waiting else []
        if self.weighted:
            # Plain counts so far are weights of one, whose squares sum to the same.
            self.parts = [replace(c, sums=np.repeat(c.sums, 3 - len(c.sums), axis=0)) for c in self.parts]
        self.parts = [_merged(self.parts + parts)]
        self.waiting, self.pending = [], 0

    def _sorted(self) -> Cells:
        key = np.concatenate([key for key, _ in self.waiting])
        if not self.weighted:
            key.sort()
            starts = _starts(key)
            return Cells(key[starts], np.diff(np.append(starts, len(key)))[None].astype(np.float64))
        weight = np.concatenate([np.ones(len(key)) if w is None else w for key, w in self.waiting])
        return _merged([Cells(key, np.stack([weight, weight**2]))])

    def result(self) -> PairCounts:
        self._merge()
        return _from_cells(self.parts[0], self.items, 0)


def _starts(key: NDArray[np.int64]) -> Indices:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.concatenate([np.ones(min(len(key), 1), bool), key[1:] != key[:-1]]))


def _merged(parts: Sequence[Cells]) -> Cells:
    if not parts:
        return Cells(np.zeros(0, np.int64), np.zeros((1, 0)))
    if len(parts) == 1 and (np.diff(parts[0].key) > 0).all():
        return parts[0]
    key, sums = np.concatenate([c.key for c in parts]), np.concatenate([c.sums for c in parts], axis=1)
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = _starts(key)
    return Cells(key[starts], np.add.reduceat(sums[:, order], starts, axis=1) if len(key) else sums)


def _from_cells(cells: Cells, items: int, rows: int) -> PairCounts:
    voted = cells.sums[0] > 0
    pair, outcome = np.divmod(cells.key[voted], OUTCOMES)
    starts = _starts(pair)
    place = np.cumsum(np.bincount(starts, minlength=len(pair))) - 1
    spread = []
    for values in cells.sums:
        table = np.zeros((OUTCOMES, len(starts)))
        table[outcome, place] = values[voted]
        spread.append(table)
    first, second = np.divmod(pair[starts], items) if items else (pair, pair)
    return PairCounts(items, first, second, spread[0], spread[1] if len(spread) > 1 else None, rows)


def _whole(values: Any, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(values)
    if array.shape == (0,):
        return array.astype(np.intp)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise UsageError(f"{name} must be one row of whole numbers, not {array.dtype} {list(array.shape)}", where=name)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _checked(chunk: Sequence[Any]) -> list[NDArray[Any]]:
    arrays = [_whole(array, name) for array, name in zip(chunk, ("first", "second", "outcome"), strict=False)]
    arrays += [np.asarray(array) for array in chunk[3:]]
    if len(arrays) not in (3, 4) or len({array.shape for array in arrays}) != 1:
        shapes = [list(array.shape) for array in arrays]
        raise UsageError(f"first, second, outcome (and weight) need the same length, not {shapes}", where="count")
    return arrays


def _check(block: Sequence[NDArray[Any]], items: int, offset: int) -> None:
    """Raise UsageError for the first row of a block that is no comparison."""
    first, second, outcome, *weight = block
    for array in (first, second):
        unsigned = array.view(f"u{array.dtype.itemsize}")
        limit = min(items, np.iinfo(array.dtype).max + 1)
        if not unsigned.max() < limit:
            _refuse(unsigned >= limit, offset, "there is no item {}", array, _ITEMS)
    if not -1 <= outcome.min() <= outcome.max() <= 1:
        _refuse((outcome < -1) | (outcome > 1), offset, "outcome {}", outcome, _OUTCOMES)
    for array in weight:
        value = array.astype(np.float64)
        used = (value == 0) | ((value >= 1 / _HEAVIEST) & (value <= _HEAVIEST))
        if not used.all():
            _refuse(~used, offset, "weight {}", array, "weights are 0, or 1e-100 to 1e100")


def _refuse(wrong: NDArray[np.bool_], offset: int, says: str, values: NDArray[Any], fix: str) -> None:
    row = int(np.flatnonzero(wrong)[0])
    raise UsageError(f"row {offset + row}: {says.format(values[row])}", where="count", fix=fix)
