"""What a record of feedback says to an objective: outputs of one context, and what is to be learnt of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from heedful.core import Item
from heedful.feedback.record import Record

Form = Literal["wanted", "called", "paired", "ordered"]
"""wanted: an output to imitate. called: one called good or bad. paired: two, of which the first is preferred with a
probability. ordered: several, each with a score of which the greater is the better."""


Span = tuple[int, int]
"""Characters of an output, from one to before another."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Outputs in one context, and fields of `Batch` that were said of them, with the weight of what they were said by.

    `label` of one that was called good or bad, `prefer` of a pair, `score` of those that were ordered; `rows` are the
    records of a table that say so. Where only a part of each output was judged, `about` tells which.
    """

    items: tuple[Item, ...]
    said: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    rows: tuple[int, ...] = ()
    about: tuple[Span | None, ...] = ()

    @property
    def parts(self) -> tuple[tuple[Item, Span | None], ...]:
        """Each output with the part of it that was judged, None for the whole."""
        return tuple(zip(self.items, self.about or (None,) * len(self.items), strict=True))


GRADES = ("rating", "label")


def refused(record: Record, criterion: str | None, addressed: bool = False) -> str | None:
    """Why nothing is learnt from a record in whatever form, by a criterion or any; None where something may be.

    addressed  whether what is said of a part of an output may be learnt
    """
    if criterion is not None and record.criterion != criterion:
        return f"judged by {record.criterion!r}"
    if record.consent is False:
        return "given without consent to its use"
    if record.address.kind != "whole" and not addressed:
        return f"about a {record.address.kind}, not the whole output"
    if any(candidate.output is None for candidate in record.candidates):
        return "its outputs are not known"
    return None


def lessons_of(record: Record, form: Form) -> list[Lesson] | str:
    """What a record teaches in this form, the weights of its parts adding up to 1; or why it teaches nothing.

    A record counts as one however many outputs it holds. What it does not say is not made up: a rating says nothing of
    which output to imitate, and a tie nothing of which is good.
    """
    read = _READERS[form].get(record.kind)
    if read is None:
        return f"a {record.kind} names no {_SAYS[form]}"
    return read(record, [replace(item, system=None) for item in record.items()]) or _NOTHING[form]


_SAYS: Mapping[Form, str] = {
    "wanted": "output to imitate",
    "called": "output good or bad",
    "paired": "output better than another",
    "ordered": "order of outputs",
}
_NOTHING: Mapping[Form, str] = {
    "wanted": "it prefers no output",
    "called": "it calls no output good or bad",
    "paired": "it prefers no output to another",
    "ordered": "it orders no outputs",
}
Read = Callable[[Record, Sequence[Item]], list[Lesson]]


def _shared(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Lessons of one record, of equal weight."""
    return [Lesson(own.items, own.said, 1 / len(lessons)) for own in lessons]


def _wanted(items: Sequence[Item]) -> list[Lesson]:
    return _shared([Lesson((item,)) for item in items])


def _called(labels: Iterator[tuple[Item, float]]) -> list[Lesson]:
    return _shared([Lesson((item,), {"label": (label,)}) for item, label in labels])


def _paired(pairs: Sequence[tuple[Item, Item, float]]) -> list[Lesson]:
    return _shared([Lesson((first, second), {"prefer": prefer}) for first, second, prefer in pairs if first != second])


def _ordered(items: Sequence[Item], scores: Sequence[float]) -> list[Lesson]:
    return [Lesson(tuple(items), {"score": tuple(scores)})] if len(set(scores)) > 1 else []


def _levels(record: Record) -> list[float]:
    """How good each candidate is by the record's own order: the greater the better, equal where it does not tell."""
    value, n = record.value, len(record.candidates)
    if record.kind == "ranking":
        ranks = value.ranks or []
        last = max(rank for rank in ranks if rank is not None) + 1
        return [-float(last if rank is None else rank) for rank in ranks]
    if record.kind == "best_of":
        return [float(place == value.best) - float(place == value.worst) for place in range(n)]
    if record.kind == "edit":
        return [0.0, 1.0]
    return {"first": [1.0, 0.0], "second": [0.0, 1.0]}.get(value.choice or "", [0.0, 0.0])


def _best(record: Record, items: Sequence[Item]) -> list[Lesson]:
    levels = _levels(record)
    most = max(levels)
    best = [item for item, level in zip(items, levels, strict=True) if level == most]
    return _wanted(best) if len(best) < len(items) else []


def order_of_grades(items: Sequence[Item], records: Sequence[Record], form: Form) -> list[Lesson] | str:
    """What grades of several outputs of one context, by one rater, teach where an order is asked for."""
    if len(items) < 2:
        return "the only output of its context that its rater graded"
    levels = [_level(record) for record in records]
    return (_above(items, levels) if form == "paired" else _ordered(items, levels)) or _NOTHING[form]


def _above(items: Sequence[Item], levels: Sequence[float]) -> list[Lesson]:
    """Each output with each that stands below it."""
    both = itertools.permutations(zip(items, levels, strict=True), 2)
    return _paired([(first, second, 1.0) for (first, high), (second, low) in both if high > low])


def _orders(record: Record, items: Sequence[Item]) -> list[Lesson]:
    return _ordered(items, _levels(record))


def _pairs(record: Record, items: Sequence[Item]) -> list[Lesson]:
    return _above(items, _levels(record))


def _compared(record: Record, items: Sequence[Item]) -> list[Lesson]:
    """A tie is half a vote for each; of two that are both bad, or cannot be compared, none is preferred."""
    value = record.value
    first = {"first": 1.0, "second": 0.0, "tie": 0.5}.get(value.choice or "")
    if first is None:
        return []
    return _paired([(items[0], items[1], first if value.share is None else value.share)])


def _split(record: Record, items: Sequence[Item]) -> list[Lesson]:
    """The chosen output is good and the other bad, by the share of votes; both are bad where they were called so."""
    if record.value.choice == "both_bad":
        return _called(zip(items, (0.0, 0.0), strict=True))
    share = record.value.share
    levels = _levels(record) if share is None else [share, 1 - share]
    return _called(zip(items, levels, strict=True)) if levels[0] != levels[1] else []


def _of_best(record: Record, items: Sequence[Item]) -> list[Lesson]:
    """Only the best was called good, and the worst, where one was named, bad."""
    return _called((item, (level + 1) / 2) for item, level in zip(items, _levels(record), strict=True) if level)


def _level(record: Record) -> float:
    """How far up its scale an output was rated, from 0 to 1; 1 or 0 where it was called good or bad."""
    value = record.value
    if value.rating is None or value.scale is None:
        return float(bool(value.label))
    low, high = value.scale
    return (value.rating - low) / (high - low)


def _graded(record: Record, items: Sequence[Item]) -> list[Lesson]:
    return _called(iter([(items[0], _level(record))]))


_READERS: Mapping[Form, Mapping[str, Read]] = {
    "wanted": {
        "demonstration": lambda record, items: _wanted(items),
        "label": lambda record, items: _wanted(items) if record.value.label else [],
        **dict.fromkeys(("comparison", "ranking", "best_of", "edit"), _best),
    },
    "called": {
        "demonstration": lambda record, items: _called(zip(items, (1.0,), strict=True)),
        "label": _graded,
        "rating": _graded,
        "comparison": _split,
        "edit": _split,
        "best_of": _of_best,
    },
    "paired": {"comparison": _compared, **dict.fromkeys(("ranking", "best_of", "edit"), _pairs)},
    "ordered": dict.fromkeys(("comparison", "ranking", "best_of", "edit"), _orders),
}
