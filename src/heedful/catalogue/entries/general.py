"""003-086: preferences read from a pair of embeddings, where no score of single answers can tell who wins."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import divergence, misordered, pairs
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.preference.general import fit_general
from heedful.preference.people import PairVotes

_ITEMS, _RATERS = 9, 30


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([386, seed])
    votes = 400 if quick else 1_500
    utility = rng.normal(size=_ITEMS)
    line = utility[:, None] - utility
    angle = 2 * np.pi * np.arange(_ITEMS) / _ITEMS + rng.uniform(0, 2 * np.pi)
    ring = 2.0 * np.sin(angle[:, None] - angle)
    figures: dict[str, float] = {}
    for world, margin in (("cycle", ring), ("line", line), ("both", line + ring)):
        for name, values in _compared(margin, votes, seed, rng).items():
            figures[f"{name[0]}, {name[1]} on a {world}"] = values
    return figures


def _compared(margin: Floats, votes: int, seed: int, rng: np.random.Generator) -> dict[tuple[str, str], float]:
    """Errors and divergence over all pairs, of a scalar utility and a general preference fitted to the same votes."""
    asked = pairs(votes, range(_ITEMS), rng)
    won = rng.random(votes) < expit(margin[asked[:, 0], asked[:, 1]])
    rater = np.arange(votes) % _RATERS
    counted = PairVotes.from_arrays(rater, asked[:, 0], asked[:, 1], 2.0 * won - 1, items=_ITEMS, ties=False)
    one, other = np.triu_indices(_ITEMS, 1)
    first, second = ([Item(system=str(number)) for number in side] for side in (one, other))
    true = expit(margin[one, other])
    found = {}
    for name, blocks in (("scalar", 0), ("general", 1)):
        predicted = fit_general(counted, blocks=blocks, draws=200, seed=seed).prefer(first, second)
        found["errors", name] = misordered(true, predicted)
        found["divergence", name] = divergence(true, predicted)
    return found


ENTRY = Entry(
    id="003-086",
    title="General Preference Modeling with Preference Representations for Aligning Language Models",
    area="preference/training",
    citation="Zhang et al. 2024",
    claim=(
        "1,500 votes on the 36 pairs of 9 answers. On a ring, where each beats the next four, a general preference "
        "puts fewer than 5 % of pairs in the wrong order and a scalar utility more than 30 %. On a line, where a "
        "utility is the truth, the general preference is no more than 2 millinats farther from the true probabilities."
    ),
    configuration=(
        "preference.general.fit_general(blocks=1), a scalar utility and one rotation block whose width is chosen on "
        "raters held out, against blocks=0, the Bradley-Terry model."
    ),
    measures={
        f"{measure}, {name} on a {world}": f"{what}; {model}; truth is {truth}"
        for world, truth in {"cycle": "a ring", "line": "a utility", "both": "their sum"}.items()
        for name, model in {"scalar": "scalar utility", "general": "general preference"}.items()
        for measure, what in {
            "errors": "pairs in the wrong order, per cent",
            "divergence": "divergence of predicted from true probabilities, millinats",
        }.items()
    },
    checks=(
        Check("errors, general on a cycle", below=5.0),
        Check("errors, scalar on a cycle", above=30.0),
        Check("divergence, general on a line", "divergence, scalar on a line", below=2.0),
    ),
    miniature=miniature,
    beyond=(
        "P(1 ≻ 2) = σ(u₁ − u₂ + v₁ᵀ R v₂) with R skew-symmetric: a scalar utility stands beside the rotation block, so "
        "that a line needs no block. That policies trained on it reach the game's equilibrium is not tested here."
    ),
)
