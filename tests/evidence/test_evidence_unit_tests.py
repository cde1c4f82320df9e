"""Tests of programs: what passes, what is told of what does not, and how outcomes become scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import InputError, Item, UsageError
from heedful.core.contracts import PotentialContract
from heedful.evidence import Asserts, IsolationError, Script, UnitTests, asserts, in_words, program_of
from heedful.evidence.sandbox import isolation

GOOD = "def area(a, b):\n    return a * b\n"
BAD = "def area(a, b):\n    return a + b\n"
HALF = "def area(a, b):\n    if a < 0:\n        raise ValueError(f'no area: {a}')\n    return a + b\n"
TESTS = ("assert area(2, 3) == 6", "assert area(2, 2) == 4", "assert area(0, 5) == 0")


def item(program: str, context: str = "area") -> Item:
    return Item.of(context, program)


class TestUnitTestsContract(PotentialContract):
    def make(self):
        return UnitTests(TESTS)

    def items(self):
        return [item(GOOD), item(BAD), item("")]


def outcome(program: str, test: str | Asserts | Script, **how):
    ((found,),) = UnitTests([test], **how).run([item(program)])
    return found


def test_scores_are_all_or_a_share():
    items = [item(GOOD), item(BAD), item("nonsense(")]
    assert UnitTests(TESTS)(items).mean.tolist() == [0.0, -math.inf, -math.inf]
    assert UnitTests(TESTS, otherwise=-2.0)(items).mean.tolist() == [0.0, -2.0, -2.0]
    shares = UnitTests(TESTS, score="share")
    np.testing.assert_allclose(shares(items).mean, [1.0, 1 / 3, 0.0])
    assert (UnitTests(TESTS).scale, shares.scale) == ("log_prob", "utility")


def test_what_went_wrong_is_told_with_its_line():
    told = outcome(BAD, "assert area(2, 3) == 6")
    assert (told.kind, told.test) == ("failed", "assert area(2, 3) == 6")
    assert "it gave 5" in told.message
    raised = outcome(HALF, "assert area(-1, 3) == -3")
    assert raised.message == "ValueError, line 3 of the program: no area: -1"
    assert outcome("def area(:\n", TESTS[0]).message.startswith("SyntaxError, line 1 of the program")
    assert "NameError" in outcome("x = 1", TESTS[0]).message
    long = outcome("def area(a, b):\n    raise ValueError('x' * 1000)", TESTS[0]).message
    assert long.endswith("(600 more characters)")
    whole = UnitTests(TESTS).run([item(BAD), item(GOOD)])
    assert in_words(whole[0]).count("\n") == 1
    assert in_words(whole[1]) == ""


def test_time_and_memory_run_out():
    loop = outcome("def area(a, b):\n    while True:\n        pass", TESTS[0], seconds=0.3)
    assert (loop.kind, loop.message) == ("timed out", "after 0.3 s")
    assert outcome("while True: pass", TESTS[0], seconds=0.3).kind == "timed out"
    eager = outcome("def area(a, b):\n    return len([0] * 10**9)", TESTS[0], memory_mb=128)
    assert eager.kind == "out of memory"
    after = UnitTests(TESTS, seconds=1.0).run(
        [item("def area(a, b):\n    while a == b:\n        pass\n    return a * b")]
    )
    assert [own.kind for own in after[0]] == ["passed", "timed out", "passed"]


def test_programs_are_loaded_anew_for_each_test():
    counting = "seen = []\ndef area(a, b):\n    seen.append(a)\n    return len(seen)"
    assert [own.kind for own in UnitTests(["assert area(1, 1) == 1"] * 2).run([item(counting)])[0]] == ["passed"] * 2


def test_the_program_is_the_last_block():
    text = f"Thus:\n```python\n{BAD}```\nbetter:\n```\n{GOOD}```\nThat is it."
    assert program_of(item(text)) == GOOD
    assert program_of(item(GOOD)) == GOOD
    assert program_of(item(f"```py\n{GOOD}")) == GOOD
    assert UnitTests(TESTS)([item(text)]).mean.tolist() == [0.0]


def test_plain_values_and_objects_of_the_program():
    program = """
from collections import Counter, deque, namedtuple
from dataclasses import dataclass

Point = namedtuple("Point", "x y")

@dataclass
class Stack:
    held: list
    def push(self, own): self.held.append(own); return self
    def pop(self): return self.held.pop()
    def __len__(self): return len(self.held)

def count(text): return Counter(text)
def point(): return Point(1, 2)
def queue(): return deque([1, 2])
def sort(values): values.sort()
def numbers():
    yield from range(3)
