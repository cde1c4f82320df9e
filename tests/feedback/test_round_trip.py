"""Writing and reading back: nothing is lost in heedful's own formats, and projections keep what they promise."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.feedback import Record, Table, read, write, writer
from heedful.feedback.table import PROVENANCE

from .strategies import marked, names, optional, parts, records, tables_of, texts

quick = settings(max_examples=25, deadline=None, derandomize=True)


def written_and_read(table: Table, name: str, form: str | None = None) -> tuple[Any, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        written = write(table, path, format=form)
        return written, read(path, format=written.format)


def bare(table: Table) -> pl.DataFrame:
    """A table without where it came from."""
    return table.frame.drop([name for name in PROVENANCE if name in table.frame.columns])


@given(several=tables_of(records()))
@settings(quick, max_examples=40)
def test_heedful_formats_lose_nothing(several: list[Record]) -> None:
    table = Table.of(several)
    for name in ("o.jsonl.zst", "o.parquet"):
        written, feedback = written_and_read(table, name)
        assert feedback.rejects == ()
        assert (written.written, written.lost, written.stripped) == (len(several), {}, {})
        assert bare(feedback.table).equals(bare(table))
    assert list(feedback.table.records()) == list(table.records())


@given(several=tables_of(records(), max_size=9), cut=st.integers(0, 9))
@quick
def test_writing_in_pieces_is_writing_at_once(several: list[Record], cut: int) -> None:
    table = Table.of(several)
    for name in ("o.jsonl", "o.parquet"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            with writer(path) as out:
                for piece in (Table.of(several[:cut]), Table.of(several[cut:])):
                    out.add(piece)
            assert out.result.written == len(several)
            assert bare(read(path).table).equals(bare(table))


# Projections. What each keeps is worked out here from the records, without the code under test.

plain_record = records(candidate=st.fixed_dictionaries({"output": optional(texts), "system": optional(texts)}),
                       context=optional(texts), criterion=names)  # fmt: skip


def whole(record: Record, kind: str) -> bool:
    given_all = all(candidate.output is not None for candidate in record.candidates)
    return record.kind == kind and record.address.kind == "whole" and not record.address.model_dump(
        exclude={"kind"}, exclude_none=True
    ) and given_all  # fmt: skip


def preferences(several: list[Record]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for record in several:
        outputs = [candidate.output for candidate in record.candidates]
        if whole(record, "comparison") and record.value.choice in ("first", "second") and outputs[0] != outputs[1]:
            chosen, rejected = outputs if record.value.choice == "first" else outputs[::-1]
            found[record.context or None, chosen, rejected] += 1
    return found


def read_preferences(table: Table) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for record in table.records():
        outputs = [candidate.output for candidate in record.candidates]
        chosen, rejected = outputs if record.value.choice == "first" else outputs[::-1]
        found[record.context, chosen, rejected] += 1
    return found


def adds_up(written: Any, feedback: Any, several: list[Record]) -> None:
    assert written.written + sum(written.lost.values()) == len(several)
    assert feedback.rejects == ()
    assert len(feedback.table) == written.written


@given(several=tables_of(plain_record))
@quick
def test_preferences_keep_prompt_chosen_and_rejected(several: list[Record]) -> None:
    written, feedback = written_and_read(Table.of(several), "o.jsonl", "trl-preference")
    adds_up(written, feedback, several)
    assert read_preferences(feedback.table) == preferences(several)


@pytest.mark.parametrize(("form", "kind"), [("trl-unpaired", "label"), ("trl-completion", "demonstration")])
@given(several=tables_of(plain_record))
@quick
def test_completions_keep_prompt_completion_and_label(form: str, kind: str, several: list[Record]) -> None:
    written, feedback = written_and_read(Table.of(several), "o.jsonl.gz", form)
    adds_up(written, feedback, several)
    kept = [(r.context or None, r.candidates[0].output, r.value.label) for r in several if whole(r, kind)]
    back = [(r.context, r.candidates[0].output, r.value.label) for r in feedback.table.records()]
    assert back == kept


turn = st.fixed_dictionaries({"text": texts, "role": st.sampled_from(["user", "assistant", "system"])}).map(
    lambda part: {**part, "by": "system" if part["role"] == "assistant" else "world"}
)
dialogue_record = records(
    kinds=("comparison", "label"),
    candidate=st.fixed_dictionaries({"output": texts, "system": st.none()}),
    context=st.lists(turn, min_size=1, max_size=3),
    address=st.just({}),
)


def turns(content: Any) -> list[tuple[str, str]]:
    """A context as role and text per turn, a plain text as the user's."""
    if content is None:
        return []
    if isinstance(content, str):
        return [("user", content)]
    return [(str(part.role), part.text) for part in content]


