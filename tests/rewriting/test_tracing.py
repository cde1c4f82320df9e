"""Capturing calls: what is recorded, under asyncio and threads, what is replaced and what is remembered."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from heedful.core import BudgetExceededError, InputError, UsageError
from heedful.rewriting import Code, Graph, Memory, Number, Program, Text, Threads, draw, keeps, longest, stage, trace
from heedful.rewriting.running import Runner, Task

find = Text("Find facts about the question.", "find", role="what the search is told")
write = Text("Answer in one sentence.", "write")
unused = Text("Never read.", "unused")


@stage
def retrieve(text: str) -> list[str]:
    return [f"fact about {text[-5:]}", "another fact"]


@stage
def draft(text: str) -> str:
    return f"draft<{len(text)}>"


@stage
def check(text: str) -> str:
    return text.upper()


def answer(question: str) -> str:
    facts = retrieve(f"{find}\n{question}")
    first = draft(f"{write}\n{'; '.join(facts)}\n{question}")
    return check(first)


def names(graph: Graph, number: int) -> list[str]:
    return [graph.run.calls[own].stage for own in graph.sources[number]]


def test_the_graph_of_a_program() -> None:
    run = trace(answer).run("why is the sky blue")
    assert run.output == answer("why is the sky blue")
    assert not run.error
    assert [call.stage for call in run.calls] == ["answer", "retrieve", "draft", "check"]
    assert set(run.parameters) == {"find", "write"}
    graph = Graph.of(run)
    assert names(graph, 0) == ["check"]
    assert names(graph, 2) == ["retrieve"]
    assert names(graph, 3) == ["draft"]
    assert graph.reads == [(), ("find",), ("write",), ()]
    assert graph.order == (0, 3, 2, 1)
    assert graph.leading({"write"}) == {0, 2, 3}
    assert graph.leading({"find"}) == {0, 1, 2, 3}
    assert graph.leading({"unused"}) == frozenset()


def test_a_result_in_another_form_is_not_lost() -> None:
    """The first stage's result reaches the second only upside down: where it may have gone is all that came after."""

    def program(question: str) -> str:
        facts = draft(f"{find} {question}")
        return check(facts[::-1]) + str(retrieve("something else entirely"))

    graph = Graph.of(trace(program).run("q"))
    assert graph.reads[1] == ("find",)
    assert names(graph, 2) == names(graph, 3) == ["draft"]
    assert graph.leading({"find"}) == {0, 1, 2, 3}


def test_what_is_seen_goes_there_alone() -> None:
    def program(question: str) -> str:
        return draft(f"{check(question)}") + check("nothing of it")

    graph = Graph.of(trace(program).run("question"))
    assert names(graph, 2) == ["check"]
    assert graph.sources[3] == ()


def test_a_number_is_not_seen_in_a_longer_one() -> None:
    @stage
    def count(text: str) -> int:
        return 4

    def program(question: str) -> str:
        n = count(question)
        return draft("14 items") + draft(f"{n} items")

    graph = Graph.of(trace(program).run("q"))
    assert [names(graph, number) for number in (2, 3)] == [[], ["count"]]


def test_a_form_is_seen_by_what_stands_between_its_fields() -> None:
    form = Text("Answer the question: {question}\nIn few words.", "form", fields=("question",))

    def program(question: str) -> str:
        return draft(form.format(question=question)) + check("other")

    graph = Graph.of(trace(program).run("why"))
    assert graph.reads == [(), ("form",), ()]


def test_stages_within_stages_pass_feedback_once() -> None:
    @stage
    def outer(text: str) -> str:
        return draft(text)

    def program(question: str) -> str:
        return outer(f"{write} {question}")

    graph = Graph.of(trace(program).run("why"))
    assert [names(graph, number) for number in range(3)] == [["outer"], ["draft"], []]
    assert graph.reads == [(), (), ("write",)]


def test_values_are_replaced_for_a_run_alone() -> None:
    def program(question: str) -> str:
        return f"{write}|{question}"

    traced = trace(program)
    assert traced.with_values({"write": "Be short."}).run("q").output == "Be short.|q"
    assert traced("q") == "Answer in one sentence.|q" == program("q")
    assert trace(program, write="W")("q") == "W|q"
    assert write.now == "Answer in one sentence."


def test_a_program_within_a_program_is_a_stage_of_it() -> None:
    inner = trace(lambda question: draft(f"{write} {question}"), write="Inner.")

    def outer(question: str) -> str:
        return inner(question) + f"{find}"

    run = trace(outer).run("q")
    assert [call.stage for call in run.calls] == ["outer", "<lambda>", "draft"]
    assert set(run.parameters) == {"write", "find"}
    assert run.output == f"draft<8>{find.value}"
    assert trace(outer, write="W").run("q").output == f"draft<3>{find.value}"
    assert inner("q") == "draft<8>"


