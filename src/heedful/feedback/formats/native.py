"""heedful's own formats: records as JSON Lines, tables as Parquet or data frames."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from heedful.core import HeedfulError, InputError
from heedful.feedback.asked import NOT_ANSWERED, is_unanswered
from heedful.feedback.formats.base import Format, Framed, Judgement, Problem, Row, Rowed, well_formed
from heedful.feedback.record import KINDS, SCHEMA_VERSION, decode_content

if TYPE_CHECKING:
    import polars as pl

METADATA_KEY = "heedful_schema"  # of Parquet files: the version of the table's schema

_VALUE = (
    "choice", "degree", "share", "ranks", "best", "worst", "rating", "step", "label", "steps", "text", "signal",
    "amount",
)  # fmt: skip
_PLAIN = ("protocol", "propensity", "position", "policy", "time", "seconds", "licence", "consent", "personal")
_OTHER = (
    "id", "kind", "context", "outputs", "systems", "shown", "address", "criterion", "scale_low", "scale_high",
    "rater", "rater_kind", "extra", "source", "line",
)  # fmt: skip


def _matches(row: Row) -> bool:
    return "candidates" in row and ("kind" in row or "schema" in row) and "outputs" not in row


def _parse(row: Row) -> Iterator[Judgement]:
    version = row.get("schema", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        yield Problem(newer(version))
    elif is_unanswered(row):
        yield Problem(NOT_ANSWERED)
    else:
        yield dict(row)


def newer(version: Any) -> str:
    """Why a record or table of a later version cannot be read."""
    return f"written by a newer heedful (schema version {version}, this one reads {SCHEMA_VERSION}): upgrade heedful"


def check_version(metadata: dict[str, str], where: str) -> None:
    """Raises InputError where a Parquet file's metadata tell of a schema that this heedful does not know."""
    version = metadata.get(METADATA_KEY)
    if version is not None and version != str(SCHEMA_VERSION):
        raise InputError(newer(version), where=where, fix="pip install --upgrade heedful")


def _matches_table(row: Row) -> bool:
    return row.get("kind") in KINDS and isinstance(row.get("systems", row.get("outputs")), list)


def _parse_table(row: Row) -> Iterator[Judgement]:
    try:
        yield _record(row)
    except (HeedfulError, TypeError, ValueError) as error:
        yield Problem(f"the row is no feedback record ({error})")


def _record(row: Row) -> dict[str, Any]:
    """A row of a table as a record. Columns that the schema does not know go to `extra`."""
    get = row.get
    outputs, systems = get("outputs"), get("systems")
    n = len(outputs if outputs is not None else systems or ())
    outputs, systems = outputs or [None] * n, systems or [None] * n
    scale = (get("scale_low"), get("scale_high"))
    extra = json.loads(get("extra") or "{}")
    well_formed(extra)
    unknown = {k: v for k, v in row.items() if k not in (*_VALUE, *_PLAIN, *_OTHER) and v is not None}
    return {
        "id": get("id"),
        "kind": get("kind"),
        "context": decode_content(get("context"), "world"),
        "candidates": [
            {"output": decode_content(o, "system"), "system": s} for o, s in zip(outputs, systems, strict=True)
        ],
        "order": "shown" if get("shown") else "unknown",
        "address": json.loads(get("address") or "{}"),
        "criterion": "overall" if get("criterion") is None else get("criterion"),
        "value": {name: get(name) for name in _VALUE} | {"scale": None if scale == (None, None) else scale},
        "rater": None if get("rater") is None else {"id": get("rater"), "kind": get("rater_kind") or "person"},
        "extra": {**extra, **unknown},
        **{name: get(name) for name in _PLAIN},
    }


def _frame(rows: pl.DataFrame) -> Framed:
    from heedful.feedback.formats.native_frame import frame

    return frame(rows)


def _rows(records: Sequence[Row]) -> Rowed:
    from heedful.feedback.formats.native_rows import rows

    return rows(records)


NATIVE = Format(
    name="heedful",
    about="heedful's own records, one JSON object per line",
    matches=_matches,
    parse=_parse,
    rows=_rows,
)
NATIVE_TABLE = Format(
    name="heedful-table",
    about="heedful's own tables, as Parquet or data frames",
    matches=_matches_table,
    parse=_parse_table,
    frame=_frame,
)
