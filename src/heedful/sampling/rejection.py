"""Rejection: draws of the base, each accepted with the probability that makes the accepted ones exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import digamma, logsumexp

from heedful.core import (
    Base,
    Budget,
    BudgetExceededError,
    Estimate,
    Floats,
    Honesty,
    InputError,
    Interval,
    Item,
    Parts,
    Samples,
    Scores,
    UsageError,
)
from heedful.sampling.batches import by_context, target_divergence
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import affordable, refuse_beyond, writing_plan
from heedful.sampling.writing import base_draws
from heedful.stats import confidence_sequence
from heedful.target import Target

_ROUNDING = 1e-9  # nats by which a score may exceed the bound: the same sum, added up in another order


@dataclass(frozen=True, slots=True)
class Certificate:
    """What rejection showed in one context: of `wanted` outputs `accepted` were found in `tries` draws of the base.

    `rate` holds that of acceptance, Z · e^−bound, and `log_normalizer` log Z, wherever it stopped. No output then has
    more than 1 / rate times its base probability, so that KL(target ‖ base) is at most −log of the rate's lower end.
    """

    wanted: int
    accepted: int
    tries: int
    rate: Interval
    log_normalizer: Interval

    @property
    def missing(self) -> int:
        return self.wanted - self.accepted


@dataclass(frozen=True, slots=True)
class Accepted(Samples):
    """Exact draws, with the `Certificate` of each context asked for. Where outputs are missing, so are their rows."""

    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """One exact draw per context (repeat a context for more) from a target whose scores are at most `bound` nats.

    A draw of the base is accepted with probability exp(score − bound), so that an output takes e^bound / Z of them on
    average (von Neumann 1951, "Various techniques used in connection with random digits"). A score above the bound is
    an error: what was accepted before it is then of another law.

    tries   draws of the base at most, per output. Once they or the budget's samples are used up, what is missing is
            counted in `certificates` and has no row; what was accepted is exact all the same
    batch   draws per missing output in one round
    level   of the certificates' intervals

    exp(`log_normalizer`) is the mean of exp(score) over the first max(first round, N − 1) draws of a context, where the
    N-th is the one that ended the search, and no draw like any other. `kl` (of the target) is the mean score of the k
    accepted draws − bound − ψ(k) + ψ(N). Both are without bias, over any number of contexts. Where the tries end it,
    all draws count, and `kl` is from their weights; where a budget might end it, for reasons that lie elsewhere, the
    first round alone. The intervals hold wherever it stops (`stats.confidence_sequence`).
    """

    bound: float
    tries: int = 1000
    batch: int = 4
    level: float = 0.95
    honesty: Honesty = "exact"

    def __post_init__(self) -> None:
        if not math.isfinite(self.bound):
            raise UsageError(f"a bound is a finite number of nats, not {self.bound}", where="Rejection")
        if self.tries < 1 or self.batch < 1:
            raise UsageError(f"{self.tries} tries in batches of {self.batch}", where="Rejection")
        if not 0 < self.level < 1:
            raise UsageError(f"a level lies between 0 and 1, not {self.level}", where="Rejection")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Accepted:
        """Raises BudgetExceededError where not even one draw a context fits.

        InputError where a score exceeds the bound, or is NaN.
        """
        trials = [_Trials(context, places) for context, places in by_context(contexts).items()]
        # A first draw each, or none at all.
        refuse_beyond(budget, writing_plan(target.base, [own.context for own in trials]) | {"scores": len(trials)})
        scoring, cost = Scoring(target, budget), Counter[str]()
        ample = _fits(budget, self.plan(target.base, contexts))
        while any(sizes := self._sizes(trials, affordable(target.base, budget))):
            wanted = [own.context for own, size in zip(trials, sizes, strict=True) for _ in range(size)]
            try:
                items, spent = base_draws(target.base, wanted, 1, budget, rng)
            except BudgetExceededError:  # by reading contexts again: no more tries
                if not cost:
                    raise
                break
            cost.update(spent)
            score = scoring.mean(items)
            for own, last, size in zip(trials, np.cumsum(sizes).tolist(), sizes, strict=True):
                own.judge(items[last - size : last], score[last - size : last], self.bound, rng)
        return self._samples(trials, scoring, len(contexts), cost, ample)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost, contexts read in as many rounds as there can be."""
        rounds = -(-self.tries * len(contexts) // self.batch)
        written = writing_plan(base, contexts, self.tries, rounds=rounds)
        return written | {"scores": written["samples"]}

    def _sizes(self, trials: Sequence[_Trials], room: float) -> list[int]:
        """How many draws of each context what is missing, the tries and the budget's room ask for."""
        sizes = []
        for own in trials:
            left = self.tries * len(own.places) - len(own.score)
            sizes.append(int(min(self.batch * own.missing, left, room)))
            room -= sizes[-1]
        return sizes

    def _samples(
        self, trials: Sequence[_Trials], scoring: Scoring, n: int, cost: Mapping[str, float], ample: bool
    ) -> Accepted:
        own_of = {place: own for own in trials for place in own.places}
        rows = {place: item for own in trials for place, item in zip(own.places, own.accepted, strict=False)}
        items = [rows[place] for place in sorted(rows)]
        told = {id(own): own.told(self.bound, self.level, ample) for own in trials}
        in_turn = [told[id(own_of[place])] for place in range(n)]
        return Accepted(
            items=tuple(items),
            context_index=np.array(sorted(rows), dtype=np.intp),
            log_weights=np.zeros(len(items)),
            scores=scoring(items) if items else Scores(np.zeros(0)),
            cost={**cost, "scores": float(len(scoring))},
            kl=tuple(kl for kl, _, _ in in_turn),
            log_normalizer=np.array([log_normalizer for _, log_normalizer, _ in in_turn]),
            certificates=tuple(certificate for _, _, certificate in in_turn),
        )


@dataclass(slots=True, eq=False)
class _Trials:
    """The draws of one context, for outputs wanted at some places.

    `score` of each draw, of which those at `kept` were accepted; `first` is how many there were in the first round.
    """

    context: Parts
    places: list[int]
    accepted: list[Item] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    score: Floats = field(default_factory=lambda: np.zeros(0))
    first: int = 0

    @property
    def missing(self) -> int:
        return len(self.places) - len(self.accepted)

    def judge(self, items: Sequence[Item], score: Floats, bound: float, rng: np.random.Generator) -> None:
        """Accept some of them, as many as are missing; further ones are tries all the same."""
        above = np.flatnonzero(score > bound + _ROUNDING)
        if len(above):
            item, value = items[above[0]], float(score[above[0]])
            raise InputError(
                f"a score of {value:.9g} is above the bound of {bound:.9g}",
                where=f"item {item.key}",
                fix="raise the bound to one that holds for all outputs, and draw again",
            )
        kept = np.flatnonzero(rng.random(len(score)) < np.exp(score - bound))[: self.missing]
        self.accepted += [items[row] for row in kept]
        self.kept += (len(self.score) + kept).tolist()
        self.first = self.first or len(score)
        self.score = np.concatenate([self.score, score])

    def told(self, bound: float, level: float, ample: bool) -> tuple[Estimate, float, Certificate]:
        """KL(target ‖ base), log Z, and the certificate; `ample` where no budget could end it."""
        n = len(self.score)
        rate = confidence_sequence(np.exp(np.minimum(self.score - bound, 0.0)), level=level)
        with np.errstate(divide="ignore"):
            low, high = np.log([rate.low, rate.high]) + bound
        shown = Certificate(len(self.places), len(self.accepted), n, rate, Interval(low, high, rate.promise, level))
        if not n:
            return Estimate(np.inf, 0, identified=False, note="nothing was drawn"), np.nan, shown
        score = self.score[: self._counted(ample)]
        log_normalizer = float(logsumexp(score) - np.log(len(score)))
        if ample and not self.missing:
            k = len(self.kept)
            apart = float(self.score[self.kept].mean()) - bound - float(digamma(k) - digamma(self.kept[-1] + 1))
            return Estimate(apart, k, note="of the target, without bias: it may lie below 0"), log_normalizer, shown
        return target_divergence(score - np.log(len(score)), score, log_normalizer), log_normalizer, shown

    def _counted(self, ample: bool) -> int:
        """How many draws the number of which says nothing of themselves."""
        if not ample:
            return self.first
        return len(self.score) if self.missing else max(self.first, self.kept[-1])


def _fits(budget: Budget, plan: Mapping[str, float]) -> bool:
    """Whether a budget holds a whole plan."""
    return all(budget.left(unit) >= amount for unit, amount in plan.items())
