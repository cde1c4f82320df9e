"""AlpacaEval: annotations of a model's output against a baseline's, and tables of preferences made from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from heedful.feedback.formats.base import (
    Format,
    Judgement,
    Problem,
    Row,
    extra_of,
    missing,
    name_of,
    number_of,
    reference,
    text_of,
)

_USED = ("instruction", "input", "output_1", "output_2", "generator_1", "generator_2", "annotator", "preference")


def _value(preference: Any) -> dict[str, Any] | Problem:
    """`preference` runs from 1 (the first output, the baseline's, wins) to 2; 0 and 1.5 are ties."""
    number = number_of(preference)
    if number is None:
        return Problem("no preference is given" if missing(preference) else f"preference {preference!r} is no number")
    if number == 0:
        return {"choice": "tie", "share": 0.5}
    if not 1 <= number <= 2:
        return Problem(f"preference {number:g} lies outside [1, 2] (0 is a tie)")
    return {"choice": "first" if number < 1.5 else "second" if number > 1.5 else "tie", "share": 2 - number}


def _judged(value: dict[str, Any] | Problem, judgement: dict[str, Any]) -> Judgement:
    return value if isinstance(value, Problem) else {"kind": "comparison", "value": value, **judgement}


def _matches(row: Row) -> bool:
    return {"instruction", "output_1", "output_2", "preference"} <= row.keys()


def _parse(row: Row) -> Iterator[Judgement]:
    instruction, more = text_of(row.get("instruction")), row.get("input")
    candidates = [
        {"output": text_of(row.get(f"output_{n}")), "system": name_of(row.get(f"generator_{n}"))} for n in (1, 2)
    ]
    if candidates[0] == candidates[1]:
        yield Problem("an item is judged against itself: both outputs and their generators are the same")
        return
    annotator = name_of(row.get("annotator"))
    yield _judged(
        _value(row.get("preference")),
        {
            "context": instruction if missing(more) else f"{instruction}\n\n{more}",
            "candidates": candidates,
            "rater": {"id": annotator, "kind": "model"} if annotator else None,
            "extra": extra_of(row, _USED),
        },
    )


def _matches_table(row: Row) -> bool:
    return {"generator", "baseline", "preference"} <= row.keys()


def _parse_table(row: Row) -> Iterator[Judgement]:
    generator, baseline = name_of(row.get("generator")), name_of(row.get("baseline"))
    if generator is None or baseline is None:
        yield Problem("generator and baseline must both be named")
        return
    if generator == baseline:
        yield Problem(f"an item is judged against itself: generator and baseline are both {generator!r}")
        return
    said = row.get("instruction")
    instruction = name_of(said)
    # Such tables give instructions by number; a text is the instruction itself.
    known = isinstance(said, str) and not said.strip().isdigit()
    yield _judged(
        _value(row.get("preference")),
        {
            "context": said if known else reference("instruction", instruction) if instruction else None,
            "candidates": [{"system": baseline}, {"system": generator}],
            "extra": extra_of(row, ("generator", "baseline", "preference", "instruction")),
        },
    )


ALPACA = Format(
    name="alpaca-eval",
    about="annotations of output_2 against the baseline's output_1 (github.com/tatsu-lab/alpaca_eval)",
    matches=_matches,
    parse=_parse,
)
ALPACA_TABLE = Format(
    name="alpaca-eval-table",
    about="one preference per generator and instruction, against a baseline (github.com/tatsu-lab/alpaca_eval)",
    matches=_matches_table,
    parse=_parse_table,
)
