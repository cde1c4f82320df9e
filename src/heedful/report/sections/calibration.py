"""Whether the predicted probabilities can be taken at their word."""

from __future__ import annotations

from heedful.report.charts import Frame, Point, chart, points, straight
from heedful.report.lanes import LaneTable, Mark, Row, table
from heedful.report.markup import Markup, join, tag
from heedful.report.numerals import PERCENT, count, counted
from heedful.report.parts import HeldOut, ReliabilityBin
from heedful.report.scales import Scale, fractions, spanning
from heedful.report.sections.common import estimate_cell, fold, paragraph
from heedful.report.sections.verdicts import calibration


def calibration_part(held_out: HeldOut) -> Markup:
    bins = [b for b in held_out.reliability if b.predicted is not None and b.observed is not None]
    return join(
        tag("h3", "Can the probabilities be taken at their word?"),
        tag(
            "div",
            tag("div", paragraph(_calibration_words(held_out)), paragraph(_ece_words(held_out)), _ece(held_out)),
            _reliability(bins)
            if bins
            else paragraph("There are too few held-out votes for a curve.", class_="missing"),
            class_="beside",
        ),
    )


def _calibration_words(held_out: HeldOut) -> str:
    return {
        "good": "Yes, as far as these votes can tell: the gap between stated and actual frequencies is no larger than "
        "chance alone would make it.",
        "off": "Not quite: stated and actual frequencies differ by more than chance would make them. Trust the "
        "order of "
        "the probabilities more than their size.",
        "unknown": "That cannot be said from these votes.",
    }[calibration(held_out)]


def _ece_words(held_out: HeldOut) -> str:
    if held_out.ece is None:
        return "The expected calibration error could not be computed: it needs decided held-out votes."
    found = f"The expected calibration error, corrected for chance, is {100 * held_out.ece:.1f} points."
    if held_out.ece_null_band is None:
        return f"{found} What chance alone would make of it is not known."
    low, high = held_out.ece_null_band
    return f"{found} Perfect probabilities would show {100 * low:.1f} to {100 * high:.1f} points on as many votes."


def _ece(held_out: HeldOut) -> Markup | None:
    if held_out.ece is None:
        return None
    band = held_out.ece_null_band
    drawn = LaneTable(
        key="ece",
        caption="Calibration error, in points",
        name_head="Measure",
        lane_head="Band: what chance alone makes" if band else "Points",
        cell_heads=("Points",),
        scale=_ece_scale(held_out),
        rows=[
            Row(
                name="Expected calibration error",
                mark=Mark(held_out.ece, band=band),
                cells=(tag("b", f"{100 * held_out.ece:.1f}"),),
            )
        ],
    )
    return drawn.markup()


def _ece_scale(held_out: HeldOut) -> Scale:
    ends = [held_out.ece or 0.0, *(held_out.ece_null_band or ()), 0.0]
    return spanning([100 * end for end in ends], wanted=4, margin=0.06).times(0.01)


def _reliability(bins: list[ReliabilityBin]) -> Markup:
    frame = Frame.square(fractions(), fractions())
    most = max(b.n for b in bins) or 1
    drawn = points(frame, [_bin_point(b, most) for b in bins], joined=False)
    return tag(
        "figure",
        chart(
            "reliability",
            frame,
            straight(frame, (0, 0), (1, 1), "perfectly calibrated"),
            drawn,
            title="Reliability curve",
            description=f"{counted(len(bins), 'group')} of held-out votes: the predicted chance across, the "
            f"share that came "
            "true upwards, with intervals. Points on the diagonal are perfectly calibrated.",
            x_title="Predicted chance",
            y_title="How often it came true",
        ),
        tag("figcaption", "Each dot is a group of votes with similar predictions, larger where there are more votes."),
        _reliability_table(bins),
    )


def _bin_point(b: ReliabilityBin, most: float) -> Point:
    low, high = (b.interval.low, b.interval.high) if b.interval else (None, None)
    return Point(b.predicted or 0.0, b.observed or 0.0, low, high, size=2.5 + 4.5 * (b.n / most) ** 0.5)


def _reliability_table(bins: list[ReliabilityBin]) -> Markup:
    unit = PERCENT.uniform(b.interval for b in bins)
    rows = [(PERCENT.show(b.predicted or 0.0), estimate_cell(b.observed, b.interval, unit), count(b.n)) for b in bins]
    heads = ("Predicted", "Came true", "Votes")
    return fold("The numbers behind this chart", table("Reliability by group", heads, rows, numeric=(0, 1, 2)))
