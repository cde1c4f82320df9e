"""Programs that edit strings: operations by hand, traces, and the chance of mending against simulation."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from heedful.core import InputError, Item
from heedful.models import Endpoint, Request
from heedful.models.marked import filled
from heedful.sampling import KEEP
from heedful.sampling.refinements import CRITIQUE
from heedful.worlds import ChatServer, StringProgramWorld, as_writer, run_text, string_models
from heedful.worlds.string_programs import OPERATIONS, run

WORLD = StringProgramWorld("left head odds", sees=1.0, skill=1.0)
START = "tail left right"
REWRITE = """\
Mend a program:
$program

Runs of it:
$critiques

Write it, mended, between a line <$mark> and a line </$mark>."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def failing(world: StringProgramWorld, program: str) -> str | None:
    return next((text for text, passed in zip(world.inputs, world.passed(program), strict=True) if not passed), None)


def mended(world: StringProgramWorld, program: str, rounds: int, draws: np.random.Generator) -> str:
    for _ in range(rounds):
        if text := failing(world, program):
            program = world.editor(program, world.critic(world.item(program, text), draws), draws)
    return program


def test_operations_are_what_they_say():
    made = {name: does("abcdef") for name, does in OPERATIONS.items()}
    assert made == {
        "reverse": "fedcba",
        "left": "bcdefa",
        "right": "fabcde",
        "head": "bacdef",
        "tail": "abcdfe",
        "halves": "defabc",
        "odds": "acebdf",
    }


@pytest.mark.parametrize("size", range(4, 9))
def test_no_two_operations_do_the_same(size):
    made = [does("abcdefgh"[:size]) for does in OPERATIONS.values()]
    assert len({*made, "abcdefgh"[:size]}) == len(OPERATIONS) + 1


def test_a_token_that_is_no_operation_is_named():
    assert run("left head odds", "abcd") == "cdba"
    with pytest.raises(InputError, match="token 2 'lefft' is no operation"):
        run("left lefft odds", "abcd")
    assert run("", "abcd") == "abcd"


def test_the_worth_of_a_program_is_that_of_its_outputs():
    assert WORLD.wanted("abcd") == "cdba"
    programs = "left head odds", "left head tail", "left tail odds", "tail head odds", "left hed", "", "left head"
    shares = WORLD.reward()([WORLD.item(own, "abcd") for own in programs]).mean
    np.testing.assert_allclose(shares, [1, 2 / 3, 1 / 3, 0, 1 / 3, 0, 2 / 3])
    np.testing.assert_allclose(WORLD.share(WORLD.item("left head odds tail", "abcd")), 3 / 4)
    assert WORLD.share(WORLD.item("left head odds left right", "abcd")) == 1.0
    assert (WORLD.expected("left head odds"), WORLD.passed("left head odds").all()) == (1.0, True)
    assert (WORLD.expected("left lefft odds"), WORLD.passed("left lefft odds").any()) == (pytest.approx(1 / 3), False)
    assert StringProgramWorld("left left").passed("halves").tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("program", "said", "after"),
    [
        ("left tail odds", "Token 2 'tail': 'bcda' should become 'cbda', but becomes 'bcad'.", "left head odds"),
        ("left hed odds", "Token 2 'hed': 'bcda' should become 'cbda', but meets no operation of", "left head odds"),
        ("left head", "Token 3 '': 'cbda' should become 'cdba', but the program ends.", "left head odds"),
        ("left head odds tail", "Token 4 'tail': 'cdba' should become 'cdba', but becomes 'cdab'.", "left head odds"),
        ("head odds", "Token 1 'head': 'abcd' should become 'bcda', but becomes 'bacd'.", "left odds"),
    ],
)
def test_a_trace_names_the_first_token_at_fault_and_is_enough_to_mend_it(program, said, after):
    trace = WORLD.critic(WORLD.item(program, "abcd"), rng())
    assert trace.startswith(said)
    assert WORLD.editor(program, f"Of the first input: {trace}", rng()) == after


def test_a_right_output_is_not_traced():
    assert WORLD.critic(WORLD.item("left head odds", "abcd"), rng()) == KEEP
    assert WORLD.critic(WORLD.item("left head odds left right", "abcd"), rng()) == KEEP
    assert WORLD.editor(START, "All is well.", rng()) == START


