"""Arena tables in bulk: the rows that are plainly sound become columns at once, the others are left to be parsed."""

from __future__ import annotations

from typing import Any

import polars as pl

from heedful.core import Part, encode_parts
from heedful.core.items import PARTS_MARK
from heedful.feedback.formats.arena import CHOICES, LATEST_SECONDS, Layout
from heedful.feedback.formats.base import LINE, Framed
from heedful.feedback.record import RATER_KINDS

_NOTHING = pl.lit(None, pl.String)
_CHOICE = f"{LINE} choice"  # a column of no source, as LINE is
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))  # what str.strip strips
_REFERABLE = r"^[A-Za-z0-9_.:-]+$"  # identifiers that stand in JSON as they are
_NUMERAL = r"^[0-9]+$"
_UNPLAIN_STARTS = (PARTS_MARK, "[{")  # marked parts, messages written as JSON


def frame(rows: pl.DataFrame) -> Framed:
    """As `Format.frame`."""
    layout = Layout.of(dict.fromkeys(rows.columns))
    texts = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Categorical | pl.Enum)]
    rows = rows.with_columns(pl.col(texts).cast(pl.String))
    if layout is None or not _is_plain(rows, layout):
        return rows.select(LINE).clear(), rows
    extra = [name for name in rows.columns if name not in {*layout.used, LINE}]
    rows = rows.with_columns(_choice(layout).alias(_CHOICE))
    plain = rows.select((pl.col(_CHOICE).is_not_null() & _plain(rows, layout, extra)).fill_null(False)).to_series()
    columns = {
        LINE: pl.col(LINE),
        "kind": pl.lit("comparison"),
        "context": _context(rows, layout),
        "outputs": _pairs(*map(pl.col, layout.outputs)) if layout.outputs else _pairs(_NOTHING, _NOTHING),
        "systems": _pairs(*map(_text, layout.systems)),
        "criterion": _said(layout.criterion).fill_null("overall"),
        "choice": pl.col(_CHOICE),
        "extra": _extra(rows, layout, extra),
    }
    if layout.shown:
        columns["shown"] = pl.lit(True)
    if layout.rater:
        columns["rater"] = _said(layout.rater)
        kind = _said(layout.rater_kind).fill_null("person")
        columns["rater_kind"] = pl.when(_said(layout.rater).is_not_null()).then(kind)
    if layout.time:
        microseconds = (_number(layout.time) * 1e6).round(mode="half_to_even").cast(pl.Int64)
        columns["time"] = pl.from_epoch(microseconds, "us").dt.replace_time_zone("UTC")
    sound = rows if plain.all() else rows.filter(plain)
    return sound.select(made.alias(name) for name, made in columns.items()), rows.filter(~plain).drop(_CHOICE)


