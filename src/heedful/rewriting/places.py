"""Places in a program: what comes before what, whichever call happens to answer first.

A place is counted, not timed. What one strand of a program does one after the other has numbers that rise: each call of
a stage opens a group, (group, 0), and tasks begun after it stand beside one another, (group, 1), (group, 2) and on. A
call, and a task, is a strand of its own, whose places are longer by one pair. So the order of places is that of the
program as it is written, of tasks that in which they were begun.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

Place = tuple[tuple[int, int], ...]
_END = ((1 << 62, 0),)


@dataclass(slots=True)
class Strand:
    """Counts what is begun one after the other: in a call, in a task or in a thread."""

    group: int = 0
    tasks: int = 0
    coroutine: Any = None

    def call(self) -> tuple[int, int]:
        """A call of a stage begins here."""
        self.joined()
        return self.group, 0

    def beside(self, coroutine: Any = None) -> tuple[int, int]:
        """A task begins, beside those of its group. Where the `coroutine` of the one before has run, this strand has
        waited since, as a rule for its result: then the task opens a group."""
        if inspect.iscoroutine(self.coroutine) and inspect.getcoroutinestate(self.coroutine) != inspect.CORO_CREATED:
            self.joined()
        self.coroutine, self.tasks = coroutine, self.tasks + 1
        return self.group, self.tasks

    def joined(self) -> None:
        """What was begun beside this strand is known to it: what comes now comes after."""
        self.group, self.tasks, self.coroutine = self.group + 1, 0, None


def before(one: Place, other: Place) -> bool:
    """Whether what ended at one place may be known at the other: not where it is within it, nor of tasks begun at once.

    Of a task and what its own strand did after it was begun, it may.
    """
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            return mine < its and not (mine[0] == its[0] and mine[1] > 0)
    return False


def within(inner: Place, outer: Place) -> bool:
    """Whether a place is one of those of a call, or of a task."""
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def end(place: Place) -> Place:
    """Where a call ends: after all within it, before what comes next."""
    return place + _END
