"""Forms that hold only part of what a record says: TRL's datasets and arena tables.

A projection turns each record into a row, or says why it has no place there. What it drops from the records it keeps is
counted by field.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from heedful.core import Parts, decode_parts, render
from heedful.core.items import Author, plain_text
from heedful.feedback.table import Table

Row = dict[str, Any]
_ROLES: dict[Author, str] = {"world": "user", "system": "assistant"}
_WORDS = {"tie": "a tie", "both_bad": "both bad", "incomparable": "incomparable"}
_REFERENCES = ("prompt", "prompt_id", "question_id")
_WINNERS = {"first": "model_a", "second": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}
_WINNERS |= {"incomparable": "incomparable"}


class View(NamedTuple):
    """What projections see of a row of a table."""

    kind: str
    context: str | None
    outputs: list[str | None]
    systems: list[str | None]
    shown: bool | None
    address: str | None
    criterion: str
    choice: str | None
    label: bool | None
    steps: list[float | None] | None
    rater: str | None
    rater_kind: str | None
    time: Any


class LostError(Exception):
    """A record has no place in the projection, for the reason given."""


@dataclass
class Projection:
    """Rows of a form, one per record that has a place in it: whole outputs judged by records of `kind`.

    `carried` names the columns of the table that the form holds; all others that hold something are counted as
    stripped. `shape` looks at the records of the kind in the first table and settles what all rows of the file need to
    agree on; `row` makes one row or raises LostError.
    """

    name: str
    kind: str
    carried: Collection[str]
    shape: Callable[[Table], Any]
    row: Callable[[View, Any], Row]
    lost: Counter[str] = field(default_factory=Counter)
    stripped: Counter[str] = field(default_factory=Counter)
    _settled: list[Any] = field(default_factory=list)

    def rows(self, table: Table) -> list[Row]:
        """The rows of one more table."""
        if not len(table):
            return []
        if not self._settled:
            self._settled.append(self.shape(table.where(pl.col("kind") == self.kind)))
        made, kept = [], []
        for number, view in enumerate(_views(table)):
            try:
                made.append(self.row(view, self._settled[0]))
                kept.append(number)
            except LostError as reason:
                self.lost[str(reason)] += 1
        self._count_stripped(table.take(kept))
        return made

    def _count_stripped(self, table: Table) -> None:
        aside = {*self.carried, "id", "kind", "source", "line", "systems", "criterion", "scale_high"}
        held = {name: len(table) - table.frame[name].null_count() for name in table.frame.columns if name not in aside}
        if "systems" not in self.carried:
            held["systems"] = int(table.frame["systems"].list.eval(pl.element().is_not_null()).list.any().sum())
        if "criterion" not in self.carried:
            held["criterion"] = int((table.frame["criterion"] != "overall").sum())
        self.stripped.update({name: count for name, count in held.items() if count})


def _views(table: Table) -> Iterator[View]:
    columns = [table.column(name) for name in View._fields]
    return map(View._make, pl.DataFrame(columns).iter_rows())


def _only(view: View, kind: str, place: str) -> None:
    """Raises unless the record is of the kind that the form holds, about whole outputs."""
    if view.kind != kind:
        article = "an" if view.kind[0] in "aeiou" else "a"
        raise LostError(f"{article} {view.kind} has no place in {place}")
    if view.address is not None:
        raise LostError(f"a judgement of a part of an output has no place in {place}")


def _given(outputs: list[str | None], place: str) -> list[str]:
    known = [output for output in outputs if output is not None]
    if len(known) < len(outputs):
        raise LostError(f"an output that is not given has no place in {place}")
    return known


# TRL. https://huggingface.co/docs/trl/dataset_formats


def _is_conversational(table: Table) -> bool:
    """Whether any context is a dialogue with roles."""
    for content in table.column("context").unique(maintain_order=True):
        if content is not None and plain_text(content) is None and _has_roles(content):
            return True
    return False


def _has_roles(content: str) -> bool:
    return any(part.role for part in decode_parts(content, "world"))


def _preference(view: View, conversational: bool) -> Row:
    place = "chosen/rejected"
    _only(view, "comparison", place)
    if view.choice not in ("first", "second"):
        raise LostError(f"{_WORDS[str(view.choice)]} has no place in {place}")
    outputs = _given(view.outputs, place)
    if outputs[0] == outputs[1]:
        raise LostError(f"two equal outputs have no place in {place}")
    chosen, rejected = outputs if view.choice == "first" else outputs[::-1]
    row = {"prompt": _prompt(view, conversational)}
    row |= {"chosen": _said(chosen, "system", conversational), "rejected": _said(rejected, "system", conversational)}
    if conversational and row["chosen"][0] == row["rejected"][0]:
        raise LostError(f"outputs that begin with the same turn have no place in {place}")
    return row


def _unpaired(view: View, conversational: bool) -> Row:
    _only(view, "label", "unpaired preferences")
    return {**_completion_of(view, conversational, "unpaired preferences"), "label": view.label}


def _completion(view: View, conversational: bool) -> Row:
    _only(view, "demonstration", "prompt and completion")
    return _completion_of(view, conversational, "prompt and completion")


def _completion_of(view: View, conversational: bool, place: str) -> Row:
    (output,) = _given(view.outputs, place)
    return {"prompt": _prompt(view, conversational), "completion": _said(output, "system", conversational)}


def _steps(view: View, _: bool) -> Row:
    place = "stepwise supervision"
    _only(view, "steps", place)
    (output,) = _given(view.outputs, place)
    steps = view.steps or []
    if any(step not in (0.0, 1.0) for step in steps):
        raise LostError(f"steps that are not judged true or false have no place in {place}")
    texts = [part.text for part in decode_parts(output, "system") if part.kind == "text"]
    if plain_text(output) is not None or len(texts) != len(steps):
        raise LostError("an output that is not kept in one part per step has no place in stepwise supervision")
    return {"prompt": _prompt(view, False), "completions": texts, "labels": [step == 1.0 for step in steps]}


def _prompt(view: View, conversational: bool) -> Any:
    """The context as a text, or as messages (none where there is no context)."""
    if view.context is None or view.context == "":
        return [] if conversational else ""
    return _said(view.context, "world", conversational)


def _said(content: str, by: Author, conversational: bool) -> Any:
    text = plain_text(content)
    if conversational:
        return [{"role": _ROLES[by], "content": text}] if text is not None else _messages(decode_parts(content, by))
    if text is not None:
        return text
    parts = decode_parts(content, by)
    _check_texts(parts, ("text",))
    if any(part.role for part in parts):
        raise LostError("a dialogue with roles has no place among prompts that are plain texts")
    return render(content)


def _check_texts(parts: Parts, kinds: tuple[str, ...]) -> None:
    for part in parts:
        if part.kind not in kinds:
            raise LostError(f"{part.kind.replace('_', ' ')} has no place in a message of TRL")
        if part.uri is not None and not part.text:
            raise LostError("a text that is known only by a reference has no place in TRL's forms")


def _messages(parts: Parts) -> list[Row]:
    """Parts as chat messages. A part without a role is by the user or by the assistant, as it is by world or system."""
    _check_texts(parts, ("text", "tool_call", "tool_result"))
    return [_message(part.kind, part.role or _ROLES[part.by], part.text) for part in parts]


def _message(kind: str, role: str, text: str) -> Row:
    if kind != "tool_call":
        return {"role": role, "content": text}
    try:
        return {"role": role, "content": "", "tool_calls": [json.loads(text)]}
    except ValueError:
        raise LostError("a tool call that is not JSON has no place in a message of TRL") from None


# Arena tables. https://huggingface.co/datasets/lmarena-ai/arena-human-preference-55k and the like


class _Arena(NamedTuple):
    """What the first table of a file settles: whether it has texts, what names its prompts, whether order is known."""

    texts: bool
    reference: str | None
    shown: bool


def _arena_shape(table: Table) -> _Arena:
    texts = int(table.column("outputs").list.eval(pl.element().is_not_null()).list.any().sum() or 0) > 0
    names = (_reference(content) for content in table.column("context").unique(maintain_order=True))
    found = next((reference for reference in names if reference), None)
    shown = len(table) > 0 and bool(table.column("shown").fill_null(False).all())
    return _Arena(texts, found[0] if found else None, shown)


def _reference(content: str | None) -> tuple[str, str] | None:
    """The name and value of a context known only by its number, such as prompt_id and 8."""
    if content is None or plain_text(content) is not None:
        return None
    parts = decode_parts(content, "world")
    name, _, value = (parts[0].uri or "").partition(":")
    alone = len(parts) == 1 and not parts[0].text
    return (name, value) if alone and name in _REFERENCES and value else None


def _arena(view: View, shape: _Arena) -> Row:
    place = "an arena table"
    _only(view, "comparison", place)
    if not all(system and system.strip() for system in view.systems):
        raise LostError(f"an output whose system is not known has no place in {place}")
    if shape.shown and not view.shown:
        raise LostError(f"an unknown order of display has no place in {place} that states the order")
    a, b = view.systems
    for what, said in (
        ("rater", view.rater),
        ("criterion", view.criterion),
        ("prompt", plain_text(view.context or "")),
    ):
        if said and not said.strip():
            raise LostError(f"a {what} of blanks only has no place in {place}")
    row: Row = {"model_a": a, "model_b": b, "winner": _WINNERS[str(view.choice)], "judge": view.rater}
    row |= {"rater_kind": view.rater_kind, "criterion": view.criterion, "question": _question(view, shape)}
    if shape.reference:
        reference = _reference(view.context)
        row[shape.reference] = reference[1] if reference else None
    if shape.texts:
        first, second = _given(view.outputs, f"{place} with texts")
        row |= {"response_a": _plain(first), "response_b": _plain(second)}
    if shape.shown:
        row |= {"left": a, "right": b}
    return {**row, "tstamp": view.time.isoformat() if view.time else None}


def _question(view: View, shape: _Arena) -> str | None:
    """The prompt's text; None where it is known only by the reference that the table's column holds."""
    reference = _reference(view.context)
    if view.context is None or (reference and reference[0] == shape.reference):
        return None
    return _plain(view.context)


def _plain(content: str) -> str:
    text = plain_text(content)
    if text is None:
        raise LostError("a dialogue or other content in parts has no place in an arena table")
    return text


_TRL = ("context", "outputs")


def projections() -> dict[str, Callable[[], Projection]]:
    """A fresh projection by its name."""
    return {
        "trl-preference": lambda: Projection(
            "trl-preference", "comparison", (*_TRL, "choice"), _is_conversational, _preference
        ),
        "trl-unpaired": lambda: Projection("trl-unpaired", "label", (*_TRL, "label"), _is_conversational, _unpaired),
        "trl-completion": lambda: Projection("trl-completion", "demonstration", _TRL, _is_conversational, _completion),
        "trl-steps": lambda: Projection("trl-steps", "steps", (*_TRL, "steps"), lambda table: False, _steps),
        "arena": lambda: Projection(
            "arena",
            "comparison",
            (*_TRL, "systems", "shown", "choice", "rater", "rater_kind", "time", "criterion"),
            _arena_shape,
            _arena,
        ),
    }
