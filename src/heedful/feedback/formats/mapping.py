"""Mapping files: how any table becomes judgements, or what an export leaves unsaid.

A mapping is a TOML file. With `kind` it describes a table of its own: which columns (dotted paths) hold the context,
the candidates, the answer, the rater and so on. With `format` it adds to one of the exports (argilla, label-studio,
langfuse, langsmith) what these do not hold. docs/formats.md lists the keys, with an example of each.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from heedful.core import UsageError
from heedful.feedback.formats import argilla, label_studio, langfuse, langsmith
from heedful.feedback.formats.base import Format, Judgement, Row
from heedful.feedback.formats.columns import MappingFile, Recipe, is_number, parse
from heedful.feedback.formats.exports import Layout
from heedful.feedback.record import CHOICES

_EXPORTS: Mapping[str, tuple[Format, Callable[[Row, Layout], Iterator[Judgement]]]] = {
    "argilla": (argilla.ARGILLA, argilla.judgements),
    "label-studio": (label_studio.LABEL_STUDIO, label_studio.judgements),
    "langfuse": (langfuse.LANGFUSE, langfuse.judgements),
    "langsmith": (langsmith.LANGSMITH, langsmith.judgements),
}
_TABLES = ("targets", "scales", "labels", "ratings", "choices")
_LAYOUT_KEYS = ("format", "context", "candidates", "rater", *_TABLES, "texts", "edits")


def mapped(path: str | os.PathLike[str]) -> Format:
    """The format that a mapping file describes. It matches every row: a mapping is chosen, never detected.

    Raises UsageError naming the key of the file that is wrong.
    """
    file = MappingFile(str(path))
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the mapping file cannot be read ({error.strerror})", where=file.path) from error
    except ValueError as error:
        raise UsageError(f"the mapping file is not TOML ({error})", where=file.path) from error
    if "format" in content:
        return _export(content, file)
    recipes = tuple(Recipe.of(one, file) for one in _each(content, file))
    name = Path(path).name
    return Format(f"mapping {name}", f"a table as {name} maps it", lambda row: True, partial(parse, recipes=recipes))


def _each(content: Mapping[str, Any], file: MappingFile) -> list[Mapping[str, Any]]:
    """What each judgement of a row is made of: the whole file, or each of its [[records]] over what they share."""
    several = content.get("records")
    if several is None:
        return [content]
    if not isinstance(several, list) or not several or not all(isinstance(one, Mapping) for one in several):
        raise file.wrong("records", "a list of tables is needed here", "write each as [[records]]")
    shared = {key: value for key, value in content.items() if key != "records"}
    return [{**shared, **one} for one in several]


def _export(content: Mapping[str, Any], file: MappingFile) -> Format:
    """An export format with the layout that the mapping file gives."""
    file.known("", content, _LAYOUT_KEYS)
    if content["format"] not in _EXPORTS:
        raise file.wrong("format", f"{content['format']!r} takes no mapping", f"use one of {', '.join(_EXPORTS)}")
    tables = {key: file.table(key, content.get(key, {})) for key in _TABLES}
    layout = Layout(
        context=file.texts("context", content.get("context", [])),
        candidates=file.texts("candidates", content.get("candidates", [])),
        rater=file.text("rater", content["rater"]) if "rater" in content else None,
        targets={key: file.text(f"targets.{key}", value) for key, value in tables["targets"].items()},
        scales={key: file.scale(f"scales.{key}", value) for key, value in tables["scales"].items()},
        labels=_answers("labels", tables["labels"], file, lambda value: isinstance(value, bool), "true or false"),
        ratings=_answers("ratings", tables["ratings"], file, is_number, "a number"),
        choices=_answers("choices", tables["choices"], file, lambda value: value in CHOICES, ", ".join(CHOICES)),
        texts=frozenset(file.texts("texts", content.get("texts", []))),
        edits=frozenset(file.texts("edits", content.get("edits", []))),
    )
    export, judgements = _EXPORTS[content["format"]]

    def parsed(row: Row) -> Iterator[Judgement]:
        return judgements(row, layout)

    return replace(export, parse=parsed)


def _answers(
    key: str, tables: Mapping[str, Any], file: MappingFile, fits: Callable[[Any], bool], wanted: str
) -> dict[str, dict[str, Any]]:
    """A table of answers for each question."""
    checked = {}
    for question, raw in tables.items():
        table = file.table(f"{key}.{question}", raw)
        for answer, value in table.items():
            if not fits(value):
                raise file.wrong(f"{key}.{question}.{answer}", f"{value!r} does not fit", f"use {wanted}")
        checked[question] = dict(table)
    return checked
