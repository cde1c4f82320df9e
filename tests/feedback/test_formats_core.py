"""Formats of judgements, row by row and in bulk; each expected record is written by hand from the format's rules."""

from __future__ import annotations

import copy
import csv
import datetime as dt
import functools
import gzip
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.feedback import Feedback, Record, Table, Value
from heedful.feedback.formats.alpaca import ALPACA, ALPACA_TABLE
from heedful.feedback.formats.arena import ARENA
from heedful.feedback.formats.base import Format, Problem
from heedful.feedback.formats.dialogues import DIALOGUES
from heedful.feedback.formats.native import NATIVE, NATIVE_TABLE
from heedful.feedback.formats.pandalm import PANDALM
from heedful.feedback.formats.solutions import SOLUTIONS
from heedful.feedback.formats.trl import TRL_COMPLETION, TRL_PREFERENCE, TRL_STEPS, TRL_UNPAIRED
from heedful.feedback.read import read

DATA = Path(os.environ.get("HEEDFUL_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public data files are not at HEEDFUL_DATA")


def records(read_as: Format, row: dict[str, Any]) -> list[Record]:
    assert read_as.matches(row)
    return [Record.model_validate(said) for said in read_as.parse(row) if not isinstance(said, Problem)]


def reasons(read_as: Format, row: dict[str, Any]) -> list[str]:
    return [said.reason for said in read_as.parse(row) if isinstance(said, Problem)]


def only(read_as: Format, row: dict[str, Any]) -> Record:
    (record,) = records(read_as, row)
    return record


def outputs(record: Record) -> list[Any]:
    return [candidate.output for candidate in record.candidates]


def systems(record: Record) -> list[str | None]:
    return [candidate.system for candidate in record.candidates]


def turns(content: Any) -> list[tuple[str | None, str, str]]:
    return [(part.role, part.by, part.text) for part in content]


# Dialogues


def dialogue(*said: str) -> str:
    names = ("Human", "Assistant")
    return "".join(f"\n\n{names[place % 2]}:{' ' if text else ''}{text}" for place, text in enumerate(said))


def test_dialogues_split_at_the_last_shared_turn() -> None:
    row = {"chosen": dialogue("hi", "hello", "a pen?", "yes"), "rejected": dialogue("hi", "hello", "a pen?", "yes, no")}
    record = only(DIALOGUES, row)
    assert turns(record.context) == [
        ("user", "world", "hi"),
        ("assistant", "system", "hello"),
        ("user", "world", "a pen?"),
    ]
    assert outputs(record) == ["yes", "yes, no"]
    assert (record.kind, record.value.choice, record.order) == ("comparison", "first", "unknown")


def test_a_lone_question_is_a_plain_context() -> None:
    assert only(DIALOGUES, {"chosen": dialogue("q", "a"), "rejected": dialogue("q", "b")}).context == "q"


def test_an_empty_answer_is_an_answer() -> None:
    assert outputs(only(DIALOGUES, {"chosen": dialogue("q", ""), "rejected": dialogue("q", "b")})) == ["", "b"]


def test_dialogues_that_differ_in_several_turns_keep_them_all() -> None:
    row = {"chosen": dialogue("q", "a", "more", "b"), "rejected": dialogue("q", "c", "why", "d")}
    record = only(DIALOGUES, row)
    assert record.context == "q"
    assert [turns(output) for output in outputs(record)] == [
        [("assistant", "system", "a"), ("user", "world", "more"), ("assistant", "system", "b")],
        [("assistant", "system", "c"), ("user", "world", "why"), ("assistant", "system", "d")],
    ]


def test_a_dialogue_that_stops_earlier_still_has_an_output() -> None:
    record = only(DIALOGUES, {"chosen": dialogue("q", "a"), "rejected": dialogue("q", "a", "more", "b")})
    assert record.context == "q"
    assert outputs(record)[0] == "a"
    assert turns(outputs(record)[1])[0] == ("assistant", "system", "a")


def test_marks_within_a_line_are_text() -> None:
    row = {"chosen": dialogue("say Human: hi\n\nor Assistant: no", "a"), "rejected": dialogue("say Human: hi", "a")}
    assert turns(outputs(only(DIALOGUES, row))[0])[0][2] == "say Human: hi\n\nor Assistant: no"


def test_the_same_dialogue_twice_is_a_problem() -> None:
    assert "against itself" in reasons(DIALOGUES, {"chosen": dialogue("q", "a"), "rejected": dialogue("q", "a")})[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="ab \n:", max_size=5).filter(lambda s: "\n\n" not in s and not s.startswith("\n"))))
