"""Exercises for a small language model: sums worked out step by step, and edits of strings, each with its truth."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from heedful.core import InputError, Item, Parts
from heedful.core.items import text_parts
from heedful.models.texts import joined

Kind = Literal["calc", "copy", "reverse", "sort"]
KINDS: tuple[Kind, ...] = ("calc", "copy", "reverse", "sort")
LETTERS = "abcdefgh"
_EDITS: Mapping[str, Callable[[str], str]] = {
    "copy": str,
    "reverse": lambda given: given[::-1],
    "sort": lambda given: "".join(sorted(given)),
}
_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
_SUM = r"[1-9]([-+*][1-9])+"
_LONGEST = 1000
_RESULT = re.compile(rf"-?[0-9]{{1,{_LONGEST}}}")  # beyond some thousands of digits Python refuses to read a number
_HELD_OUT = 10
"""One exercise in so many is never trained on."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A prompt of the form "calc 3+4*2=" or "sort hbca=", with what is right.

    An output's last line is its answer. A sum is worked out one operation a line, products first and then from the
    left: "4*2=8", "3+8=11", and the answer "11". An edit of a string is the answer alone. `given` has 1000 characters
    at most.
    """

    kind: Kind
    given: str

    def __post_init__(self) -> None:
        form = _SUM if self.kind == "calc" else f"[{LETTERS}]+"
        if self.kind not in KINDS or len(self.given) > _LONGEST or not re.fullmatch(form, self.given):
            what = f"{f'{self.kind} {self.given}='[:60]!r} is no exercise"
            raise InputError(what, where="Exercise", fix='write them as "calc 3+4*2=" or "sort hbca="')

    @classmethod
    def read(cls, context: Parts) -> Self:
        """The exercise that a context holds. Raises InputError where it holds none."""
        kind, _, given = joined(context).partition(" ")
        return cls(kind, given[:-1] if given.endswith("=") else "")  # type: ignore[arg-type]

    @property
    def context(self) -> Parts:
        return text_parts(f"{self.kind} {self.given}=", "world")

    @property
    def held_out(self) -> bool:
        """Whether it is never trained on: one in ten, by a hash of its text."""
        digest = hashlib.blake2b(f"{self.kind} {self.given}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % _HELD_OUT == 0

    @property
    def answer(self) -> str:
        """The right one."""
        return self.worked().rsplit("\n", 1)[-1]

    def worked(self, slip: Callable[[str], str] = str) -> str:
        """The right output, or, where `slip` changes results and edited strings, one with slips carried on."""
        if self.kind != "calc":
            return slip(_EDITS[self.kind](self.given))
        terms, lines = _terms(self.given), []
        while len(terms) > 1:
            place, left, sign, right = _next(terms)
            result = slip(str(_OPERATIONS[sign](left, right)))
            lines.append(f"{left}{sign}{right}={result}")
            terms[place - 1 : place + 2] = [int(result)]
        return "\n".join([*lines, str(terms[0])])

    def right(self, output: str) -> bool:
        """Whether the last line is the right answer, whatever leads to it."""
        return output.rsplit("\n", 1)[-1] == self.answer

    def steps(self, output: str) -> tuple[bool, ...]:
        """Whether each line is right, given the lines before it as they stand: an error counts where it is made.

        After a line that is no operation to be done next, none is right but by chance of the same operation; after the
        answer, none is right.
        """
        if self.kind != "calc":
            return tuple(line == self.answer and not place for place, line in enumerate(output.split("\n")))
        terms, marks = _terms(self.given), []
        for line in output.split("\n"):
            if len(terms) < 2:
                marks.append(bool(terms) and line == str(terms.pop()))
                continue
            place, left, sign, right = _next(terms)
            told, _, result = line.partition("=")
            marks.append(line == f"{left}{sign}{right}={_OPERATIONS[sign](left, right)}")
            if told == f"{left}{sign}{right}" and _RESULT.fullmatch(result):
                terms[place - 1 : place + 2] = [int(result)]
        return tuple(marks)


def exercises(n: int, *, seed: int, held_out: bool = True, kinds: tuple[Kind, ...] = KINDS) -> tuple[Exercise, ...]:
    """`n` exercises, of each kind alike often on average: those never trained on, or (held_out False) the others.

    Sums have two to four numbers of one digit and at most one product; strings four to nine letters of eight.
    """
    rng = np.random.default_rng((seed, held_out))
    found: list[Exercise] = []
    while len(found) < n:
        made = _drawn(kinds[rng.integers(len(kinds))], rng)
        if made.held_out == held_out:
            found.append(made)
    return tuple(found)


def right_answer(item: Item) -> bool:
    """Whether an output answers the exercise in its context."""
    return Exercise.read(item.context).right(joined(item.output))


def slips(rng: np.random.Generator, rate: float) -> Callable[[str], str]:
    """A result now and then wrong: of a number, at `rate`, one off by 1, 2 or 10; of letters, each at a quarter of it.

    A letter that slips is doubled, left out, or another.
    """

    def slip(text: str) -> str:
        if text[-1].isdigit():
            off = rng.choice([-10, -2, -1, 1, 2, 10])
            return str(int(text) + int(off)) if rng.random() < rate else text
        kept = (_slipped(letter, rng) if rng.random() < rate / 4 else letter for letter in text)
        return "".join(kept)

    return slip


def _slipped(letter: str, rng: np.random.Generator) -> str:
    return str(rng.choice(["", letter * 2, rng.choice(list(LETTERS))]))


def _drawn(kind: Kind, rng: np.random.Generator) -> Exercise:
    if kind != "calc":
        return Exercise(kind, "".join(rng.choice(list(LETTERS), rng.integers(4, 10))))
    size = int(rng.integers(2, 5))
    digits, signs = rng.integers(1, 10, size), rng.choice(["+", "-"], size)
    signs[-1] = ""
    if rng.random() < 0.5:
        signs[rng.integers(size - 1)] = "*"
    return Exercise(kind, "".join(f"{digit}{sign}" for digit, sign in zip(digits, signs, strict=True)))


def _terms(given: str) -> list[int | str]:
    return [int(letter) if letter.isdigit() else letter for letter in given]


def _next(terms: list[int | str]) -> tuple[int, int, str, int]:
    """The place of the sign to be worked out next, with what stands around it."""
    place = terms.index("*") if "*" in terms else 1
    left, sign, right = terms[place - 1 : place + 2]
    return place, int(left), str(sign), int(right)
