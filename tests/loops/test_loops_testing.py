"""Tests of programs from files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from heedful.core import InputError, Item, UsageError
from heedful.evidence import Script
from heedful.loops import evidence_of, read_tests

ADD = "def add(a, b):\n    return a + b\n"


def test_asserts_of_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "tests.py"
    path.write_text("assert add(1, 2) == 3\nassert add(0, 0) == 0\n", "utf-8")
    tests = read_tests(str(path))
    assert len(tests.tests) == 2
    items = [Item.of("any", ADD), Item.of("any", ADD.replace("+", "-"))]
    assert evidence_of([], tests=str(path))(items).mean.tolist() == [0.0, -math.inf]


def test_rows_of_contexts_and_tests(tmp_path: Path) -> None:
    path = tmp_path / "tests.jsonl"
    rows = [
        {"prompt": "add", "tests": ["assert add(1, 2) == 3"]},
        {"prompt": "print", "tests": [{"stdin": "2", "stdout": "4"}]},
        {"prompt": "add", "tests": ["assert add(1, 1) == 2"]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    tests = read_tests(str(path), unsafe=True)
    assert tests.unsafe
    assert [len(own) for own in tests.tests.values()] == [2, 1]
    assert tests.tests[Item.of("print").context] == (Script("2", "4"),)
    items = [Item.of("add", ADD), Item.of("print", "print(int(input()) * 2)"), Item.of("print", ADD)]
    assert tests(items).mean.tolist() == [0.0, 0.0, -math.inf]


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "tests.jsonl"
    for row, told in (
        ({"prompt": "a"}, "line 1: this row has no list of tests"),
        ({"tests": ["assert f()"]}, "has no context"),
        ({"prompt": "a", "tests": [3]}, "this is no test: '3'"),
        ({"prompt": "a", "tests": ["assert ("]}, "no Python"),
    ):
        path.write_text(json.dumps(row) + "\n", "utf-8")
        with pytest.raises(InputError, match=told):
            read_tests(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read_tests(str(tmp_path / "none.py"))
    with pytest.raises(UsageError, match="no evidence"):
        evidence_of([])
    with pytest.raises(UsageError, match="unsafe is of tests"):
        evidence_of([], unsafe=True)
