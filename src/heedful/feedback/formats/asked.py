"""Questions that heedful asked, as they come back: from a spreadsheet, from Label Studio, from Argilla.

What was asked stands in the row's key, so nothing that a tool does to the texts on show changes what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from heedful.core import Item
from heedful.feedback.asked import NOT_ANSWERED, is_key, opened, shown_of
from heedful.feedback.formats.argilla import NOT_SUBMITTED, responses_of
from heedful.feedback.formats.base import Format, Judgement, Problem, Row, missing, name_of, number_of
from heedful.feedback.formats.fields import listing, present, unjson
from heedful.feedback.record import Record

COLUMNS = ("context", "output_a", "output_b")  # what a rater reads
_CHOICES = {
    **dict.fromkeys(("first", "a", "1", "left"), "first"),
    **dict.fromkeys(("second", "b", "2", "right"), "second"),
    **dict.fromkeys(("tie", "=", "equal"), "tie"),
    "both_bad": "both_bad",
    "incomparable": "incomparable",
}
# Whatever begins so is run by spreadsheets, unless an apostrophe stands before it.
_RUN = re.compile(r"'*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if _RUN.match(text) else text


def unguarded(text: str) -> str:
    """The inverse of `guarded`."""
    return text[1:] if text.startswith("'") and _RUN.match(text) else text


def _key(row: Row) -> Any:
    """The key of a row: in a column, or within what tools keep beside a task."""
    for place in (row, unjson(row.get("data")), unjson(row.get("metadata"))):
        if isinstance(place, Mapping) and is_key(place.get("key")):
            return place["key"]
    return None


def items_asked(row: Row) -> tuple[Item, ...] | None:
    """What a row's key asks to compare, in the order shown; None where it has none. ValueError where it is damaged."""
    key = _key(row)
    return None if key is None else Record.model_validate({**opened(key), "value": {"choice": "tie"}}).items()


def _matches(row: Row) -> bool:
    return _key(row) is not None


def _parse(row: Row) -> Iterator[Judgement]:
    if all(map(missing, row.values())):  # spreadsheets leave such rows at the end
        return
    try:
        asked = opened(_key(row) or "")
    except ValueError as error:
        yield Problem(str(error))
        return
    answers = list(_answers(row, asked))
    yield from [_judgement(asked, one) for one in answers] or [Problem(NOT_ANSWERED)]


Answer = dict[str, Any]


def _answers(row: Row, asked: Mapping[str, Any]) -> Iterator[Answer | Problem]:
    """What each rater said: `choice`, `degree`, `comment`, `rater`, `time` and `seconds`, as far as given."""
    if "data" in row:
        return _of_label_studio(row)
    return _of_argilla(row) if "fields" in row else _of_columns(row, asked)


def _of_columns(row: Row, asked: Mapping[str, Any]) -> Iterator[Answer | Problem]:
    """A row of a spreadsheet, unless its texts are not those that its key asks about: somebody sorted a column."""
    for name, text in zip(COLUMNS, shown_of(asked), strict=True):
        cell = row.get(name)
        if not missing(cell) and "".join(unguarded(str(cell)).split()) != "".join(text.split()):
            what = f"this is not the text that {asked['id']} asks about"
            yield Problem(f"column {name}: {what}; if rows were sorted, sort whole rows")
            return
    if not missing(row.get("choice")):
        rater = row.get("rater")
        yield {**row, "rater": unguarded(rater) if isinstance(rater, str) else rater}


def _of_label_studio(row: Row) -> Iterator[Answer | Problem]:
    """A result for each column: choices, a pairwise selection, a number or a text."""
    for annotation in listing(row.get("annotations")) or []:
        if not isinstance(annotation, Mapping):
            yield Problem("the annotation is given by id only: export the task with its full annotations")
        elif annotation.get("was_cancelled"):
            yield Problem("skipped by the annotator (was_cancelled)")
        else:
            by = annotation.get("completed_by")
            rater = by.get("id", by.get("email")) if isinstance(by, Mapping) else by
            about = {"rater": rater, "time": annotation.get("created_at"), "seconds": annotation.get("lead_time")}
            results = [one for one in listing(annotation.get("result")) or [] if isinstance(one, Mapping)]
            yield about | {str(one.get("from_name")): _said(one.get("value")) for one in results}


def _said(value: Any) -> Any:
    """The one thing said in the value of a result, under whatever name its tag gives it."""
    said = next(iter(value.values()), None) if isinstance(value, Mapping) else None
    return said[0] if isinstance(said, list) and said else said


def _of_argilla(row: Row) -> Iterator[Answer | Problem]:
    """The responses of each user, by question."""
    by_user: dict[Any, Answer] = {}
    for response in responses_of(row):
        if isinstance(response, Problem):
            yield response
            continue
        answer = by_user.setdefault(response.user, {"rater": response.user})
        answer |= {response.question: response.value, "status": response.status}
    for answer in by_user.values():
        status = answer.pop("status")
        yield Problem(NOT_SUBMITTED[status]) if status in NOT_SUBMITTED else answer


def _judgement(asked: Mapping[str, Any], answer: Answer | Problem) -> Judgement:
    """The record that the answer completes, or which column is wrong."""
    if isinstance(answer, Problem):
        return answer
    choice, degree = answer.get("choice"), answer.get("degree")
    if missing(choice):
        return Problem(NOT_ANSWERED)
    chosen = _CHOICES.get(str(choice).strip().lower())
    if chosen is None:
        return Problem(f"column choice: {str(choice)[:60]!r} is none of first, second, tie, both_bad, incomparable")
    if not missing(degree) and not (number_of(degree) or 0) > 0:
        return Problem(f"column degree: {str(degree)[:60]!r} is no number above 0 (1 slightly, 2 clearly, 3 strongly)")
    if not missing(degree) and chosen not in ("first", "second"):
        return Problem(f"column degree: {chosen} has no degree; leave it empty")
    rater = name_of(answer.get("rater"))
    comment = None if missing(answer.get("comment")) else str(answer["comment"])
    return {
        **asked,
        "id": f"{asked['id']}/{rater}" if rater else asked["id"],
        "value": present(choice=chosen, degree=number_of(degree)),
        "rater": {"id": rater} if rater else None,
        "extra": asked.get("extra", {}) | present(comment=comment),
        **present(time=answer.get("time") or None, seconds=number_of(answer.get("seconds"))),
    }


QUESTIONS = Format(
    "questions",
    "questions that heedful asked (heedful ask --out), answered in a spreadsheet, Label Studio or Argilla",
    _matches,
    _parse,
)
