"""The guide's program of three steps, small: people's thumbs and comments improve it, and the truth agrees."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from heedful.report.rewriting import render_rewriting
from heedful.worlds import ChatServer
from heedful.worlds.rule_models import rule_models
from heedful.worlds.rule_players import RuleEditor

pytest.importorskip("openai")


def test_thumbs_and_comments_improve_a_program(tmp_path: Path) -> None:
    guide = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "rewriting.py"))
    world = guide["WORLD"]
    with ChatServer(rule_models(world, editor=RuleEditor(world, finds=1.0))) as server:
        done = guide["improved"](server.url, tmp_path, examples=200, rounds=4)
    assert done.counts["kept"] >= 1
    assert world.expected({**guide["START"], **done.values}) > world.expected(guide["START"]) + 0.05
    assert "<ins>" in render_rewriting(done.summary())
