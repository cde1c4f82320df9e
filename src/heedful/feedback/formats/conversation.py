"""Conversations as parts: chat messages with tools and media, and where two of them part ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

Turn = dict[str, Any]  # a part as `PartRecord` takes it
Content = str | list[Turn]

_BY_SYSTEM = ("assistant", "gpt", "model", "bot", "ai")
_TEXT_TYPES = ("text", "input_text", "output_text")


def is_messages(value: Any) -> bool:
    """Whether `value` is a list of chat messages: objects with a role (or "from") and a content (or "value")."""
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and all(map(_is_message, value))


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and bool({"role", "from"} & value.keys())


def turns_of(messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Chat messages as parts, one or more per message: texts, media, tool calls and tool results."""
    return [turn for message in messages for turn in _message(message)]


def _message(message: Mapping[str, Any]) -> list[Turn]:
    role = str(message.get("role") or message.get("from"))
    by = "system" if role.lower() in _BY_SYSTEM else "world"
    content = message.get("content", message.get("value"))
    if role in ("tool", "function"):
        return [{"kind": "tool_result", "by": by, "role": role, "text": _tool_result(message, content)}]
    turns = [{**piece, "by": by, "role": role} for piece in _pieces(content)]
    calls = message.get("tool_calls") or ()
    turns += [{"kind": "tool_call", "by": by, "role": role, "text": _as_json(call)} for call in calls]
    # A message without content is still a turn, unless it is there for its tool calls.
    return turns or [{"text": "", "by": by, "role": role}]


def _tool_result(message: Mapping[str, Any], content: Any) -> str:
    """The result with the call it answers, where that is named; else the content alone."""
    named = {name: message[name] for name in ("name", "tool_call_id") if message.get(name)}
    if named or not isinstance(content, str):
        return _as_json({**named, "content": content} if named else content)
    return content


def _pieces(content: Any) -> list[Turn]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if isinstance(content, Sequence):
        return [_piece(piece) for piece in content]
    return [_piece(content)]


def _piece(piece: Any) -> Turn:
    """One typed piece of a message's content. Media are referred to; those embedded are named by their hash."""
    if not isinstance(piece, Mapping):
        return {"text": str(piece)}
    if piece.get("type") in _TEXT_TYPES:
        return {"text": str(piece.get("text") or "")}
    body = piece.get(str(piece.get("type")))
    link = body.get("url") if isinstance(body, Mapping) else body if body is not None else piece.get("url")
    if isinstance(link, str) and not link.startswith("data:"):
        return {"kind": "media", "uri": link}
    if link is None and body is None:
        return {"kind": "media", "text": str(piece.get("text") or "")}
    return {"kind": "media", "sha256": hashlib.sha256(_as_json(link or body).encode()).hexdigest()}


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def context_of(turns: list[Turn]) -> Content | None:
    """Turns before the output; a lone user's text is written plainly, so that it equals the same prompt elsewhere."""
    return _plainly(turns, "user") if turns else None


def output_of(turns: list[Turn]) -> Content:
    """The turns that were judged; a lone assistant's text is written plainly, and none at all is an empty answer."""
    return _plainly(turns, "assistant") if turns else ""


def _plainly(turns: list[Turn], role: str) -> Content:
    only = turns[0]
    if len(turns) == 1 and only.get("role") == role and only.get("kind", "text") == "text":
        return str(only["text"])
    return turns


def split(first: list[Turn], second: list[Turn]) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """The turns that two conversations share at their start, and what each has after them: at least its last turn.

    Where one has all turns of the other, the shared ones end one turn earlier, so that neither output is missing.
    """
    most = max(min(len(first), len(second)) - 1, 0)
    shared = 0
    while shared < most and first[shared] == second[shared]:
        shared += 1
    return first[:shared], first[shared:], second[shared:]
