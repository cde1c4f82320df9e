"""Training from its first step, or its last checkpoint, to its end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.core import UsageError

if TYPE_CHECKING:
    from heedful.training.stopping import Stopping
    from heedful.training.trainer import Trainer

Watch = Callable[[Mapping[str, Any]], None]
TENTHS = 10  # checkpoints on the way, and measurements where nobody says how many


def run(
    trainer: Trainer, stopping: Stopping | None, out: Path, watch: Watch, board: bool, begun: Callable[[], None]
) -> None:
    """Steps until the last or until `stopping` says so, whose best weights the network then has.

    Each is written to `out` and told to `watch`, with the number of all steps as `of`. `begun` is called once it is
    sure that nothing stands in the way. Of several processes the first alone writes, and calls. Raises UsageError where
    another command is at it in `out`.
    """
    import torch

    from heedful.training.checkpoints import resume, save
    from heedful.training.watching import written

    folder, steps = out / "checkpoints", trainer.recipe.steps
    with ExitStack() as stack:
        writes = trainer.processes.first
        if writes:
            stack.enter_context(alone(folder))
        stack.enter_context(torch.random.fork_rng())  # what others draw by stays as it is
        torch.manual_seed(trainer.recipe.seed)
        found = resume(trainer, folder, stopping)
        write: Watch = lambda told: None  # noqa: E731
        if writes:
            begun()
            write = stack.enter_context(written(out, trainer.done if found else -1, board))
        if stopping is not None and not found:
            write({"step": 0, **stopping(trainer)})
        while trainer.done < steps and not _over(stopping):
            told = _step(trainer, stopping)
            write(told)
            if writes:
                watch({**told, "of": steps})
            if trainer.done % math.ceil(steps / TENTHS) == 0 or trainer.done == steps or _over(stopping):
                save(trainer, folder, stopping)
    if stopping is not None:
        stopping.put_back(trainer)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A folder that no other process, or call, is in; the system lets go of it when this one ends, however it ends."""
    import fcntl  # which not every system has

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fix = "wait for it, or name a new folder"
            raise UsageError("another command is training into this folder", where=str(folder), fix=fix) from error
        yield
    finally:
        os.close(descriptor)


def _step(trainer: Trainer, stopping: Stopping | None) -> dict[str, float]:
    begun = time.perf_counter()
    told = trainer.step()
    told["seconds"] = round(time.perf_counter() - begun, 6)
    return told if stopping is None else told | stopping(trainer)


def _over(stopping: Stopping | None) -> bool:
    return stopping is not None and stopping.over
