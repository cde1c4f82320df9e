"""000-014: which pair to ask about and whom to ask, jointly, where raters differ in how sharply they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Queries, Scores
from heedful.elicitation import DOptimal, Dual, Random
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes

_PAIRS, _FEATURES, _BATCH, _ROUNDS = 200, 6, 15, 5
_SHARPNESS = {"blunt": 0.3, "plain": 1.0, "sharp": 3.0}
_HEAD = Linear(prior_sd=1.0, pairs=64)
_ARMS = ("random", "pairs alone", "raters alone", "dual")


@dataclass(frozen=True, eq=False)
class Believed:
    """Draws of weights [k, d], as a posterior of answers whose features are known."""

    rows: Mapping[Item, Floats]
    drawn: Floats
    model: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, items: Sequence[Item]) -> Scores:
        draws = self.drawn @ np.array([self.rows[item] for item in items]).T
        return Scores(draws.mean(axis=0), draws)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([14, seed])
    features = rng.normal(size=(_PAIRS, 2, _FEATURES))
    weights = rng.normal(size=_FEATURES)
    figures = {}
    for arm in _ARMS:
        guess = _learnt(arm, features, weights, 2 if quick else _ROUNDS, rng)
        figures[f"error, {arm}"] = float(((guess - weights) ** 2).mean())
        best, taken = features @ weights, (features @ guess).argmax(axis=1)
        figures[f"regret, {arm}"] = float((best.max(axis=1) - best[np.arange(_PAIRS), taken]).mean())
    return figures


def _learnt(arm: str, features: Floats, weights: Floats, rounds: int, rng: np.random.Generator) -> Floats:
    """Mean weights [d] after rounds of questions; answers are read with each rater's own sharpness."""
    items = [tuple(Item.of("which?", f"{row} {side}") for side in range(2)) for row in range(_PAIRS)]
    number = {pair: row for row, pair in enumerate(items)}
    rows = {item: features[row, side] for row, pair in enumerate(items) for side, item in enumerate(pair)}
    drawn = rng.normal(size=(128, _FEATURES))
    shown: list[Floats] = []
    won: list[bool] = []
    for _ in range(rounds):
        asked = _asked(arm, Believed(rows, drawn - drawn.mean(axis=0) if not shown else drawn), items, rng)
        for pair, rater in zip(asked.items, asked.rater, strict=True):
            shown.append(_SHARPNESS[str(rater)] * features[number[pair]])
            won.append(bool(rng.random() < expit((shown[-1][0] - shown[-1][1]) @ weights)))
        design = np.concatenate(shown)
        votes = Votes.of(np.arange(0, len(design), 2), np.arange(1, len(design), 2), np.array(won, dtype=np.float64))
        fitted = _HEAD.fit(design, votes, rng=rng)
        drawn = fitted.drawn
    return fitted.weights


def _asked(arm: str, believed: Believed, pool: Sequence[tuple[Item, ...]], rng: np.random.Generator) -> Queries:
    """The next batch: pairs at random or by design, raters at random, the sharpest, or chosen with the pair."""
    if arm == "dual":
        return Dual(_SHARPNESS, batch=_BATCH)(believed, pool, rng=rng)
    rule = DOptimal(batch=_BATCH) if arm == "pairs alone" else Random(batch=_BATCH)
    asked = rule(believed, pool, rng=rng)
    names = list(_SHARPNESS)
    chosen = ["sharp" if arm == "raters alone" else names[rng.integers(len(names))] for _ in asked.items]
    return Queries(asked.items, tuple(chosen), asked.expected_gain, asked.cost)


ENTRY = Entry(
    id="000-014",
    title="Dual Active Learning for Reinforcement Learning from Human Feedback",
    area="elicitation/preference",
    citation="Liu et al. 2024",
    claim=(
        "200 pairs of answers with 6 features, three raters of rationality 0.3, 1 and 3 who cost the same, and 75 "
        "votes in five rounds. Pairs and raters chosen jointly by D-optimality leave less squared error of the weights "
        "than pairs and raters at random, than pairs alone by D-optimality with raters at random, and than the "
        "sharpest rater with pairs at random."
    ),
    configuration=(
        "elicitation.Dual against elicitation.DOptimal and Random; preference.heads.Linear on features times the "
        "rationality of who answered."
    ),
    measures={
        f"{measure}, {arm}": f"{what}, {arm}"
        for arm in _ARMS
        for measure, what in {
            "error": "mean squared error of the weights",
            "regret": "utility that the better answer by the fit loses on average, nats",
        }.items()
    },
    checks=tuple(Check(f"error, {arm}", "error, dual", above=0.0) for arm in _ARMS[:-1]),
    miniature=miniature,
    beyond=(
        "Rationality is known, as the work assumes. Its policy is pessimistic; here the better answer is taken by the "
        "mean, so that the regret is of the design alone."
    ),
)