def test_context_and_output_make_up_the_dialogue(said: list[str]) -> None:
    """Whatever the split, joining the context and the output gives back the text as it was."""
    chosen, rejected = dialogue("q", *said, "last"), dialogue("q", *said, "other")
    record = only(DIALOGUES, {"chosen": chosen, "rejected": rejected})
    parts = (record.context, outputs(record)[0])
    texts = [text for part in parts for text in ([part] if isinstance(part, str) else [one.text for one in part])]
    assert dialogue(*texts) == chosen


# TRL


USER, ASSISTANT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
OTHER = {"role": "assistant", "content": "b"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [OTHER]},
        {"chosen": [USER, ASSISTANT], "rejected": [USER, OTHER]},
        {"prompt": "q", "chosen": [USER, ASSISTANT], "rejected": [USER, OTHER]},
        {"prompt": json.dumps([USER]), "chosen": json.dumps([ASSISTANT]), "rejected": json.dumps([OTHER])},
    ],
    ids=["standard", "conversational", "implicit", "prompt within", "messages in cells"],
)
def test_trl_preference_forms_say_the_same(row: dict[str, Any]) -> None:
    record = only(TRL_PREFERENCE, row)
    assert (record.context, outputs(record), record.value.choice) == ("q", ["a", "b"], "first")


def test_trl_implicit_prompt_of_texts_ends_between_words() -> None:
    """The example of the TRL documentation."""
    record = only(TRL_PREFERENCE, {"chosen": "The sky is blue.", "rejected": "The sky is green."})
    assert (record.context, outputs(record)) == ("The sky is", [" blue.", " green."])
    record = only(TRL_PREFERENCE, {"chosen": "blue", "rejected": "black"})
    assert (record.context, outputs(record)) == (None, ["blue", "black"])


def test_trl_keeps_other_columns() -> None:
    row = {"prompt": "q", "chosen": "a", "rejected": "", "score_chosen": 4.5, "source": "x", "note": None}
    record = only(TRL_PREFERENCE, row)
    assert record.extra == {"score_chosen": 4.5, "source": "x"}
    assert outputs(record) == ["a", ""]


@pytest.mark.parametrize("label", [True, 1, "True", "1"])
def test_trl_unpaired(label: Any) -> None:
    record = only(TRL_UNPAIRED, {"prompt": [USER], "completion": [ASSISTANT], "label": label})
    assert (record.kind, record.context, outputs(record), record.value.label) == ("label", "q", ["a"], True)


def test_trl_unpaired_without_a_label_is_a_problem() -> None:
    assert "label is None" in reasons(TRL_UNPAIRED, {"prompt": "q", "completion": "a", "label": None})[0]


def test_trl_prompt_completion_is_a_demonstration() -> None:
    record = only(TRL_COMPLETION, {"prompt": "q", "completion": "a"})
    assert (record.kind, record.context, outputs(record)) == ("demonstration", "q", ["a"])


def test_trl_steps() -> None:
    row = {"prompt": "q", "completions": ["one", "two", "three"], "labels": [True, None, False]}
    record = only(TRL_STEPS, row)
    assert (record.kind, record.value.steps) == ("steps", [1.0, None, 0.0])
    assert [part.text for part in outputs(record)[0]] == ["one", "two", "three"]
    assert "2 labels for 3 steps" in reasons(TRL_STEPS, {**row, "labels": [True, False]})[0]


def test_tool_messages_become_calls_and_results() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    chosen = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "name": "add", "content": "2"},
        {"role": "assistant", "content": "It is 2."},
    ]
    record = only(TRL_PREFERENCE, {"prompt": [USER], "chosen": chosen, "rejected": [OTHER]})
    parts = outputs(record)[0]
    assert [(part.kind, part.by) for part in parts] == [
        ("tool_call", "system"),
        ("tool_result", "world"),
        ("text", "system"),
    ]
    assert json.loads(parts[0].text) == call
    assert json.loads(parts[1].text) == {"name": "add", "content": "2"}


