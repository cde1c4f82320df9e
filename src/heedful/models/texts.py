"""The readable texts of items, as encoders see them."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.core import Item, Parts


def joined(parts: Parts) -> str:
    """Parts as one text, joined by blank lines; media appear as their caption or else their URI.

    Lone surrogates, which no text format can hold, become "?".
    """
    text = parts[0].text if len(parts) == 1 and parts[0].text else "\n\n".join(p.text or p.uri or "" for p in parts)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def output_texts(items: Sequence[Item]) -> list[str]:
    """The output of each item."""
    return [joined(item.output) for item in items]


def last_turns(items: Sequence[Item]) -> list[str]:
    """What the world said last in each item's context: its last part by the world, empty where it said nothing."""
    return [joined(next(((part,) for part in reversed(item.context) if part.by == "world"), ())) for item in items]
