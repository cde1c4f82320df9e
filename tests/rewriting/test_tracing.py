"""Capturing calls: what is recorded, under asyncio and threads, what is replaced and what is remembered."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from heedful.core import BudgetExceededError, EndpointError, InputError, RequestRefusedError, UsageError
from heedful.rewriting import Code, Graph, Memory, Number, Program, Text, Threads, draw, keeps, longest, stage, trace
from heedful.rewriting.graph import shown
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

    def test_functions_of_one_name_are_not_one(self) -> None:
        """Of two makers, in two classes, and made anew in each run."""

        def asker(model: str) -> Any:
            @stage
            def ask(text: str) -> str:
                return f"{model}: {text}"

            return ask

        class Small:
            @staticmethod
            @stage
            def ask(text: str) -> str:
                return f"small: {text}"

        big, size = asker("big"), Number(0, "size")

        def program(question: str) -> str:
            return str([Small.ask, big, asker(question)][int(size)]("q"))

        memory = Memory()
        told = [
            trace(program, size=own).captured([question], {}, memory=memory).output
            for own, question in ((0, "mine"), (1, "mine"), (2, "mine"), (2, "yours"))
        ]
        assert told == ["small: q", "big: q", "mine: q", "yours: q"]

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
        form = Text("{q} {price:.2f} {page.title}", "t", fields=("q", "price", "page"))
        for new in ("{q:999999}", "{q!r}", "{q.__class__}", "{q[0]}", "{q:{price}}", "{q}{page}"):
            assert "must have the fields {page.title}, {price:.2f}, {q}" in (
                form.fault(f"{new} {{q}} {{price:.2f}} {{page.title}}") or ""
            )
        assert form.fault("{page.title} costs {price:.2f}; {q}") is None
        assert [number.fault(value) is None for value in (10, 10.5, 11, float("nan"), True)] == [True] + [False] * 4
        assert number.read(" 4 ") == 4
        assert isinstance(number.read("4"), int)
        assert number.show(4) == "4"
        assert Number(0.5, "n").show(0.123456789) == "0.123456789"
        with pytest.raises(InputError, match="no number"):
            number.read("four")

    @pytest.mark.parametrize("name", ["class", "self", "my-prompt", "q.x", "0", ""])
    def test_fields_that_no_program_can_fill_in(self, name: str) -> None:
        with pytest.raises(UsageError, match=f"text 'form': '{name}' cannot be the name of a field Fix: take a name"):
            Text(f"a {{{name}}}", "form", fields=(name,))

    def test_a_text_whose_fields_are_not_told_takes_no_new_ones(self) -> None:
        form = Text("a {q}", "form")
        assert trace(lambda q: form.format(q=q), form="b {q}").run("x").output == "b x"
        run = trace(lambda q: form.format(q=q), form="b {q.__class__}").run("x")
        assert "{q.__class__} is no field of the first text" in run.error

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


class TestErrors:
    def test_an_exit_is_an_error_of_the_run_and_an_interrupt_is_none(self) -> None:
        @stage
        def leaves(text: str) -> str:
            raise SystemExit(text)

        @stage
        async def leaves_later(text: str) -> str:
            await asyncio.sleep(0)
            raise SystemExit(text)

        async def gathers(question: str) -> list[str]:
            return await asyncio.gather(leaves_later(question), leaves_later(question))

        async def groups(question: str) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(leaves_later(question))

        for program in (lambda question: leaves(question), gathers, groups):
            with Runner(trace(program)) as runner:
                for run in runner([Task({"question": "q"}, {}), Task({"question": "p"}, {})]):
                    assert run.error.startswith("SystemExit: ")
                    assert Graph.of(run).end() > 0

        def interrupts(question: str) -> str:
            raise KeyboardInterrupt

        async def interrupts_later(question: str) -> None:
            await asyncio.gather(asyncio.to_thread(interrupts, question))

        for interrupted in (interrupts, interrupts_later):
            with Runner(trace(interrupted)) as runner, pytest.raises(KeyboardInterrupt):
                runner([Task({"question": "q"}, {})])

    def test_of_a_group_of_errors_the_first_is_told_and_what_is_no_fault_of_a_text_is_raised(self) -> None:
        @stage
        async def breaks(text: str) -> str:
            if text == "spend":
                raise BudgetExceededError("nothing left")
            raise ValueError("no such topic")

        async def program(question: str) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(breaks(question))

        run = asyncio.run(trace(program).arun("q"))
        assert run.error.startswith("ValueError: no such topic (line ")
        assert Graph.of(run).end() == 1
        with pytest.raises(BudgetExceededError):
            asyncio.run(trace(program).arun("spend"))

    def test_what_a_server_refuses_of_one_example_is_its_error(self) -> None:
        @stage
        def ask(text: str) -> str:
            if "long" in text:
                raise RequestRefusedError("the server refuses with status 400: too long")
            return text

        tasks = [Task({"question": own}, {}) for own in ("long", "short")]
        with Runner(trace(lambda question: ask(question))) as runner:
            run, other = runner(tasks)
            assert run.refused
            assert run.error.startswith("RequestRefusedError: the server refuses")
            assert not other.refused
            assert runner(tasks[:1] * 3)[0].refused  # a prompt may be what is too long
        with (
            Runner(trace(lambda question: ask(question))) as runner,
            pytest.raises(EndpointError, match="first 3 runs"),
        ):
            runner(tasks[:1] * 3)

    def test_a_run_that_takes_too_long_has_failed(self) -> None:
        go_on = threading.Event()

        @stage
        def hangs(text: str) -> str:
            if text == "slow":
                go_on.wait(10)
            return text

        @stage
        async def hangs_async(text: str) -> str:
            await asyncio.sleep(10 if text == "slow" else 0)
            return text

        async def program(question: str) -> str:
            return await hangs_async(question)

        for traced in (trace(lambda question: hangs(question)), trace(program)):
            with Runner(traced, seconds=0.2) as runner:
                slow, quick = runner([Task({"question": own}, {}) for own in ("slow", "quick")])
            assert slow.error == "TimeoutError: it took longer than 0.2 seconds"
            assert Graph.of(slow).end() == 1  # feedback begins at the call that did not end
            assert (quick.error, quick.output) == ("", "quick")
        go_on.set()
        with pytest.raises(UsageError, match="more than 0 seconds"):
            Runner(traced, seconds=0)


class TestOddPrograms:
    def test_parameters_as_arguments_are_what_they_are_in_the_run(self) -> None:
        @dataclass
        class Both:
            one: Any
            other: str

        @stage
        def ask(text: Any, more: Any = write) -> str:
            return f"{text} {more}"

        @stage
        def of(both: Both, *parts: Any, **named: Any) -> str:
            return f"{both.one}{parts[0][0]}{named['last']}"

        def program(question: str, prompt: Text = find) -> str:
            return ask(prompt) + ask([prompt, question], more="") + of(Both(prompt, "x"), [write], last=question)

        run = trace(program, find="F!", write="W!").run("q")
        assert run.output is not None
        assert run.inputs == {"question": "q"}  # what is rewritten is no input
        assert run.calls[1].inputs == {"text": "F!", "more": "W!"}
        assert run.calls[2].inputs == {"text": ["F!", "q"], "more": ""}
        assert run.calls[3].inputs["parts"] == (["W!"],)
        assert run.calls[3].inputs["last"] == "q"
        assert Graph.of(run).leading({"find"}) == {0, 1, 2, 3}
        assert Graph.of(run).reads[3] == ("find", "write")
        assert trace(lambda question: find, find="F!").run("q").output == "F!"

    def test_inputs_by_name_of_any_name(self) -> None:
        def program(**given: str) -> str:
            return draft(" ".join(given.values()))

        with Runner(trace(program)) as runner:
            (run,) = runner([Task({"one": "1", "two": "2"}, {})])
        assert dict(run.inputs) == {"one": "1", "two": "2"}

    def test_what_is_recorded_is_not_changed_afterwards(self) -> None:
        @stage
        def last(parts: list[str]) -> list[str]:
            return parts[-1:]

        def program(question: str) -> list[str]:
            parts = [question]
            found = last(parts)
            parts.append("more")
            found.append("more")
            return parts

        (_, call) = trace(program).run("q").calls
        assert (call.inputs, call.output) == ({"parts": ["q"]}, ["q"])

    def test_recursion(self) -> None:
        @stage
        def halve(text: str) -> str:
            return text if len(text) < 2 else halve(text[: len(text) // 2]) + halve(text[len(text) // 2 :])

        run = trace(lambda question: halve(f"{write.now[:2]}{question}")).run("ab")
        assert run.output == "Anab"
        assert [call.within for call in run.calls] == [None, 0, 1, 2, 2, 1, 5, 5]
        assert Graph.of(run).order == (0, 1, 5, 7, 6, 2, 4, 3)

    @pytest.mark.parametrize("gives", [iter, lambda text: (own for own in text), lambda text: asyncio.sleep(0)])
    def test_what_is_yet_to_come_is_refused(self, gives: Any) -> None:
        found: list[Any] = []

        @stage
        def streams(text: str) -> Any:
            found.append(gives(text))
            return found[-1]

        with pytest.raises(UsageError, match="streams gives what is yet to be"):
            trace(lambda question: streams(question)).run("q")
        if hasattr(found[0], "close"):
            found[0].close()

    def test_objects_are_shown_alike_in_every_process(self) -> None:
        class Client:
            pass

        told = shown({"client": Client(), "say": print, "tags": {"b", "a"}, "text": "<x at 0x7f>"})
        assert " at 0x" not in told.replace("<x at 0x7f>", "")
        assert "tags: {'a', 'b'}" in told
        assert "text: <x at 0x7f>" in told


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
