"""What raters say of solutions of chains: marks of their steps, and labels of their outcomes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from heedful.core import Floats, Item, encode_parts
from heedful.evidence import prefixes
from heedful.feedback import Table
from heedful.worlds.chains import ChainWorld
from heedful.worlds.collect import Judged, Questions, judge
from heedful.worlds.raters import Shown, SimulatedRaters


def marks(
    world: ChainWorld,
    items: Sequence[Item],
    *,
    raters: SimulatedRaters,
    certainty: float,
    rng: np.random.Generator,
    name: str = "mark",
) -> Table:
    """A `steps` record for each finished solution: 1 for steps held for right, 0 for those held for wrong.

    A right step has a utility of `certainty` nats and a wrong one of minus it, so that a careful rater of temperature 1
    is right about a step with probability σ(certainty); infinite for marks without fault.
    """
    return _judged(world, items, world.right(items), "steps", raters, certainty, rng, name)


def completion_marks(
    world: ChainWorld,
    items: Sequence[Item],
    completer: ChainWorld,
    *,
    completions: int,
    rng: np.random.Generator,
    name: str = "mark",
) -> Table:
    """A `steps` record for each finished solution: 1 for steps from where some completion comes to the right sum.

    `completer` is a world of the same problems whose base writes the completions (Wang et al. 2024, "Math-Shepherd",
    equation 3). Whether any of n does has probability 1 − (1 − V)^n with V the exact value of the prefix to the
    completer, so the completions themselves need not be written.
    """
    value = completer.value([prefix for item in items for prefix in prefixes(item)]).reshape(len(items), -1)
    found = rng.random(value.shape) < 1 - (1 - value) ** completions
    return _judged(world, items, found, "steps", SimulatedRaters(1), math.inf, rng, name)


def completion_shares(
    items: Sequence[Item], completer: ChainWorld, *, completions: int, rng: np.random.Generator
) -> Floats:
    """The share of so many completions of each prefix [n] that come to the right sum, as a tree search estimates Q.

    Binomial with the exact value of the prefix to the completer, so the completions themselves need not be written.
    """
    return rng.binomial(completions, completer.value(items)) / completions


def outcomes(
    world: ChainWorld,
    items: Sequence[Item],
    *,
    raters: SimulatedRaters | None = None,
    certainty: float = math.inf,
    rng: np.random.Generator,
    name: str = "outcome",
) -> Table:
    """A `label` record for each finished solution: whether its last sum is right; without fault unless told so."""
    right = world.value(items)[:, None] == 1
    return _judged(world, items, right, "label", raters or SimulatedRaters(1), certainty, rng, name)


def _judged(
    world: ChainWorld,
    items: Sequence[Item],
    right: np.ndarray,
    kind: Judged,
    raters: SimulatedRaters,
    certainty: float,
    rng: np.random.Generator,
    name: str,
) -> Table:
    """Judgements of what is right or not [n, k]. Raises InputError where a solution is unfinished."""
    world.check_finished(items)
    utility: Floats = np.where(right, certainty, -certainty)
    plain, prompt = np.zeros((*right.shape, 1)), world.read(items).problem
    shown = Shown(utility, np.zeros(plain.shape, np.int64), plain, plain[:, :, 0], prompt)
    contexts = pl.Series([encode_parts(item.context, "world") for item in items], dtype=pl.String)
    outputs = pl.Series([encode_parts(item.output, "system") for item in items], dtype=pl.String)
    questions = Questions(shown, contexts, (outputs,), None)
    rater = rng.integers(raters.count, size=len(items))
    return judge(questions, raters=raters, rng=rng, kind=kind, rater=rater, name=name)
