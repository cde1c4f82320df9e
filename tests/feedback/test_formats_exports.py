"""Aspect ratings, rankings, exports of annotation tools, and mapping files.

The rows are written by hand after the public documentation that each format's module names.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from heedful.core import UsageError
from heedful.feedback import Feedback, Record, read
from heedful.feedback.formats import FORMATS
from heedful.feedback.formats.mapping import mapped


def judged(row: dict[str, Any], form: str) -> tuple[list[Record], list[str]]:
    """The records and the reasons for rejects that one row gives; its format must be recognised."""
    feedback = read([row])
    assert [source.format for source in feedback.sources] == [form]
    return list(feedback.table.records()), [reject.reason for reject in feedback.rejects]


def with_mapping(tmp_path: Path, toml: str, *rows: dict[str, Any]) -> tuple[list[Record], list[str]]:
    feedback = mapped_feedback(tmp_path, toml, *rows)
    return list(feedback.table.records()), [reject.reason for reject in feedback.rejects]


def mapped_feedback(tmp_path: Path, toml: str, *rows: dict[str, Any]) -> Feedback:
    path = tmp_path / "mapping.toml"
    path.write_text(toml)
    return read(list(rows), mapping=path)


def winner(record: Record) -> Any:
    """The candidate preferred, whichever side it stands on."""
    return {"first": record.candidates[0], "second": record.candidates[1]}[str(record.value.choice)]


def texts(content: Any) -> list[tuple[str | None, str]]:
    return [(part.role, part.text) for part in content]


# UltraFeedback


def ultrafeedback_row(**annotations: Any) -> dict[str, Any]:
    completion = {
        "annotations": annotations,
        "custom_system_prompt": "Be honest.",
        "model": "alpaca-7b",
        "principle": "honesty",
        "response": "Paris.",
        "overall_score": 7.5,
        "critique": "Short but right.",
    }
    return {
        "source": "sharegpt",
        "instruction": "Capital of France?",
        "models": ["alpaca-7b"],
        "completions": [completion],
    }


def test_ultrafeedback_gives_a_rating_per_aspect() -> None:
    row = ultrafeedback_row(
        instruction_following={"Rating": "4", "Rationale": "Follows."},
        truthfulness={"Type": ["1"], "Rationale": "None.", "Rating": "5", "Rationale For Rating": "Correct."},
        honesty={"Rating": "N/A", "Rationale": "Not applicable."},
    )
    records, reasons = judged(row, "ultrafeedback")
    assert [(r.criterion, r.value.rating, r.value.scale, r.value.step, r.value.text) for r in records] == [
        ("instruction_following", 4.0, (1.0, 5.0), 1.0, "Follows."),
        ("truthfulness", 5.0, (1.0, 5.0), 1.0, "Correct."),
        ("overall", 7.5, (1.0, 10.0), None, "Short but right."),
    ]
    assert reasons == ["the rating of 'honesty' is 'N/A', not a number"]
    assert {(r.context, r.candidates[0].output, r.candidates[0].system) for r in records} == {
        ("Capital of France?", "Paris.", "alpaca-7b")
    }
    assert {(r.rater.id, r.rater.kind) for r in records if r.rater} == {("gpt-4", "model")}
    assert records[1].extra["annotation"] == {"Type": ["1"], "Rationale": "None."}
    assert records[0].extra == {"source": "sharegpt", "custom_system_prompt": "Be honest.", "principle": "honesty"}


def test_ultrafeedback_rejects_what_it_cannot_read() -> None:
    row = ultrafeedback_row(honesty={"Rationale": "none"})
    row["completions"] += [{"model": "x", "response": "y"}, "text"]
    records, reasons = judged(row, "ultrafeedback")
    assert len(records) == 1
    assert reasons == [
        "the annotation 'honesty' of completion 0 has no Rating",
        "completion 1 has neither annotations nor an overall_score",
        "completion 2 is not an object with a response and annotations",
    ]


def test_an_aspect_outside_its_scale_is_rejected() -> None:
    _, reasons = judged(ultrafeedback_row(honesty={"Rating": "9"}), "ultrafeedback")
    assert len(reasons) == 1
    assert "outside its scale" in reasons[0]


# Rankings


@pytest.mark.parametrize(
    ("said", "ranks"),
    [
        ({"ranks": [2, 1, 2]}, [2, 1, 2]),
        ({"ranks": "[3, 1, 2]"}, [3, 1, 2]),
        ({"ranks": [0, 1, 0]}, [1, 2, 1]),
        ({"ranks": [1.5, 3, 1.5]}, [1, 2, 1]),
        ({"ranks": [2, None, 1]}, [2, None, 1]),
        ({"ranks": [0.5, "", 0.5]}, [1, None, 1]),
        ({"ranking": [2, 0, 1]}, [2, 3, 1]),
        ({"ranking": [2, 0]}, [2, None, 1]),
        ({"ranking": [["a", "c"]]}, [1, None, 1]),
        ({"ranking": [[1, 2], 0]}, [3, 1, 1]),
        ({"ranking": ["m2", ["m1", "m3"]], "models": ["m1", "m2", "m3"]}, [2, 1, 2]),
    ],
)
def test_rankings(said: dict[str, Any], ranks: list[int | None]) -> None:
    row = {"prompt": "Q", "responses": ["a", "b", "c"], "annotator": 7, "id": 3, "topic": "x", **said}
    (record,), reasons = judged(row, "rankings")
    assert reasons == []
    assert (record.kind, record.value.ranks, record.context) == ("ranking", ranks, "Q")
    assert [candidate.output for candidate in record.candidates] == ["a", "b", "c"]
    assert record.rater is not None
    assert (record.id, record.rater.id, record.extra) == ("3", "7", {"topic": "x"})


def test_answers_that_hold_their_rank() -> None:
    answers = [
        {"answer": "B", "model": "gpt-4", "rank": 2},
        {"answer": "A", "model": "claude", "rank": 1, "license": "x"},
    ]
    (record,), _ = judged({"prompt": "Q", "answers": answers, "turns": 1}, "rankings")
    assert record.value.ranks == [2, 1]
    assert [(c.output, c.system) for c in record.candidates] == [("B", "gpt-4"), ("A", "claude")]
    assert record.extra == {"turns": 1, "answers": [{}, {"license": "x"}]}


@pytest.mark.parametrize(
    ("said", "best"),
    [({"best_index": 2}, 2), ({"best": 0}, 0), ({"best": "b"}, 1), ({"best": "m3", "models": ["m1", "m2", "m3"]}, 2)],
)
def test_best_of(said: dict[str, Any], best: int) -> None:
    (record,), _ = judged({"prompt": "Q", "responses": ["a", "b", "c"], **said}, "rankings")
    assert (record.kind, record.value.best, record.value.worst) == ("best_of", best, None)


@pytest.mark.parametrize("said", [{"best_index": 2, "worst_index": 0}, {"best": "c", "worst": "a"}])
def test_best_and_worst(said: dict[str, Any]) -> None:
    (record,), _ = judged({"prompt": "Q", "responses": ["a", "b", "c"], **said}, "rankings")
    assert (record.kind, record.value.best, record.value.worst, record.extra) == ("best_of", 2, 0, {})


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"ranks": [1, 2]}, "2 ranks for 3 answers"),
        ({"ranks": [1, "x", 2]}, "something that is no number"),
        ({"ranks": [1, None, math.inf]}, "something that is no number"),
        ({"ranks": [None, None, None]}, "at least one needs a rank"),
        ({"ranks": ["", "", ""]}, "at least one needs a rank"),
        ({"ranking": []}, "at least one needs a rank"),
        ({"ranking": [2, 1, 3]}, "count answers from 0 or use their ids"),
        ({"ranking": [0, 0, 1]}, "names answer 0 twice"),
        ({"ranking": [0, 1, "z"]}, "'z' is no answer's id"),
        ({"best_index": 3}, "there is no answer 3"),
        ({"best": "a", "responses": ["a", "a", "b"]}, "names more than one answer"),
        ({"best": "a", "worst": "z"}, "'z' is no answer's id"),
        ({"best": 0, "worst": 0}, "both the best and the worst"),
        ({"ranks": [1, 2, 3], "models": ["x"]}, "1 systems for 3 answers"),
    ],
)
def test_rankings_that_make_no_sense_are_rejected(said: dict[str, Any], reason: str) -> None:
    records, reasons = judged({"prompt": "Q", "responses": ["a", "b", "c"], **said}, "rankings")
    assert records == []
    assert len(reasons) == 1
    assert reason in reasons[0]


# Langfuse


def langfuse_score(**fields: Any) -> dict[str, Any]:
    base = {
        "id": "s1",
        "timestamp": "2024-05-29T13:46:19.963Z",
        "name": "helpfulness",
        "source": "ANNOTATION",
        "traceId": "t1",
        "observationId": None,
        "authorUserId": "user-9",
        "configId": "c1",
        "comment": None,
        "environment": "production",
    }
    return {**base, **fields}


def langfuse_trace(*scores: dict[str, Any], **fields: Any) -> dict[str, Any]:
    base = {
        "id": "t1",
        "name": "chat",
        "release": "v1.2",
        "input": {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0},
        "output": {"role": "assistant", "content": "Hello!"},
        "scores": list(scores),
    }
    return {**base, **fields}


def test_langfuse_booleans_and_numbers() -> None:
    thumb = langfuse_score(name="thumb", value=1, stringValue="True", dataType="BOOLEAN", comment="Friendly.")
    quality = langfuse_score(
        id="s2", name="quality", value=0.8, dataType="NUMERIC", config={"minValue": 0, "maxValue": 1}, source="EVAL",
        authorUserId=None,
    )  # fmt: skip
    (label, rating), reasons = judged(langfuse_trace(thumb, quality), "langfuse")
    assert reasons == []
    assert (label.kind, label.value.label, label.value.text, label.criterion) == ("label", True, "Friendly.", "thumb")
    assert label.rater is not None
    assert rating.rater is not None
    assert (label.id, label.rater.id, label.rater.kind, label.policy) == ("s1", "user-9", "person", "v1.2")
    assert (label.context, label.candidates[0].output) == ("Hi", "Hello!")
    assert (rating.value.rating, rating.value.scale, rating.rater.kind) == (0.8, (0.0, 1.0), "model")
    assert rating.rater.id == "evaluator of quality"
    assert label.time is not None
    assert label.time.isoformat() == "2024-05-29T13:46:19.963000+00:00"
    assert label.extra["input"] == {"temperature": 0}
    assert label.extra["traceId"] == "t1"


def test_langfuse_values_of_their_own_type() -> None:
    """As version 3 of the API gives them: `value` is a truth value or a text, without a stringValue."""
    yes = langfuse_score(name="ok", value=True, dataType="BOOLEAN")
    no = langfuse_score(id="s2", name="ok", value=False, dataType="BOOLEAN")
    odd = langfuse_score(id="s3", name="ok", value=2, dataType="BOOLEAN")
    better = langfuse_score(id="s4", name="output", value="Good day.", dataType="CORRECTION")
    new = langfuse_score(id="s5", name="pic", value="x", dataType="IMAGE")
    records, reasons = judged(langfuse_trace(yes, no, odd, better, new), "langfuse")
    assert [record.value.label for record in records[:2]] == [True, False]
    assert records[2].candidates[1].output == "Good day."
    assert reasons == [
        "the boolean score 'ok' has the value 2",
        "the score 'pic' is of the type IMAGE, which heedful does not know",
    ]


def test_langfuse_corrections_and_texts() -> None:
    better = langfuse_score(name="output", value="Good day.", dataType="CORRECTION")
    remark = langfuse_score(id="s2", name="note", value=0, stringValue="Too loud.", dataType="TEXT")
    (edit, critique), _ = judged(langfuse_trace(better, remark), "langfuse")
    assert edit.kind == "edit"
    assert [candidate.output for candidate in edit.candidates] == ["Hello!", "Good day."]
    assert (critique.kind, critique.value.text) == ("critique", "Too loud.")


def test_langfuse_says_what_it_cannot_know(tmp_path: Path) -> None:
    number = langfuse_score(name="quality", value=4, dataType="NUMERIC")
    category = langfuse_score(id="s2", name="tone", value=1, stringValue="warm", dataType="CATEGORICAL")
    records, reasons = judged(langfuse_trace(number, category), "langfuse")
    assert records == []
    assert "give it under [scales]" in reasons[0]
    assert "'warm' of 'tone'" in reasons[1]
    toml = 'format = "langfuse"\nscales = { quality = [1, 5] }\nlabels = { tone = { warm = true, cold = false } }'
    (rating, label), reasons = with_mapping(tmp_path, toml, langfuse_trace(number, category))
    assert reasons == []
    assert (rating.value.rating, rating.value.scale, label.value.label) == (4.0, (1.0, 5.0), True)


def test_langfuse_scores_alone_hold_no_output(tmp_path: Path) -> None:
    alone = langfuse_score(value=True, dataType="BOOLEAN")
    session = langfuse_score(value=True, dataType="BOOLEAN", traceId=None, sessionId="x")
    assert "holds no output" in judged(alone, "langfuse")[1][0]
    assert "a whole session" in judged(session, "langfuse")[1][0]


def test_langfuse_blob_export_joined_with_its_traces(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "id,timestamp,trace_id,observation_id,name,value,source,comment,data_type,string_value,input,output\n"
        's1,2024-05-29 13:46:19.963000,t1,,ok,0,API,,BOOLEAN,,"[{""role"":""user"",""content"":""Hi""}]",Hello\n'
    )
    feedback = read(path)
    (record,) = feedback.table.records()
    assert feedback.sources[0].format == "langfuse"
    assert (record.value.label, record.context, record.candidates[0].output) == (False, "Hi", "Hello")
    assert record.rater is None


def test_an_output_that_is_json_stays_as_it_is() -> None:
    thumb = langfuse_score(value=1, dataType="BOOLEAN")
    (record,), _ = judged(langfuse_trace(thumb, output='{"answer": "4"}'), "langfuse")
    assert record.candidates[0].output == '{"answer": "4"}'


def test_langfuse_scores_of_an_observation() -> None:
    thumb = langfuse_score(value=1, dataType="BOOLEAN", observationId="o2")
    seen = [{"id": "o1", "output": "no"}, {"id": "o2", "input": "step", "output": "yes", "model": "gpt-4o"}]
    (record,), _ = judged(langfuse_trace(thumb, observations=seen), "langfuse")
    assert (record.context, record.candidates[0].output, record.candidates[0].system) == ("step", "yes", "gpt-4o")


# LangSmith


def langsmith_feedback(**fields: Any) -> dict[str, Any]:
    base = {
        "id": "f1",
        "created_at": "2024-01-02T03:04:05Z",
        "modified_at": "2024-01-02T03:04:05Z",
        "session_id": "p1",
        "run_id": "r1",
        "key": "correctness",
        "score": None,
        "value": None,
        "comment": None,
        "correction": None,
        "feedback_source": {"type": "app", "metadata": None, "user_id": "u1"},
    }
    return {**base, **fields}


def langsmith_run(*feedback: dict[str, Any], **fields: Any) -> dict[str, Any]:
    base = {
        "id": "r1",
        "name": "ChatOpenAI",
        "run_type": "llm",
        "inputs": {"question": "2 + 2?"},
        "outputs": {"answer": "5"},
        "extra": {"metadata": {"ls_model_name": "gpt-4o-mini"}},
    }
    return {**base, **({"feedback": list(feedback)} if feedback else {}), **fields}


def test_langsmith_scores_values_and_comments() -> None:
    config = {"type": "continuous", "min": 0, "max": 10}
    judge = {"type": "auto_eval", "metadata": {"rule_id": "e7"}}
    yes_no = {"type": "categorical", "categories": [{"value": 1, "label": "yes"}, {"value": 0, "label": "no"}]}
    row = langsmith_run(
        langsmith_feedback(id="f1", score=True, comment="Fine."),
        langsmith_feedback(id="f2", key="quality", score=7, feedback_config=config),
        langsmith_feedback(id="f3", key="ok", score=0, feedback_config=yes_no),
        langsmith_feedback(id="f4", key="note", comment="Wrong sum."),
        langsmith_feedback(id="f5", key="judge", score=True, feedback_source=judge),
    )
    records, reasons = judged(row, "langsmith")
    assert reasons == []
    assert [(r.kind, r.value.label, r.value.rating, r.value.text) for r in records] == [
        ("label", True, None, "Fine."),
        ("rating", None, 7.0, None),
        ("label", False, None, None),
        ("critique", None, None, "Wrong sum."),
        ("label", True, None, None),
    ]
    assert records[1].value.scale == (0.0, 10.0)
    assert (records[0].context, records[0].candidates[0].output) == ("2 + 2?", "5")
    assert records[0].candidates[0].system == "gpt-4o-mini"
    assert [(r.rater.id, r.rater.kind) for r in records if r.rater][3:] == [("u1", "person"), ("e7", "model")]


def test_langsmith_corrections() -> None:
    row = langsmith_run(
        langsmith_feedback(id="f1", correction={"desired": "4"}),
        langsmith_feedback(id="f2", score=True, correction={"score": 0}, feedback_source={"type": "model"}),
    )
    (edit, label, corrected), _ = judged(row, "langsmith")
    assert [candidate.output for candidate in edit.candidates] == ["5", "4"]
    assert (label.value.label, label.id) == (True, "f2")
    assert (corrected.value.label, corrected.id, corrected.rater) == (False, "f2-correction", None)


def test_langsmith_language_model_runs() -> None:
    human = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"],
             "kwargs": {"content": "2 + 2?", "type": "human"}}  # fmt: skip
    system = {**human, "id": ["langchain", "schema", "messages", "SystemMessage"], "kwargs": {"content": "Add."}}
    reply = {"lc": 1, "type": "constructor", "id": ["x", "AIMessage"], "kwargs": {"content": "5"}}
    row = langsmith_run(
        langsmith_feedback(score=True),
        inputs={"messages": [[system, human]], "tools": ["calculator"]},
        outputs={"generations": [[{"text": "5", "generation_info": {}, "message": reply}]], "llm_output": {"n": 1}},
    )
    (record,), _ = judged(row, "langsmith")
    assert texts(record.context) == [("system", "Add."), ("user", "2 + 2?")]
    assert record.candidates[0].output == "5"
    assert record.extra["run"]["inputs"] == {"tools": ["calculator"]}
    assert record.extra["run"]["outputs"] == {"llm_output": {"n": 1}}


def test_langsmith_says_what_it_cannot_know(tmp_path: Path) -> None:
    one_side = langsmith_feedback(id="f2", score=1, comparative_experiment_id="c1")
    row = langsmith_run(langsmith_feedback(score=1), one_side, langsmith_feedback(id="f3"))
    records, reasons = judged(row, "langsmith")
    assert records == []
    assert "give it under [scales]" in reasons[0]
    assert "one side of a pairwise judgement" in reasons[1]
    assert "no score, value, comment or correction" in reasons[2]
    assert "holds no outputs" in judged(langsmith_feedback(score=1), "langsmith")[1][0]
    toml = 'format = "langsmith"\nlabels = { correctness = { 1 = true, 0 = false } }'
    (label,), _ = with_mapping(tmp_path, toml, langsmith_run(langsmith_feedback(score=1)))
    assert label.value.label is True


def test_langsmith_feedback_joined_with_runs_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "feedback.csv"
    path.write_text(
        'id,run_id,key,score,value,comment,inputs,outputs\nf1,r1,ok,False,,,"{""q"": ""Q""}","{""o"": ""O""}"\n'
    )
    (record,) = read(path).table.records()
    assert (record.value.label, record.context, record.candidates[0].output) == (False, "Q", "O")


def test_langsmith_statistics_hold_votes_only_where_there_is_one() -> None:
    stats = {
        "thumb": {"n": 1, "avg": True, "values": {}},
        "stars": {"n": 3, "avg": 2.5, "values": {}},
    }
    (record,), reasons = judged(langsmith_run(feedback_stats=stats), "langsmith")
    assert (record.criterion, record.value.label) == ("thumb", True)
    assert reasons == ["feedback_stats has only the average of 3 judgements of 'stars': export the feedback"]


def test_langsmith_pairs(tmp_path: Path) -> None:
    runs = [
        {"id": "ra", "session_name": "exp-a", "inputs": {"q": "Q"}, "outputs": {"o": "A"}},
        {"id": "rb", "session_name": "exp-b", "inputs": {"q": "Q"}, "outputs": {"o": "B"}},
    ]
    preferred = {"key": "ranked_preference", "scores": {"ra": 0, "rb": 1}, "comment": "B is clearer."}
    (record,), _ = judged({"runs": runs, "feedback.ranked_preference": preferred}, "langsmith")
    assert (record.kind, record.criterion, record.value.text) == ("comparison", "ranked_preference", "B is clearer.")
    assert (winner(record).system, winner(record).output) == ("exp-b", "B")
    assert record.extra == {"runs": ["ra", "rb"]}

    group = {"feedback_group_id": "g", "comparative_experiment_id": "c"}
    halves = [langsmith_feedback(run_id=run, score=0.5, **group) for run in ("ra", "rb")]
    (tie,), _ = judged({"runs": runs, "feedback": halves}, "langsmith")
    assert (tie.value.choice, tie.rater.id if tie.rater else None) == ("tie", "u1")

    third = {"id": "rc", "session_name": "exp-c", "inputs": {"q": "Q"}, "outputs": {"o": "C"}}
    (ranking,), _ = judged({"runs": [*runs, third], "key": "k", "scores": {"ra": 2, "rb": 1, "rc": 2}}, "langsmith")
    assert ranking.value.ranks == [1, 3, 1]

    _, reasons = judged({"runs": runs, "key": "k", "scores": {"ra": 1}}, "langsmith")
    assert reasons == ["1 scores of 'k' for 2 runs: every run compared needs one"]


# Argilla

ARGILLA_MAPPING = """
format = "argilla"
scales = { quality = [1, 5] }
labels = { harmful = { yes = true, no = false }, faults = { error = false } }
choices = { better = { A = "first", B = "second", same = "tie" } }
texts = ["why"]
"""


def argilla_row(responses: Any, **fields: Any) -> dict[str, Any]:
    base = {
        "id": "rec-1",
        "fields": {"prompt": "Q", "response": "R"},
        "metadata": {"topic": "x"},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
        "status": "completed",
        "_server_id": "srv",
    }
    return {**base, **fields}


def answers(*values: Any) -> list[dict[str, Any]]:
    return [{"value": value, "user_id": f"user-{place}"} for place, value in enumerate(values)]


def test_argilla_ratings_labels_and_texts(tmp_path: Path) -> None:
    row = argilla_row({"quality": answers(4, 2), "harmful": answers("no"), "why": answers("clear")})
    records, reasons = with_mapping(tmp_path, ARGILLA_MAPPING, row)
    assert reasons == []
    assert [(r.criterion, r.kind, r.value.rating, r.value.label, r.value.text) for r in records] == [
        ("quality", "rating", 4.0, None, None),
        ("quality", "rating", 2.0, None, None),
        ("harmful", "label", None, False, None),
        ("why", "critique", None, None, "clear"),
    ]
    assert {(r.context, r.candidates[0].output) for r in records} == {("Q", "R")}
    assert [r.rater.id for r in records if r.rater] == ["user-0", "user-1", "user-0", "user-0"]
    assert records[0].extra == {"record_id": "rec-1", "metadata": {"topic": "x"}}


def test_argilla_without_a_mapping_says_what_is_missing() -> None:
    _, reasons = judged(argilla_row({"quality": answers(4), "harmful": answers("no")}), "argilla")
    assert "give it under [scales]" in reasons[0]
    assert "translate it under [labels]" in reasons[1]


def test_argilla_unsubmitted_responses_are_rejected(tmp_path: Path) -> None:
    responses = [
        {"values": {"quality": {"value": 4}}, "user_id": "a", "status": "submitted"},
        {"values": {"quality": {"value": 1}}, "user_id": "b", "status": "discarded"},
        {"values": {"quality": {"value": 2}}, "user_id": "c", "status": "draft"},
    ]
    (record,), reasons = with_mapping(tmp_path, ARGILLA_MAPPING, argilla_row(responses))
    assert record.value.rating == 4.0
    assert reasons == [
        "the response was discarded by its rater",
        "the response is a draft: its rater has not submitted it",
    ]


def test_argilla_rankings_and_preferences(tmp_path: Path) -> None:
    two = {"prompt": "Q", "response_1": "R1", "response_2": "R2"}
    row = argilla_row(
        {
            "ranking": answers(["response_2", "response_1"]),
            "with_ties": answers([{"value": "response_1", "rank": 1}, {"value": "response_2", "rank": 1}]),
            "preference": answers("response_2"),
            "better": answers("A", "same"),
        },
        fields=two,
    )
    records, reasons = with_mapping(tmp_path, ARGILLA_MAPPING, row)
    assert reasons == []
    assert [r.value.ranks for r in records[:2]] == [[2, 1], [1, 1]]
    assert winner(records[2]).output == "R2"
    assert winner(records[3]).output == "R1"
    assert records[4].value.choice == "tie"


def test_argilla_questions_about_one_of_several_outputs(tmp_path: Path) -> None:
    two = {"prompt": "Q", "response_1": "R1", "response_2": "R2"}
    row = argilla_row({"quality_2": answers(5), "quality": answers(4)}, fields=two)
    toml = 'format = "argilla"\nscales = { "*" = [1, 5] }'
    (record,), reasons = with_mapping(tmp_path, toml, row)
    assert (record.candidates[0].output, record.value.rating) == ("R2", 5.0)
    assert "cannot tell which of the outputs" in reasons[0]
    records, _ = with_mapping(tmp_path, toml + '\ntargets = { quality = "response_1" }', row)
    assert records[1].candidates[0].output == "R1"


def test_argilla_spans_and_suggestions(tmp_path: Path) -> None:
    spans = [{"label": "error", "start": 2, "end": 5, "score": 0.9}]
    suggestion = {"quality": {"value": 3, "score": 0.7, "agent": "judge-1"}}
    records, _ = with_mapping(
        tmp_path, ARGILLA_MAPPING, argilla_row({"faults": answers(spans)}, suggestions=suggestion)
    )
    span, suggested = records
    assert (span.address.kind, span.address.start, span.address.end, span.value.label) == ("span", 2, 5, False)
    assert suggested.rater is not None
    assert (suggested.rater.id, suggested.rater.kind, suggested.value.rating) == ("judge-1", "model", 3.0)
    assert suggested.extra["suggestion_score"] == 0.7


def test_argilla_flat_columns(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "status": "completed",
        "_server_id": "s",
        "prompt": "Q",
        "response": "R",
        "quality.responses": [5, 1],
        "quality.responses.users": ["a", "b"],
        "quality.responses.status": ["submitted", "discarded"],
        "quality.suggestion": 4,
        "quality.suggestion.agent": "m",
        "quality.suggestion.score": None,
    }
    (person, model), reasons = with_mapping(tmp_path, ARGILLA_MAPPING, row)
    assert (person.value.rating, model.value.rating) == (5.0, 4.0)
    assert reasons == ["the response was discarded by its rater"]
    assert read([row]).sources[0].format == "argilla"


def test_argilla_unknown_outputs_are_named(tmp_path: Path) -> None:
    row = argilla_row({"quality": answers(4)}, fields={"prompt": "Q", "left": "L", "right": "R"})
    _, reasons = with_mapping(tmp_path, ARGILLA_MAPPING, row)
    assert "name them as candidates" in reasons[0]
    _, reasons = with_mapping(tmp_path, ARGILLA_MAPPING + 'candidates = ["nope"]', row)
    assert "no field 'nope'" in reasons[0]
    toml = ARGILLA_MAPPING + 'candidates = ["left", "right"]\ntargets = { quality = "right" }'
    (record,), _ = with_mapping(tmp_path, toml, row)
    assert record.candidates[0].output == "R"


# Label Studio


def label_studio_task(*results: dict[str, Any], data: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    annotation = {
        "id": 1001,
        "completed_by": 10,
        "result": list(results),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2021-03-09T22:16:08.728353Z",
        "lead_time": 4.25,
        "task": 1,
        **fields,
    }
    return {"id": 1, "data": data or {"prompt": "Q", "answer1": "A1", "answer2": "A2"}, "annotations": [annotation]}


def result(kind: str, value: dict[str, Any], name: str = "q", to: Any = "answer1") -> dict[str, Any]:
    return {"id": "x", "from_name": name, "to_name": to, "type": kind, "value": value, "origin": "manual"}


@pytest.mark.parametrize("to", ["answer1,answer2", ["answer1", "answer2"], "pw"])
def test_label_studio_pairs_are_in_the_order_shown(to: Any) -> None:
    (record,), reasons = judged(label_studio_task(result("pairwise", {"selected": "right"}, to=to)), "label-studio")
    assert reasons == []
    assert (record.order, record.value.choice, record.seconds, record.context) == ("shown", "second", 4.25, "Q")
    assert [candidate.output for candidate in record.candidates] == ["A1", "A2"]
    assert record.rater is not None
    assert record.rater.id == "10"
    assert record.extra == {"task": 1, "annotation": 1001}


def test_label_studio_ratings_choices_and_texts(tmp_path: Path) -> None:
    toml = """
    format = "label-studio"
    scales = { stars = [1, 5] }
    labels = { ok = { Yes = true, No = false } }
    choices = { which = { First = "first", Neither = "both_bad" } }
    """
    task = label_studio_task(
        result("rating", {"rating": 4}, "stars"),
        result("choices", {"choices": ["Yes"]}, "ok", "answer2"),
        result("choices", {"choices": ["Neither"]}, "which"),
        result("textarea", {"text": ["Too long.", "Dull."]}, "comment"),
        result("textarea", {"text": ["Better."]}, "corrected", "answer2"),
    )
    records, reasons = with_mapping(tmp_path, toml, task)
    assert reasons == []
    said = [(r.kind, r.candidates[0].output) for r in records]
    assert said == [("rating", "A1"), ("label", "A2"), ("comparison", said[2][1]), ("critique", "A1"),
                    ("critique", "A1"), ("edit", "A2")]  # fmt: skip
    assert (records[0].value.scale, records[1].value.label, records[2].value.choice) == ((1.0, 5.0), True, "both_bad")
    assert records[5].candidates[1].output == "Better."
    assert {r.seconds for r in records} == {None}
    assert records[0].extra["lead_time"] == 4.25


def test_label_studio_says_what_it_cannot_read() -> None:
    task = label_studio_task(
        result("rating", {"rating": 4}, "stars"),
        result("rectanglelabels", {"x": 1}),
        {"type": "relation", "from_id": "a", "to_id": "b"},
        result("pairwise", {"selected": "both"}, to="answer1,answer2"),
    )
    skipped = label_studio_task(was_cancelled=True)["annotations"] + label_studio_task()["annotations"] + [77]
    task["annotations"] = task["annotations"] + skipped[:2]
    records, reasons = judged(task, "label-studio")
    assert records == []
    assert [reason[:45] for reason in reasons] == [
        "the scale of the numbers for 'stars' is not i",
        "results of the type 'rectanglelabels' hold no",
        "a result without a value (a relation between ",
        "the pairwise result selects 'both', no side",
        "skipped by the annotator (was_cancelled)",
        "the annotation holds no result",
    ]


def test_label_studio_rankings_and_buckets(tmp_path: Path) -> None:
    items = [{"id": "blog", "title": "T", "body": "B1"}, {"id": "mdn", "title": "T2", "body": "B2", "model": "m"},
             {"id": "wiki", "html": "B3"}]  # fmt: skip
    data = {"prompt": "Q", "items": items}
    order = label_studio_task(result("ranker", {"ranker": ["mdn", "wiki", "blog"]}, "rank", "results"), data=data)
    (record,), _ = judged(order, "label-studio")
    assert (record.kind, record.value.ranks, record.context) == ("ranking", [3, 1, 2], "Q")
    assert [(c.output, c.system) for c in record.candidates] == [("B1", None), ("B2", "m"), ("B3", None)]

    buckets = result("ranker", {"ranker": {"good": ["mdn"], "bad": ["blog"]}}, "rank", "results")
    toml = 'format = "label-studio"\nlabels = { rank = { good = true, bad = false } }'
    records, _ = with_mapping(tmp_path, toml, label_studio_task(buckets, data=data))
    assert [(r.candidates[0].output, r.value.label) for r in records] == [("B2", True), ("B1", False)]

    part = label_studio_task(result("ranker", {"ranker": ["mdn"]}, "rank", "results"), data=data)
    assert judged(part, "label-studio")[1] == ["the ranker orders 1 of 3 items: every item needs a place"]


def test_label_studio_regions_and_predictions(tmp_path: Path) -> None:
    data = {"prompt": "Q", "answer": "Some text"}
    region = result("labels", {"start": 5, "end": 9, "text": "text", "labels": ["bad"]}, "spans", "answer")
    task = label_studio_task(region, data=data, completed_by={"id": 4, "email": "a@b.c"})
    task["predictions"] = [{"model_version": "judge 2", "result": [result("choices", {"choices": ["bad"]}, "spans")]}]
    toml = 'format = "label-studio"\nlabels = { spans = { bad = false } }'
    (marked, predicted), _ = with_mapping(tmp_path, toml, task)
    assert (marked.address.kind, marked.address.start, marked.address.end) == ("span", 5, 9)
    assert marked.rater is not None
    assert predicted.rater is not None
    assert (marked.rater.id, predicted.rater.id, predicted.rater.kind) == ("4", "judge 2", "model")


# Detection


def test_every_export_is_recognised_as_itself_only() -> None:
    rows = {
        "ultrafeedback": ultrafeedback_row(honesty={"Rating": "5"}),
        "rankings": {"prompt": "Q", "responses": ["a", "b"], "ranks": [1, 2]},
        "langfuse": langfuse_trace(langfuse_score(value=1, dataType="BOOLEAN")),
        "langsmith": langsmith_run(langsmith_feedback(score=True)),
        "argilla": argilla_row({"quality": answers(4)}),
        "label-studio": label_studio_task(result("rating", {"rating": 4})),
    }
    for name, row in rows.items():
        assert [form.name for form in FORMATS if form.matches(row)] == [name]


@pytest.mark.parametrize("row", [
    {"data": {"a": "b"}, "annotations": [3]}, {"fields": 3, "responses": 4}, {"runs": [], "feedback": []},
    {"scores": ["s1"], "id": "t"}, {"completions": ["x"], "instruction": "y"}, {"responses": "x", "ranks": 1},
])  # fmt: skip
def test_odd_rows_are_not_taken_for_exports(row: dict[str, Any]) -> None:
    ours = ("ultrafeedback", "rankings", "langfuse", "langsmith", "argilla", "label-studio")
    assert [form.name for form in FORMATS if form.name in ours and form.matches(row)] == []


def test_whole_export_files_are_read(tmp_path: Path) -> None:
    """An array in a compressed JSON file, and pages as an API gives them."""
    tasks = [
        label_studio_task(result("pairwise", {"selected": side}, to="answer1,answer2")) for side in ("left", "right")
    ]
    (tmp_path / "export.json.gz").write_bytes(gzip.compress(json.dumps(tasks).encode()))
    page = {"data": [langfuse_trace(langfuse_score(value=1, dataType="BOOLEAN"))], "meta": {"page": 1}}
    (tmp_path / "page.json").write_text(json.dumps(page))
    feedback = read(tmp_path)
    assert [(source.format, source.accepted) for source in feedback.sources] == [("label-studio", 2), ("langfuse", 1)]


# Mapping files

VOTES = """
kind = "comparison"
context = "prompt.text"
rater = "user.id"
order = "shown"
time = "when"
seconds = { column = "ms", times = 0.001 }
criterion = { constant = "style" }
extra = ["topic"]