def test_media_are_referred_to_never_embedded() -> None:
    pieces = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://x.org/cat.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    row = {"prompt": [{"role": "user", "content": pieces}], "chosen": [ASSISTANT], "rejected": [OTHER]}
    parts = only(TRL_PREFERENCE, row).context
    assert [(part.kind, part.text, part.uri) for part in parts] == [
        ("text", "see", None),
        ("media", "", "https://x.org/cat.png"),
        ("media", "", None),
    ]
    assert len(parts[2].sha256) == 64


# AlpacaEval


ALPACA_ROW = {
    "instruction": "q", "output_1": "base", "generator_1": "gpt", "output_2": "mine", "generator_2": "me",
    "annotator": "judge", "dataset": "x", "raw_completion": {"tokens": [1, 2]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("preference", "choice", "share"),
    [
        (1, "first", 1.0),
        (2, "second", 0.0),
        (1.25, "first", 0.75),
        (1.5, "tie", 0.5),
        (0, "tie", 0.5),
        ("2.0", "second", 0),
    ],
)
def test_alpaca_preferences(preference: Any, choice: str, share: float) -> None:
    record = only(ALPACA, {**ALPACA_ROW, "preference": preference})
    assert (record.value.choice, record.value.share) == (choice, share)
    assert (systems(record), outputs(record)) == (["gpt", "me"], ["base", "mine"])
    assert (record.rater.id, record.rater.kind) == ("judge", "model")
    assert record.extra == {"dataset": "x", "raw_completion": {"tokens": [1, 2]}}


@pytest.mark.parametrize("preference", [None, math.nan, "", 3, -1, math.inf, "good"])
def test_alpaca_without_a_preference_is_a_problem(preference: Any) -> None:
    assert "preference" in reasons(ALPACA, {**ALPACA_ROW, "preference": preference})[0]


def test_alpaca_tables() -> None:
    row = {"generator": "me", "baseline": "gpt", "preference": 1.9, "instruction": 7, "output_chars": 12}
    record = only(ALPACA_TABLE, row)
    assert (systems(record), record.value.choice) == (["gpt", "me"], "second")
    assert record.context[0].uri == "instruction:7"
    assert "against itself" in reasons(ALPACA_TABLE, {**row, "generator": "gpt"})[0]


# PandaLM, solutions


PANDA_ROW = {
    "idx": 3, "cmp_key": "bloom-7b_llama-7b", "instruction": "do", "input": "this", "response1": "a", "response2": True,
    "annotator1": 1, "annotator2": 0, "annotator3": 2,
}  # fmt: skip


def test_pandalm_gives_one_judgement_per_annotator() -> None:
    found = records(PANDALM, PANDA_ROW)
    assert [record.value.choice for record in found] == ["first", "tie", "second"]
    assert [record.rater.id for record in found] == ["annotator1", "annotator2", "annotator3"]
    assert all(record.context == "do\n\nthis" and systems(record) == ["bloom-7b", "llama-7b"] for record in found)
    assert outputs(found[0]) == ["a", "true"]
    assert found[0].extra == {"idx": 3, "cmp_key": "bloom-7b_llama-7b"}


def test_pandalm_without_judgements_or_with_odd_ones() -> None:
    row = {**PANDA_ROW, "annotator2": None, "annotator3": 5, "input": "", "cmp_key": "a_b_c"}
    (found,) = records(PANDALM, row)
    assert (found.context, systems(found)) == ("do", [None, None])
    assert reasons(PANDALM, row) == ["annotator3 is 5, not 0 (tie), 1 or 2"]


def test_solutions_label_each_model() -> None:
    row = {
        "question": "1 + 1?",
        "ground_truth": "2",
        "small": {"is_correct": False, "solution": "3"},
        "large": {"is_correct": True, "solution": "2", "tokens": 1},
        "odd": {"is_correct": "perhaps", "solution": "2"},
    }
    found = records(SOLUTIONS, row)
    assert [(record.candidates[0].system, record.value.label) for record in found] == [
        ("small", False),
        ("large", True),
    ]
    assert {record.criterion for record in found} == {"correctness"}
    assert found[1].extra == {"ground_truth": "2", "tokens": 1}
    assert "is_correct of odd" in reasons(SOLUTIONS, row)[0]


# Arena


@pytest.mark.parametrize(
    ("winner", "choice", "share"),
    [
        ("model_a", "first", None), ("model_b", "second", None), ("Tie", "tie", None),
        ("tie (bothbad)", "both_bad", None),
        ("both_bad", "both_bad", None), ("m1", "first", None), ("m2", "second", None), (1, "first", None),
        (0, "second", None), (0.5, "tie", None), ("0.5", "tie", None), (0.75, "first", 0.75), ("0.25", "second", 0.25),
    ],
)  # fmt: skip
def test_arena_winners(winner: Any, choice: str, share: float | None) -> None:
    record = only(ARENA, {"model_a": "m1", "model_b": "m2", "winner": winner})
    assert (record.value.choice, record.value.share, systems(record)) == (choice, share, ["m1", "m2"])
    assert (record.order, record.rater, record.context) == ("unknown", None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"winner": ""}, "no winner"), ({"winner": None}, "no winner"), ({"winner": "m3"}, "neither of the two models"),
        ({"winner": 2}, "neither of the two models"), ({"winner": math.inf}, "neither of the two models"),
        ({"model_a": " "}, "model_a is empty"), ({"model_b": "m1"}, "against itself"),
        ({"tstamp": math.inf}, "no time"),
    ],
)  # fmt: skip
def test_arena_problems(change: dict[str, Any], reason: str) -> None:
    assert reason in reasons(ARENA, {"model_a": "m1", "model_b": "m2", "winner": "tie", **change})[0]


