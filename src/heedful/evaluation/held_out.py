"""How well predictions fit judgements that were held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from heedful.core import Estimate, Finding, Floats
from heedful.evaluation.rows import (
    Dependence,
    Predicted,
    Rows,
    as_json,
    check_aligned,
    contexts,
    decided,
    report,
    targets,
    with_note,
)
from heedful.feedback import Table
from heedful.stats import accuracy, brier, expected_calibration_error, mean_estimate, proportion, reliability_curve

MIN_SLICE = 30


def held_out(
    prediction: Predicted,
    table: Table,
    *,
    rng: np.random.Generator,
    split: str = "",
    bins: int = 10,
    level: float = 0.95,
    findings: list[Finding] | None = None,
) -> dict[str, Any]:
    """The summary's "held_out" part for a prediction of the rows of a table.

    `n` counts all rows, predicted or not; `n_decided` those with a winner (or a label) and a probability for it.
    Accuracy is over these, by who won; a probability of exactly 1/2 counts half. Log loss, in nats, is over all rows
    with a predicted outcome, ties among them. Brier score and calibration are over decided votes and all shares: a
    share of voters for the first stands for a voter drawn at random, in the Brier score as in the log loss, and
    calibration compares mean shares with mean probabilities.

    Intervals respect prompts and raters that recur. Which candidate is listed first is arbitrary, so calibration of
    comparisons is that of the predicted winner: its probability, at least 1/2, against its outcome or share; swapping
    candidates changes nothing. Of labels it is that of P(yes). Slices are of accuracy, where a way of slicing has
    several values, for those with at least 30 votes. Slices and bins have a `note` on their interval, or why there is
    none. Raises InputError where the prediction is not of this table.
    """
    check_aligned(prediction, table)
    dependence, rows, target = Dependence.of(table), decided(prediction), targets(prediction, table)
    scored = np.flatnonzero(~np.isnan(target) & ~np.isnan(prediction.probability))
    part: dict[str, Any] = {"n": len(table), "n_decided": len(rows), "split": split, "learning_curve": []}
    found = [
        _accuracy(prediction, rows, dependence, level),
        _loss(prediction, dependence, level, findings),
        _calibration(prediction, table, target, scored, dependence, bins, level, rng),
    ]
    notes = {note.pop("note") for note in found}
    for scores in found:
        part.update(scores)
    part["brier"] = float(brier(prediction.probability[scored], target[scored]).mean()) if len(scored) else None
    part["slices"] = _slices(prediction, table, rows, dependence, level)
    part["notes"] = sorted(notes - {""})
    unpredicted = int(np.isnan(prediction.log_prob).sum())
    if unpredicted:
        report(
            findings,
            Finding(
                "held_out.unpredicted",
                "note",
                f"{unpredicted:,} of {len(table):,} held-out judgements could not be predicted and are not scored.",
                "They are about items that no other judgement is about, or of kinds that are not fitted.",
                unpredicted,
            ),
        )
    return part


def accuracy_estimate(
    prediction: Predicted,
    rows: Rows,
    dependence: Dependence,
    *,
    level: float = 0.95,
) -> Estimate:
    """Accuracy on some decided rows, its interval clustered by prompts and raters that recur among them."""
    clusters, note = dependence.within(rows)
    correct = accuracy(prediction.probability[rows], prediction.outcome[rows])
    found = proportion(correct, clusters=clusters, level=level)
    return Estimate(found.value, found.n, found.variance, found.interval, note=with_note(found, note))


def _accuracy(prediction: Predicted, rows: Rows, dependence: Dependence, level: float) -> dict[str, Any]:
    if not len(rows):
        return {"accuracy": None, "accuracy_interval": None, "note": "no decided vote predicted"}
    found = accuracy_estimate(prediction, rows, dependence, level=level)
    return {"accuracy": found.value, "accuracy_interval": as_json(found.interval), "note": found.note}


def _loss(
    prediction: Predicted, dependence: Dependence, level: float, findings: list[Finding] | None
) -> dict[str, Any]:
    rows = np.flatnonzero(~np.isnan(prediction.log_prob))
    loss, impossible = -prediction.log_prob[rows], int(np.isinf(prediction.log_prob[rows]).sum())
    if impossible:
        report(
            findings,
            Finding(
                "held_out.impossible",
                "problem",
                f"{impossible:,} held-out judgements had been given probability 0, so the log loss is infinite.",
                "A prior keeps every probability above 0.",
                impossible,
            ),
        )
    if impossible or not len(rows):
        note = "the log loss is infinite" if impossible else "no outcome predicted"
        return {"log_loss": None, "log_loss_interval": None, "log_loss_n": len(rows), "note": note}
    clusters, note = dependence.within(rows)
    found = mean_estimate(loss, clusters=clusters, level=level)
    return {
        "log_loss": found.value,
        "log_loss_interval": as_json(found.interval),
        "log_loss_n": len(rows),
        "note": with_note(found, note),
    }


def oriented(prediction: Predicted, table: Table, target: Floats, rows: Rows) -> tuple[Rows, Floats, Floats]:
    """Rows, probabilities and targets that do not depend on the order of candidates.

    For comparisons these are of the predicted winner; rows at exactly 1/2 have none and are left out.
    """
    pair = (table.column("kind") == "comparison").to_numpy()[rows]
    keep = ~(pair & (prediction.probability[rows] == 0.5))
    rows, pair = rows[keep], pair[keep]
    probability, wanted = prediction.probability[rows], target[rows]
    swap = pair & (probability < 0.5)
    # Rounded, so that 1 - (1 - p) falls into the bin of p.
    sure: Floats = np.where(swap, 1 - probability, probability).round(12)
    return rows, sure, np.where(swap, 1 - wanted, wanted)


def _calibration(
    prediction: Predicted,
    table: Table,
    target: Floats,
    rows: Rows,
    dependence: Dependence,
    bins: int,
    level: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    rows, probability, wanted = oriented(prediction, table, target, rows)
    if not len(rows):
        return {"ece": None, "ece_plain": None, "ece_null_band": None, "reliability": [], "note": ""}
    clusters, _ = dependence.within(rows)
    error = expected_calibration_error(probability, wanted, rng=rng, bins=bins, clusters=clusters, level=level)
    curve = reliability_curve(probability, wanted, bins, clusters=clusters, level=level)
    ends = [end - error["expected"] for end in (error["null_low"], error["null_high"]) if end is not None]
    return {
        "ece": error["ece"],
        "ece_plain": error["plain"],
        # Of the debiased number: what perfectly calibrated probabilities would show, less what they show on average.
        "ece_null_band": [max(0.0, end) for end in ends] or None,
        "reliability": [{**asdict(part), "interval": as_json(part.interval)} for part in curve],
        "note": error["note"] and f"calibration: {error['note']}",
    }


def _slices(
    prediction: Predicted, table: Table, rows: Rows, dependence: Dependence, level: float
) -> list[dict[str, Any]]:
    """Accuracy by kind, criterion, kind of rater, length of context and source, where there are several of each."""
    found = []
    for name, values in _slicings(table.take(rows)):
        groups = [(value, np.flatnonzero((values == value).fill_null(False).to_numpy())) for value in _distinct(values)]
        large = [(value, inside) for value, inside in groups if len(inside) >= MIN_SLICE]
        if len(groups) < 2:
            continue
        for value, inside in large:
            estimate = accuracy_estimate(prediction, rows[inside], dependence, level=level)
            found.append(
                {
                    "slice": f"{name}: {value}",
                    "n": estimate.n,
                    "accuracy": estimate.value,
                    "accuracy_interval": as_json(estimate.interval),
                    "note": estimate.note,
                }
            )
    return found


def _distinct(values: pl.Series) -> list[str]:
    return values.drop_nulls().unique().sort().to_list()


def _slicings(table: Table) -> Iterator[tuple[str, pl.Series]]:
    for name, column in (("kind", "kind"), ("criterion", "criterion"), ("rater", "rater_kind")):
        yield name, table.column(column).cast(pl.String)
    yield "context", _length_terciles(table)
    yield "source", table.column("source")


def _length_terciles(table: Table) -> pl.Series:
    """Short, middle and long contexts by thirds of the rows, with their bounds in characters; null without context."""
    length = contexts(table).str.len_chars()
    if length.is_null().all():
        return pl.Series([None] * len(table), dtype=pl.String)
    low, high = (int(length.quantile(q, "lower") or 0) for q in (1 / 3, 2 / 3))
    named = pl.DataFrame({"length": length}).select(
        pl.when(pl.col("length") <= low)
        .then(pl.lit(f"short, up to {low:,} characters"))
        .when(pl.col("length") <= high)
        .then(pl.lit(f"middle, up to {high:,} characters"))
        .when(pl.col("length") > high)
        .then(pl.lit(f"long, over {high:,} characters"))
    )
    return named.to_series()
