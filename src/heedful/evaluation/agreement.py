"""How far raters agree with each other, and a model with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Finding, Floats
from heedful.evaluation.held_out import accuracy_estimate
from heedful.evaluation.rows import (
    Dependence,
    Predicted,
    Rows,
    as_json,
    check_aligned,
    contexts,
    decided,
    report,
    with_note,
)
from heedful.feedback import Table
from heedful.feedback.questions import asked
from heedful.stats import krippendorff_alpha, proportion

MAX_RATERS = 200
_COUNTED_KINDS = ("comparison", "label", "rating")
_ORDINAL_VALUES = 12  # a rating with more distinct values is taken as a number


@dataclass(frozen=True)
class _Votes:
    """Votes of one kind on questions that several raters answered.

    `row` [v] in the table, `question` and `rater` [v] codes, `value` [v]. One vote per rater and question; a vote
    whose rater is not known counts as by a rater of its own, with code -1.
    """

    kind: str
    row: Rows
    question: Rows
    rater: Rows
    value: Floats

    @property
    def agreeing(self) -> Floats:
        """For each vote [v], the share of the other votes on its question that are equal to it."""
        size = np.bincount(self.question)
        level = np.unique(self.value, return_inverse=True)[1]
        cell = self.question * (int(level.max(initial=0)) + 1) + level
        _, place, count = np.unique(cell, return_inverse=True, return_counts=True)
        return np.asarray((count[place] - 1) / (size[self.question] - 1))


def agreement(
    table: Table,
    prediction: Predicted | None = None,
    *,
    predicted: Table | None = None,
    level: float = 0.95,
    findings: list[Finding] | None = None,
) -> dict[str, Any]:
    """The summary's "agreement": between raters, of each rater with the others, and of a model with the votes.

    A question is a context with the same candidates in any order, criterion, address and kind (comparison, label or
    rating; the kind with the most shared questions is reported). `percent` is the mean over questions of the share of
    pairs of votes that are equal; `alpha` is Krippendorff's, nominal for comparisons and labels, ordinal for ratings of
    up to 12 values, interval for others. Both intervals respect prompts that several questions share. `raters` has each
    rater's mean agreement with the others' votes on the same questions. A rater's repeated answers to a question count
    once, the first; votes without a rater count as by different raters. `prediction` is of the rows of `predicted`, by
    default of `table`.
    """
    votes = _shared_votes(table)
    part: dict[str, Any] = {"between_raters": None, "with_model": None, "raters": []}
    if prediction is not None:
        part["with_model"] = _with_model(prediction, table if predicted is None else predicted, level)
    if votes is None:
        report(
            findings,
            Finding(
                "agreement.none",
                "note",
                "No question was answered by two raters, so how far they agree is not known.",
                "Have some judgements made twice, by different people.",
            ),
        )
        return part
    dependence = Dependence.of(table)
    part["between_raters"] = _between(votes, dependence, level)
    part["raters"] = _raters(votes, table, dependence, level, findings)
    return part


def _with_model(prediction: Predicted, table: Table, level: float) -> dict[str, Any] | None:
    check_aligned(prediction, table)
    rows = decided(prediction)
    if not len(rows):
        return None
    found = accuracy_estimate(prediction, rows, Dependence.of(table), level=level)
    return {"n": found.n, "accuracy": found.value, "accuracy_interval": as_json(found.interval), "note": found.note}


def _between(votes: _Votes, dependence: Dependence, level: float) -> dict[str, Any]:
    size = np.bincount(votes.question)
    percent = np.bincount(votes.question, votes.agreeing) / size
    # One row stands for each question: raters differ within a question, so only prompts cluster questions.
    one = np.unique(votes.question, return_index=True)[1]
    clusters, note = dependence.within(votes.row[one], ways=("context",))
    found = proportion(percent, clusters=clusters, level=level)
    metric = _metric(votes)
    prompts = [codes[votes.question] for codes in clusters]
    alpha = krippendorff_alpha(votes.question, votes.value, metric=metric, clusters=prompts, level=level)
    return {
        "kind": votes.kind,
        "n": len(size),
        "votes": len(votes.row),
        "percent": found.value,
        "percent_interval": as_json(found.interval),
        "metric": metric,
        "alpha": alpha.value if alpha.identified else None,
        "alpha_interval": as_json(alpha.interval),
        "note": with_note(found, note, alpha.note if alpha.note != found.note else ""),
    }


def _metric(votes: _Votes) -> Any:
    if votes.kind != "rating":
        return "nominal"
    return "ordinal" if len(np.unique(votes.value)) <= _ORDINAL_VALUES else "interval"


def _raters(
    votes: _Votes, table: Table, dependence: Dependence, level: float, findings: list[Finding] | None
) -> list[dict[str, Any]]:
    """Each known rater's agreement with the others, those with the most votes first."""
    known = np.flatnonzero(votes.rater >= 0)
    codes, count = np.unique(votes.rater[known], return_counts=True)
    order = np.argsort(-count, kind="stable")
    if len(codes) > MAX_RATERS:
        left = len(codes) - MAX_RATERS
        message = f"The agreement of {left:,} raters, those with the fewest shared questions, is not listed."
        report(findings, Finding("agreement.cut", "note", message, count=left))
    agreeing, names = votes.agreeing, table.column("rater")
    listed = []
    for code in codes[order[:MAX_RATERS]]:
        mine = np.flatnonzero(votes.rater == code)
        clusters, _ = dependence.within(votes.row[mine], ways=("context",))
        found = proportion(agreeing[mine], clusters=clusters, level=level)
        listed.append(
            {
                "rater": names[int(votes.row[mine[0]])],
                "n": found.n,
                "agreement": found.value,
                "interval": as_json(found.interval),
            }
        )
    return listed


