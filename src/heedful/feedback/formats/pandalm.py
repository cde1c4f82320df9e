"""PandaLM: two responses and several annotators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, extra_of, missing, name_of, text_of

_ANNOTATOR = re.compile(r"annotator\d+")
_CHOICES = {"0": "tie", "1": "first", "2": "second"}
_USED = ("instruction", "input", "response1", "response2")


def _annotators(row: Row) -> list[str]:
    return [name for name in row if _ANNOTATOR.fullmatch(str(name))]


def _matches(row: Row) -> bool:
    return {"response1", "response2"} <= row.keys() and bool(_annotators(row))


def _systems(row: Row) -> list[str | None]:
    """The systems of both responses, where `cmp_key` ("first_second") names exactly two."""
    named = str(row.get("cmp_key") or "").split("_")
    return list(named) if len(named) == 2 and all(named) else [None, None]


def _parse(row: Row) -> Iterator[Judgement]:
    annotators, more = _annotators(row), row.get("input")
    instruction = text_of(row.get("instruction"))
    candidates = [{"output": text_of(row.get(f"response{n}")), "system": s} for n, s in enumerate(_systems(row), 1)]
    shared: dict[str, Any] = {
        "kind": "comparison",
        "context": instruction if missing(more) else f"{instruction}\n\n{more}",
        "candidates": candidates,
        "extra": extra_of(row, (*_USED, *annotators)),
    }
    for annotator in annotators:
        if missing(row[annotator]):
            continue  # this annotator was not asked
        choice = _CHOICES.get(name_of(row[annotator]) or "")
        if choice is None:
            yield Problem(f"{annotator} is {row[annotator]!r}, not 0 (tie), 1 or 2")
        else:
            yield {**shared, "value": {"choice": choice}, "rater": {"id": annotator, "kind": "person"}}


PANDALM = Format(
    name="pandalm",
    about="response1 against response2, judged by annotator1, annotator2, ... (github.com/WeOpenML/PandaLM)",
    matches=_matches,
    parse=_parse,
)
