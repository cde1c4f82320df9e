"""Hard constraints on the form of an output: a regular expression, JSON by a schema."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from heedful.core import InputError, Item, MissingExtraError, Scale, Scores
from heedful.core.algebra import Expressible
from heedful.evidence.potentials import Rule, constraint
from heedful.models.texts import joined, output_texts


@dataclass(frozen=True, slots=True, eq=False)
class Matching(Expressible):
    """0 for outputs whose text matches `pattern` whole, −inf for others; of prefixes, −inf where none to follow can.

    A twist that never errs: what it rules out early would be ruled out at the end, so that particles and guides lose
    nothing by it. Needs the package regex (extra `forms`), whose patterns are those of `re` and more. A pattern with
    lookahead may keep prefixes that cannot be completed, which costs time and no correctness. Characters U+FFFD at the
    end of a prefix may be the first bytes of others, and are left out of it.
    """

    pattern: str
    scale: Scale = "log_prob"
    under: str | None = None
    kind: Literal["twist"] = "twist"
    _match: Callable[..., Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises InputError for a pattern that is none, MissingExtraError without the package."""
        regex = _package("regex")
        try:
            compiled = regex.compile(self.pattern)
        except regex.error as error:
            what = f"{self.pattern!r} is no regular expression ({error})"
            raise InputError(what, where="Matching", fix="put a backslash before signs that mean themselves") from error
        object.__setattr__(self, "_match", compiled.fullmatch)

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self._scored(output_texts(items), partial=False)

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self._scored([text.rstrip("\ufffd") for text in output_texts(items)], partial=True)

    def _scored(self, texts: Sequence[str], *, partial: bool) -> Scores:
        found = [self._match(text, partial=partial) is not None for text in texts]
        return Scores(np.where(np.array(found, dtype=bool), 0.0, -np.inf))


def valid_json(schema: Mapping[str, Any] | None = None) -> Rule:
    """0 for outputs that are JSON, and valid by a JSON Schema where one is given, −inf for others.

    Values nested too deeply to be read, about a thousand levels, are ruled out.

    A schema needs the package jsonschema (extra `forms`); references in it are not followed to other places. Raises
    InputError for a schema that is none, MissingExtraError without the package.
    """
    valid: Callable[[Any], bool] = (lambda _: True) if schema is None else _validator(schema)

    def holds(item: Item) -> bool:
        try:
            return bool(valid(json.loads(joined(item.output), parse_constant=_refuse)))
        except (ValueError, RecursionError):
            return False

    return constraint(holds, "JSON" if schema is None else "JSON by a schema")


def _validator(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    jsonschema, referencing = _package("jsonschema"), _package("referencing")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InputError(f"this is no JSON Schema ({error.message})", where="schema") from error
    # A registry of its own: the default one would fetch what a reference names.
    checked = kind(schema, registry=referencing.Registry())
    try:
        checked.is_valid(None)
    except RecursionError as error:
        raise InputError("this JSON Schema leads back to itself", where="schema") from error
    except referencing.exceptions.Unresolvable:
        pass  # said where an output needs it

    def valid(value: Any) -> bool:
        try:
            return bool(checked.is_valid(value))
        except referencing.exceptions.Unresolvable as error:
            fix = "put the definition into the schema itself"
            raise InputError(f"the reference {error.ref!r} leads out of it", where="schema", fix=fix) from error

    return valid


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(constant)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(name, "forms") from error
