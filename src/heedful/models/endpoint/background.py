"""An event loop in a thread of its own, for synchronous callers and for those with a loop of their own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from heedful.core import UsageError

T = TypeVar("T")
In = TypeVar("In")
Closer = Callable[[], Awaitable[None]]
_PATIENCE = 5.0  # seconds for connections to close


class BackgroundLoop:
    """Runs coroutines in one thread, which starts with the first and ends with the process or `close`.

    `closers` are awaited at its end.
    """

    def __init__(self) -> None:
        self.closers: list[Closer] = []
        self._one_at_a_time = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine; cancelling the future cancels it. Raises UsageError in a fork, where the thread is not."""
        with self._one_at_a_time:
            if self._loop is None:
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="heedful endpoint", daemon=True)
                self._thread.start()
            if self._process != os.getpid():
                coroutine.close()
                what = "an endpoint belongs to the process that used it first"
                raise UsageError(what, fix="make one in each process")
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine. An interrupt of the caller cancels it."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread, if it runs. What it still does is cancelled."""
        with self._one_at_a_time:
            loop, thread, closers = self._loop, self._thread, self.closers
            self._loop, self._thread, self.closers = None, None, []
        if loop is None or thread is None or self._process != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(_end(loop, closers), loop)
        if thread is not threading.current_thread():  # whose garbage collector may have come here
            thread.join(_PATIENCE)


async def in_order(work: Callable[[In], Awaitable[T]], items: Sequence[In], most: int) -> list[T]:
    """Results of `work` on each item, in their order, at most so many under way at once. After one has failed none is
    begun, and its error is raised once those under way have ended."""
    results: dict[int, T] = {}
    failures: list[Exception] = []
    todo = iter(enumerate(items))

    async def worker() -> None:
        for place, item in todo:
            if failures:
                return
            try:
                results[place] = await work(item)
            except Exception as error:
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(most, len(items))):
            group.create_task(worker())
    if failures:
        raise failures[0]
    return [results[place] for place in range(len(items))]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    while not loop.is_closed():
        try:
            loop.run_forever()
            loop.close()
        except (SystemExit, KeyboardInterrupt):  # which a task raised: who waits for it is told, and others go on
            continue


async def _end(loop: asyncio.AbstractEventLoop, closers: Sequence[Closer]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.gather(*(closer() for closer in closers), return_exceptions=True)
    loop.stop()
