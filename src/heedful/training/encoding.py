"""Lessons as tokens of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import InputError, Item, Parts
from heedful.models.chat import Template
from heedful.models.local_folder import LoadedModel, Numbers
from heedful.models.texts import joined
from heedful.training.examples import Example
from heedful.training.forms import Lesson


@dataclass(eq=False)
class Encoder:
    """Lessons as examples, or why one cannot be read by the model."""

    loaded: LoadedModel
    template: Template | None
    longest: int | None
    cut: bool

    def examples(self, lessons: Sequence[Lesson]) -> Iterator[tuple[Example, bool] | str]:
        """Of each lesson its example, and whether the prompt was cut."""
        items = tuple(dict.fromkeys(item for lesson in lessons for item in lesson.items))
        prompts = {own: self._prompt(own) for own in dict.fromkeys(item.context for item in items)}
        answers = self._answers([item for item in items if not isinstance(prompts[item.context], str)], prompts)
        for lesson in lessons:
            yield self._example(
                lesson, prompts[lesson.items[0].context], [answers.get(own, "") for own in lesson.items]
            )

    def _prompt(self, context: Parts) -> tuple[str, Numbers] | str:
        try:
            return self.loaded.prompt(context, self.template)
        except InputError as error:
            return f"its context cannot be read: {error.what}"

    def _answers(self, items: Sequence[Item], prompts: Mapping[Parts, Any]) -> dict[Item, Numbers | str]:
        """Tokens of each output with its end, all at once; one by one where some output has none."""
        both = [prompts[item.context] for item in items], [joined(item.output) for item in items]
        try:
            found: list[Any] = list(self.loaded.answers(*both))
        except InputError:
            found = [self._answer(*own) for own in zip(*both, strict=True)]
        return {item: _ended(own, self.loaded.ends[0]) for item, own in zip(items, found, strict=True)}

    def _answer(self, prompt: tuple[str, Numbers], text: str) -> Numbers | str | None:
        try:
            return self.loaded.answers([prompt], [text])[0]
        except InputError as error:
            return f"an output cannot be read: {error.what}"

    def _example(
        self, lesson: Lesson, prompt: tuple[str, Numbers] | str, answers: Sequence[Numbers | str]
    ) -> tuple[Example, bool] | str:
        unread = [own for own in (prompt, *answers) if isinstance(own, str)]
        if isinstance(prompt, str) or unread:
            return unread[0]
        outputs = tuple(np.array(own, dtype=np.intp) for own in answers)
        room = math.inf if self.longest is None else self.longest - max(map(len, outputs))
        over = len(prompt[1]) > room
        if over and (not self.cut or room < 1):
            return f"longer than {self.longest} tokens"
        kept = prompt[1][-int(room) :] if over else prompt[1]
        return Example(kept, outputs, {**lesson.said, "weight": lesson.weight}), over


def _ended(answer: Numbers | str | None, end: int) -> Numbers | str:
    if answer is None:
        return "an output has a character without a token, or an end in it"
    return answer if isinstance(answer, str) else (*answer, end)
