"""How often one system wins against another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from heedful.core import Estimate, Finding, Floats, Interval
from heedful.evaluation.rows import Dependence, Rows, as_json, report, with_note
from heedful.feedback import Table
from heedful.feedback.choosing import chosen_by_answers
from heedful.feedback.table import SCHEMA
from heedful.stats import proportion

MIN_VOTES = 10
MAX_LISTED = 200
_BY_ANSWERS = "asked because of earlier answers"
_ANSWER = ("share", "choice")
_VALUE = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class _Votes:
    """Comparisons of two systems: codes `low` < `high` [v], `value` [v] of the low one, `row` [v] in the table."""

    systems: list[str]
    row: Rows
    low: Rows
    high: Rows
    value: Floats


def win_rates(
    table: Table,
    *,
    criterion: str = "overall",
    min_votes: int = MIN_VOTES,
    limit: int = MAX_LISTED,
    level: float = 0.95,
    findings: list[Finding] | None = None,
) -> list[dict[str, Any]]:
    """The summary's "win_rates": each {"item", "baseline", "win_rate", "standard_error", "interval", "n", "note"}.

    Counted are comparisons of whole outputs of two different systems: the share for the item where there is one, else
    1 for a win, 0 for a loss, 1/2 for a tie or "both bad"; "incomparable" is left out and reported. `win_rate` is the
    mean, a fraction; `standard_error` the standard deviation (ddof = 1) over the root of n, as AlpacaEval publishes it.
    `interval` respects prompts and raters that recur among a pair's votes, which the standard error does not.

    Of questions that a rule chose by earlier answers no interval holds that is made as if they had been fixed: there is
    none, and that is reported.

    Where one system is in more than half of all comparisons, and no other in as many, it is the baseline and the others
    are listed against it; other pairs are listed both ways.
    Pairs with fewer than `min_votes` votes, and those of fewest votes beyond `limit` rows, are left out and reported.
    """
    votes = _votes(table, criterion, findings)
    if not len(votes.row):
        return []
    width = len(votes.systems)
    codes = votes.low * width + votes.high
    # Sorting is linear in codes of 16 bits, which most are.
    order = np.argsort(codes.astype(np.min_scalar_type(width**2)), kind="stable")
    pair, count = np.unique(codes, return_counts=True)
    baseline = _baseline(votes)
    chosen = _chosen(pair, count, width, baseline, min_votes, limit, findings)
    start = np.concatenate([[0], np.cumsum(count)])
    dependence = Dependence.of(table)
    rules = chosen_by_answers(table, votes.row)
    if rules:
        report(findings, _by_answers(rules))
    listed = []
    for place in chosen:
        inside = order[start[place] : start[place + 1]]
        low, high = divmod(int(pair[place]), width)
        listed.extend(_pair(votes, inside, low, high, baseline, dependence, None if rules else level))
    return listed


def _votes(table: Table, criterion: str, findings: list[Finding] | None) -> _Votes:
    frame = table.frame
    counted = (pl.col("kind") == "comparison") & (pl.col("criterion") == criterion)
    if "address" in frame.columns:
        counted &= pl.col("address").is_null()
    share, choice = (pl.col(name) if name in frame.columns else pl.lit(None, SCHEMA[name]) for name in _ANSWER)
    frame = frame.select(
        row=pl.int_range(pl.len()),
        first=pl.col("systems").list.get(0, null_on_oob=True),
        second=pl.col("systems").list.get(1, null_on_oob=True),
        value=share.fill_null(choice.replace_strict(_VALUE, default=None, return_dtype=pl.Float64)),
        incomparable=choice == "incomparable",
        counted=counted,
    ).filter(pl.col("counted") & (pl.col("first") != pl.col("second")))
    _report_incomparable(int(frame["incomparable"].sum() or 0), findings)
    frame = frame.filter(pl.col("value").is_not_null() & ~pl.col("incomparable"))
    names = pl.concat([frame["first"], frame["second"]])
    systems = names.unique().sort()
    code = names.cast(pl.Enum(systems)).to_physical().to_numpy().astype(np.intp)
    first, second = code[: frame.height], code[frame.height :]
    value = frame["value"].to_numpy()
    return _Votes(
        systems.to_list(),
        frame["row"].to_numpy().astype(np.intp),
        np.minimum(first, second),
        np.maximum(first, second),
        np.where(first < second, value, 1 - value),
    )


def _report_incomparable(count: int, findings: list[Finding] | None) -> None:
    if count:
        message = f'{count:,} comparisons were answered "incomparable" and are in no win rate.'
        report(findings, Finding("win_rates.incomparable", "note", message, count=count))


def _by_answers(rules: Mapping[str, int]) -> Finding:
    message = f"{sum(rules.values()):,} comparisons were asked because of earlier answers ({', '.join(rules)}), which "
    message += "can bend win rates; they have no intervals."
    fix = "heedful.preference.Direct gives intervals that hold, from comparisons in the order of their answers."
    return Finding("win_rates.chosen_by_answers", "warning", message, fix, sum(rules.values()))


def _baseline(votes: _Votes) -> int | None:
    """The system that is in more than half of the comparisons, and more than any other; None where there is none."""
    appearances = np.bincount(np.concatenate([votes.low, votes.high]))
    top = int(appearances.argmax())
    alone = (appearances == appearances[top]).sum() == 1
    return top if alone and 2 * appearances[top] > len(votes.row) else None


def _chosen(
    pair: Rows,
    count: Rows,
    width: int,
    baseline: int | None,
    min_votes: int,
    limit: int,
    findings: list[Finding] | None,
) -> Rows:
    """The pairs to list: those with enough votes, most votes first, up to `limit` rows."""
    enough = np.flatnonzero(count >= min_votes)
    if len(enough) < len(pair):
        few = len(pair) - len(enough)
        message = f"{few:,} pairs of systems have fewer than {min_votes} votes and no win rate of their own."
        report(
            findings, Finding("win_rates.few_votes", "note", message, "See the ranking, which uses every vote.", few)
        )
    ordered = enough[np.argsort(-count[enough], kind="stable")]
    against_baseline = (pair[ordered] // width == baseline) | (pair[ordered] % width == baseline)
    rows = np.cumsum(np.where(against_baseline, 1, 2))
    kept = ordered[rows <= limit]
    if len(kept) < len(ordered):
        left = len(ordered) - len(kept)
        message = f"{left:,} pairs of systems are left out of the list of win rates, those with the fewest votes."
        report(findings, Finding("win_rates.cut", "note", message, "Read them from the data.", left))
    return kept


def _pair(
    votes: _Votes, inside: Rows, low: int, high: int, baseline: int | None, dependence: Dependence, level: float | None
) -> list[dict[str, Any]]:
    """The rows that list one pair: against the baseline, or both ways; without an interval where `level` is None."""
    value = votes.value[inside]
    clusters, note = dependence.within(votes.row[inside])
    if level is None:
        found = Estimate(float(value.mean()), len(value), note=_BY_ANSWERS)
    else:
        found = proportion(value, clusters=clusters, level=level)
    error = float(value.std(ddof=1) / np.sqrt(len(value))) if len(value) > 1 else None
    own = found.interval
    mirrored = own and Interval(1 - own.high, 1 - own.low, own.promise, own.level)
    ways = [(low, high, float(value.mean()), found.interval), (high, low, float((1 - value).mean()), mirrored)]
    return [
        {
            "item": votes.systems[item],
            "baseline": votes.systems[against],
            "win_rate": rate,
            "standard_error": error,
            "interval": as_json(interval),
            "n": len(value),
            "note": with_note(found, note),
        }
        for item, against, rate, interval in ways
        if item != baseline
    ]
