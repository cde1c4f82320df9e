"""Chats without labels, read by what users said next."""

from __future__ import annotations

from collections.abc import Iterator

from heedful.feedback.formats.base import Format, Judgement, Row, name_of
from heedful.feedback.reactions import labelled


def _parse(row: Row) -> Iterator[Judgement]:
    for judgement in labelled([row])[0]:
        yield judgement if name_of(row.get("id")) else {key: own for key, own in judgement.items() if key != "id"}


# Read by rules that err, so never without being asked for by name.
CHATS = Format(
    name="chats",
    about="chats with messages, labelled by what users said next, as rules read it (docs/formats.md); never detected",
    matches=lambda row: False,
    parse=_parse,
)
