"""004-166: examples for a prompt chosen one after another by a policy that a frozen model's answers train."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import log_expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_SKILLS, _EACH, _KINDS, _CHOSEN = 4, 3, 6, 3
_POOL = _SKILLS * _EACH
_STEPS, _QUERIES, _DRAWN = 60, 24, 4


@dataclass(frozen=True, eq=False)
class _Model:
    """A frozen model that answers queries of some kinds [kinds, skills], each of which needs some skills, by what the
    examples in its prompt show: each of the pool shows one skill, better or worse [pool]."""

    needs: Floats
    shows: Floats

    def log_likelihood(self, kinds: Indices, chosen: Indices) -> Floats:
        """Of the right answer [r, k] to queries of kinds [r] behind chosen examples [r, k, chosen]."""
        shown = np.zeros((*chosen.shape[:2], _SKILLS))
        for place in range(chosen.shape[2]):  # the best example of a skill counts
            own = chosen[..., place]
            at = np.eye(_SKILLS)[own // _EACH]
            shown = np.maximum(shown, at * self.shows[own][..., None])
        needs = self.needs[kinds][:, None]
        return np.asarray(log_expit(4.0 * (shown * needs).sum(axis=2) / needs.sum(axis=2) - 2.0))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4166, seed])
    needs = np.zeros((_KINDS, _SKILLS))
    for kind in needs:
        kind[rng.choice(_SKILLS, 2, replace=False)] = 1.0
    model, second = (_Model(needs, shows) for shows in _shown(rng))
    similar = _similar(needs, rng)
    steps = 5 if quick else _STEPS
    policies = {
        "iterative": (_ITERATIVE, _trained(_ITERATIVE, model, steps, rng)),
        "at once": (_AT_ONCE, _trained(_AT_ONCE, model, steps, rng)),
        "random": (_AT_ONCE, _AT_ONCE.start),
    }
    figures = {name: _expected(writer, weights, model) for name, (writer, weights) in policies.items()}
    kinds, fixed = np.arange(_KINDS), {"similar": _top(similar), "diverse": _marginal(similar)}
    figures |= {name: float(model.log_likelihood(kinds, own[:, None]).mean()) for name, own in fixed.items()}
    every = np.broadcast_to(_ITERATIVE.strings, (_KINDS, *_ITERATIVE.strings.shape))
    figures["best"] = float(model.log_likelihood(kinds, every).max(axis=1).mean())
    figures["iterative, second"] = _expected(*policies["iterative"], second)
    figures["diverse, second"] = float(second.log_likelihood(kinds, fixed["diverse"][:, None]).mean())
    return figures


def _shown(rng: np.random.Generator) -> Floats:
    """How well each example shows its skill, to two models that agree in half [2, pool]."""
    common, own = rng.random(_POOL), rng.random((2, _POOL))
    return np.asarray((common + own) / 2)


def _similar(needs: Floats, rng: np.random.Generator) -> Floats:
    """How similar each example is to queries of each kind [kinds, pool]: one of the skills needed shows more on the
    surface than the other."""
    surface = needs * rng.uniform(0.5, 1.5, needs.shape)
    return np.asarray(np.repeat(surface, _EACH, axis=1) + 0.2 * rng.normal(size=(_KINDS, _POOL)))


def _top(similar: Floats) -> Indices:
    return np.argsort(-similar, axis=1)[:, :_CHOSEN]


def _marginal(similar: Floats) -> Indices:
    """By similarity less half of how like they are to those chosen (maximal marginal relevance): 1 of one skill."""
    chosen = np.zeros((_KINDS, 0), np.intp)
    for _ in range(_CHOSEN):
        like = (chosen[:, :, None] // _EACH == np.arange(_POOL) // _EACH).any(axis=1)
        taken = (chosen[:, :, None] == np.arange(_POOL)).any(axis=1)
        best = np.where(taken, -np.inf, similar - like).argmax(axis=1)
        chosen = np.column_stack([chosen, best])
    return chosen


def _seen(kinds: Indices, written: Indices, stateful: bool) -> Indices:
    """The kind of the query; and, of a policy with a state, which examples were chosen last and before, by kind."""
    rows = [kinds]
    for back in (1, 2) if stateful else ():
        before = written[:, -back] if written.shape[1] >= back else np.full(len(kinds), _POOL)
        rows.append(_KINDS + ((back - 1) * _KINDS + kinds) * (_POOL + 1) + before)
    return np.column_stack(rows)


_ITERATIVE = Writer(_POOL, _CHOSEN, _KINDS * (1 + 2 * (_POOL + 1)), partial(_seen, stateful=True))
_AT_ONCE = Writer(_POOL, _CHOSEN, _KINDS, partial(_seen, stateful=False))


def _trained(writer: Writer, model: _Model, steps: int, rng: np.random.Generator) -> Floats:
    """By the policy gradient, on log-likelihoods of right answers."""
    from heedful.training.objectives.policy_gradient import rloo

    learner = Learner(writer.start, 0.1)
    for _ in range(steps):
        kinds = rng.integers(_KINDS, size=_QUERIES)
        chosen = writer.write(learner.weights, kinds, _DRAWN, rng)
        score = model.log_likelihood(kinds, chosen)
        learner.step(writer.loss(rloo(), Records(kinds, chosen, {"score": score})))
    return learner.weights


def _expected(writer: Writer, weights: Floats, model: _Model) -> float:
    """The expected log-likelihood over kinds of queries, over every choice."""
    kinds = np.arange(_KINDS)
    every = np.broadcast_to(writer.strings, (_KINDS, *writer.strings.shape))
    return float((np.exp(writer.law(weights, kinds)) * model.log_likelihood(kinds, every)).sum(axis=1).mean())


_WHAT = "log-likelihood of the right answer in nats, over kinds of queries, exactly"
_BY = {
    "random": "any examples",
    "similar": "the most similar",
    "diverse": "by maximal marginal relevance",
    "at once": "a policy that does not see what it chose before, trained by the model's answers",
    "iterative": "a policy that chooses by what it chose before, trained by the model's answers",
    "best": "the best examples of each kind of query",
}
ENTRY = Entry(
    id="004-166",
    title="Learning to Retrieve Iteratively for In-Context Learning",
    area="rewriting/context",
    citation="Chen et al. 2024",
    claim=(
        f"{_CHOSEN} of {_POOL} examples are chosen for the prompt of a frozen model, one after another; {_EACH} each "
        f"show the same of {_SKILLS} skills, better or worse, and queries of {_KINDS} kinds need two. A policy that "
        f"chooses by what it chose before, trained by the policy gradient on {_STEPS * _QUERIES * _DRAWN:,} "
        "likelihoods of right answers, makes these likelier than the most similar examples do, by 0.2 nats, than "
        "maximal marginal relevance, by 0.1, and than a policy trained alike that does not see what it chose, by 0.05. "
        "With a second model, which agrees in half on what examples are worth, it is still better than maximal "
        "marginal relevance."
    ),
    configuration=(
        "training.objectives.policy_gradient.rloo on a log-linear policy over examples (catalogue.writers.Writer); the "
        "score is the frozen model's log-likelihood."
    ),
    measures={
        **{name: f"{_WHAT}: {what}" for name, what in _BY.items()},
        **{f"{name}, second": f"{_WHAT}, of a second model: {_BY[name]}" for name in ("iterative", "diverse")},
    },
    checks=(
        Check("iterative", "similar", above=0.2),
        Check("iterative", "diverse", above=0.1),
        Check("iterative", "at once", above=0.05),
        Check("iterative, second", "diverse, second", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "Plain REINFORCE in the place of PPO, and a table over the last two choices in that of a recurrent state and a "
        "dense retriever: it learns kinds of queries that come again, and says nothing of new ones. The frozen model "
        "is a formula. Five other seeds were seen, with 80 steps of training, before the claim was written."
    ),
)
