"""Chosen and rejected dialogues as one text each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, extra_of
from heedful.feedback.formats.conversation import Turn, context_of, output_of, split

_MARK = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ROLES = {"Human": ("user", "world"), "Assistant": ("assistant", "system")}


def _matches(row: Row) -> bool:
    return "prompt" not in row and all(
        isinstance(text := row.get(name), str) and _MARK.search(text) for name in ("chosen", "rejected")
    )


def turns_of_dialogue(text: str) -> list[Turn]:
    """The turns of "\\n\\nHuman: ...\\n\\nAssistant: ..."; the space after a mark is not part of the turn."""
    preamble, *marked = _MARK.split(text)
    turns: list[Turn] = [{"text": preamble, "by": "world", "role": "system"}] if preamble else []
    for mark, said in zip(marked[::2], marked[1::2], strict=True):
        role, by = _ROLES[mark]
        turns.append({"text": said.removeprefix(" "), "by": by, "role": role})
    return turns


def _parse(row: Row) -> Iterator[Judgement]:
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if not isinstance(chosen, str) or not isinstance(rejected, str):
        yield Problem("chosen and rejected must both be texts")
        return
    if chosen == rejected:
        yield Problem("an item is judged against itself: chosen and rejected are the same dialogue")
        return
    context, preferred, other = split(turns_of_dialogue(chosen), turns_of_dialogue(rejected))
    judgement: dict[str, Any] = {
        "kind": "comparison",
        "context": context_of(context),
        "candidates": [{"output": output_of(preferred)}, {"output": output_of(other)}],
        "value": {"choice": "first"},
        "extra": extra_of(row, ("chosen", "rejected")),
    }
    yield judgement


DIALOGUES = Format(
    name="dialogues",
    about="chosen and rejected dialogues with Human and Assistant turns (github.com/anthropics/hh-rlhf)",
    matches=_matches,
    parse=_parse,
)
