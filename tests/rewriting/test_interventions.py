"""Runs with the results of stages changed: what is made again, what is not, and what is recorded of it."""

from __future__ import annotations

import pytest

import heedful
from heedful.core import UsageError
from heedful.rewriting import intervened, stage_edit, stage_label, trace

CALLED: list[str] = []


@heedful.stage
def split(query: str) -> list[str]:
    CALLED.append("split")
    return query.split(" and ")


@heedful.stage
def find(part: str) -> str:
    CALLED.append(f"find {part}")
    return f"<{part}>"


@heedful.stage(remembered=False)
def log(text: str) -> str:
    CALLED.append("log")
    return text


@heedful.stage
def answer(found: list[str]) -> str:
    CALLED.append("answer")
    return " + ".join(found)


def search(query: str) -> str:
    return log(answer([find(part) for part in split(query)]))


@pytest.fixture
def run():
    done = trace(search).run("a and b and a")
    CALLED.clear()
    return done


def test_only_what_depends_on_a_change_is_made_again(run) -> None:
    program = trace(search)
    names = [call.stage for call in run.calls]
    assert names == ["search", "split", "find", "find", "find", "answer", "log"]
    assert intervened(program, run, {3: "B!"}).output == "<a> + B! + <a>"
    assert CALLED == ["answer", "log"]
    CALLED.clear()
    # Calls that are given the same are told apart by their order.
    assert intervened(program, run, {4: "A!"}).output == "<a> + <b> + A!"
    CALLED.clear()
    again = intervened(program, run, {1: ["b", "c"]})
    assert again.output == "<b> + <c>"
    assert CALLED == ["find c", "answer", "log"]
    CALLED.clear()
    # The result of a change can be changed further, and nothing changed is the run as it was.
    assert intervened(program, again, {3: "C!"}).output == "<b> + C!"
    assert intervened(program, run, {}).output == run.output


def test_values_of_the_run_hold_in_it_again() -> None:
    prefix = heedful.Text("old: ", "prefix", role="before an answer")

    @heedful.stage
    def say(text: str) -> str:
        return f"{prefix}{text}"

    def program(text: str) -> str:
        return say(say(text))

    traced = trace(program, prefix="new: ")
    done = traced.run("x")
    assert intervened(trace(program), done, {1: "y"}).output == "new: y"


def test_a_change_that_is_not_met_is_refused(run) -> None:
    program = trace(search)
    for changed, what in (
        ({6: "x"}, "made anew in every run"),
        ({1: ["c"], 2: "x"}, "after another change"),
        ({0: "x"}, "no call 0"),
        ({7: "x"}, "no call 7"),
        ({2: object()}, "other than plain values"),
    ):
        with pytest.raises(UsageError, match=what):
            intervened(program, run, changed)


def test_what_is_said_of_a_stage_is_addressed_to_it(run) -> None:
    edit = stage_edit(run, 3, "B!", rater="ann")
    assert (edit.kind, edit.address.kind, edit.address.name) == ("edit", "stage", "find")
    assert (edit.context, [own.output for own in edit.candidates]) == ("part: b", ["<b>", "B!"])
    assert edit.rater is not None
    assert edit.rater.id == "ann"
    label = stage_label(run, 5, False)
    assert (label.kind, label.value.label, label.address.name) == ("label", False, "answer")
    with pytest.raises(UsageError, match="no call 9"):
        stage_label(run, 9, True)
