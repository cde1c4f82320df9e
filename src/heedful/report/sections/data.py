"""What the feedback holds, where it came from, and what was left out of it."""

from __future__ import annotations

from collections.abc import Mapping

from heedful.report.lanes import LaneTable, Mark, Row, table
from heedful.report.markup import Child, Markup, join, listed, name_of, tag
from heedful.report.numerals import capitalised, count, counted
from heedful.report.parts import FeedbackPart, RejectReason
from heedful.report.scales import spanning
from heedful.report.sections.common import missing, paragraph, section, share
from heedful.report.summary import Summary


def data(summary: Summary) -> Markup:
    """Counts by kind, sources, and rejects by reason with their places."""
    feedback = summary.feedback
    return section(
        "data",
        "The feedback",
        _totals(summary, feedback),
        _bars("kinds", "kind", feedback.by_kind),
        _bars("criteria", "criterion", feedback.by_criterion),
        _bars("rater-kinds", "kind of rater", feedback.rater_kinds),
        _sources(feedback),
        _rejects(feedback),
    )


def _totals(summary: Summary, feedback: FeedbackPart) -> Markup:
    if feedback.read is None and feedback.accepted is None:
        none = "Nothing is known about the feedback: the summary does not say how much was read."
        return missing(summary, ("feedback", "read", "input"), none)
    return join(
        paragraph(
            f"{counted(feedback.read, 'judgement')} were read; {count(feedback.accepted)} were accepted and "
            f"{'none' if feedback.rejected == 0 else count(feedback.rejected)} rejected. {_who(feedback)}",
            class_="standfirst",
        ),
        paragraph(_gap(feedback), class_="missing") if _gap(feedback) else None,
    )


def _who(feedback: FeedbackPart) -> str:
    parts = ((feedback.raters, "rater"), (feedback.systems, "system"), (feedback.contexts, "context"))
    given = [counted(value, noun) for value, noun in parts if value]
    unnamed = [f"{noun}s" for value, noun in parts[:2] if value == 0]
    return " ".join(
        (
            f"They come from {listed(given)}." if given else "",
            f"They do not name {' or '.join(unnamed)}." if unnamed else "",
            f"Of these, {count(feedback.replicates)} repeat a question that had been judged before; they are "
            f"kept as data."
            if feedback.replicates
            else "",
        )
    )


def _gap(feedback: FeedbackPart) -> str:
    if feedback.read is None or feedback.accepted is None or feedback.rejected is None:
        return ""
    gap = feedback.read - feedback.accepted - feedback.rejected
    return f"The counts do not add up: {count(gap)} judgements are unaccounted for." if gap else ""


def _bars(key: str, noun: str, counts: Mapping[str, float]) -> Markup | None:
    if not counts:
        return None
    total = sum(counts.values())
    if len(counts) == 1:
        only = name_of(next(iter(counts)).replace("_", " "), class_="item")
        return paragraph(f"All {count(total)} are of one {noun}: ", only, ".")
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    drawn = LaneTable(
        key=key,
        caption=f"Judgements by {noun}",
        name_head=capitalised(noun),
        lane_head="Judgements",
        cell_heads=("Number", "Share"),
        scale=spanning([0.0, max(counts.values(), default=1.0)], wanted=4),
        rows=[
            Row(name=name_of(name.replace("_", " ")), mark=Mark(n, bar=True), cells=(count(n), share(n, total)))
            for name, n in ordered
        ],
    )
    return drawn.markup()


def _sources(feedback: FeedbackPart) -> Markup | None:
    if not feedback.sources:
        return None
    rows = [(name_of(s.path), s.format or "not known", count(s.read), count(s.accepted)) for s in feedback.sources]
    return join(
        tag("h3", "Sources"),
        table("Files read", ("File", "Format", "Read", "Accepted"), rows, numeric=(2, 3), prose=True),
    )


def _rejects(feedback: FeedbackPart) -> Markup | None:
    if not feedback.reject_reasons:
        told = "The reasons are not listed in the summary; rejects.jsonl has every rejected record."
        return paragraph(told, class_="missing") if feedback.rejected else None
    rows: list[tuple[Child, ...]] = [
        (tag("span", reject.reason or "no reason given", dir="auto"), count(reject.count), _place(reject))
        for reject in feedback.reject_reasons
    ]
    return join(
        tag("h3", "Rejected judgements"),
        paragraph(
            "Nothing is dropped in silence: every rejected record is kept in rejects.jsonl, with its place and reason."
        ),
        table("Rejected judgements by reason", ("Reason", "Number", "First seen at"), rows, numeric=(1,), prose=True),
    )


def _place(reject: RejectReason) -> Child:
    if not reject.source:
        return "place not recorded"
    return join(name_of(reject.source), f", line {reject.line:,}" if reject.line is not None else None)
