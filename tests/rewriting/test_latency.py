"""What is recorded of a run does not follow from which call happens to answer first."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from heedful.core import Budget
from heedful.evidence import Rule
from heedful.models import FunctionWriter, Request
from heedful.models.endpoint import Answer
from heedful.rewriting import (
    Graph,
    Improving,
    PerCall,
    Rewriter,
    Run,
    Runner,
    Splits,
    Subgraph,
    Task,
    Text,
    Threads,
    Worth,
    stage,
    trace,
)
from heedful.rewriting.judging import Failures

plan = Text("Plan the search for facts.", "plan")
find = Text("Find facts about the part.", "find")
check = Text("Check every one of the facts.", "check")
write = Text("Write a friendly answer.", "write")
NAMES = frozenset({"plan", "find", "check", "write"})
PARTS = ("first", "second", "third")


class Latency:
    """Sleeps of random lengths, or none."""

    def __init__(self, seed: int | None) -> None:
        self.random = random.Random(seed)
        self.longest = 0.0 if seed is None else 0.004

    def __call__(self) -> float:
        return self.random.random() * self.longest


def gathered(latency: Latency) -> Callable[..., Any]:
    """Parts at once, each in steps, some of which begin late; of some results nothing is seen in what comes after."""

    @stage
    async def ask(text: str) -> str:
        await asyncio.sleep(latency())
        return f"{len(text)} words on {text[-12:]}"

    async def part(name: str) -> str:
        await asyncio.sleep(latency())
        found = await ask(f"{find}\n{name}")
        await asyncio.sleep(latency())
        return (await ask(f"{check}\n{found.upper()} {name}")).title()

    async def program(question: str) -> str:
        beside = asyncio.create_task(ask(f"{plan}\n{question}"))
        parts = await asyncio.gather(*[part(f"{question} {own}") for own in PARTS])
        parts = await asyncio.gather(*[part(own) for own in parts])
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part(own)) for own in reversed(parts)]
        joined = "; ".join(own.result() for own in tasks)
        return await ask(f"{write}\n{joined}\n{await beside}")

    return program


def threaded(latency: Latency) -> Callable[..., Any]:
    """The same in threads."""

    @stage
    def ask(text: str) -> str:
        time.sleep(latency())
        return f"{len(text)} words on {text[-12:]}"

    def part(name: str) -> str:
        time.sleep(latency())
        found = ask(f"{find}\n{name}")
        time.sleep(latency())
        return ask(f"{check}\n{found.upper()} {name}").title()

    def program(question: str) -> str:
        with Threads(4) as threads:
            beside = threads.submit(ask, f"{plan}\n{question}")
            parts = list(threads.map(part, [f"{question} {own}" for own in PARTS]))
            waiting = [threads.submit(part, own) for own in parts]
            parts = [own.result() for own in waiting]
            return ask(f"{write}\n{'; '.join(parts)}\n{beside.result()}")

    return program


def told(run: Run) -> list[Any]:
    graph = Graph.of(run)
    calls = [(own.stage, own.within, dict(own.inputs), own.output) for own in run.calls]
    said = [rule([run], ["too long"], NAMES, budget=Budget()).said for rule in (Subgraph(), PerCall(Echo()))]
    return [calls, list(run.parameters), graph.sources, graph.reads, graph.order, said]


class Echo:
    """Says what it was asked about."""

    def complete(self, requests: Sequence[Request]) -> list[Answer]:
        texts = [str(own.messages[0]["content"]) for own in requests]
        marks = [re.findall(r"</([0-9a-f]{12})>", text)[-1] for text in texts]
        return [
            Answer(f"<{mark}>\n{len(text)}\n</{mark}>", finish_reason="stop")
            for mark, text in zip(marks, texts, strict=True)
        ]


@pytest.mark.parametrize("made", [gathered, threaded])
def test_latency_changes_nothing_of_what_is_recorded(made: Callable[[Latency], Callable[..., Any]]) -> None:
    seen = []
    for seed in (None, *range(8)):
        with Runner(trace(made(Latency(seed))), 2) as runner:
            seen.append([told(run) for run in runner([Task({"question": "why"}, {}), Task({"question": "how"}, {})])])
    assert all(own == seen[0] for own in seen[1:])


@pytest.mark.parametrize("seed", range(4))
def test_so_it_is_where_the_loop_is_the_users(seed: int) -> None:
    async def main() -> Run:
        factory = asyncio.get_running_loop().get_task_factory()
        run, _ = await asyncio.gather(*(trace(gathered(Latency(seed))).arun(own) for own in ("why", "how")))
        assert asyncio.get_running_loop().get_task_factory() is factory  # the loop is left as it was
        return run

    assert told(asyncio.run(main())) == told(asyncio.run(trace(gathered(Latency(None))).arun("why")))


@pytest.mark.parametrize("made", [gathered, threaded])
def test_what_was_begun_at_once_is_numbered_in_the_order_of_the_program(made: Any) -> None:
    with Runner(trace(made(Latency(3)))) as runner:
        (run,) = runner([Task({"question": "why"}, {})])
    asked = [str(call.inputs["text"]).splitlines() for call in run.calls[1:]]
    assert [asked[0][0], *(lines[-1] for lines in asked[1:6:2])] == [plan.value, *(f"why {own}" for own in PARTS)]
    assert asked[-1][0] == write.value


def test_equal_answers_at_once_do_not_lead_into_one_another() -> None:
    """Three that vote, whose answer stands in the question that each is asked: all three went into the result alone."""

    @stage
    async def vote(text: str, number: int) -> str:
        await asyncio.sleep(0.001 * (3 - number))
        return "Paris, the capital"

    async def program(question: str) -> str:
        votes = await asyncio.gather(*[vote(f"{write}\n{question}", number) for number in range(3)])
        return max(votes, key=votes.count)

    graph = Graph.of(asyncio.run(trace(program).arun("Paris, the capital, or Lyon?")))
    assert graph.sources == [(1, 2, 3), (), (), ()]


def test_rounds_of_tasks_lead_into_one_another() -> None:
    @stage
    async def ask(text: str) -> str:
        await asyncio.sleep(0)
        return f"<{text}>"

    async def program(question: str) -> str:
        texts = [f"{write} {question} {own}" for own in PARTS]
        for _ in range(3):
            texts = await asyncio.gather(*map(ask, texts))
        return "; ".join(texts)

    graph = Graph.of(asyncio.run(trace(program).arun("why")))
    assert graph.sources[1:] == [(), (), (), (1,), (2,), (3,), (4,), (5,), (6,)]


class Shop:
    """A writer with a journal: what it was asked for before is on record. It is closed after so many purchases."""

    def __init__(self, most: float = float("inf")) -> None:
        self.record: dict[bytes, str] = {}
        self.bought: list[bytes] = []
        self.most = most

    def answer(self, kind: str, text: str) -> str:
        key = f"{kind} {text}".encode()
        if key not in self.record:
            if len(self.bought) >= self.most:
                raise KeyboardInterrupt
            self.bought.append(key)
            self.record[key] = _edited(text) if kind == "edit" else text[-20:].replace("\n", " ")
        return self.record[key]

    def edit(self, messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        return self.answer("edit", str(messages[0]["content"]))


def _edited(text: str) -> str:
    place, old = re.findall(r"<([0-9a-f]{12}-\d)>\n(.*?)\n</", text, re.DOTALL)[0]
    return f"<{place}>\n{old} Again, {len(text)}.\n</{place}>"


def improving(shop: Shop, latency: Latency) -> Any:
    @stage
    async def ask(text: str) -> str:
        await asyncio.sleep(latency())
        return shop.answer("task", text)

    async def part(name: str) -> str:
        await asyncio.sleep(latency())
        return await ask(f"{check}\n{(await ask(f'{find} {name}')).upper()}")

    async def program(question: str) -> str:
        return " ".join(await asyncio.gather(*[part(f"{question} {own}") for own in PARTS]))

    engine = Improving(Rewriter(FunctionWriter(shop.edit)), critic=Failures(), rounds=3, batch=2)
    examples = Splits.of([{"question": f"question {number}"} for number in range(16)])
    worth = Worth(Rule(lambda item: len(item.output[0].text) % 7 / 7, "played"), (0, 1))
    return engine(trace(program), worth, examples, budget=Budget(), rng=np.random.default_rng(0))


@pytest.mark.parametrize("most", [3, 20, 40])
def test_what_was_stopped_goes_on_and_buys_nothing_twice(most: int) -> None:
    whole, stopped = Shop(), Shop(most)
    done = improving(whole, Latency(None))
    assert len(whole.bought) > most
    with pytest.raises(KeyboardInterrupt):
        improving(stopped, Latency(1))
    stopped.most = float("inf")
    again = improving(stopped, Latency(2))
    assert sorted(stopped.bought) == sorted(whole.bought)  # each once, and nothing that is not needed
    assert again.values == done.values
    assert again.claim == done.claim
