"""004-199: imitation, binary discrimination and ranked preferences learnt from the same pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import fresh_pairs, language_encoder
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Scores
from heedful.evidence import LogProb
from heedful.feedback import Table
from heedful.models import SequenceTable
from heedful.preference import fit
from heedful.worlds import LanguageWorld, SimulatedRaters, collect

_PAIRS = 500


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4199, seed])
    world = LanguageWorld(length=2 if quick else 3, prompts=6, seed=seed)
    table = collect(world, 150 if quick else _PAIRS, raters=SimulatedRaters(count=50), rng=rng)
    labelled = chosen_and_rejected(table)
    encoder = language_encoder(world.length)
    ranked, binary = (
        fit(own, utility="features", features=encoder, prior_sd=0.3, clusters="none", draws=2)
        for own in (table, labelled)
    )
    good = labelled.frame.filter(pl.col("label"))
    texts = [f"{context} {output}" for context, (output,) in zip(good["context"], good["outputs"], strict=True)]
    imitation = LogProb(SequenceTable.from_texts(texts, order=2, max_tokens=3, smoothing=0.5))
    first, second = fresh_pairs(world, 500, rng)
    truth = world.truth(first) - world.truth(second)
    scores: dict[str, Callable[[Sequence[Item]], Scores]] = {"imitation": imitation, "binary": binary, "ranked": ranked}
    return {name: _accuracy(score(first).mean - score(second).mean, truth) for name, score in scores.items()}


def chosen_and_rejected(table: Table) -> Table:
    """Each comparison as two labels: the output chosen is good, the other is not."""
    frame = table.frame
    parts = []
    for place, side in enumerate(("first", "second")):
        own = frame.select(
            id=pl.col("id") + f"-{side}",
            kind=pl.lit("label"),
            context="context",
            outputs=pl.concat_list(pl.col("outputs").list.get(place)),
            label=pl.col("choice").cast(pl.String) == side,
        )
        parts.append(own)
    return Table.shaped(pl.concat(parts))


def _accuracy(gap: Floats, truth: Floats) -> float:
    """Per cent of pairs that differ in truth whose order the scores have right."""
    apart = truth != 0
    return float(100 * np.where(gap[apart] == 0, 0.5, np.sign(gap[apart]) == np.sign(truth[apart])).mean())


ENTRY = Entry(
    id="004-199",
    title="A General Language Assistant as a Laboratory for Alignment",
    area="preference/training",
    citation="Askell et al. 2021",
    claim=(
        "500 comparisons of answers, used as comparisons, as labels (chosen good, rejected bad), or as texts of the "
        "chosen answers to imitate: of 500 fresh pairs, the ranked reward puts more in the right order than the "
        "log-probability of imitation does, by more than 5 points, and more than the binary reward does."
    ),
    configuration=(
        "preference.fit(utility='features') on comparisons, and on labels; models.SequenceTable.from_texts of chosen "
        "answers as evidence.LogProb."
    ),
    measures={
        "imitation": "fresh pairs in the right order, per cent, by log-probability under the chosen answers' bigrams",
        "binary": "fresh pairs in the right order, per cent, reward fitted to labels",
        "ranked": "fresh pairs in the right order, per cent, reward fitted to comparisons",
    },
    checks=(Check("ranked", "imitation", above=5.0), Check("ranked", "binary", above=0.0)),
    miniature=miniature,
    beyond=(
        "The imitation model counts words after the last two, and both rewards see style and n-grams of the whole "
        "answer. Preference model pre-training and context distillation are left out: they need a language model."
    ),
)
