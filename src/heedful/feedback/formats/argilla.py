"""Records exported from Argilla 2.

Fields: `rg.Record.to_dict` ({id, fields, responses: {question: [{value, user_id}]}, suggestions: {question: {value,
score, agent}}, metadata}), as `Dataset.to_disk` and `records.to_json` write it; the server's own form, with a list of
responses ({values: {question: {value}}, user_id, status}); and the flat columns of `records.to_datasets`
("quality.responses", "quality.responses.users", "quality.suggestion"). See
https://docs.argilla.io/latest/how_to_guides/import_export and
https://docs.argilla.io/latest/reference/argilla/records/responses. None holds the settings of the questions: a mapping
file gives scales and the meaning of labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, missing
from heedful.feedback.formats.exports import Layout, Shown, about, compared, shown
from heedful.feedback.formats.fields import at, listing, present, unjson

_FLAT = ".responses"
_ABOUT = ("id", "_server_id", "external_id", "status", "metadata", "vectors", "inserted_at", "updated_at")
NOT_SUBMITTED = {
    "draft": "the response is a draft: its rater has not submitted it",
    "discarded": "the response was discarded by its rater",
}


@dataclass(frozen=True)
class Response:
    """One answer of one rater to one question."""

    question: str
    value: Any
    user: Any
    kind: str = "person"
    status: str | None = None
    score: Any = None


def _matches(row: Row) -> bool:
    nested = isinstance(unjson(row.get("fields")), Mapping) and ("responses" in row or "suggestions" in row)
    return nested or any(name.endswith((_FLAT + ".users", _FLAT + ".status")) for name in row)


def judgements(row: Row, layout: Layout) -> Iterator[Judgement]:
    """The responses and suggestions of one record; suggestions are by a model unless they say otherwise.

    Truth values become labels, numbers ratings (with the layout's scale), orders of the outputs rankings, marked spans
    labels of those spans. Drafts and discarded responses are rejected with that reason.
    """
    fields = unjson(row.get("fields"))
    fields = fields if isinstance(fields, Mapping) else _flat_fields(row)
    responses = [*responses_of(row), *_suggestions(row)]
    seen = shown(fields, layout)
    for response in responses:
        if isinstance(response, Problem):
            yield response
        elif response.status in NOT_SUBMITTED:
            yield Problem(NOT_SUBMITTED[response.status])
        elif isinstance(seen, Problem):
            yield seen
        else:
            for judged in _judged(response, seen, layout):
                yield judged if isinstance(judged, Problem) else _record(judged, response, row, layout)


def _flat_fields(row: Row) -> dict[str, Any]:
    """The fields of a flat row: all columns that are neither about the record nor about a question."""
    questions = {name.removesuffix(_FLAT) for name in row if name.endswith(_FLAT)}
    questions |= {name.removesuffix(".suggestion") for name in row if name.endswith(".suggestion")}
    about = tuple(f"{question}." for question in questions)
    return {name: value for name, value in row.items() if name not in _ABOUT and not name.startswith(about)}


def responses_of(row: Row) -> Iterator[Response | Problem]:
    """The people's answers, in any of the forms in which Argilla writes them."""
    responses = unjson(row.get("responses"))
    if isinstance(responses, Mapping):
        for question, answers in responses.items():
            for answer in answers or []:
                yield _one(question, answer, None)
    for answer in listing(responses) or []:
        values = answer.get("values") if isinstance(answer, Mapping) else None
        if isinstance(values, Mapping):
            for question, value in values.items():
                yield _one(question, value, answer)
        else:
            yield _one(answer.get("question_name") if isinstance(answer, Mapping) else None, answer, None)
    yield from _flat_responses(row)


def _one(question: Any, answer: Any, around: Mapping[str, Any] | None) -> Response | Problem:
    """One answer; `around` is the response that holds the user and status of several."""
    if not isinstance(question, str) or not isinstance(answer, Mapping) or answer.get("value") is None:
        return Problem("a response without a question or a value")
    whose = around or answer
    return Response(question, answer["value"], whose.get("user_id"), status=_status(whose.get("status")))


def _status(raw: Any) -> str | None:
    return str(raw).rpartition(".")[2].lower() if not missing(raw) else None


def _flat_responses(row: Row) -> Iterator[Response]:
    for name in row:
        if not name.endswith(_FLAT):
            continue
        values = listing(row[name]) or []
        users, states = (listing(row.get(f"{name}.{part}")) or [None] * len(values) for part in ("users", "status"))
        for value, user, status in zip(values, users, states, strict=False):
            yield Response(name.removesuffix(_FLAT), value, user, status=_status(status))


def _suggestions(row: Row) -> Iterator[Response]:
    """What a model, or someone else, suggested beforehand."""
    suggestions = unjson(row.get("suggestions"))
    entries = list(suggestions.items()) if isinstance(suggestions, Mapping) else []
    entries += [(one.get("question_name"), one) for one in listing(suggestions) or [] if isinstance(one, Mapping)]
    for name in row:
        if name.endswith(".suggestion"):
            entries.append(
                (name.removesuffix(".suggestion"), {"value": row[name], **_parts_of(row, name)}),
            )
    for question, one in entries:
        if isinstance(one, Mapping) and not missing(one.get("value")):
            kind = "person" if one.get("type") == "human" else "model"
            yield Response(str(question), one["value"], one.get("agent") or "suggestion", kind, score=one.get("score"))


def _parts_of(row: Row, name: str) -> dict[str, Any]:
    return {part: row.get(f"{name}.{part}") for part in ("agent", "score")}


def _judged(response: Response, seen: Shown, layout: Layout) -> Iterator[Judgement]:
    """What was said about which candidates."""
    value = unjson(response.value)
    if isinstance(value, list):
        yield from _listed(response.question, value, seen, layout)
    elif isinstance(value, str) and value in seen.outputs and len(seen.outputs) > 1:
        yield _picked(value, seen)
    else:
        yield about(response.question, value, seen, layout)


def _picked(name: str, seen: Shown) -> Judgement:
    """A label that names one of the outputs: the one preferred."""
    if len(seen.outputs) == 2:
        return compared("first" if name == next(iter(seen.outputs)) else "second", seen)
    candidates = [{"output": output} for output in seen.outputs.values()]
    best = list(seen.outputs).index(name)
    return {"kind": "best_of", "value": {"best": best}, "candidates": candidates, "context": seen.context}


def _listed(question: str, value: list[Any], seen: Shown, layout: Layout) -> Iterator[Judgement]:
    """A list of answers: marked spans, a ranking of the outputs, or several labels."""
    if all(isinstance(one, Mapping) and "start" in one for one in value):
        for span in value:
            yield _span(question, span, seen, layout)
        return
    ranked = [one.get("value") if isinstance(one, Mapping) else one for one in value]
    if len(seen.outputs) > 1 and set(map(str, ranked)) == set(seen.outputs) and len(ranked) == len(seen.outputs):
        yield _ranking(value, ranked, seen)
        return
    if question not in layout.labels:
        yield Problem(
            f"the answer to {question!r} is a list that orders none of the outputs {list(seen.outputs)}; "
            "if these are labels, translate them under [labels] in a mapping file"
        )
        return
    for one in ranked:
        yield about(question, one, seen, layout)


def _ranking(value: list[Any], names: list[Any], seen: Shown) -> dict[str, Any]:
    """An order of the outputs: by rank where it has ranks (ties allowed), else best first."""
    given_ranks = [one.get("rank") if isinstance(one, Mapping) else None for one in value]
    ranks = given_ranks if all(isinstance(rank, int) for rank in given_ranks) else list(range(1, len(names) + 1))
    by_name = dict(zip(map(str, names), ranks, strict=True))
    return {
        "kind": "ranking",
        "value": {"ranks": [by_name[name] for name in seen.outputs]},
        "candidates": [{"output": output} for output in seen.outputs.values()],
        "context": seen.context,
    }


def _span(question: str, span: Mapping[str, Any], seen: Shown, layout: Layout) -> Judgement:
    """A marked span as a judgement of those characters of the output."""
    judged = about(question, span.get("label"), seen, layout)
    if isinstance(judged, Problem):
        return judged
    return {**judged, "address": present(kind="span", start=span["start"], end=span.get("end"))}


def _record(judged: dict[str, Any], response: Response, row: Row, layout: Layout) -> dict[str, Any]:
    user = at(row, layout.rater) if layout.rater else response.user
    extra = present(
        record_id=row.get("id"),
        metadata=unjson(row.get("metadata")) or None,
        suggestion_score=response.score,
    )
    return {
        **judged,
        "criterion": response.question,
        "rater": {"id": str(user), "kind": response.kind} if not missing(user) and str(user) != "None" else None,
        "extra": extra,
    }


ARGILLA = Format(
    "argilla",
    "records exported from Argilla 2, with responses and suggestions (docs.argilla.io)",
    _matches,
    partial(judgements, layout=Layout()),
)
