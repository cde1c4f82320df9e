"""What raters are shown of systems that they compare: what both wrote in one context."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from heedful.core import Item, decode_parts
from heedful.stats.hashing import unit_hash

if TYPE_CHECKING:
    from heedful.feedback import Table


def shown(
    pairs: Sequence[tuple[Item, ...]], table: Table, candidates: Sequence[Sequence[Item]], seed: str
) -> list[tuple[Item, Item]]:
    """The pairs, those of systems with outputs of both in a context that a hash chooses; as they are where none has."""
    bare = {item.system for pair in pairs for item in pair if item.system and not item.output}
    written = _outputs(bare, table, candidates) if bare else {}
    return [_in_context(pair[0], pair[1], written, seed) for pair in pairs]


def _in_context(first: Item, second: Item, written: Mapping[str, Mapping[Any, Item]], seed: str) -> tuple[Item, Item]:
    a, b = (written.get(item.system or "", {}) for item in (first, second))
    both = sorted((context for context in a if context in b and a[context].output != b[context].output), key=repr)
    if not both:
        return first, second
    chance = unit_hash([json.dumps(sorted((str(first.system), str(second.system)))).encode()], int(seed, 16), "context")
    context = both[int(chance[0] * len(both))]
    return a[context], b[context]


def _outputs(systems: set[str], table: Table, candidates: Sequence[Sequence[Item]]) -> dict[str, dict[Any, Item]]:
    """An output of each of these systems by context: from the candidates where they name systems, else the table."""
    found: dict[str, dict[Any, Item]] = {}
    listed = [item for group in candidates for item in group if item.system in systems and item.output]
    for item in listed or _written(systems, table):
        found.setdefault(item.system or "", {}).setdefault(item.context, item)
    return found


def _written(systems: set[str], table: Table) -> Iterator[Item]:
    if not table.has("outputs"):
        return
    columns = pl.DataFrame([table.column(name) for name in ("context", "outputs", "systems")])
    each = columns.explode("outputs", "systems").filter(
        pl.col("systems").is_in(list(systems)), pl.col("outputs").is_not_null()
    )
    for context, output, system in each.unique(["context", "systems"], keep="first", maintain_order=True).iter_rows():
        yield Item(decode_parts(context or "", "world"), decode_parts(output, "system"), system)
