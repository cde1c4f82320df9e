"""summary.json (schema 1): how it is read and how it is written. docs/summary.md explains every field."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, NoReturn

import numpy as np
from pydantic import Field, ValidationError

from heedful.core import InputError, Interval
from heedful.report.parts import (
    AgreementPart,
    Controls,
    FeedbackPart,
    FindingPart,
    HeldOut,
    ModelPart,
    Numbers,
    Part,
    Pick,
    Question,
    Ranked,
    ReliabilityPart,
    Texts,
    WinRate,
)

SCHEMA_VERSION = 1
_WRITTEN = "give the summary.json that `heedful run` wrote, or the folder it lies in"
_ABOUT = ("schema_version", "title", "seed", "versions", "seconds")  # fields that tell of no result
SEVERITIES: tuple[str, ...] = ("problem", "warning", "note")


class Summary(Part):
    """The whole of summary.json. Unknown fields are kept in the file and ignored here."""

    schema_version: int = Field(alias="schema")
    title: str | None = None
    seed: int | None = None
    versions: Texts = Field({})
    seconds: Numbers = Field({})
    feedback: FeedbackPart = FeedbackPart()
    model: ModelPart | None = None
    held_out: HeldOut | None = None
    controls: Controls = Controls()
    ranking: list[Ranked] = Field([])
    win_rates: list[WinRate] = Field([])
    agreement: AgreementPart = AgreementPart()
    reliability: ReliabilityPart | None = None
    ask: list[Question] = Field([])
    picks: list[Pick] = Field([])
    findings: list[FindingPart] = Field([])

    @classmethod
    def of(cls, summary: Mapping[str, Any], *, where: str = "summary") -> Summary:
        """Validated. Raises InputError where the schema is unknown or a field has the wrong type."""
        return cls._of_plain(to_plain(summary), where)

    @classmethod
    def _of_plain(cls, plain: Any, where: str) -> Summary:
        _check_schema(plain, where)
        try:
            return cls.model_validate(plain)
        except ValidationError as error:
            _raise_first(error, where)

    def findings_by_severity(self) -> list[FindingPart]:
        """Problems first, then warnings, then notes; each in the order given."""
        return sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))

    def ranked(self) -> list[Ranked]:
        """The items that the feedback can place, best first; ties in the order given."""
        placed = [item for item in self.ranking if item.identified and item.score is not None]
        return sorted(placed, key=lambda item: (item.rank is None, item.rank or 0.0, -(item.score or 0.0)))

    def unranked(self) -> list[Ranked]:
        """The items that it cannot place."""
        return [item for item in self.ranking if not item.identified or item.score is None]


def _check_schema(plain: Any, where: str) -> None:
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if type(schema) is int and schema == SCHEMA_VERSION:
        return
    if type(schema) is int and schema > SCHEMA_VERSION:
        raise InputError(
            f"the summary has schema {schema}; this version of heedful reads schema {SCHEMA_VERSION}",
            where=where,
            fix="upgrade heedful",
        )
    raise InputError(
        f'this is not a summary: it has no "schema": {SCHEMA_VERSION} at its top',
        where=where,
        fix=_WRITTEN,
    )


def _raise_first(error: ValidationError, where: str) -> NoReturn:
    first, more = error.errors()[0], error.error_count() - 1
    place = ".".join(str(step) for step in first["loc"])
    others = f" (and {more} more)" if more else ""
    raise InputError(
        f"{place}: {first['msg']}{others}", where=where, fix="write it again with `heedful run`, or mend the field"
    ) from error


def to_plain(value: Any, where: str = "summary") -> Any:
    """`value` as what JSON can hold: NumPy and dataclass values converted, NaN and infinities null.

    Raises InputError for a value that has no JSON form.
    """
    if value is None or isinstance(value, str | bool | int):
        return value if type(value) in (str, bool, int, type(None)) else _base(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner, f"{where}[{at}]") for at, inner in enumerate(value)]
    return _converted(value, where)


def _base(value: Any) -> Any:
    """A subclass of a JSON type (a string of an enum, say) as the type itself."""
    return str.__str__(value) if isinstance(value, str) else int(value)


def _converted(value: Any, where: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist(), where)
    if isinstance(value, Interval) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name), f"{where}.{field.name}") for field in fields}
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    raise InputError(f"a value of type {type(value).__name__} has no JSON form", where=where)


_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(summary: Mapping[str, Any]) -> str:
    """The summary as strictly valid JSON: floats at full precision, NaN and infinities null, ends with a newline."""
    text = json.dumps(to_plain(summary), ensure_ascii=False, allow_nan=False, indent=1)
    # Lone surrogates cannot be written as UTF-8; inside JSON strings their escapes mean the same.
    return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def load_summary(path: str | Path) -> dict[str, Any]:
    """The summary that lies at `path`: a summary.json or the folder that holds one.

    Raises InputError where there is none, it is empty or not valid JSON, its schema is not 1 or a field has the wrong
    type.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "summary.json"
    summary = _parsed(_text(file), str(file))
    Summary._of_plain(summary, str(file))
    if not any(summary.get(name) for name in Summary.model_fields if name not in _ABOUT):
        raise InputError("this summary holds no result", where=str(file), fix=_WRITTEN)
    return dict(summary)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise InputError(
            "there is no such file", where=str(file), fix="give a folder that `heedful run --out` wrote"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text (byte {error.start})", where=str(file)) from error
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})", where=str(file)) from error


def _parsed(text: str, where: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON; write null")

    if not text.strip():
        raise InputError("this file is empty", where=where, fix=_WRITTEN)
    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is not valid JSON ({error})", where=where, fix=_WRITTEN) from error
