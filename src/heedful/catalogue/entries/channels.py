"""003-060: what scorers of steps go by, the words or the equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Item, encode_parts
from heedful.evidence import PrefixValue
from heedful.feedback import Table
from heedful.preference import fit
from heedful.sampling import StepBeam
from heedful.target import Target
from heedful.worlds import CHAIN_FEATURES, ChainWorld, Questions, Shown, SimulatedRaters, judge

_PAIRS, _SHARPNESS, _CANDOUR = 600, 10.0, 1.0
_TAUGHT, _ASKED, _REPEATS = range(40), range(40, 60), 3
_PROSE = ("word", "word before", "words")
_CHANNELS = {
    "both": CHAIN_FEATURES,
    "equations": tuple(name for name in CHAIN_FEATURES if name not in _PROSE),
    "prose": _PROSE,
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3060, seed])
    world = ChainWorld(steps=4, problems=60, words=True, candour=_CANDOUR, seed=seed)
    table = _preferences(world, 150 if quick else _PAIRS, rng)
    contexts = [world.contexts[number] for number in _ASKED] * (1 if quick else _REPEATS)
    figures = {}
    for name, channels in _CHANNELS.items():
        encoder = _masked(world, channels)
        scorer = fit(
            table, utility="features", features=encoder, prior_sd=1.0, clusters="none", scales="common", draws=2
        )
        potential = PrefixValue(scorer.potential(), "twist")
        for where, written in {"plain": world, "misled": replace(world, candour=-_CANDOUR)}.items():
            found = StepBeam(3, 4)(Target(written.base(), potential), contexts, budget=Budget(), rng=rng)
            figures[f"{where}, {name}"] = float(100 * world.value(found.items).mean())
    return figures


def _masked(world: ChainWorld, channels: tuple[str, ...]) -> Given:
    """Only these columns of what the world shows."""
    columns = [CHAIN_FEATURES.index(channel) for channel in channels]
    return Given(channels, lambda items: world.features(items)[:, columns])


def _preferences(world: ChainWorld, count: int, rng: np.random.Generator) -> Table:
    """Votes on pairs of next steps after a random prefix, by their exact values: what a tree search would find."""
    base, solutions = world.base(), world.draw(2 * count, rng=rng, problems=_TAUGHT)
    begun = [Item(item.context, item.output[: rng.integers(world.steps)]) for item in solutions]
    sides = [base.continued(begun, rng=rng) for _ in range(2)]
    pairs = [pair for pair in zip(*sides, strict=True) if pair[0] != pair[1]][:count]
    utility = _SHARPNESS * np.column_stack([world.value(side) for side in zip(*pairs, strict=True)])
    plain = np.zeros((*utility.shape, 1))
    shown = Shown(utility, np.zeros(plain.shape, np.int64), plain, plain[:, :, 0], np.arange(len(pairs)))
    contexts = pl.Series([encode_parts(first.context, "world") for first, _ in pairs])
    outputs = tuple(
        pl.Series([encode_parts(item.output, "system") for item in side]) for side in zip(*pairs, strict=True)
    )
    rater = np.zeros(len(pairs), np.int64)
    return judge(
        Questions(shown, contexts, outputs, None), raters=SimulatedRaters(1), rng=rng, kind="comparison", rater=rater
    )


ENTRY = Entry(
    id="003-060",
    title=(
        "What Are Step-Level Reward Models Rewarding? Counterintuitive Findings from MCTS-Boosted Mathematical "
        "Reasoning"
    ),
    area="preference/sampling",
    citation="Ma et al. 2024",
    claim=(
        "Chains of four additions, each step with a word that is likelier rough where the step is wrong. Scorers "
        "fitted to 600 votes on pairs of next steps guide a beam of 3 prefixes with 4 branches on new problems. One "
        "that sees no words ends right less often than one that sees all by less than 2 points, and more often than "
        "one that sees nothing else by more than 5. Where words mislead, rough where steps are right, the one that "
        "sees no words ends right more often than the one that sees all."
    ),
    configuration=(
        "preference.fit(utility='features') on comparisons of prefixes, columns of features left out; "
        "evidence.PrefixValue on its potential; sampling.StepBeam."
    ),
    measures={
        f"{where}, {name}": f"right outcomes of the beam, per cent, {how}, scorer that sees {seen}"
        for where, how in {"plain": "words as in the votes", "misled": "words that mislead"}.items()
        for name, seen in {"both": "all", "equations": "no words", "prose": "words alone"}.items()
    },
    checks=(
        Check("plain, both", "plain, equations", below=2.0),
        Check("plain, equations", "plain, prose", above=5.0),
        Check("misled, equations", "misled, both", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work prefers steps by a tree search; here votes go by exact values, with odds e^10 : 1 for a sure step "
        "against a hopeless one. How much words tell is a choice of the world (log-odds of 1 for a wrong step), so the "
        "first check is about this choice too; the planted words that mislead are not in the abstract."
    ),
)
