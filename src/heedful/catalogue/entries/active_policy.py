"""000-015: which pairs to have labelled for a log-linear policy trained by direct preference optimisation."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, questions
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DOptimal, Random, Uncertainty, design_of_pairs
from heedful.feedback import Table
from heedful.preference import FittedPosterior, fit
from heedful.worlds import SimulatedRaters, judge

_PAIRS, _FEATURES, _BATCH, _ROUNDS = 300, 10, 20, 4
_PRIOR = 0.5
_RATERS = SimulatedRaters(count=20)
_OUTPUTS = [f"answer {number}" for number in range(2 * _PAIRS)]
_ITEMS = [Item.of("which?", output) for output in _OUTPUTS]
_PLACE = {item: number for number, item in enumerate(_ITEMS)}
_POOL = list(zip(_ITEMS[::2], _ITEMS[1::2], strict=True))
_RULES: dict[str, type[AcquisitionRule]] = {"random": Random, "uncertain": Uncertainty, "adpo+": DOptimal}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([15, seed])
    spread = np.exp(rng.normal(0, 0.5, (_PAIRS, 1, 1)))
    features = (spread * rng.normal(size=(_PAIRS, 2, _FEATURES))).reshape(-1, _FEATURES)
    utility = features @ rng.normal(0, _PRIOR, _FEATURES)
    rounds = 2 if quick else _ROUNDS
    first = np.arange(0, 2 * _PAIRS, 2)
    prior = _PRIOR**2 * np.eye(_FEATURES)
    plan, _ = design_of_pairs(features, first, first + 1, _BATCH * rounds, covariance=prior)
    found = {"adpo": _trained(features, utility, plan, rng)}
    for name, rule in _RULES.items():
        start = rng.choice(_PAIRS, _BATCH, replace=False) if name != "adpo+" else plan[:_BATCH]
        found[name] = _active(rule(batch=_BATCH), features, utility, start, rounds, rng)  # type: ignore[call-arg]
    return {f"{measure}, {name}": value[place] for name, value in found.items() for place, measure in enumerate(_TOLD)}


_TOLD = {
    "logit error": "greatest error of a pair's DPO logit, nats",
    "regret": "reward that the policy loses to the one of the true rewards, nats",
}


def _active(
    rule: AcquisitionRule, features: Floats, utility: Floats, start: np.ndarray, rounds: int, rng: np.random.Generator
) -> tuple[float, float]:
    """What the policy is worth after labels in rounds, each asked for by the fit to those before it."""
    asked = start
    tables = [_labels(utility, asked, rng)]
    for _ in range(rounds - 1):
        posterior = _fit(tables, features, asked)
        left = [_POOL[row] for row in np.setdiff1d(np.arange(_PAIRS), asked).tolist()]
        queries = rule(posterior, left, rng=rng)
        new = np.array([_PLACE[question[0]] // 2 for question in queries.items])
        asked = np.append(asked, new)
        tables.append(_labels(utility, new, rng))
    return _worth(_fit(tables, features, asked)(_ITEMS).mean, utility)


def _trained(features: Floats, utility: Floats, asked: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    return _worth(_fit([_labels(utility, asked, rng)], features, asked)(_ITEMS).mean, utility)


def _labels(utility: Floats, rows: np.ndarray, rng: np.random.Generator) -> Table:
    asked = questions(2 * rows[:, None] + np.arange(2), utility, outputs=_OUTPUTS)
    rater = rng.integers(_RATERS.count, size=len(rows))
    return judge(asked, raters=_RATERS, rng=rng, kind="comparison", rater=rater, name=f"{rows[0]}")


def _fit(tables: list[Table], features: Floats, asked: np.ndarray) -> FittedPosterior:
    """Under one prior on the weights, whichever pairs were asked about: a fit scales features by those judged."""
    width = _PRIOR * float(features.reshape(_PAIRS, -1)[asked].std())
    encoder = Given.by_output(_OUTPUTS, features)
    table = Table.concat(tables)
    return fit(table, utility="features", features=encoder, prior_sd=width, clusters="none", draws=128)


def _worth(implied: Floats, utility: Floats) -> tuple[float, float]:
    """The greatest error of the implied rewards' differences, and what the policy they make loses in each pair, with
    a reference that takes both answers alike."""
    true, guess = utility.reshape(-1, 2), implied.reshape(-1, 2)
    error = np.abs(np.diff(guess - true, axis=1)).max()
    best, own = ((softmax(rewards, axis=1) * true).sum(axis=1).mean() for rewards in (true, guess))
    return float(error), float(best - own)


ENTRY = Entry(
    id="000-015",
    title="Active Learning for Direct Preference Optimization",
    area="elicitation/training",
    citation="Kveton et al. 2025",
    claim=(
        "300 pairs of answers with 10 features, some pairs wider apart than others (log-normal, 0.5), and 80 labels "
        "for a log-linear policy. The greatest error of a pair's DPO logit is less with pairs of the D-optimal design "
        "at the reference policy (ADPO) than with random pairs, and likewise with pairs chosen in four rounds by the "
        "design at the policy fitted so far (ADPO+)."
    ),
    configuration=(
        "elicitation.design_of_pairs before there are labels, elicitation.DOptimal after each round; "
        "preference.fit(utility='features'): for a log-linear policy the DPO logit of a pair is the difference of "
        "such utilities, β log of the policy over its reference."
    ),
    measures={
        f"{measure}, {name}": f"{what}, {how}"
        for name, how in {
            "adpo": "80 pairs by the design at the reference",
            "random": "random pairs",
            "uncertain": "four rounds of the least predictable pairs",
            "adpo+": "four rounds by the design at the policy so far",
        }.items()
        for measure, what in _TOLD.items()
    },
    checks=(
        Check("logit error, random", "logit error, adpo", above=0.0),
        Check("logit error, random", "logit error, adpo+", above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The abstract does not say how labels at hand enter; here ADPO+ weighs pairs by the policy fitted to labels of "
        "earlier rounds. The policy is regularised by a Gaussian prior on its weights beside the reference. In a first "
        "version this prior was on weights of features scaled by the pairs labelled, and so narrower the wider these "
        "were; the verdict was inconclusive, with random pairs ahead."
    ),
)
