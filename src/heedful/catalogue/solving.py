"""What miniatures on solutions in steps share: verifiers of chains, and how right what they pick is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from heedful.catalogue.settings import Given
from heedful.core import EnumerableBase, Floats, Item, Part, Parts, Potential, Scale, Scores
from heedful.core.algebra import Expressible
from heedful.evidence import Labelled
from heedful.feedback import Table
from heedful.models import StepModel, TableModel
from heedful.preference import fit
from heedful.sampling import Task, best_of_n_law
from heedful.stats import equal_mass_bins
from heedful.target import Target
from heedful.worlds import CHAIN_FEATURES, ChainWorld


def seen(world: ChainWorld) -> Given:
    """What the world shows of prefixes."""
    return Given(CHAIN_FEATURES, world.features)


def verifier(table: Table, encoder: Given) -> Labelled:
    """log P(yes) fitted to the labels of a table on an encoder's features."""
    fitted = fit(table, utility="features", features=encoder, prior_sd=1.0, clusters="none", scales="common", draws=2)
    return Labelled(fitted)


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen(Expressible):
    """Whether whole solutions are right, and of unfinished ones what a log-probability says of that."""

    world: ChainWorld
    value: Potential
    scale: Scale = "log_prob"
    under: str | None = None
    kind: Literal["twist"] = "twist"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.where(self.world.value(items) == 1, 0.0, -np.inf))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self.value(items)


def solution_table(world: ChainWorld, problems: Sequence[int]) -> TableModel:
    """Every solution of these problems, with its probability under the world's base."""
    base, rows = world.base(), {}
    for context in (world.contexts[number] for number in problems):
        items = base.support(context)
        rows[context] = (items, base.log_prob(items))
    return TableModel(rows)


def best_of(base: EnumerableBase, potential: Potential, right: dict[Parts, Floats], n: int) -> float:
    """P(the best of n draws is right), per cent, mean over contexts: by the exact law of best-of-N."""
    laws = {context: best_of_n_law(Target(base, potential), context, n) for context in right}
    return float(100 * np.mean([np.exp(law.log_prob) @ right[context] for context, law in laws.items()]))


def rewritten(base: StepModel) -> Callable[[Task, np.random.Generator], str]:
    """An editor who keeps as many steps as the critique says and writes the rest anew; `steps_of` reads it."""

    def editor(task: Task, rng: np.random.Generator) -> str:
        item = Item(task.item.context, task.item.output[: int(task.critique)])
        while not base.ended(item):
            (item,) = base.continued([item], rng=rng)
        return "\n".join(part.text for part in item.output)

    return editor


def steps_of(text: str) -> Parts:
    """Lines as the steps of an output."""
    return tuple(Part(line) for line in text.split("\n"))


def miscalibration(probability: Floats, true: Floats) -> float:
    """Mean over ten bins of equal mass of |mean probability − mean of the true ones|, per cent."""
    place = equal_mass_bins(probability)
    return float(100 * np.abs(np.bincount(place, probability - true)).sum() / len(true))
