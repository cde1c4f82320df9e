"""How many more labels feedback needs, from the feedback itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from heedful.core import Estimate, Floats
from heedful.elicitation.plan import Plan, design_effect, plan_rate
from heedful.preference.sandwich import Clusters
from heedful.stats import proportion

if TYPE_CHECKING:
    from heedful.feedback import Table

# With fewer labels a rate's own design effect is too noisy to plan by.
_ENOUGH = 30


def labels_needed(
    half_width: float, table: Table | None = None, *, criterion: str | None = None, level: float = 0.95
) -> dict[str, Any]:
    """Labels per system for a win rate known to ± `half_width`, as JSON values.

    With comparisons of named systems, each system's rate and the design effect of the votes' prompts and raters (the
    mean over systems, weighted by votes) are taken from them; else the widest case: rate 1/2, independent votes.
    Returns `labels`, what the most demanding system needs in all, `more`, the sum still to be collected over systems,
    `design_effect`, `rates` (one plan per system) and an `explanation`. Raises UsageError for a width out of range.
    """
    widest = plan_rate(half_width, level=level)
    rates = {} if table is None else dict(_rates(table, criterion, level))
    measured = [estimate for estimate in rates.values() if estimate.n >= _ENOUGH]
    if not measured:
        why = "No comparisons of named systems to learn from" if table is not None else "No earlier feedback given"
        text = f"{why}: the widest case, a rate near one half and votes that do not share prompts or raters."
        return _result(widest, [], widest.labels, text)
    effect = float(np.average([design_effect(each) for each in measured], weights=[each.n for each in measured]))
    plans = [
        plan_rate(half_width, estimate=_cautious(estimate), design=effect, level=level, quantity=name)
        for name, estimate in rates.items()
    ]
    most = max(plans, key=lambda plan: plan.labels)
    text = (
        f"For each system's win rate; {most.quantity} needs the most. A vote on two systems counts for both. "
        f"{most.note or 'The votes so far are as good as independent.'}"
    )
    return _result(most, plans, sum(plan.more for plan in plans), text)


def _cautious(estimate: Estimate) -> Estimate:
    """The estimate, or where it rests on few votes the widest case: a rate of one half."""
    return estimate if estimate.n >= _ENOUGH else replace(estimate, value=0.5)


def _result(plan: Plan, plans: list[Plan], more: int, explanation: str) -> dict[str, Any]:
    return {
        "labels": plan.labels,
        "more": more,
        "half_width": plan.half_width,
        "level": plan.level,
        "design_effect": plan.design_effect,
        "rates": [
            {
                "item": each.quantity,
                "win_rate": each.expected,
                "n": each.present,
                "half_width": each.now,
                "labels": each.labels,
                "more": each.more,
            }
            for each in plans
        ],
        "explanation": explanation,
    }


def _rates(table: Table, criterion: str | None, level: float) -> Iterator[tuple[str, Estimate]]:
    """The share of comparisons each system won, a tie half, by system name."""
    clusters = Clusters.of(table)
    sides = _sides(table, criterion).sort("system", "row")
    for (name,), votes in sides.group_by("system", maintain_order=True):
        rows = votes["row"].to_numpy().astype(np.intp)
        scores: Floats = votes["score"].to_numpy()
        yield str(name), proportion(scores, clusters=list(clusters.within(rows).values()), level=level)


def _sides(table: Table, criterion: str | None) -> pl.DataFrame:
    """Each comparison of two named systems from both sides: row, system, score."""
    columns = {name: table.column(name) for name in ("kind", "criterion", "choice", "share", "systems", "address")}
    votes = pl.DataFrame(columns).with_row_index("row")
    said = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}
    whole = pl.col("address").is_null()
    votes = votes.filter(pl.col("kind") == "comparison", pl.col("choice").is_in(list(said)), whole)
    if criterion is not None:
        votes = votes.filter(pl.col("criterion") == criterion)
    score = pl.col("share").fill_null(pl.col("choice").cast(pl.String).replace_strict(said, return_dtype=pl.Float64))
    sides = [
        votes.select("row", system=pl.col("systems").list.get(place), score=score if place == 0 else 1 - score)
        for place in (0, 1)
    ]
    return pl.concat(sides).drop_nulls("system")
