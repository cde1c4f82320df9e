"""004-052: rewards of many cells, with and without a prior that the symbols on them explain."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import compared
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes
from heedful.preference.hindsight import fit_with_hindsight
from heedful.preference.regret import partial_returns
from heedful.worlds import GridWorld

_SYMBOLS, _LENGTH, _OWN_SD = 6, 5, 0.3
_SIZES = (20, 40, 80, 160, 320, 640, 1280)
_REACHED = 0.8


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4052, seed])
    world = GridWorld(symbols=_SYMBOLS, seed=seed)
    sizes = _SIZES[:4] if quick else _SIZES
    reward = world.flags @ rng.normal(size=_SYMBOLS) + rng.normal(0, _OWN_SD, world.cells)
    entered = world.process(np.eye(world.cells))
    design = partial_returns(entered, world.walks(2 * max(sizes), _LENGTH, rng=rng))
    won = compared(design @ reward, rng)
    found: dict[str, list[float]] = {"plain": [], "symbols": [], "centred": [], "scaled": []}
    for size in sizes:
        asked = design[: 2 * size]
        votes = Votes.of(np.arange(0, 2 * size, 2), np.arange(1, 2 * size, 2), won[:size])
        centred = fit_with_hindsight(asked, votes, world.flags, use="centre", sd=_OWN_SD)
        weights = {
            "plain": Linear(prior_sd=1.0, pairs=2).fit(asked, votes, rng=rng).weights,
            "symbols": world.flags @ centred.importance,
            "centred": centred.weights,
            "scaled": fit_with_hindsight(asked, votes, world.flags, use="scale", sd=_OWN_SD).weights,
        }
        for name, own in weights.items():
            found[name].append(float(np.corrcoef(own, reward)[0, 1]))
    figures: dict[str, float] = {}
    for name, correlations in found.items():
        figures[f"labels, {name}"] = _needed(np.array(sizes), np.array(correlations))
        figures[f"reached, {name}"] = float(max(correlations) >= _REACHED)
        figures[f"correlation, {name}"] = correlations[sizes.index(160)]
    return figures


def _needed(sizes: np.ndarray, correlations: Floats) -> float:
    """How many labels first reach the correlation, on a line between sizes in their logarithm; the most where none."""
    there = np.flatnonzero(correlations >= _REACHED)
    if not len(there):
        return float(sizes[-1])
    at = there[0]
    if not at:
        return float(sizes[0])
    part = (_REACHED - correlations[at - 1]) / (correlations[at] - correlations[at - 1])
    return float(sizes[at - 1] * (sizes[at] / sizes[at - 1]) ** part)


_ARMS = {
    "plain": "prior N(0, 1) on each cell",
    "symbols": "what symbols alone explain",
    "centred": "prior centred on what symbols explain in hindsight",
    "scaled": "prior as wide as what symbols explain in hindsight",
}

ENTRY = Entry(
    id="004-052",
    title="Symbol Guided Hindsight Priors for Reward Learning from Human Preferences",
    area="preference/control",
    citation="Verma and Metcalf 2022",
    claim=(
        "36 cells, each with a reward of its own around that of its symbol (one of six), and comparisons of random "
        "walks of five steps by what they gain. To reach a correlation of 0.8 with the true rewards of cells (1,280 "
        "where these do not suffice), fits whose prior is centred on what the symbols explain of the same votes need "
        "less than half of the labels that a plain Gaussian prior needs, and fits whose prior is as wide as that need "
        "fewer than a plain one. At 160 labels the former correlate better."
    ),
    configuration=(
        "preference.hindsight.fit_with_hindsight on a GridWorld's cells (use='centre' and 'scale'), votes by partial "
        "return; against heads.Linear on the same cells."
    ),
    measures={
        f"{measure}, {name}": f"{what}, {prior}"
        for name, prior in _ARMS.items()
        for measure, what in {
            "labels": "labels to reach a correlation of 0.8",
            "reached": "whether 1,280 labels reach it",
            "correlation": "correlation at 160 labels",
        }.items()
    },
    checks=(
        Check("labels, centred", "labels, plain", factor=0.5, below=0.0),
        Check("labels, scaled", "labels, plain", below=0.0),
        Check("correlation, centred", "correlation, plain", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract names no formula: the work takes the importance of states from a learnt model of trajectories "
        "and penalises rewards that disagree with it. Here importance is what symbols alone explain of the votes, and "
        "the penalty is Gaussian. The width of the prior is that of the world for all arms, as if it had been tuned. "
        "What the symbols alone explain is a control: at 160 labels it gives most of the gain in correlation."
    ),
)
