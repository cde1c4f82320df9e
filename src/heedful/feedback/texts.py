"""Texts kept apart from the judgements: a file of prompts and outputs, joined to comparisons that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heedful.core import InputError
from heedful.feedback.formats.arena import OUTPUT_NAMES, side_columns
from heedful.feedback.formats.base import name_of

Key = tuple[str | None, ...]
Fields = Mapping[str, Any]
_Find = Callable[[Fields], Fields | None]

_MODEL_NAMES = ("model", "system", "generator")
_TEXT_NAMES = (*OUTPUT_NAMES, "text")


@dataclass
class Texts:
    """Rows of texts, found by the columns they share with the rows of judgements.

    A row of texts is either about a pair (it names both systems as the judgements do) or about one output (it has a
    column "model", and the text in a column such as "output" or "result"); then the systems named by the judgement are
    looked up one by one, together with the other columns shared, "id" left aside, which numbers each file's own rows.
    Rows that share a key but differ are not used: `ambiguous` counts the keys. `unmatched` counts rows without texts.
    """

    rows: Sequence[Fields]
    where: str
    unmatched: int = 0
    ambiguous: int = 0
    _find: _Find | None = field(default=None, repr=False)

    def added_to(self, row: Fields) -> Fields:
        """`row` with the texts found for it; its own cells stand first."""
        if self._find is None:
            self._find = self._finder(row)
        found = self._find(row)
        if found is None:
            self.unmatched += 1
            return row
        return {**found, **row}

    def _finder(self, row: Fields) -> _Find:
        columns = self.rows[0].keys() if self.rows else ()
        model = next((name for name in _MODEL_NAMES if name in columns), None)
        text = next((name for name in _TEXT_NAMES if name in columns), None)
        sides = side_columns(row)
        if model and text and sides and not set(sides) & set(columns):
            return self._by_output(row, model, text, sides)
        return self._by_pair(row)

    def _shared(self, row: Fields, *aside: str) -> list[str]:
        shared = [name for name in row if self.rows and name in self.rows[0] and name not in aside]
        if not shared:
            raise InputError(
                f"the texts share no column with the judgements, which have {', '.join(map(str, row))}",
                where=self.where,
                fix="name the columns that identify a prompt and its systems alike in both",
            )
        return shared

    def _by_pair(self, row: Fields) -> _Find:
        shared = self._shared(row)
        index = self._index(shared, lambda texts: texts)
        return lambda judged: index.get(_key(judged, shared))

    def _by_output(self, row: Fields, model: str, text: str, sides: tuple[str, str]) -> _Find:
        shared = self._shared(row, "id", model)
        index = self._index([*shared, model], lambda texts: {"text": texts[text]})
        names = [f"output_{side.rpartition('_')[2]}" for side in sides]

        def find(judged: Fields) -> Fields | None:
            key = _key(judged, shared)
            found = [index.get((*key, name_of(judged.get(side)))) for side in sides]
            if not all(found):
                return None
            return {name: one["text"] for name, one in zip(names, found, strict=True) if one}

        return find

    def _index(self, shared: Iterable[str], take: Callable[[Fields], Fields]) -> dict[Key, Fields]:
        index: dict[Key, Fields] = {}
        ambiguous: set[Key] = set()
        for texts in self.rows:
            key, taken = _key(texts, shared), take(texts)
            if index.setdefault(key, taken) != taken:
                ambiguous.add(key)
        self.ambiguous += len(ambiguous)
        return {key: taken for key, taken in index.items() if key not in ambiguous}


def _key(row: Fields, columns: Iterable[str]) -> Key:
    return tuple(name_of(row.get(column)) for column in columns)
