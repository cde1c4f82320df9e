"""How well the fitted preferences predict judgements they have not seen."""

from __future__ import annotations

from heedful.report.lanes import LaneTable, Row, table
from heedful.report.markup import Child, Markup, join, tag
from heedful.report.numerals import PERCENT, SCORE, Unit, count, counted
from heedful.report.parts import HeldOut, Slice
from heedful.report.scales import fractions_around
from heedful.report.sections.calibration import calibration_part
from heedful.report.sections.common import dot, estimate_cell, missing, paragraph, promise_legend, reach, section
from heedful.report.sections.controls import accuracy_part
from heedful.report.sections.learning import learning_part
from heedful.report.summary import Summary

TITLE = "How well do the fitted preferences predict new votes?"


def prediction(summary: Summary) -> Markup:
    """Accuracy, controls, scores, calibration, learning curve and slices."""
    held_out = summary.held_out
    if held_out is None:
        return section("prediction", TITLE, missing(summary, _TOPICS, _NONE))
    return section(
        "prediction",
        TITLE,
        paragraph(_split(held_out), class_="standfirst"),
        accuracy_part(summary, held_out),
        _scores(held_out),
        calibration_part(held_out),
        learning_part(summary, held_out),
        _slices(summary, held_out),
    )


_TOPICS = ("held_out", "evaluation", "split", "fit")
_NONE = (
    "No judgements were held out, so nothing is known about how well these preferences predict new ones. "
    "The summary gives no reason."
)


def _split(held_out: HeldOut) -> str:
    kept = counted(held_out.n, "judgement")
    how = f" ({held_out.split})" if held_out.split else ""
    return (
        f"Before fitting, {kept} were set aside{how}. What follows is measured on these alone. "
        f"{counted(held_out.n_decided, 'vote')} among them named a winner and count for accuracy."
    )


def _scores(held_out: HeldOut) -> Markup:
    rows: list[tuple[Child, ...]] = [
        (
            "Log loss",
            estimate_cell(held_out.log_loss, held_out.log_loss_interval, SCORE),
            "nats per judgement, over all outcomes, ties included; lower is better. "
            "A coin toss between two outcomes costs 0.693.",
        ),
        (
            "Brier score",
            estimate_cell(held_out.brier, None, SCORE),
            "mean squared error of the probabilities, over decided votes; where a record holds the share of several "
            "voters, the error expected against one of them. Lower is better. Always saying 50% costs 0.25.",
        ),
    ]
    return join(
        tag("h3", "Scores for the probabilities"),
        table("Proper scores on held-out judgements", ("Score", "Value", "What it is"), rows, prose=True),
        promise_legend([held_out.log_loss_interval]),
    )


def _slices(summary: Summary, held_out: HeldOut) -> Markup:
    title = tag("h3", "Where it predicts well and where it does not")
    if not held_out.slices:
        none = "The held-out judgements were not divided into slices: no part of them is large enough to stand alone."
        return join(title, missing(summary, ("slices", "slice"), none))
    unit = PERCENT.uniform(s.accuracy_interval for s in held_out.slices)
    drawn = LaneTable(
        key="slices",
        caption="Accuracy by slice of the held-out votes",
        name_head="Slice",
        lane_head="Accuracy; the line marks the whole",
        cell_heads=("Accuracy", "Votes"),
        scale=fractions_around(reach((s.accuracy, s.accuracy_interval) for s in held_out.slices)),
        rows=[_slice_row(s, unit) for s in held_out.slices],
        references=() if held_out.accuracy is None else (held_out.accuracy,),
        noun="slices",
    )
    words = paragraph(
        "With many slices a few will look unusual by chance: read this table for ideas, not for verdicts.",
    )
    return join(title, words, drawn.markup(), promise_legend(s.accuracy_interval for s in held_out.slices))


def _slice_row(part: Slice, unit: Unit) -> Row:
    return Row(
        name=tag("bdi", part.slice),
        mark=dot(part.accuracy, part.accuracy_interval),
        cells=(estimate_cell(part.accuracy, part.accuracy_interval, unit), count(part.n)),
    )