[choice]
column = "vote"
values = { left = "first", right = "second", "0" = "tie" }

[[candidates]]
output = "left"
system = "left_model"

[[candidates]]
output = "right"
system = "right_model"
"""
VOTE = {
    "prompt": {"text": "Q"}, "user": {"id": 7}, "when": "2024-01-01T00:00:00Z", "ms": "1500", "topic": "x",
    "vote": "left", "left": "L", "right": "", "left_model": "m1", "right_model": "m2",
}  # fmt: skip


def test_a_mapping_of_votes(tmp_path: Path) -> None:
    feedback = mapped_feedback(tmp_path, VOTES, VOTE, {**VOTE, "vote": 0}, {**VOTE, "vote": "?"})
    first, second = feedback.table.records()
    assert (first.value.choice, second.value.choice, first.context, first.criterion) == ("first", "tie", "Q", "style")
    assert [(c.output, c.system) for c in first.candidates] == [("L", "m1"), ("", "m2")]
    assert first.rater is not None
    assert (first.rater.id, first.seconds, first.order, first.extra) == ("7", 1.5, "shown", {"topic": "x"})
    assert [reject.reason for reject in feedback.rejects] == ["no translation of '?' in column vote (key choice)"]
    assert feedback.sources[0].format == "mapping mapping.toml"


def test_a_mapping_of_a_plain_table_of_ratings(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("item,rating,rater\nm1,4,ann\nm2,,bo\nm1,9,bo\n")
    (tmp_path / "m.toml").write_text(
        'kind = "rating"\nrating = "rating"\nscale = [1, 5]\nstep = 1\nrater = "rater"\n'
        'candidates = { system = "item" }\n'
    )
    feedback = read(path, mapping=tmp_path / "m.toml")
    (record,) = feedback.table.records()
    assert (record.candidates[0].system, record.value.rating, record.value.scale) == ("m1", 4.0, (1.0, 5.0))
    assert [(reject.line, reject.reason[:40]) for reject in feedback.rejects] == [
        (3, "the cell in column rating is empty (key "),
        (4, "rating 9 lies outside its scale [1.0, 5."),
    ]


def test_a_mapping_of_several_records_per_row(tmp_path: Path) -> None:
    toml = """
    kind = "rating"
    scale = ["low", "high"]
    skip_empty = true
    candidates = { output = "text" }
    [[records]]
    rating = "clear"
    criterion = { constant = "clarity" }
    [[records]]
    rating = "true"
    criterion = { constant = "truth" }
    """
    records, reasons = with_mapping(tmp_path, toml, {"text": "T", "low": 0, "high": 10, "clear": 3, "true": None})
    assert reasons == []
    assert [(r.criterion, r.value.rating, r.value.scale) for r in records] == [("clarity", 3.0, (0.0, 10.0))]


def test_a_mapping_of_lists_and_addresses(tmp_path: Path) -> None:
    listed = '{ list = "answers", output = "text", system = "by" }'
    toml = f'kind = "ranking"\nranks = "order"\nextra = true\ncandidates = {listed}'
    row = {"order": "[2, 1]", "answers": [{"text": "a", "by": 1}, {"text": "b", "by": "m"}], "seed": 5}
    (record,), _ = with_mapping(tmp_path, toml, row)
    assert (record.value.ranks, [(c.output, c.system) for c in record.candidates]) == ([2, 1], [("a", "1"), ("b", "m")])
    assert record.extra == {"seed": 5}

    toml = 'kind = "best_of"\nbest = "pick"\ncandidates = { list = "answers" }'
    (record,), _ = with_mapping(tmp_path, toml, {"pick": 1, "answers": ["a", "b"]})
    assert (record.value.best, record.candidates[1].output) == (1, "b")

    toml = 'kind = "label"\nlabel = "ok"\ncandidates = { output = "text" }\naddress = { kind = "turn", index = "turn" }'
    (record,), _ = with_mapping(tmp_path, toml, {"ok": "yes", "text": "T", "turn": 2})
    assert (record.value.label, record.address.kind, record.address.index) == (True, "turn", 2)


@pytest.mark.parametrize(
    ("toml", "key", "words"),
    [
        ("kind = ", "", "not TOML"),
        ("", "kind", "needs a kind"),
        ('kind = "comparision"', "kind", "use one of comparison"),
        ('kind = "comparison"', "choice", "a comparison needs it"),
        ('kind = "comparison"\nchoice = "vote"', "candidates", "needs candidates"),
        ('kind = "rating"\nrating = "r"\ncandidates = { output = "o" }', "scale", r"scale = \[1, 5\]"),
        ('kind = "rating"\nrating = "r"\nscale = [5, 1]\ncandidates = { output = "o" }', "scale", "two rising numbers"),
        ('kind = "label"\nlable = "x"', "lable", "did you mean label"),
        ('kind = "label"\nlabel = { colum = "x" }', "label.colum", "did you mean column"),
        ('kind = "label"\nlabel = { values = {} }', "label", "either `column` or `constant`"),
        ('kind = "label"\nlabel = "x"\ncandidates = { text = "o" }', "candidates.text", "use one of output"),
        ('kind = "label"\nlabel = "x"\ncandidates = [{}]', "candidates", "needs `output`, `system` or both"),
        ('kind = "label"\nlabel = "x"\ncandidates = [{ list = "a" }, { list = "b" }]', "candidates.list", "keep one"),
        (VOTES.replace('"first"', '"left"'), "choice", "'left' is not known here"),
        (VOTES.replace("0.001", '"0.001"'), "seconds.times", "a number is needed"),
        (VOTES.replace('rater = "user.id"', "rater = []"), "rater", "a table is needed"),
        ('kind = "label"\nrecords = []', "records", "a list of tables"),
        ('kind = "label"\nlabel = "x"\ncandidates = { output = "o" }\nskip_empty = 1', "skip_empty", "true or false"),
        ('format = "arena"', "format", "takes no mapping"),
        ('format = "argilla"\nscale = [1, 5]', "scale", "did you mean scales"),
        ('format = "argilla"\nscales = { q = [1] }', "scales.q", "two rising numbers"),
        ('format = "argilla"\nlabels = { q = { yes = "true" } }', "labels.q.yes", "use true or false"),
        ('format = "argilla"\nchoices = { q = { A = "left" } }', "choices.q.A", "use first, second"),
        ('format = "argilla"\nratings = { q = { A = true } }', "ratings.q.A", "use a number"),
        ('format = "argilla"\ncandidates = [1]', "candidates", "a text is needed"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, toml: str, key: str, words: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(toml)
    with pytest.raises(UsageError, match=words) as raised:
        mapped(path)
    assert raised.value.where == (f"{path}, key {key}" if key else str(path))


def test_a_missing_mapping_file_and_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        mapped(tmp_path / "none.toml")
    toml = 'kind = "label"\nlabel = "ok"\ncriterion = "helpfulness"\ncandidates = { output = "text" }'
    _, reasons = with_mapping(tmp_path, toml, {"ok": True, "text": "T"})
    assert reasons[0].startswith("there is no column 'helpfulness' (key criterion); a constant is written as")
    toml = toml.replace('"helpfulness"', '{ column = "helpfulness", optional = true }')
    (record,), _ = with_mapping(tmp_path, toml, {"ok": True, "text": "T"})
    assert record.criterion == "overall"


# The documentation

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "formats.md"


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of a language in docs/formats.md, each with what follows the language."""
    return re.findall(rf"^```{language} ?(\S*)\n(.*?)^```", DOCUMENTATION.read_text("utf-8"), re.M | re.S)