def test_the_editor_does_what_most_traces_ask_for():
    one, two = (f"Token {place} 'tail': 'abcd' should become 'dcba', but becomes 'abdc'." for place in (1, 3))
    assert WORLD.editor(START, f"{one}\n{two}\n{two}", rng()) == "tail left reverse"


@pytest.mark.parametrize(("sees", "skill"), [(1.0, 1.0), (0.7, 1.0), (1.0, 0.6), (0.5, 0.5), (0.0, 1.0)])
def test_the_chance_of_mending_is_that_of_simulations(sees, skill):
    world, draws, n = replace(WORLD, sees=sees, skill=skill), rng(1), 250
    right = sum(world.passed(mended(world, START, 4, draws)).all() for _ in range(n))
    assert binomtest(int(right), n, world.success(START, 4)).pvalue > 1e-4


def test_a_sure_critic_and_editor_mend_a_token_a_round():
    assert [WORLD.success(START, rounds) for rounds in range(5)] == [0, 0, 0, 1, 1]
    assert [WORLD.success("left head tail", rounds) for rounds in range(2)] == [0, 1]
    blind = replace(WORLD, sees=0.0)
    pair = StringProgramWorld("left", inputs=("abcd",), sees=0.0)
    assert blind.success(START, 2000) > 0.9 > blind.success(START, 3)
    assert [pair.success("right", rounds) for rounds in (0, 1, 2)] == pytest.approx([0, 1 / 7, 1 - (6 / 7) ** 2])


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="'aab' is no input"):
        StringProgramWorld(inputs=("aab",))
    with pytest.raises(InputError, match="'lefft' is no operation"):
        StringProgramWorld("lefft")
    with pytest.raises(InputError, match="sees is 2"):
        StringProgramWorld(sees=2)
    longest = " ".join(["left"] * 6)
    for start, world in (("left", WORLD), ("left head lefft", WORLD), (longest, StringProgramWorld(longest))):
        with pytest.raises(InputError, match="no law of programs"):
            world.success(start, 1)
    with pytest.raises(InputError, match="no input in the context"):
        WORLD.share(Item.of("abcd", "abcd"))


def test_programs_are_run_traced_and_mended_over_http():
    models = string_models(WORLD)
    with ChatServer(models) as server:

        def asked(model: str, text: str) -> str:
            return Endpoint(server.url, model).complete([Request.of(text)])[0].text

        logs = [asked("task", run_text("left hed odds", text)) for text in ("abcd", "hgbcf")]
        material = ({"context": WORLD.context(log.partition("\n")[0]), "answer": log} for log in logs)
        said = [asked("critic", filled(CRITIQUE, own, {})[0]).partition("\n")[0] for own in material]
        request, mark = filled(REWRITE, {"program": "left hed odds", "critiques": "\n".join(said)}, {})
        new = asked("editor", request)
        assert asked("critic", f"Of the program, \n{said[0]}\nwas said.") == said[0]
        assert asked("critic", f"Input: abcd\n{WORLD.item('left', 'abcd').output[0].text}\n\n{logs[0]}") == said[0]
        assert asked("task", run_text("left head odds", "abcd")) == "abcd\nleft: bcda\nhead: cbda\nodds: cdba"
    assert logs == ["abcd\nleft: bcda\nhed: (no such operation)", "hgbcf\nleft: gbcfh\nhed: (no such operation)"]
    assert said[1] == "Token 2 'hed': 'gbcfh' should become 'bgcfh', but meets no operation of that name."
    assert new == f"<{mark}>\nleft head odds\n</{mark}>"
    for model, text in (("task", "Run it."), ("critic", "Input: abcd"), ("critic", "abcd")):
        with pytest.raises(InputError, match=r"no program with|no run on 'abcd'|no input in"):
            as_writer(models, model).complete([Request.of(text)])


def test_every_program_that_is_right_is_known():
    pair = StringProgramWorld("left right")
    right = {own for own in itertools.product(OPERATIONS, repeat=2) if pair.passed(" ".join(own)).all()}
    assert {("left", "right"), ("right", "left"), ("reverse", "reverse"), ("head", "head")} <= right
    assert pair.success("head head", 0) == 1.0
