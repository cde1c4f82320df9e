"""Whether more feedback would help."""

from __future__ import annotations

from heedful.report.charts import Frame, Point, chart, points, straight
from heedful.report.lanes import table
from heedful.report.markup import Markup, join, tag
from heedful.report.numerals import PERCENT, count, counted, number
from heedful.report.parts import HeldOut, LearningPoint
from heedful.report.scales import counts, fractions_around
from heedful.report.sections.common import estimate_cell, fold, missing, paragraph
from heedful.report.summary import Summary


def learning_part(summary: Summary, held_out: HeldOut) -> Markup:
    curve = [point for point in held_out.learning_curve if point.accuracy is not None and point.n > 0]
    title = tag("h3", "Would more feedback help?")
    if len(curve) < 2:
        none = "No learning curve is given: it needs several fits on growing parts of the feedback."
        return join(title, missing(summary, ("learning_curve", "learning"), none))
    return join(title, tag("div", paragraph(_learning_words(curve)), _learning_chart(curve), class_="beside"))


def _learning_words(curve: list[LearningPoint]) -> str:
    """The last doubling and the whole curve, each held against the uncertainty of the last point."""
    first, last = curve[0], curve[-1]
    halfway = max((point for point in curve[:-1] if point.n <= 0.55 * last.n), key=lambda point: point.n, default=first)
    recent, whole = _gain(halfway, last), _gain(first, last)
    width = last.accuracy_interval.half_width if last.accuracy_interval else None
    told = (
        f"From {count(halfway.n)} to {count(last.n)} judgements, accuracy went {'up' if recent >= 0 else 'down'} "
        f"by {abs(100 * recent):.1f} points"
    )
    if width is None:
        return f"{told}; how certain that is cannot be said."
    if recent > width:
        return f"{told}, more than its uncertainty: the curve is still rising, so more feedback should help."
    if recent < -width:
        return f"{told}, more than its uncertainty: look whether the later feedback differs from the earlier."
    if whole > width:
        return (
            f"{told}, which is within its uncertainty. Over the whole curve it rose by {100 * whole:.1f} "
            f"points, so more "
            "feedback may still help, but less than it did at first."
        )
    return (
        f"{told}, which is within its uncertainty: the curve does not show that more feedback of this kind would help."
    )


def _gain(before: LearningPoint, after: LearningPoint) -> float:
    return (after.accuracy or 0.0) - (before.accuracy or 0.0)


def _learning_chart(curve: list[LearningPoint]) -> Markup:
    measured = [_learning_point(point) for point in curve]
    values = [end for point in measured for end in (point.y, point.low, point.high) if end is not None]
    frame = Frame(counts([point.x for point in measured]), fractions_around([*values, 0.5]))
    ends = (frame.x.low, 0.5), (frame.x.high, 0.5)
    rows = [
        (
            count(p.n),
            estimate_cell(p.accuracy, p.accuracy_interval, PERCENT),
            "not known" if p.log_loss is None else number(p.log_loss),
        )
        for p in curve
    ]
    return tag(
        "figure",
        chart(
            "learning",
            frame,
            straight(frame, *ends, "coin toss"),
            points(frame, measured, joined=True),
            title="Learning curve",
            description=f"Accuracy on held-out votes after fitting on {counted(len(curve), 'growing part')} of "
            f"the feedback, "
            "with intervals.",
            x_title="Judgements learned from (each step a ratio)",
            y_title="Held-out votes predicted",
        ),
        tag("figcaption", "Accuracy on the same held-out votes, fitted on growing parts of the rest."),
        fold(
            "The numbers behind this chart",
            table("Learning curve", ("Judgements", "Accuracy", "Log loss, nats"), rows, numeric=(0, 1, 2)),
        ),
    )


def _learning_point(point: LearningPoint) -> Point:
    interval = point.accuracy_interval
    return Point(
        point.n, point.accuracy or 0.0, interval.low if interval else None, interval.high if interval else None
    )
