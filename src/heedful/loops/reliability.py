"""How far each rater can be relied on, as part of a decision and on its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from heedful.core import Finding, FitError
from heedful.feedback import Table
from heedful.loops.fitting import choose_criterion
from heedful.preference import fit
from heedful.preference.raters import fit_raters
from heedful.preference.raters_estimates import RaterEstimate
from heedful.preference.reading import RaterScale

# What the fit says of items, which a ranking has its own fit for.
_OF_ITEMS = ("intervals.raters_fit", "fit.not_used")
# Fewer raters with that many votes each say little of one another.
_RATERS, _VOTES = 3, 5
# More votes than this take longer than the rest of a decision; the command of its own takes any number.
_MOST = 50_000


def rater_reliability(table: Table, *, criterion: str | None = None, seed: int = 0) -> dict[str, Any]:
    """How far each rater can be relied on, with findings. Raises FitError where nothing can be told.

    {"model", "raters": [{"rater", "n", "reliability", "interval", "adversarial", "careless", "lean", "note"}],
    "scales": [{"kind", "rater", "strictness", "strictness_sd", "log_stretch", "log_stretch_sd"}], "findings"}; least
    reliable and strictest first. Raters of comparisons: with the model "lapse", `reliability` is the share of questions
    attended to; "sharpness": a multiple of the mean sharpness. Below zero a rater answers against the others. `model`
    is None where none of them can be told. Raters of grades: `scales`, see `heedful.preference.prediction.RaterScale`.
    """
    criterion = choose_criterion(table, criterion)
    scales = sorted(_scales(table, criterion, seed), key=lambda scale: (scale.kind, -scale.strictness))
    result: dict[str, Any] = {
        "model": None,
        "raters": [],
        "scales": [asdict(scale) for scale in scales],
        "findings": [],
    }
    try:
        fitted = fit_raters(table, criterion=criterion, seed=seed, draws=2)
    except FitError:
        if not scales:
            raise
        return result
    ordered = sorted(fitted.raters, key=lambda rater: (rater.reliability.value, rater.id))
    findings = [asdict(finding) for finding in fitted.findings if finding.code not in _OF_ITEMS]
    return result | {
        "model": fitted.model["rater_model"],
        "raters": [_row(rater) for rater in ordered],
        "findings": findings,
    }


def _scales(table: Table, criterion: str, seed: int) -> tuple[RaterScale, ...]:
    """How raters use the scales of ratings, labels and marks, by a fit to these alone."""
    graded = pl.col("kind").cast(pl.String).is_in(("rating", "label", "steps"))
    if not (table.has("rater") and table.frame.select(graded.any()).item()):
        return ()
    try:
        return fit(table.where(graded), criterion=criterion, seed=seed).scales
    except FitError:
        return ()


def reliability_of(table: Table, criterion: str, *, seed: int, findings: list[Finding]) -> dict[str, Any] | None:
    """The part "reliability" of a summary; None where there are too few raters, or too many votes for a part of it."""
    if not (table.has("rater") and table.has("choice")):
        return None
    votes = table.frame.filter(pl.col("rater").is_not_null() & pl.col("choice").is_not_null())
    frequent = votes.group_by("rater").len().filter(pl.col("len") >= _VOTES)
    if frequent.height < _RATERS:
        return None
    if votes.height > _MOST:
        message = f"Raters are not looked at one by one: there are more than {_MOST:,} comparisons."
        findings.append(Finding("raters.not_examined", "note", message, "Use `heedful raters`.", votes.height))
        return None
    try:
        found = rater_reliability(table, criterion=criterion, seed=seed)
    except FitError:
        return None
    findings += [Finding(**{**one, "examples": tuple(one["examples"])}) for one in found["findings"]]
    return {name: found[name] for name in ("model", "raters")} if found["raters"] else None


def _row(rater: RaterEstimate) -> dict[str, Any]:
    interval = rater.reliability.interval
    return {
        "rater": rater.id,
        "n": round(rater.votes),
        "reliability": rater.reliability.value if rater.reliability.identified else None,
        "interval": None if interval is None else asdict(interval),
        "adversarial": rater.adversarial,
        "careless": rater.careless,
        "lean": None if rater.lean is None else rater.lean.value,
        "note": rater.reliability.note,
    }
