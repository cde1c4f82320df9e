"""Holding judgements out, whole contexts at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Finding, Floats, InputError
from heedful.evaluation.rows import contexts, report
from heedful.feedback import Table
from heedful.feedback.identities import hashed_texts

# With fewer groups, a test set would hold one or none, and say nothing about contexts not seen.
MIN_GROUPS = 5


def hold_out(
    table: Table, *, fraction: float = 0.2, seed: int, findings: list[Finding] | None = None
) -> tuple[Table, Table]:
    """Split a table into (train, test), all rows of a context on one side.

    Groups are contexts; a row without one is a group by its id. They are ordered by a hash of their text and the seed,
    and the first `fraction` of groups (at least one) are the test: the split depends on what the table holds, not on
    the order of its rows. With fewer than 5 groups nothing is held out: test is empty, and a finding says why.
    Raises InputError unless 0 < fraction < 1.
    """
    if not 0 < fraction < 1:
        raise InputError(f"a fraction lies between 0 and 1, not {fraction}", where="fraction")
    place, groups = _places(table, seed, "split")
    if len(groups) < MIN_GROUPS:
        report(
            findings,
            Finding(
                "held_out.too_few_groups",
                "warning",
                f"Nothing was held out: judgements are about {len(groups)} contexts, and it takes at least "
                f"{MIN_GROUPS}.",
                "Collect judgements on more contexts.",
                len(groups),
            ),
        )
        return table, table.take(np.zeros(0, np.int64))
    test = _first(fraction, place, groups)
    return table.where(pl.Series(~test)), table.where(pl.Series(test))


def subsets(table: Table, fractions: Sequence[float], *, seed: int) -> Iterator[Table]:
    """The rows of each fraction of the groups of a table (at least one); smaller fractions nest in larger ones."""
    place, groups = _places(table, seed, "subset")
    for fraction in fractions:
        yield table.where(pl.Series(_first(fraction, place, groups)))


def describe_split(train: Table, test: Table) -> str:
    """The split in words, for reports."""
    kind = "contexts" if test.has("context") else "judgements"
    return (
        f"{len(test):,} of {len(train) + len(test):,} judgements held out, on {_groups(test):,} of"
        f" {_groups(train) + _groups(test):,} {kind}; no context is on both sides"
    )


def _groups(table: Table) -> int:
    context = contexts(table)
    return context.drop_nulls().n_unique() + context.null_count()


def _places(table: Table, seed: int, purpose: str) -> tuple[Floats, Floats]:
    """The hash [n] of each row's group, and the hashes of all groups in order.

    Groups whose hashes are equal (one pair is expected among 90,000) are one.
    """
    context = contexts(table)
    ids = hashed_texts(table.column("id"), seed, purpose)
    if context.null_count() == len(table):
        return ids, np.unique(ids)
    texts = context.unique()
    of_text = pl.Series(hashed_texts(texts.drop_nulls(), seed, purpose))
    known = context.replace_strict(texts.drop_nulls(), of_text, default=None, return_dtype=pl.Float64)
    place = known.fill_null(pl.Series(ids)).to_numpy()
    return place, np.unique(place)


def _first(fraction: float, place: Floats, groups: Floats) -> NDArray[np.bool_]:
    """Which rows [n] are of the first `fraction` of groups (at least one)."""
    count = max(1, round(fraction * len(groups)))
    return place < groups[count] if count < len(groups) else np.ones(len(place), bool)
