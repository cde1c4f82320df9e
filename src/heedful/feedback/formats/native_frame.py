"""heedful's tables in bulk: rows that meet every rule of `Record`, found by a look at the columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from heedful.core import HeedfulError
from heedful.core.items import PARTS_MARK, Author
from heedful.feedback.formats.base import LINE, Framed, well_formed
from heedful.feedback.record import Address, decode_content, encode_content
from heedful.feedback.table import PROVENANCE, SCHEMA

_NEEDS = {
    "comparison": ("choice",), "ranking": ("ranks",), "best_of": ("best",), "rating": ("rating", "scale_low"),
    "label": ("label",), "steps": ("steps",), "critique": ("text",), "implicit": ("signal", "amount"),
}  # fmt: skip
_PAIRS, _MANY = ("comparison", "edit"), ("ranking", "best_of")


def frame(rows: pl.DataFrame) -> Framed:
    """As `Format.frame`. Every row that is not plainly sound is left to be parsed."""
    known = [name for name in rows.columns if name in SCHEMA and name not in PROVENANCE]
    foreign = [name for name in rows.columns if name not in (*SCHEMA, LINE)]
    castable = all(_castable(rows.schema[name], SCHEMA[name]) for name in known)
    if foreign or not castable or not {"kind", "systems", "outputs"} <= set(known):
        return rows.select(LINE).clear(), rows
    table = _shaped(rows, known)
    sound = table.select(pl.all_horizontal(_rules(table)).fill_null(False)).to_series()
    for kept in _contents_kept(rows, table, known):
        sound &= kept
    return table.filter(sound), rows.filter(~sound)


# Types


def _castable(dtype: Any, wanted: Any) -> bool:
    """Whether a column of this type can hold what the schema wants, so that casting changes no value."""
    if dtype == wanted or dtype == pl.Null:
        return True
    if isinstance(wanted, pl.List):
        return isinstance(dtype, pl.List) and _castable(dtype.inner, wanted.inner)
    if wanted == pl.String or isinstance(wanted, pl.Enum):
        return dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum)
    if wanted == pl.Float64:
        return bool(dtype.is_integer() or dtype.is_float())
    if wanted == pl.Int32:
        return bool(dtype.is_integer())
    return isinstance(wanted, pl.Datetime) and isinstance(dtype, pl.Datetime)


def _cast(dtype: Any, name: str) -> pl.Expr:
    column, wanted = pl.col(name), SCHEMA[name]
    if isinstance(wanted, pl.Datetime) and isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        column = column.dt.replace_time_zone("UTC")
    if isinstance(wanted, pl.Enum) and dtype != wanted:
        column = column.cast(pl.String)
    return column.cast(wanted, strict=False)


def _shaped(rows: pl.DataFrame, known: list[str]) -> pl.DataFrame:
    """The known columns as the schema has them, with the values that `Record` has by default."""
    table = rows.select(LINE, *(_cast(rows.schema[name], name) for name in known))
    if "criterion" not in known:
        table = table.with_columns(criterion=pl.lit("overall"))
    if "shown" in known:
        table = table.with_columns(shown=pl.when(pl.col("shown")).then(True))
    if "rater_kind" in known and "rater" in known:
        person = pl.lit("person", SCHEMA["rater_kind"])
        kind = pl.when(pl.col("rater").is_not_null()).then(pl.col("rater_kind").fill_null(person))
        table = table.with_columns(rater_kind=kind)
    return table


# Rules


def _rules(table: pl.DataFrame) -> Iterator[pl.Expr]:
    """The rules of `Record`, each true of a sound row."""
    kinds = table["kind"].drop_nulls().unique().to_list()
    n = pl.col("systems").list.len()
    yield pl.col("kind").is_not_null()
    yield pl.col("outputs").list.len() == n
    yield (pl.col("criterion") != "").fill_null(False)
    for kind in kinds:
        here = pl.col("kind") == kind
        yield here.not_() | (n >= 2 if kind in _MANY else n == (2 if kind in _PAIRS else 1))
        for name in _NEEDS.get(kind, ()):
            yield here.not_() | pl.col(name).is_not_null() if name in table.columns else here.not_()
    present = [name for name in _BOUNDS if name in table.columns and table[name].null_count() < table.height]
    yield from (pl.col(name).is_null() | _BOUNDS[name](pl.col(name)) for name in present)
    if {"best", "worst"} <= set(table.columns):
        yield (pl.col("best") != pl.col("worst")).fill_null(True)
    yield from _scale_rules(table)
    yield from _distinct(kinds, n)


def _finite(column: pl.Expr) -> pl.Expr:
    return column.is_finite()


def _positive(column: pl.Expr) -> pl.Expr:
    return column.is_finite() & (column > 0)


def _sound_ranks(column: pl.Expr) -> pl.Expr:
    """As many as candidates, those given from 1; the least of none at all is null, which no sound row has."""
    return (column.list.len() == pl.col("systems").list.len()) & (column.list.min() >= 1)


def _place(column: pl.Expr) -> pl.Expr:
    return (column >= 0) & (column < pl.col("systems").list.len())


_BOUNDS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "degree": _positive,
    "share": lambda column: column.is_between(0, 1),
    "ranks": _sound_ranks,
    "best": _place,
    "worst": _place,
    "rating": _finite,
    "scale_low": _finite,
    "scale_high": _finite,
    "step": _positive,
    "steps": lambda column: column.list.eval(pl.element().is_finite().fill_null(True)).list.all(),
    "amount": _finite,
    "id": lambda column: column != "",  # a record without an id is given one
    "rater": lambda column: column != "",
    "propensity": lambda column: (column > 0) & (column <= 1),
    "position": lambda column: column >= 0,
    "seconds": lambda column: column.is_finite() & (column >= 0),
}


def _scale_rules(table: pl.DataFrame) -> Iterator[pl.Expr]:
    ends = [name for name in ("scale_low", "scale_high") if name in table.columns]
    if len(ends) == 1:
        yield pl.col(ends[0]).is_null()
    if len(ends) < 2:
        return
    low, high = map(pl.col, ends)
    yield (low.is_null() & high.is_null()) | (low < high).fill_null(False)
    if "rating" in table.columns:
        yield (low <= pl.col("rating")).fill_null(True) & (pl.col("rating") <= high).fill_null(True)


def _distinct(kinds: list[str], n: pl.Expr) -> Iterator[pl.Expr]:
    """No item is judged against itself."""
    systems, outputs = pl.col("systems"), pl.col("outputs")
    if "comparison" in kinds:
        first, second = (systems.list.get(place, null_on_oob=True) for place in (0, 1))
        said, other = (outputs.list.get(place, null_on_oob=True) for place in (0, 1))
        yield (pl.col("kind") != "comparison") | (first != second).fill_null(True) | said.ne_missing(other)
    if set(kinds) & set(_MANY):
        # Those with a system twice may still differ in their outputs: that takes a closer look.
        unnamed = systems.list.drop_nulls().list.len() < n
        yield pl.col("kind").is_in(_MANY).not_() | unnamed | (systems.list.n_unique() == n)


# Contents


def _contents_kept(rows: pl.DataFrame, table: pl.DataFrame, known: list[str]) -> Iterator[pl.Series]:
    """For each column: which rows hold what reading and writing again would give back."""
    for name in known:
        if name not in ("shown", "rater_kind"):
            yield rows[name].is_null() == table[name].is_null()
    if "ranks" in known:  # a number too large for a rank is not a rank that is absent
        yield _numbers(rows["ranks"].cast(pl.List(pl.Int64))).eq_missing(_numbers(table["ranks"]))
    if "context" in known:
        context = table["context"]
        yield _good(context, _marked(context), lambda text: _canonical(text, "world"))
    outputs = table["outputs"].explode()
    good = _good(outputs, _marked(outputs), lambda text: _canonical(text, "system"))
    if not good.all():
        bad = outputs.filter(~good).unique()
        yield table.select(pl.col("outputs").list.set_intersection(bad.implode()).list.len() == 0).to_series()
    if "address" in known:
        yield _good(table["address"], table["address"].is_not_null(), _is_address)
    if "extra" in known:
        yield _sound_extra(table["extra"])


def _numbers(lists: pl.Series) -> pl.Series:
    """How many entries of each list are not null."""
    return lists.list.drop_nulls().list.len()


def _marked(texts: pl.Series) -> pl.Series:
    """Which contents are more than plain text."""
    return texts.str.starts_with(PARTS_MARK).fill_null(False)


def _good(texts: pl.Series, looked_at: pl.Series, good: Callable[[str], bool]) -> pl.Series:
    """Which texts are good; those not `looked_at` are taken to be."""
    bad = [text for text in texts.filter(looked_at).unique() if not good(text)]
    return texts.is_in(bad).fill_null(False).not_()


def _canonical(content: str, by: Author) -> bool:
    try:
        return encode_content(decode_content(content, by), by) == content
    except (HeedfulError, TypeError, ValueError):
        return False


def _is_address(text: str) -> bool:
    try:
        address = Address.model_validate_json(text)
    except ValueError:
        return False
    return address != Address() and address.model_dump_json(exclude_none=True) == text


def _sound_extra(texts: pl.Series) -> pl.Series:
    """Which are null or JSON objects with members: all at once, and one by one where that fails.

    Escapes that may be lone surrogates pass unseen when all are decoded at once, and are looked at one by one, too.
    """
    try:
        texts.str.json_decode(pl.Struct([]))
        doubtful = texts.str.contains(r"\\u[dD]").fill_null(False)
    except pl.exceptions.PolarsError:
        doubtful = texts.is_not_null()
    return (texts != "{}").fill_null(True) & _good(texts, doubtful, _is_object)


def _is_object(text: str) -> bool:
    try:
        value = json.loads(text)
        well_formed(value)
    except ValueError:
        return False
    return bool(value) and isinstance(value, dict)
