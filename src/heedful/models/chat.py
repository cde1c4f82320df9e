"""Contexts as the texts that a tokenizer's chat template makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from heedful.core import InputError, Part, Parts
from heedful.models.messages import chat_messages
from heedful.models.texts import joined

Template = Literal["chat", "plain"]


def is_chat(tokenizer: Any, template: Template | None) -> bool:
    """Whether contexts go through the chat template: as asked, or where there is one."""
    return template == "chat" or (template is None and tokenizer.chat_template is not None)


def refuse_other_than_text(parts: Parts, where: str) -> None:
    """Raises InputError where a part is no text."""
    kind = next((part.kind for part in parts if part.kind != "text"), None)
    if kind is not None:
        raise InputError(f"a part of the kind {kind!r} cannot be read", where=where, fix="give parts of text alone")


def rendered(tokenizer: Any, parts: Sequence[Part], where: str, *, answered: bool = False) -> str:
    """Parts as turns in the tokenizer's chat template, up to where the assistant speaks, or with its answer last.

    The turns are those of `chat_messages`. Raises InputError where there is no template, or where it refuses the turns.
    """
    messages = chat_messages(tuple(parts)) if parts else ()
    turns = [{**message, "content": joined((Part(message["content"]),))} for message in messages]
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=not answered))
    except Exception as error:  # templates are programs of the folder's author, and raise what they like
        what = f"the chat template cannot be filled ({type(error).__name__}: {error})"
        raise InputError(what, where=where, fix="use template='plain'") from error
