"""Tasks exported from Label Studio as JSON.

Fields: https://labelstud.io/guide/task_format.html ({id, data, annotations: [{result, completed_by, lead_time,
was_cancelled}], predictions}); results by the tags Pairwise, Ranker, Rating, Number, Choices, TextArea and Labels
(https://labelstud.io/tags/pairwise.html and its neighbours). The export does not hold the labelling configuration: a
mapping file names the prompt and the outputs among `data`, gives scales, and says what a choice means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, missing, number_of
from heedful.feedback.formats.exports import Layout, about, answered, compared, shown
from heedful.feedback.formats.fields import at, content_of, first_of, listing, present, unjson

_Reader = Callable[[str, Mapping[str, Any], Mapping[str, Any], Layout], Iterator[Judgement]]
_SIDES = {"left": "first", "right": "second"}
_CAPTIONS = ("body", "text", "output", "html", "title")


def _matches(row: Row) -> bool:
    annotations = listing(row.get("annotations"))
    if annotations is None or not isinstance(unjson(row.get("data")), Mapping):
        return False
    entries = [*annotations, *(listing(row.get("predictions")) or [])]
    return all(isinstance(one, Mapping) and "result" in one for one in entries)


def judgements(row: Row, layout: Layout) -> Iterator[Judgement]:
    """The results of every annotation and prediction of one task; predictions are by their model.

    Skipped annotations are rejected with that reason. The time spent (`lead_time`, seconds) is kept as the judgement's
    own where the annotation holds one, else beside it.
    """
    data = unjson(row.get("data"))
    if not isinstance(data, Mapping):
        yield Problem("the task has no data")
        return
    for annotation in listing(row.get("annotations")) or []:
        yield from _annotation(annotation, data, row, _person(annotation, layout), layout)
    for prediction in listing(row.get("predictions")) or []:
        if isinstance(prediction, Mapping) and prediction.get("result"):
            model = {"id": str(prediction.get("model_version") or "prediction"), "kind": "model"}
            yield from _annotation(prediction, data, row, model, layout)


def _person(annotation: Any, layout: Layout) -> dict[str, str] | None:
    """Who annotated: an id, also inside an object; e-mail addresses are used only where there is no id."""
    who = at(annotation, layout.rater or "completed_by")
    who = first_of(who, ("id", "email")) if isinstance(who, Mapping) else who
    return {"id": str(who), "kind": "person"} if not missing(who) else None


def _annotation(
    annotation: Any, data: Mapping[str, Any], row: Row, rater: dict[str, str] | None, layout: Layout
) -> Iterator[Judgement]:
    if not isinstance(annotation, Mapping):
        yield Problem("the annotation is given by id only: export the task with its full annotations")
        return
    if annotation.get("was_cancelled"):
        yield Problem("skipped by the annotator (was_cancelled)")
        return
    results = listing(annotation.get("result")) or []
    if not results:
        yield Problem("the annotation holds no result")
    judged = [one for result in results for one in _result(result, data, layout)]
    alone = len(judged) == 1
    lead_time = number_of(annotation.get("lead_time"))
    extra = present(task=row.get("id"), annotation=annotation.get("id"), lead_time=None if alone else lead_time)
    extra |= {name: annotation[name] for name in ("ground_truth", "score") if annotation.get(name)}
    common = present(
        rater=rater, time=first_of(annotation, ("created_at",)), seconds=lead_time if alone else None, extra=extra
    )
    for one in judged:
        yield one if isinstance(one, Problem) else {**common, **one}


def _result(result: Any, data: Mapping[str, Any], layout: Layout) -> Iterator[Judgement]:
    """One result of an annotation, by the type of its tag."""
    if not isinstance(result, Mapping) or not isinstance(result.get("value"), Mapping):
        yield Problem("a result without a value (a relation between regions, perhaps)")
        return
    kind = str(result.get("type"))
    reader = _TAGS.get(kind)
    if reader is None:
        yield Problem(f"results of the type {kind!r} hold no judgement of an output")
        return
    for judged in reader(str(result.get("from_name")), result, data, layout):
        yield judged if isinstance(judged, Problem) else {"criterion": str(result.get("from_name")), **judged}


def _names(result: Mapping[str, Any]) -> list[str]:
    """The objects a result is about."""
    raw = result.get("to_name")
    return [str(name).strip() for name in (raw if isinstance(raw, list) else str(raw or "").split(",")) if name]


def _pairwise(question: str, result: Mapping[str, Any], data: Mapping[str, Any], layout: Layout) -> Iterator[Judgement]:
    """The side selected; the order shown is left, right."""
    names = _names(result)
    seen = shown(data, layout, names if len(names) == 2 and all(name in data for name in names) else None)
    selected = result["value"].get("selected")
    if isinstance(seen, Problem):
        yield seen
    elif selected not in _SIDES:
        yield Problem(f"the pairwise result selects {selected!r}, no side")
    else:
        yield compared(_SIDES[selected], seen, in_order=True)


def _valued(key: str) -> _Reader:
    """A reader of results whose value is one answer, or a list of answers, under `key`."""

    def read(question: str, result: Mapping[str, Any], data: Mapping[str, Any], layout: Layout) -> Iterator[Judgement]:
        raw = result["value"].get(key)
        for one in raw if isinstance(raw, list) else [raw]:
            yield _answer(question, one[-1] if isinstance(one, list) and one else one, result, data, layout)

    return read


def _answer(question: str, raw: Any, result: Mapping[str, Any], data: Mapping[str, Any], layout: Layout) -> Judgement:
    """One answer about one output, or between two."""
    seen = shown(data, layout)
    return seen if isinstance(seen, Problem) else about(question, raw, seen, layout, next(iter(_names(result)), None))


def _spans(key: str) -> _Reader:
    """A reader of labelled regions of text."""

    def read(question: str, result: Mapping[str, Any], data: Mapping[str, Any], layout: Layout) -> Iterator[Judgement]:
        value = result["value"]
        offsets = value.get("globalOffsets") if isinstance(value.get("globalOffsets"), Mapping) else value
        start, end = offsets.get("start"), offsets.get("end")
        for label in value.get(key) or []:
            judged = _answer(question, label, result, data, layout)
            if isinstance(judged, Problem) or not (isinstance(start, int) and isinstance(end, int)):
                yield judged if isinstance(judged, Problem) else Problem("the region has no character offsets")
            else:
                yield {**judged, "address": {"kind": "span", "start": start, "end": end}}

    return read


def _ranker(question: str, result: Mapping[str, Any], data: Mapping[str, Any], layout: Layout) -> Iterator[Judgement]:
    """An order of the items of a List, or the items sorted into buckets."""
    ranked = result["value"].get("ranker")
    if isinstance(ranked, Mapping) and set(ranked) <= {question, "rank"} and ranked:
        ranked = next(iter(ranked.values()))
    groups = list(ranked.values()) if isinstance(ranked, Mapping) else [ranked]
    items = _items([str(one) for group in groups if isinstance(group, list) for one in group], data)
    if items is None:
        yield Problem("no list in the task's data has the ids that the ranker orders")
        return
    seen = shown(data, replace(layout, candidates=()), ())
    if isinstance(seen, Problem):
        yield seen
        return
    where = {"context": seen.context}
    if isinstance(ranked, list):
        yield from _order(ranked, items, where)
        return
    for bucket, members in (ranked or {}).items():
        for member in members:
            answer = answered(question, bucket, layout)
            if isinstance(answer, Problem):
                yield answer
            else:
                yield {**where, "kind": answer[0], "value": answer[1], "candidates": [items[str(member)]]}


def _order(ranked: Sequence[Any], items: Mapping[str, dict[str, Any]], where: dict[str, Any]) -> Iterator[Judgement]:
    """Items in their order, best first."""
    if len(ranked) < len(items):
        yield Problem(f"the ranker orders {len(ranked)} of {len(items)} items: every item needs a place")
        return
    places = {str(one): rank for rank, one in enumerate(ranked, 1)}
    ranks = [places[name] for name in items]
    yield {**where, "kind": "ranking", "value": {"ranks": ranks}, "candidates": list(items.values())}


def _items(ids: Sequence[str], data: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """The list in the data that holds these ids, as candidates by id."""
    for value in data.values():
        entries = [one for one in listing(value) or [] if isinstance(one, Mapping) and "id" in one]
        known = {str(one["id"]): one for one in entries}
        if ids and set(ids) <= set(known):
            return {name: _item(one) for name, one in known.items()}
    return None


def _item(one: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a List: its body, else its title; its model where it names one."""
    return present(output=content_of(first_of(one, _CAPTIONS), "system"), system=first_of(one, ("model", "system")))


_TAGS: dict[str, _Reader] = {
    "pairwise": _pairwise,
    "rating": _valued("rating"),
    "number": _valued("number"),
    "choices": _valued("choices"),
    "taxonomy": _valued("taxonomy"),
    "textarea": _valued("text"),
    "ranker": _ranker,
    "labels": _spans("labels"),
    "hypertextlabels": _spans("hypertextlabels"),
    "paragraphlabels": _spans("paragraphlabels"),
}

LABEL_STUDIO = Format(
    "label-studio",
    "tasks exported from Label Studio as JSON (labelstud.io/guide/task_format)",
    _matches,
    partial(judgements, layout=Layout()),
)
