"""Prompts whose worth is known: rules stand in them, a noisy model follows some, and answers show which.

All that is random is independent given the prompts, so the expected worth of a prompt, the probability of a good answer
and the best prompt are exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, Parts, text_parts
from heedful.evidence import Rule
from heedful.models.marked import context_text, output_text
from heedful.worlds.aspects import ASPECTS, LUCK, Aspect, checked_aspects

Prompts = str | Mapping[str, str]
"""One prompt for all, or one for each step."""
_QUESTION = re.compile(r"Question \d+ about (\w+)\.")


@dataclass(frozen=True)
class RuleWorld:
    """A model answers questions of some topics, alike many of each, by a prompt in which rules may stand.

    Each rule that stands in the prompt is followed with probability `follows`, times capacity / n where n rules stand
    in it, more than `capacity`; of a rule and its contrary, one at random. Else an aspect is done by its chance. A rule
    is recognised by its sentence, in any text, and the rest of the text does nothing.

    The share of an answer is the part of the worth at stake in its topic that it gets right, in [0, 1]; a good one gets
    all of it. What a text does not show is not right.
    """

    aspects: tuple[Aspect, ...] = ASPECTS
    topics: tuple[str, ...] = ("history", "science", "travel")
    follows: float = 0.9
    capacity: int = 6

    def __post_init__(self) -> None:
        checked_aspects(self.aspects, "RuleWorld")
        if not 0 <= self.follows <= 1 or self.capacity < 1 or not all(map(str.isidentifier, self.topics)):
            what = f"follows {self.follows}, capacity {self.capacity}, topics {self.topics}"
            raise InputError(what, where="RuleWorld", fix="a probability, a capacity from 1, topics of one word")
        if strange := {topic for own in self.aspects for topic in own.topics} - {*self.topics}:
            raise InputError(f"an aspect matters in {min(strange)!r}, which is no topic", where="RuleWorld")
        if not self.topics or (self.worth == 0).all(axis=1).any():
            raise InputError("there is a topic in which nothing matters", where="RuleWorld", fix="see without_worth")

    @cached_property
    def worth(self) -> Floats:
        """Nats by which an answer is better with each aspect done [topics, aspects]."""
        each = [[own.worth * (not own.topics or topic in own.topics) for own in self.aspects] for topic in self.topics]
        return np.array(each, np.float64)

    @cached_property
    def rules(self) -> Mapping[str, tuple[int, bool]]:
        """The number of its aspect, and whether it wants that done, for each rule."""
        each = ((own.rule(wants), (place, wants)) for place, own in enumerate(self.aspects) for wants in (True, False))
        return {rule: asks for rule, asks in each if rule}

    def valued(self, worth: Sequence[float]) -> Self:
        """This world, with other worths of its aspects."""
        own = zip(self.aspects, worth, strict=True)
        return replace(self, aspects=tuple(replace(aspect, worth=float(nats)) for aspect, nats in own))

    def without_worth(self) -> Self:
        """The null world: whatever a prompt says, the share of an answer is 0 or 1 by a fair coin."""
        return replace(self, aspects=(*(replace(own, worth=0.0) for own in self.aspects), LUCK))

    # Texts.

    def question(self, topic: str, number: int) -> str:
        return f"Question {number} about {topic}."

    def contexts(self, n: int, *, rng: np.random.Generator, first: int = 0) -> tuple[Parts, ...]:
        """n questions of random topics, numbered from `first` on."""
        drawn = enumerate(rng.choice(self.topics, n), first)
        return tuple(text_parts(self.question(topic, number), "world") for number, topic in drawn)

    def topic(self, text: str) -> int:
        """The number of the topic of the last question in a text. Raises InputError where there is none."""
        asked = [own for own in _QUESTION.findall(text) if own in self.topics]
        if not asked:
            fix = f"write it as {self.question(self.topics[0], 1)!r}"
            raise InputError(f"no question of this world in {text[:60]!r}", where="RuleWorld", fix=fix)
        return self.topics.index(asked[-1])

    def standing(self, prompt: str) -> tuple[str, ...]:
        """The rules that stand in a text, in their order."""
        return tuple(sorted((rule for rule in self.rules if rule in prompt), key=prompt.index))

    def shown(self, text: str) -> Floats:
        """What a text shows of each aspect [aspects]: 1 done, 0 not done, NaN nothing."""
        return np.array([1.0 if own.done in text else 0.0 if own.undone in text else np.nan for own in self.aspects])

    def answer(self, prompts: Prompts, *, rng: np.random.Generator, step: str | None = None) -> str:
        """What the model writes, a line for each aspect; of one step alone where it is named."""
        done = rng.random(len(self.aspects)) < self.law(prompts)
        lines = zip(self.aspects, done, strict=True)
        return "\n".join(own.line(yes) for own, yes in lines if step in (None, own.step))

    def sample(self, prompts: Prompts, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """n answers to a question."""
        return tuple(Item(context, text_parts(self.answer(prompts, rng=rng), "system")) for _ in range(n))

    # What an answer is worth.

    def right(self, item: Item) -> NDArray[np.bool_]:
        """Whether it shows the better of each aspect, undone where that matters nothing [aspects]."""
        wanted = self.worth[self.topic(context_text(item.context))] > 0
        return np.asarray(self.shown(output_text(item)) == wanted)

    def amiss(self, item: Item) -> NDArray[np.bool_]:
        """Whether each aspect matters, and it shows the worse of it [aspects]."""
        shown = ~np.isnan(self.shown(output_text(item)))
        return np.asarray((self.at_stake(item) > 0) & shown & ~self.right(item))

    def at_stake(self, item: Item) -> Floats:
        """What each aspect is worth in the topic of an item, in nats from 0 up [aspects]."""
        return np.asarray(abs(self.worth[self.topic(context_text(item.context))]))

    def utility(self, item: Item) -> float:
        """Nats: half the worth of each aspect that is right, less half of that of each that is not."""
        return float(self.at_stake(item) @ (self.right(item) - 0.5))

    def share(self, item: Item) -> float:
        """The part of the worth at stake that is right."""
        at_stake = self.at_stake(item)
        return float(at_stake @ self.right(item) / at_stake.sum())

    def is_good(self, item: Item) -> bool:
        """Whether all that matters is right."""
        return bool(self.right(item)[self.at_stake(item) > 0].all())

    def reward(self) -> Rule:
        """The share of an answer."""
        return Rule(self.share, "share of what matters")

    # What a prompt is worth.

    def law(self, prompts: Prompts) -> Floats:
        """P(done) of each aspect [aspects]. Raises InputError where a step has no prompt."""
        if isinstance(prompts, str):
            return self._law(prompts)
        if missing := {own.step for own in self.aspects} - prompts.keys():
            raise InputError(f"there is no prompt for the step {min(missing)!r}", where="RuleWorld.law")
        each = {step: self._law(prompt) for step, prompt in prompts.items()}
        return np.array([each[own.step][place] for place, own in enumerate(self.aspects)])

    def expected(self, prompts: Prompts, topic: str | None = None) -> float:
        """The expected share of an answer, in a topic or over all."""
        at_stake = abs(self.worth)
        each = (at_stake * self._right(prompts)).sum(axis=1) / at_stake.sum(axis=1)
        return float(each.mean() if topic is None else each[self.topics.index(topic)])

    def good(self, prompts: Prompts, topic: str | None = None) -> float:
        """P(an answer is good), in a topic or over all."""
        each = np.where(self.worth != 0, self._right(prompts), 1.0).prod(axis=1)
        return float(each.mean() if topic is None else each[self.topics.index(topic)])

    def best(self, step: str | None = None) -> str:
        """The prompt of the greatest expected share; of one step alone where it is named.

        Where n rules stand in a prompt, all are followed alike, so each adds that times what it moves if followed, and
        the n of different aspects that move most are the best n (a rule with its contrary moves less than the better
        of the two). Of all n the best is taken, the least of equal ones.
        """
        moves = self._moves()
        rules = [rule for rule in self.rules if step in (None, self.aspects[self.rules[rule][0]].step)]
        ordered = [rule for rule in sorted(rules, key=lambda rule: -moves[rule]) if moves[rule] > 0]
        gains = [self._followed(n) * sum(moves[rule] for rule in ordered[:n]) for n in range(len(ordered) + 1)]
        return "\n".join(ordered[: int(np.argmax(gains))])

    def _moves(self) -> dict[str, float]:
        """By how much each rule moves the expected share if it is followed for certain."""
        share = (self.worth / abs(self.worth).sum(axis=1, keepdims=True)).mean(axis=0)
        return {
            rule: float(share[place] * (wants - self.aspects[place].chance))
            for rule, (place, wants) in self.rules.items()
        }

    def _followed(self, n: int) -> float:
        return self.follows * min(1.0, self.capacity / max(n, 1))

    def _law(self, prompt: str) -> Floats:
        standing = self.standing(prompt)
        followed, wanted = self._followed(len(standing)), dict[int, list[bool]]()
        for rule in standing:
            wanted.setdefault(self.rules[rule][0], []).append(self.rules[rule][1])
        law = np.array([own.chance for own in self.aspects])
        for place, wants in wanted.items():
            law[place] += followed * (sum(wants) / len(wants) - law[place])
        return law

    def _right(self, prompts: Prompts) -> Floats:
        """P(right) of each aspect [topics, aspects]."""
        law = self.law(prompts)
        return np.where(self.worth > 0, law, 1 - law)


@dataclass(frozen=True)
class Drift:
    """Worlds in turn, each from its start on: what matters changes at known times, in calls or any other count."""

    worlds: tuple[RuleWorld, ...]
    starts: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = self.starts[:1] == (0,) and bool((np.diff(self.starts) > 0).all())
        if not rising or len(self.starts) != len(self.worlds):
            what = f"{len(self.worlds)} worlds that start at {self.starts}"
            raise InputError(what, where="Drift", fix="a start for each, from 0, rising")

    def at(self, time: float) -> RuleWorld:
        """The world of a time from 0 on."""
        return self.worlds[max(int(np.searchsorted(self.starts, time, side="right")) - 1, 0)]
