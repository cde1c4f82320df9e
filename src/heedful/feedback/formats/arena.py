"""Arena tables: two models and a winner per row, texts optional.

The order of display is known where columns `left` and `right` name the models. Raters are persons unless a column
`rater_kind` says otherwise. A prompt known only by its number is a context that refers to it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heedful.feedback.formats.base import (
    Format,
    Framed,
    Judgement,
    Problem,
    Row,
    extra_of,
    missing,
    name_of,
    number_of,
    reference,
)
from heedful.feedback.formats.conversation import Content, context_of, is_messages, output_of, split, turns_of

if TYPE_CHECKING:
    import polars as pl

OUTPUT_NAMES = ("response", "output", "result", "answer", "completion", "conversation")
_SIDES = (("model_a", "model_b"), ("model_x", "model_y"), ("left", "right"))
_WINNER_NAMES = ("winner", "preferred")
_RATER_NAMES = ("worker", "judge", "rater", "annotator", "user")
_KIND_NAMES = ("rater_kind", "judge_kind")
_TEXT_NAMES = ("text", "question", "instruction", "user_prompt")
_REFERENCE_NAMES = ("prompt", "prompt_id", "question_id")
_TIME_NAMES = ("tstamp", "timestamp", "time")
CHOICES = {
    "a": "first", "model_a": "first", "model_x": "first", "left": "first", "1": "first", "1.0": "first",
    "b": "second", "model_b": "second", "model_y": "second", "right": "second", "0": "second", "0.0": "second",
    "tie": "tie", "draw": "tie", "both": "tie", "0.5": "tie",
    "tie (bothbad)": "both_bad", "tie (both bad)": "both_bad", "bothbad": "both_bad", "both_bad": "both_bad",
    "both bad": "both_bad", "neither": "both_bad", "incomparable": "incomparable",
}  # fmt: skip
_MIRRORED = {"first": "second", "second": "first"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST_SECONDS = 1e11  # numbers beyond the year 5138 are taken for milliseconds


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in row), None)


def side_columns(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """The columns that name the two systems judged."""
    return next((sides for sides in _SIDES if sides[0] in row and sides[1] in row), None)


@dataclass(frozen=True)
class Layout:
    """Which column of an arena table holds what."""

    sides: tuple[str, str]
    shown: tuple[str, str] | None  # columns that name the systems in the order of display
    winner: str
    outputs: tuple[str, str] | None
    rater: str | None
    rater_kind: str | None
    text: str | None  # holds the prompt itself
    reference: str | None  # holds the prompt, or only its number
    time: str | None
    criterion: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Layout | None:
        sides, winner = side_columns(row), _first(row, _WINNER_NAMES)
        if sides is None or winner is None:
            return None
        ends = tuple(side.rpartition("_")[2] for side in sides)
        outputs = ((f"{name}_{ends[0]}", f"{name}_{ends[1]}") for name in OUTPUT_NAMES)
        return cls(
            sides=sides,
            shown=("left", "right") if "left" in row and "right" in row else None,
            winner=winner,
            outputs=next((pair for pair in outputs if pair[0] in row and pair[1] in row), None),
            rater=_first(row, _RATER_NAMES),
            rater_kind=_first(row, _KIND_NAMES),
            text=_first(row, _TEXT_NAMES),
            reference=_first(row, _REFERENCE_NAMES),
            time=_first(row, _TIME_NAMES),
            criterion=_first(row, ("criterion",)),
        )

    @property
    def systems(self) -> tuple[str, str]:
        """The columns that name the candidates, in their order."""
        return self.shown or self.sides

    @property
    def used(self) -> set[str]:
        """The columns whose cells the record's own fields hold; a prompt's number only where no text stands for it."""
        held = [self.winner, *(self.outputs or ()), self.rater, self.rater_kind, self.text, self.time, self.criterion]
        held += [*self.systems, None if self.text else self.reference]
        return {name for name in held if name is not None}


def _matches(row: Row) -> bool:
    return Layout.of(row) is not None


def _parse(row: Row) -> Iterator[Judgement]:
    layout = Layout.of(row)
    if layout is None:
        yield Problem("the row names no two systems and a winner (model_a, model_b, winner)")
        return
    sides = [name_of(row[side]) for side in layout.sides]
    if None in sides:
        yield Problem(f"{layout.sides[sides.index(None)]} is empty")
        return
    value = _value(row[layout.winner], sides)
    if isinstance(value, Problem):
        yield value
        return
    yield _judgement(row, layout, sides, value)


def _judgement(row: Row, layout: Layout, sides: list[str | None], value: dict[str, Any]) -> Judgement:
    shared, outputs = _texts(row, layout)
    systems = [name_of(row[name]) for name in layout.systems]
    if None in systems:
        return Problem("left or right is empty")
    # `left` and `right` may name the models as the sides do, or by other names, in the order of the sides.
    if systems == sides[::-1] and systems != sides:
        outputs, value = outputs[::-1], _mirrored(value)
    if systems[0] == systems[1] and outputs[0] == outputs[1]:
        return Problem(f"an item is judged against itself: both sides are {systems[0]!r}")
    rater = name_of(row[layout.rater]) if layout.rater else None
    time = _time(row[layout.time]) if layout.time else None
    if isinstance(time, Problem):
        return time
    kind = row.get(layout.rater_kind or "")
    criterion = row.get(layout.criterion or "")
    return {
        "kind": "comparison",
        "context": _context(row, layout, shared),
        "candidates": [{"system": s, "output": o} for s, o in zip(systems, outputs, strict=True)],
        "order": "shown" if layout.shown else "unknown",
        "value": value,
        "rater": {"id": rater, **({} if missing(kind) else {"kind": kind})} if rater else None,
        "time": time,
        "extra": extra_of(row, layout.used if set(sides) != set(systems) else {*layout.used, *layout.sides}),
        **({} if missing(criterion) else {"criterion": criterion}),
    }


def _value(winner: Any, sides: list[str | None]) -> dict[str, Any] | Problem:
    """The choice between the sides; a number between 0 and 1 is the first side's share."""
    if missing(winner):
        return Problem("no winner is given")
    word = str(winner).strip()
    choice = CHOICES.get(word.lower())
    if choice is None and word in sides and sides[0] != sides[1]:
        choice = "first" if word == sides[0] else "second"
    if choice is not None:
        return {"choice": choice}
    share = number_of(winner)
    if share is None or not 0 <= share <= 1:
        return Problem(f"winner is {word!r}: neither of the two models, nor tie, both_bad, or a number from 0 to 1")
    return {"choice": "first" if share > 0.5 else "second" if share < 0.5 else "tie", "share": share}