def test_arena_conversations() -> None:
    row = {
        "question_id": "q9", "model_a": "m1", "model_b": "m2", "winner": "model_b", "judge": "arena_user_9", "turn": 1,
        "conversation_a": [USER, ASSISTANT], "conversation_b": [USER, OTHER],
        "language": "English", "tstamp": 1682351591.1322,
    }  # fmt: skip
    record = only(ARENA, row)
    assert (record.context, outputs(record), record.value.choice) == ("q", ["a", "b"], "second")
    assert record.time == dt.datetime(2023, 4, 24, 15, 53, 11, 132200, dt.UTC)
    assert (record.rater.id, record.extra) == ("arena_user_9", {"turn": 1, "language": "English"})


def test_arena_columns_of_llmfao() -> None:
    row = {
        "id": 0, "prompt": 8, "model_x": 97, "model_y": 98, "worker": 58, "winner": "right", "left": "Airoboros",
        "right": "Weaver",
    }  # fmt: skip
    record = only(ARENA, row)
    assert (systems(record), record.order, record.value.choice) == (["Airoboros", "Weaver"], "shown", "second")
    assert (record.context[0].uri, record.rater.id) == ("prompt:8", "58")
    assert record.extra == {"id": 0, "model_x": 97, "model_y": 98}


def test_arena_left_may_be_model_b() -> None:
    row = {
        "model_a": "m1", "model_b": "m2", "winner": "model_a", "left": "m2", "right": "m1", "response_a": "one",
        "response_b": "two", "prompt": "q",
    }  # fmt: skip
    record = only(ARENA, row)
    assert (systems(record), outputs(record)) == (["m2", "m1"], ["two", "one"])
    assert (record.value.choice, record.order, record.context, record.extra) == ("second", "shown", "q", {})


# The bulk paths accept and reject as the row paths do


def same_both_ways(rows: pl.DataFrame | list[Any], read_as: Format) -> Feedback:
    bulk, single = (read(rows, format=one) for one in (read_as, replace(read_as, frame=None, rows=None)))
    assert list(bulk.table.records()) == list(single.table.records())
    assert bulk.rejects == single.rejects
    assert bulk.read == len(rows)
    return bulk


# Half of all cells are plain, so that both paths are taken.
NAMES = st.sampled_from(["m1", "m2", "m3", "m4"]) | st.sampled_from(
    [" m1", "tie", "97", "", " ", None, "\x1c", 'q"\\', "é"]
)
CELLS = st.sampled_from(["text", "8", "a b", 'x"\n\\', "é"]) | st.sampled_from(
    [None, "", " ", "\x1ex", json.dumps([USER])]
)
WINNERS = st.sampled_from(["model_a", "model_b", "tie", " TIE "]) | st.sampled_from(
    ["m1", "1", "0.3", "7", "", None, "left"]
)
TIMES = st.sampled_from([1e9, 1682351591.1322]) | st.sampled_from([None, 1.7e12, math.nan, math.inf, -5.5])
NUMBERS = st.sampled_from([0.5, 3.0, 1e300]) | st.sampled_from([None, math.nan, math.inf])
COLUMNS = {
    "model_a": NAMES, "model_b": NAMES, "winner": WINNERS, "left": NAMES, "right": NAMES, "judge": NAMES,
    "rater_kind": st.sampled_from(["model", "person", "robot", "", None]), "prompt": CELLS, "question": CELLS,
    "response_a": CELLS, "response_b": CELLS, "criterion": st.sampled_from(["style", "", None]), "language": CELLS,
    "turn": st.sampled_from([1, 2, None]), "score": NUMBERS, "flag": st.sampled_from([True, None]), "tstamp": TIMES,
}  # fmt: skip
TYPES = {"turn": pl.Int64, "score": pl.Float64, "flag": pl.Boolean, "tstamp": pl.Float64}
ALWAYS = ("model_a", "model_b", "winner")


