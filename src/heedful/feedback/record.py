"""The feedback record: one measurement of one judgement, as it is written in JSON Lines (schema version 1)."""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from heedful.core import Item, Part, decode_parts, encode_parts
from heedful.core.items import Author, PartKind, encode_text, plain_text

SCHEMA_VERSION = 1

Kind = Literal[
    "comparison",
    "ranking",
    "best_of",
    "rating",
    "label",
    "steps",
    "critique",
    "edit",
    "demonstration",
    "implicit",
]
Choice = Literal["first", "second", "tie", "both_bad", "incomparable"]
RaterKind = Literal["person", "model", "rule", "simulated"]
AddressKind = Literal["whole", "turn", "step", "span", "stage", "scope"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHOICES: tuple[Choice, ...] = get_args(Choice)
RATER_KINDS: tuple[RaterKind, ...] = get_args(RaterKind)

LARGEST = 2**31 - 1  # whole number that a column of the table holds
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartRecord(_Model):
    """A typed piece of content, as `heedful.core.Part`."""

    text: str = ""
    kind: PartKind = "text"
    by: Author = "system"
    role: str | None = None
    uri: str | None = None
    sha256: str | None = None


Content = str | list[PartRecord]


def encode_content(content: Content | None, by: Author) -> str | None:
    """Content as the one string a table holds."""
    if content is None:
        return None
    if isinstance(content, str):
        return encode_text(content)
    return encode_parts(tuple(Part(**part.model_dump()) for part in content), by)


def decode_content(encoded: str | None, by: Author) -> Content | None:
    """The inverse of `encode_content`."""
    if encoded is None or (text := plain_text(encoded)) is not None:
        return None if encoded is None else text
    return [PartRecord(**{k: getattr(part, k) for k in Part.__slots__}) for part in decode_parts(encoded, by)]


class Candidate(_Model):
    """One thing judged: its output as shown, and the system (model, policy) that wrote it. Either may be unknown."""

    output: Content | None = None
    system: str | None = None


class Address(_Model):
    """What part of the output the judgement is about.

    `index` counts turns or steps from 0; `start` and `end` are character offsets of a span; `name` a stage of a
    pipeline or a scope in words ("always", "in emails").
    """

    kind: AddressKind = "whole"
    index: int | None = Field(default=None, ge=0)
    start: int | None = Field(default=None, ge=0)
    end: int | None = Field(default=None, ge=0)
    name: str | None = None


class Value(_Model):
    """What was said. Which fields are needed depends on the record's kind.

    comparison: `choice`, with `degree` (1 = slightly, 2 = clearly, 3 = strongly, ...) or `share` (fraction of votes or
    probability mass for the first, in [0, 1]) where given. ranking: `ranks` per candidate, 1 = best, equal = tied, None
    = not ranked: below all that are, in no known order; only the order of ranks counts. best_of: `best`, index of the
    chosen candidate, and `worst`, that of the worst, where given. rating: `rating` within `scale` = [min, max], `step`
    where the scale is discrete. label: `label`. steps: one number per step, None where unjudged. critique: `text`.
    edit: candidates are [original, edited]. demonstration: one candidate. implicit: `signal` (what happened) and
    `amount`.
    """

    choice: Choice | None = None
    degree: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    ranks: list[Annotated[int, Field(ge=1, le=LARGEST)] | None] | None = None
    best: int | None = Field(default=None, ge=0)
    worst: int | None = Field(default=None, ge=0)
    rating: Finite | None = None
    scale: tuple[Finite, Finite] | None = None
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    label: bool | None = None
    steps: list[Finite | None] | None = None
    text: str | None = None
    signal: str | None = None
    amount: Finite | None = None


class Rater(_Model):
    """Who judged."""

    id: str = Field(min_length=1)
    kind: RaterKind = "person"


_NEEDS: dict[str, tuple[str, ...]] = {
    "comparison": ("choice",),
    "ranking": ("ranks",),
    "best_of": ("best",),
    "rating": ("rating", "scale"),
    "label": ("label",),
    "steps": ("steps",),
    "critique": ("text",),
    "edit": (),
    "demonstration": (),
    "implicit": ("signal", "amount"),
}
_COUNT: dict[str, tuple[int, float]] = {
    "comparison": (2, 2),
    "ranking": (2, math.inf),
    "best_of": (2, math.inf),
    "edit": (2, 2),
}


class Record(_Model):
    """One judgement. `order` says whether candidates are listed in the order the rater saw them.

    Of exposure: `propensity`, the probability with which this judgement would be recorded, in (0, 1], which for a
    comparison is that of its question being asked; `position`, where the output stood among all that were shown, 0 =
    first; `policy`, which version of the system wrote it.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    id: str | None = Field(default=None, min_length=1)
    kind: Kind
    context: Content | None = None
    candidates: list[Candidate] = Field(min_length=1)
    order: Literal["shown", "unknown"] = "unknown"
    address: Address = Address()
    criterion: str = Field(default="overall", min_length=1)
    value: Value = Value()
    rater: Rater | None = None
    protocol: str | None = None
    propensity: Annotated[float, Field(gt=0, le=1)] | None = None
    position: int | None = Field(default=None, ge=0, le=LARGEST)
    policy: str | None = None
    time: dt.datetime | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    licence: str | None = None
    consent: bool | None = None
    personal: bool | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("time")
    @classmethod
    def _in_utc(cls, time: dt.datetime | None) -> dt.datetime | None:
        if time is None:
            return None
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)

    @model_validator(mode="after")
    def _value_fits_kind(self) -> Self:
        missing = [name for name in _NEEDS[self.kind] if getattr(self.value, name) is None]
        if missing:
            raise ValueError(f"a {self.kind} needs value.{', value.'.join(missing)}")
        low, high = _COUNT.get(self.kind, (1, 1))
        if not low <= len(self.candidates) <= high:
            wanted = f"{low} or more" if high == math.inf else str(low)
            raise ValueError(f"a {self.kind} judges {wanted} candidates, not {len(self.candidates)}")
        self._check_value()
        self._check_candidates()
        return self

    def _check_value(self) -> None:
        value, n = self.value, len(self.candidates)
        if value.ranks is not None and len(value.ranks) != n:
            raise ValueError(f"{len(value.ranks)} ranks for {n} candidates")
        if value.ranks is not None and all(rank is None for rank in value.ranks):
            raise ValueError("value.ranks ranks no candidate: at least one needs a rank")
        for name, place in (("best", value.best), ("worst", value.worst)):
            if place is not None and place >= n:
                raise ValueError(f"value.{name} is {place}, but candidates count from 0 to {n - 1}")
        if value.worst is not None and value.worst == value.best:
            raise ValueError(f"candidate {value.best} is said to be both the best and the worst")
        if value.scale is not None and not value.scale[0] < value.scale[1]:
            raise ValueError(f"value.scale must rise, not {list(value.scale)}")
        if value.rating is not None and value.scale and not value.scale[0] <= value.rating <= value.scale[1]:
            raise ValueError(f"rating {value.rating:g} lies outside its scale {list(value.scale)}")

    def _check_candidates(self) -> None:
        if self.kind in ("comparison", "ranking", "best_of") and all(c.system for c in self.candidates):
            written = {(c.system, encode_content(c.output, "system")) for c in self.candidates}
            if len(written) < len(self.candidates):
                raise ValueError("an item is judged against itself: two candidates have the same system and output")

    def items(self) -> tuple[Item, ...]:
        """The candidates as items in the record's context."""
        context = decode_parts(encode_content(self.context, "world") or "", "world")
        return tuple(
            Item(context, decode_parts(encode_content(c.output, "system") or "", "system"), c.system)
            for c in self.candidates
        )
