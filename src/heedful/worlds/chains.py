"""Chains of additions: solutions written in steps, whose every prefix has a known probability to end right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from heedful.core import Floats, InputError, Item, Part, Parts
from heedful.core.items import text_parts
from heedful.models import StepModel
from heedful.worlds.effects import normal_effect
from heedful.worlds.raters import Whole

MODULUS = 10
SLIPS = (0, 1, -1)
WORDS = ("neatly", "roughly")
CHAIN_FEATURES = ("look", "looks", "worst look", "doubt", "carry", "word", "word before", "words", "left")
_LOOK_STREAM, _PROBLEM_STREAM = 31, 32


@dataclass(frozen=True)
class Solutions:
    """n solutions, finished or not: `problem` [n], `length` [n] in steps, `word` and `value` written [n, steps + 1].

    Column 0 is before the first step: the number to start at, and the word 0. Columns beyond the length hold 0.
    """

    problem: Whole
    length: Whole
    value: Whole
    word: Whole


@dataclass(frozen=True)
class ChainWorld:
    """Problems "start at s and add a₁, ..., a_T", modulo 10. A step writes a word and the sum so far.

    A step is right where it adds correctly to what stands before it, and else one too high or too low, so that later
    steps may cancel what earlier ones did. An outcome is right where the last sum is.

    steps      T, the length of every solution
    problems   number of contexts
    slip       log-odds that a step is wrong, to which `carry` is added where the sum passes 10, and `aftermath` where
               the step before was written roughly
    candour    nats by which the log-odds of writing roughly are greater where a step is wrong than where it is right;
               below 0 the words mislead
    words      whether steps have words: else all are written neatly
    look       how far, in standard deviations, right steps look better than wrong ones. Looks are fixed, one for each
               step that can be written in a problem; they are all that features show of whether a step is right

    Each step is drawn given the one before alone, so P(outcome right | prefix) is exact, by dynamic programming.
    """

    steps: int = 5
    problems: int = 40
    slip: float = -1.4
    carry: float = 0.8
    aftermath: float = 0.0
    candour: float = 0.0
    words: bool = False
    look: float = 1.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.steps <= 9 and self.problems >= 1 and self.look >= 0):
            what = f"{self.steps} steps, {self.problems} problems, looks apart by {self.look}"
            raise InputError(what, where="ChainWorld", fix="steps from 1 to 9, problems from 1, looks 0 or more apart")

    @cached_property
    def operands(self) -> Whole:
        """The start, and what each step adds [problems, steps + 1]: 0 to 9 and 1 to 9."""
        rng = np.random.default_rng([_PROBLEM_STREAM, self.seed])
        start, added = rng.integers(MODULUS, size=self.problems), rng.integers(1, MODULUS, (self.problems, self.steps))
        return np.column_stack([start, added])

    @cached_property
    def contexts(self) -> tuple[Parts, ...]:
        """The text of each problem."""
        texts = (
            f"Problem {number}: start at {row[0]}, add {', '.join(map(str, row[1:]))}, modulo {MODULUS}."
            for number, row in enumerate(self.operands.tolist(), 1)
        )
        return tuple(text_parts(text, "world") for text in texts)

    @cached_property
    def slipping(self) -> Floats:
        """P(step t + 1 is wrong | value and word written before) [problems, steps, 10, words]."""
        value = np.arange(MODULUS)[:, None]
        carries = value + self.operands[:, 1:, None, None] >= MODULUS
        return np.asarray(expit(self.slip + self.carry * carries + self.aftermath * np.arange(self._vocabulary)))

    @cached_property
    def roughly(self) -> Floats:
        """P(a step is written roughly) where it is right, and where it is wrong [2]."""
        return np.asarray(expit(self.candour * np.array([-0.5, 0.5]))) if self.words else np.zeros(2)

    @cached_property
    def values(self) -> Floats:
        """P(outcome right | t steps written, the last of this value and word) [problems, steps + 1, 10, words]."""
        last = self.operands.sum(axis=1) % MODULUS
        value = np.zeros((self.problems, self.steps + 1, MODULUS, self._vocabulary))
        value[np.arange(self.problems), -1, last] = 1.0
        rough = np.stack([1 - self.roughly, self.roughly])[: self._vocabulary]
        for t in range(self.steps - 1, -1, -1):
            ahead = value[:, t + 1] @ rough  # [problems, 10, right or wrong]
            sums = (np.arange(MODULUS) + self.operands[:, t + 1, None]) % MODULUS
            right, high, low = (
                np.take_along_axis(ahead[:, :, int(slip != 0)], (sums + slip) % MODULUS, axis=1)[:, :, None]
                for slip in SLIPS
            )
            wrong = self.slipping[:, t]
            value[:, t] = (1 - wrong) * right + wrong * (high + low) / 2
        return value

    def base(self, system: str | None = None) -> StepModel:
        """The writer of solutions, as an enumerable base that can go on from any prefix."""
        return StepModel(self._following, system)

    def read(self, items: Sequence[Item]) -> Solutions:
        """What is written. Raises InputError for an item of no problem or step of this world."""
        n, size = len(items), self.steps + 1
        problem, length = np.zeros(n, np.int64), np.array([len(item.output) for item in items], np.int64)
        if (length > self.steps).any():
            raise InputError(f"a solution has up to {self.steps} steps, not {length.max()}", where="ChainWorld")
        value, word = np.zeros((n, size), np.int64), np.zeros((n, size), np.int64)
        for row, item in enumerate(items):
            problem[row] = self._number(item.context)
            written = [self._written(part) for part in item.output]
            value[row, 1 : len(written) + 1] = [own[0] for own in written]
            word[row, 1 : len(written) + 1] = [own[1] for own in written]
        value[:, 0] = self.operands[problem, 0]
        return Solutions(problem, length, value, word)

    def value(self, items: Sequence[Item]) -> Floats:
        """P(outcome right | prefix) under the base [n]; of finished solutions, whether it is."""
        told = self.read(items)
        row = np.arange(len(items))
        return np.asarray(
            self.values[told.problem, told.length, told.value[row, told.length], told.word[row, told.length]]
        )

    def right(self, items: Sequence[Item]) -> NDArray[np.bool_]:
        """Which steps are right [n, steps]; False beyond the length."""
        told = self.read(items)
        wrong = (told.value[:, 1:] - told.value[:, :-1] - self.operands[told.problem, 1:]) % MODULUS != 0
        return np.asarray(~wrong & self._there(told))

    def check_finished(self, items: Sequence[Item]) -> None:
        """Raises InputError where a solution has too few steps."""
        short = sum(len(item.output) < self.steps for item in items)
        if short:
            raise InputError(f"{short} of {len(items)} solutions are not finished", where="ChainWorld")

    def first_error(self, items: Sequence[Item]) -> Whole:
        """How many steps come before the first wrong one [n]: all of them where none is wrong."""
        told = self.read(items)
        wrong = ~self.right(items) & self._there(told)
        return np.where(wrong.any(axis=1), wrong.argmax(axis=1), told.length)

    def features(self, items: Sequence[Item]) -> Floats:
        """What can be seen of each prefix [n, 9], in the order of `CHAIN_FEATURES`.

        The look of the last step, the sum and the least of all looks; `doubt` Σ −log P(right | its look) at even odds;
        whether the last step carries; the last word (1 roughly) and the one before, the number of rough ones; steps
        left.
        """
        told, row = self.read(items), np.arange(len(items))
        looks, there = self._looks(told), self._there(told)
        doubt = np.where(there, np.logaddexp(0.0, -self.look * looks), 0.0).sum(axis=1)
        last, before = told.length, np.maximum(told.length - 1, 0)
        carries = told.value[row, before] + self.operands[told.problem, last] >= MODULUS
        columns = [
            np.where(last > 0, looks[row, before], 0.0),
            np.where(there, looks, 0.0).sum(axis=1),
            np.where(last > 0, np.where(there, looks, np.inf).min(axis=1), 0.0),
            doubt,
            carries & (last > 0),
            told.word[row, last],
            told.word[row, before],
            told.word.sum(axis=1),
            self.steps - last,
        ]
        return np.column_stack(columns).astype(np.float64)

    def state(self, items: Sequence[Item]) -> Floats:
        """All that decides a prefix's value, but for its problem's carries, as ones and zeros [n, T · 10 · words].

        One column for each number of steps, sum of the slips so far and last word.
        """
        told, row = self.read(items), np.arange(len(items))
        should = np.cumsum(self.operands, axis=1)[told.problem, told.length]
        off = (told.value[row, told.length] - should) % MODULUS
        cell = (np.maximum(told.length - 1, 0) * MODULUS + off) * self._vocabulary + told.word[row, told.length]
        return np.asarray(cell[:, None] == np.arange(self.steps * MODULUS * self._vocabulary), np.float64)

    def draw(self, n: int, *, rng: np.random.Generator, problems: Sequence[int] | None = None) -> tuple[Item, ...]:
        """`n` solutions of the base to problems dealt out evenly among these numbers (of all), in their order."""
        numbers = np.arange(self.problems) if problems is None else np.asarray(problems)
        base, asked = self.base(), np.bincount(np.arange(n) % len(numbers), minlength=len(numbers))
        pairs = zip(numbers.tolist(), asked.tolist(), strict=True)
        return tuple(item for number, count in pairs for item in base.sample(self.contexts[number], count, rng=rng))

    @property
    def _vocabulary(self) -> int:
        return len(WORDS) if self.words else 1

    def _there(self, told: Solutions) -> NDArray[np.bool_]:
        return np.asarray(np.arange(self.steps) < told.length[:, None])

    def _looks(self, told: Solutions) -> Floats:
        """How each step looks [n, steps]: ±look/2 for right and wrong ones, and noise of standard deviation 1."""
        before, after = told.value[:, :-1], told.value[:, 1:]
        right = (after - before - self.operands[told.problem, 1:]) % MODULUS == 0
        noise = normal_effect(
            self.seed, _LOOK_STREAM, told.problem[:, None], np.arange(self.steps), before, after, told.word[:, 1:]
        )
        return np.where(right, self.look / 2, -self.look / 2) + noise

    def _following(self, context: Parts, steps: Parts) -> tuple[tuple[Part, ...], Sequence[float]]:
        if len(steps) == self.steps:
            return (), ()
        problem = self._number(context)
        value, word = self._written(steps[-1]) if steps else (int(self.operands[problem, 0]), 0)
        key = problem, len(steps), value, word
        if key not in self._laws:
            self._laws[key] = self._law(*key)
        return self._laws[key]

    def _law(self, problem: int, t: int, value: int, word: int) -> tuple[tuple[Part, ...], Sequence[float]]:
        """The steps that may follow, and their probabilities."""
        wrong, added = float(self.slipping[problem, t, value, word]), int(self.operands[problem, t + 1])
        parts, shares = [], []
        for slip in SLIPS:
            rough = float(self.roughly[int(slip != 0)])
            for new, share in enumerate((1 - rough, rough)[: self._vocabulary]):
                result = (value + added + slip) % MODULUS
                parts.append(Part(f"{WORDS[new]}: {value} + {added} = {result}"))
                shares.append((wrong / 2 if slip else 1 - wrong) * share)
        return tuple(parts), tuple(shares)

    @cached_property
    def _laws(self) -> dict[tuple[int, int, int, int], tuple[tuple[Part, ...], Sequence[float]]]:
        return {}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {context[0].text: number for number, context in enumerate(self.contexts)}

    def _number(self, context: Parts) -> int:
        number = self._numbers.get(context[0].text) if len(context) == 1 else None
        if number is None:
            raise InputError("this context is no problem of this world", where="ChainWorld")
        return number

    def _written(self, part: Part) -> tuple[int, int]:
        """The value and word of a step."""
        try:
            return _step_texts()[part.text]
        except KeyError as error:
            raise InputError(f"{part.text!r} is no step of this world", where="ChainWorld") from error


@cache
def _step_texts() -> dict[str, tuple[int, int]]:
    """The value and word of every step that any world can write."""
    return {
        f"{name}: {value} + {added} = {result}": (result, word)
        for word, name in enumerate(WORDS)
        for value in range(MODULUS)
        for added in range(1, MODULUS)
        for result in range(MODULUS)
    }