def _pairs(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Lists of two, by way of arrays: a tenth of the time that `concat_list` takes."""
    return pl.concat_arr(first, second).arr.to_list()


def _is_plain(rows: pl.DataFrame, layout: Layout) -> bool:
    """Whether every column has a type that this module reads as `parse` does."""
    schema = rows.schema
    names = {*layout.sides, *layout.systems, layout.rater, layout.reference} - {None}
    texts = {*(layout.outputs or ()), layout.text, layout.rater_kind, layout.criterion} - {None}
    return (
        all(schema[name] == pl.String or schema[name].is_integer() for name in names if name)
        and all(schema[name] == pl.String for name in texts if name)
        and all(dtype in (pl.String, pl.Boolean) or _is_number(dtype) for dtype in schema.values())
        and schema[layout.winner] != pl.Boolean
        and (layout.time is None or schema[layout.time] != pl.Boolean)
    )


def _is_number(dtype: Any) -> bool:
    return bool(dtype.is_integer() or dtype.is_float())


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String)


def _is_said(name: str) -> pl.Expr:
    """Whether a cell holds more than space."""
    return (_text(name).str.strip_chars(_SPACES) != "").fill_null(False)


def _said(name: str | None) -> pl.Expr:
    """The cell, null where it holds nothing."""
    return pl.when(_is_said(name)).then(_text(name)) if name else _NOTHING


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


def _choice(layout: Layout) -> pl.Expr:
    word = _text(layout.winner).str.strip_chars(_SPACES)
    first, second = map(_text, layout.sides)
    by_name = pl.when(word == first).then(pl.lit("first")).when(word == second).then(pl.lit("second"))
    return pl.coalesce(word.str.to_lowercase().replace_strict(CHOICES, default=None, return_dtype=pl.String), by_name)


def _plain(rows: pl.DataFrame, layout: Layout, extra: list[str]) -> pl.Expr:
    """Whether a row is plainly sound, so that nothing in it needs a closer look."""
    first, second = map(_text, layout.systems)
    conditions = [_is_said(name) for name in {*layout.sides, *layout.systems}]
    conditions += [first != second, _text(layout.sides[0]) != _text(layout.sides[1])]
    if layout.shown:
        conditions.append(((first == _text(layout.sides[1])) & (second == _text(layout.sides[0]))).not_())
    for name in (*(layout.outputs or ()), layout.text):
        conditions += [_text(name).str.starts_with(start).not_().fill_null(True) for start in _UNPLAIN_STARTS if name]
    if layout.reference:
        conditions.append(_plain_reference(rows, layout.reference))
    if layout.rater_kind:
        conditions.append(_said(layout.rater_kind).is_in(RATER_KINDS).fill_null(True))
    if layout.time:
        sensible = (_number(layout.time).abs() < LATEST_SECONDS).fill_null(False)
        conditions.append(sensible | _is_said(layout.time).not_())
    floats = [name for name in extra if rows.schema[name].is_float()]
    conditions += [pl.col(name).is_infinite().not_().fill_null(True) for name in floats]
    return pl.all_horizontal(conditions)


def _is_text_reference(rows: pl.DataFrame, name: str) -> bool:
    return name == "prompt" and rows.schema[name] == pl.String


def _plain_reference(rows: pl.DataFrame, name: str) -> pl.Expr:
    cell = _text(name)
    if _is_text_reference(rows, name):
        return cell.str.starts_with(_UNPLAIN_STARTS[0]).not_().fill_null(True)
    return cell.str.contains(_REFERABLE).fill_null(True) | _is_said(name).not_()


def _context(rows: pl.DataFrame, layout: Layout) -> pl.Expr:
    referred = _NOTHING
    if layout.reference:
        cell = _said(layout.reference)
        before, after = encode_parts((Part(by="world", uri=f"{layout.reference}:@"),), "world").split("@")
        referred = pl.concat_str(pl.lit(before), cell, pl.lit(after))
        if _is_text_reference(rows, layout.reference):
            referred = pl.when(cell.str.contains(_NUMERAL)).then(referred).otherwise(cell)
    return pl.coalesce(_said(layout.text), referred)


def _extra(rows: pl.DataFrame, layout: Layout, names: list[str]) -> pl.Expr:
    """The JSON object of the cells that no field holds, less the empty ones."""
    pieces = []
    for name in names:
        present = pl.col(name).is_not_null()
        if rows.schema[name] == pl.String:
            present = _is_said(name)
        elif rows.schema[name].is_float():
            present = pl.col(name).is_not_nan().fill_null(False)
        if name in layout.sides:  # told already, where the sides are the systems
            same = [_text(side) == _text(system) for side, system in zip(layout.sides, layout.systems, strict=True)]
            present &= pl.all_horizontal(same).not_()
        written = pl.struct(pl.col(name)).struct.json_encode()
        pieces.append(pl.when(present).then(written.str.slice(1, written.str.len_chars() - 2)))
    if not pieces:
        return _NOTHING
    inner = pl.concat_str(pieces, separator=", ", ignore_nulls=True)
    return pl.when(inner != "").then(pl.concat_str(pl.lit("{"), inner, pl.lit("}")))
