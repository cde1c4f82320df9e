"""000-016: contexts compared because their answers are hard to tell apart, against contexts drawn alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, questions
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DifferenceUncertainty, DOptimal, Random
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import SimulatedRaters, judge

_CONTEXTS, _RARE, _COMMON = 500, 10, 2
_BATCH, _ROUNDS, _EARLY = 20, 6, 2
_RATERS = SimulatedRaters(count=20)
_ARMS: dict[str, type[Any]] = {"alike": Random, "difference": DifferenceUncertainty, "d-optimal": DOptimal}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([16, seed])
    contexts = 100 if quick else _CONTEXTS
    features = _features(contexts, rng)
    utility = features @ rng.normal(size=features.shape[1])
    figures: dict[str, float] = {}
    for name, rule in _ARMS.items():
        regrets = _regrets(rule(batch=_BATCH), features, utility, rng)
        figures |= {f"{name}, {when}": regrets[place] for when, place in (("early", _EARLY - 1), ("late", -1))}
    return figures


def _features(contexts: int, rng: np.random.Generator) -> Floats:
    """Two answers of each context in turn [2 · contexts, d]: they differ in the common features, but for the first few
    contexts, each of which differs in a feature of its own."""
    features = np.zeros((contexts, 2, _COMMON + _RARE))
    features[_RARE:, :, :_COMMON] = rng.normal(size=(contexts - _RARE, 2, _COMMON))
    features[np.arange(_RARE), 0, _COMMON + np.arange(_RARE)] = 2.0
    return features.reshape(-1, _COMMON + _RARE)


def _regrets(rule: AcquisitionRule, features: Floats, utility: Floats, rng: np.random.Generator) -> list[float]:
    """After each round of questions, the utility that the answer preferred loses in the worst context."""
    outputs = [f"answer {number}" for number in range(len(features))]
    items = [Item.of("which?", output) for output in outputs]
    place = {item: number for number, item in enumerate(items)}
    pool = list(zip(items[::2], items[1::2], strict=True))
    encoder = Given.by_output(outputs, features)
    pairs, found = np.stack([rng.integers(_RARE, len(pool), _BATCH) * 2 + side for side in (0, 1)], axis=1), []
    tables: list[Table] = []
    for number in range(_ROUNDS):
        rater = rng.integers(_RATERS.count, size=len(pairs))
        asked = questions(pairs, utility, outputs=outputs)
        tables.append(judge(asked, raters=_RATERS, rng=rng, kind="comparison", rater=rater, name=f"{number}"))
        table = Table.concat(tables)
        posterior = fit(table, utility="features", features=encoder, prior_sd=1.0, clusters="none", draws=64)
        mean = posterior(items).mean
        lost = np.where(mean[::2] > mean[1::2], utility[1::2] - utility[::2], utility[::2] - utility[1::2])
        found.append(float(lost.max(initial=0.0)))
        queries = rule(posterior, pool, rng=rng)
        pairs = np.array([[place[item] for item in question] for question in queries.items])
    return found


ENTRY = Entry(
    id="000-016",
    title="Active Preference Optimization for Sample Efficient RLHF",
    area="elicitation/preference",
    citation="Das et al. 2024",
    claim=(
        "500 contexts of two answers; in 490 they differ in two common features, and in 10 each in a feature of its "
        "own. Comparisons are asked for in rounds of 20, the first about common contexts. After 120 of them, the "
        "answers preferred by a fit to comparisons of greatest uncertainty about the difference lose less than half as "
        "much utility in the worst context as those by comparisons of contexts drawn alike, which after 120 lose still "
        "more than half of what they lost after 40."
    ),
    configuration=(
        "elicitation.DifferenceUncertainty (or Random, or DOptimal) on preference.fit(utility='features', prior_sd=1), "
        "refitted after each round."
    ),
    measures={
        f"{arm}, {when}": f"utility lost in the worst context after {count} comparisons, {how}, nats"
        for arm, how in {
            "alike": "contexts drawn alike",
            "difference": "of greatest uncertainty about the difference",
            "d-optimal": "D-optimal ones",
        }.items()
        for when, count in (("early", _BATCH * _EARLY), ("late", _BATCH * _ROUNDS))
    },
    checks=(
        Check("difference, late", "alike, late", factor=0.5, below=0.0),
        Check("alike, late", "alike, early", factor=0.5, above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The abstract's bound is of the worst context. The work asks one question at a time with a bonus for the "
        "constants of its bound; here a batch is chosen greedily as if its earlier questions had been answered."
    ),
)
