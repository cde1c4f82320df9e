"""What to ask next."""

from __future__ import annotations

import math

from heedful.report.lanes import table
from heedful.report.markup import Child, Markup, join, name_of, separated, tag
from heedful.report.numerals import count, counted, decimals, fixed
from heedful.report.parts import AskedItem, Question
from heedful.report.sections.common import fold, missing, paragraph, passage, section
from heedful.report.summary import Summary

_OPEN = 5
_MOST = 50
_NONE = (
    "No questions are proposed: the feedback offers no pairs that could be judged, or nothing was fitted that "
    "could tell "
    "which answers would help."
)


def questions(summary: Summary) -> Markup:
    """The questions whose answers are expected to tell the most, with their texts."""
    asked = summary.ask
    if not asked:
        return section("ask", "What to ask next", missing(summary, ("ask", "elicitation", "fit"), _NONE))
    return section(
        "ask",
        "What to ask next",
        paragraph(
            f"The {counted(len(asked), 'question')} whose answers are expected to tell the most, best first. "
            "Expected gain is how much an answer should reduce the uncertainty about what people want, in nats; "
            "a yes or no that could not be foreseen at all would tell 0.693.",
            class_="standfirst",
        ),
        _cards(asked) if any(_has_text(question) for question in asked) else _plain(asked),
    )


def _has_text(question: Question) -> bool:
    return any(item.output is not None or item.context for item in question.items)


def _plain(asked: list[Question]) -> Markup:
    places = _places(asked)
    rows = [(count(at), _pair(q), _gain(q, places), _cost(q), _rater(q)) for at, q in enumerate(asked, 1)]
    heads = ("No.", "Compare", "Expected gain", "Cost", "Ask")
    return table("Questions, best first", heads, rows, numeric=(2, 3))


def _pair(question: Question) -> Markup:
    return separated(" with ", (_name(item, at) for at, item in enumerate(question.items)))


def _name(item: AskedItem, at: int) -> Markup:
    return name_of(item.system) if item.system else name_of(f"answer {_letter(at)}")


def _letter(at: int) -> str:
    return chr(ord("A") + at) if at < 26 else str(at + 1)


def _gain(question: Question, places: int) -> str:
    gain = question.expected_gain
    return "not known" if gain is None else f"{fixed(gain, places)} nats"


def _places(asked: list[Question]) -> int:
    """Two significant digits of the largest gain."""
    return decimals(max((question.expected_gain or 0.0 for question in asked), default=None)) or 2


def _cost(question: Question) -> str:
    return "not known" if question.cost is None else f"{question.cost:,.6g}"


def _rater(question: Question) -> Child:
    return name_of(question.rater) if question.rater else "anyone"


def _cards(asked: list[Question]) -> Markup:
    shown = [_card(at, question, _places(asked)) for at, question in enumerate(asked[:_MOST], 1)]
    rest = len(asked) - len(shown)
    return join(
        tag("ol", shown[:_OPEN], class_="cards"),
        fold(
            f"Show {counted(len(shown) - _OPEN, 'more question')}",
            tag("ol", shown[_OPEN:], class_="cards", start=_OPEN + 1),
        )
        if len(shown) > _OPEN
        else None,
        paragraph(f"{counted(rest, 'further question')} stand in summary.json.", class_="absent") if rest > 0 else None,
    )


def _card(at: int, question: Question, places: int) -> Markup:
    contexts = {item.context for item in question.items}
    shared = contexts.pop() if len(contexts) == 1 else None
    return tag(
        "li",
        tag("h3", f"Question {at}"),
        paragraph(
            join(
                "Expected gain ",
                _gain(question, places),
                _fraction(question),
                " · cost ",
                _cost(question),
                " · ask ",
                _rater(question),
            ),
            class_="meta",
        ),
        join(tag("h4", "Context"), passage(shared)) if shared else None,
        tag("div", (_side(item, place, shared) for place, item in enumerate(question.items)), class_="sides"),
        class_="card",
    )


def _fraction(question: Question) -> str:
    if question.expected_gain is None:
        return ""
    return f", {100 * question.expected_gain / math.log(2):.2g}% of what a wholly open yes or no would tell"


def _side(item: AskedItem, at: int, shared: str | None) -> Markup:
    heading = join(f"Answer {_letter(at)}", join(", by ", name_of(item.system)) if item.system else None)
    own = join(tag("p", "Context:", class_="meta"), passage(item.context)) if item.context and shared is None else None
    return tag("div", tag("h4", heading), own, passage(item.output), class_="side")
