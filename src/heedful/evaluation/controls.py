"""Null controls: what predicts as well without having understood anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from heedful.core import Finding, Floats
from heedful.evaluation.comparison import difference
from heedful.evaluation.rows import (
    Dependence,
    Predicted,
    Rows,
    as_json,
    check_aligned,
    decided,
    report,
    with_note,
)
from heedful.feedback import Table
from heedful.stats import accuracy, proportion
from heedful.stats.hashing import hash_bits

_NEWTON_STEPS = 50
_RIDGE = 1e-6  # per row: keeps the fit finite where lengths separate the votes, and changes nothing else


def controls(
    train: Table,
    test: Table,
    prediction: Predicted,
    *,
    seed: int,
    level: float = 0.95,
    findings: list[Finding] | None = None,
) -> dict[str, Any]:
    """The summary's "controls": a model of length alone and a fair coin, on the votes that `prediction` is scored on.

    `length_only` is a logistic regression on the logarithm of output length in characters, fitted on `train`: on its
    difference for comparisons (no intercept, for order means nothing), on itself for labels. None where there are
    too few texts; a finding says so. `random` tosses 64 coins for each vote (the bits of a hash of its id) and scores
    the share that came up right. Each has accuracy, the paired difference (model less control) on the same rows,
    intervals and p-value.
    """
    check_aligned(prediction, test)
    rows, dependence = decided(prediction), Dependence.of(test)
    length = _length_only(train, test)
    known = rows[~np.isnan(length[rows])]
    if not len(rows):
        report(
            findings,
            Finding(
                "held_out.no_decided",
                "note",
                "No held-out judgement is a decision between two, or a yes or no: there is no accuracy and no control.",
                "The log loss is of all judgements.",
            ),
        )
    elif not len(known):
        report(
            findings,
            Finding(
                "controls.no_text",
                "note",
                "Length alone could not be tried as an explanation: the outputs judged are not in the data.",
                "Give the texts of the outputs, not only the names of the systems.",
            ),
        )
    guesses = np.bitwise_count(hash_bits(test.column("id").cast(pl.Binary).to_list(), seed, "coin")) / 64
    return {
        "length_only": _control(
            prediction, accuracy(length[known], prediction.outcome[known]), known, dependence, level
        ),
        "random": _control(prediction, guesses[rows], rows, dependence, level),
    }


def _control(
    prediction: Predicted, correct: Floats, rows: Rows, dependence: Dependence, level: float
) -> dict[str, Any] | None:
    """A control that was `correct` [m] (1, 0, or a share of guesses) on the given rows [m], beside the model."""
    if not len(rows):
        return None
    outcome = prediction.outcome[rows]
    clusters, note = dependence.within(rows)
    found = proportion(correct, clusters=clusters, level=level)
    paired = difference(accuracy(prediction.probability[rows], outcome), correct, rows, dependence, level=level)
    return {
        "accuracy": found.value,
        "accuracy_interval": as_json(found.interval),
        **(paired or {}),
        "note": with_note(found, note),
    }


def _length_only(train: Table, test: Table) -> Floats:
    """P(first wins) or P(yes) of each test row [n] by length alone; NaN where the kind or the texts do not allow it."""
    result = np.full(len(test), np.nan)
    for features in (_pair_features, _label_features):
        x, y, _ = features(train)
        wanted, _, rows = features(test)
        usable = ~np.isnan(y)
        if usable.any() and len(rows):
            weights = logistic(x[usable], y[usable])
            result[rows] = 1 / (1 + np.exp(-np.clip(wanted @ weights, -500, 500)))
    return result


def _pair_features(table: Table) -> tuple[Floats, Floats, Rows]:
    """Of comparisons of texts: difference of log lengths [m, 1], whether the first won [m] (NaN: undecided), rows."""
    rows, lengths = _log_lengths(table, "comparison", 2)
    choice = table.column("choice").cast(pl.String).gather(rows)
    outcome = choice.replace_strict({"first": 1.0, "second": 0.0}, default=None, return_dtype=pl.Float64)
    return lengths[:, :1] - lengths[:, 1:], outcome.fill_null(float("nan")).to_numpy(), rows


def _label_features(table: Table) -> tuple[Floats, Floats, Rows]:
    """Intercept and log length [m, 2], yes or no [m], and rows, of labels of texts."""
    rows, lengths = _log_lengths(table, "label", 1)
    outcome = table.column("label").cast(pl.Float64).gather(rows)
    return np.hstack([np.ones_like(lengths), lengths]), outcome.fill_null(float("nan")).to_numpy(), rows


def _log_lengths(table: Table, kind: str, count: int) -> tuple[Rows, Floats]:
    """Rows of a kind whose outputs are all known, and log(1 + characters) of each output [m, count]."""
    outputs = table.column("outputs")
    lengths = pl.DataFrame(
        {str(place): outputs.list.get(place, null_on_oob=True).str.len_chars() for place in range(count)}
    )
    right = (table.column("kind") == kind) & lengths.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    rows = np.flatnonzero(right.fill_null(False).to_numpy())
    return rows, np.log1p(lengths.to_numpy()[rows].astype(np.float64)).reshape(len(rows), count)


def logistic(x: Floats, y: Floats) -> Floats:
    """Weights [d] of a logistic regression of y [n] in {0, 1} on x [n, d], by Newton's method with a faint ridge."""
    weights, ridge = np.zeros(x.shape[1]), _RIDGE * len(y) * np.eye(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -500, 500)))
        gradient = x.T @ (y - p) - ridge @ weights
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + ridge, gradient)
        # Newton overshoots where votes are nearly separated; a step of bounded size cannot, and ends the same.
        weights = weights + step / max(1.0, float(np.abs(x @ step).max(initial=0.0)) / 5)
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return weights
