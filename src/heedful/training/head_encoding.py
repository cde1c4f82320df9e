"""Lessons as tokens for a head of scores: what `SequenceClassifier` reads of an item once the head is in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from heedful.core import InputError, Item
from heedful.models.classifiers import read_as_classified
from heedful.models.local_folder import Numbers
from heedful.training.encoding import Encoder
from heedful.training.examples import Example
from heedful.training.forms import Lesson


class HeadEncoder(Encoder):
    """Lessons as examples: of the tokens of its outputs, each with its context, those that all begin with are the
    prompt."""

    def examples(self, lessons: Sequence[Lesson]) -> Iterator[tuple[Example, bool] | str]:
        """Of each lesson its example, and whether the prompt was cut."""
        tokens = {item: self._read(item) for item in dict.fromkeys(own for lesson in lessons for own in lesson.items)}
        for lesson in lessons:
            rows = [tokens[item] for item in lesson.items]
            unread = [own for own in rows if isinstance(own, str)]
            yield unread[0] if unread else self._shared(lesson, rows)

    def _read(self, item: Item) -> Numbers | str:
        try:
            made = read_as_classified(self.loaded.tokenizer, item, self.template)["input_ids"]
        except InputError as error:
            return f"an output cannot be read: {error.what}"
        return tuple(made) if len(made) > 1 else "fewer than two tokens"

    def _shared(self, lesson: Lesson, rows: Sequence[Any]) -> tuple[Example, bool] | str:
        n = _alike(rows)
        return self._example(lesson, ("", rows[0][:n]), [own[n:] for own in rows])


def _alike(rows: Sequence[Numbers]) -> int:
    """How many tokens all rows begin with, but the last of the shortest."""
    places = range(min(map(len, rows)) - 1)
    return next((place for place in places if len({own[place] for own in rows}) > 1), len(places))
