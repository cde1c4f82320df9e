"""Feedback exported from LangSmith.

Fields: the feedback data format (https://docs.langchain.com/langsmith/feedback-data-format), the run data format
(https://docs.langchain.com/langsmith/run-data-format), and for pairwise evaluation the result of
`evaluate_comparative` (https://docs.langchain.com/langsmith/evaluate-pairwise). Feedback names its run but does not
hold it. A row is therefore a run with its `feedback`, a feedback with its `run` (or with `inputs` and `outputs` beside
it), or the `runs` compared with {key, scores: {run id: score}}, also under "feedback.KEY", or with one feedback for
each run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, extra_of, missing, number_of
from heedful.feedback.formats.exports import Answer, Layout, answered, flipped_first, ranks_by_score, rated
from heedful.feedback.formats.fields import at, beside_messages, content_of, first_of, listing, present, unjson

_PREFIX = "feedback."
_SYSTEM = ("system", "session_name", "experiment", "session_id")
_CORRECTED = ("desired", "output", "outputs", "answer", "text", "value")
_READ = (
    "id", "key", "score", "value", "comment", "correction", "feedback_source", "feedback_config", "created_at", "run",
    "runs", "inputs", "outputs", "feedback",
)  # fmt: skip
_MODEL_SOURCES = ("model", "auto_eval")


def _matches(row: Row) -> bool:
    if listing(row.get("runs")):
        return bool(_pairwise_entries(row)) or "feedback" in row
    if "run_type" in row and ("feedback" in row or "feedback_stats" in row):
        return True
    return "key" in row and "run_id" in row and ("score" in row or "value" in row or "comment" in row)


def judgements(row: Row, layout: Layout) -> Iterator[Judgement]:
    """The feedback of one row: truth values become labels, numbers ratings, comments critiques, corrections edits.

    A number needs its scale: from `feedback_config` ({type: continuous, min, max}) where the row holds it, else from
    the layout. Feedback comparing runs becomes a comparison (two runs) or a ranking (more), by score; equal scores tie.
    """
    runs = listing(row.get("runs"))
    feedback = listing(row.get("feedback"))
    if runs:
        yield from _compared(row, [run for run in runs if isinstance(run, Mapping)], layout)
    elif feedback is not None:
        for one in feedback:
            yield from (
                _feedback(one, row, layout) if isinstance(one, Mapping) else [Problem("feedback is not an object")]
            )
    elif not missing(row.get("feedback_stats")):
        yield from _statistics(unjson(row["feedback_stats"]), row, layout)
    else:
        run = unjson(row.get("run"))
        yield from _feedback(row, run if isinstance(run, Mapping) else row, layout)


def _feedback(one: Mapping[str, Any], run: Mapping[str, Any], layout: Layout) -> Iterator[Judgement]:
    """One feedback on one run: its answer, then its correction."""
    if not missing(one.get("comparative_experiment_id")) or not missing(one.get("feedback_group_id")):
        yield Problem(
            "this is one side of a pairwise judgement: group the feedback by feedback_group_id into rows with `runs`"
        )
        return
    if missing(run.get("outputs")) and missing(run.get("output")):
        yield Problem(
            "the export holds no outputs for this feedback: export runs with their feedback, or join them on run_id"
        )
        return
    common = _common(one, run, layout)
    answer = _answer(one, layout)
    if isinstance(answer, Problem):
        yield answer
    elif answer is not None:
        yield _said(answer, one, common)
    correction = unjson(one.get("correction"))
    if not missing(correction):
        yield _correction(correction, one, answer, common)
    elif answer is None:
        yield Problem(f"the feedback {one.get('key')!r} has no score, value, comment or correction")


def _common(one: Mapping[str, Any], run: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    return present(
        id=None if one.get("id") is None else str(one["id"]),
        context=content_of(unjson(run.get("inputs")), "world"),
        candidates=[_candidate(run)],
        criterion=str(one.get("key")) if not missing(one.get("key")) else None,
        rater=_rater(one, run, layout),
        time=one.get("created_at") if not missing(one.get("created_at")) else None,
        extra=extra_of(one, _READ) | ({"run": extra} if (extra := _run_extra(run)) and one is not run else {}),
    )


def _run_extra(run: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a run, and the settings beside its messages."""
    named = {name: run.get(name) for name in ("id", "name", "trace_id", "reference_example_id")}
    beside = {name: beside_messages(unjson(run.get(name))) for name in ("inputs", "outputs")}
    return {name: value for name, value in {**named, **beside}.items() if value and not missing(value)}


