"""From a file of tests to evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heedful.core import InputError, Parts
from heedful.evidence import Asserts, Script, UnitTests, asserts
from heedful.evidence.unit_tests import Test
from heedful.feedback.candidates import row_context
from heedful.feedback.source import rows_of

_FIX = 'rows such as {"prompt": "Write add(a, b).", "tests": ["assert add(1, 2) == 3", {"stdin": "1", "stdout": "2"}]}'


def read_tests(path: str, *, unsafe: bool = False) -> UnitTests:
    """The tests of a file: of asserts in Python (*.py), for all contexts; or rows of a context and its `tests`.

    A test in a row is Python source, or an object with `stdin` and `stdout`. Raises InputError naming the line where a
    row holds something else.
    """
    if Path(path).suffix == ".py":
        return UnitTests(asserts(_read(path)), unsafe=unsafe)
    found: dict[Parts | str, tuple[Test, ...]] = {}
    for line, row in rows_of(path):
        where = f"{path}, line {line}"
        given = row.get("tests")
        if not isinstance(given, list) or not given:
            raise InputError("this row has no list of tests", where=where, fix=_FIX)
        context = row_context(row, where)
        found[context] = (*found.get(context, ()), *(_test(own, where) for own in given))
    if not found:
        raise InputError("there are no tests in it", where=path, fix=_FIX)
    return UnitTests(found, unsafe=unsafe)


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"this file cannot be read ({error})", where=path) from error


def _test(given: Any, where: str) -> Test:
    if isinstance(given, str):
        return Asserts(given)
    if isinstance(given, Mapping) and {"stdin", "stdout"} <= given.keys():
        return Script(str(given["stdin"]), str(given["stdout"]), str(given.get("name", "")))
    raise InputError(f"this is no test: {str(given)[:80]!r}", where=where, fix=_FIX)
