"""Who criticises answers of the rule world in words, and who rewrites its prompts by what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heedful.core import Item
from heedful.models.marked import context_text, output_text
from heedful.sampling import KEEP
from heedful.worlds.played import check_shares
from heedful.worlds.rule_world import RuleWorld


@dataclass(frozen=True)
class RuleCritic:
    """Says one thing of an answer, or `KEEP`.

    misled  probability that it complains of what is right or matters nothing
    sees    probability that otherwise it names something that is amiss, where anything is
    scoped  probability that it names the topic, too: "In questions about history: It does not name the year."
    """

    world: RuleWorld
    sees: float = 0.8
    misled: float = 0.1
    scoped: float = 0.0

    def __post_init__(self) -> None:
        check_shares("RuleCritic", sees=self.sees, misled=self.misled, scoped=self.scoped)

    def __call__(self, item: Item, rng: np.random.Generator) -> str:
        amiss = self.world.amiss(item)
        named = ~amiss if rng.random() < self.misled else amiss & (rng.random() < self.sees)
        aspects = zip(self.world.aspects, self.world.shown(output_text(item)), named, strict=True)
        words = _one_of([said for own, done, may in aspects if may and (said := own.complaint(done != 1))], rng)
        if words is None:
            return KEEP
        topic = self.world.topics[self.world.topic(context_text(item.context))]
        return f"{scope(topic)}: {words}" if rng.random() < self.scoped else words


def scope(topic: str) -> str:
    """How a critic names a topic."""
    return f"In questions about {topic}"


@dataclass(frozen=True)
class RuleEditor:
    """Changes one thing in a text: what critiques ask for most, of equal ones any.

    With probability `skill` it does what is asked; where nothing is asked that is not done, the text stays as it is.
    Else it makes a random edit.
    """

    world: RuleWorld
    skill: float = 0.9

    def __post_init__(self) -> None:
        check_shares("RuleEditor", skill=self.skill)

    def __call__(self, prompt: str, critiques: str, rng: np.random.Generator) -> str:
        """A prompt with the rule more that is asked for, or, where its contrary stands in it, without that."""
        if rng.random() >= self.skill:
            return self.mutate(prompt, rng)
        standing = self.world.standing(prompt)
        rule = self._asked(critiques, {own: asks for own, asks in self.world.rules.items() if own not in standing}, rng)
        if rule is None:
            return prompt
        place, wants = self.world.rules[rule]
        contrary = self.world.aspects[place].rule(not wants)
        return without(prompt, contrary) if contrary in standing else added(prompt, rule)

    def mutate(self, prompt: str, rng: np.random.Generator) -> str:
        """A prompt with a random rule more, or, where it stands in it, less."""
        rule = list(self.world.rules)[rng.integers(len(self.world.rules))]
        return without(prompt, rule) if rule in prompt else added(prompt, rule)

    def revise(self, answer: str, critiques: str, rng: np.random.Generator) -> str:
        """An answer in which one aspect that it shows is turned round."""
        shown = enumerate(self.world.shown(answer))
        lines = {
            self.world.aspects[place].line(not done): (place, not done) for place, done in shown if not np.isnan(done)
        }
        line = self._asked(critiques, lines, rng) if rng.random() < self.skill else _one_of(list(lines), rng)
        if line is None:
            return answer
        place, wants = lines[line]
        return answer.replace(self.world.aspects[place].line(not wants), line)

    def _asked(self, critiques: str, options: Mapping[str, tuple[int, bool]], rng: np.random.Generator) -> str | None:
        """What critiques ask for most of options, each an aspect and whether it is wanted done; None where nothing."""
        said = {own: self.world.aspects[place].complaint(wants) for own, (place, wants) in options.items()}
        times = {own: critiques.count(words) for own, words in said.items() if words and words in critiques}
        return _one_of([own for own, count in times.items() if count == max(times.values())], rng)


def added(prompt: str, rule: str) -> str:
    """A prompt with a rule on a line of its own behind it."""
    return f"{prompt.rstrip()}\n{rule}".lstrip()


def without(prompt: str, rule: str) -> str:
    """A prompt without a rule, and without the line that it leaves empty."""
    lines = ((line.replace(rule, "").replace("  ", " ").strip(), line) for line in prompt.split("\n"))
    return "\n".join(left if rule in line else line for left, line in lines if left or rule not in line)


def _one_of(options: list[str], rng: np.random.Generator) -> str | None:
    return options[rng.integers(len(options))] if options else None