def _shared_votes(table: Table) -> _Votes | None:
    """The votes on questions with several, of the kind that has the most of them; None where there are none."""
    found = [votes for kind in _COUNTED_KINDS if (votes := _votes_of(table, kind)) is not None]
    return max(found, key=lambda votes: len(votes.row), default=None)


def _votes_of(table: Table, kind: str) -> _Votes | None:
    rows = np.flatnonzero(((table.column("kind") == kind) & _shown(table, kind)).fill_null(False).to_numpy())
    if not len(rows):
        return None
    answers = asked(table)[rows]
    question = np.unique(answers["question"].to_numpy(), return_inverse=True)[1]
    rater = table.column("rater").gather(rows).cast(pl.Categorical).to_physical().cast(pl.Int64)
    codes = rater.fill_null(-1).to_numpy().astype(np.intp)
    keep = _first_answers(question, codes)
    several = keep & (np.bincount(question, keep)[question] > 1)
    if not several.any():
        return None
    value = (
        _ratings(table, rows) if kind == "rating" else np.unique(answers["answer"].to_numpy(), return_inverse=True)[1]
    )
    code = np.unique(question[several], return_inverse=True)[1]
    return _Votes(kind, rows[several], code, codes[several], np.asarray(value, np.float64)[several])


def _shown(table: Table, kind: str) -> pl.Series:
    """Whether it is known what was asked [n]: every output, or every system and the context.

    Two systems alone may have met on many prompts.
    """
    outputs, systems = table.column("outputs"), table.column("systems")
    held = pl.DataFrame({"outputs": outputs, "systems": systems, "context": contexts(table)})
    named = [pl.col(name).list.eval(pl.element().is_not_null()).list.all() for name in ("outputs", "systems")]
    return held.select(named[0] | (named[1] & pl.col("context").is_not_null())).to_series()


def _ratings(table: Table, rows: Rows) -> Floats:
    """Ratings as fractions of their scales, so that scales can be told apart and compared."""
    rating, low, high = (table.column(name).gather(rows) for name in ("rating", "scale_low", "scale_high"))
    return ((rating - low) / (high - low)).to_numpy()


def _first_answers(question: Rows, rater: Rows) -> NDArray[np.bool_]:
    """Whether each vote is its rater's first on its question; votes without a rater always are."""
    keep = rater < 0
    named = np.flatnonzero(~keep)
    pair = question[named].astype(np.int64) * (int(rater.max(initial=0)) + 1) + rater[named]
    keep[named[np.unique(pair, return_index=True)[1]]] = True
    return keep
