"""Many runs of a program at once, each in a context of its own: what one reads, no other sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Self

from heedful.core import UsageError
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
    of them, as long as the program keeps nothing from one run to the next."""

    program: Program
    concurrency: int = 16
    memory: Memory = field(default_factory=Memory)
    _loop: BackgroundLoop = field(default_factory=BackgroundLoop, repr=False)

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise UsageError(f"concurrency is 1 or more, not {self.concurrency}", where="Runner")

    def __call__(self, tasks: Sequence[Task]) -> tuple[Run, ...]:
        """A run of each, in their order. Raises what no run may keep to itself (`Program.run`), once the others that
        are under way have ended; none is begun after it."""
        if not tasks:
            return ()
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
        return own.captured((), task.inputs, draw=task.draw, memory=self.memory)

    async def _awaited(self, task: Task) -> Run:
        own = self.program.with_values(task.values)
        return await own.acaptured((), task.inputs, draw=task.draw, memory=self.memory)
