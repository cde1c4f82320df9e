"""Small programs that edit strings, to be mended from traces of their runs that name the token at fault."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item
from heedful.evidence import Rule
from heedful.models.marked import context_text, output_text
from heedful.sampling import KEEP
from heedful.worlds.played import Asked, Block, check_shares, played, to_rewrite
from heedful.worlds.served import Answering

OPERATIONS: Mapping[str, Callable[[str], str]] = {
    "reverse": lambda text: text[::-1],
    "left": lambda text: text[1:] + text[:1],
    "right": lambda text: text[-1:] + text[:-1],
    "head": lambda text: text[1::-1] + text[2:],
    "tail": lambda text: text[:-2] + text[:-3:-1],
    "halves": lambda text: text[len(text) // 2 :] + text[: len(text) // 2],
    "odds": lambda text: text[::2] + text[1::2],
}
"""The whole is reversed, turned by one to the left or right; the first or last two, or the halves change places; every
second letter comes first. No two do the same with 4 letters or more, all different."""
_FEWEST = 4
_MOST_PROGRAMS = 100_000
_PROGRAM = re.compile(r"^Program: *(.*)\nInput: *([a-z]+)$", re.MULTILINE)
_INPUT = re.compile(r"^Input: *([a-z]+)$", re.MULTILINE)
_TRACE = re.compile(r"Token (\d+) '\S*': '([a-z]+)' should become '([a-z]+)', but [^.]*\.")


@dataclass(frozen=True)
class StringProgramWorld:
    """A program is a row of operations, such as "left head odds"; it is right where it does what `target` does.

    sees   probability that the critic names the first token from which the run departs from that of the target, and
           what should become of the text there; else any token, and what another operation makes of it
    skill  probability that the editor puts there what a trace asks for, and else any operation
    """

    target: str = "left head odds reverse"
    inputs: tuple[str, ...] = ("abcd", "hgbcf", "acegbd", "bdfhace")
    sees: float = 0.9
    skill: float = 0.9

    def __post_init__(self) -> None:
        check_shares("StringProgramWorld", sees=self.sees, skill=self.skill)
        for text in self.inputs:
            if not (_FEWEST <= len(text) == len(set(text)) and re.fullmatch("[a-z]+", text)):
                fix = f"{_FEWEST} lower-case letters or more, all different"
                raise InputError(f"{text!r} is no input", where="StringProgramWorld", fix=fix)
        if not self.inputs or not self.target.split():
            raise InputError("a world has inputs, and a target of one operation or more", where="StringProgramWorld")
        run(self.target, self.inputs[0])

    def context(self, text: str) -> str:
        return f"Input: {text}"

    def item(self, program: str, text: str) -> Item:
        """The run of a program on an input."""
        return Item.of(self.context(text), run_log(program, text))

    def wanted(self, text: str) -> str:
        """What is right for an input."""
        return run(self.target, text)

    def share(self, item: Item) -> float:
        """How far a run goes as that of the target does, of all its tokens; 1 where what comes of it is right."""
        told, should = _told(item), _states(self.target, _input_of(item))
        return 1.0 if told[-1] == should[-1] else _fault(told, should) / (max(len(told), len(should)) - 1)

    def reward(self) -> Rule:
        """The share of a run."""
        return Rule(self.share, "how far it is right")

    def expected(self, program: str) -> float:
        """The mean share of its runs, over all inputs."""
        return float(np.mean([self.share(self.item(program, text)) for text in self.inputs]))

    def passed(self, program: str) -> NDArray[np.bool_]:
        """Whether a program does what is right, for each input."""
        return np.array([_states(program, text)[-1] == self.wanted(text) for text in self.inputs])

    def critic(self, item: Item, rng: np.random.Generator) -> str:
        """A trace of a run to the token named; `KEEP` where what came of it is right."""
        told, should = _told(item), _states(self.target, _input_of(item))
        if told[-1] == should[-1]:
            return KEEP
        if rng.random() < self.sees:
            place = _fault(told, should)
            return _trace(item, place, should[: place + 1][-1], should[: place + 2][-1])
        place = int(rng.integers(max(len(told) - 1, 1)))
        return _trace(item, place, told[place], OPERATIONS[_any(rng)](told[place]))

    def editor(self, program: str, critiques: str, rng: np.random.Generator) -> str:
        """The program with the token changed that traces name most often, of equal ones any.

        A token at which nothing should become of the text is left out; one behind the end is added.
        """
        asked = Counter((int(place) - 1, _fitting(before, after)) for place, before, after in _TRACE.findall(critiques))
        most = [own for own, times in asked.items() if times == max(asked.values())]
        if not most:
            return program
        place, token = most[rng.integers(len(most))]
        tokens = program.split()
        tokens[place : place + 1] = [token if rng.random() < self.skill else _any(rng)]
        return " ".join(filter(None, tokens))

    def success(self, start: str, rounds: int) -> float:
        """P(a program is right) after rounds, in each of which it is traced on an input that it fails, and edited.

        `start` has as many tokens as the target, all of them operations. The law over all programs of this length is
        carried on, round by round. Raises InputError beyond 100,000 programs.
        """
        names, size = list(OPERATIONS), len(self.target.split())
        if len(start.split()) != size or not {*start.split()} <= {*names} or len(names) ** size > _MOST_PROGRAMS:
            what = f"no law of programs from {start!r} to {self.target!r}"
            raise InputError(what, where="StringProgramWorld.success", fix="as many operations, and at most 5")
        right = self._right
        law = np.zeros(right.shape)
        law[tuple(map(names.index, start.split()))] = 1.0
        for _ in range(rounds):
            law = np.where(right, law, 0.0) + self._edited(np.where(right, 0.0, law))
        return float(law[right].sum())

    @cached_property
    def _right(self) -> NDArray[np.bool_]:
        """Whether each program of the target's length passes all [operations, ..., operations]."""
        size = len(self.target.split())
        each = [self.passed(" ".join(tokens)).all() for tokens in itertools.product(OPERATIONS, repeat=size)]
        return np.array(each).reshape((len(OPERATIONS),) * size)

    def _edited(self, law: Floats) -> Floats:
        """The law of programs after a trace and an edit of each. A trace that sees names the first token that is wrong,
        since no two operations do the same with an input; one that does not has any token replaced by any operation."""
        new, left = np.zeros_like(law), law
        for place, name in enumerate(self.target.split()):
            here = (slice(None),) * place + (list(OPERATIONS).index(name),)
            wrong = left.copy()  # here, and right up to here
            wrong[here] = 0.0
            left = left - wrong
            new += (1 - self.sees) / law.ndim * law.mean(axis=place, keepdims=True)
            new += self.sees * (1 - self.skill) * wrong.mean(axis=place, keepdims=True)
            new[here] += self.sees * self.skill * wrong.sum(axis=place)
        return new