@st.composite
def arena_frames(draw: Any) -> pl.DataFrame:
    names = [name for name in COLUMNS if name in ALWAYS or draw(st.integers(0, 3)) == 0]
    rows = draw(st.lists(st.tuples(*(COLUMNS[name] for name in names)), min_size=1, max_size=6))
    schema = {name: TYPES.get(name, pl.String) for name in names}
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(max_examples=100, deadline=None)
@given(arena_frames())
def test_arena_in_bulk_is_arena_row_by_row(frame: pl.DataFrame) -> None:
    same_both_ways(frame, ARENA)


def test_arena_in_bulk_is_used_for_plain_rows() -> None:
    frame = pl.DataFrame({"model_a": ["m1", "m1"], "model_b": ["m2", "m1"], "winner": ["tie", "tie"], "x": ["a", "b"]})
    sound, rest = ARENA.frame(frame.with_columns(pl.Series("\x00line", [1, 2])))
    assert (sound.height, rest.height) == (1, 1)


@functools.cache
def plain_table() -> pl.DataFrame:
    """One sound row of every kind and then some, with every column of the schema in use."""
    common: dict[str, Any] = {"candidates": [{"output": "a", "system": "s"}, {"output": "b", "system": "t"}]}
    one = {"candidates": [{"output": "a", "system": "s"}]}
    part = {"text": "hi", "by": "world", "role": "user"}
    said = [
        {"kind": "comparison", **common, "value": {"choice": "tie", "degree": 1, "share": 0.5}, "order": "shown"},
        {"kind": "comparison", **common, "value": {"choice": "first"}, "context": [part], "rater": {"id": "r"}},
        {"kind": "ranking", **common, "value": {"ranks": [1, 1]}},
        {"kind": "ranking", **common, "value": {"ranks": [None, 3]}},
        {"kind": "best_of", **common, "value": {"best": 1}},
        {"kind": "best_of", **common, "value": {"best": 1, "worst": 0}},
        {"kind": "rating", **one, "value": {"rating": 3, "scale": [1, 5], "step": 1}, "context": "\x1e odd"},
        {"kind": "label", **one, "value": {"label": True}, "rater": {"id": "m", "kind": "model"}, "protocol": "p"},
        {"kind": "steps", **one, "value": {"steps": [1, None, 0]}, "address": {"kind": "step", "index": 2}},
        {"kind": "critique", **one, "value": {"text": "no"}, "propensity": 0.5, "policy": "v1", "personal": False},
        {"kind": "edit", **common, "time": "2024-01-01T00:00:00", "seconds": 3, "licence": "MIT", "consent": True},
        {"kind": "demonstration", **one, "extra": {"a": {"b": [1, "é"]}}},
        {"kind": "implicit", **one, "value": {"signal": "copied", "amount": 2}, "criterion": "style", "position": 3},
    ]
    made = [Record.model_validate({"id": f"id-{place}", **one}) for place, one in enumerate(said)]
    return Table.of(made).frame.drop("source", "line")


