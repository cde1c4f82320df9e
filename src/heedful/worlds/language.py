"""A language small enough to list: every output, its probability and its true utility are known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit, log_softmax, logsumexp

from heedful.core import Floats, InputError, Item, Parts, Scores
from heedful.core.algebra import Expressible
from heedful.models.tables import TableModel
from heedful.worlds.collect import Questions
from heedful.worlds.effects import normal_effect
from heedful.worlds.limit import davidson_limit
from heedful.worlds.raters import Shown, Whole

TOPICS = ("sun", "rain", "wind", "snow")
COURTESY = "thanks"
FILLERS = ("really", "very", "indeed")
WORDS = (*TOPICS, COURTESY, *FILLERS)
CRITERIA = ("relevance", "digression", "courtesy", "padding")
WEIGHTS: Mapping[str, float] = {"relevance": 1.5, "digression": -1.0, "courtesy": 0.8, "padding": -0.4}
# How much likelier (nats) the base is to say a filler, or a topic asked about, than another word.
_WORDY, _ON_TOPIC = 0.8, 0.5
_WORD_STREAM = 21
_QUESTIONS = 6


@dataclass(frozen=True)
class LanguageWorld:
    """Questions about two of four topics; answers are 1 to `length` of eight words; people want four things of them.

    weights   true utility in nats per unit of each criterion: `relevance` (topics asked about that are named),
              `digression` (words on other topics), `courtesy` (1 if polite), `padding` (words that say nothing).
              Utility is linear in them.
    systems   named policies to compare: each is the base tilted by exp(Σ strength · criterion) with its strengths
    spread    standard deviation of the base's word-to-word logits; the base also likes fillers
    prompts   number of contexts: prompt c asks question c mod 6, in words of its own

    There are s = 8 + 8² + ... outputs for each context: 584 for length 3. Arrays [6, s] are by question.
    """

    length: int = 3
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    systems: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spread: float = 0.7
    prompts: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        strengths = [self.weights, *self.systems.values()]
        unknown = sorted({name for named in strengths for name in named} - set(CRITERIA))
        if unknown or not 1 <= self.length <= 4 or self.prompts < 1:
            what = f"no criterion {unknown[0]!r}" if unknown else f"length {self.length}, {self.prompts} prompts"
            fix = f"criteria are {', '.join(CRITERIA)}; lengths 1 to 4; prompts from 1"
            raise InputError(what, where="LanguageWorld", fix=fix)

    @cached_property
    def contexts(self) -> tuple[Parts, ...]:
        """Each prompt [c]."""
        return tuple(Item.of(text).context for text in self._prompt_texts)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Every output [s], shorter ones first."""
        lengths = range(1, self.length + 1)
        return tuple(" ".join(words) for size in lengths for words in itertools.product(WORDS, repeat=size))

    @cached_property
    def features(self) -> Floats:
        """Criteria [6, s, 4] of each output to each question, in the order of `CRITERIA`."""
        counts = np.array([[output.split().count(word) for word in WORDS] for output in self.outputs])
        topics, asked = counts[:, : len(TOPICS)], _asked()
        relevance = (topics > 0).astype(np.int64) @ asked.T
        digression = topics @ (1 - asked).T
        same = np.stack([counts[:, len(TOPICS)] > 0, counts[:, len(TOPICS) + 1 :].sum(axis=1)], axis=1)
        own = np.stack([relevance.T, digression.T], axis=2)
        return np.concatenate([own, np.broadcast_to(same, (len(asked), *same.shape))], axis=2).astype(np.float64)

    @cached_property
    def utility(self) -> Floats:
        """True utility in nats [6, s]."""
        return np.asarray(self.features @ _vector(self.weights))

    @cached_property
    def log_prob(self) -> Floats:
        """Log-probability under the base [6, s]: word after word, then an end, which is certain at full length."""
        words = len(WORDS)
        after = self.spread * normal_effect(
            self.seed, _WORD_STREAM, np.arange(words + 1)[:, None], np.arange(words + 1)
        )
        after[:, len(TOPICS) + 1 : words] += _WORDY
        return np.stack([self._sequence_log_prob(after, _ON_TOPIC * topics) for topics in _asked()])

    @cached_property
    def policies(self) -> Floats:
        """Log-probability under each system [m, 6, s], in the order of `systems`."""
        return np.stack([self.tilted(_vector(strengths)) for strengths in self.systems.values()])

    def tilted(self, strengths: Floats) -> Floats:
        """Log-probability [6, s] of base · exp(Σ strength · criterion), normalised; strengths [4] as `CRITERIA`."""
        return np.asarray(log_softmax(self.log_prob + self.features @ strengths, axis=1))

    def target(self, strength: float) -> tuple[Floats, Floats]:
        """The exact target of the true utility: log-probability [6, s] and log-normaliser [6], in nats."""
        weight = self.log_prob + strength * self.utility
        normaliser = logsumexp(weight, axis=1)
        return weight - normaliser[:, None], np.asarray(normaliser)

    def items(self) -> tuple[Item, ...]:
        """The systems as items, in the order of `systems`."""
        return tuple(Item(system=name) for name in self.systems)

    def base(self, system: str | None = None) -> TableModel:
        """The base over every prompt, or the policy of a system, as an enumerable base."""
        law = self.log_prob if system is None else self.policies[self._systems([(Item(system=system),)])[0, 0]]
        outputs = [Item.of("", output).output for output in self.outputs]
        rows = {
            context: (tuple(Item(context, output, system) for output in outputs), law[number % _QUESTIONS])
            for number, context in enumerate(self.contexts)
        }
        return TableModel(rows)

    def best(self, context: Parts) -> Item:
        """An item of greatest true utility; of equals, the likeliest under the base."""
        row = self.question(context)
        top = np.flatnonzero(np.isclose(self.utility[row], self.utility[row].max(), atol=1e-12))
        return Item(context, Item.of("", self.outputs[top[self.log_prob[row, top].argmax()]]).output)

    def question(self, context: Parts) -> int:
        """Which of the 6 questions this context asks: the row of it in arrays [6, s]."""
        return self._prompt(context) % _QUESTIONS

    def truth(self, items: Sequence[Item]) -> Floats:
        """True utility of each item [n], in nats."""
        prompt, column = self._places(items)
        return np.asarray(self.utility[prompt % _QUESTIONS, column])

    def criteria(self, items: Sequence[Item]) -> Floats:
        """Criteria of each item [n, 4]."""
        prompt, column = self._places(items)
        return np.asarray(self.features[prompt % _QUESTIONS, column])

    def win_probability(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(first is preferred | no tie) [n] to an unbiased vote of temperature 1."""
        return np.asarray(expit(self.truth(first) - self.truth(second)))

    def regret(self, items: Sequence[Item]) -> Floats:
        """True utility [n] lost to the best item of the same context, in nats."""
        prompt, column = self._places(items)
        row = prompt % _QUESTIONS
        return np.asarray(self.utility[row].max(axis=1) - self.utility[row, column])

    def potential(self) -> TrueUtility:
        """The true utility as a potential."""
        return TrueUtility(self)

    def system_win_probability(self) -> Floats:
        """P(row's output is preferred to column's) [m, m] over random contexts and outputs, unbiased votes."""
        total = np.zeros((len(self.systems), len(self.systems)))
        asked = np.bincount(np.arange(self.prompts) % _QUESTIONS, minlength=_QUESTIONS)
        for row, utility in enumerate(self.utility):
            levels, level = np.unique(utility.round(12), return_inverse=True)
            mass = np.stack([np.bincount(level, np.exp(policy[row]), len(levels)) for policy in self.policies])
            total += asked[row] * mass @ expit(levels[:, None] - levels) @ mass.T
        return total / self.prompts

    def system_truth(self) -> Floats:
        """The strengths [m] of the systems that a Bradley-Terry fit to endless unbiased votes would find, centred."""
        wins = self.system_win_probability()
        return davidson_limit(np.stack([wins, 1 - wins, np.zeros_like(wins)]))[0]

    def draw(self, n: int, size: int, *, rng: np.random.Generator) -> Questions:
        """Questions on random contexts about outputs of `size` different systems, or of the base, all different."""
        if size > (len(self.systems) or len(self.outputs)):
            raise InputError(f"{size} different candidates", where="LanguageWorld.draw", fix="name more systems")
        if self.systems:
            return self._drawn(np.argsort(rng.random((n, len(self.systems))), axis=1)[:, :size], rng)
        prompt = rng.integers(self.prompts, size=n)
        return self._questions(prompt, self._distinct(prompt % _QUESTIONS, size, rng), None)

    def show(self, questions: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Questions:
        """These questions about outputs of this world, or about systems.

        Each question's items share their context. Items that name a system and no output stand for whatever it writes:
        each such question is asked on a random prompt.
        """
        if not any(item.output for question in questions for item in question):
            return self._drawn(self._systems(questions), rng)
        prompt, column = self._places([item for question in questions for item in question])
        prompt, column = prompt.reshape(len(questions), -1), column.reshape(len(questions), -1)
        if (prompt != prompt[:, :1]).any():
            raise InputError("a question shows outputs of different contexts", where="LanguageWorld.show")
        named = all(item.system in self.systems for question in questions for item in question)
        return self._questions(prompt[:, 0], column, self._systems(questions) if named else None)

    def _systems(self, questions: Sequence[tuple[Item, ...]]) -> Whole:
        """The number of the system of each item [n, k]."""
        number = {name: place for place, name in enumerate(self.systems)}
        unknown = next((item for question in questions for item in question if item.system not in number), None)
        if unknown is not None:
            raise InputError(f"no system {unknown.system!r} in this world", where="LanguageWorld")
        return np.array([[number[item.system or ""] for item in question] for question in questions], dtype=np.int64)

    def _drawn(self, system: Whole, rng: np.random.Generator) -> Questions:
        """Questions on random prompts about what these systems [n, k] write there."""
        prompt = rng.integers(self.prompts, size=len(system))
        law = system * _QUESTIONS + prompt[:, None] % _QUESTIONS
        return self._questions(prompt, self._sample(law, self.policies, rng), system)

    def _questions(self, prompt: Whole, output: Whole, system: Whole | None) -> Questions:
        row = prompt[:, None] % _QUESTIONS
        traits = np.broadcast_to(np.arange(len(CRITERIA)), (*output.shape, len(CRITERIA)))
        shown = Shown(self.utility[row, output], traits, self.features[row, output], self._lengths[output], prompt)
        texts, names = pl.Series(self.outputs), pl.Series(list(self.systems))
        return Questions(
            shown,
            pl.Series(self._prompt_texts)[prompt],
            tuple(texts[column] for column in output.T),
            None if system is None else tuple(names[column] for column in system.T),
        )

    def _sample(self, law: Whole, log_prob: Floats, rng: np.random.Generator) -> Whole:
        """An output for each number of a law in the rows of log_prob [..., s]."""
        edges = np.cumsum(np.exp(log_prob).reshape(-1, len(self.outputs)), axis=1)
        edges /= edges[:, -1:]
        # One sorted line of all rows, row r lying in (r, r + 1].
        line = (edges + np.arange(len(edges))[:, None]).ravel()
        found = np.searchsorted(line, rng.random(law.shape) + law, side="right")
        return np.asarray(np.minimum(found - law * len(self.outputs), len(self.outputs) - 1))

    def _distinct(self, question: Whole, size: int, rng: np.random.Generator) -> Whole:
        """Outputs [n, size] of the base, drawn again until they differ."""
        law = np.repeat(question[:, None], size, axis=1)
        chosen = self._sample(law, self.log_prob, rng)
        while size > 1:
            again = (np.diff(np.sort(chosen, axis=1), axis=1) == 0).any(axis=1)
            if not again.any():
                break
            chosen[again] = self._sample(law[again], self.log_prob, rng)
        return chosen

    def _sequence_log_prob(self, after: Floats, on_topic: Floats) -> Floats:
        """Log-probability of every output, in the order of `outputs`; row -1 of `after` opens, column -1 ends."""
        words = len(WORDS)
        logits = after.copy()
        logits[:, : len(TOPICS)] += on_topic
        first = log_softmax(logits[-1, :words])
        step = log_softmax(logits[:words], axis=1)
        found, last = [], first
        shape: tuple[int, ...] = (words,)
        for size in range(1, self.length + 1):
            tail = last.reshape(shape)
            found.append((tail + step[:, -1] if size < self.length else tail).ravel())
            last, shape = tail[..., None] + step[:, :words], (*shape, words)
        return np.concatenate(found)

    @cached_property
    def _prompt_texts(self) -> tuple[str, ...]:
        asked = list(itertools.combinations(TOPICS, 2))
        days = range(self.prompts)
        return tuple("day {}: tell me of {} and {}".format(day + 1, *asked[day % _QUESTIONS]) for day in days)

    @cached_property
    def _prompt_number(self) -> dict[Parts, int]:
        return {context: number for number, context in enumerate(self.contexts)}

    @cached_property
    def _lengths(self) -> Floats:
        """Log number of words [s], less its mean under the base over all questions."""
        length = np.log([len(output.split()) for output in self.outputs])
        return np.asarray(length - (np.exp(self.log_prob) @ length).mean())

    @cached_property
    def _output_number(self) -> dict[Parts, int]:
        return {Item.of("", output).output: number for number, output in enumerate(self.outputs)}

    def _prompt(self, context: Parts) -> int:
        if context not in self._prompt_number:
            raise InputError("this context is not of this world", where="LanguageWorld", fix="use world.contexts")
        return self._prompt_number[context]

    def _places(self, items: Sequence[Item]) -> tuple[Whole, Whole]:
        """Prompt number [n] and output number [n] of the items."""
        try:
            column = [self._output_number[item.output] for item in items]
        except KeyError as error:
            raise InputError("this output is not of this world", where="LanguageWorld") from error
        prompt = [self._prompt(item.context) for item in items]
        return np.array(prompt, dtype=np.int64), np.array(column, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class TrueUtility(Expressible):
    """The true utility of a world as a potential: what a perfect fit would give."""

    world: LanguageWorld
    scale: Any = "utility"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(self.world.truth(items))


def _asked() -> Whole:
    """Whether each question asks about each topic: zeros and ones [6, 4]."""
    return np.array([[int(topic in pair) for topic in TOPICS] for pair in itertools.combinations(TOPICS, 2)])


def _vector(strengths: Mapping[str, float]) -> Floats:
    return np.array([float(strengths.get(name, 0.0)) for name in CRITERIA])
