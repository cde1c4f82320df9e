"""From a table of feedback to examples to train on, with an account of every record that is dropped or cut."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedful.core import Item, UsageError
from heedful.core.items import encode_parts
from heedful.feedback import Table
from heedful.feedback.record import Record
from heedful.models.chat import Template
from heedful.models.local_folder import LoadedModel
from heedful.training.addresses import about, marked
from heedful.training.encoding import Encoder
from heedful.training.examples import Example
from heedful.training.forms import GRADES, Form, Lesson, lessons_of, order_of_grades, refused
from heedful.training.head_encoding import HeadEncoder
from heedful.training.heads import LoadedHead


@dataclass(frozen=True, slots=True)
class Lost:
    """A record that was not used, or not whole: which, where it stands, and why."""

    id: str
    source: str | None
    line: int | None
    why: str


@dataclass(frozen=True)
class Data:
    """Examples, the context of each, and what became of the `read` records.

    A record is either `dropped` or some example rests on it; some of what the `partly` used say is in none. `cut`
    are those of which a prompt lost its beginning, and `merged` is how many lessons said something of outputs that
    another had spoken of, and share its example.
    """

    examples: tuple[Example, ...]
    contexts: tuple[str, ...]
    read: int
    merged: int
    dropped: tuple[Lost, ...] = ()
    cut: tuple[Lost, ...] = ()
    partly: tuple[Lost, ...] = ()

    def account(self) -> dict[str, Any]:
        """Numbers as JSON values, the dropped, the cut and the partly used by reason."""
        return {
            "read": self.read,
            "used": self.read - len(self.dropped),
            "dropped": dict(Counter(lost.why for lost in self.dropped).most_common()),
            "cut": dict(Counter(lost.why for lost in self.cut).most_common()),
            "partly": dict(Counter(lost.why for lost in self.partly).most_common()),
            "examples": len(self.examples),
            "merged": self.merged,
            "weight": round(sum(float(example.said["weight"]) for example in self.examples), 6),
            "tokens": sum(example.tokens for example in self.examples),
        }


def data_of(
    table: Table,
    loaded: LoadedModel | LoadedHead,
    form: Form,
    *,
    criterion: str | None = None,
    template: Template | None = None,
    longest: int | None = None,
    cut: bool = False,
    others: bool = False,
    addressed: bool = False,
) -> Data:
    """What the records of a table teach in a form, as tokens of a model, or of a head as it will read them.

    criterion  of which alone records are used; None for all
    longest    tokens of a prompt and one of its outputs together at most, the network's window by default. What has
               more is dropped, or, with `cut`, loses the beginning of its prompt; outputs are never cut
    others     whether each example is given one more output, of another context, of which nothing is said (KTO)
    addressed  whether what is said of a step or of characters is used too: each example then says `focus`, 1 for the
               tokens that it is about (`Addressed`). Steps are parts of an output, and characters are counted in the
               text that its parts make, joined by blank lines

    Lessons on the same outputs become one example. Grades that one rater gave to several outputs of a context are an
    order where one is asked for; raters without a name count as one. Raises UsageError where a head is to read parts.
    """
    if addressed and isinstance(loaded, LoadedHead):
        raise UsageError("a head scores whole outputs, and no parts of them", where="data_of(addressed=...)")
    ledger = _Ledger(table)
    taught = list(_taught(ledger, form, criterion, addressed))
    lessons = _merged(taught)
    windows = [own for own in (longest, loaded.window) if own is not None]
    made_by: Any = HeadEncoder if isinstance(loaded, LoadedHead) else Encoder
    encoder = made_by(loaded, template, min(windows, default=None), cut, addressed)
    examples, contexts = [], []
    for lesson, made in zip(lessons, encoder.examples(lessons), strict=True):
        if isinstance(made, str):
            ledger.lose(lesson.rows, made)
        else:
            ledger.keep(lesson.rows, made[1])
            examples.append(made[0])
            contexts.append(encode_parts(lesson.items[0].context, "world"))
    given = with_others(examples) if others else examples
    return Data(tuple(given), tuple(contexts), len(table), len(taught) - len(lessons), *ledger.closed())


@dataclass(eq=False)
class _Ledger:
    """What became of each record: kept where some example rests on it, lost, in part or whole, for the first reason."""

    table: Table
    why: dict[int, str] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    cut: set[int] = field(default_factory=set)

    def lose(self, rows: Iterable[int], why: str) -> None:
        for row in rows:
            self.why.setdefault(row, why)

    def taught(self, rows: Sequence[int], found: Sequence[Lesson] | str) -> Iterator[Lesson]:
        """The lessons of these records; where there are none, for what reason, they are lost."""
        if isinstance(found, str):
            self.lose(rows, found)
        else:
            yield from (replace(own, rows=tuple(rows)) for own in found)

    def keep(self, rows: Iterable[int], cut: bool) -> None:
        self.kept.update(rows)
        self.cut.update(rows if cut else ())

    def closed(self) -> tuple[tuple[Lost, ...], ...]:
        """Those dropped, those cut and those used in part, in the order of the table."""
        dropped = {row: why for row, why in sorted(self.why.items()) if row not in self.kept}
        partly = {row: why for row, why in sorted(self.why.items()) if row in self.kept}
        cut = dict.fromkeys(sorted(self.cut), "its prompt lost its beginning")
        return self._lost(dropped), self._lost(cut), self._lost(partly)

    def _lost(self, found: Mapping[int, str]) -> tuple[Lost, ...]:
        ids, sources, lines = (self.table.column(name) for name in ("id", "source", "line"))
        return tuple(Lost(ids[row], sources[row], lines[row], why) for row, why in found.items())


def _taught(ledger: _Ledger, form: Form, criterion: str | None, addressed: bool) -> Iterator[Lesson]:
    """What each record teaches; those that teach nothing are lost."""
    graded: dict[Any, dict[Item, tuple[int, Record]]] = defaultdict(dict)
    for row, record in enumerate(ledger.table.records()):
        why = refused(record, criterion, addressed)
        if why is not None:
            ledger.lose([row], why)
        elif record.kind in GRADES and form in ("paired", "ordered"):  # which is for all grades of a rater to tell
            rater = None if record.rater is None else record.rater.id
            item = replace(record.items()[0], system=None)
            said = graded[item.context, record.criterion, rater, record.kind, record.address]
            if item in said:
                ledger.lose([row], "its rater had graded this output before")
            said.setdefault(item, (row, record))
        elif addressed and record.kind == "steps" and form == "called":
            yield from ledger.taught([row], marked(record))
        else:
            yield from ledger.taught([row], about(lessons_of(record, form), record.address))
    for said in graded.values():
        rows, records = zip(*said.values(), strict=True)
        yield from ledger.taught(rows, about(order_of_grades([*said], records, form), records[0].address))


def _merged(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Lessons on the same outputs, or parts of them, as one: of their weight, and what was said averaged by it.

    Two outputs are the same pair in whichever order. Scores of several outputs are an order, which has no average: only
    equal ones are the same.
    """
    found: dict[Any, Lesson] = {}
    for lesson in lessons:
        if "score" in lesson.said:
            key: Any = lesson.parts, lesson.said["score"]
        else:
            key = frozenset(lesson.parts)
        found[key] = _both(found[key], lesson) if key in found else lesson
    return list(found.values())


def _both(one: Lesson, other: Lesson) -> Lesson:
    weight = one.weight + other.weight
    said = dict(one.said)
    if "prefer" in said:
        turned = other.said["prefer"] if one.items == other.items else 1 - other.said["prefer"]
        said["prefer"] = (one.weight * said["prefer"] + other.weight * turned) / weight
    if "label" in said:
        said["label"] = ((one.weight * said["label"][0] + other.weight * other.said["label"][0]) / weight,)
    return replace(one, said=said, weight=weight, rows=(*one.rows, *other.rows))


def with_others(examples: Sequence[Example]) -> list[Example]:
    """Each with one output more, of the next example of another prompt, or without tokens where there is none."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, one in enumerate(examples):
        groups[one.prompt].append(place)
    turned = [*list(groups.values())[1:], *list(groups.values())[:1]]
    found = list(examples)
    for own, other in zip(groups.values(), turned, strict=True):
        for number, place in enumerate(own):
            beside = examples[other[number % len(other)]].outputs[0] if len(groups) > 1 else np.zeros(0, np.intp)
            said = {name: (*value, 0.0) if np.ndim(value) else value for name, value in examples[place].said.items()}
            found[place] = Example(examples[place].prompt, (*examples[place].outputs, beside), said)
    return found
