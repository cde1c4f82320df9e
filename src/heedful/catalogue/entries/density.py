"""004-023: what a reward fitted to comparisons estimates, and what it estimates when people are not of one mind."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, logsumexp

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import pairs, questions
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import SimulatedRaters, judge

_GRID = np.linspace(-3, 3, 21)
_NAMES = [f"x = {x:+.1f}" for x in _GRID]
_MIDDLE = np.abs(_GRID) < 0.75
_LENGTHS = 1 + np.arange(len(_GRID)) % 3
_MODE, _WIDTH = 1.5, 0.6
_RATERS = SimulatedRaters(count=20)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([423, seed])
    votes = 4_000 if quick else 60_000
    wanted = log_softmax(rng.normal(0, 1.2, len(_GRID)))
    left, right = _population(-_MODE), _population(_MODE)
    mixture = np.logaddexp(left, right) - np.log(2)
    luce = _density([wanted], votes, rng)
    by_length = _density([wanted / _LENGTHS], votes, rng)
    pooled = _density([left, right], votes, rng)
    return {
        "divergence, Luce": _divergence(wanted, luce),
        "divergence, length-normalised": _divergence(wanted, by_length),
        "divergence, two populations": _divergence(mixture, pooled),
        "mass between modes, fitted": float(np.exp(pooled)[_MIDDLE].sum()),
        "mass between modes, wanted": float(np.exp(mixture)[_MIDDLE].sum()),
    }


def _population(mode: float) -> Floats:
    """Log-probability [21] of people who want x near `mode`."""
    return np.asarray(log_softmax(-((_GRID - mode) ** 2) / (2 * _WIDTH**2)))


def _density(utilities: list[Floats], votes: int, rng: np.random.Generator) -> Floats:
    """exp(fitted utility), normalised, as log-probabilities [21]; each population casts an equal part of the votes."""
    part = votes // len(utilities)
    tables = []
    for number, utility in enumerate(utilities):
        asked = questions(pairs(part, range(len(_GRID)), rng), utility, systems=_NAMES)
        rater = rng.integers(_RATERS.count, size=part)
        tables.append(judge(asked, raters=_RATERS, rng=rng, kind="comparison", rater=rater, name=f"vote-{number}"))
    fitted = fit(Table.concat(tables), clusters="none", draws=2)
    return np.asarray(log_softmax(fitted([Item(system=name) for name in _NAMES]).mean))


def _divergence(wanted: Floats, fitted: Floats) -> float:
    """KL(wanted ‖ fitted), nats."""
    assert abs(logsumexp(wanted)) < 1e-9
    return float(np.exp(wanted) @ (wanted - fitted))


ENTRY = Entry(
    id="004-023",
    title="A density estimation perspective on learning from pairwise human preferences",
    area="preference",
    citation="Dumoulin et al. 2023",
    claim=(
        "60,000 comparisons of 21 outcomes. Where people choose x over y with probability p(x)/(p(x) + p(y)), the "
        "fitted utility is log p: KL(p ‖ softmax(utility)) < 0.01 nats. Where they divide log p by a length of 1 to 3 "
        "first, it is above 0.05. Where two halves want x near −1.5 and near +1.5, the fit puts at least 0.1 more "
        "probability between the modes than the two halves do on average."
    ),
    configuration="preference.fit on comparisons (Bradley-Terry), one free utility per outcome; softmax of utilities.",
    measures={
        "divergence, Luce": "KL(p ‖ fitted) where people choose by p, nats",
        "divergence, length-normalised": "KL(p ‖ fitted) where people choose by log p / length, nats",
        "divergence, two populations": "KL(average of two populations ‖ fitted to their pooled votes), nats",
        "mass between modes, fitted": "fitted probability of |x| < 0.75, pooled votes",
        "mass between modes, wanted": "probability of |x| < 0.75, average of the two populations",
    },
    checks=(
        Check("divergence, Luce", below=0.01),
        Check("divergence, length-normalised", above=0.05),
        Check("mass between modes, fitted", "mass between modes, wanted", above=0.1),
    ),
    miniature=miniature,
    beyond=(
        "With P(x ≻ y) = p(x)/(p(x) + p(y)) the Bradley-Terry likelihood is that of utilities log p + constant, whose "
        "maximum is unique, so softmax(utility) → p; the formula is Luce's rule, which the abstract does not spell out."
    ),
)
