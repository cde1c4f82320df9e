"""Programs in a row: what is right before each is known, and every way of telling it leads the editor there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from heedful.catalogue.relays import LENGTHS, Relay, relay_program, relay_splits, undone
from heedful.catalogue.rewriters import Paid
from heedful.core import Budget
from heedful.rewriting import PerCall, Rewriter, Situation, Subgraph, Text
from heedful.worlds.string_programs import OPERATIONS, run

SECRETS = {"first": "left head", "even": "odds right", "odd": "tail reverse", "last": "halves left"}
SURE = Relay(SECRETS, sees=1.0, skill=1.0)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_was_undone_is_done_again(operation: str) -> None:
    for size in LENGTHS:
        text = "gfedcba"[:size]
        assert run(f"{operation} left", undone(f"{operation} left", text)) == text


def test_what_programs_are_worth_is_the_mean_over_texts() -> None:
    start = SURE.start(np.random.default_rng(0))
    program, texts = relay_program(start), relay_splits(2000, np.random.default_rng(1)).train
    items = [(program(own["text"]), SURE.wanted(own["text"])) for own in texts]
    shares = [np.mean([a == b for a, b in zip(gave, wanted, strict=True)]) for gave, wanted in items]
    each = [np.mean([s for s, own in zip(shares, texts, strict=True) if len(own["text"]) == size]) for size in LENGTHS]
    assert SURE.expected(start) == pytest.approx(np.mean(each))
    assert SURE.expected(SECRETS) == 1


@pytest.mark.parametrize("wrong", SECRETS)
@pytest.mark.parametrize("rule", ["way", "words"])
def test_one_wrong_program_is_found_and_mended(wrong: str, rule: str) -> None:
    """Of all texts; the programs that had no part in them are neither named nor changed."""
    start = {**SECRETS, wrong: "right right"}
    paid, program = Paid(SURE.models()), relay_program(start)
    texts = ["abcd", "dbca", "fedcba", "bdface"] if wrong == "even" else ["edcba", "gfedcba", "bacde", "gbcdefa"]
    runs = [program.run(text) for text in texts]
    words = [f"It should be '{SURE.wanted(text)}'." for text in texts]
    carry: Any = Subgraph() if rule == "way" else PerCall(paid("critic"))
    said = carry(runs, words, frozenset(SECRETS), budget=Budget()).said
    assert {name for own in said for name in own.bears_on} == {"first", "even" if wrong == "even" else "odd", "last"}
    parameters = {name: Text(value, name) for name, value in start.items()}
    made = Rewriter(paid("editor"))(Situation(parameters, start, said), budget=Budget(), rng=np.random.default_rng(0))
    after = {**start, **made.values[0]}
    assert [Relay(after).wanted(text) for text in texts] == [SURE.wanted(text) for text in texts]
    assert paid.calls == ({"editor": 1} if rule == "way" else {"critic": 4 * 5, "editor": 1})
