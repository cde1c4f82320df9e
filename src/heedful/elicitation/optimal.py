"""Acquisition rules by D-optimal design: questions and raters that leave least unknown of all utilities at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing
from heedful.elicitation.beliefs import (
    Indices,
    Question,
    comparison_information,
    distinct_questions,
    utility_draws,
)
from heedful.elicitation.designs import greedy_design, information, spread_of
from heedful.elicitation.lists import Lists
from heedful.preference.items import WIDE_SD
from heedful.preference.utilities import Linear


@dataclass(frozen=True)
class DOptimal:
    """The `batch` questions, about two items or more each, that together shrink the posterior's volume the most.

    The posterior of utilities is taken as Gaussian, and the answer to a question as a linear observation with its
    Fisher information at the mean: p (1 − p) for a comparison (with the posterior's own ties and degrees), Plackett and
    Luce's for a list of which a whole "ranking" is asked or the "best" (`answer_information`). The batch is built
    greedily (`greedy_design`); gains in nats, each given the questions before it, add up to ½ log det of the
    posterior precision with the answers over that without. Utilities linear in features share all that is learnt.

    A gain is that of a Gaussian answer. Where little is known it can exceed the ln 2 that a comparison can carry: then
    the order of questions still holds, and `ExpectedInformationGain` says what they tell. Items that the posterior of
    free items knows nothing of are taken as N(0, 2.5²), the prior under which it scores what votes do not place.

    Beside asking at random it was ahead on simulated texts and HH-RLHF, behind on simulated systems, PandaLM, GSM8K and
    llmfao, its interval clear of random's only on HH-RLHF with embeddings of sentences (docs/benchmarks.md, What asking
    saves).
    """

    batch: int = 10
    answers: Literal["ranking", "best"] = "ranking"

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if self.answers not in ("ranking", "best"):
            raise UsageError(f"{self.answers!r} is no answer to a list", where="answers", fix="'ranking' or 'best'")

    def __call__(self, posterior: Any, pool: Sequence[Question], *, rng: np.random.Generator) -> Queries:
        """Raises InputError where a question is of one item, or names one twice."""
        if not len(pool):
            return nothing()
        view = _View.of(posterior, pool)
        lists = view.pairs(1.0) if view.members.shape[1] == 2 else view.lists(self.answers)
        return view.queries(*greedy_design(view.spread, lists, self.batch))


@dataclass(frozen=True)
class DifferenceUncertainty:
    """The `batch` pairs whose difference of utility is least known: the greatest norm of x in the posterior covariance.

    x is the difference of the features. Das et al. 2024, "Active preference optimization for sample efficient RLHF",
    algorithm 1, without its bonus: unlike `DOptimal` it does not ask how much an answer can tell where the outcome is
    nearly sure. Each next pair is chosen as if those before it had been answered; `expected_gain` is as of `DOptimal`.

    Beside asking at random it was ahead on simulated systems, llmfao and HH-RLHF, behind on the other sets, its
    interval clear of random's only on HH-RLHF with embeddings of sentences (docs/benchmarks.md, What asking saves).
    """

    batch: int = 10

    def __post_init__(self) -> None:
        check_batch(self.batch)

    def __call__(self, posterior: Any, pool: Sequence[Question], *, rng: np.random.Generator) -> Queries:
        """Raises InputError where a question is not about two different items."""
        if not len(pool):
            return nothing()
        view = _View.of(posterior, pool, pairs=True)
        lists = view.pairs(1.0)
        weight = lists.loadings[:, 0, 0] ** 2
        tiny = np.finfo(np.float64).tiny
        chosen, gains = greedy_design(
            view.spread, lists, self.batch, value=lambda gram: gram[:, 0, 0] / np.maximum(weight, tiny)
        )
        return view.queries(chosen, gains)


@dataclass(frozen=True)
class Dual:
    """The `batch` pairs and, for each, whom to ask: jointly D-optimal, per unit of cost.

    A rater of `rationality` β prefers by σ(β Δ), so the answer tells β² σ'(β Δ) about the difference Δ: most at β |Δ| =
    2.4, so that the sharpest rater is best for what is nearly equal and a blunter one where the outcome would be
    foregone. Liu et al. 2024, "Dual active learning for reinforcement learning from human feedback". β is relative to
    the posterior's utilities; `price` is the cost of a rater's answer, 1 for those not named.
    """

    rationality: Mapping[str, float]
    batch: int = 10
    price: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        check_batch(self.batch)
        prices = self.price or {}
        fault = next((name for name in prices if name not in self.rationality or not 0 < prices[name] < np.inf), None)
        if not self.rationality or not all(map(np.isfinite, self.rationality.values())) or fault is not None:
            what = "each rater needs a finite rationality, and a price above 0 where one is given"
            raise UsageError(what, where="Dual", fix="give rationality={rater: β}, price={rater: cost}")

    def __call__(self, posterior: Any, pool: Sequence[Question], *, rng: np.random.Generator) -> Queries:
        """Raises InputError where a question is not about two different items."""
        if not len(pool):
            return nothing()
        view = _View.of(posterior, pool, pairs=True)
        raters = tuple(self.rationality)
        price = np.array([(self.price or {}).get(name, 1.0) for name in raters])
        asked = [view.pairs(self.rationality[name]) for name in raters]
        lists = Lists(*(np.concatenate([getattr(own, part) for own in asked]) for part in ("members", "loadings")))
        number, cost = np.tile(np.arange(len(view.questions)), len(raters)), np.repeat(price, len(view.questions))
        chosen, gains = greedy_design(
            view.spread, lists, self.batch, value=lambda gram: information(gram) / cost, question=number
        )
        names = tuple(raters[place] for place in (chosen // len(view.questions)).tolist())
        return view.queries(number[chosen], gains, names, cost[chosen])


@dataclass(frozen=True)
class _View:
    """A pool's distinct `questions` [n] with the numbers `members` [n, K] of their items (-1: none).

    `utility` [m] of the items, and rows `spread` [m, d] whose inner products are the covariances of these.
    """

    posterior: Any
    questions: tuple[Question, ...]
    members: Indices
    utility: Floats
    spread: Floats

    @classmethod
    def of(cls, posterior: Any, pool: Sequence[Question], *, pairs: bool = False) -> _View:
        most = 2 if pairs else np.inf
        for row, question in enumerate(pool):
            if not 2 <= len(question) <= most or len(set(question)) < len(question):
                what = f"a question is about two {'' if pairs else 'or more '}different items"
                raise InputError(what, where=f"pool, row {row}")
        items, questions, members = distinct_questions(pool)
        return cls(posterior, questions, members, *_utilities(posterior, items))

    def pairs(self, rationality: float) -> Lists:
        """The pairs as raters of this rationality answer them."""
        first, second = self.members.T
        gap = rationality * (self.utility[first] - self.utility[second])
        return Lists.pairs(first, second, rationality**2 * comparison_information(self.posterior)(gap))

    def lists(self, answers: Literal["ranking", "best"]) -> Lists:
        """The lists as rankings or choices are answered, with the sharpness that the posterior found for these."""
        kind = {"ranking": "ranking", "best": "best_of"}[answers]
        own = (reading for reading in getattr(self.posterior, "readings", ()) if reading.kind == kind)
        sharpness = next((float(reading.discrimination.mean()) for reading in own), 1.0)
        lists = Lists.of(self.members, sharpness * self.utility, answers)
        return Lists(lists.members, sharpness * lists.loadings)

    def queries(
        self, chosen: Indices, gains: Floats, raters: tuple[str | None, ...] = (), cost: Floats | None = None
    ) -> Queries:
        questions = tuple(self.questions[row] for row in chosen.tolist())
        anyone = raters or (None,) * len(chosen)
        return Queries(questions, anyone, gains, np.ones(len(chosen)) if cost is None else cost)


def _utilities(posterior: Any, items: tuple[Item, ...]) -> tuple[Floats, Floats]:
    """Mean utilities [m] of items, and rows [m, d] whose inner products are their covariances.

    From the covariance of a posterior that has it for these items, else from that of its draws.
    """
    utility, covariance = getattr(posterior, "utility", None), getattr(posterior, "covariance", None)
    if isinstance(utility, Linear) and covariance is not None:
        features = utility.encoder.encode(items)
        return features @ posterior.mean, spread_of(features, covariance)
    draws = utility_draws(posterior, items)
    unknown: NDArray[np.bool_] = np.asarray(np.isnan(draws).any(axis=0))
    mean = np.where(unknown, 0.0, draws.mean(axis=0))
    known = _known_spread(posterior, [item for item, new in zip(items, unknown, strict=True) if not new])
    if known is None:
        known = _drawn_spread((draws - mean)[:, ~unknown])
    spread = np.zeros((len(items), known.shape[1] + int(unknown.sum())))
    spread[~unknown, : known.shape[1]] = known
    spread[unknown, known.shape[1] :] = WIDE_SD * np.eye(int(unknown.sum()))
    return mean, spread


def _drawn_spread(centred: Floats) -> Floats:
    """The spread that draws [k, m] have about their mean, in as few columns as will do."""
    k, m = centred.shape
    return spread_of(np.eye(m), centred.T @ centred / k) if m < k else centred.T / np.sqrt(k)


def _known_spread(posterior: Any, items: list[Item]) -> Floats | None:
    """The spread of free items from the posterior's covariance; None where it has none for one of them."""
    covariance = getattr(posterior, "covariance", None)
    if covariance is None:
        return None
    place = {name: number for number, name in enumerate(posterior.names)}
    rows = [place[item.system or item.key] for item in items]
    block = covariance[np.ix_(rows, rows)]
    return spread_of(np.eye(len(rows)), block) if np.isfinite(block).all() else None
