"""Pairs drawn from policies for people to compare: on-policy, interpolated, optimistic. Policies are listed bases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import log_softmax, logsumexp

from heedful.core import EnumerableBase, Floats, InputError, Item, Parts, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs, Indices
from heedful.models import TableModel


def policy_pairs(
    first: EnumerableBase, second: EnumerableBase, contexts: Sequence[Parts], *, rng: np.random.Generator
) -> tuple[tuple[Item, Item], ...]:
    """A pair for each context: an output of the first policy and one of the second (of one policy: twice), given that
    they differ, as pairs of equal outputs say nothing. Raises InputError where they cannot differ.
    """
    laws = {context: _Different.of(first, second, context) for context in dict.fromkeys(contexts)}
    return tuple(laws[context].draw(rng) for context in contexts)


@dataclass(frozen=True)
class _Different:
    """Two policies' outputs to one context, with `own` [a] = P(first writes a | they differ) and `other` [b] of the
    second; `same` [a] is the place of the first's output among the second's, -1 where it is not there."""

    one: tuple[Item, ...]
    two: tuple[Item, ...]
    own: Floats
    other: Floats
    same: Indices

    @classmethod
    def of(cls, first: EnumerableBase, second: EnumerableBase, context: Parts) -> _Different:
        one, two = first.support(context), second.support(context)
        p, other = np.exp(first.log_prob(one)), np.exp(second.log_prob(two))
        place = {item.output: number for number, item in enumerate(two)}
        same = np.array([place.get(item.output, -1) for item in one], dtype=np.intp)
        rest = np.append(other.sum() - other, other.sum())
        top = int(other.argmax())
        rest[top] = np.delete(other, top).sum()  # without cancellation where nearly all mass is on one output
        own = p * rest[same]
        if not own.sum() > 0:
            raise InputError("two policies write one and the same output to a context", where="policy_pairs")
        return cls(one, two, own / own.sum(), other, same)

    def draw(self, rng: np.random.Generator) -> tuple[Item, Item]:
        a = int(rng.choice(len(self.one), p=self.own))
        left = np.where(np.arange(len(self.two)) == self.same[a], 0.0, self.other)
        return self.one[a], self.two[int(rng.choice(len(self.two), p=left / left.sum()))]


def interpolate(
    policy: EnumerableBase, reference: EnumerableBase, contexts: Sequence[Parts], beta: float
) -> TableModel:
    """policy · (policy / reference)^β, normalised: logits (1 + β) l − β l_ref. Below 0 it goes back to the reference.

    Feng et al. 2025, "PILAF": π⁺ with β, the weight of the KL penalty, and π⁻ with −β. As the reward that a policy
    implies is r = β log(π/π_ref), they are π · exp(±r). Raises InputError where the policy writes what its reference
    never does.
    """
    rows = {}
    for context in contexts:
        items = policy.support(context)
        own, other = policy.log_prob(items), reference.log_prob(items)
        if np.isneginf(other).any():
            raise InputError("the policy writes what its reference never does", where="interpolate")
        rows[context] = items, np.asarray(log_softmax((1 + beta) * own - beta * other))
    return TableModel(rows)


def pilaf_pairs(
    policy: EnumerableBase,
    reference: EnumerableBase,
    contexts: Sequence[Parts],
    *,
    beta: float,
    rng: np.random.Generator,
    mixture: Literal["half", "exact"] = "half",
) -> tuple[tuple[Item, Item], ...]:
    """Pairs to compare (PILAF): on-policy twice, or one of π⁺ with one of π⁻, a pair for each context.

    "half": each for half of the contexts, as the work does in practice. "exact": on-policy with the probability 1/(1 +
    Z⁺ Z⁻) of its context, Z± = E_π[exp(±r)], so that a pair has a probability in proportion to
    π(a) π(b) (2 + e^Δ + e^−Δ) = π(a) π(b) / σ'(Δ), with Δ the difference of implied rewards: to first order in what
    these still lack, the gradient of the comparison loss is then that of E_π[true reward] − β KL(π ‖ reference). This
    holds with pairs of equal outputs, which are drawn again here.
    """
    distinct = tuple(dict.fromkeys(contexts))
    plus, minus = (interpolate(policy, reference, distinct, sign * beta) for sign in (1.0, -1.0))
    share = dict.fromkeys(distinct, 0.5)
    if mixture == "exact":
        share = {context: 1 / (1 + np.exp(_log_product(policy, reference, context, beta))) for context in distinct}
    alone = rng.random(len(contexts)) < [share[context] for context in contexts]
    turned = rng.random(len(contexts)) < 0.5
    laws = {c: (_Different.of(plus, minus, c), _Different.of(policy, policy, c)) for c in distinct}
    found = []
    for context, own, turn in zip(contexts, alone.tolist(), turned.tolist(), strict=True):
        pair = laws[context][own].draw(rng)
        found.append(pair[::-1] if turn else pair)
    return tuple(found)


def _log_product(policy: EnumerableBase, reference: EnumerableBase, context: Parts, beta: float) -> float:
    """log Z⁺ Z⁻."""
    items = policy.support(context)
    own = policy.log_prob(items)
    reward = beta * (own - reference.log_prob(items))
    return float(logsumexp(own + reward) + logsumexp(own - reward))


def optimistic(
    base: EnumerableBase, posterior: Any, contexts: Sequence[Parts], *, strength: float, optimism: float
) -> TableModel:
    """The base tilted by rewards that lean to what could be good: r = mean + α Cov (π − base), π tilted by the mean.

    Zhang et al. 2024, "Self-exploring language models": the r that maximises its log-likelihood + α max_π {E_π r −
    E_base r − KL(π ‖ base)/strength}. The inner maximum has the gradient π − base in r, so that one Newton step from
    the posterior's mode is what is done here, with the covariance of its draws over all outputs of all `contexts`;
    α = `optimism` 0 is the plain tilt. Raises UsageError for a posterior without draws.
    """
    supports = [base.support(context) for context in contexts]
    ends = np.cumsum([len(items) for items in supports])[:-1]
    scores = posterior([item for items in supports for item in items])
    if scores.draws is None:
        raise UsageError("optimism takes a posterior with draws", where="optimistic")
    logs = [base.log_prob(items) for items in supports]

    def tilted(reward: Floats) -> list[Floats]:
        parts = np.split(reward, ends)
        return [np.asarray(log_softmax(own + strength * part)) for own, part in zip(logs, parts, strict=True)]

    moved = np.concatenate([np.exp(new) - np.exp(old) for new, old in zip(tilted(scores.mean), logs, strict=True)])
    away = scores.draws - scores.draws.mean(axis=0)
    law = tilted(scores.mean + optimism * away.T @ (away @ moved) / len(away))
    return TableModel({c: (items, own) for c, items, own in zip(contexts, supports, law, strict=True)})


@dataclass(frozen=True)
class Margin:
    """The `batch` pairs of the smallest margins |Δ mean utility|, or the `largest`.

    Yang et al. 2024, "Not all preference pairs are created equal": of pairs by one's own policy, those that the implied
    rewards cannot tell apart. `expected_gain` is each question's own information in nats; pairs with an item that the
    posterior knows nothing of have the margin 0.
    """

    batch: int = 10
    largest: bool = False

    def __post_init__(self) -> None:
        check_batch(self.batch)

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        margin = np.abs(beliefs.view.margin(beliefs.first, beliefs.second).mean(axis=0))
        margin = np.nan_to_num(margin, nan=0.0)
        chosen = np.argsort(-margin if self.largest else margin, kind="stable")[: self.batch]
        return queries(beliefs, chosen, single_gains(beliefs, chosen))
