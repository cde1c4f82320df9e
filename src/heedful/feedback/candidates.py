"""Candidates to choose among: contexts, each with the outputs a system proposes for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from heedful.core import InputError, Item, Part, Parts, decode_parts
from heedful.feedback.record import Candidate, Content, encode_content
from heedful.feedback.source import rows_of

_CONTEXT_KEYS = ("context", "prompt", "question", "instruction")
_OUTPUT_KEYS = ("candidates", "outputs", "responses", "completions")
_CONTEXT_FIX = 'one JSON object a line, such as {"prompt": "a question"}'
_FIX = 'one JSON object a line, such as {"context": "a question", "outputs": ["an answer", "another"]}'


def read_candidates(path: str) -> tuple[tuple[Item, ...], ...]:
    """One tuple of items for each row of `path` (JSON Lines, JSON, CSV or Parquet, also compressed).

    A row names its context (`context`, `prompt`, `question` or `instruction`) and lists its outputs (`candidates`,
    `outputs`, `responses` or `completions`): texts, lists of parts or messages, or {"output": ..., "system": ...}.
    Raises InputError naming the line where a row holds something else.
    """
    found = tuple(_row_items(row, f"{path}, line {line}") for line, row in rows_of(path))
    if not found:
        raise InputError("no candidates in it", where=path, fix=_FIX)
    return found


def read_contexts(path: str) -> tuple[Parts, ...]:
    """The context of each row of `path`, a file as of `read_candidates` whose rows need no outputs.

    Raises InputError naming the line where a row has none.
    """
    found = tuple(row_context(row, f"{path}, line {line}") for line, row in rows_of(path))
    if not found:
        raise InputError("no contexts in it", where=path, fix=_CONTEXT_FIX)
    return found


def row_context(row: Mapping[str, Any], where: str) -> Parts:
    """The context that a row names. Raises InputError where it names none."""
    given = _first(row, _CONTEXT_KEYS)
    if given is None:
        raise InputError("this row has no context", where=where, fix=_CONTEXT_FIX)
    try:
        return _parts(given, "world")
    except (ValidationError, InputError) as error:
        raise InputError(f"this context cannot be read ({error})", where=where, fix=_CONTEXT_FIX) from error


def _row_items(row: Mapping[str, Any], where: str) -> tuple[Item, ...]:
    outputs = _first(row, _OUTPUT_KEYS)
    if not isinstance(outputs, Sequence) or isinstance(outputs, str) or not outputs:
        raise InputError("this row lists no outputs", where=where, fix=_FIX)
    try:
        context = _parts(_first(row, _CONTEXT_KEYS), "world")
        return tuple(_items(outputs, context))
    except (ValidationError, InputError) as error:
        raise InputError(f"this row cannot be read as candidates ({error})", where=where, fix=_FIX) from error


def _items(outputs: Sequence[Any], context: Parts) -> Iterator[Item]:
    for output in outputs:
        if isinstance(output, Mapping) and ("output" in output or "system" in output):
            candidate = Candidate.model_validate(output)
            encoded = encode_content(candidate.output, "system") or ""
            yield Item(context, decode_parts(encoded, "system"), candidate.system)
        else:
            yield Item(context, _parts(output, "system"))


def _parts(content: Any, by: Any) -> Parts:
    if isinstance(content, list) and all(isinstance(message, Mapping) and "content" in message for message in content):
        return tuple(_message(message) for message in content)
    checked: Content | None = TypeAdapter(Content | None).validate_python(content)
    return decode_parts(encode_content(checked, by) or "", by)


def _message(message: Mapping[str, Any]) -> Part:
    role = str(message.get("role", "user"))
    return Part(str(message["content"]), by="system" if role == "assistant" else "world", role=role)


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)
