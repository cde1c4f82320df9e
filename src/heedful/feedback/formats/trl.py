"""The dataset forms of TRL: preference, unpaired preference, prompt and completion, stepwise supervision."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, boolean_of, extra_of
from heedful.feedback.formats.conversation import Content, Turn, context_of, is_messages, output_of, split, turns_of
from heedful.feedback.formats.dialogues import DIALOGUES

_Matches = Callable[[Row], bool]
_Parse = Callable[[Row], Iterator[Judgement]]


def _said(value: Any) -> Any:
    """A cell as text or messages; messages written as JSON in a text cell are read as such."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            decoded = json.loads(value)
        except ValueError:
            return value
        return decoded if is_messages(decoded) else value
    return value


def _is_said(value: Any) -> bool:
    return isinstance(value, str) or is_messages(value)


def _matches_preference(row: Row) -> bool:
    return _is_said(row.get("chosen")) and _is_said(row.get("rejected")) and not DIALOGUES.matches(row)


def _matches_unpaired(row: Row) -> bool:
    return _completes(row) and "label" in row


def _matches_completion(row: Row) -> bool:
    return _completes(row) and "label" not in row


def _completes(row: Row) -> bool:
    return _is_said(row.get("prompt")) and _is_said(row.get("completion"))


def _matches_steps(row: Row) -> bool:
    completions, labels = row.get("completions"), row.get("labels")
    return isinstance(completions, list) and isinstance(labels, list) and all(isinstance(c, str) for c in completions)


def _turns(said: Any, role: str) -> list[Turn]:
    by = "system" if role == "assistant" else "world"
    return [{"text": said, "by": by, "role": role}] if isinstance(said, str) else turns_of(said)


def _context(said: Any) -> Content | None:
    return (said or None) if isinstance(said, str) else context_of(turns_of(said))


def _output(said: Any) -> Content:
    return said if isinstance(said, str) else output_of(turns_of(said))


def _preference(row: Row) -> Iterator[Judgement]:
    chosen, rejected = _said(row.get("chosen")), _said(row.get("rejected"))
    if not _is_said(chosen) or not _is_said(rejected):
        yield Problem("chosen and rejected must both be texts or lists of messages")
        return
    if chosen == rejected:
        yield Problem("an item is judged against itself: chosen and rejected are the same")
        return
    context, preferred, other = _parted(_said(row.get("prompt")), chosen, rejected)
    judgement: dict[str, Any] = {
        "kind": "comparison",
        "context": context,
        "candidates": [{"output": preferred}, {"output": other}],
        "value": {"choice": "first"},
        "extra": extra_of(row, ("prompt", "chosen", "rejected")),
    }
    yield judgement


def _parted(prompt: Any, chosen: Any, rejected: Any) -> tuple[Content | None, Content, Content]:
    """Context and outputs: the prompt as given, or what chosen and rejected share at their start."""
    given = _is_said(prompt)
    if isinstance(chosen, str) and isinstance(rejected, str):
        if given:
            return _context(prompt), chosen, rejected
        start = _shared_words(chosen, rejected)
        return chosen[:start] or None, chosen[start:], rejected[start:]
    first, second = _turns(chosen, "assistant"), _turns(rejected, "assistant")
    before = _turns(prompt, "user") if given else []
    if not given or (first[: len(before)] == before and second[: len(before)] == before):
        before = []  # the prompt stands within both
    shared, preferred, other = split(first, second)
    return context_of(before + shared), output_of(preferred), output_of(other)


def _shared_words(first: str, second: str) -> int:
    """Length of the longest common prefix that ends between words (TRL's `extract_prompt` ends before a space)."""
    end = next(
        (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    while end and not (first[end : end + 1].isspace() and second[end : end + 1].isspace()):
        end -= 1
    return end


def _unpaired(row: Row) -> Iterator[Judgement]:
    label = boolean_of(row.get("label"))
    if label is None:
        yield Problem(f"label is {row.get('label')!r}, not true or false")
        return
    yield from _of_completion(row, "label", {"label": label}, ("prompt", "completion", "label"))


def _completion(row: Row) -> Iterator[Judgement]:
    yield from _of_completion(row, "demonstration", {}, ("prompt", "completion"))


def _of_completion(row: Row, kind: str, value: dict[str, Any], used: tuple[str, ...]) -> Iterator[Judgement]:
    prompt, completion = _said(row.get("prompt")), _said(row.get("completion"))
    if not _is_said(prompt) or not _is_said(completion):
        yield Problem("prompt and completion must both be texts or lists of messages")
        return
    yield {
        "kind": kind,
        "context": _context(prompt),
        "candidates": [{"output": _output(completion)}],
        "value": value,
        "extra": extra_of(row, used),
    }


def _steps(row: Row) -> Iterator[Judgement]:
    completions, labels = list(row["completions"]), [boolean_of(label) for label in row["labels"]]
    if len(completions) != len(labels):
        yield Problem(f"{len(labels)} labels for {len(completions)} steps")
        return
    yield {
        "kind": "steps",
        "context": _context(_said(row.get("prompt"))),
        "candidates": [{"output": [{"text": step, "role": "assistant"} for step in completions]}],
        "value": {"steps": [None if label is None else float(label) for label in labels]},
        "extra": extra_of(row, ("prompt", "completions", "labels")),
    }


def _format(
    name: str, what: str, matches: Callable[[Row], bool], parse: Callable[[Row], Iterator[Judgement]]
) -> Format:
    return Format(name, f"{what} (TRL, huggingface.co/docs/trl/dataset_formats)", matches, parse)


TRL_PREFERENCE = _format(
    "trl-preference", "chosen and rejected, with the prompt apart or within both", _matches_preference, _preference
)
TRL_UNPAIRED = _format("trl-unpaired", "prompt, completion and a yes/no label", _matches_unpaired, _unpaired)
TRL_STEPS = _format("trl-steps", "prompt, steps and a label for each step", _matches_steps, _steps)
TRL_COMPLETION = _format("trl-completion", "prompt and completion, as demonstrations", _matches_completion, _completion)
