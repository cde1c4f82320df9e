"""What is judged: an output in its context, each a sequence of typed parts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from heedful.core.errors import InputError

PartKind = Literal["text", "tool_call", "tool_result", "media", "array"]
Author = Literal["system", "world"]

# A content that is one plain text is stored as that text (the mark doubled should it begin with it); anything else as
# this mark and JSON.
PARTS_MARK = "\x1e"


@dataclass(frozen=True, slots=True)
class Part:
    """One typed piece of a context or an output.

    `text` holds the characters of a text part, the JSON of a tool call, tool result or array, the caption of a media
    part. `by` says who wrote it: the system under judgement or the world (users, tools, environments).
    `role` is the chat role where there is one. Media are referred to by `uri` and `sha256`, never embedded.
    """

    text: str = ""
    kind: PartKind = "text"
    by: Author = "system"
    role: str | None = None
    uri: str | None = None
    sha256: str | None = None


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An output in its context; `system` names the recurring thing that wrote it (a model, a policy), if known."""

    context: Parts = ()
    output: Parts = ()
    system: str | None = None

    @classmethod
    def of(cls, context: str = "", output: str = "", system: str | None = None) -> Item:
        """The common case: plain texts."""
        return cls(text_parts(context, "world"), text_parts(output, "system"), system)

    @property
    def key(self) -> str:
        """Identity: two items with one key hold the same context, output and system."""
        system = "-" if self.system is None else f"={self.system}"
        written = encode_parts(self.context, "world"), encode_parts(self.output, "system"), system
        payload = "".join(f"{len(text)}:{text}" for text in written)
        return hashlib.blake2b(payload.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def text_parts(text: str, by: Author) -> Parts:
    """`text` as parts: none where it is empty."""
    return (Part(text, by=by),) if text else ()


def encode_text(text: str) -> str:
    """A plain text as encoded content: itself, but for the rare one that begins with the mark of parts."""
    return PARTS_MARK + text if text.startswith(PARTS_MARK) else text


def plain_text(content: str) -> str | None:
    """The inverse of `encode_text`; None where the content is a list of parts."""
    if not content.startswith(PARTS_MARK):
        return content
    return content[1:] if content.startswith(PARTS_MARK, 1) else None


def encode_parts(parts: Parts, by: Author) -> str:
    """Parts as one string: a lone plain text written by `by` as itself, anything else as marked JSON."""
    if not parts:
        return ""
    only = parts[0]
    if len(parts) == 1 and only.text and only == Part(only.text, by=by):
        return encode_text(only.text)
    bare = [{name: value for name in Part.__slots__ if (value := getattr(part, name)) is not None} for part in parts]
    return PARTS_MARK + json.dumps(bare, ensure_ascii=False, separators=(",", ":"))


def decode_parts(content: str, by: Author) -> Parts:
    """The inverse of `encode_parts`, with the same `by`: outputs are by the system, contexts by the world.

    Raises InputError where marked content is not a list of parts.
    """
    text = plain_text(content)
    if text is not None:
        return text_parts(text, by)
    try:
        return tuple(Part(**part) for part in json.loads(content[1:]))
    except (TypeError, ValueError) as error:
        raise InputError(f"content is marked as parts but cannot be read as such ({error})") from error


def render(content: str) -> str:
    """The readable text of encoded content, parts joined by blank lines."""
    text = plain_text(content)
    if text is not None:
        return text
    return "\n\n".join(part.text or part.uri or "" for part in decode_parts(content, "world"))
