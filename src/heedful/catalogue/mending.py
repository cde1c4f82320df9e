"""What miniatures on programs share: programs of five lines, tests, and a critic who names a wrong line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heedful.core import Item, Part, Parts
from heedful.core.items import text_parts
from heedful.evidence import Rule
from heedful.models import StepModel
from heedful.sampling import InWords
from heedful.stats.hashing import unit_hash

LINES, MODULUS, PUBLIC = 5, 11, 3
_OPERATIONS: Mapping[str, Callable[[int], int]] = {
    "x+1": lambda x: x + 1,
    "x+4": lambda x: x + 4,
    "x*2": lambda x: x * 2,
    "x*3": lambda x: x * 3,
    "x*x": lambda x: x * x,
    "-x": lambda x: -x,
}
_PARTS = tuple(Part(operation) for operation in _OPERATIONS)
_BLAME = re.compile(r"line (\d+): (\S+) is wrong")


@dataclass(frozen=True)
class Workshop:
    """Programs that turn x, modulo 11, into what a secret one makes of it. Three inputs are public tests.

    skill   probability with which the writer writes the secret program's line at a place; the other five are as likely
            as each other
    acuity  probability with which the critic, shown a program that fails a public test, names the first line that is
            not the secret program's; else it names any
    """

    problems: int = 30
    skill: float = 0.35
    acuity: float = 0.8
    seed: int = 0

    @cached_property
    def secrets(self) -> dict[Parts, tuple[tuple[str, ...], tuple[int, ...]]]:
        """The lines of the secret program and the public inputs, for each problem."""
        rng = np.random.default_rng([2024, self.seed])
        names = list(_OPERATIONS)
        return {
            text_parts(f"program {number}", "world"): (
                tuple(names[own] for own in rng.integers(len(names), size=LINES)),
                tuple(rng.choice(MODULUS, PUBLIC, replace=False).tolist()),
            )
            for number in range(self.problems)
        }

    @property
    def contexts(self) -> tuple[Parts, ...]:
        return tuple(self.secrets)

    def base(self) -> StepModel:
        return StepModel(lambda context, steps: self.law(context, len(steps), ()))

    def law(self, context: Parts, place: int, blamed: Sequence[str]) -> tuple[tuple[Part, ...], Sequence[float]]:
        """Lines that may follow and their probabilities, but for those `blamed`, unless all are."""
        if place == LINES:
            return (), ()
        right = self.secrets[context][0][place]
        weight = np.array([self.skill if own == right else (1 - self.skill) / 5 for own in _OPERATIONS])
        left = weight * [own not in blamed for own in _OPERATIONS]
        weight = left if left.any() else weight
        return _PARTS, (weight / weight.sum()).tolist()

    def public(self) -> Rule:
        """The share of public tests that a program passes."""
        return Rule(lambda item: self._passed(item, self.secrets[item.context][1]), "public tests")

    def right(self, items: Sequence[Item]) -> float:
        """The share of programs that do what the secret ones do, per cent."""
        return 100 * float(np.mean([self._passed(item, range(MODULUS)) == 1 for item in items]))

    def words(self, items: Sequence[Item]) -> list[str]:
        """What the critic says of whole programs; always the same of the same program."""
        return ["" if self._passed(item, self.secrets[item.context][1]) == 1 else self._blame(item) for item in items]

    def rethinking(self) -> InWords:
        """Where the critic names the last line of a prefix, that line is written anew, and not the same."""
        return InWords(self.words, rethink=self._rewritten)

    def listening(self) -> InWords:
        """A line that the critic named at a place is not written there again after the same lines."""
        return InWords(self.words, continued=self._continued)

    def _passed(self, item: Item, inputs: Sequence[int]) -> float:
        own, secret = [part.text for part in item.output], self.secrets[item.context][0]
        return float(np.mean([_run(own, x) == _run(secret, x) for x in inputs]))

    def _blame(self, item: Item) -> str:
        own, secret = [part.text for part in item.output], self.secrets[item.context][0]
        wrong = next((place for place, pair in enumerate(zip(own, secret, strict=True)) if pair[0] != pair[1]), 0)
        acute, other = unit_hash([item.key.encode(), b"other" + item.key.encode()], self.seed, "critic").tolist()
        place = wrong if acute < self.acuity else int(other * LINES)
        return f"line {place + 1}: {own[place]} is wrong"

    def _rewritten(self, items: Sequence[Item], words: Sequence[str], rng: np.random.Generator) -> list[Item]:
        found = []
        for item, told in zip(items, words, strict=True):
            place = len(item.output) - 1
            if item.output[place].text in _blamed(told, place):
                item = self._with_line(Item(item.context, item.output[:-1]), _blamed(told, place), rng)
            found.append(item)
        return found

    def _continued(self, items: Sequence[Item], words: Sequence[str], rng: np.random.Generator) -> list[Item]:
        pairs = zip(items, words, strict=True)
        return [self._with_line(item, _blamed(told, len(item.output)), rng) for item, told in pairs]

    def _with_line(self, item: Item, blamed: Sequence[str], rng: np.random.Generator) -> Item:
        parts, share = self.law(item.context, len(item.output), blamed)
        return Item(item.context, (*item.output, parts[rng.choice(len(parts), p=share)]))


def _run(lines: Sequence[str], x: int) -> int:
    for line in lines:
        x = _OPERATIONS[line](x) % MODULUS
    return x


def _blamed(words: str, place: int) -> list[str]:
    """The lines that were named as wrong at a place."""
    return [operation for line, operation in _BLAME.findall(words) if int(line) == place + 1]
