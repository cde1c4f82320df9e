"""Questions go out in a file and come back as judgements: the same outputs, the order shown, nothing lost unnoticed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core import InputError, Item, Part, UsageError
from heedful.feedback import Feedback, Question, read, write_questions
from heedful.feedback.asked import opened, sealed
from heedful.feedback.formats.asked import guarded, unguarded

ABOUT = {"criterion": "overall", "rule": "random", "posterior": "p1", "expected_gain": 0.25, "cost": 2.0}
NASTY = (
    "=1+1",
    "two\nlines, \"quoted\"; 'and' tabs\t",
    "ünï\u2028cödé ☃",
    "-5",
    "'=x",
    "\x1eodd",
    " spaced ",
    "a\r\nb",
)


def asked(*pairs: tuple[str, str], rater: str | None = None, propensity: float | None = None) -> list[Question]:
    """A question for each pair of outputs, by systems s0 and s1, in contexts of their own."""
    return [
        Question.ordered(
            (Item.of(f"context {number}", one, "s0"), Item.of(f"context {number}", two, "s1")),
            rater=rater,
            propensity=propensity,
            **ABOUT,
        )
        for number, (one, two) in enumerate(pairs)
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def answered(path: Path, change: dict[int, dict[str, str]], out: str = "answered.csv") -> Path:
    """The CSV file with these cells changed, by number of the row, as a spreadsheet writes it."""
    rows = rows_of(path)
    for number, cells in change.items():
        rows[number] |= cells
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, rows[0].keys(), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    path.with_name(out).write_text(written.getvalue(), encoding="utf-8-sig", newline="")
    return path.with_name(out)


def reasons(found: Feedback) -> list[str]:
    return [reject.reason for reject in found.rejects]


def test_outputs_come_back_to_the_letter(tmp_path: Path) -> None:
    questions = asked(*((text, f"other {text}") for text in NASTY))
    write_questions(questions, tmp_path / "q.csv")
    back = read(answered(tmp_path / "q.csv", {n: {"choice": "first"} for n in range(len(NASTY))}))
    assert not back.rejects
    assert [record.items() for record in back.table.records()] == [question.items for question in questions]


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_any_text_survives_its_key(one: str, two: str, context: str) -> None:
    for text in (one, two, context):
        try:
            text.encode()
        except UnicodeEncodeError:
            return
    question = Question.ordered((Item.of(context, one, "a"), Item.of(context, two, "b")), **ABOUT)
    assert opened(sealed(question.record())) == question.record()


@given(st.text(alphabet="'=+-@\t\rab"))
def test_no_cell_is_a_formula_and_none_is_changed(text: str) -> None:
    assert guarded(text)[:1] not in tuple("=+-@\t\r")
    assert unguarded(guarded(text)) == text


def test_contents_in_parts_come_back(tmp_path: Path) -> None:
    context = (Part("Look.", by="world", role="user"), Part("", "media", "world", uri="file:a.png"))
    items = tuple(Item(context, (Part(f"{n}", role="assistant"), Part("{}", "tool_call"))) for n in range(2))
    question = Question.ordered((items[0], items[1]), **ABOUT)
    write_questions([question], tmp_path / "q.csv")
    (record,) = read(answered(tmp_path / "q.csv", {0: {"choice": "b"}})).table.records()
    assert record.items() == question.items


def test_what_is_read_says_what_was_asked_and_why(tmp_path: Path) -> None:
    (question,) = asked(("yes", "no"), propensity=0.125)
    write_questions([question], tmp_path / "q.csv")
    cells = {"choice": "Second", "degree": "2", "comment": "too short", "rater": "ann"}
    (record,) = read(answered(tmp_path / "q.csv", {0: cells})).table.records()
    assert (record.id, record.order, record.propensity) == (f"{question.id}/ann", "shown", 0.125)
    assert (record.value.choice, record.value.degree) == ("second", 2)
    assert record.rater is not None
    assert record.rater.id == "ann"
    why = {"rule": "random", "posterior": "p1", "expected_gain": 0.25, "cost": 2.0}
    assert record.extra == {"asked": why, "comment": "too short"}


def test_systems_are_hidden_unless_asked_for_or_all_there_is(tmp_path: Path) -> None:
    questions = asked(("yes", "no"))
    write_questions(questions, tmp_path / "hidden.csv")
    write_questions(questions, tmp_path / "named.csv", systems=True)
    assert "system_a" not in rows_of(tmp_path / "hidden.csv")[0]
    assert {rows_of(tmp_path / "named.csv")[0][f"system_{side}"] for side in "ab"} == {"s0", "s1"}
    bare = Question.ordered((Item(system="s0"), Item(system="s1")), **ABOUT)
    write_questions([bare], tmp_path / "bare.csv")
    assert {rows_of(tmp_path / "bare.csv")[0][f"system_{side}"] for side in "ab"} == {"s0", "s1"}
    (record,) = read(answered(tmp_path / "bare.csv", {0: {"choice": "tie"}})).table.records()
    assert record.context is None
    assert [(one.output, one.system) for one in record.candidates] == [(None, i.system) for i in bare.items]


def test_faults_are_named_by_row_and_column(tmp_path: Path) -> None:
    write_questions(asked(*((f"a{n}", f"b{n}") for n in range(9))), tmp_path / "q.csv")
    change: dict[int, dict[str, str]] = {
        1: {"choice": "left-ish"},
        2: {"choice": "first", "degree": "very"},
        3: {"choice": "tie", "degree": "2"},
        4: {"choice": "first", "output_a": "moved"},
        5: {"choice": "first", "key": ""},
        6: {"choice": "first", "key": "heedful1.abc"},
        7: {"choice": "first", "rater": "ann"},
        8: dict.fromkeys(rows_of(tmp_path / "q.csv")[0], ""),
    }
    found = read(answered(tmp_path / "q.csv", change))
    assert (len(found.table), found.read) == (1, 8)
    told = {reject.line: reject.reason for reject in found.rejects}
    for line, says in {
        2: "not answered yet",
        3: "column choice: 'left-ish'",
        4: "column degree: 'very'",
        5: "column degree: tie",
        6: "column output_a: this is not the text",
        7: "key of this question is missing or damaged",
        8: "key of this question is missing or damaged",
    }.items():
        assert says in told[line]


def test_answered_twice_counts_once_but_two_raters_count_twice(tmp_path: Path) -> None:
    write_questions(asked(("yes", "no")), tmp_path / "q.csv")
    copies = [
        answered(tmp_path / "q.csv", {0: {"choice": choice, "rater": rater}}, f"{number}.csv")
        for number, (choice, rater) in enumerate([("first", "ann"), ("second", "bob"), ("second", "ann")])
    ]
    found = read([str(copy) for copy in copies])
    assert len(found.table) == 2
    (reason,) = reasons(found)
    assert "has the id of another record" in reason
    assert "line 2" in reason


def test_the_order_is_a_coin_and_the_same_each_time() -> None:
    questions = asked(*((f"a{n}", f"b{n}") for n in range(400)))
    first = sum(question.items[0].system == "s0" for question in questions)
    assert abs(first - 200) < 4 * np.sqrt(100)
    for question in questions:
        again = Question.ordered(question.items[::-1], **ABOUT)  # type: ignore[arg-type]
        assert (again.id, again.items) == (question.id, question.items)
    assert len({question.id for question in questions}) == 400


def test_records_without_an_answer_come_back_as_records(tmp_path: Path) -> None:
    questions = asked(*((text, f"other {text}") for text in NASTY))
    assert write_questions(questions, tmp_path / "q.jsonl") == "heedful"
    lines = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text("utf-8").split("\n")[:-1]]
    for line in lines[1:]:
        line["value"] = {"choice": "first"}
    (tmp_path / "back.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = read(tmp_path / "back.jsonl")
    assert reasons(found) == ["not answered yet"]
    assert [record.items() for record in found.table.records()] == [question.items for question in questions[1:]]


def annotation(choice: Any, **about: Any) -> dict[str, Any]:
    results = [{"from_name": "choice", "to_name": "output_a", "type": "choices", "value": {"choices": [choice]}}]
    results += [{"from_name": "comment", "to_name": "output_a", "type": "textarea", "value": {"text": ["hm"]}}]
    return {"id": 1, "completed_by": 7, "lead_time": 4.5, "was_cancelled": False, "result": results, **about}


def test_label_studio_takes_tasks_and_gives_answers(tmp_path: Path) -> None:
    questions = asked(*((text, f"other {text}") for text in NASTY[:5]))
    write_questions(questions, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    pairwise = {
        "from_name": "choice",
        "to_name": "output_a,output_b",
        "type": "pairwise",
        "value": {"selected": "left"},
    }
    said = [
        [annotation("second"), annotation("first", completed_by={"id": 8})],
        [annotation("", result=[pairwise])],
        [annotation("first", was_cancelled=True)],
        [],
        [annotation("unsure")],
    ]
    export = [{"id": n, **task, "annotations": said[n], "predictions": []} for n, task in enumerate(tasks)]
    (tmp_path / "export.json").write_text(json.dumps(export), "utf-8")
    found = read(tmp_path / "export.json")
    assert [source.format for source in found.sources] == ["questions"]
    records = list(found.table.records())
    assert [(r.id, r.value.choice, r.seconds) for r in records] == [
        (f"{questions[0].id}/7", "second", 4.5),
        (f"{questions[0].id}/8", "first", 4.5),
        (f"{questions[1].id}/7", "first", 4.5),
    ]
    assert [record.items() for record in records] == [questions[n].items for n in (0, 0, 1)]
    assert records[0].extra["comment"] == "hm"
    assert [reason.split(":")[0] for reason in reasons(found)] == [
        "skipped by the annotator (was_cancelled)",
        "not answered yet",
        "column choice",
    ]


def test_argilla_takes_records_and_gives_answers(tmp_path: Path) -> None:
    questions = asked(*((text, f"other {text}") for text in NASTY[:4]))
    write_questions(questions, tmp_path / "records.json", to="argilla")
    rows = json.loads((tmp_path / "records.json").read_text("utf-8"))
    by_question = {"choice": [{"value": "first", "user_id": "u1"}, {"value": "tie", "user_id": "u2"}]}
    draft = {"user_id": "u1", "status": "draft", "values": {"choice": {"value": "first"}, "comment": {"value": "?"}}}
    said: list[Any] = [{**by_question, "comment": [{"value": "so", "user_id": "u2"}]}, [draft], {}, []]
    export = [row | {"responses": one, "suggestions": {}} for row, one in zip(rows, said, strict=True)]
    (tmp_path / "export.json").write_text(json.dumps(export), "utf-8")
    found = read(tmp_path / "export.json")
    records = list(found.table.records())
    assert [(r.id, r.value.choice, r.extra.get("comment")) for r in records] == [
        (f"{questions[0].id}/u1", "first", None),
        (f"{questions[0].id}/u2", "tie", "so"),
    ]
    assert records[0].items() == questions[0].items
    assert [reason.split(":")[0] for reason in reasons(found)] == ["the response is a draft", *["not answered yet"] * 2]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    questions = asked(("yes", "no"))
    for name, to in (("q.xlsx", None), ("q.csv", "argilla"), ("q.json", "magic"), ("none/q.csv", None)):
        with pytest.raises(UsageError):
            write_questions(questions, tmp_path / name, to=to)
    write_questions(questions, tmp_path / "q.csv")
    with pytest.raises(UsageError, match="may hold answers"):
        write_questions(questions, tmp_path / "q.csv")
    with pytest.raises(InputError, match="different contexts"):
        Question((Item.of("one", "a"), Item.of("two", "b")), **ABOUT)


def test_the_store_takes_answers(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from heedful.feedback.store import Store

    write_questions(asked(("yes", "no"), ("=1", "2")), tmp_path / "q.csv")
    found = read(answered(tmp_path / "q.csv", {0: {"choice": "first", "rater": "ann"}, 1: {"choice": "tie"}}))
    with Store.open(tmp_path / "kept.db") as kept:
        kept.ingest(found)
        back = kept.table()
    assert {r.id: r.items() for r in back.records()} == {r.id: r.items() for r in found.table.records()}