@given(several=tables_of(dialogue_record))
@quick
def test_dialogues_keep_their_roles(several: list[Record]) -> None:
    for form, kind in (("trl-preference", "comparison"), ("trl-unpaired", "label")):
        written, feedback = written_and_read(Table.of(several), "o.jsonl", form)
        adds_up(written, feedback, several)
        kept = [record for record in several if record.kind == kind]
        if form == "trl-preference":
            kept = [r for r in kept if r.value.choice in ("first", "second")]
            kept = [r for r in kept if r.candidates[0].output != r.candidates[1].output]
        assert [turns(r.context) for r in feedback.table.records()] == [turns(r.context) for r in kept]


steps_judged = st.lists(st.tuples(texts, st.sampled_from([0.0, 1.0, 0.5, None])), max_size=4).map(
    lambda steps: Record.model_validate(
        {
            "kind": "steps",
            "context": "question",
            "candidates": [{"output": [{"text": text, "role": "assistant"} for text, _ in steps]}],
            "value": {"steps": [judged for _, judged in steps]},
        }
    )
)


@given(several=tables_of(steps_judged))
@quick
def test_steps_keep_their_texts_and_labels(several: list[Record]) -> None:
    written, feedback = written_and_read(Table.of(several), "o.jsonl", "trl-steps")
    adds_up(written, feedback, several)
    kept = [r for r in several if r.candidates[0].output and all(step in (0.0, 1.0) for step in r.value.steps or ())]
    said = [([part.text for part in r.candidates[0].output], r.value.steps) for r in kept]  # type: ignore[union-attr]
    back = [
        ([part.text for part in r.candidates[0].output], r.value.steps)  # type: ignore[union-attr]
        for r in feedback.table.records()
    ]
    assert back == said


arena_record = records(
    kinds=("comparison", "comparison", "comparison", "label"),
    candidate=st.fixed_dictionaries({"output": optional(texts), "system": optional(names)}),
    context=optional(texts),
)


def verdicts(several: Any) -> Counter[Any]:
    """Who met whom, what they wrote, and who won, whichever side they stood on."""
    found: Counter[Any] = Counter()
    for record in several:
        sides = [(candidate.system, candidate.output) for candidate in record.candidates]
        won = {"first": sides[0], "second": sides[1]}.get(str(record.value.choice), record.value.choice)
        rater = (record.rater.id, record.rater.kind) if record.rater else None
        found[frozenset(sides), won, record.context or None, rater, record.criterion, record.time] += 1
    return found


def arena_rows(several: list[Record]) -> list[Record]:
    """The records that have a place in one arena table."""
    compared = [record for record in several if record.kind == "comparison"]
    with_texts = any(candidate.output is not None for record in compared for candidate in record.candidates)
    in_order = bool(compared) and all(record.order == "shown" for record in compared)

    def fits(record: Record) -> bool:
        named = [record.criterion, *([record.rater.id] if record.rater else []), *(c.system for c in record.candidates)]
        given_all = not with_texts or all(c.output is not None for c in record.candidates)
        no_blanks = all(name and name.strip() for name in named) and record.context in (None, "", *_unblank(record))
        return record.address.model_dump(exclude_none=True) == {"kind": "whole"} and given_all and no_blanks

    return [record for record in compared if fits(record) and (not in_order or record.order == "shown")]


def _unblank(record: Record) -> list[Any]:
    return [record.context] if isinstance(record.context, str) and record.context.strip() else []


@given(several=tables_of(arena_record))
@settings(quick, max_examples=60)
def test_arena_tables_keep_systems_winner_rater_and_texts(several: list[Record]) -> None:
    written, feedback = written_and_read(Table.of(several), "o.csv")
    adds_up(written, feedback, several)
    assert verdicts(feedback.table.records()) == verdicts(arena_rows(several))


@given(context=st.lists(parts, min_size=1, max_size=2), output=marked)
@quick
def test_what_a_projection_cannot_hold_is_counted(context: list[dict[str, Any]], output: str) -> None:
    record = Record.model_validate(
        {"id": "a", "kind": "label", "context": context, "candidates": [{"output": output}], "value": {"label": True}}
    )
    for form in ("trl-unpaired", "trl-preference", "trl-completion", "trl-steps"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "o.jsonl"
            written = write(Table.of([record]), path, format=form)
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        assert len(rows) == written.written == 1 - sum(written.lost.values())
