"""The loss of a network on records it is not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from heedful.core import FitError, Floats
from heedful.training.examples import Example, all_parts
from heedful.training.heads import reader
from heedful.training.objectives.base import TokenObjective
from heedful.training.precision import Precision, in_precision
from heedful.training.trainer import reference_of


def losses(
    network: Any,
    examples: Sequence[Example],
    objective: TokenObjective,
    reference: Sequence[Any] | None,
    tokens: int,
    precision: Precision | None = "float32",
) -> Floats:
    """What each example says of the loss [n], as `linearised` has it: their mean is the loss over all of them.

    `reference` as `Trainer` has it, `precision` as `Recipe`; at most `tokens` are read at once.
    """
    read_by = in_precision(reader(network), network, precision)
    parts = all_parts(examples, tokens, network.device)
    training = network.training
    network.eval()
    lost, units = np.zeros(len(examples)), np.zeros(len(examples))
    with torch.no_grad():
        read = [(part.places, part.batch, part.scored(read_by), reference_of(part, reference)) for part in parts]
        told = [objective.statistics(policy, before, batch) for _, batch, policy, before in read]
        totals = {name: torch.stack([own[name] for own in told]).sum(0) for name in told[0]}
        for places, batch, policy, before in read:
            found = objective(policy, before, replace(batch, totals=totals))
            lost[list(places)] = (batch.weight * found.per_record).cpu().numpy()
            units[list(places)] = (batch.weight * found.units).cpu().numpy()
    network.train(training)
    return linearised(lost, units)


def linearised(lost: Floats, units: Floats) -> Floats:
    """Numbers [n] whose mean is Σ lost / Σ units, and whose scatter is that of this ratio where records are drawn anew.

    It is the first order of Taylor's series of a ratio of means (Cochran 1977, "Sampling techniques", section 6.4):
    long outputs and heavy records move both sums. Raises FitError where there are no units.
    """
    if not units.sum() > 0:
        raise FitError("no example that is held out says anything of this loss", fix="hold more out, or nothing")
    ratio = lost.sum() / units.sum()
    return np.asarray(ratio + (lost - ratio * units) / units.mean())