def test_an_error_is_a_node_and_feedback_begins_there() -> None:
    @stage
    def breaks(text: str) -> str:
        raise ValueError("no such topic")

    @stage
    def outer(text: str) -> str:
        return breaks(text)

    def program(question: str) -> str:
        return draft(question) + outer(question)

    run = trace(program).run("q")
    assert run.output is None
    assert run.error.startswith("ValueError: no such topic (line ")
    assert [call.error != "" for call in run.calls] == [True, False, True, True]
    assert Graph.of(run).end() == 3

    def mends(question: str) -> str:
        try:
            return outer(question)
        except ValueError:
            return draft(question)

    run = trace(mends).run("q")
    assert not run.error
    assert Graph.of(run).end() == 0
    assert set(Graph.of(run).sources[0]) == {1, 3}  # what was caught bore on the result too


def test_what_heedful_raises_of_settings_is_raised() -> None:
    @stage
    def spends(text: str) -> str:
        raise BudgetExceededError("nothing left")

    @stage
    def reads(text: str) -> str:
        raise InputError("no topic")

    with pytest.raises(BudgetExceededError, match="nothing left"):
        trace(lambda question: spends(question)).run("q")
    assert trace(lambda question: reads(question)).run("q").error.startswith("InputError: no topic")


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_async_runs_do_not_see_each_other(concurrency: int) -> None:
    @stage
    async def ask(text: str) -> str:
        await asyncio.sleep(0.001 * (len(text) % 3))
        return f"<{len(text)} {text[:2]}>"

    async def program(question: str) -> str:
        one, other = await asyncio.gather(ask(f"{write} {question}"), ask(f"{find} {question}"))
        return await ask(f"{one}{other}{draw()}")

    def alone(write: str, question: str, draw: int) -> str:
        one, other = f"{write} {question}", f"{find.value} {question}"
        joined = f"<{len(one)} {one[:2]}><{len(other)} {other[:2]}>{draw}"
        return f"<{len(joined)} {joined[:2]}>"

    tasks = [Task({"question": f"q{i}"}, {"write": f"W{i}"}, draw=i) for i in range(20)]
    with Runner(trace(program), concurrency) as runner:
        runs = runner(tasks)
    assert [run.output for run in runs] == [alone(f"W{i}", f"q{i}", i) for i in range(20)]
    for run in runs:
        graph = Graph.of(run)
        assert names(graph, 3) == ["ask", "ask"]
        assert names(graph, 0) == ["ask"]
        assert sorted(graph.reads) == [(), (), ("find",), ("write",)]


def test_an_async_program_is_awaited_as_its_function_is() -> None:
    async def program(question: str) -> str:
        await asyncio.sleep(0)
        return f"{write} {question}"

    assert asyncio.run(trace(program, write="W")("q")) == "W q"
    assert asyncio.run(trace(program, write="W").arun("q")).output == "W q"
    with pytest.raises(UsageError, match="arun"):
        trace(program).run("q")


def test_threads_that_know_their_run() -> None:
    def program(question: str, pool: type[ThreadPoolExecutor] = Threads) -> list[str]:
        with pool(2) as threads:
            return list(threads.map(lambda part: draft(f"{write} {part}"), [question, question + "!"]))

    run = trace(program, write="W").run("q")
    assert [call.stage for call in run.calls] == ["program", "draft", "draft"]
    assert run.output == ["draft<3>", "draft<4>"]
    assert {call.within for call in run.calls[1:]} == {0}
    lost = trace(program, write="W").run("q", ThreadPoolExecutor)
    assert [call.stage for call in lost.calls] == ["program"]  # as the documentation of `Threads` says


def test_many_sync_programs_at_once() -> None:
    tasks = [Task({"question": f"q{i % 7}"}, {"write": "w" * (i + 1)}) for i in range(40)]
    with Runner(trace(answer), 8) as runner:
        runs = runner(tasks)
    alone = [trace(answer).with_values(task.values).run(**task.inputs) for task in tasks]
    assert [run.output for run in runs] == [run.output for run in alone]


def test_a_failure_stops_the_runs_that_have_not_begun() -> None:
    begun: list[int] = []

    def program(number: int) -> int:
        begun.append(number)
        raise BudgetExceededError("nothing left")

    with Runner(trace(program), 1) as runner, pytest.raises(BudgetExceededError):
        runner([Task({"number": i}, {}) for i in range(50)])
    assert len(begun) < 50


