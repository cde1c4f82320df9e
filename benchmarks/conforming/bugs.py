"""Bugs planted on purpose: what each replaces, and the case that must notice it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np

from conforming import checks
from heedful.models.table_tokens import TableContinuations
from heedful.sampling import (
    RESAMPLING,
    Deepening,
    Particles,
    SearchTree,
    ValueGuide,
    best_of_n,
    cascade,
    early_stopping,
    hill_climb,
    metropolis,
    particles,
    rejection,
    resampling,
    tempered,
    token_beam,
    tree_search,
    trees,
)
from heedful.sampling.writing import Writing


@dataclass(frozen=True)
class Bug:
    """`place.name` replaced by `wrong(right)`, noticed by the case `by`."""

    kind: str
    by: str
    place: Any
    name: str
    wrong: Callable[[Any], Any]

    def planted(self) -> AbstractContextManager[Any]:
        if isinstance(self.place, dict):
            return mock.patch.dict(self.place, {self.name: self.wrong(self.place[self.name])})
        return mock.patch.object(self.place, self.name, self.wrong(getattr(self.place, self.name)))


def _half_grid(right: Any) -> Any:
    return lambda weight, rng: resampling._inverted(weight, (np.arange(len(weight)) + rng.random() / 2) / len(weight))


def _rounded(right: Any) -> Any:
    """Copies in whole numbers, what is left to the heaviest: no chance in it."""

    def wrong(weight: Any, rng: Any) -> Any:
        n = len(weight)
        counts = np.floor(n * weight).astype(int)
        counts[weight.argmax()] += n - counts.sum()
        return np.repeat(np.arange(n), counts)

    return wrong


def _last_twice(right: Any) -> Any:
    def wrong(self: Any, *exponent: float) -> None:
        right(self, *exponent)
        if self.writing.state.finished.all():
            self.log_weight = self.log_weight + self.scoring.mean(self.writing.state.items())

    return wrong


def _evidence_lost(right: Any) -> Any:
    def wrong(self: Any, chosen: Any, rng: Any) -> None:
        right(self, chosen, rng)
        self.log_normalizer[:] = 0

    return wrong


def _weights_kept(right: Any) -> Any:
    def wrong(self: Any, chosen: Any, rng: Any) -> None:
        before = self.log_weight.copy()
        right(self, chosen, rng)
        self.log_weight = before

    return wrong


def _one_fewer(right: Any) -> Any:
    """1/(n − 1) in the place of 1/n."""

    def wrong(self: Any) -> Any:
        self.log_weight = self.log_weight + np.log(self.n / (self.n - 1))
        return right(self)

    return wrong


def _guide_kept(right: Any) -> Any:
    def wrong(self: Any, *given: Any, **named: Any) -> Any:
        return np.where(np.isneginf(told := right(self, *given, **named)), told, 0.0)

    return wrong


def _merged(right: Any) -> Any:
    """Rows whose last tokens are the same share one law."""

    def wrong(self: Any) -> Any:
        law, first, done = right.fget(self).copy(), {}, self.finished
        for row, tokens in enumerate(self.tokens()):
            if len(tokens) and not done[row]:
                law[row] = law[first.setdefault(tokens[-1], row)]
        return law

    return property(wrong)


def _not_held(right: Any) -> Any:
    return lambda self, swarm, rng, held=(): right(self, swarm, rng)


def _cuts_forgotten(right: Any) -> Any:
    return lambda s, t, c, d, *more: right(s, t, np.ones_like(c), np.ones_like(d), *more)


def _always_taken_uphill(right: Any) -> Any:
    """Zero or one in the place of a chance: a search, no chain."""
    return lambda s, t, c, d, *more: np.where(right(s, t, c, d, *more) >= 0, 0.0, -np.inf)


def _nothing_kept(right: Any) -> Any:
    """What stands before the cut is drawn anew."""
    return lambda outputs, place: np.full(len(outputs), -1)


def _bound_too_small(right: Any) -> Any:
    def wrong(self: Any, items: Any, score: Any, bound: float, rng: Any) -> None:
        right(self, items, np.minimum(score, bound - 2.5), bound - 2.5, rng)

    return wrong


def _sign(right: Any) -> Any:
    return lambda scores, k: right(scores, 0.0) + (right(scores, 0.0) - right(scores, k))


def _second_best(right: Any) -> Any:
    return lambda value, rng: np.argsort(value, axis=1)[:, -2]


def _heaviest(right: Any) -> Any:
    return lambda log_weight, rng: log_weight.argmax(axis=1)


def _squared(right: Any) -> Any:
    return lambda log_weight, rng: right(2 * log_weight, rng)


def _last_drawn(right: Any) -> Any:
    return lambda value, rng: np.isfinite(value).sum(axis=1) - 1


def _base_forgotten(right: Any) -> Any:
    def wrong(self: Any, logprobs: Any) -> Any:
        return right(self, np.where(np.isfinite(logprobs), 0.0, -np.inf))

    return wrong


def _scores_forgotten(right: Any) -> Any:
    class Forgetful(right):  # type: ignore[misc]
        def mean(self, items: Any) -> Any:
            return np.zeros(len(items))

    return Forgetful


def _not_reopened(right: Any) -> Any:
    """What ends by itself stays as it is."""
    return lambda self, *given: right(replace(self, reopen=False), *given)


def _unscored(right: Any) -> Any:
    return lambda self, items, score, rng: right(self, items, np.zeros(len(score)), rng)


def _first_part(right: Any) -> Any:
    """Changes of the first part alone."""
    return lambda items, place, base, rng: right(items, [0] * len(place), base, rng)


def _negated(right: Any) -> Any:
    return lambda target, items: [-score for score in right(target, items)]


def _first_met(right: Any) -> Any:
    return lambda self: next(iter(self.outputs), None)


def _never_widened(right: Any) -> Any:
    """As many steps as at first, however often a prefix was visited."""
    return lambda self, node: right(replace(self, widening=0.0), node)


def _always_multinomial(right: Any) -> Any:
    return lambda scheme, threshold: right("multinomial", threshold)


def _narrow(right: Any) -> Any:
    """Rules out all but the three likeliest tokens, which the target allows."""

    def wrong(self: Any, state: Any) -> Any:
        found, logprobs = right(self, state), state.logprobs
        return np.where(logprobs >= np.sort(logprobs, axis=1)[:, -3, None], found, -np.inf)

    return wrong


def _by_greatest_weight(right: Any) -> Any:
    class Still:
        def gumbel(self, size: int) -> Any:
            return np.zeros(size)

    return lambda samples, rng: right(samples, rng=Still())


def _at_full_strength(right: Any) -> Any:
    """Moves that leave the target as it is, and not what stands before it."""
    return lambda now, ahead, scoring, strength, rng: right(now, ahead, scoring, np.ones(len(strength)), rng)


_PLAIN = "Particles, multinomial, guide none, threshold 1, smooth"
_GUIDED = "Particles, systematic, guide model, threshold 1, smooth"
_VALUES, _OPTIONS = "Particles, systematic, guided by values, smooth", "Particles, options, smooth"
_SOFT, _DRAWN = "BestOfN, soft, n, smooth", "Particles, drawn by weight, n, smooth"
_EDIT, _ALONE = "Metropolis, edit, moves, smooth", "Metropolis, independent, moves, smooth"
_RISING, _GIBBS = "Tempered, schedule given, bound", "ParticleGibbs, moves, bound"
_GRID, _REST = "resampling, systematic, six weights", "resampling, residual, six weights"
_LAW, _STILL = "Guided, rule: its own law, smooth", "Guided, soft value, smooth"
_LOWERED, _BEST = "BestOfN, best of 3, pessimistic, tied", "BestOfN, best of 3: met, tied"
_BEAM, _REJECTION = "TokenBeam, as wide as all, peaked", "Rejection, draws, smooth"
_LOOKED, _LOOKED_BEST = (f"Deepening, best of {n}, looking again: its own law, smooth" for n in (1, 3))
_CLIMB, _TREE, _STEPS = "HillClimb, long, peaked", "TreeSearch, met, rough", "StepTree, met, rough"
_WIDE = "StepTree, long, by values, rough"
_EARLY, _CASCADE = "EarlyBestOfN, met, tied", "Cascade, met, tied"

BUGS = {
    "half of the systematic grid": Bug("resampling", _GRID, RESAMPLING, "systematic", _half_grid),
    "what is left to the heaviest": Bug("resampling", _REST, RESAMPLING, "residual", _rounded),
    "the option of resampling ignored": Bug("resampling", _OPTIONS, particles, "chosen_by", _always_multinomial),
    "weights kept after resampling": Bug("weights", _PLAIN, particles.Swarm, "resample", _weights_kept),
    "evidence lost at resampling": Bug("weights", _PLAIN, particles.Swarm, "resample", _evidence_lost),
    "the last weight counted twice": Bug("weights", _PLAIN, particles.Swarm, "weigh", _last_twice),
    "n − 1 in the place of n": Bug("weights", _PLAIN, particles.Swarm, "samples", _one_fewer),
    "a guide not divided out": Bug("guides", _GUIDED, Writing, "write", _guide_kept),
    "a guide that rules out what may be": Bug("guides", _VALUES, ValueGuide, "logits", _narrow),
    "the base forgotten": Bug("guides", _LAW, Writing, "law", _base_forgotten),
    "different prefixes merged": Bug("models", _PLAIN, TableContinuations, "logprobs", _merged),
    "the heaviest kept, none drawn": Bug("draws", _DRAWN, checks, "one_each", _by_greatest_weight),
    "soft best-of-N by weights squared": Bug("draws", _SOFT, best_of_n, "proportional", _squared),
    "soft best-of-N keeps the heaviest": Bug("draws", _SOFT, best_of_n, "proportional", _heaviest),
    "the proposal's ratio left out": Bug("chains", _EDIT, metropolis, "log_acceptance", _cuts_forgotten),
    "only moves uphill taken": Bug("chains", _ALONE, metropolis, "log_acceptance", _always_taken_uphill),
    "nothing kept before the cut": Bug("chains", _EDIT, metropolis, "tokens_at", _nothing_kept),
    "the path not held": Bug("chains", _GIBBS, Particles, "run", _not_held),
    "moves at full strength too early": Bug("tempering", _RISING, tempered, "moved", _at_full_strength),
    "a bound too small": Bug("rejection", _REJECTION, rejection._Trials, "judge", _bound_too_small),
    "the sign of pessimism": Bug("maximisers", _LOWERED, best_of_n, "lowered", _sign),
    "the second best": Bug("maximisers", _BEST, best_of_n, "greatest", _second_best),
    "the last drawn, not the best": Bug("maximisers", _EARLY, early_stopping, "greatest", _last_drawn),
    "the last model's, not the best": Bug("maximisers", _CASCADE, cascade, "greatest", _last_drawn),
    "scores forgotten at the end": Bug("maximisers", _BEAM, token_beam, "Scoring", _scores_forgotten),
    "outputs that end are not looked at again": Bug("searches", _LOOKED, Deepening, "_write", _not_reopened),
    "any of those that looked again": Bug("searches", _LOOKED_BEST, Deepening, "_chosen", _unscored),
    "the first part changed, never another": Bug("searches", _CLIMB, hill_climb, "_changed", _first_part),
    "the least met, not the best": Bug("searches", _TREE, tree_search, "_finite", _negated),
    "the first met, not the best": Bug("searches", _STEPS, SearchTree, "best", _first_met),
    "widening ignored": Bug("searches", _WIDE, trees.Rule, "room", _never_widened),
}
