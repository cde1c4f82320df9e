"""Which characters of an output a judgement is about, and which of its tokens those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from heedful.core import Floats, Item, Parts
from heedful.feedback.record import Address, Record
from heedful.models.texts import joined
from heedful.training.forms import Lesson, Span
from heedful.training.objectives.addressed import span_values


def marked(record: Record) -> list[Lesson] | str:
    """What marks of steps teach: each that was judged, how good it is, of equal weight; or why they teach nothing.

    Steps are parts of the output. Marks go from 0, wrong, to 1, right.
    """
    marks, item = record.value.steps or [], replace(record.items()[0], system=None)
    if record.address.kind != "whole":
        return f"marks of steps, about a {record.address.kind}"
    if len(marks) != len(item.output):
        return "its marks are not one for each part of its output"
    steps = [(span, mark) for span, mark in zip(_parts(item.output), marks, strict=True) if mark is not None]
    if any(not 0 <= mark <= 1 for _, mark in steps):
        return "its marks of steps are not from 0, wrong, to 1, right"
    if any(start == end for (start, end), _ in steps):
        return _EMPTY
    return [Lesson((item,), {"label": (mark,)}, 1 / len(steps), about=(span,)) for span, mark in steps] or (
        "none of its steps is marked"
    )


def about(lessons: Sequence[Lesson] | str, address: Address) -> Sequence[Lesson] | str:
    """Lessons of the characters alone that an address means in each of their outputs; or why it means none there."""
    if isinstance(lessons, str) or address.kind == "whole":
        return lessons
    found = {item: _meant(address, item) for lesson in lessons for item in lesson.items}
    unplaced = [own for own in found.values() if isinstance(own, str)]
    placed = {item: own for item, own in found.items() if not isinstance(own, str)}
    return unplaced[0] if unplaced else [replace(own, about=tuple(map(placed.get, own.items))) for own in lessons]


def focus(span: Span | None, tokens: Sequence[Span]) -> Floats:
    """1 for each token [t + 1] of an output that shares characters with a span, and 0 for others and the end, which
    holds none; 1 for all where the whole output is meant. Raises UsageError where the span touches no token."""
    if span is None:
        return np.ones(len(tokens) + 1)
    return np.append(span_values([(*span, 1.0)], tokens), 0.0)


_EMPTY = "its address holds no character of the output"


def _meant(address: Address, item: Item) -> Span | str:
    if address.kind == "step":
        parts = _parts(item.output)
        if address.index is None or address.index >= len(parts):
            return "its step is no part of the output"
        start, end = parts[address.index]
    elif address.kind == "span":
        if address.start is None or address.end is None:
            return "its span has no beginning or no end"
        start, end = address.start, address.end
        if end > len(joined(item.output)):
            return "its span goes beyond the output"
    else:
        return f"about a {address.kind}, not the output or a part of it"
    return (start, end) if start < end else _EMPTY


def _parts(output: Parts) -> list[Span]:
    """The characters of each part in the text that all make, joined by blank lines."""
    ends = np.cumsum([len(joined((part,))) + len("\n\n") for part in output]).tolist()
    return [
        (end - len("\n\n") - len(joined((part,))), end - len("\n\n")) for part, end in zip(output, ends, strict=True)
    ]
