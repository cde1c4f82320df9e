"""Judgements of outputs written in steps, as labels of their prefixes: what verifiers of steps are fitted to."""

from __future__ import annotations

import polars as pl

from heedful.core import InputError, decode_parts, encode_parts
from heedful.feedback.table import SCHEMA, Table

_KINDS = ("steps", "label")


def prefix_labels(table: Table) -> Table:
    """One label for each prefix of an output whose parts are steps.

    Of a `steps` record, each mark labels the output up to its step, and steps that were not marked give nothing. Of a
    `label` record, the one label goes to every prefix: fitted, it is P(the outcome is labelled yes | prefix) (Yu et al.
    2023, "Outcome-supervised verifiers for planning in mathematical reasoning", section 3).

    Records are named after theirs and the number of steps. Raises InputError where a record is of another kind, its
    output is not known, or its marks are not 0 or 1, one for each step.
    """
    kinds = table.column("kind").cast(pl.String)
    other = sorted(set(kinds.unique().to_list()) - set(_KINDS))
    if other:
        raise InputError(
            f"{int((~kinds.is_in(_KINDS)).sum())} records of kind {', '.join(other)} have no labels of prefixes",
            where="prefix_labels",
            fix="take the records of kind steps and label: table.where(...)",
        )
    columns = (kinds, table.column("outputs"), table.column("steps"), table.column("label"))
    names = table.column("id").to_list()
    rows: list[tuple[int, str, str, bool]] = []
    for row, (kind, outputs, marks, label) in enumerate(zip(*(column.to_list() for column in columns), strict=True)):
        where = f"record {names[row]}"
        if outputs[0] is None:
            raise InputError("its output is not known", where=where, fix="give outputs as lists of parts, one a step")
        steps = decode_parts(outputs[0], "system")
        marks = _checked(marks, len(steps), where) if kind == "steps" else [label] * len(steps)
        rows += [
            (row, f"{names[row]}/{place}", encode_parts(steps[:place], "system"), bool(mark))
            for place, mark in enumerate(marks, 1)
            if mark is not None
        ]
    made = pl.DataFrame(rows, schema=["row", "id", "output", "label"], orient="row")
    kept = table.frame.drop("id", "kind", "outputs", "label", "steps", strict=False)[made["row"]]
    cut = made.select("id", "label", kind=pl.lit("label"), outputs=pl.concat_list("output"))
    return Table.shaped(pl.concat([kept, cut], how="horizontal"))


def _checked(marks: list[float | None], steps: int, where: str) -> list[float | None]:
    if len(marks) != steps:
        raise InputError(f"{len(marks)} marks for an output of {steps} parts", where=where, fix="give a part per step")
    if any(mark not in (0.0, 1.0, None) for mark in marks):
        raise InputError("marks of steps are not all 0 or 1", where=where, fix="turn them into 0 (wrong) and 1 (right)")
    return marks


def until_first_error(table: Table) -> Table:
    """Marks of steps up to the first wrong one, which alone of what follows stands on right steps; others are cleared.

    Records of other kinds stay as they are.
    """
    cut = []
    for marks in table.column("steps").to_list():
        wrong = _first_error(marks)
        cut.append(marks if wrong is None else marks[: wrong + 1] + [None] * (len(marks) - wrong - 1))
    return Table.shaped(table.frame.with_columns(pl.Series("steps", cut, dtype=SCHEMA["steps"])))


def agreeing(table: Table, other: Table) -> Table:
    """The records of `table` whose first wrong step, or lack of one, is that of the same row of `other`.

    Consensus filtering of two tables of marks (Zhang et al. 2025, "The lessons of developing process reward models in
    mathematical reasoning", section 3.1). Raises InputError unless they mark the same solutions, row by row.
    """
    columns = ("context", "outputs")
    if any(table.column(name).to_list() != other.column(name).to_list() for name in columns):
        raise InputError("the two tables mark different solutions", where="agreeing", fix="give them in the same order")
    pairs = zip(table.column("steps").to_list(), other.column("steps").to_list(), strict=True)
    return table.where(pl.Series([_first_error(one) == _first_error(two) for one, two in pairs], dtype=pl.Boolean))


def _first_error(marks: list[float | None] | None) -> int | None:
    return next((place for place, mark in enumerate(marks or ()) if mark == 0.0), None)
