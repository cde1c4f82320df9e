"""Scores exported from Langfuse.

Fields: the scores of the public API (camel case, https://api.reference.langfuse.com) and of the blob storage export
(snake case, https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields); corrections are
scores of type CORRECTION (https://langfuse.com/docs/observability/features/corrections). A score names its trace but
does not hold it. A row is therefore either a trace with its scores (as GET /api/public/traces/{id} returns it), or a
score joined with its trace: under `trace` or `observation`, or with the columns `input` and `output` beside its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, extra_of, missing, number_of
from heedful.feedback.formats.exports import Answer, Layout, answered, rated
from heedful.feedback.formats.fields import (
    at,
    beside_messages,
    content_of,
    first_of,
    listing,
    opened,
    present,
    spelled,
    unjson,
)

_TYPE = ("dataType", "data_type")
_TEXT = ("stringValue", "string_value")
_TRACE = ("traceId", "trace_id")
_OBSERVATION = ("observationId", "observation_id")
_SESSION = ("sessionId", "session_id")
_AUTHOR = ("authorUserId", "author_user_id")
_EVALUATOR = ("evaluator_id", "evaluatorId", "evaluation_rule_id")
_TIME = ("timestamp", "createdAt", "created_at")
_MODEL = ("model", "provided_model_name")
_POLICY = ("release", "version")
_CONFIG = ("config", "scoreConfig")
_LOW, _HIGH = ("minValue", "min_value"), ("maxValue", "max_value")
_BESIDE = ("input", "output", "trace", "observation", *_MODEL, *_POLICY)
_READ = (*_TYPE, *_TEXT, *_AUTHOR, *_EVALUATOR, *_TIME, *_CONFIG, *_LOW, *_HIGH, *_BESIDE, "id", "name", "value")


def _matches(row: Row) -> bool:
    scores = listing(row.get("scores"))
    if scores:
        return isinstance(scores[0], Mapping) and _is_score(scores[0])
    return _is_score(row)


def _is_score(row: Mapping[str, Any]) -> bool:
    named = {"name", "source"} <= set(row) and ("value" in row or any(name in row for name in _TEXT))
    return named and any(name in row for name in (*_TYPE, *_TRACE))


def judgements(row: Row, layout: Layout) -> Iterator[Judgement]:
    """The scores of one row: numbers become ratings, truth values labels, texts critiques, corrections edits.

    A number needs its scale: from `config` ({minValue, maxValue}) where the row holds it, else from the layout. A
    category needs the layout's word for what it means.
    """
    scores = listing(row.get("scores"))
    if scores is None:
        yield _score(row, row, layout)
        return
    for score in scores:
        if isinstance(score, Mapping):
            yield _score(score, row, layout)
        else:
            yield Problem("scores are given by id only: export the trace with its full scores")


def _score(score: Mapping[str, Any], row: Row, layout: Layout) -> Judgement:
    """One score as a judgement; `row` is the trace around it, or the score itself."""
    judged = _judged(score, row)
    if isinstance(judged, Problem):
        return judged
    name = str(score.get("name"))
    answer = _ANSWERS.get(_type(score), _unknown)(name, score, layout)
    if isinstance(answer, Problem):
        return answer
    kind, value = answer
    context, output = opened(judged.get("input")), opened(judged["output"])
    candidates = [present(output=content_of(output, "system"), system=first_of(judged, _MODEL))]
    if kind == "edit":
        candidates.append({"output": _raw(score)})
    if kind in ("rating", "label") and not missing(score.get("comment")):
        value = {**value, "text": str(score["comment"])}
    return present(
        kind=kind,
        id=score.get("id"),
        context=content_of(context, "world"),
        candidates=candidates,
        criterion=name,
        value=value,
        rater=_rater(score, row, layout),
        policy=first_of(judged, _POLICY),
        time=first_of(score, _TIME),
        extra={**_left(score, kind, value), **_beside(input=context, output=output)},
    )


def _left(score: Mapping[str, Any], kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """What no field of the record holds; a comment that became the record's text is not kept twice."""
    kept = kind in ("rating", "label") and "text" in value
    return extra_of(score, (*_READ, "comment") if kept else _READ)


