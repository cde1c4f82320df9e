"""Feedback through the graph: it reaches every parameter that had a part, once, whatever runs beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from heedful.core import Budget, BudgetExceededError, UsageError
from heedful.models import FunctionWriter, Request
from heedful.models.endpoint import Answer
from heedful.rewriting import Run, Text, stage, trace
from heedful.rewriting.propagating import PerCall, Said, Subgraph, Untraced, cut

find = Text("Find facts about the question.", "find", role="what the search is told")
write = Text("Answer in one sentence.", "write")
polish = Text("Make it friendly.", "polish")
NAMES = frozenset({"find", "write", "polish"})


@stage
def ask(text: str) -> str:
    return f"answer of {len(text)}"


@stage
def join(parts: list[str]) -> str:
    return " and ".join(parts)


def program(question: str) -> str:
    facts = ask(f"{find}\n{question}")
    first = ask(f"{write}\n{facts}\n{question}")
    return ask(f"{polish}\n{first}")


class Batches:
    """A writer that keeps what it was asked, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def complete(self, requests: Sequence[Request]) -> list[Answer]:
        texts = [str(own.messages[0]["content"]) for own in requests]
        self.batches.append(texts)
        return [Answer(self.reply(text), finish_reason="stop") for text in texts]

    def reply(self, text: str) -> str:
        mark = re.findall(r"</([0-9a-f]{12})>", text)[-1]
        what = re.search(r"is (the text '[\w ]+'|the result of an earlier step, \w+)", text)
        assert what
        return f"thinking\n<{mark}>\nchange {what.group(1)}\n</{mark}>"


def runs_of(count: int, function: Any = program) -> list[Run]:
    return [trace(function).run(f"question {place}") for place in range(count)]


def test_the_way_to_the_end_is_told_once_with_names_in_the_place_of_texts() -> None:
    (said,) = Subgraph()(runs_of(1), ["too long"], NAMES, budget=Budget()).said
    assert said.bears_on == ("find", "polish", "write")
    assert said.words.count("{find}") == said.words.count("{write}") == 1
    assert find.value not in said.words
    assert "{result 1}" in said.words
    assert said.words.endswith("What was said of the end: too long")
    (alone,) = Subgraph()(runs_of(1), ["too long"], frozenset({"polish"}), budget=Budget()).said
    assert alone.bears_on == ("polish",)
    assert len(alone.words) < len(said.words)


def test_nothing_is_said_where_no_parameter_had_a_part_or_there_are_no_words() -> None:
    for rule in (Subgraph(), PerCall(Batches())):
        assert rule(runs_of(2), ["", "  "], NAMES, budget=Budget()).said == ()
        assert rule(runs_of(1), ["bad"], frozenset({"other"}), budget=Budget()).said == ()


def test_calls_are_asked_about_level_by_level_all_runs_at_once() -> None:
    """Three steps in a row: each level asks of 16 runs about a parameter, and about the result before where one is."""
    writer = Batches()
    carried = PerCall(writer)(runs_of(16), ["too long"] * 16, NAMES, budget=Budget())
    assert [len(batch) for batch in writer.batches] == [32, 32, 16]
    assert carried.cost == {"calls": 80.0, "tokens": 0.0}
    assert [own.run for own in carried.said] == sorted([*range(16)] * 3)
    assert {own.bears_on for own in carried.said} == {("find",), ("write",), ("polish",)}
    last = writer.batches[2][0]
    assert "change the result of an earlier step, ask" in last  # what was said of the later call, by the level before
    assert find.role in last


def test_feedback_reaches_each_of_four_once() -> None:
    """The mean of four in a peer left three without; a sum gave each twice."""
    texts = [Text(f"Instruction number {place}.", f"text {place}") for place in range(4)]

    def four(question: str) -> str:
        return join([ask(f"{own}{' ' * place}\n{question}") for place, own in enumerate(texts)])

    names = frozenset(own.name for own in texts)
    for rule in (PerCall(Batches()), Subgraph()):
        carried = rule(runs_of(1, four), ["bad"], names, budget=Budget())
        assert sorted(name for own in carried.said for name in own.bears_on) == sorted(names)


def test_a_parameter_of_two_calls_has_words_from_each() -> None:
    def twice(question: str) -> str:
        first = ask(f"{write}\n{question}")
        return ask(f"{write}\nand now: {first}")

    carried = PerCall(Batches())(runs_of(1, twice), ["bad"], NAMES, budget=Budget())
    assert len(carried.said) == 2


def test_a_stage_that_passes_on_costs_no_call() -> None:
    @stage
    def outer(text: str) -> str:
        return ask(text)

    def nested(question: str) -> str:
        return outer(outer(f"{write}\n{question}") + polish.now)

    writer = Batches()
    carried = PerCall(writer)(runs_of(1, nested), ["bad"], NAMES, budget=Budget())
    assert [len(batch) for batch in writer.batches] == [2, 1]
    assert [own.bears_on for own in carried.said] == [("polish",), ("write",)]


def test_a_long_chain_needs_no_recursion() -> None:
    def chain(question: str) -> str:
        for _ in range(1200):
            question = ask(f"{write}\n{question}")
        return question

    carried = PerCall(FunctionWriter(lambda messages, _: Batches().reply(str(messages[0]["content"]))))(
        runs_of(1, chain), ["bad"], NAMES, budget=Budget()
    )
    assert len(carried.said) == 1200


def test_an_error_is_what_was_said_of_the_call_that_raised_it() -> None:
    @stage
    def breaks(text: str) -> str:
        raise ValueError("no number in it")

    def failing(question: str) -> str:
        return ask(f"{polish}\n{breaks(f'{write} {question}')}")

    (run,) = runs_of(1, failing)
    writer = Batches()
    carried = PerCall(writer)([run], [run.error], NAMES, budget=Budget())
    assert [own.bears_on for own in carried.said] == [("write",)]
    assert "no number in it" in writer.batches[0][0]


def test_answers_that_cannot_be_read_are_asked_once_more_then_counted() -> None:
    calls: list[int] = []

    def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        calls.append(len(messages))
        return "no marks at all"

    carried = PerCall(FunctionWriter(answer))(runs_of(2), ["bad", "bad"], NAMES, budget=Budget())
    assert carried.said == ()
    assert carried.missing == 4
    assert calls == [1] * 4 + [3] * 4


def test_a_budget_is_kept() -> None:
    writer = Batches()
    with pytest.raises(BudgetExceededError):
        PerCall(writer)(runs_of(4), ["bad"] * 4, NAMES, budget=Budget(calls=7))
    assert writer.batches == []


def test_what_is_cut_says_so() -> None:
    assert cut("a" * 10, 10) == "a" * 10
    assert cut("abcdefghij", 4) == "ab [6 characters left out] ij"
    with pytest.raises(UsageError, match="fields"):
        PerCall(Batches(), template="$mark")


def test_the_order_is_that_of_the_runs() -> None:
    first, second = (PerCall(Batches())(runs_of(3), ["a", "", "c"], NAMES, budget=Budget()).said for _ in range(2))
    assert first == second
    assert [own.run for own in first] == [0, 0, 0, 2, 2, 2]
    assert isinstance(first[0], Said)


def test_without_a_graph_all_is_said_of_all() -> None:
    """Also of what had no part; the null control of rules."""
    names = NAMES | {"other"}
    said = Untraced()(runs_of(2), ["", "too long"], names, budget=Budget()).said
    assert said == (Said("too long", ("find", "other", "polish", "write"), 1),)
