"""Model solutions with their correctness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, boolean_of, missing, text_of


def _is_solution(value: Any) -> bool:
    return isinstance(value, Mapping) and {"is_correct", "solution"} <= value.keys()


def _matches(row: Row) -> bool:
    return "question" in row and any(map(_is_solution, row.values()))


def _parse(row: Row) -> Iterator[Judgement]:
    solutions = {name: value for name, value in row.items() if _is_solution(value)}
    shared = {k: v for k, v in row.items() if k not in solutions and k != "question" and not missing(v)}
    for system, solution in solutions.items():
        correct = boolean_of(solution["is_correct"])
        if correct is None:
            yield Problem(f"is_correct of {system} is {solution['is_correct']!r}, not true or false")
            continue
        own = {k: v for k, v in solution.items() if k not in ("is_correct", "solution") and not missing(v)}
        yield {
            "kind": "label",
            "context": text_of(row["question"]),
            "candidates": [{"output": text_of(solution["solution"]), "system": system}],
            "criterion": "correctness",
            "value": {"label": correct},
            "extra": {**shared, **own},
        }


SOLUTIONS = Format(
    name="solutions",
    about="a question and, per model, its solution and whether it is correct (github.com/openai/grade-school-math)",
    matches=_matches,
    parse=_parse,
)