CHANGES: dict[str, list[Any]] = {
    "id": [None, ""], "kind": ["rating", "label", "ranking", "edit", "steps", "comparison"], "criterion": [None, ""],
    "outputs": [["a"], [None, None], ["\x1e[]", "b"], ["\x1e{", "b"], ["\x1e\x1eok", "b"], [], ["x", "x", "x"], None],
    "systems": [["s"], ["s", "s"], [None, None], [None, "s"], [], ["s", "s", "s"], None],
    "context": ["\x1e[", "\x1e[1]", '\x1e[{"text":"a","kind":"text","by":"world"}]', "", None, "\x1e\x1ex"],
    "degree": [0.0, -1.0, math.nan, math.inf, None], "share": [-0.1, 1.1, math.nan, 0.0, 1.0],
    "ranks": [[0, 1], [1], [1, None], [None, None], [2, 2], [1, 2, 3], []], "best": [2, -1, 0, None],
    "worst": [2, -1, 0, 1, None],
    "rating": [0.0, math.nan, math.inf, 5.0, None], "scale_low": [5.0, 9.0, math.nan, None],
    "scale_high": [1.0, math.inf, None], "step": [0.0, math.nan, 2.0], "steps": [[math.nan], [], [None], [1.0]],
    "label": [None, False], "text": [None, ""], "signal": [None, ""], "amount": [math.inf, None],
    "rater": ["", None, "x"], "rater_kind": [None, "rule"], "propensity": [0.0, 1.5, math.nan, 1.0],
    "position": [-1, 0, None],
    "seconds": [-1.0, math.inf, 0.0], "shown": [False, None, True], "choice": [None, "tie"],
    "address": ["{", "3", '{"kind":"whole"}', '{"kind":"turn","index":-1}', '{"kind":"turn","index":1}', "{}"],
    "extra": ["{", "[1]", "{}", '{"a": "\\ud800"}', '{"a": Infinity}', "3", '{"a": 1}'],
}  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_tables_in_bulk_are_tables_row_by_row(data: st.DataObject) -> None:
    """From sound rows, up to three cells are changed to values at and beyond the edges of what a record allows."""
    rows = plain_table().to_dicts()
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(CHANGES)))
        data.draw(st.sampled_from(rows))[name] = data.draw(st.sampled_from(CHANGES[name]))
    schema = {**plain_table().schema, "kind": pl.String, "choice": pl.String, "rater_kind": pl.String}
    same_both_ways(pl.DataFrame(rows, schema=schema), NATIVE_TABLE)


def test_sound_tables_stay_in_bulk() -> None:
    frame = plain_table()
    sound, rest = NATIVE_TABLE.frame(frame.with_columns(pl.Series("\x00line", range(1, frame.height + 1))))
    assert (sound.height, rest.height) == (frame.height, 0)
    assert list(read(frame).table.records()) == list(Table.shaped(frame).records())


def plain_records() -> list[dict[str, Any]]:
    made = Table.shaped(plain_table()).records()
    return [record.model_dump(mode="json", by_alias=True, exclude_defaults=True) for record in made]


ODDITIES = [
    None,
    "",
    "x",
    0,
    1,
    2.5,
    -1,
    True,
    [],
    {},
    [1],
    ["a"],
    [None],
    [1.0, 2],
    [2, 1],
    [None] * 2,
    math.inf,
    10**400,
    2**40,
]
KEYS = st.sampled_from(sorted(set(Record.model_fields) - {"schema_version"} | {"schema", "unknown", "line", "source"}))
DEEPER = st.sampled_from(sorted({*Value.model_fields, "odd"}))
DATES = ["2024-02-30T00:00:00Z", "2024-02-03T00:00:00+02:00", "2024-02-03T00:00:00.1234567Z", "2024-02-03", 1.7e9]
NESTED = [
    {"kind": "turn", "index": 1}, {"kind": "turn", "index": -1}, {"id": "r", "kind": None}, {"id": "r", "kind": "rule"},
    {"id": "r", "odd": 1}, [{"output": [{"text": "a"}]}], [{"output": [{"text": 5}]}], [{"output": "a", "odd": 1}],
    [{"output": None}], [{"system": "s"}, {"system": "s"}], [{"output": "a"}, {"output": "a"}, {"output": "a"}],
    [{"text": "a", "kind": "odd"}], [{"text": "a", "by": "world"}], "shown", "unknown", "\x1e[]",
]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_records_in_bulk_are_records_row_by_row(data: st.DataObject) -> None:
    rows = copy.deepcopy(plain_records())
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.sampled_from(rows))
        inner = row["value"] if data.draw(st.booleans()) and isinstance(row.get("value"), dict) else row
        key = data.draw(KEYS if inner is row else DEEPER)
        if data.draw(st.booleans()):
            inner.pop(key, None)
        else:
            inner[key] = copy.deepcopy(data.draw(st.sampled_from([*ODDITIES, *DATES, *NESTED])))
    same_both_ways(rows, NATIVE)


def test_sound_records_stay_in_bulk() -> None:
    sound, left = NATIVE.rows(plain_records())
    assert (sound.height, left) == (len(plain_records()), [])


