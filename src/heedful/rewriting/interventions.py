"""People who step in at a stage of a program: the run again with what they put there, and records of it.

A verdict on a final answer does not say which stage was to blame; what somebody changes at a stage does (Dai et al.
2025, "NExT-Search: rebuilding user feedback ecosystem for generative AI search").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heedful.core import UsageError
from heedful.feedback import Address, Candidate, Rater, Record, Value
from heedful.rewriting.graph import shown
from heedful.rewriting.recording import Call, Recorder
from heedful.rewriting.remembering import Key, Memory, content, key_of
from heedful.rewriting.tracing import Program, Run


def intervened(program: Program, run: Run, changed: Mapping[int, Any]) -> Run:
    """The run of a program again, with the results of some calls, by number, `changed` to others.

    Other calls that are given what they were given before are not made again, and give what they gave; what depends on
    the changes is.

    Raises UsageError where there is no such call, the program is async, or a change is not met: the stage is one with
    an effect (`remembered=False`) or a method, was given or is to give something other than plain values, or is given
    something else after another change.
    """
    _refuse_hidden(run, changed)
    memory, counted = Memory(), Recorder()
    outer = {call.within for call in run.calls}  # calls that made calls, which are remembered in their place
    for call in run.calls[1:]:
        key = counted.turn(_key(run, call))
        if key is not None and (call.number in changed or not (call.error or call.number in outer)):
            memory.keep(key, changed.get(call.number, call.output), call.reads, run.values)
    again = program.with_values(run.values).captured((), run.inputs, draw=run.draw, memory=memory)
    _refuse_unmet(run, again, changed)
    return again


def stage_edit(run: Run, number: int, output: Any, *, rater: str | None = None) -> Record:
    """What somebody put in the place of a call's result, as an edit addressed to its stage: in the context of what the
    stage was given, from what it gave. For that stage alone to learn from.

    Raises UsageError where there is no such call.
    """
    call = _call(run, number)
    return _record(call, "edit", [str(call.output), str(output)], Value(), rater)


def stage_label(run: Run, number: int, good: bool, *, rater: str | None = None) -> Record:
    """Whether a call did what it should with what it was given, as a label addressed to its stage.

    Raises UsageError where there is no such call.
    """
    call = _call(run, number)
    return _record(call, "label", [str(call.output)], Value(label=good), rater)


def _record(call: Call, kind: Any, outputs: list[str], value: Value, rater: str | None) -> Record:
    return Record(
        kind=kind,
        context=shown(call.inputs),
        candidates=[Candidate(output=own) for own in outputs],
        address=Address(kind="stage", name=call.stage),
        value=value,
        rater=None if rater is None else Rater(id=rater),
    )


def _call(run: Run, number: int) -> Call:
    if not 0 < number < len(run.calls):
        what = f"the run has no call {number} of a stage"
        raise UsageError(what, where="interventions", fix=f"a number from 1 to {len(run.calls) - 1}")
    return run.calls[number]


def _key(run: Run, call: Call) -> Key | None:
    return None if call.function is None else key_of(call.function, call.inputs, run.draw)


def _refuse_hidden(run: Run, changed: Mapping[int, Any]) -> None:
    for number, output in changed.items():
        call = _call(run, number)
        if call.function is None:
            what = f"call {number}, of {call.stage!r}, is made anew in every run"
            raise UsageError(what, where="intervened", fix="step in at a stage that is remembered")
        if _key(run, call) is None or content(output) is None:
            what = f"call {number}, of {call.stage!r}, was given or is to give something other than plain values"
            raise UsageError(what, where="intervened", fix="step in at another stage")


def _refuse_unmet(run: Run, again: Run, changed: Mapping[int, Any]) -> None:
    for number, output in changed.items():
        call, written = run.calls[number], content(output)
        if not any(
            own.recalled and own.stage == call.stage and own.given == call.given and content(own.output) == written
            for own in again.calls
        ):
            what = f"call {number}, of {call.stage!r}, is not made, or not so, after another change"
            raise UsageError(what, where="intervened", fix="make one change after the other")
