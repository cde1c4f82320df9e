"""Which pairs to ask people about, and which a model judge: by what answers tell of people's utilities, in closed form.

Respondent r reads v_r, which for people is the utility u and for a judge u plus a deviation of the judge's own, and
answers a pair as if it measured v_r's difference with Gaussian noise of variance 1/J, J the answer's Fisher information
expected under the posterior. With v jointly Gaussian, the answers Y tell of u

    I(Y; u) = I(Y; v) − I(Y; v | u),

and each term is a log-determinant that grows by one question at a time: the gain of a question whose difference has the
variance s given the answers so far, and t given them and u, is ½ log(1 + s J) − ½ log(1 + t J). A judge's answers thus
tell less and less the more of them there are, as their deviation stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from heedful.core import Floats, Item, Queries, UsageError
from heedful.elicitation.beliefs import Beliefs, Indices, Utilities
from heedful.elicitation.budgets import Asked, Limits
from heedful.elicitation.kinds import AnswerLaw, answer_law
from heedful.elicitation.respondents import Respondent
from heedful.preference.instruments import judged_kind

_STEP = 1e-3
# Gauss-Hermite nodes and weights of a standard normal, exact to the fifth power.
_NODES = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)]), np.array([1, 4, 1]) / 6


@dataclass(frozen=True)
class Routed:
    """Pairs and whom to ask about each, by information in nats about people's utilities per cost, greedily.

    A respondent whose votes the posterior has read apart as a judge's is read as fitted: their sharpness, and their
    deviation as far as it is known. One who has a `deviation` and no such reading deviates by that much from people on
    each item, independently. All others read people's utilities, with their attention and sharpness. A pair costs the
    respondent's `price`. Within the `budget`, the better of the greedy batch and of the best single question is asked.

    Gaussian approximations (of the posterior, and of what an answer tells) make the gains of a whole batch exact in the
    covariance, whoever answers. The covariance is that of the posterior's draws. Raises UsageError where these are too
    few to tell a judge's deviation given people's utilities.

    With one to ask, it was beside asking at random ahead on simulated worlds and HH-RLHF, behind on PandaLM, GSM8K and
    llmfao, its interval clear of random's only on HH-RLHF with embeddings of sentences (docs/benchmarks.md, What asking
    saves).
    """

    raters: tuple[Respondent, ...] = (Respondent(),)
    budget: float = np.inf
    batch: int = 10

    def __post_init__(self) -> None:
        if self.batch < 1 or not self.budget >= 0 or not self.raters:
            what = f"a batch of {self.batch}, a budget of {self.budget} and {len(self.raters)} to ask"
            raise UsageError(what, where="Routed", fix="each is at least 1, 0 and 1")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return Queries((), (), np.zeros(0), np.zeros(0))
        beliefs = Beliefs.of(posterior, pool, rng)
        if beliefs.unknown().any():
            raise UsageError("nothing is known of some items of the pool", where="Routed", fix="ask about them first")
        search = GaussianGains.of([_mind(posterior, beliefs, rater) for rater in self.raters], beliefs)
        n = len(beliefs)
        who = np.repeat(np.arange(len(self.raters)), n)
        cost = np.repeat([rater.price for rater in self.raters], n)
        limits = Limits(cost, who, self.raters, self.budget, self.batch)
        alone = search.gains()

        def step(possible: Indices) -> tuple[int, float]:
            gains = search.gains()
            best = int(possible[(gains[possible] / cost[possible]).argmax()])
            search.ask(best)
            return best, float(gains[best])

        return _queries(self, beliefs, cost, limits.or_one(limits.greedy(step), alone))


@dataclass(frozen=True)
class _Mind:
    """What a respondent reads of each item [k, items], and how they answer by it.

    `left` [k, items] is what they read less what people's utilities tell of it; `fresh` the variance, per item, of a
    deviation of which nothing is known yet. Respondents of one `view` read the same.
    """

    view: str | int
    read: Floats
    left: Floats
    fresh: float
    law: AnswerLaw


def _mind(posterior: Any, beliefs: Beliefs, rater: Respondent) -> _Mind:
    kind = judged_kind("comparison", rater.id or "")
    fitted = next((own for own in getattr(posterior, "readings", ()) if own.kind == kind), None)
    u = _utilities(beliefs)
    if fitted is None:
        law = rater.answering(answer_law(posterior, "comparison"))
        view = f"deviating: {rater.id}" if rater.deviation else "people"
        return _Mind(view, u, np.zeros_like(u), rater.deviation**2, law)
    deviation = posterior.utility.evaluate(beliefs.items, fitted.deviation)
    read = fitted.discrimination[:, None] * u + deviation
    plain = replace(fitted, kind="comparison", discrimination=np.ones(1))
    return _Mind(kind, read, _left(read, posterior.draws), 0.0, answer_law(_Read((plain,)), "comparison"))


def _utilities(beliefs: Beliefs) -> Floats:
    if not isinstance(beliefs.view, Utilities):
        raise UsageError("counts of duels tell no utilities", where="Routed", fix="give a posterior with draws of them")
    return beliefs.view.draws


@dataclass(frozen=True)
class _Read:
    """A posterior with these readings alone."""

    readings: tuple[Any, ...]


def _left(read: Floats, draws: Floats) -> Floats:
    """What the posterior's parameters [k, d] do not tell of what is read [k, items], of unbiased variance."""
    k, d = len(draws) // 2, draws.shape[1]
    if k < 2 * d:
        what = f"{len(draws)} mirrored draws do not tell the covariance of {d} parameters with a judge's deviations"
        raise UsageError(what, where="Routed", fix=f"fit with draws={8 * d} or more")
    away, others = read - read.mean(axis=0), draws - draws.mean(axis=0)
    return np.asarray((away - others @ np.linalg.lstsq(others, away)[0]) * np.sqrt(k / (k - d)))