def test_bulk_records_without_ids_are_numbered_among_all() -> None:
    bare = {"kind": "label", "candidates": [{"output": "a"}], "value": {"label": True}}
    feedback = same_both_ways([bare, {**bare, "kind": "odd"}, {**bare, "id": "given"}, bare], NATIVE)
    digest = feedback.sources[0].digest[:12]
    assert feedback.table.frame["id"].to_list() == [f"{digest}-1", "given", f"{digest}-4"]


@pytest.mark.parametrize(
    "cast",
    [{"ranks": pl.List(pl.Int64)}, {"rating": pl.Int64}, {"kind": pl.Categorical}, {"time": pl.Datetime("ns", "UTC")},
     {"degree": pl.Float32}, {"best": pl.UInt8}, {"time": pl.String}],
    ids=str,
)  # fmt: skip
def test_tables_of_other_types(cast: dict[str, Any]) -> None:
    frame = plain_table().with_columns(pl.col(name).cast(dtype) for name, dtype in cast.items())
    assert list(same_both_ways(frame, NATIVE_TABLE).table.records()) == list(read(plain_table()).table.records())


@pytest.mark.parametrize("ranks", [[1, 2**40], [2**40, None], [None, None], [0, None]])
def test_ranks_of_tables_that_cannot_be(ranks: list[int | None]) -> None:
    """A number too large for the column is rejected, not taken for a candidate without a rank."""
    row = plain_table().filter(pl.col("kind") == "ranking").head(1)
    frame = row.with_columns(ranks=pl.Series([ranks], dtype=pl.List(pl.Int64)))
    feedback = same_both_ways(frame, NATIVE_TABLE)
    assert "rank" in feedback.rejects[0].reason


def test_unknown_columns_of_a_table_go_to_extra() -> None:
    frame = plain_table().with_columns(team=pl.lit("red"))
    found = list(same_both_ways(frame, NATIVE_TABLE).table.records())
    assert all(record.extra["team"] == "red" for record in found)


def test_newer_records_are_refused() -> None:
    row = {"schema": 2, "kind": "label", "candidates": [{"output": "a"}], "value": {"label": True}}
    assert "newer heedful" in reasons(NATIVE, row)[0]


# Real files


@needs_data
@pytest.mark.parametrize(
    ("path", "accepted", "rejected"),
    [
        ("hh-rlhf/harmless-base-test.jsonl.gz", 2312, 0),
        ("llmfao/crowd-comparisons.csv", 8931, 0),
        ("llmfao/gpt3-crowd-comparisons.csv", 2139, 0),
        ("llmfao/gpt4-crowd-comparisons.csv", 2139, 0),
        ("alpaca_eval/annotations/Qwen-14B-Chat.json.gz", 805, 0),
        ("alpaca_eval/annotations/OpenHermes-2.5-Mistral-7B.json.gz", 805, 0),
        ("pandalm/testset-v1.json", 2997, 0),
        ("gsm8k/example_model_solutions.jsonl", 5276, 0),
    ],
)
def test_real_files_are_read_whole(path: str, accepted: int, rejected: int) -> None:
    feedback = read(DATA / path)
    assert (len(feedback.table), len(feedback.rejects)) == (accepted, rejected)


@needs_data
def test_real_dialogues_are_kept_to_the_letter() -> None:
    path = DATA / "hh-rlhf" / "harmless-base-test.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    for row, record in zip(rows, read(path).table.records(), strict=True):
        said = [output if isinstance(output, str) else output[-1].text for output in outputs(record)]
        chosen, rejected = said if record.value.choice == "first" else said[::-1]
        assert row["chosen"].endswith(chosen)
        assert row["rejected"].endswith(rejected)
        assert record.context


@needs_data
@pytest.mark.parametrize(
    "name",
    ["FuseChat-Gemma-2-9B-Instruct", "FuseChat-Llama-3.1-8B-Instruct", "Qwen-14B-Chat", "OpenHermes-2.5-Mistral-7B"],
)
def test_alpaca_shares_give_the_published_win_rates(name: str) -> None:
    with (DATA / "alpaca_eval" / "leaderboard.csv").open() as file:
        published = {row["model"]: float(row["win_rate"]) for row in csv.DictReader(file)}
    found = read(DATA / "alpaca_eval" / "annotations" / f"{name}.json.gz").table.records()
    shares = [r.value.share if r.candidates[0].system == name else 1 - r.value.share for r in found]
    assert 100 * sum(shares) / len(shares) == pytest.approx(published[name], abs=1e-6)
