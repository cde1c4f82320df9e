"""Tasks of asyncio that know their place in a run: the order in which they were begun, which no latency changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from heedful.rewriting.context import SCOPE


@dataclass(eq=False)
class Forks:
    """A task factory: what is begun in a run has a place beside it; other tasks are made as `made` makes them."""

    made: Callable[..., Any] | None
    runs: int = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> Any:
        scope = SCOPE.get()
        if scope is not None and named.get("context") is None:
            named["context"] = copy_context()
            named["context"].run(SCOPE.set, scope.beside(coroutine))
        return (self.made or _task)(loop, coroutine, **named)


@contextmanager
def known_tasks() -> Iterator[None]:
    """Within, tasks of the running loop know their place. Afterwards its factory is the one it had."""
    loop = asyncio.get_running_loop()
    found: Any = loop.get_task_factory()
    factory = found if isinstance(found, Forks) else Forks(found)
    if factory is not found:
        loop.set_task_factory(factory)
    factory.runs += 1
    try:
        yield
    finally:
        factory.runs -= 1
        if not factory.runs and loop.get_task_factory() is factory:
            loop.set_task_factory(factory.made)


def _task(loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> Any:
    return asyncio.Task(coroutine, loop=loop, **named)
