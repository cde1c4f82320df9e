"""Progress: a live display on a terminal, plain lines on stderr otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from heedful.cli.text import plain

Show = Callable[[str], None]
ShowStep = Callable[[Mapping[str, Any]], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Gives a function to call at the start of each step with what the step does."""
    if _is_terminal():
        with _live() as show:
            yield show
    else:
        start = time.perf_counter()
        yield lambda step: _line(f"[{time.perf_counter() - start:6.1f} s] {plain(step)}")


@contextmanager
def stepping() -> Iterator[ShowStep]:
    """Gives a function to call with the numbers of each step of training: `step`, of how many, and any others."""
    if _is_terminal():
        from rich.console import Console

        with bar(Console(stderr=True)) as show:
            yield show
    else:
        yield lambda told: _line(f"step {told['step']:.0f}: {_numbers(told)}")


def _numbers(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in told.items() if name not in ("step", "of"))


@contextmanager
def bar(console: Any) -> Iterator[ShowStep]:
    """One bar over all steps, with the time that is left, and beside it what the last step was like."""
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console) as display:
        task = display.add_task("", total=None)
        kept: dict[str, Any] = {}

        def show(told: Mapping[str, Any]) -> None:
            kept.update(told)  # what is not measured at each step stays to be seen
            first = {name: kept[name] for name in ("loss", "held_out") if name in kept}  # a terminal may be narrow
            text = escape(_numbers(first | kept))
            display.update(task, total=told["of"], completed=told["step"], description=text)

        yield show


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


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
