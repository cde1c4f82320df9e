"""Lessons as tokens of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from heedful.core import InputError, Item, Parts, UsageError
from heedful.models.chat import Template
from heedful.models.local_folder import LoadedModel, Numbers, Spans
from heedful.models.texts import joined
from heedful.training.addresses import focus
from heedful.training.examples import Example
from heedful.training.forms import Lesson


@dataclass(eq=False)
class Encoder:
    """Lessons as examples, or why one cannot be read by the model; `addressed` where they say what tokens are meant."""

    loaded: LoadedModel
    template: Template | None
    longest: int | None
    cut: bool
    addressed: bool = False

    def examples(self, lessons: Sequence[Lesson]) -> Iterator[tuple[Example, bool] | str]:
        """Of each lesson its example, and whether the prompt was cut."""
        items = tuple(dict.fromkeys(item for lesson in lessons for item in lesson.items))
        prompts: dict[Parts, Any] = {own: self._prompt(own) for own in dict.fromkeys(item.context for item in items)}
        answers = self._answers([item for item in items if not isinstance(prompts[item.context], str)], prompts)
        for lesson in lessons:
            prompt = prompts[lesson.items[0].context]
            found = [answers.get(item, "") for item in lesson.items]
            unread = [own for own in (prompt, *found) if isinstance(own, str)]
            told = unread[0] if unread else self._focused(lesson, found)
            yield told if isinstance(told, str) else self._example(told, prompt, [numbers for numbers, _ in found])

    def _prompt(self, context: Parts) -> tuple[str, Numbers] | str:
        try:
            return self.loaded.prompt(context, self.template)
        except InputError as error:
            return f"its context cannot be read: {error.what}"

    def _answers(self, items: Sequence[Item], prompts: Mapping[Parts, Any]) -> dict[Item, Any]:
        """Tokens of each output with its end, and their characters, all at once; one by one where some output has
        none; or why there are none."""
        both = [prompts[item.context] for item in items], [joined(item.output) for item in items]
        try:
            found: list[Any] = list(self.loaded.located(*both))
        except InputError:
            found = [self._answer(*own) for own in zip(*both, strict=True)]
        return {item: _ended(own, self.loaded.ends[0]) for item, own in zip(items, found, strict=True)}

    def _answer(self, prompt: tuple[str, Numbers], text: str) -> tuple[Numbers, Spans] | str | None:
        try:
            return self.loaded.located([prompt], [text])[0]
        except InputError as error:
            return f"an output cannot be read: {error.what}"

    def _focused(self, lesson: Lesson, found: Sequence[tuple[Numbers, Spans]]) -> Lesson | str:
        """A lesson that says which tokens are meant, where that is asked for."""
        if not self.addressed:
            return lesson
        try:
            told = [focus(part, spans) for (_, part), (_, spans) in zip(lesson.parts, found, strict=True)]
        except UsageError:
            return "its address holds no token of the output"
        return replace(lesson, said={**lesson.said, "focus": told})

    def _example(
        self, lesson: Lesson, prompt: tuple[str, Numbers], answers: Sequence[Numbers]
    ) -> tuple[Example, bool] | str:
        outputs = tuple(np.array(own, dtype=np.intp) for own in answers)
        room = math.inf if self.longest is None else self.longest - max(map(len, outputs))
        over = len(prompt[1]) > room
        if over and (not self.cut or room < 1):
            return f"longer than {self.longest} tokens"
        kept = prompt[1][-int(room) :] if over else prompt[1]
        return Example(kept, outputs, {**lesson.said, "weight": lesson.weight}), over


def _ended(found: tuple[Numbers, Spans] | str | None, end: int) -> tuple[Numbers, Spans] | str:
    if found is None:
        return "an output has a character without a token, or an end in it"
    return found if isinstance(found, str) else ((*found[0], end), found[1])
