"""Reading the fields of foreign rows: dialogues and other content, lists, dotted paths, spellings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from heedful.feedback.formats.base import extra_of, missing, number_of
from heedful.feedback.formats.conversation import Content, context_of, output_of, turns_of

_ROLES = {"human": "user", "ai": "assistant", "humanmessage": "user", "aimessage": "assistant"}
_ROLES |= {"systemmessage": "system", "toolmessage": "tool"}
_WRAPS = ("messages", "generations")
_TYPES = ("human", "ai", "system", "tool")  # what LangChain calls the roles


def first_of(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of these fields that holds something, or None."""
    return next((row[name] for name in names if not missing(row.get(name))), None)


def at(row: Any, path: str) -> Any:
    """The value at a dotted path ("user.id", "answers.0"), or None. Keys may hold dots; JSON texts are opened."""
    if isinstance(row, str):
        row = unjson(row)
    if isinstance(row, Mapping):
        if path in row:
            return row[path]
        for head in _heads(path):
            if head in row and (found := at(row[head], path[len(head) + 1 :])) is not None:
                return found
        return None
    if isinstance(row, Sequence) and not isinstance(row, str):
        head, _, tail = path.partition(".")
        inside = row[int(head)] if head.isdigit() and int(head) < len(row) else None
        return at(inside, tail) if tail else inside
    return None


def _heads(path: str) -> list[str]:
    """Every beginning of a dotted path, longest first."""
    steps = path.split(".")
    return [".".join(steps[:n]) for n in range(len(steps) - 1, 0, -1)]


def unjson(value: Any) -> Any:
    """A JSON list or object written as text, opened; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def listing(value: Any) -> list[Any] | None:
    """A list, also one written as JSON text; None where the value is no list."""
    value = unjson(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else None


def whole(value: Any) -> int | None:
    """A whole number, also one written as text or as 2.0; None where the value is none."""
    found = None if isinstance(value, bool) else number_of(value)
    return int(found) if found is not None and found.is_integer() else None


def spelled(value: Any) -> str:
    """How a value is spelled as the key of a table: true, false, 1, 0.5, or the text itself, stripped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def present(**fields: Any) -> dict[str, Any]:
    """The named fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def content_of(value: Any, by: str) -> Content | None:
    """Any value as the content of a record: a text, or a list of parts where it is a dialogue.

    Chat messages ({"role", "content"}, also as LangChain and LangSmith write them) become parts; `by` says which side a
    lone plain text stands on. Anything else that is no text is kept as JSON. A text is never opened: an output may well
    be JSON (see `opened`).
    """
    if value is None or isinstance(value, str):
        return value
    dialogue = _messages(value)
    if dialogue is not None:
        turns = turns_of(dialogue)
        return output_of(turns) if by == "system" else context_of(turns)
    if isinstance(value, Mapping) and len(value) == 1:
        only = next(iter(value.values()))
        return content_of(only, by) if isinstance(only, str | Mapping | list) else json_text(value)
    return json_text(value)


def opened(value: Any) -> Any:
    """A dialogue written as JSON text, opened; anything else as it is."""
    inside = unjson(value)
    return value if isinstance(value, str) and _messages(inside) is None else inside


def beside_messages(value: Any) -> dict[str, Any]:
    """What stands beside the messages of a dialogue: settings, tools, and the like."""
    wrapped = isinstance(value, Mapping) and _messages(value) is not None and _message(value) is None
    return extra_of(value, _WRAPS) if wrapped else {}


def json_text(value: Any) -> str:
    """A value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _messages(value: Any) -> list[Mapping[str, Any]] | None:
    """The messages of a dialogue, however wrapped; None where the value is no dialogue."""
    if isinstance(value, Mapping):
        for name in _WRAPS:
            if isinstance(value.get(name), list):
                return _messages(value[name])
        message = _message(value)
        return None if message is None else [message]
    if not isinstance(value, list) or not value:
        return None
    if len(value) == 1 and isinstance(value[0], list):
        return _messages(value[0])
    found = [_message(item) for item in value]
    return None if any(message is None for message in found) else [message for message in found if message]


def _message(value: Any) -> Mapping[str, Any] | None:
    """One message with "role" and "content", or None."""
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("message"), Mapping):  # one generation of a language model run
        return _message(value["message"])
    if isinstance(value.get("kwargs"), Mapping) and "lc" in value:  # a message as LangChain serialises it
        name = str((value.get("id") or [""])[-1]).lower()
        return _message({"role": _ROLES.get(name.removesuffix("chunk"), name), **value["kwargs"]})
    if "generation_info" in value and isinstance(value.get("text"), str):  # one generation of a plain text model
        return {"role": "assistant", "content": value["text"]}
    role = value.get("role") or (value.get("type") if value.get("type") in _TYPES else None)
    if not isinstance(role, str) or "content" not in value:
        return None
    return {**value, "role": _ROLES.get(role.lower(), role)}
