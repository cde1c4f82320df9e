"""Mend the source of a function by tests that fail and the errors that they raise.

    python examples/code_by_tests.py [SEED]

Every example is an input with two tests of its own; programs run in processes that can compute and do nothing else
(docs/programs.md). A model rewrites the source, told which tests failed, with the error and its line, or what the
function gave. What it writes is kept where tests that it was not told of prove it better. The model is played: it mends
a name that is not defined, changes one line so that what failed would pass, and now and then writes nonsense. Any
`Endpoint` may take its place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import heedful
from heedful.core import Parts
from heedful.evidence import UnitTests, in_words
from heedful.models import FunctionWriter
from heedful.models.marked import block, context_text
from heedful.rewriting import Code, Failures, Improved, Improving, Rewriter
from heedful.worlds.played import stream
from heedful.worlds.string_programs import StringProgramWorld, run

WORLD = StringProgramWorld(target="left head odds reverse")
LINES = {
    "reverse": "    text = text[::-1]",
    "left": "    text = text[1:] + text[:1]",
    "right": "    text = text[-1:] + text[:-1]",
    "head": "    text = text[1::-1] + text[2:]",
    "tail": "    text = text[:-2] + text[:-3:-1]",
    "halves": "    text = text[len(text) // 2 :] + text[: len(text) // 2]",
    "odds": "    text = text[::2] + text[1::2]",
}


def source_of(operations: Sequence[str]) -> str:
    return "\n".join(["def edit(text):", *(LINES[own] for own in operations), "    return text"])


START = source_of(["left", "head", "odds"]).replace("text[1:] + text[:1]", "txt[1:] + text[:1]")
"""A name that is not defined, and a line that is missing."""


def tests_of(context: Parts) -> list[str]:
    """That no letter is lost, and that the result is right."""
    text = context_text(context)
    return [
        f"assert sorted(edit({text!r})) == {sorted(text)!r}",
        f"assert edit({text!r}) == {WORLD.wanted(text)!r}",
    ]


def mend(messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> str:
    """Plays the model."""
    text, rng = str(messages[0]["content"]), stream(messages, parameters)
    found = re.search(r"<([0-9a-f]{12}-1)>\n(.*?)\n</\1>", text, re.DOTALL)
    assert found
    mark, lines = found[1], found[2].split("\n")
    if named := re.search(r"line (\d+) of the program: name '(\w+)' is not defined", text):
        at = int(named[1]) - 1
        lines[at] = re.sub(rf"\b{named[2]}\b", "text", lines[at])
        return block("\n".join(lines), mark)
    if rng.random() < 0.2:
        return block("def edit(text) return text", mark)
    failed = re.findall(r"assert edit\('(\w+)'\) == '(\w+)': failed", text)
    names = {line: name for name, line in LINES.items()}
    ways = list(changed([names[line] for line in lines[1:-1]]))
    passed = np.array([sum(run(" ".join(own), given) == wanted for given, wanted in failed) for own in ways])
    return block(source_of(ways[rng.choice(np.flatnonzero(passed == passed.max()))]), mark)


def changed(operations: Sequence[str]) -> Iterator[list[str]]:
    """All programs with one operation more, less, or another in its place."""
    for place in range(len(operations) + 1):
        for name in LINES:
            yield [*operations[:place], name, *operations[place:]]
            yield [*operations[:place], name, *operations[place + 1 :]]
        yield [*operations[:place], *operations[place + 1 :]]


def words(count: int, rng: np.random.Generator) -> list[str]:
    """Different inputs of four to eight letters, none twice in one."""
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.permutation(list("abcdefgh"))[: rng.integers(4, 9)])] = None
    return list(found)


def improved(examples: int = 60, rounds: int = 6, batch: int = 6, seed: int = 0) -> Improved:
    rng = np.random.default_rng(seed)
    code = Code(START, "edit.py", role="a function of a text", function="edit")
    tests = UnitTests(tests_of, seconds=10.0, score="share")

    def program(text: str) -> str:
        return str(code)

    critic = Failures(says=lambda item: in_words(tests.run([item])[0]))
    proposer = Rewriter(FunctionWriter(mend), n=2)
    engine = Improving(proposer, critic=critic, rounds=rounds, batch=batch, concurrency=1)
    return heedful.improve(program, words(examples, rng), tests, engine=engine, seed=seed)


def main(seed: int = 0) -> None:
    done = improved(seed=seed)
    print(START, "\n\nbecame\n")
    print(done.values.get("edit.py", START), "\n")
    within = done.claim.interval
    assert within is not None
    print(f"Better than at the start on {0.5 + done.claim.value:.0%} of {done.claim.n} inputs held out,", end=" ")
    print(f"on {0.5 + within.low:.0%} at least of all (95%)")
    print(
        f"{done.counts['proposed']} proposals, {done.counts['unread']} that are no Python, {done.counts['kept']} kept"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
