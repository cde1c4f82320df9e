"""Progress: a live display on a terminal, plain lines on stderr otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from heedful.cli.text import plain

Show = Callable[[str], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Gives a function to call at the start of each step with what the step does."""
    if sys.stderr is not None and sys.stderr.isatty():
        with _live() as show:
            yield show
    else:
        start = time.perf_counter()
        yield lambda step: _line(f"[{time.perf_counter() - start:6.1f} s] {plain(step)}")


def _line(text: str) -> None:
    """A line on stderr; where nobody can read it, the work goes on."""
    with suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)


@contextmanager
def _live() -> Iterator[Show]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=False) as display:

        def finish() -> None:
            for task in display.task_ids[-1:]:
                display.update(task, total=1, completed=1)

        def show(step: str) -> None:
            finish()
            display.add_task(escape(plain(step)), total=None)

        yield show
        finish()