def _beside(**contents: Any) -> dict[str, Any]:
    """Settings and tools that stand beside the messages of a trace."""
    return {name: beside for name, content in contents.items() if (beside := beside_messages(content))}


def _judged(score: Mapping[str, Any], row: Row) -> Mapping[str, Any] | Problem:
    """What the score is about: the observation it names, else its trace; it must hold an output."""
    wanted = first_of(score, _OBSERVATION)
    inside = [one for one in listing(row.get("observations")) or [] if isinstance(one, Mapping)]
    named = [one for one in inside if wanted is not None and one.get("id") == wanted]
    places = [*named, unjson(score.get("observation")), unjson(score.get("trace")), row]
    for place in places:
        if isinstance(place, Mapping) and not missing(place.get("output")):
            return place
    if missing(first_of(score, _TRACE)) and not missing(first_of(score, _SESSION)) and "scores" not in row:
        return Problem("this score judges a whole session, not an output")
    return Problem(
        "the export holds no output for this score: export traces with their scores, or join the scores with the "
        "traces on the trace id so that input and output stand beside them"
    )


def _type(score: Mapping[str, Any]) -> str:
    """The score's type; before Langfuse had types, every score was a number."""
    return str(first_of(score, _TYPE) or "NUMERIC").upper()


def _raw(score: Mapping[str, Any]) -> Any:
    """The answer itself: the text where there is one."""
    text = first_of(score, _TEXT)
    return score.get("value") if text is None else text


def _numeric(name: str, score: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    value = number_of(score.get("value"))
    if value is None:
        return Problem(f"the numeric score {name!r} has the value {score.get('value')!r}")
    if name in layout.labels or name in layout.ratings:
        return answered(name, value, layout)
    config = unjson(first_of(score, _CONFIG))
    where = config if isinstance(config, Mapping) else score
    low, high = number_of(first_of(where, _LOW)), number_of(first_of(where, _HIGH))
    if low is not None and high is not None:
        return "rating", {"rating": value, "scale": [low, high]}
    return rated(name, value, layout)


def _boolean(name: str, score: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    key = spelled(score.get("value")).lower()
    if key not in ("0", "1", "true", "false"):
        return Problem(f"the boolean score {name!r} has the value {score.get('value')!r}")
    if name in layout.labels:
        return answered(name, key in ("1", "true"), layout)
    return "label", {"label": key in ("1", "true")}


def _categorical(name: str, score: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    if name in layout.labels or name in layout.ratings:
        return answered(name, _raw(score), layout)
    return Problem(
        f"what the category {spelled(_raw(score))!r} of {name!r} means is not in the export: "
        "translate it under [labels] or [ratings] in a mapping file"
    )


def _text(name: str, score: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    said = _raw(score)
    return ("critique", {"text": said}) if isinstance(said, str) and said else Problem(f"the text of {name!r} is empty")


def _correction(name: str, score: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    said = _raw(score)
    return ("edit", {}) if isinstance(said, str) else Problem(f"the correction {name!r} holds no text")


def _unknown(name: str, score: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    return Problem(f"the score {name!r} is of the type {_type(score)}, which heedful does not know")


_ANSWERS: Mapping[str, Callable[[str, Mapping[str, Any], Layout], Answer | Problem]] = {
    "NUMERIC": _numeric,
    "BOOLEAN": _boolean,
    "CATEGORICAL": _categorical,
    "TEXT": _text,
    "CORRECTION": _correction,
}


def _rater(score: Mapping[str, Any], row: Row, layout: Layout) -> dict[str, str] | None:
    """An annotator by user id, an evaluator by its id; scores sent by a program name nobody."""
    author = at(row, layout.rater) if layout.rater else first_of(score, _AUTHOR)
    if not missing(author):
        return {"id": str(author), "kind": "person"}
    if score.get("source") == "EVAL":
        return {"id": str(first_of(score, _EVALUATOR) or f"evaluator of {score.get('name')}"), "kind": "model"}
    return None


LANGFUSE = Format(
    "langfuse",
    "scores exported from Langfuse with their traces (langfuse.com/docs/evaluation)",
    _matches,
    partial(judgements, layout=Layout()),
)
