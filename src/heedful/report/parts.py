"""The parts of summary.json, field by field as in docs/summary.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator


class Part(BaseModel):
    """A part of the summary: every field may be missing or null, which then means its default."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _nulls_are_absent(cls, data: Any) -> Any:
        return _known(data)


class IntervalPart(Part):
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


class Source(Part):
    path: str = ""
    format: str = ""
    read: float | None = None
    accepted: float | None = None


class RejectReason(Part):
    reason: str = ""
    count: float = 0
    source: str = ""
    line: int | None = None


class FeedbackPart(Part):
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


class Likelihood(Part):
    kind: str = ""
    n: float | None = None


class ModelPart(Part):
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


class ReliabilityBin(Part):
    low: float | None = None
    high: float | None = None
    n: float = 0
    predicted: float | None = None
    observed: float | None = None
    interval: MaybeInterval = None
    note: str = ""


class LearningPoint(Part):
    n: float = 0
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    log_loss: float | None = None


class Slice(Part):
    slice: str = ""
    n: float | None = None
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    note: str = ""


class HeldOut(Part):
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


class Control(Part):
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None
    difference: float | None = None
    difference_interval: MaybeInterval = None
    p_value: float | None = None
    n: float | None = None


class Controls(Part):
    length_only: Control | None = None
    random: Control | None = None


class Ranked(Part):
    item: str = ""
    score: float | None = None
    interval: MaybeInterval = None
    rank: float | None = None
    rank_interval: MaybePair = None
    n: float | None = None
    identified: bool = True
    note: str = ""


class WinRate(Part):
    item: str = ""
    baseline: str = ""
    win_rate: float | None = None
    standard_error: float | None = None
    interval: MaybeInterval = None
    n: float | None = None


class BetweenRaters(Part):
    n: float | None = None
    percent: float | None = None
    percent_interval: MaybeInterval = None
    alpha: float | None = None
    alpha_interval: MaybeInterval = None


class WithModel(Part):
    n: float | None = None
    accuracy: float | None = None
    accuracy_interval: MaybeInterval = None


class RaterAgreement(Part):
    rater: str = ""
    n: float | None = None
    agreement: float | None = None
    interval: MaybeInterval = None


class AgreementPart(Part):
    between_raters: BetweenRaters | None = None
    with_model: WithModel | None = None
    raters: list[RaterAgreement] = []


class Reliability(Part):
    rater: str = ""
    n: float | None = None
    reliability: float | None = None
    interval: MaybeInterval = None
    adversarial: float | None = None
    careless: float | None = None
    lean: float | None = None
    note: str = ""


class ReliabilityPart(Part):
    model: str = ""
    raters: list[Reliability] = []


class AskedItem(Part):
    system: str | None = None
    context: str | None = None
    output: str | None = None


class Question(Part):
    items: list[AskedItem] = []
    expected_gain: float | None = None
    cost: float | None = None
    rater: str | None = None


class PickCandidate(Part):
    output: str = ""
    score: float | None = None
    interval: MaybeInterval = None


class Pick(Part):
    context: str = ""
    best: str = ""
    best_index: int | None = None
    probability_best: float | None = None
    candidates: list[PickCandidate] = []


class FindingPart(Part):
    code: str = ""
    severity: Literal["problem", "warning", "note"] = "note"
    message: str = ""
    fix: str = ""
    count: float = 0
    examples: list[str] = []
