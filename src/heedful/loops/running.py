"""Training from its first step, or its last checkpoint, to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heedful.training.stopping import Stopping
    from heedful.training.trainer import Trainer

Watch = Callable[[Mapping[str, Any]], None]
TENTHS = 10  # checkpoints on the way, and measurements where nobody says how many


def run(trainer: Trainer, stopping: Stopping | None, out: Path, watch: Watch, board: bool) -> None:
    """Steps until the last or until `stopping` says so, whose best weights the network then has.

    Each is written to `out` and told to `watch`, with the number of all steps as `of`.
    """
    from heedful.training.checkpoints import resume, save
    from heedful.training.watching import written

    folder, steps = out / "checkpoints", trainer.recipe.steps
    found = resume(trainer, folder, stopping)
    with written(out, trainer.done if found else -1, board) as write:
        if stopping is not None and not found:
            write({"step": 0, **stopping(trainer)})
        while trainer.done < steps and not _over(stopping):
            told = _step(trainer, stopping)
            write(told)
            watch({**told, "of": steps})
            if trainer.done % math.ceil(steps / TENTHS) == 0 or trainer.done == steps or _over(stopping):
                save(trainer, folder, stopping)
    if stopping is not None:
        stopping.put_back(trainer)


def _step(trainer: Trainer, stopping: Stopping | None) -> dict[str, float]:
    begun = time.perf_counter()
    told = trainer.step()
    told["seconds"] = round(time.perf_counter() - begun, 6)
    return told if stopping is None else told | stopping(trainer)


def _over(stopping: Stopping | None) -> bool:
    return stopping is not None and stopping.over