class GaussianGains:
    """Information gains of questions about differences of Gaussian readings, given those asked so far.

    `plus`, `minus` [q] are the places of the two readings that question q compares, among those of which `total` [p, p]
    is the covariance and `given` [p, p] the covariance given people's utilities; `precision` [q] is J.
    """

    def __init__(self, total: Floats, given: Floats, plus: Indices, minus: Indices, precision: Floats) -> None:
        self.covariances = [total.copy(), given.copy()]
        self.plus, self.minus, self.precision = plus, minus, precision

    @classmethod
    def of(cls, minds: Sequence[_Mind], beliefs: Beliefs) -> GaussianGains:
        """Question q of mind m has the number m · n + q, with n pairs."""
        views = {mind.view: mind for mind in minds}
        items, place = len(beliefs.items), {view: number for number, view in enumerate(views)}
        start = items * np.array([[place[mind.view]] for mind in minds])
        fresh = np.diag(np.repeat([mind.fresh for mind in views.values()], items))
        total, given = (
            fresh + np.atleast_2d(np.cov(np.hstack(parts), rowvar=False, bias=True))
            for parts in ([mind.read for mind in views.values()], [mind.left for mind in views.values()])
        )
        precision = np.concatenate([_fisher(mind, beliefs) for mind in minds])
        plus, minus = ((start + side).ravel() for side in (beliefs.first, beliefs.second))
        return cls(total, given, plus, minus, precision)

    def variances(self) -> tuple[Floats, Floats]:
        """The variance of each question's difference [q], and that given people's utilities."""
        i, j = self.plus, self.minus
        total, given = (np.maximum(c[i, i] + c[j, j] - 2 * c[i, j], 0.0) for c in self.covariances)
        return total, given

    def gains(self) -> Floats:
        """½ log(1 + s J) − ½ log(1 + t J) of each question [q], in nats."""
        s, t = self.variances()
        return np.asarray(np.maximum(np.log1p(s * self.precision) - np.log1p(t * self.precision), 0.0) / 2)

    def ask(self, question: int) -> None:
        """Condition both covariances on this question's answer."""
        i, j, precision = self.plus[question], self.minus[question], self.precision[question]
        for covariance in self.covariances:
            moved = covariance[:, i] - covariance[:, j]
            covariance -= np.outer(moved, moved) * (precision / (1 + precision * (moved[i] - moved[j])))


def _fisher(mind: _Mind, beliefs: Beliefs) -> Floats:
    """The Fisher information of each pair's answer about the difference read [n], expected over draws and deviation."""
    u = np.stack([mind.read[:, beliefs.first], mind.read[:, beliefs.second]], axis=2)
    nodes, weights = _NODES if mind.fresh else (np.zeros(1), np.ones(1))
    total = np.zeros(len(beliefs))
    for node, weight in zip(nodes * np.sqrt(2 * mind.fresh), weights, strict=True):
        p, above, below = (mind.law(u + np.array([node + shift, 0.0])) for shift in (0.0, _STEP, -_STEP))
        slope = (above - below) / (2 * _STEP)
        fisher = np.divide(slope**2, p, out=np.zeros_like(p), where=p > 0).sum(axis=0)
        total += weight * fisher.mean(axis=0)
    return total


def _queries(rule: Routed, beliefs: Beliefs, cost: Floats, asked: Asked) -> Queries:
    numbers = [number for number, _ in asked]
    return Queries(
        tuple(beliefs.pairs[number % len(beliefs)] for number in numbers),
        tuple(rule.raters[number // len(beliefs)].id for number in numbers),
        np.array([gain for _, gain in asked], dtype=np.float64),
        cost[numbers] if numbers else np.zeros(0),
    )
