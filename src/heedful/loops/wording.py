"""Items as readable texts."""

from __future__ import annotations

from heedful.core import Item, encode_parts, render


def texts_of(item: Item) -> dict[str, str | None]:
    """Context and output of an item as readable texts; None where they are not known."""
    return {
        "context": render(encode_parts(item.context, "world")) if item.context else None,
        "output": render(encode_parts(item.output, "system")) if item.output or not item.system else None,
    }
