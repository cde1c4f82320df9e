"""What each step of training was like, written down as it goes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from heedful.core import HeedfulError, MissingExtraError
from heedful.feedback.atomic import Replacement

Watch = Callable[[Mapping[str, float]], None]


@contextmanager
def written(folder: Path, after: int, board: bool = False) -> Iterator[Watch]:
    """Gives a function to call with the numbers of each step: to metrics.jsonl in `folder`, and with `board` to
    TensorBoard's files in `folder`/tensorboard.

    What was written of steps beyond `after`, which are taken again, is taken out first.
    """
    with ExitStack() as stack:
        writers = [stack.enter_context(_lines(folder / "metrics.jsonl", after))]
        if board:
            writers.append(stack.enter_context(_board(folder / "tensorboard", after)))

        def write(told: Mapping[str, float]) -> None:
            for own in writers:
                own(told)

        yield write


def refuse_board() -> Any:
    """TensorBoard's writer of files. Raises MissingExtraError where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboard", "tensorboard") from error
    return SummaryWriter


@contextmanager
def _lines(path: Path, after: int) -> Iterator[Watch]:
    """A step a line, each handed to the system before the next step begins. What is no number is null."""
    with Replacement(path) as replacement:
        replacement.temporary.write_text("".join(_kept(path, after)), "utf-8")
    with path.open("a", encoding="utf-8") as file:

        def write(told: Mapping[str, float]) -> None:
            try:
                print(json.dumps({name: _number(own) for name, own in told.items()}), file=file, flush=True)
            except OSError as error:
                raise HeedfulError(f"the metrics cannot be written ({error})", where=str(path)) from error

        yield write


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no other


def _kept(path: Path, after: int) -> Iterator[str]:
    """Lines of steps up to `after`; one that a kill cut short is none."""
    if path.exists():
        for line in path.read_text("utf-8").splitlines(keepends=True):
            with suppress(ValueError):
                if json.loads(line)["step"] <= after:
                    yield line.rstrip("\n") + "\n"


@contextmanager
def _board(folder: Path, after: int) -> Iterator[Watch]:
    with closing(refuse_board()(str(folder), purge_step=after + 1)) as board:

        def write(told: Mapping[str, float]) -> None:
            for name, value in told.items():
                if name != "step":
                    board.add_scalar(name, value, int(told["step"]))
            board.flush()

        yield write
