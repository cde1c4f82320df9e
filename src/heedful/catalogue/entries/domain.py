"""003-042: a handful of named features of the domain, or all the words, by the number of judgements."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Item
from heedful.feedback import Table, read
from heedful.models import Encoder, NgramFeatures, StyleFeatures
from heedful.models.remembered import Remembered
from heedful.preference import fit

_FILE = "hh-rlhf/harmless-base-test.jsonl.gz"
_SIZES = (50, 200, 1000)
_NAMED = (
    "log_words", "echo", "refusals", "apologies", "hedges", "negations", "second_person", "courtesies",
    "distinct_words", "ends_with_question",
)  # fmt: skip


def miniature(seed: int, quick: bool) -> dict[str, float]:
    """Fold `seed` of the prompts is held out; training pairs are drawn from the others."""
    table, fold, encoders = _data(quick)
    held = table.take(np.flatnonzero(fold == seed))
    rest = np.random.default_rng([342, seed]).permutation(np.flatnonzero(fold != seed))
    figures: dict[str, float] = {}
    for size in _SIZES:
        train = table.take(rest[:size])
        for name, encoder in encoders.items():
            posterior = fit(train, utility="features", features=encoder, clusters="none", draws=128)
            figures[f"{name}, {size} pairs"] = -float(posterior.predict(held).log_prob.mean())
    return figures


@cache
def _data(quick: bool) -> tuple[Table, NDArray[np.intp], dict[str, Encoder]]:
    """The comparisons, the fold of each by its prompt, and encoders that have seen the texts and no judgement."""
    table = read([str(_file())]).table
    table = table.take(np.arange(min(len(table), 120))) if quick else table
    prompts = table.frame["context"].rank("dense").to_numpy().astype(np.intp) - 1
    fold = np.random.default_rng(342).permutation(prompts.max() + 1)[prompts] % len(SEEDS)
    rows = table.frame.select("context", pl.col("outputs")).explode("outputs")
    items = [Item.of(context, output) for context, output in rows.iter_rows()]
    made: dict[str, Encoder] = {"features": StyleFeatures(_NAMED), "words": NgramFeatures()}
    return table, fold, {name: Remembered(encoder).fit(items) for name, encoder in made.items()}


def _file() -> Path:
    return Path(os.environ.get("HEEDFUL_DATA", "")) / _FILE


def missing() -> str:
    """Why the data is not here; "" where it is."""
    return "" if _file().is_file() else f"set HEEDFUL_DATA to a folder that holds {_FILE}"


ENTRY = Entry(
    id="003-042",
    title=(
        "Leveraging Domain Knowledge for Efficient Reward Modelling in RLHF: A Case-Study in E-Commerce Opinion "
        "Summarization"
    ),
    area="preference",
    citation="Nath et al. 2024",
    claim=(
        "On the harmlessness comparisons of HH-RLHF, held out by prompt in 40 folds: ten named features learnt from "
        "200 pairs have a smaller log loss than 64 components of all character n-grams learnt from 200 pairs, and a "
        "smaller one than those learnt from 1,000."
    ),
    configuration=(
        "preference.fit(utility='features', prior_sd=None) with models.StyleFeatures of ten names (length, echo of the "
        "prompt, refusal, apology, hedging, ...) or with models.NgramFeatures."
    ),
    measures={
        f"{name}, {size} pairs": f"held-out log loss, nats, {what}, learnt from {size:,} pairs"
        for size in _SIZES
        for name, what in {"features": "ten named features", "words": "64 components of n-grams"}.items()
    },
    checks=(
        Check("words, 200 pairs", "features, 200 pairs", above=0.0),
        Check("words, 1000 pairs", "features, 200 pairs", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The domain is dialogue, not shop reviews, and the features are those that come with heedful, chosen by name "
        "before the first run; the work scores features by a language model. Folds are disjoint, so that intervals "
        "speak of new prompts, up to what training sets share; the n-grams are chosen on all texts, without judgements."
    ),
    missing=missing,
)
