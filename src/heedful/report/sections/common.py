"""What the sections share: their frame, cells with intervals, long texts, and the reason for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from heedful.report.lanes import Mark
from heedful.report.markup import Child, Markup, join, listed, name_of, tag
from heedful.report.numerals import PERCENT, Unit, counted, level
from heedful.report.parts import FindingPart, IntervalPart
from heedful.report.summary import Summary

_FOLD_BEYOND = 420
_FOLD_LINES = 7
_TEASER = 150
_LONGEST = 20_000


def section(key: str, title: str, *children: Child) -> Markup:
    """A section of the page, named by its heading."""
    heading = tag("h2", title, id=f"{key}-heading")
    return tag("section", heading, children, id=key, aria_labelledby=f"{key}-heading")


def paragraph(*children: Child, class_: str | None = None) -> Markup:
    return tag("p", children, class_=class_)


def fold(words: Child, *children: Child, class_: str | None = None) -> Markup:
    """Something the reader can open."""
    return tag("details", tag("summary", words), children, class_=class_)


def finding_id(summary: Summary, finding: FindingPart) -> str:
    """The anchor of a finding."""
    place = next(at for at, other in enumerate(summary.findings_by_severity(), 1) if other is finding)
    return f"finding-{place}"


def finding_link(summary: Summary, finding: FindingPart) -> Markup:
    return tag("a", f"{finding.severity} “{finding.code}”", href=f"#{finding_id(summary, finding)}")


def missing(summary: Summary, topics: Sequence[str], otherwise: Child) -> Markup:
    """Why a part is absent: what the findings on these topics say, else `otherwise`."""
    about = [finding for finding in summary.findings_by_severity() if finding.code.split(".")[0] in topics]
    if not about:
        return paragraph(otherwise, class_="missing")
    first = about[0]
    return paragraph(ended(first.message), " (", finding_link(summary, first), ")", class_="missing")


def ended(text: str) -> str:
    """The text with a full stop, where it has no end of its own."""
    bare = text.rstrip()
    return bare if not bare or bare[-1] in ".!?…。؟" else bare + "."


def estimate_cell(value: float | None, interval: IntervalPart | None, unit: Unit) -> Markup:
    """A number over its interval; where either is missing, the cell says so."""
    if value is None:
        return tag("span", "not known", class_="absent")
    if interval is None:
        return join(tag("b", unit.show(value)), " ", tag("span", "no interval", class_="span"))
    return join(tag("b", unit.show(value, interval.half_width)), " ", tag("span", unit.span(interval), class_="span"))


def dot(value: float | None, interval: IntervalPart | None, *, hollow: bool = False) -> Mark:
    """The lane mark of an estimate."""
    if interval is None:
        return Mark(value, hollow=hollow)
    return Mark(value, interval.low, interval.high, hollow=hollow)


def reach(values: Iterable[tuple[float | None, IntervalPart | None]]) -> list[float]:
    """All the numbers a scale must hold: values and the ends of their intervals."""
    found: list[float] = []
    for value, interval in values:
        if value is not None:
            found.append(value)
        if interval is not None:
            found += [interval.low, interval.high]
    return found


def full_legend(intervals: Iterable[IntervalPart | None]) -> Markup | None:
    """What the intervals shown promise, one sentence for each kind among them."""
    kinds = _kinds(intervals)
    words = " ".join(_promise(promise, share) for promise, share in kinds)
    return paragraph(words, class_="legend") if kinds else None


def _kinds(intervals: Iterable[IntervalPart | None]) -> list[tuple[str, float]]:
    return sorted({(interval.promise, interval.level) for interval in intervals if interval is not None})


def promise_legend(intervals: Iterable[IntervalPart | None]) -> Markup | None:
    """The kind of the intervals shown, with the way to what it promises."""
    kinds = _kinds(intervals)
    if not kinds:
        return None
    named = listed(_NAMES[promise].format(level=level(share)) for promise, share in kinds)
    promised = tag("a", "what they promise", href="#word-interval")
    return paragraph("Lines and ranges are ", named, ": ", promised, ".", class_="legend")


_NAMES = {
    "confidence": "{level} confidence intervals",
    "credible": "{level} credible intervals",
    "at least": "intervals that hold at least {level} of the time",
}


def _promise(promise: str, share: float) -> str:
    shown = level(share)
    return {
        "confidence": f"The intervals are {shown} confidence intervals: if the same amount of feedback were "
        f"collected again"
        f" and again, {shown} of the intervals found this way would hold the true value.",
        "credible": f"The intervals are {shown} credible intervals: given the model and its prior, the true value lies"
        f" inside each with probability {shown}.",
        "at least": f"The intervals hold the true value at least {shown} of the time; they are wide rather than wrong.",
    }[promise]


def passage(text: str | None, *, absent: str = "The text is not in the data.") -> Markup:
    """A text from the data: as written, folded where it is long, in its own writing direction."""
    if text is None:
        return paragraph(absent, class_="absent")
    if not text.strip():
        return paragraph("(an empty text)", class_="absent")
    whole = tag("div", text[:_LONGEST], class_="passage", dir="auto")
    rest = len(text) - _LONGEST
    if rest > 0:
        note = f"{counted(rest, 'further character')} of this text are not shown here; summary.json has them all."
        whole = join(whole, paragraph(note, class_="absent"))
    if len(text) <= _FOLD_BEYOND and text.count("\n") < _FOLD_LINES:
        return whole
    teaser = tag("bdi", f"{_beginning(text)} …", class_="teaser")
    size = tag("span", f"{len(text):,} characters", class_="size")
    return fold(join(teaser, " ", size), whole, class_="long-text")


def _beginning(text: str) -> str:
    """The first words of a text, on one line; of a text without spaces, its first characters."""
    first = " ".join(text[: 3 * _TEASER].split())[:_TEASER]
    return first.rsplit(" ", 1)[0] if " " in first else first


def names(values: Sequence[str], *, most: int = 6) -> Markup:
    """Names from the data in a sentence, the rest counted."""
    rest = [f"{len(values) - most:,} more"] if len(values) > most else []
    return listed([*(name_of(value, class_="item") for value in values[:most]), *rest])


def share(part: float | None, whole: float | None) -> str:
    """A fraction of a known total in percent, to one decimal."""
    return "" if part is None or not whole else PERCENT.show(part / whole)
