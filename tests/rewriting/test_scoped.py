"""Feedback with a scope: what overgeneralises is seen, and not kept."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import heedful
from heedful.core import InputError, Item
from heedful.models import FunctionWriter
from heedful.rewriting import Improving, Mutated, Runner, Task, item_of, trace
from heedful.rewriting.scoped import Scoped, examples_of, regressions, within_scope
from heedful.worlds.rule_world import RuleWorld

WORLD = RuleWorld()
YEAR = "Name the year."
INPUTS = [{"question": WORLD.question(topic, number)} for number in range(60) for topic in WORLD.topics]
SCOPED = Scoped(
    "It should name the year, in questions about history.",
    *([own for own in INPUTS if topic in own["question"]] for topic in ("history", "science", "travel")),
)
WAYS: tuple[dict[str, str], ...] = ({"everywhere": YEAR}, {"in_history": YEAR})
everywhere = heedful.Text("You answer.", "everywhere")
in_history = heedful.Text("You answer.", "in history")


def names_year(item: Item) -> float:
    return float("1969" in item.output[0].text)


def program(question: str) -> str:
    prompt = in_history if "history" in question else everywhere
    rng = np.random.default_rng(zlib.crc32(f"{question}|{prompt}|{everywhere}".encode()))
    return WORLD.answer(f"{everywhere}\n{prompt}\n{question}", rng=rng)


def runs(**values: str) -> Sequence[Any]:
    with Runner(trace(program), 1) as runner:
        return runner([Task(own, {name.replace("_", " "): text for name, text in values.items()}) for own in INPUTS])


def test_what_holds_in_scope_alone_is_told_from_what_holds_everywhere() -> None:
    start = runs()
    narrow = regressions(SCOPED, names_year, start, runs(in_history=YEAR))
    wide = regressions(SCOPED, names_year, start, runs(everywhere=YEAR))
    for told in (narrow, wide):
        assert told["within"].interval is not None
        assert told["within"].interval.low > 0.4
    assert narrow["near"].value == narrow["outside"].value == 0
    assert min(wide["near"].value, wide["outside"].value) > 0.4
    with pytest.raises(InputError, match="different inputs"):
        regressions(SCOPED, names_year, start, start[:-1])


def test_runs_that_failed_are_counted_and_not_judged() -> None:
    def breaks(question: str) -> str:
        if question == INPUTS[2]["question"]:
            raise ValueError("no such topic")
        return program(question)

    judged: list[str] = []

    def follows(item: Item) -> float:
        judged.append(item.output[0].text)
        return names_year(item)

    kind = next(own for own in ("within", "near", "outside") if INPUTS[2] in SCOPED.of(own))
    with Runner(trace(breaks), 1) as runner:
        failing = runner([Task(own, {"everywhere": YEAR}) for own in INPUTS])
    start = runs()
    whole, told = (regressions(SCOPED, follows, start, after) for after in (runs(everywhere=YEAR), failing))
    assert "None" not in judged
    assert told[kind].n == whole[kind].n - 1
    assert told[kind].note == "1 of 60 pairs are left out, of which a run failed"
    assert [own for own in told if told[own] != whole[own]] == [kind]
    alone = regressions(SCOPED, follows, [start[2]], [failing[2]])
    assert (alone[kind].n, alone[kind].identified) == (0, False)
    with pytest.raises(InputError, match="1 of 180 runs at the start failed: ValueError: no such topic"):
        within_scope(SCOPED, follows, failing)


def test_evidence_keeps_what_follows_in_scope_and_not_what_overgeneralises() -> None:
    evidence = within_scope(SCOPED, names_year, runs())
    means = {
        name: evidence([item_of(run) for run in runs(**{name: YEAR})]).mean.mean()
        for name in ("everywhere", "in_history")
    }
    assert means["in_history"] > means["everywhere"] + 0.3
    for name, kept in (("in history", True), ("everywhere", False)):
        engine = Improving(
            Mutated(lambda parameter, value, rng: f"{value}\n{YEAR}"),
            rounds=3,
            concurrency=1,
            frozen=frozenset({"in history", "everywhere"}) - {name},
        )
        done = heedful.improve(program, INPUTS, evidence, engine=engine, bounds=(0, 1))
        assert (done.counts["kept"] > 0) == kept


def test_a_model_writes_examples_of_each_kind() -> None:
    def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        text = str(messages[0]["content"])
        mark = re.findall(r"</([0-9a-f]{12})>", text)[-1]
        kind = "a" if "clearly applies" in text else "b" if "look alike" in text else "c"
        return f"<{mark}>\n{kind} one\n\n{kind} two\nshared\n</{mark}>"

    found = examples_of(FunctionWriter(answer), "not so long", [{"mail": "hello"}], 3)
    assert [list(own) for own in (found.within, found.near, found.outside)] == [
        [{"mail": f"{kind} one"}, {"mail": f"{kind} two"}] for kind in "abc"
    ]
    with pytest.raises(InputError, match="could be read"):
        examples_of(FunctionWriter(lambda *_: "none"), "not so long", [{"mail": "hello"}], 3)
    with pytest.raises(InputError, match="inputs are named"):
        examples_of(FunctionWriter(answer), "not so long", [{"mail": "hello", "to": "you"}], 3)


def test_each_input_is_of_one_kind() -> None:
    with pytest.raises(InputError, match="is within the scope and near"):
        Scoped("w", INPUTS[:2], INPUTS[1:3])
    with pytest.raises(InputError, match="no inputs are within"):
        Scoped("w", [])
    with pytest.raises(InputError, match="none of the examples"):
        SCOPED.kind_of(Item.of("other", "text"))
