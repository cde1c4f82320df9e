"""What every evaluation needs of a table: which rows were decided, which rows belong together, hashes that last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Estimate, Finding, Floats, InputError, Interval
from heedful.feedback import Table
from heedful.preference.sandwich import Clusters
from heedful.stats import MIN_CLUSTERS, Grouping

Rows = NDArray[np.intp]


class Predicted(Protocol):
    """What was predicted for each row of a table, as `heedful.preference.Prediction`.

    `log_prob` [n], nats, of the recorded outcome, NaN where there is no prediction; `probability` [n] of "first wins"
    given a decision, or of "yes"; `outcome` [n] 1.0, 0.0, or NaN where there was no decision.
    """

    @property
    def log_prob(self) -> Floats: ...
    @property
    def probability(self) -> Floats: ...
    @property
    def outcome(self) -> Floats: ...


def check_aligned(prediction: Predicted, table: Table) -> None:
    """Raises InputError where a prediction is not of this table."""
    if len(prediction.log_prob) != len(table):
        raise InputError(f"a prediction of {len(prediction.log_prob)} rows was given for a table of {len(table)}")


def decided(prediction: Predicted) -> Rows:
    """The rows with a decision and a probability for it."""
    return np.flatnonzero(~np.isnan(prediction.outcome) & ~np.isnan(prediction.probability))


def targets(prediction: Predicted, table: Table) -> Floats:
    """What each probability is compared with [n]: the outcome, or the share of voters for the first where it is given.

    NaN where there is neither. A share has a target even where it names no winner, because it is exactly one half.
    """
    share = table.column("share").cast(pl.Float64).to_numpy()
    return np.where(np.isnan(share), prediction.outcome, share)


@dataclass(frozen=True)
class Dependence:
    """Which rows of a table depend on each other: through a prompt, through a rater.

    Too few raters to generalise from are held fixed: intervals then speak for these raters alone, as for named judges,
    and `note` says so. Prompts are never held fixed: with too few of them there is no interval.
    """

    clusters: Clusters

    @classmethod
    def of(cls, table: Table) -> Dependence:
        return cls(Clusters.of(table))

    def within(self, rows: Rows, ways: Sequence[str] = ("context", "rater")) -> tuple[list[NDArray[np.intp]], str]:
        """The clusterings of some rows that can be generalised from, and a note on those that cannot."""
        kept, fixed = [], []
        for name, codes in self.clusters.within(rows).items():
            if name not in ways:
                continue
            groups = Grouping.of(codes).groups
            if groups < MIN_CLUSTERS and name == "rater":
                fixed.append(f"{'this' if groups == 1 else f'these {groups}'} {name}{'s' * (groups > 1)}")
            else:
                kept.append(codes)
        note = f"the interval speaks for {' and '.join(fixed)} alone: too few to speak for others" if fixed else ""
        return kept, note


def as_json(interval: Interval | None) -> dict[str, Any] | None:
    """An interval as it stands in a summary."""
    if interval is None:
        return None
    return {"low": interval.low, "high": interval.high, "promise": interval.promise, "level": interval.level}


def with_note(estimate: Estimate, *notes: str) -> str:
    """What a reader must know about an estimate: its own note and those on its clusters."""
    return "; ".join(part for part in (estimate.note, *notes) if part)


def report(findings: list[Finding] | None, finding: Finding) -> None:
    """Append a finding where the caller collects them."""
    if findings is not None:
        findings.append(finding)


def contexts(table: Table) -> pl.Series:
    """The context of each row, null where there is none."""
    context = table.column("context")
    return context.set(context == "", None) if len(context) else context
