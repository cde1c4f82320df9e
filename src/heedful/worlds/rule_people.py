"""People who judge answers of the rule world: thumbs, choices and comments, as records; and what they would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from scipy.special import expit

from heedful.core import Floats, InputError, Item, Parts, encode_parts
from heedful.feedback import Address, Candidate, Rater, Record, Table, Value
from heedful.models.marked import context_text, output_text
from heedful.worlds.collect import Questions
from heedful.worlds.raters import Shown
from heedful.worlds.rule_players import RuleCritic, scope
from heedful.worlds.rule_world import Prompts, RuleWorld

_DECIMALS = 9  # of utilities that are told apart
_MOST_SHOWN = 100  # answers to be shown for each comment wanted, before there is nothing to say


@dataclass(frozen=True)
class RulePeople:
    """Answers of systems to random questions, as `collect` shows them to simulated raters: `prompts` by system.

    Utilities are the world's, so that a thumb is up with probability σ(utility / temperature), and the first of two
    is chosen with probability σ(difference / temperature). Raters may disagree on what each aspect is worth.
    """

    world: RuleWorld
    prompts: Mapping[str, Prompts]

    def draw(self, n: int, size: int, *, rng: np.random.Generator) -> Questions:
        """n random questions, with answers of `size` different systems each."""
        return self.show(self._drawn(n, size, rng), rng=rng)

    def show(self, questions: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Questions:
        """These questions."""
        shape, flat = (len(questions), -1), [item for question in questions for item in question]
        done = np.array([np.nan_to_num(self.world.shown(output_text(item)), nan=0.5) - 0.5 for item in flat])
        traits = np.broadcast_to(np.arange(done.shape[1]), done.shape)
        numbers = {context: place for place, context in enumerate(dict.fromkeys(item.context for item in flat))}
        shown = Shown(
            np.array([self.world.utility(item) for item in flat]).reshape(shape),
            traits.reshape(len(questions), -1, done.shape[1]),
            done.reshape(len(questions), -1, done.shape[1]),
            np.log([max(len(output_text(item)), 1) / self._length for item in flat]).reshape(shape),
            np.array([numbers[question[0].context] for question in questions]),
        )
        outputs, systems = (
            tuple(pl.Series(column, dtype=pl.String) for column in zip(*rows, strict=True))
            for rows in (
                [[encode_parts(item.output, "system") for item in question] for question in questions],
                [[item.system for item in question] for question in questions],
            )
        )
        contexts = pl.Series([encode_parts(question[0].context, "world") for question in questions], dtype=pl.String)
        return Questions(shown, contexts, outputs, systems)

    def thumbs_up(self, system: str, *, temperature: float = 1.0) -> float:
        """P(a thumb is up) over random questions, answers and raters without faults."""
        laws = [self._utilities(system, topic) for topic in range(len(self.world.topics))]
        return float(np.mean([law @ expit(values / temperature) for values, law in laws]))

    def wins(self, first: str, second: str, *, temperature: float = 1.0) -> float:
        """P(an answer of the first system is preferred) over the same."""
        each = []
        for topic in range(len(self.world.topics)):
            (one, p), (other, q) = self._utilities(first, topic), self._utilities(second, topic)
            each.append(p @ expit((one[:, None] - other) / temperature) @ q)
        return float(np.mean(each))

    def comments(self, n: int, critic: RuleCritic, *, rng: np.random.Generator, name: str = "comment") -> Table:
        """n comments of raters who say what the critic says; who has nothing to say says nothing.

        Raises InputError where 100 · n answers give too little to say.
        """
        found: list[Record] = []
        for number in range(_MOST_SHOWN * n):
            if len(found) == n:
                break
            ((item,),) = self._drawn(1, 1, rng, number)
            if text := critic(item, rng):
                found.append(self._comment(item, text, f"{name}-{len(found)}"))
        if len(found) < n:
            what = f"{len(found)} of {n} comments, on {_MOST_SHOWN * n} answers"
            raise InputError(what, where="RulePeople.comments", fix="a critic who sees more, or fewer comments")
        return Table.of(found)

    def _comment(self, item: Item, text: str, name: str) -> Record:
        topic = scope(self.world.topics[self.world.topic(context_text(item.context))])
        return Record(
            id=name,
            kind="critique",
            context=context_text(item.context),
            candidates=[Candidate(output=output_text(item), system=item.system)],
            address=Address(kind="scope", name=topic) if text.startswith(topic) else Address(),
            value=Value(text=text),
            rater=Rater(id=f"rater-{name}", kind="simulated"),
        )

    def _drawn(self, n: int, size: int, rng: np.random.Generator, first: int = 0) -> list[tuple[Item, ...]]:
        names = tuple(self.prompts)
        if size > len(names):
            raise InputError(f"{size} different systems out of {len(names)}", where="RulePeople")
        contexts = self.world.contexts(n, rng=rng, first=first)
        drawn = [[names[place] for place in rng.permutation(len(names))[:size]] for _ in contexts]
        return [
            tuple(self._answer(name, context, rng) for name in own)
            for own, context in zip(drawn, contexts, strict=True)
        ]

    def _answer(self, system: str, context: Parts, rng: np.random.Generator) -> Item:
        return replace(self.world.sample(self.prompts[system], context, 1, rng=rng)[0], system=system)

    def _utilities(self, system: str, topic: int) -> tuple[Floats, Floats]:
        """The different utilities of a system's answers in a topic, rising, and the probability of each."""
        values, law = np.zeros(1), np.ones(1)
        for worth, done in zip(self.world.worth[topic], self.world.law(self.prompts[system]), strict=True):
            both = np.concatenate([values + worth / 2, values - worth / 2]).round(_DECIMALS)
            values, place = np.unique(both, return_inverse=True)
            law = np.bincount(place, np.concatenate([law * done, law * (1 - done)])).astype(np.float64)
        return values, law

    @cached_property
    def _length(self) -> float:
        """The characters of an answer in which as much is done as not."""
        return float(sum(len(own.done) + len(own.undone) + 2 for own in self.world.aspects) / 2)
