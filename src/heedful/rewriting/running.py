"""Many runs of a program at once, each in a context of its own: what one reads, no other sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Self

from heedful.core import EndpointError, UsageError
from heedful.models.endpoint.background import BackgroundLoop, in_order
from heedful.rewriting.remembering import Memory
from heedful.rewriting.tracing import Program, Run


@dataclass(frozen=True, slots=True)
class Task:
    """One run to be made: inputs by name, values in the place of parameters, the number of the run."""

    inputs: Mapping[str, Any]
    values: Mapping[str, Any]
    draw: int = 0


@dataclass(frozen=True, eq=False)
class Runner:
    """Runs a program, up to `concurrency` tasks at once: a sync one in threads, an async one in one event loop, which
    lasts until the runner is closed, so that clients keep their connections. Which runs are made at once changes none
    of them, as long as the program keeps nothing from one run to the next.

    A run that takes longer than `seconds` has failed: an async one is cancelled; a sync one is left to itself, and may
    go on in its thread, and spend, until the process ends.
    """

    program: Program
    concurrency: int = 16
    memory: Memory = field(default_factory=Memory)
    seconds: float | None = None
    _taken: Event = field(default_factory=Event, repr=False)  # a server took what some run asked, or none was asked
    _loop: BackgroundLoop = field(default_factory=BackgroundLoop, repr=False)

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise UsageError(f"concurrency is 1 or more, not {self.concurrency}", where="Runner")
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(f"a run takes more than 0 seconds, not {self.seconds}", where="Runner")

    def __call__(self, tasks: Sequence[Task]) -> tuple[Run, ...]:
        """A run of each, in their order. Raises what no run may keep to itself (`Program.run`), once the others that
        are under way have ended; none is begun after it. So does a server's refusal of all that the first runs ask: it
        is a matter of settings then, not of examples."""
        runs = self._runs(tasks) if tasks else ()
        if not all(run.refused for run in runs):
            self._taken.set()
        if len(runs) > 1 and not self._taken.is_set():
            what = f"a server refused what each of the first {len(runs)} runs asked: {runs[0].error}"
            raise EndpointError(what, where="Runner", fix="see its words, and the settings of the endpoint")
        return runs

    def _runs(self, tasks: Sequence[Task]) -> tuple[Run, ...]:
        if self.program.is_async:
            return tuple(self._loop.run(in_order(self._awaited, tasks, self.concurrency)))
        with ThreadPoolExecutor(min(self.concurrency, len(tasks))) as pool:
            waiting = [pool.submit(Context().run, self._one, task) for task in tasks]
            try:
                return tuple(own.result() for own in waiting)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def close(self) -> None:
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _one(self, task: Task) -> Run:
        own = self.program.with_values(task.values)
        return own.captured((), task.inputs, draw=task.draw, memory=self.memory, seconds=self.seconds)

    async def _awaited(self, task: Task) -> Run:
        own = self.program.with_values(task.values)
        return await own.acaptured((), task.inputs, draw=task.draw, memory=self.memory, seconds=self.seconds)
