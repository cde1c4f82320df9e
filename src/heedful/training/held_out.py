"""The loss of a network on records it is not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from heedful.core import Floats
from heedful.training.examples import Example, parts_of
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
    """What each example adds to the loss [n], of which the mean is the loss over all of them.

    `reference` as `Trainer` has it, `precision` as `Recipe`; at most `tokens` are read at once.
    """
    read_by = in_precision(reader(network), network, precision)
    parts = list(parts_of(examples, range(len(examples)), tokens, network.device))
    training = network.training
    network.eval()
    lost, units = np.zeros(len(examples)), np.zeros(len(examples))
    with torch.no_grad():
        read = [(part, read_by(part.rows), reference_of(part, reference)) for part in parts]
        told = [objective.statistics(policy, before, part.batch) for part, policy, before in read]
        totals = {name: torch.stack([own[name] for own in told]).sum(0) for name in told[0]}
        for part, policy, before in read:
            batch = replace(part.batch, totals=totals)
            found = objective(policy, before, batch)
            lost[list(part.places)] = (batch.weight * found.per_record).cpu().numpy()
            units[list(part.places)] = (batch.weight * found.units).cpu().numpy()
    network.train(training)
    return np.asarray(lost * len(examples) / units.sum())
