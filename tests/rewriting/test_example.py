"""The examples, small: thumbs and comments improve a program of three steps, failing tests a function's source."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedful.evidence.sandbox.isolation import why_not
from heedful.report.rewriting import render_rewriting
from heedful.worlds import ChatServer
from heedful.worlds.rule_models import rule_models
from heedful.worlds.rule_players import RuleEditor
from heedful.worlds.string_programs import OPERATIONS

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_thumbs_and_comments_improve_a_program(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    guide = runpy.run_path(str(EXAMPLES / "rewriting.py"))
    world = guide["WORLD"]
    with ChatServer(rule_models(world, editor=RuleEditor(world, finds=1.0))) as server:
        done = guide["improved"](server.url, tmp_path, examples=200, rounds=4)
    assert done.counts["kept"] >= 1
    assert world.expected({**guide["START"], **done.values}) > world.expected(guide["START"]) + 0.05
    assert "<ins>" in render_rewriting(done.summary())


def test_failing_tests_with_their_errors_mend_a_function() -> None:
    if why_not():
        pytest.skip(f"programs cannot be isolated here: {why_not()}")
    guide = runpy.run_path(str(EXAMPLES / "code_by_tests.py"))
    for name, does in OPERATIONS.items():
        assert ran(guide["source_of"]([name]), "hgbcf") == does("hgbcf")
    done = guide["improved"](examples=20, rounds=2, batch=2)
    assert done.counts["kept"] == 2
    assert "txt" not in done.values["edit.py"]
    for text in guide["words"](50, np.random.default_rng(9)):
        assert ran(done.values["edit.py"], text) == guide["WORLD"].wanted(text)


def ran(source: str, text: str) -> str:
    """What a source that the test itself knows makes of a text."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    return str(scope["edit"](text))
