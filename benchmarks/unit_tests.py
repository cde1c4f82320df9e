"""What it costs to run programs against tests: processor and wall milliseconds a program, sealed and open.

    python benchmarks/unit_tests.py [--quick] [--programs N] [--out FILE]

Programs are all different, so that each runs; the tests are asserts of one call each. Processor time is of all
processes together. A bare interpreter that does nothing is beside them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from heedful.core import Item
from heedful.evidence import Script, UnitTests
from heedful.evidence.sandbox.isolation import why_not

ASSERTS = [f"assert add({place}, 2) == {place + 2}" for place in range(10)]


def milliseconds(work: Callable[[], object], programs: int) -> dict[str, float]:
    """Processor and wall time of `work`, by program."""
    begun, before = time.perf_counter(), _processor()
    work()
    used, passed = _processor() - before, time.perf_counter() - begun
    return {"processor_ms": round(used / programs * 1e3, 1), "wall_ms": round(passed / programs * 1e3, 1)}


def _processor() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def passing(tests: UnitTests, programs: int) -> Callable[[], None]:
    """Running so many different programs, all of them right."""
    items = [
        Item.of("", f"def add(a, b): return a + b  # {place}\nif __name__ == '__main__': print(3)")
        for place in range(programs)
    ]
    tests.run([Item.of("", "pass")])  # whether processes can be sealed, and whether the tests tell anything

    def work() -> None:
        assert all(own.kind == "passed" for outcomes in tests.run(items) for own in outcomes)

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if reason := why_not():
        print(f"skipped: programs cannot be isolated here: {reason}")
        return
    programs = 4 if given.quick else given.programs
    bare = [sys.executable, "-S", "-c", "pass"]
    rows = {"bare interpreter": milliseconds(lambda: [subprocess.run(bare) for _ in range(programs)], programs)}
    for name, tests in (("1 assert", ASSERTS[:1]), ("10 asserts", ASSERTS), ("1 script", [Script("", "3")])):
        for unsafe in (False, True):
            work = passing(UnitTests(tests, unsafe=unsafe), programs)
            rows[f"{name}, {'open' if unsafe else 'sealed'}"] = milliseconds(work, programs)
    for name, row in rows.items():
        print(f"| {name} | {row['processor_ms']} | {row['wall_ms']} |")
    if given.out is not None:
        given.out.write_text(json.dumps({"programs": programs, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