def test_the_documented_rows_are_read_as_what_they_are() -> None:
    found = blocks("jsonl")
    assert len(found) > 8
    for name, line in found:
        feedback = read([json.loads(line)])
        assert feedback.sources[0].format == name
        assert len(feedback.table) + len(feedback.rejects) > 0
        reasons = [reject.reason for reject in feedback.rejects]
        assert all("[scales]" in reason for reason in reasons), reasons


def test_the_documented_mappings_are_sound(tmp_path: Path) -> None:
    found = blocks("toml")
    assert len(found) == 4
    for _, toml in found:
        (tmp_path / "m.toml").write_text(toml)
        mapped(tmp_path / "m.toml")
    vote = {
        "prompt": {"text": "Q"}, "user": {"id": 1}, "milliseconds": 900, "vote": "=",
        "answer_a": "a", "answer_b": "b", "model_a": "x", "model_b": "y",
    }  # fmt: skip
    (record,), _ = with_mapping(tmp_path, found[1][1], vote)
    assert (record.value.choice, record.seconds) == ("tie", 0.9)
    (rating,), _ = with_mapping(tmp_path, found[2][1], {"item": "m", "score": 3, "who": "ann"})
    assert (rating.candidates[0].system, rating.value.rating) == ("m", 3.0)


def test_the_documentation_names_every_format() -> None:
    text = DOCUMENTATION.read_text("utf-8")
    assert [form.name for form in FORMATS if f"`{form.name}`" not in text] == []
