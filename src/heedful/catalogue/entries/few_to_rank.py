"""000-012: which few of all subsets of three to have ranked, by a design found on random samples of them."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, Whole, misordered, questions
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.elicitation import Lists, frank_wolfe_design
from heedful.preference import fit
from heedful.worlds import SimulatedRaters, judge

_ITEMS, _FEATURES, _BUDGET, _SAMPLE = 40, 10, 60, 300
_RATERS = SimulatedRaters(count=20)
_OUTPUTS = [f"answer {number}" for number in range(_ITEMS)]
_SUBSETS = np.array(list(itertools.combinations(range(_ITEMS), 3)))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([12, seed])
    features = rng.normal(size=(_ITEMS, _FEATURES))
    utility = features @ rng.normal(size=_FEATURES) / np.sqrt(_FEATURES)
    subsets = _SUBSETS[::20] if quick else _SUBSETS
    lists = Lists.of(subsets, np.zeros(_ITEMS))
    whole = frank_wolfe_design(features, lists, tolerance=0.02)
    drawn = frank_wolfe_design(features, lists, tolerance=0.02, sample=_SAMPLE, rng=rng)
    return {
        "errors, alike": _errors(features, utility, subsets[rng.integers(len(subsets), size=_BUDGET)], rng),
        "errors, sampled design": _errors(features, utility, subsets[drawn.draw(_BUDGET, rng)], rng),
        "log det, all alike": -whole.log_det,
        "log det, sampled": drawn.log_det - whole.log_det,
        "gap, sampled": 100 * drawn.gap / drawn.dimension,
        "subsets in use": float(len(drawn.rows)),
    }


def _errors(features: Floats, utility: Floats, asked: Whole, rng: np.random.Generator) -> float:
    """Pairs of all items in the wrong order after these rankings, per cent."""
    rater = rng.integers(_RATERS.count, size=len(asked))
    table = judge(questions(asked, utility, outputs=_OUTPUTS), raters=_RATERS, rng=rng, kind="ranking", rater=rater)
    encoder = Given.by_output(_OUTPUTS, features)
    width = float(features[asked].std() / np.sqrt(_FEATURES))  # one prior: a fit scales features by those judged
    posterior = fit(table, utility="features", features=encoder, prior_sd=width, clusters="none", draws=2)
    guess = posterior([Item.of("which?", output) for output in _OUTPUTS]).mean
    one, other = np.triu_indices(_ITEMS, 1)
    return misordered(*(expit(own[one] - own[other]) for own in (utility, guess)))


ENTRY = Entry(
    id="000-012",
    title="Comparing Few to Rank Many: Active Human Preference Learning using Randomized Frank-Wolfe",
    area="elicitation/preference",
    citation="Thekumparampil et al. 2024",
    claim=(
        "40 answers with 10 features and all 9,880 subsets of three of them. A D-optimal design found on random "
        "samples of 300 subsets is within 0.1 nats of log det of that found on all, and 60 rankings of three drawn "
        "from it lead to fewer pairs of the 40 answers in the wrong order than 60 of subsets drawn alike."
    ),
    configuration=(
        "elicitation.Lists of all subsets at equal utilities; elicitation.frank_wolfe_design(sample=300), Design.draw; "
        "preference.fit(utility='features') on rankings."
    ),
    measures={
        "errors, alike": "pairs in the wrong order, per cent, after 60 rankings of subsets drawn alike",
        "errors, sampled design": "pairs in the wrong order, per cent, after 60 rankings of subsets of the design",
        "log det, all alike": "log det of asking all subsets alike, less that of the design on all, nats",
        "log det, sampled": "log det of the design found on samples, less that of the design on all, nats",
        "gap, sampled": "excess of the greatest leverage of the sampled design, per cent",
        "subsets in use": "subsets that the sampled design asks about",
    },
    checks=(
        Check("log det, sampled", above=-0.1),
        Check("errors, alike", "errors, sampled design", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Samples serve for several steps and weight is also taken away from subsets; where a sample has nothing to "
        "give, all subsets are looked at once, which certifies the design and needs the subsets to be listed. After a "
        "first run, with the same verdict, the prior was made the same for both ways to ask."
    ),
)
