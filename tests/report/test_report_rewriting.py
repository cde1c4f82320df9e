"""The page of a rewriting says what was kept and why, and what was not."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from heedful.core import Estimate, Finding
from heedful.report.rewriting import _difference, render_rewriting


def result(**own: Any) -> dict[str, Any]:
    claim = Estimate(0.0, 0, note="nothing was kept", split="held out")
    texts = {"prompt": {"before": "Be brief.", "after": "Be brief."}}
    front = [
        {"values": {"prompt": text}, "mean": mean, "n": 8, "length": len(text), "cost": 31.0, "kept": kept}
        for text, mean, kept in [("Be kind.", 0.9, True), ("Be brief.", 0.5, False), ("Be.", 0.1, False)]
    ]
    about = {"stopped": "all rounds were made", "counts": {}, "spent": {"money": 0.126, "runs": 7}, "events": []}
    return {
        "claim": claim,
        "before": None,
        "after": None,
        "prompts": texts,
        "front": front,
        "findings": [],
        **about,
        **own,
    }


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_nothing_kept_and_nothing_claimed() -> None:
    page = text_of(render_rewriting(result()))
    assert "Nothing was proven better Nothing was kept." in page
    assert "money 0.13 runs 7" in page
    gone = Estimate(0.0, 0, identified=False, note="an error ended it: the server is gone")
    changed = {"prompt": {"before": "Be brief.", "after": "Be kind."}}
    finding = Finding("rewriting.failed_runs", "warning", "3 of 9 runs failed", "mend what raises")
    page = text_of(render_rewriting(result(claim=gone, prompts=changed, findings=[finding])))
    assert "Nothing is claimed 1 texts were rewritten, each proven better when it was kept, but" in page
    assert "the server is gone." in page
    assert "3 of 9 runs failed. Mend what raises." in page


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([{"event": "ran", "earned": [0.5], "before": 0.6}], "worse in training"),
        ([{"event": "ran", "earned": [0.7], "before": 0.6}], "no trial yet"),
        ([{"event": "ran", "earned": [0.7], "before": 0.6, "too_dear": 1}], "nothing to try, 1 too dear"),
        ([{"event": "left out", "repeated": 2, "too_long": 1}], "nothing to try, 2 tried before, 1 too long"),
        ([{"event": "tried", "n": 9, "difference": 0.1, "kept": False, "margin": 0.0}], "not proven better"),
        ([{"event": "tried", "n": 9, "difference": 0.0, "kept": True, "margin": -0.05}], "kept: no worse by 0.05"),
    ],
)
def test_what_became_of_a_round(events: list[dict[str, Any]], words: str) -> None:
    begun = {"event": "proposed", "round": 0, "values": [{}], "said": []}
    page = text_of(render_rewriting(result(events=[begun, *({"round": 0, **own} for own in events)])))
    assert f" {words} " in page


def test_what_is_good_for_its_cost() -> None:
    page = text_of(render_rewriting(result()))
    for row in ("0.900 8 8 31 kept Be kind.", "0.500 8 9 31 the start Be brief.", "0.100 8 3 31 no Be."):
        assert row in page


def test_long_texts_are_compared_in_time() -> None:
    start = time.process_time()
    one, other = (" ".join(["a", "b", word] * 7000) for word in ("c", "d"))
    assert "<del>" in str(_difference(one, other))
    assert time.process_time() - start < 10