class TestMemory:
    @pytest.fixture
    def asked(self) -> list[str]:
        return []

    @pytest.fixture
    def program(self, asked: list[str]) -> Program:
        @stage
        def ask(text: str) -> str:
            asked.append(text)
            return f"{len(text)} by {find.now[:4]}"

        def program(question: str) -> str:
            return ask(question) + ask(question) + ask(f"{write} {question}")

        return trace(program)

    def test_a_stage_is_asked_again_only_where_what_it_reads_has_changed(
        self, program: Program, asked: list[str]
    ) -> None:
        memory = Memory()
        first = program.captured(["q"], {}, memory=memory)
        assert asked == ["q", "q", "Answer in one sentence. q"]  # the same twice: two draws
        again = program.captured(["q"], {}, memory=memory)
        assert len(asked) == 3
        assert memory.recalled == 3
        assert again.output == first.output
        assert [call.recalled for call in again.calls] == [False, True, True, True]
        assert set(again.parameters) == {"find", "write"}  # those of remembered stages too
        program.with_values({"write": "W"}).captured(["q"], {}, memory=memory)
        assert asked[3:] == ["W q"]
        program.with_values({"find": "F"}).captured(["q"], {}, memory=memory)
        assert asked[4:] == ["q", "q", "Answer in one sentence. q"]

    def test_another_draw_is_asked_anew(self, program: Program, asked: list[str]) -> None:
        memory = Memory()
        program.captured(["q"], {}, memory=memory)
        program.captured(["q"], {}, memory=memory, draw=1)
        assert len(asked) == 6

    def test_what_is_remembered_cannot_be_changed(self) -> None:
        @stage
        def give(text: str) -> list[str]:
            return [text]

        def program(question: str) -> int:
            found = give(question)
            found.append("more")
            return len(found)

        memory = Memory()
        assert [trace(program).captured(["q"], {}, memory=memory).output for _ in range(3)] == [2, 2, 2]

    def test_methods_of_other_objects_are_not_one(self) -> None:
        class Client:
            def __init__(self, name: str) -> None:
                self.name = name

            @stage
            def ask(self, text: str) -> str:
                return f"{self.name}: {text}"

        small, big = Client("small"), Client("big")
        size = Number(0, "size")

        def program(question: str) -> str:
            return (big if size.now else small).ask(question)

        memory = Memory()
        told = [trace(program, size=own).captured(["q"], {}, memory=memory).output for own in (0, 1)]
        assert told == ["small: q", "big: q"]

    def test_what_is_not_plain_is_not_kept(self) -> None:
        calls: list[int] = []

        @stage
        def opaque(thing: Any) -> Any:
            calls.append(1)
            return object()

        @stage(remembered=False)
        def effect(text: str) -> str:
            calls.append(2)
            return text

        def program(question: str) -> str:
            opaque(question)
            opaque(object())
            return effect(question)

        memory = Memory()
        for _ in range(2):
            trace(program).captured(["q"], {}, memory=memory)
        assert calls == [1, 1, 2] * 2
        assert memory.unkept == 2
        assert memory.recalled == 0


class TestParameters:
    def test_values_that_cannot_be(self) -> None:
        assert Text("a {x}", "t", fields=("x",)).fault("a {x} {y}") is not None
        assert Text("a {x}", "t", fields=("x",)).fault("a {x") is not None
        assert Text("a {x}", "t", fields=("x",)).fault("b {x} {{}}") is None
        assert Text("a", "t").fault("  ") == "is no text, or an empty one"
        assert Code("def f(): pass", "c", function="f").fault("def g(): pass") == "does not define f"
        assert "is no Python" in (Code("x = 1", "c").fault("x = ") or "")
        number = Number(3, "n", low=0, high=10, whole=True)
        assert [number.fault(value) is None for value in (10, 10.5, 11, float("nan"), True)] == [True] + [False] * 4
        assert number.read(" 4 ") == 4
        assert isinstance(number.read("4"), int)
        assert number.show(4) == "4"
        assert Number(0.5, "n").show(0.123456789) == "0.123456789"
        with pytest.raises(InputError, match="no number"):
            number.read("four")

    def test_limits(self) -> None:
        text = Text("Be kind.", "t", limits=(longest(10), keeps("kind")))
        assert text.fault("Be kind to all.") == "is longer than 10 characters"
        assert text.fault("Be rude.") == "lacks 'kind'"
        with pytest.raises(InputError, match="text 't': its value is longer"):
            Text("Be kind.", "t", limits=(longest(3),))

    def test_a_name_is_needed_and_of_one_parameter(self) -> None:
        with pytest.raises(UsageError, match="needs a name"):
            Text("a", " ")
        with pytest.raises(UsageError, match="two parameters are named 'write'"):
            trace(lambda: f"{write}{Text('b', 'write')}").run()

    def test_it_stands_where_a_string_would(self) -> None:
        assert "a " + write + " b" == f"a {write} b"
        with pytest.raises(TypeError):
            ", ".join([write])  # type: ignore[list-item]
        assert int(Number(3, "n")) == 3
        assert f"{Number(3, 'n')} or {Number(2.5, 'n'):.2f}" == "3 or 2.50"


def test_generators_are_refused() -> None:
    def yields() -> Any:
        yield 1

    with pytest.raises(UsageError, match="gather"):
        stage(yields)
    with pytest.raises(UsageError, match="cannot be called so"):
        trace(answer).run()


def test_a_chain_of_many_stages() -> None:
    @stage
    def add(text: str) -> str:
        return text + "b"

    def program(question: str) -> str:
        for _ in range(1200):
            question = add(question)
        return question

    graph = Graph.of(trace(program).run("a"))
    assert all(own == (number - 1,) for number, own in enumerate(graph.sources) if number > 1)
