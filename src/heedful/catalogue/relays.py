"""Small programs in a row, each of which turns what the one before gave, with who criticises and rewrites them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from heedful.core import Item
from heedful.models.marked import context_text
from heedful.rewriting import Program, Splits, Text, stage, trace
from heedful.worlds.played import Asked, played, to_rewrite
from heedful.worlds.served import Answering
from heedful.worlds.string_programs import OPERATIONS, run

LENGTHS = (4, 5, 6, 7)
_WANTED = re.compile(r"should be '([a-z]+)'")
_MADE = re.compile(r"From '([a-z]+)' (\w+) should make '([a-z]+)'\.")
_NAME = re.compile(r"the text '?(\w+)'?")
_STEP = re.compile(r"program: (.*)\ntext: ([a-z]+)\n")
_SAID = "What was said of the end:"


@dataclass(frozen=True, eq=False)
class Relay:
    """Three small programs in a row, each of which turns the letters that the one before gave; the second is another
    for texts of even and of odd length. Secret ones say what is right.

    sees   probability of seeing rightly what a program should have been given, to make of it what it should; else any
           order of the letters is said
    skill  probability that the editor puts in the place of a program what serves best what was said; else, and where it
           cannot tell, any token by any
    """

    secrets: Mapping[str, str]
    sees: float = 0.9
    skill: float = 0.9

    @classmethod
    def drawn(cls, rng: np.random.Generator, tokens: int = 2, **own: float) -> Relay:
        names = "first", "even", "odd", "last"
        return cls({name: " ".join(rng.choice(list(OPERATIONS), tokens)) for name in names}, **own)

    def start(self, rng: np.random.Generator) -> dict[str, str]:
        """Programs in which half of the tokens are any."""

        def begun(program: str) -> str:
            return " ".join(_any(rng) if rng.random() < 0.5 else own for own in program.split())

        return {name: begun(program) for name, program in self.secrets.items()}

    def wanted(self, text: str) -> str:
        """What is right for a text."""
        for name in ("first", _middle(text), "last"):
            text = run(self.secrets[name], text)
        return text

    def share(self, item: Item) -> float:
        """The share of letters that stand where they should."""
        return alike(item.output[0].text, self.wanted(context_text(item.context)))

    def expected(self, programs: Mapping[str, str]) -> float:
        """The mean share, over the lengths of texts: exact, since a program does the same with any letters."""
        other, texts = Relay(programs), [ascii_lowercase[:size] for size in LENGTHS]
        return float(np.mean([alike(other.wanted(text), self.wanted(text)) for text in texts]))

    def says(self, item: Item) -> str | None:
        """What is right, of an output that is not."""
        wanted = self.wanted(context_text(item.context))
        return None if item.output[0].text == wanted else f"It should be '{wanted}'."

    def models(self) -> Answering:
        """A critic that says of a call what should become of its program, or of what it was given; and an editor that
        reads either this or the way from the programs to the end."""
        return played({"critic": self._carry, "editor": self._rewrite})

    def before(self, program: str, wanted: str, rng: np.random.Generator) -> str:
        """What a program should have been given."""
        right = undone(program, wanted)
        return right if rng.random() < self.sees else "".join(rng.permutation(list(right)))

    def _carry(self, asked: Asked, rng: np.random.Generator) -> str:
        given, _, words, value = (own.text for own in asked.blocks)
        whole = _STEP.search(given.replace("{the part}", value) + "\n")
        wanted = _WANTED.findall(words)
        if whole is None or not wanted:
            return asked.form("", asked.mark)
        if "result of an earlier step" in asked.outside:
            return asked.form(f"It should be '{self.before(whole[1], wanted[0], rng)}'.", asked.mark)
        name = _NAME.findall(asked.outside)[0]
        return asked.form(f"From '{whole[2]}' {name} should make '{wanted[0]}'.", asked.mark)

    def _rewrite(self, asked: Asked, rng: np.random.Generator) -> str:
        parts, said = to_rewrite(asked)
        programs = {_NAME.findall(own.head)[0]: own.text for own in parts}
        asks = self._traced(programs, said, rng)
        for given, name, wanted in _MADE.findall(said):
            asks[name].append((given, wanted))
        if any(asks.values()) and rng.random() < self.skill:
            name, new = _best(programs, asks, rng)
        else:
            name = str(rng.choice([*programs]))
            new = edited(programs[name], rng)
        return asked.form(new, parts[[*programs].index(name)].mark)

    def _traced(
        self, programs: Mapping[str, str], said: str, rng: np.random.Generator
    ) -> dict[str, list[tuple[str, str]]]:
        """What each program should make of what it was given, step by step from the end of each way shown."""
        asks: dict[str, list[tuple[str, str]]] = {name: [] for name in programs}
        for way in re.split(r"^(?:\d+\. )", said, flags=re.MULTILINE):
            shown, _, words = way.partition(_SAID)
            wanted = _WANTED.findall(words)
            for program, given in reversed(_STEP.findall(shown)) if wanted else ():
                name = program.strip("{}")
                asks[name].append((given, wanted[-1]))
                wanted.append(self.before(programs[name], wanted[-1], rng))
        return asks


def relay_splits(train: int, rng: np.random.Generator) -> Splits:
    """Texts to learn from, all different; of those that would decide or measure two each, for nothing here is proven,
    and what programs are worth is known."""
    texts = dict[str, None]()
    while len(texts) < train + 4:
        texts["".join(rng.permutation(list(ascii_lowercase[: rng.choice(LENGTHS)])))] = None
    inputs = tuple({"text": text} for text in texts)
    return Splits(inputs[:train], inputs[train : train + 2], inputs[train + 2 :])


def relay_program(start: Mapping[str, str]) -> Program:
    """A relay of these programs, all of which may be rewritten."""
    texts = {name: Text(program, name, limits=(_runs,)) for name, program in start.items()}

    def turned(text: str) -> str:
        for name in ("first", _middle(text), "last"):
            text = turn(texts[name].now, text)
        return text

    return trace(turned)


@stage
def turn(program: str, text: str) -> str:
    return run(program, text)


def undone(program: str, text: str) -> str:
    """What a program turns into a text."""
    came_from = run(program, ascii_lowercase[: len(text)])
    return "".join(letter for _, letter in sorted(zip(came_from, text, strict=True)))


def edited(program: str, rng: np.random.Generator) -> str:
    """Any token replaced by any."""
    tokens = program.split()
    tokens[rng.integers(len(tokens))] = _any(rng)
    return " ".join(tokens)


def alike(one: str, other: str) -> float:
    """The share of places with the same letter, of texts of one length."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _best(
    programs: Mapping[str, str], asks: Mapping[str, Sequence[tuple[str, str]]], rng: np.random.Generator
) -> tuple[str, str]:
    """The program, and another of as many tokens in its place, that bring most to what is asked; of equal ones any."""
    options = [
        (name, " ".join(tokens))
        for name, own in programs.items()
        for tokens in itertools.product(OPERATIONS, repeat=len(own.split()))
    ]
    before = {name: _served(own, asks[name]) for name, own in programs.items()}
    gains = np.array([_served(new, asks[name]) - before[name] for name, new in options])
    return options[int(rng.choice(np.flatnonzero(gains >= gains.max() - 1e-9)))]


def _served(program: str, asks: Sequence[tuple[str, str]]) -> float:
    """How far a program makes of texts what it should, over all."""
    return sum(alike(run(program, given), wanted) for given, wanted in asks)


def _runs(program: str) -> str | None:
    strange = [own for own in program.split() if own not in OPERATIONS]
    return f"has no operation {strange[0]!r}" if strange else None


def _middle(text: str) -> str:
    return "odd" if len(text) % 2 else "even"


def _any(rng: np.random.Generator) -> str:
    return str(rng.choice(list(OPERATIONS)))
