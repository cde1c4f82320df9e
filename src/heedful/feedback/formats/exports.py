"""What the exports of annotation tools leave unsaid, and how an answer to one of their questions becomes a value.

An export names questions and fields freely and often omits the questions' settings: which field is the prompt, what
scale a number is on, whether "acceptable" is a yes. A `Layout`, given by a mapping file, says so. Without one, only
what is certain is read; all else is a Problem that names the missing key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heedful.feedback.formats.base import Judgement, Problem, missing, number_of
from heedful.feedback.formats.conversation import Content
from heedful.feedback.formats.fields import content_of, spelled

_CONTEXT = re.compile(
    r"(system_?)?(user_?)?(prompt|instruction|question|context|query|message|messages|chat|conversation|history|input)s?"
)
_OUTPUT = re.compile(
    r"(.*_)?(response|completion|output|answer|generation|reply|chosen|rejected|candidate)s?[_-]?\w?\d*"
)
_REMARK = re.compile(r"(.*_)?(comment|feedback|critique|explanation|rationale|reason|reasoning|justification|notes?)s?")
_EDIT = re.compile(r"(.*_)?(correction|corrected|edit|edited|rewrite|rewritten|improved)(_.*)?")

Answer = tuple[str, dict[str, Any]]  # the kind of the record, and its value


@dataclass(frozen=True)
class Layout:
    """What a mapping file says about an export, by the names of its fields and questions.

    `context` and `candidates` name fields, candidates in the order shown; `targets` the field that a question is about.
    `scales` give [min, max] of numbers, for "*" those of all other questions. `labels`, `ratings` and `choices`
    translate answers; `texts` and `edits` name the questions that hold critiques and corrected outputs. `rater` is the
    dotted path of the rater's id.
    """

    context: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    rater: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    ratings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    edits: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Shown:
    """What a row of an export shows its raters: the context, and the outputs by the name of their field."""

    context: Content | None
    outputs: Mapping[str, Content | None]

    def target(self, question: str, layout: Layout, field_name: str | None = None) -> str | Problem:
        """The output that a question is about: the one named by the layout or the export, else the only one."""
        named = layout.targets.get(question) or field_name
        if named in self.outputs:
            return str(named)
        if question in layout.targets:
            return Problem(f"the mapping says that {question!r} is about {named!r}, but there is no such output here")
        if len(self.outputs) == 1:
            return next(iter(self.outputs))
        alike = [name for name in self.outputs if name in question or _tail(name) == _tail(question) != ""]
        if len(alike) == 1:
            return alike[0]
        return Problem(
            f"cannot tell which of the outputs {list(self.outputs)} the question {question!r} is about: "
            f"name it under [targets] in a mapping file"
        )


def _tail(name: str) -> str:
    """The number or letter that ends a name such as response_2 or answer-b."""
    found = re.search(r"(\d+|[-_][A-Za-z])$", name)
    return found.group().strip("-_").lower() if found else ""


def shown(fields: Mapping[str, Any], layout: Layout, outputs: Sequence[str] | None = None) -> Shown | Problem:
    """Split the fields of a row into context and outputs: by the layout, else by their usual names.

    `outputs` are the names of the outputs where the export says them (none: the outputs stand elsewhere).
    """
    missing = [name for name in [*layout.candidates, *layout.context] if name not in fields]
    if missing:
        return Problem(f"no field {missing[0]!r}, which the mapping file names; there are {sorted(fields)}")
    names = list(layout.candidates) or (_guessed(fields) if outputs is None else list(outputs))
    if not names and outputs is None:
        return Problem(
            f"cannot tell which of the fields {sorted(fields)} hold the outputs judged: "
            "name them as candidates in a mapping file"
        )
    context = list(layout.context) or [n for n in fields if _CONTEXT.fullmatch(n.lower()) and n not in names]
    return Shown(_joined(fields, context), {name: content_of(fields[name], "system") for name in names})


def _guessed(fields: Mapping[str, Any]) -> list[str]:
    """The fields with the usual names of outputs, else the only text that is no context."""
    named = [name for name in fields if _OUTPUT.fullmatch(name.lower())]
    if named:
        return named
    texts = [name for name in fields if isinstance(fields[name], str) and not _CONTEXT.fullmatch(name.lower())]
    return texts if len(texts) == 1 else []


def _joined(fields: Mapping[str, Any], names: Sequence[str]) -> Content | None:
    """The context made of one field or several."""
    contents = [content_of(fields[name], "world") for name in names if not missing(fields.get(name))]
    if len(contents) <= 1:
        return contents[0] if contents else None
    return [part for content in contents if content is not None for part in _as_parts(content)]


def _as_parts(content: Content) -> list[dict[str, Any]]:
    return [{"text": content, "by": "world"}] if isinstance(content, str) else content


def answered(question: str, raw: Any, layout: Layout) -> Answer | Problem:
    """An answer to one question as the kind and value of a record, or why it cannot be one."""
    for kind, tables in (("label", layout.labels), ("rating", layout.ratings), ("comparison", layout.choices)):
        if question in tables:
            return _looked_up(kind, question, raw, tables[question], layout)
    if isinstance(raw, bool):
        return "label", {"label": raw}
    if number_of(raw) is not None and not isinstance(raw, str):
        return rated(question, raw, layout)
    if isinstance(raw, str):
        return _said(question, raw, layout)
    return Problem(f"the answer to {question!r} is neither a number, a truth value nor a text")


def rated(question: str, raw: Any, layout: Layout) -> Answer | Problem:
    """A number as a rating on the scale that the layout gives it."""
    scale = scale_of(question, layout)
    if scale is None:
        return Problem(
            f"the scale of the numbers for {question!r} is not in the export: give it under [scales] in a mapping file"
        )
    return "rating", {"rating": number_of(raw), "scale": list(scale)}


def scale_of(question: str, layout: Layout) -> tuple[float, float] | None:
    """The scale that the layout gives a question."""
    return layout.scales.get(question) or layout.scales.get("*")


def _said(question: str, raw: str, layout: Layout) -> Answer | Problem:
    """A text as a critique or an edit, where that is what the question asks for."""
    if question in layout.edits or (question not in layout.texts and _EDIT.fullmatch(question.lower())):
        return "edit", {}
    if question in layout.texts or _REMARK.fullmatch(question.lower()):
        return "critique", {"text": raw}
    return Problem(
        f"what the answer {raw[:60]!r} to {question!r} means is not in the export: "
        "translate it under [labels], [ratings] or [choices] in a mapping file, or list the question in texts or edits"
    )


def _looked_up(kind: str, question: str, raw: Any, table: Mapping[str, Any], layout: Layout) -> Answer | Problem:
    """An answer translated by its table."""
    key = spelled(raw)
    if key not in table:
        return Problem(f"the answer {key!r} to {question!r} is not in the mapping file, which has {sorted(table)}")
    if kind == "label":
        return kind, {"label": table[key]}
    if kind == "comparison":
        return kind, {"choice": table[key]}
    scale = scale_of(question, layout) or (min(table.values()), max(table.values()))
    return kind, {"rating": table[key], "scale": list(scale)}


def about(question: str, raw: Any, seen: Shown, layout: Layout, field_name: str | None = None) -> Judgement:
    """An answer to a question about what was shown, as kind, value, candidates and context of a record."""
    answer = answered(question, raw, layout)
    if isinstance(answer, Problem):
        return answer
    kind, value = answer
    if kind == "comparison":
        return compared(value["choice"], seen)
    target = seen.target(question, layout, field_name)
    if isinstance(target, Problem):
        return target
    candidates = [{"output": seen.outputs[target]}]
    if kind == "edit":
        candidates.append({"output": str(raw)})
    return {"kind": kind, "value": value, "candidates": candidates, "context": seen.context}


def compared(choice: str, seen: Shown, *, in_order: bool = False) -> Judgement:
    """A verdict between the two outputs of a row. `in_order`: they stand in the order in which they were shown."""
    if len(seen.outputs) != 2:
        return Problem(f"a comparison needs two outputs, but the row has {list(seen.outputs)}")
    candidates = [{"output": output} for output in seen.outputs.values()]
    if not in_order:
        choice, candidates = flipped_first(choice, candidates)
    made = {"kind": "comparison", "value": {"choice": choice}, "candidates": candidates, "context": seen.context}
    return {**made, "order": "shown"} if in_order else made


def flipped_first(choice: str, candidates: list[Any]) -> tuple[str, list[Any]]:
    """The preferred candidate first, as readers ask for where the order of display is unknown."""
    return ("first", candidates[::-1]) if choice == "second" else (choice, candidates)


def ranks_by_score(scores: Sequence[float]) -> list[int]:
    """Ranks from scores: 1 for the highest, equal scores tied (competition ranking, as in 1, 2, 2, 4)."""
    return [1 + sum(other > score for other in scores) for score in scores]
