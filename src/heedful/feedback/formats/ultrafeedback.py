"""Completions rated aspect by aspect, as in UltraFeedback.

Cui et al., "UltraFeedback: Boosting Language Models with Scaled AI Feedback", ICML 2024 (arXiv:2310.01377); the fields
are those of the public data set https://huggingface.co/datasets/openbmb/UltraFeedback: `instruction`, and a list
`completions` of {model, response, annotations: {aspect: {Rating, Rationale}}, overall_score, critique}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, extra_of, missing, number_of
from heedful.feedback.formats.fields import content_of, first_of, listing, present, unjson

_ASPECT_SCALE = (1.0, 5.0)
_OVERALL_SCALE = (1.0, 10.0)
_TEXTS = ("Rationale For Rating", "Rationale")
_READ = ("response", "model", "annotations", "overall_score", "critique")
_RATER = {"id": "gpt-4", "kind": "model"}


def _matches(row: Row) -> bool:
    completions = listing(row.get("completions")) or []
    first = completions[0] if completions else None
    return "instruction" in row and isinstance(first, Mapping) and ("annotations" in first or "overall_score" in first)


def _parse(row: Row) -> Iterator[Judgement]:
    """A rating per completion and aspect on 1 to 5, and one named "overall" on 1 to 10.

    The rationale of a rating is kept as its text. The data set's ratings are by GPT-4; a row may name another `rater`.
    """
    completions = listing(row.get("completions"))
    if completions is None:
        yield Problem("the field completions is not a list")
        return
    shared = {
        "context": content_of(row.get("instruction"), "world"),
        "rater": {"id": str(row["rater"]), "kind": "model"} if not missing(row.get("rater")) else _RATER,
        "extra": extra_of(row, ("instruction", "completions", "models", "rater")),
    }
    for position, completion in enumerate(completions):
        if isinstance(completion, Mapping):
            yield from _completion(completion, position, shared)
        else:
            yield Problem(f"completion {position} is not an object with a response and annotations")


def _completion(completion: Mapping[str, Any], position: int, shared: dict[str, Any]) -> Iterator[Judgement]:
    candidate = present(output=completion.get("response"), system=completion.get("model"))
    extra = {
        **shared["extra"],
        **extra_of(completion, ("response", "model", "annotations", "overall_score", "critique")),
    }
    common = {**shared, "kind": "rating", "candidates": [candidate], "extra": extra}
    annotations = unjson(completion.get("annotations")) or {}
    for aspect, annotation in annotations.items():
        yield from _aspect(aspect, annotation, position, common)
    if not missing(completion.get("overall_score")):
        yield _rating("overall", completion["overall_score"], completion.get("critique"), _OVERALL_SCALE, None, common)
    elif not missing(completion.get("critique")):
        yield {**common, "kind": "critique", "value": {"text": str(completion["critique"])}}
    elif not annotations:
        yield Problem(f"completion {position} has neither annotations nor an overall_score")


def _aspect(aspect: str, annotation: Any, position: int, common: dict[str, Any]) -> Iterator[Judgement]:
    """The ratings of one aspect: one annotation, or a list of them."""
    several = annotation if isinstance(annotation, list) else [annotation]
    for one in several:
        if not isinstance(one, Mapping) or "Rating" not in one:
            yield Problem(f"the annotation {aspect!r} of completion {position} has no Rating")
            continue
        more = extra_of(one, ("Rating", *_TEXTS[:1]) if not missing(one.get(_TEXTS[0])) else ("Rating", *_TEXTS))
        extra = {**common["extra"], "annotation": more} if more else common["extra"]
        yield _rating(aspect, one["Rating"], first_of(one, _TEXTS), _ASPECT_SCALE, 1.0, {**common, "extra": extra})


def _rating(
    criterion: str, raw: Any, text: Any, scale: tuple[float, float], step: float | None, common: dict[str, Any]
) -> Judgement:
    rating = number_of(raw)
    if rating is None:
        return Problem(f"the rating of {criterion!r} is {str(raw)!r}, not a number")
    return {**common, "criterion": criterion, "value": present(rating=rating, scale=list(scale), step=step, text=text)}


ULTRAFEEDBACK = Format(
    "ultrafeedback",
    "completions rated by aspect (instruction, completions[].annotations), as in "
    "huggingface.co/datasets/openbmb/UltraFeedback",
    _matches,
    _parse,
)