def _mirrored(value: dict[str, Any]) -> dict[str, Any]:
    mirrored = {"choice": _MIRRORED.get(value["choice"], value["choice"])}
    return {**mirrored, "share": 1 - value["share"]} if "share" in value else mirrored


def _texts(row: Row, layout: Layout) -> tuple[Content | None, list[Content | None]]:
    """The start that two conversations share, and both outputs."""
    if layout.outputs is None:
        return None, [None, None]
    said = [_said(row[name]) for name in layout.outputs]
    if not all(map(is_messages, said)):
        return None, [one if one is None or isinstance(one, str) else str(one) for one in said]
    shared, first, second = split(turns_of(said[0]), turns_of(said[1]))
    return context_of(shared), [output_of(first), output_of(second)]


def _said(value: Any) -> Any:
    """Messages, also where a text cell holds them as JSON; other values as they are."""
    if isinstance(value, str) and value.startswith("[{"):
        try:
            messages = json.loads(value)
        except ValueError:
            return value
        return messages if is_messages(messages) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _context(row: Row, layout: Layout, shared: Content | None) -> Content | None:
    if shared is not None:
        return shared
    if layout.text and not missing(row[layout.text]):
        return str(row[layout.text])
    named = name_of(row[layout.reference]) if layout.reference else None
    if layout.reference is None or named is None:
        return None
    if layout.reference == "prompt" and isinstance(row["prompt"], str) and not is_numeral(named):
        return named
    return reference(layout.reference, named)


def is_numeral(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _time(value: Any) -> Any:
    """A time in ISO 8601 as it is; a number as seconds (milliseconds where it is very large) since 1970, in UTC."""
    if missing(value):
        return None
    number = number_of(value)
    if number is None:
        return value
    seconds = number if abs(number) < LATEST_SECONDS else number / 1000
    if not abs(seconds) < LATEST_SECONDS:
        return Problem(f"{value!r} is no time")
    return _EPOCH + dt.timedelta(microseconds=round(seconds * 1e6))


def _frame(rows: pl.DataFrame) -> Framed:
    from heedful.feedback.formats.arena_frame import frame

    return frame(rows)


ARENA = Format(
    name="arena",
    about="two models and a winner per row: model_a, model_b, winner (lmsys.org), model_x, model_y (llmfao)",
    matches=_matches,
    parse=_parse,
    frame=_frame,
)
