"""Question files: what people or annotation tools fill in, and `heedful.read` takes back."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from heedful.core import UsageError
from heedful.feedback.asked import Question, sealed
from heedful.feedback.atomic import Replacement
from heedful.feedback.formats.asked import COLUMNS, guarded

_TO_FILL = ("choice", "degree", "comment", "rater")
_SYSTEMS = ("system_a", "system_b")
_SUFFIXES = {".csv": "questions", ".jsonl": "heedful", ".json": "label-studio"}


def write_questions(
    questions: Sequence[Question], path: str | os.PathLike[str], *, to: str | None = None, systems: bool = False
) -> str:
    """Write questions for raters to answer, whole or not at all; returns the format.

    `to` is "questions" (CSV for a spreadsheet, the default for .csv), "heedful" (records that lack an answer, for
    .jsonl), "label-studio" (tasks, for .json) or "argilla" (records, for .json). `systems`: let raters see which
    systems wrote the outputs; they do in any case where the outputs are not known, and in "heedful", whose records
    hold all.
    Raises UsageError where the ending of the name fits no format, or the file exists: it may hold answers.
    """
    place = check_place(path, to)
    name = to or _SUFFIXES[place.suffix.lower()]
    content = _FORMS[name][1](questions, systems)
    with Replacement(path) as replacement:
        replacement.temporary.write_bytes(content)
    return name


def check_place(path: str | os.PathLike[str], to: str | None) -> Path:
    """The path, where `write_questions` would write there; raises UsageError as it does."""
    place = Path(path)
    name = to or _SUFFIXES.get(place.suffix.lower(), "")
    if name not in _FORMS or place.suffix.lower() != _FORMS[name][0]:
        endings = ", ".join(f"{suffix} for {form}" for form, (suffix, _) in _FORMS.items())
        what = f"no question file{f' of form {to!r}' if to else ''} has this ending"
        raise UsageError(what, where=str(path), fix=endings)
    if place.exists():
        raise UsageError("this file is there already and may hold answers", where=str(path), fix="name another file")
    if not place.parent.is_dir():
        raise UsageError("there is no such folder", where=str(place.parent), fix="make the folder first")
    return place


def _csv(questions: Sequence[Question], systems: bool) -> bytes:
    """One row a question. The mark of UTF-8 lets spreadsheets read letters beyond ASCII."""
    rows = [_row(question, systems) for question in questions]
    named = _SYSTEMS if any(_SYSTEMS[0] in row for row in rows) else ()
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ("question", *COLUMNS, *named, *_TO_FILL, "key"), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in rows)
    return codecs.BOM_UTF8 + out.getvalue().encode()


def _row(question: Question, systems: bool) -> dict[str, str]:
    return {
        "question": question.id,
        **dict(zip(COLUMNS, question.shown(), strict=True)),
        **_systems(question, systems),
        "rater": question.rater or "",
        "key": sealed(question.record()),
    }


def _systems(question: Question, asked: bool) -> dict[str, str]:
    """The systems of both outputs, where they are asked for or there is nothing else to compare."""
    if not asked and all(item.output for item in question.items):
        return {}
    return dict(zip(_SYSTEMS, (item.system or "" for item in question.items), strict=True))


def _records(questions: Sequence[Question], systems: bool) -> bytes:
    return "".join(json.dumps(question.record(), ensure_ascii=False) + "\n" for question in questions).encode()


def _tasks(questions: Sequence[Question], systems: bool) -> bytes:
    return _json([{"data": _texts(question, systems) | {"key": sealed(question.record())}} for question in questions])


def _argilla(questions: Sequence[Question], systems: bool) -> bytes:
    rows = [
        {"id": question.id, "fields": _texts(question, systems), "metadata": {"key": sealed(question.record())}}
        for question in questions
    ]
    return _json(rows)


def _texts(question: Question, systems: bool) -> dict[str, str]:
    return {**dict(zip(COLUMNS, question.shown(), strict=True)), **_systems(question, systems)}


def _json(rows: Any) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=1).encode() + b"\n"


_FORMS: Mapping[str, tuple[str, Callable[[Sequence[Question], bool], bytes]]] = {
    "questions": (".csv", _csv),
    "heedful": (".jsonl", _records),
    "label-studio": (".json", _tasks),
    "argilla": (".json", _argilla),
}
