"""summary.json (schema 1): its parts, how it is read and how it is written. docs/summary.md explains every field."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from heedful.core import InputError, Interval

SCHEMA_VERSION = 1
_WRITTEN = "give the summary.json that `heedful run` wrote, or the folder it lies in"
_ABOUT = ("schema_version", "title", "seed", "versions", "seconds")  # fields that tell of no result
SEVERITIES: tuple[str, ...] = ("problem", "warning", "note")


class _Part(BaseModel):
    """A part of the summary: every field may be missing or null, which then means its default."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _nulls_are_absent(cls, data: Any) -> Any:
        return _known(data)


class IntervalPart(_Part):
    """As `heedful.core.Interval`."""

    low: float
    high: float
    promise: Literal["confidence", "credible", "at least"] = "confidence"
    level: float = 0.95

    @model_validator(mode="after")
    def _rises(self) -> IntervalPart:
        if not self.low <= self.high:
            raise ValueError(f"an interval needs low <= high, not [{self.low}, {self.high}]")
        return self

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def _closed(value: Any) -> Any:
    """An interval with a null end says nothing: null."""
    return None if isinstance(value, Mapping) and None in (value.get("low"), value.get("high")) else value


def _both(value: Any) -> Any:
    """A pair with a null says nothing: null."""
    return None if isinstance(value, Sequence) and None in value else value


def _known(value: Any) -> Any:
    """An object without its null members."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


Numbers = Annotated[dict[str, float], BeforeValidator(_known)]
Texts = Annotated[dict[str, str], BeforeValidator(_known)]
MaybeInterval = Annotated[IntervalPart | None, BeforeValidator(_closed)]
MaybePair = Annotated[tuple[float, float] | None, BeforeValidator(_both)]


class Source(_Part):
    path: str = ""
    format: str = ""
    read: float | None = None
    accepted: float | None = None


class RejectReason(_Part):
    reason: str = ""
    count: float = 0
    source: str = ""
    line: int | None = None


class FeedbackPart(_Part):
    read: float | None = None
    accepted: float | None = None
    rejected: float | None = None
    by_kind: Numbers = {}
    by_criterion: Numbers = {}
    raters: float | None = None
    rater_kinds: Numbers = {}
    replicates: float | None = None
    contexts: float | None = None
    systems: float | None = None
    sources: list[Source] = []
    reject_reasons: list[RejectReason] = []


class Likelihood(_Part):
    kind: str = ""
    n: float | None = None


class ModelPart(_Part):
    criterion: str | None = None
    utility: str | None = None
    features: Any = None
    prior: str | None = None
    likelihoods: list[Likelihood] = []
    parameters: float | None = None
    log_likelihood: float | None = None
    converged: bool | None = None
    iterations: float | None = None
    clusters: Numbers = {}
    covariance: str | None = None


class ReliabilityBin(_Part):
    low: float | None = None
    high: float | None = None
    n: float = 0
    predicted: float | None = None
    observed: float | None = None
    interval: MaybeInterval = None
    note: str = ""


class LearningPoint(_Part):
    n: float = 0
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    log_loss: float | None = None


class Slice(_Part):
    slice: str = ""
    n: float | None = None
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    note: str = ""


class HeldOut(_Part):
    n: float | None = None
    n_decided: float | None = None
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    brier: float | None = None
    ece: float | None = None
    ece_null_band: MaybePair = None
    log_loss: float | None = None
    log_loss_interval: MaybeInterval = None
    reliability: list[ReliabilityBin] = []
    learning_curve: list[LearningPoint] = []
    slices: list[Slice] = []
    split: str | None = None


class Control(_Part):
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    difference: float | None = None
    difference_interval: MaybeInterval = None
    p_value: float | None = None
    n: float | None = None


class Controls(_Part):
    length_only: Control | None = None
    random: Control | None = None


class Ranked(_Part):
    item: str = ""
    score: float | None = None
    interval: MaybeInterval = None
    rank: float | None = None
    rank_interval: MaybePair = None
    n: float | None = None
    identified: bool = True
    note: str = ""


class WinRate(_Part):
    item: str = ""
    baseline: str = ""
    win_rate: float | None = None
    standard_error: float | None = None
    interval: MaybeInterval = None
    n: float | None = None


class BetweenRaters(_Part):
    n: float | None = None
    percent: float | None = None
    percent_interval: MaybeInterval = None
    alpha: float | None = None
    alpha_interval: MaybeInterval = None


class WithModel(_Part):
    n: float | None = None
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None


class RaterAgreement(_Part):
    rater: str = ""
    n: float | None = None
    agreement: float | None = None
    interval: MaybeInterval = None


class AgreementPart(_Part):
    between_raters: BetweenRaters | None = None
    with_model: WithModel | None = None
    raters: list[RaterAgreement] = []


class Reliability(_Part):
    rater: str = ""
    n: float | None = None
    reliability: float | None = None
    interval: MaybeInterval = None
    adversarial: float | None = None
    careless: float | None = None
    lean: float | None = None
    note: str = ""


class ReliabilityPart(_Part):
    model: str = ""
    raters: list[Reliability] = []


class AskedItem(_Part):
    system: str | None = None
    context: str | None = None
    output: str | None = None


class Question(_Part):
    items: list[AskedItem] = []
    expected_gain: float | None = None
    cost: float | None = None
    rater: str | None = None


class PickCandidate(_Part):
    output: str = ""
    score: float | None = None
    interval: MaybeInterval = None


class Pick(_Part):
    context: str = ""
    best: str = ""
    best_index: int | None = None
    probability_best: float | None = None
    candidates: list[PickCandidate] = []


class FindingPart(_Part):
    code: str = ""
    severity: Literal["problem", "warning", "note"] = "note"
    message: str = ""
    fix: str = ""
    count: float = 0
    examples: list[str] = []


class Summary(_Part):
    """The whole of summary.json. Unknown fields are kept in the file and ignored here."""

    schema_version: int = Field(alias="schema")
    title: str | None = None
    seed: int | None = None
    versions: Texts = {}
    seconds: Numbers = {}
    feedback: FeedbackPart = FeedbackPart()
    model: ModelPart | None = None
    held_out: HeldOut | None = None
    controls: Controls = Controls()
    ranking: list[Ranked] = []
    win_rates: list[WinRate] = []
    agreement: AgreementPart = AgreementPart()
    reliability: ReliabilityPart | None = None
    ask: list[Question] = []
    picks: list[Pick] = []
    findings: list[FindingPart] = []

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
