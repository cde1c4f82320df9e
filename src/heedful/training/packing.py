"""Short records beside one another in rows that the longest needs, unseen by one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from heedful.training.rows import Rows

Place = tuple[int, int]


def fitted(sizes: Sequence[int], rows: int) -> list[Place | None]:
    """Of records by size, the longest first, the row and the column where each begins: the first row of the longest's
    width that has room for it (first-fit decreasing), None where none of so many has."""
    width, used = sizes[0], [0] * min(rows, len(sizes))
    found: list[Place | None] = []
    for size in sizes:
        row = next((row for row, taken in enumerate(used) if taken + size <= width), None)
        found.append(None if row is None else (row, used[row]))
        if row is not None:
            used[row] += size
    return found


def packed(rows: Rows, sizes: Sequence[int], places: Sequence[Place]) -> Rows:
    """Rows of one record each, put together: record n of `sizes[n]` tokens at `places[n]`, its row and first column.

    `mask`, and what is placed by it, stay by record.
    """
    number, width = 1 + max(row for row, _ in places), rows.tokens.shape[1]
    if number == len(sizes):
        return rows
    tokens, position = rows.tokens.new_zeros((2, number, width))
    seen = torch.eye(width, dtype=torch.bool, device=tokens.device).repeat(number, 1, 1, 1)
    before = torch.ones_like(seen[0, 0]).tril()
    for record, (size, (row, start)) in enumerate(zip(sizes, places, strict=True)):
        own = slice(start, start + size)
        tokens[row, own], position[row, own] = rows.tokens[record, :size], rows.position[record, :size]
        seen[row, 0, own, own] = (before if rows.seen is None else rows.seen[record, 0])[:size, :size]
    moved = [row * width + start - record * width for record, (row, start) in enumerate(places)]
    source = rows.source + torch.tensor(moved, device=tokens.device)[rows.source // width]
    return replace(rows, tokens=tokens, position=position, source=source, seen=seen)
