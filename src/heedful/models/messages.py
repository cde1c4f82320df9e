"""Contexts as chat messages, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from heedful.core import Part, Parts, UsageError

_ROLES = {"world": "user", "system": "assistant"}
_SAME_ROLE = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant", "ai": "assistant"}


def chat_messages(context: Parts) -> tuple[dict[str, Any], ...]:
    """Parts as the messages of the chat protocol.

    A part without a role is by the user or by the assistant, as it is by world or system. Neighbouring texts of one
    role are one message, joined by a blank line, and neighbouring tool calls are called at once. A tool result without
    the id of its call answers the earliest call without a result. Raises UsageError for no parts, for media and arrays
    (which have no place in a text protocol), and for tool calls that are not of the protocol.
    """
    if not context:
        raise UsageError("a chat needs at least one message, and the context is empty", where="chat_messages")
    messages: list[dict[str, Any]] = []
    unanswered: list[str] = []
    for number, part in enumerate(context):
        where = f"part {number + 1} of the context"
        if part.kind == "text":
            _add_text(messages, _role(part), _text(part, where))
        elif part.kind == "tool_call":
            call = _call(part, where)
            unanswered.append(call["id"])
            _add_call(messages, call)
        elif part.kind == "tool_result":
            messages.append(_result(part, unanswered, where))
        else:
            raise UsageError(f"{part.kind} cannot be sent as a chat message", where=where, fix="put it into words")
    return tuple(messages)


def message_parts(messages: Sequence[Mapping[str, Any]]) -> Parts:
    """The inverse of `chat_messages`, for texts."""
    return tuple(_part(message["role"], message["content"]) for message in messages)


def _part(role: str, text: str) -> Part:
    named = None if role in ("user", "assistant") else role
    return Part(text, by="system" if role == "assistant" else "world", role=named)


def _role(part: Part) -> str:
    role = part.role or _ROLES[part.by]
    return _SAME_ROLE.get(role.lower(), role)


def _text(part: Part, where: str) -> str:
    if part.uri is not None and not part.text:
        raise UsageError("a text known only by a reference cannot be sent", where=where, fix="give its text")
    return part.text


def _add_text(messages: list[dict[str, Any]], role: str, text: str) -> None:
    last = messages[-1] if messages else None
    if last is not None and last["role"] == role and "tool_calls" not in last and "tool_call_id" not in last:
        last["content"] += f"\n\n{text}"
    else:
        messages.append({"role": role, "content": text})


def _call(part: Part, where: str) -> dict[str, Any]:
    try:
        call = json.loads(part.text)
        if {"name", "arguments"} <= call["function"].keys() and isinstance(call["id"], str):
            return dict(call)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    example = '{"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}'
    raise UsageError("a tool call that is not of the chat protocol", where=where, fix=f"write it as {example}")


def _add_call(messages: list[dict[str, Any]], call: dict[str, Any]) -> None:
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _result(part: Part, unanswered: list[str], where: str) -> dict[str, Any]:
    """A result names its call in JSON, `{"tool_call_id": ..., "content": ...}`, or is the bare content."""
    try:
        named = json.loads(part.text)
    except ValueError:
        named = None
    if isinstance(named, dict) and {"tool_call_id", "content"} <= named.keys():
        if named["tool_call_id"] in unanswered:
            unanswered.remove(named["tool_call_id"])
        return {"role": "tool", "tool_call_id": named["tool_call_id"], "content": named["content"]}
    if not unanswered:
        raise UsageError("a tool result without a call before it", where=where, fix="name its tool_call_id")
    return {"role": "tool", "tool_call_id": unanswered.pop(0), "content": part.text}
