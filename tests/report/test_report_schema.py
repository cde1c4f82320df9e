"""docs/summary.md and the models that read summary.json name the same fields."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from heedful.report.parts import IntervalPart
from heedful.report.summary import Summary

DOCUMENT = Path(__file__).parents[2] / "docs" / "summary.md"


def _inner(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """The model within an annotation, and whether it stands in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, typing.Union, types.UnionType, typing.Annotated):
        for argument in arguments:
            model, in_list = _inner(argument)
            if model is not None:
                return model, in_list or origin is list
    return None, False


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, about in model.model_fields.items():
        path = prefix + (about.alias or name)
        inner, in_list = _inner(about.annotation)
        yield path
        if inner is not None and inner is not IntervalPart:
            yield from fields(inner, f"{path}[]." if in_list else f"{path}.")


def documented() -> set[str]:
    rows = [line.split("|")[1] for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {path for row in rows for path in re.findall(r"`([^`]+)`", row)}


def test_every_field_is_documented_and_every_documented_field_is_read() -> None:
    read = set(fields(Summary))
    assert len(read) > 90
    assert documented() == read
