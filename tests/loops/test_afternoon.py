"""The afternoon of ten raters, cut short: it ends by itself, having learnt."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "afternoon.py"


def test_an_afternoon_ends_when_nothing_is_worth_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("afternoon", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    afternoon = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "afternoon", afternoon)
    spec.loader.exec_module(afternoon)
    monkeypatch.setattr(afternoon, "LEAST", 0.03)
    rounds = afternoon.main(str(tmp_path / "afternoon"), str(tmp_path / "picture.svg"))
    assert rounds[-1].gain < 0.03 <= rounds[-2].gain
    assert rounds[-1].error < rounds[0].error
    assert rounds[-1].misplaced < rounds[0].misplaced
    summary = json.loads((tmp_path / "afternoon" / "report" / "summary.json").read_text("utf-8"))
    assert summary["feedback"]["accepted"] == summary["feedback"]["read"] == rounds[-1].votes
    charts = ElementTree.parse(tmp_path / "picture.svg").getroot()
    circles = [one for one in charts.iter() if one.tag.endswith("circle")]
    assert len(circles) == 2 * len(rounds)