def odd(value): return value
class Own(Exception): pass
def own(): raise Own("mine")
LIMIT = {1: (2, {3}), "é": b"\\xff", None: 1.5}
def total(values): return program_sum(values)
def program_sum(values): return sum(values) + 1
def sum_(*values, start=0): return sum(values) + start
"""
    tests = (
        "assert count('aab') == {'a': 2, 'b': 1}",
        "assert point() == (1, 2)",
        "assert list(queue()) == [1, 2]",
        "v = [3, 1, 2]\nassert sort(v) is None\nassert v == [1, 2, 3]",
        "assert list(numbers()) == [0, 1, 2]",
        "s = Stack([])\ns.push(1).push(2)\nassert s.pop() == 2 and len(s) == 1 and s.held == [1]",
        "s = Stack([5])\ns.held = [7, 8]\nassert s.pop() == 8",
        "assert LIMIT == {1: (2, {3}), 'é': b'\\xff', None: 1.5}",
        "def check(candidate):\n    assert candidate(1, 2, start=3) == 6\ncheck(sum_)",
        "try:\n    odd()\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError",
        "import math\nassert math.isclose(total([0.5]), 1.5)",
        "assert odd(10**6000) == 10**6000",
        "assert odd(float('inf')) == float('inf') and odd(2j) == 2j and odd(True) is True",
        "s = Stack([1])\nassert odd(s).pop() == 1",
        "try:\n    own()\nexcept Exception as error:\n    assert str(error) == 'Own: mine'\nelse:\n    assert 0",
        "assert program.sum_(1, 2) == 3",
    )
    (found,) = UnitTests(tests).run([item(program)])
    assert in_words(found) == ""
    assert "cannot be passed" in outcome(program, "assert odd(lambda: 1) is None").message


def test_scripts_read_and_print():
    add = "a, b = map(int, input().split())\nif __name__ == '__main__':\n    print(a + b)\n"
    assert outcome(add, Script("2 3\n", "5")).kind == "passed"
    wrong = outcome(add, Script("2 3\n", "6\n", name="sum"))
    assert str(wrong) == "sum: failed (it printed '5\\n', not '6\\n')"
    assert outcome(add, Script("two 3", "5")).message.startswith("ValueError, line 1 of the program")
    assert outcome("while True: pass", Script("", "5"), seconds=0.3).kind == "timed out"
    assert outcome("print(5); raise SystemExit(3)", Script("", "5")).message == "exit status 3"
    assert outcome("x = [0] * 10**9", Script("", "5"), memory_mb=128).kind == "out of memory"
    assert outcome("print('5  \\n\\n')", Script("", "5")).kind == "passed"
    mixed = UnitTests([Script("1 1", "2"), "assert a == 1"]).run([item("a = 1\nprint(2)")])
    assert [own.kind for own in mixed[0]] == ["passed", "passed"]


def test_tests_of_each_context():
    by_text = UnitTests({"area": TESTS, "sum": ["assert area(1, 3) == 4"]})
    items = [item(GOOD), item(GOOD, "sum"), item(BAD, "sum")]
    assert by_text(items).mean.tolist() == [0.0, -math.inf, 0.0]
    by_rule = UnitTests(lambda context: TESTS if context[0].text == "area" else ["assert area(1, 3) == 4"])
    assert by_rule(items).mean.tolist() == [0.0, -math.inf, 0.0]
    with pytest.raises(InputError, match="no tests for this context"):
        by_text([item(GOOD, "elsewhere")])


def test_a_file_of_asserts_is_one_test_each():
    found = asserts("import math\nassert area(1, 2) == 2\nx = 3\nassert area(x, math.pi) > 9, 'pi'\n")
    assert [str(own) for own in found] == ["assert area(1, 2) == 2", "assert area(x, math.pi) > 9, 'pi'"]
    assert [own.kind for own in UnitTests(found).run([item(GOOD)])[0]] == ["passed", "passed"]
    assert asserts("def f():\n    pass") == (Asserts("def f():\n    pass"),)


def test_tests_that_test_nothing_are_refused():
    for idle in ("assert 1 + 1 == 2", "assert sorted([2, 1]) == [1, 2]", Script("x", "")):
        with pytest.raises(InputError, match="the empty program passes"):
            UnitTests([idle])([item("def sorted(x): return [1, 2]")])
    with pytest.raises(InputError, match="no Python"):
        UnitTests(["assert ("])([item(GOOD)])
    for wrong in ({"seconds": 0}, {"memory_mb": 1}, {"score": "some"}, {"otherwise": 1.0}, {"workers": 0}):
        with pytest.raises(UsageError):
            UnitTests(TESTS, **wrong)


def test_equal_programs_run_once_and_order_changes_nothing(monkeypatch):
    from heedful.evidence import unit_tests

    calls = []
    real = unit_tests.run_asserts
    monkeypatch.setattr(unit_tests, "run_asserts", lambda *job: calls.append(job[0]) or real(*job))
    tests = UnitTests(TESTS, workers=3)
    items = [item(program) for program in (GOOD, BAD, GOOD, HALF, BAD)]
    forth, back = tests.run(items), UnitTests(TESTS, workers=1).run(items[::-1])
    assert forth == back[::-1]
    assert sorted(calls) == sorted(2 * ["", GOOD, BAD, HALF])
    tests.run(items)
    assert len(calls) == 8


def test_where_processes_cannot_be_sealed_nothing_runs(monkeypatch):
    monkeypatch.setattr(isolation, "why_not", lambda: "a sealed process can still read a file")
    with pytest.raises(IsolationError, match=r"can still read a file.*unsafe=True"):
        UnitTests(TESTS)([item(GOOD)])
    assert UnitTests(TESTS, unsafe=True)([item(GOOD), item(BAD)]).mean.tolist() == [0.0, -math.inf]


def test_the_probe_tells_an_open_process_from_a_sealed_one():
    assert isolation.why_not() == ""
    told = isolation.why_not(sealed=False)
    for attempt in ("read a file", "write a file", "make a file", "delete a file", "change a file's mode"):
        assert attempt in told
    for attempt in ("reach a server", "start a process", "signal a process", "have a process signalled"):
        assert attempt in told
