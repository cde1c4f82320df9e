"""Complaints become criteria: clusters of what means the same, instructions and checks, and nothing lost uncounted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from heedful.core import Budget, InputError, Item, UsageError
from heedful.evidence import Rule
from heedful.models import FunctionWriter
from heedful.rewriting import lifted

ASKED = {"year": "Name the year.", "long": "Be brief.", "source": "Give a source."}
COMPLAINTS = [
    *["It does not name the year.", "There is no year in it.", "No year is named."] * 4,
    *["It is far too long.", "Much too long.", "It is too long for me."] * 3,
    *["It gives no source.", "A source is missing.", "I miss a source."] * 2,
    "  ",
]


def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
    """The instruction of the word that most of the complaints hold; nothing readable about sources."""
    text = str(messages[0]["content"])
    mark = re.findall(r"</([0-9a-f]{12})>", text)[0]
    said = text.split("was said:\n")[1]
    word = max(ASKED, key=said.count)
    return "No idea." if word == "source" else f"<{mark}>\n{ASKED[word]}\n</{mark}>"


def check(sentence: str) -> Rule:
    return Rule(lambda item: float(sentence in item.output[0].text), sentence)


def test_complaints_that_mean_the_same_are_one_criterion() -> None:
    budget = Budget(calls=20)
    done = lifted(COMPLAINTS, FunctionWriter(answer), check, most=3, budget=budget, rng=np.random.default_rng(0))
    assert [own.principle.sentence for own in done.criteria] == ["Name the year.", "Be brief."]
    assert [len(own.complaints) for own in done.criteria] == [12, 9]
    assert (done.missing, done.unheard) == (1, 6)
    assert done.cost["calls"] == budget.spent["calls"] == 4  # one to repair
    assert done.told() == "Name the year.\nBe brief."
    items = [Item.of("q", "Name the year."), Item.of("q", "Be brief. Name the year."), Item.of("q", "nothing")]
    assert done.failing(items) == [["Be brief."], [], ["Name the year.", "Be brief."]]


def test_instructions_that_agree_are_one_criterion() -> None:
    done = lifted(COMPLAINTS[:12], FunctionWriter(answer), check, most=8, rng=np.random.default_rng(0))
    assert len(done.criteria) == 1
    assert len(done.criteria[0].complaints) == 12
    assert done.unheard == 0


def test_what_cannot_be_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="no complaints"):
        lifted([" "], FunctionWriter(answer), check, rng=rng)
    with pytest.raises(UsageError):
        lifted(COMPLAINTS, FunctionWriter(answer), check, most=0, rng=rng)
