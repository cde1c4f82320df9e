"""Seeds, intervals over seeds, and the rule that turns figures into a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from heedful.core import Estimate, Floats, InputError, UsageError
from heedful.stats import mean_estimate

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]
Outcome = Literal["holds", "fails", "open"]

# The least that `stats` gives an interval for is 30 independent values.
SEEDS = tuple(range(40))
QUICK_SEEDS = (0, 1)
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Check:
    """One inequality of a claim: the mean over seeds of first − factor · second is `above` or `below` a number.

    `second` None leaves it out. It holds where the whole interval lies on the side claimed, fails where the whole
    interval lies on the other, and is open otherwise.
    """

    first: str
    second: str | None = None
    factor: float = 1.0
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise UsageError("a check says either above or below which number", where="Check")

    def __str__(self) -> str:
        scaled = "" if self.factor == 1 else f"{self.factor:g} × "
        left = self.first if self.second is None else f"{self.first} − {scaled}{self.second}"
        return f"{left} > {self.above:g}" if self.above is not None else f"{left} < {self.below:g}"

    def contrast(self, measured: Mapping[str, Floats]) -> Floats:
        """first − factor · second at each seed [s], paired."""
        names = [name for name in (self.first, self.second) if name is not None]
        unknown = [name for name in names if name not in measured]
        if unknown:
            raise InputError(f"the miniature measures no {unknown[0]!r}", where="Check", fix=f"one of {list(measured)}")
        return measured[self.first] - (0.0 if self.second is None else self.factor * measured[self.second])

    def outcome(self, estimate: Estimate) -> Outcome:
        """What an estimate of the contrast says."""
        interval = estimate.interval
        if interval is None:
            return "open"
        low, high = interval.low, interval.high
        if self.above is not None:
            return "holds" if low > self.above else "fails" if high < self.above else "open"
        assert self.below is not None
        return "holds" if high < self.below else "fails" if low > self.below else "open"


@dataclass(frozen=True, slots=True)
class Examined:
    """A check, the estimate of its contrast over seeds, and what that says."""

    check: Check
    estimate: Estimate
    outcome: Outcome


def stack(rows: Sequence[Mapping[str, float]]) -> dict[str, Floats]:
    """Measures of each seed as arrays over seeds [s]. Raises InputError where one is missing or not finite."""
    if not rows or any(row.keys() != rows[0].keys() for row in rows):
        raise InputError("every seed must give the same measures, and there must be one", where="miniature")
    measured = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    for name, values in measured.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name!r} is not finite at {int((~np.isfinite(values)).sum())} seeds", where="miniature")
    return measured


def examine(checks: Sequence[Check], measured: Mapping[str, Floats]) -> tuple[Examined, ...]:
    """Each check on measures over seeds. Their intervals miss together at most 5 % of the time (Bonferroni)."""
    level = 1 - (1 - LEVEL) / max(len(checks), 1)
    found = []
    for check in checks:
        estimate = mean_estimate(check.contrast(measured), level=level)
        found.append(Examined(check, estimate, check.outcome(estimate)))
    return tuple(found)


def verdict(findings: Sequence[Examined]) -> Verdict:
    """Reproduced where every check holds, not reproduced where one fails, inconclusive otherwise."""
    outcomes = [finding.outcome for finding in findings]
    if "fails" in outcomes:
        return "not reproduced"
    return "reproduced" if outcomes and all(outcome == "holds" for outcome in outcomes) else "inconclusive"


def as_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate over seeds as JSON values."""
    interval = estimate.interval
    return {
        "mean": estimate.value,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "level": None if interval is None else interval.level,
        "promise": None if interval is None else interval.promise,
        "n": estimate.n,
        "note": estimate.note,
    }
