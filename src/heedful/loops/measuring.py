"""What training is measured by: losses on examples held out, before, on the way and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heedful.core import Estimate, Finding, FitError, Floats
from heedful.loops.running import TENTHS
from heedful.stats import mean_estimate, paired_difference

if TYPE_CHECKING:
    from heedful.loops.training import Training
    from heedful.training.data import Data
    from heedful.training.objectives.base import TokenObjective
    from heedful.training.stopping import Stopping


def stopping_by(measure: Held, how: Training, steps: int) -> Stopping | None:
    """What measures on the way, where that is asked for and there is something to measure by."""
    from heedful.training.stopping import Stopping

    if not measure.examples or (how.every is None and how.patience is None):
        return None
    return Stopping(measure.mean, how.every or math.ceil(steps / TENTHS), how.patience)


def stopped(stopping: Stopping | None, data: Data) -> dict[str, Any] | None:
    """When training was best, and what says so."""
    if stopping is None or stopping.patience is None:
        return None
    step, loss = stopping.least
    note = f"the least of {len(stopping.losses)} losses on these examples, so an optimistic one: held_out is of others"
    return {"step": step, "loss": loss, "note": note, "over": stopping.over, "data": data.account()}


def reference_of(network: Any, data: Data, objective: TokenObjective, how: Training) -> list[Any] | None:
    """Log-probabilities of examples under the model as it is before it is trained, where they are asked for."""
    from heedful.training.cached import reference_in
    from heedful.training.trainer import scored_bare

    if not (objective.needs_reference and data.examples):
        return None
    if how.cache is None:
        return scored_bare(network, data.examples, how.tokens, how.precision)
    return reference_in(Path(how.cache), network, data.examples, how.tokens, how.precision)


def doubts(trained: Data, held: Data) -> list[Finding]:
    """What keeps a loss on held-out examples from telling of contexts not seen."""
    found = []
    known = set(trained.contexts)
    seen = sum(own in known for own in held.contexts)
    if seen:
        what = f"{seen:,} of {len(held.contexts):,} examples held out have no context, or one that is trained on too: "
        fix = "Give each record the context of its outputs."
        told = f"{what}their loss is no measure of contexts not seen."
        found.append(Finding("held_out.seen", "warning", told, fix, seen))
    return found


class Held:
    """The losses [n] of a network on examples it is not trained on, against itself as it was at first."""

    def __init__(self, network: Any, data: Data, objective: TokenObjective, how: Training) -> None:
        self.network, self.examples, self.objective, self.how = network, data.examples, objective, how
        self.reference = reference_of(network, data, objective, how)

    def __call__(self) -> Floats | None:
        """None without examples. Raises FitError where a loss is no number."""
        found = self._losses()
        if found is not None and not np.isfinite(found).all():
            fix = "lower --learning-rate, or look at what such examples hold"
            raise FitError("the loss on examples held out is no number", where="training", fix=fix)
        return found

    def _losses(self) -> Floats | None:
        from heedful.training.held_out import losses

        if not self.examples:
            return None
        how = self.how
        return losses(self.network, self.examples, self.objective, self.reference, how.tokens, how.precision)

    def mean(self) -> float:
        """What all processes, where there are several, go by."""
        from heedful.training.processes import Processes

        found = self._losses()
        return Processes().agreed(math.nan if found is None else float(found.mean()))


def compared(before: Floats | None, after: Floats | None, data: Data, objective: TokenObjective) -> dict[str, Any]:
    """The loss on held-out examples, and what it changed by, clustered by context.

    There is no interval for an entangled objective: examples share what the same examples estimate (KTO's point), and
    intervals that take it for known hold less often than they say.
    """
    if before is None or after is None:
        return {}
    contexts = [np.unique(data.contexts, return_inverse=True)[1]]
    return changed(before, after, contexts, "examples are measured against one another" if objective.entangled else "")


def changed(before: Floats, after: Floats, clusters: Sequence[Any] = (), no_interval: str = "") -> dict[str, Any]:
    """The mean of numbers [n] before and after, and what it changed by; without an interval, and why, where there is
    none to give."""
    value = mean_estimate(after, clusters=clusters)
    change, p_value = paired_difference(after, before, clusters=clusters)
    if no_interval:
        note = f"no interval: {no_interval}"
        value, change = (Estimate(own.value, own.n, note=note) for own in (value, change))
        p_value = math.nan
    return {
        "before": float(before.mean()),
        "after": asdict(value),
        "change": asdict(change),
        "p_value": None if math.isnan(p_value) else p_value,
    }
