"""Comparisons with covariates of their own, row by row: arrays, chunks or Parquet files, and a first look over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Floats, UsageError
from heedful.preference.counting import PairCounts, count_chunks, scan

# Rows whose covariates are looked at together.
_BLOCK = 1 << 16
# Covariates beyond this have squares that 64 bits cannot sum.
_LARGEST = 1e100


@dataclass(frozen=True, eq=False)
class Rows:
    """Comparisons [v], `first`, `second`, `outcome` and `weight` as in `count`, with `covariates` [v, d] of each.

    A covariate speaks for the first item: it is the difference of a property of the two answers, first less second (of
    their lengths, say), or a property of the comparison that helps the first. `cluster` [v] are numbers from 0 of what
    comparisons share (a prompt or a rater).
    """

    first: Any
    second: Any
    outcome: Any
    covariates: Any
    weight: Any = None
    cluster: Any = None

    def part(self, where: Any) -> Rows:
        """Some of the rows, by a slice or their numbers."""
        arrays = (self.first, self.second, self.outcome, self.covariates, self.weight, self.cluster)
        return Rows(*(None if array is None else np.asarray(array)[where] for array in arrays))


@dataclass(frozen=True)
class ScannedRows:
    """Rows of Parquet files (a path or glob) or of a polars scan, read anew each time, `chunk` rows at once.

    first, second, outcome, covariates, weight, cluster: names of columns. Raises UsageError, while rows are read, where
    there is no such file or column, or a value is missing.
    """

    source: str | Path | pl.LazyFrame
    first: str
    second: str
    outcome: str
    covariates: Sequence[str]
    weight: str | None = None
    cluster: str | None = None
    chunk: int = 1_000_000

    def __iter__(self) -> Iterator[Rows]:
        own = [name for name in (self.weight, self.cluster) if name is not None]
        d = len(self.covariates)
        for part in scan(
            self.source, [self.first, self.second, self.outcome, *self.covariates, *own], chunk=self.chunk
        ):
            more = dict(zip(own, part[3 + d :], strict=True))
            covariates = np.stack(part[3 : 3 + d]).T if d else np.zeros((len(part[0]), 0))
            weight, cluster = (None if name is None else more[name] for name in (self.weight, self.cluster))
            yield Rows(part[0], part[1], part[2], covariates, weight, cluster)


def sampled(rows: Iterable[Rows], every: int) -> list[Rows]:
    """Copies of one row in `every`."""
    return [part.part(np.arange(0, len(part.first), every)) for part in rows]


@dataclass(frozen=True, eq=False)
class Survey:
    """What a first pass finds: the comparisons counted, Σ x² of each covariate [d], and how many clusters there are (0:
    not told)."""

    counts: PairCounts
    squares: Floats
    clusters: int


def survey(rows: Iterable[Rows], items: int, names: Sequence[str] | None) -> Survey:
    """Count the comparisons and check their covariates, named or not.

    Raises UsageError, naming the row, for what `count` refuses, for a covariate that is not finite or beyond 1e100, and
    for a cluster that is no whole number from 0; and for rows that come once only or do not agree in shape.
    """
    if iter(rows) is rows:
        raise UsageError(
            "these rows come once only, and a fit passes over them several times",
            where="rows",
            fix="give a list of Rows, or an object that starts anew whenever it is iterated over, such as ScannedRows",
        )
    found = _Found(names)
    counts = count_chunks(found.passed(rows), items)
    return Survey(counts, np.zeros(0) if found.squares is None else found.squares, found.clusters)


class _Found:
    """What is found while rows pass by."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self.names, self.rows, self.clusters = names, 0, 0
        self.squares: Floats | None = None
        self.clustered: bool | None = None

    def passed(self, rows: Iterable[Rows]) -> Iterator[tuple[Any, ...]]:
        for part in rows:
            size = len(np.asarray(part.first))
            self._covariates(np.asarray(part.covariates), size)
            self._cluster(part.cluster, size)
            own = (part.first, part.second, part.outcome)
            yield own if part.weight is None else (*own, part.weight)
            self.rows += size

    def _covariates(self, values: NDArray[Any], size: int) -> None:
        if values.ndim != 2 or len(values) != size or values.dtype.kind not in "fiub":
            raise UsageError(
                f"covariates must be numbers [{size}, d], one row a comparison, not {values.dtype} "
                f"{list(values.shape)}",
                where="covariates",
            )
        if self.squares is None:
            self.squares = np.zeros(values.shape[1])
        wanted = len(self.squares if self.names is None else self.names)
        if values.shape[1] != wanted or len(self.squares) != wanted:
            raise UsageError(f"{values.shape[1]} covariates where {wanted} were expected", where="covariates")
        for begin in range(0, size, _BLOCK):
            block = values[begin : begin + _BLOCK].astype(np.float64)
            self.squares += np.einsum("vk,vk->k", block, block)
            if not (self.squares <= _LARGEST**2).all():
                self._refuse(block, self.rows + begin)

    def _refuse(self, block: Floats, offset: int) -> None:
        wrong = np.argwhere(~(np.abs(block) <= _LARGEST))
        row, column = wrong[0] if len(wrong) else np.unravel_index(np.abs(block).argmax(), block.shape)
        name = column if self.names is None else repr(self.names[int(column)])
        raise UsageError(
            f"row {offset + row}: covariate {name} is {block[row, column]:g}",
            where="covariates",
            fix="leave such rows out, or give a number in the place of what is missing, and a covariate that says so",
        )

    def _cluster(self, cluster: Any, size: int) -> None:
        if self.clustered not in (None, cluster is not None):
            raise UsageError("some rows have clusters and others have none", where="cluster")
        self.clustered = cluster is not None
        if cluster is None:
            return
        codes = np.asarray(cluster)
        if codes.shape != (size,) or codes.dtype.kind not in "iu" or (size and codes.min() < 0):
            raise UsageError(
                f"clusters must be whole numbers from 0, one for each of {size} comparisons",
                where="cluster",
                fix="number what they share by numpy.unique(..., return_inverse=True)",
            )
        self.clusters = max(self.clusters, int(codes.max(initial=-1)) + 1)
