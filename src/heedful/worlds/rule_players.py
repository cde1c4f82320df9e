"""Who criticises answers of the rule world in words, and who rewrites its prompts by what was said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Item
from heedful.models.marked import context_text, output_text
from heedful.sampling import KEEP
from heedful.worlds.played import check_shares
from heedful.worlds.rule_world import RuleWorld

_TIMES = re.compile(r"\((\d+) times\)")


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

    With probability `skill` it does what is asked; else, and where nothing is asked that is not done, it makes a random
    edit. Of several prompts it changes one: with probability `finds` that whose head names the step that decides what
    is asked, where one does, and else any.
    """

    world: RuleWorld
    skill: float = 0.9
    finds: float = 0.5

    def __post_init__(self) -> None:
        check_shares("RuleEditor", skill=self.skill, finds=self.finds)

    def __call__(self, prompt: str, critiques: str, rng: np.random.Generator) -> str:
        """A prompt with the rule more that is asked for, or, where its contrary stands in it, without that."""
        standing = self.world.standing(prompt)
        rule = self._asked(critiques, {own: asks for own, asks in self.world.rules.items() if own not in standing}, rng)
        if rule is None or rng.random() >= self.skill:
            return self.mutate(prompt, rng)
        place, wants = self.world.rules[rule]
        contrary = self.world.aspects[place].rule(not wants)
        return without(prompt, contrary) if contrary in standing else added(prompt, rule)

    def among(self, prompts: Sequence[tuple[str, str]], critiques: str, rng: np.random.Generator) -> tuple[int, str]:
        """Of prompts, each behind its head, the place of one, and what it becomes."""
        standing = {rule for _, prompt in prompts for rule in self.world.standing(prompt)}
        rule = self._asked(critiques, {own: asks for own, asks in self.world.rules.items() if own not in standing}, rng)
        place, said = int(rng.integers(len(prompts))), critiques
        if rule is not None:
            number, wants = self.world.rules[rule]
            own = self.world.aspects[number]
            named = [spot for spot, (head, _) in enumerate(prompts) if own.step in head]
            place = named[0] if named and rng.random() < self.finds else place
            said = own.complaint(wants)
        return place, self(prompts[place][1], said, rng)

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
        line = self._asked(critiques, lines, rng)
        if line is None or rng.random() >= self.skill:
            line = list(lines)[rng.integers(len(lines))]
        place, wants = lines[line]
        return answer.replace(self.world.aspects[place].line(not wants), line)

    def _asked(self, critiques: str, options: Mapping[str, tuple[int, bool]], rng: np.random.Generator) -> str | None:
        """What critiques ask for most of options, each an aspect and whether it is wanted done; None where nothing."""
        said = {own: self.world.aspects[place].complaint(wants) for own, (place, wants) in options.items()}
        times = {own: repeated(critiques, words) for own, words in said.items() if words and words in critiques}
        return _one_of([own for own, count in times.items() if count == max(times.values())], rng)


def repeated(said: str, words: str) -> int:
    """On how many lines words stand; a line that holds "(3 times)" counts as so many."""
    lines = (line for line in said.split("\n") if words in line)
    return sum(int(found[1]) if (found := _TIMES.search(line)) else 1 for line in lines)


def added(prompt: str, rule: str) -> str:
    """A prompt with a rule on a line of its own behind it."""
    return f"{prompt.rstrip()}\n{rule}".lstrip()


def without(prompt: str, rule: str) -> str:
    """A prompt without a rule, and without the line that it leaves empty."""
    lines = ((line.replace(rule, "").replace("  ", " ").strip(), line) for line in prompt.split("\n"))
    return "\n".join(left if rule in line else line for left, line in lines if left or rule not in line)


def _one_of(options: list[str], rng: np.random.Generator) -> str | None:
    return options[rng.integers(len(options))] if options else None