def run(program: str, text: str) -> str:
    """What a program makes of a text. Raises InputError naming the first token that is no operation."""
    for place, token in enumerate(program.split(), 1):
        if token not in OPERATIONS:
            fix = f"one of {', '.join(OPERATIONS)}"
            raise InputError(f"token {place} {token!r} is no operation", where=f"program {program[:60]!r}", fix=fix)
        text = OPERATIONS[token](text)
    return text


def run_log(program: str, text: str) -> str:
    """A run line by line: the text, and behind each token what becomes of it; up to one that is no operation."""
    tokens, states = program.split(), _states(program, text)
    lines = [f"{token}: {state}" for token, state in zip(tokens, states[1:], strict=False)]
    stopped = [f"{token}: (no such operation)" for token in tokens[len(lines) : len(lines) + 1]]
    return "\n".join([text, *lines, *stopped])


def run_text(program: object, text: str) -> str:
    """What the model `task` is asked: to run a program on an input."""
    return f"Program: {program}\nInput: {text}"


def string_models(
    world: StringProgramWorld,
    *,
    malformed: float = 0.0,
    reads: Callable[[Asked], tuple[Sequence[Block], str]] = to_rewrite,
) -> Answering:
    """Chat models named task, critic and editor, as `rule_models`: runs, traces and mends the program it is shown."""
    check_shares("string_models", malformed=malformed)

    def criticise(asked: Asked, rng: np.random.Generator) -> str:
        traces = [found[0] for found in _TRACE.finditer(asked.text)]
        return asked.criticism("\n".join(traces) or world.critic(_run_in(asked.text), rng))

    def rewrite(asked: Asked, rng: np.random.Generator) -> str:
        parts, said = reads(asked)
        new = world.editor(parts[0].text, said, rng)
        return new if rng.random() < malformed else asked.form(new, parts[0].mark)

    def perform(asked: Asked, rng: np.random.Generator) -> str:
        found = _PROGRAM.search(asked.text)
        if found is None:
            fix = f"write it as {run_text('left odds', 'abcd')!r}"
            raise InputError("no program with its input", where="string_models", fix=fix)
        return run_log(found[1], found[2])

    return played({"task": perform, "critic": criticise, "editor": rewrite})


def _input_of(item: Item) -> str:
    found = _INPUT.findall(context_text(item.context))
    if not found:
        raise InputError(
            "there is no input in the context", where="StringProgramWorld", fix="write it as 'Input: abcd'"
        )
    return str(found[-1])


def _run_in(text: str) -> Item:
    """The last run on the last input that a text shows."""
    given = _input_of(Item.of(text))
    logs = re.findall(rf"^{given}(?:\n\S+: .*)*$", text, re.MULTILINE)
    if not logs:
        raise InputError(f"no run on {given!r} is shown", where="string_models", fix="show the output of the program")
    return Item.of(f"Input: {given}", logs[-1])


def _told(item: Item) -> list[str]:
    """What a run says that the text was before each token, and after the last."""
    return [line.rpartition(": ")[2] for line in output_text(item).split("\n")]


def _fault(told: Sequence[str], should: Sequence[str]) -> int:
    """The first token after which the text is not what it should be."""
    pairs = itertools.zip_longest(told[1:], should[1:])
    return next((place for place, (one, other) in enumerate(pairs) if one != other), len(told) - 1)


def _states(program: str, text: str) -> list[str]:
    """The text before each token, and after the last; up to the first that is no operation."""
    tokens = itertools.takewhile(OPERATIONS.__contains__, program.split())
    return list(itertools.accumulate(tokens, lambda state, token: OPERATIONS[token](state), initial=text))


def _trace(item: Item, place: int, before: str, after: str) -> str:
    own = "".join(line.partition(": ")[0] for line in output_text(item).split("\n")[place + 1 : place + 2])
    does = f"becomes {OPERATIONS[own](before)!r}" if own in OPERATIONS else "meets no operation of that name"
    return f"Token {place + 1} '{own}': {before!r} should become {after!r}, but {does if own else 'the program ends'}."


def _fitting(before: str, after: str) -> str:
    """The operation that makes one of the other, "" where none does."""
    return next((name for name, does in OPERATIONS.items() if does(before) == after), "")


def _any(rng: np.random.Generator) -> str:
    return list(OPERATIONS)[rng.integers(len(OPERATIONS))]