def _candidate(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run's output, and the model that wrote it where the run says so."""
    model = at(run, "extra.metadata.ls_model_name")
    output = unjson(first_of(run, ("outputs", "output")))
    return present(output=content_of(output, "system"), system=str(model) if not missing(model) else None)


def _rater(one: Mapping[str, Any], run: Mapping[str, Any], layout: Layout) -> dict[str, str] | None:
    """A person by user id; an evaluator by its rule, else by the key it scores."""
    if layout.rater:
        named = at(one, layout.rater) or at(run, layout.rater)
        return {"id": str(named), "kind": "person"} if not missing(named) else None
    source = unjson(one.get("feedback_source"))
    source = source if isinstance(source, Mapping) else {}
    if source.get("type") in _MODEL_SOURCES:
        rule = at(source, "metadata.rule_id") or at(source, "metadata.evaluator")
        return {"id": str(rule or f"evaluator of {one.get('key')}"), "kind": "model"}
    return {"id": str(source["user_id"]), "kind": "person"} if not missing(source.get("user_id")) else None


def _answer(one: Mapping[str, Any], layout: Layout) -> Answer | Problem | None:
    """The answer that a feedback holds, if any: its score, else its value, else its comment."""
    key, score, value = str(one.get("key")), one.get("score"), one.get("value")
    if not missing(value) and (key in layout.labels or key in layout.ratings or missing(score)):
        return _valued(key, value, one, layout)
    if not missing(score):
        return _scored(key, score, one, layout)
    return ("critique", {"text": str(one["comment"])}) if not missing(one.get("comment")) else None


def _valued(key: str, value: Any, one: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    config = unjson(one.get("feedback_config"))
    if isinstance(config, Mapping) and config.get("type") == "freeform" and key not in layout.labels:
        return "critique", {"text": str(value)}
    return answered(key, value, layout)


def _scored(key: str, score: Any, one: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    score = {"true": True, "false": False}.get(str(score).lower(), score)  # as CSV files spell them
    if isinstance(score, bool) or key in layout.labels or key in layout.ratings:
        return answered(key, score, layout)
    value = number_of(score)
    if value is None:
        return Problem(f"the score of {key!r} is {score!r}, not a number")
    config = unjson(one.get("feedback_config"))
    config = config if isinstance(config, Mapping) else {}
    categories = {number_of(c.get("value")) for c in config.get("categories") or [] if isinstance(c, Mapping)}
    if categories == {0.0, 1.0} and value in categories:
        return "label", {"label": value == 1.0}
    low, high = number_of(config.get("min")), number_of(config.get("max"))
    if low is not None and high is not None:
        return "rating", {"rating": value, "scale": [low, high]}
    return rated(key, value, layout)


def _said(answer: Answer, one: Mapping[str, Any], common: dict[str, Any]) -> Judgement:
    """The record of an answer; the comment beside a score is kept as its text."""
    kind, value = answer
    if kind == "edit":
        value, candidates = {}, [*common["candidates"], {"output": str(one.get("value"))}]
        return {**common, "kind": kind, "value": value, "candidates": candidates}
    if not missing(one.get("comment")) and kind in ("rating", "label"):
        value = {**value, "text": str(one["comment"])}
    return {**common, "kind": kind, "value": value}


def _correction(
    correction: Any, one: Mapping[str, Any], answer: Answer | Problem | None, common: dict[str, Any]
) -> Judgement:
    """A corrected output as an edit; a corrected score as a further judgement by someone unnamed."""
    extra = {**common["extra"], "corrects": common.get("id")}
    made = {**{key: common[key] for key in common if key not in ("rater", "id")}, "extra": extra}
    if "id" in common:
        made["id"] = f"{common['id']}-correction"
    if isinstance(correction, Mapping) and "score" in correction:
        if not isinstance(answer, tuple) or answer[0] not in ("rating", "label"):
            return Problem("a corrected score without a score that could be read")
        kind, value = answer
        score = number_of(correction["score"])
        return {
            **made,
            "kind": kind,
            "value": {**value, "rating": score} if kind == "rating" else {"label": bool(score)},
        }
    better = first_of(correction, _CORRECTED) if isinstance(correction, Mapping) else correction
    if missing(better):
        return Problem(f"the correction holds none of {', '.join(_CORRECTED)}")
    better = content_of(better, "system")
    return {**made, "kind": "edit", "value": {}, "candidates": [*common["candidates"], {"output": better}]}


def _statistics(stats: Any, run: Row, layout: Layout) -> Iterator[Judgement]:
    """The averages that a run export holds: an average of one is that one, an average of several is not feedback."""
    for key, entry in stats.items() if isinstance(stats, Mapping) else ():
        if not isinstance(entry, Mapping):
            yield Problem(f"feedback_stats of {key!r} is no object")
        elif number_of(entry.get("n")) == 1:
            one = {"key": key, "score": entry.get("avg"), "value": next(iter(entry.get("values") or {}), None)}
            yield from _feedback(one, run, layout)
        else:
            yield Problem(
                f"feedback_stats has only the average of {entry.get('n')} judgements of {key!r}: export the feedback"
            )


def _pairwise_entries(row: Row) -> list[Mapping[str, Any]]:
    """Every {key, scores} of a row that compares runs."""
    entries = [unjson(value) for name, value in row.items() if name.startswith(_PREFIX)] + [row]
    return [
        entry for entry in entries if isinstance(entry, Mapping) and isinstance(unjson(entry.get("scores")), Mapping)
    ]


def _compared(row: Row, runs: Sequence[Mapping[str, Any]], layout: Layout) -> Iterator[Judgement]:
    """Runs scored against one another."""
    entries = _pairwise_entries(row)
    for entry in entries:
        yield _comparison(entry, unjson(entry["scores"]), runs, layout)
    groups: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for one in listing(row.get("feedback")) or []:
        if isinstance(one, Mapping):
            groups.setdefault((one.get("key"), one.get("feedback_group_id")), []).append(one)
    for members in groups.values():
        yield _comparison(members[0], {one.get("run_id"): one.get("score") for one in members}, runs, layout)
    if not entries and not groups:
        yield Problem("runs without scores: give {key, scores: {run id: score}}, or one feedback for each run")


def _comparison(
    entry: Mapping[str, Any], scores: Mapping[Any, Any], runs: Sequence[Mapping[str, Any]], layout: Layout
) -> Judgement:
    by_run = {str(run): number_of(float(score) if isinstance(score, bool) else score) for run, score in scores.items()}
    values = [by_run.get(str(run.get("id"))) for run in runs]
    known = [value for value in values if value is not None]
    if len(runs) < 2 or len(known) < len(runs):
        return Problem(
            f"{len(known)} scores of {entry.get('key')!r} for {len(runs)} runs: every run compared needs one"
        )
    common = _common(entry, runs[0], layout)
    candidates = [{**_candidate(run), **present(system=_name(run))} for run in runs]
    common["extra"] = {key: value for key, value in common["extra"].items() if key not in ("run", "scores", "run_id")}
    common["extra"] |= {"runs": sorted(str(run.get("id")) for run in runs)}
    remark = {"text": str(entry["comment"])} if not missing(entry.get("comment")) else {}
    if len(runs) > 2:
        return {
            **common,
            "kind": "ranking",
            "candidates": candidates,
            "value": {"ranks": ranks_by_score(known), **remark},
        }
    choice, ordered = flipped_first(_choice(known), candidates)
    return {**common, "kind": "comparison", "candidates": ordered, "value": {"choice": choice, **remark}}


def _choice(scores: Sequence[float]) -> str:
    return "tie" if scores[0] == scores[1] else "first" if scores[0] > scores[1] else "second"


def _name(run: Mapping[str, Any]) -> str | None:
    """The experiment that a run belongs to: what is being compared."""
    name = first_of(run, _SYSTEM)
    return None if name is None else str(name)


LANGSMITH = Format(
    "langsmith",
    "feedback exported from LangSmith with its runs (docs.langchain.com/langsmith/feedback-data-format)",
    _matches,
    partial(judgements, layout=Layout()),
)
