"""003-088: a critic asked k times, each time by a principle of its own, and which of its answers to trust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads.criteria import Crossing
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes
from heedful.sampling import voted

_FEATURES, _EMBEDDING, _RESPONSES = 6, 12, 4
_SAMPLES = (1, 2, 8, 32)
_META = Linear(prior_sd=1.0, pairs=2)


@dataclass(frozen=True)
class Critic:
    """Answers of a critic to n queries, k times each: the `embedding` of the query [n, e], its `responses` [n, r, d],
    the `principle` the critic wrote [n, k, d], the `scores` it gave [n, k, r] and the response truly `best` [n]."""

    embedding: Floats
    responses: Floats
    principle: Floats
    scores: Floats
    best: np.ndarray

    @classmethod
    def asked(cls, queries: int, samples: int, image: Floats, rng: np.random.Generator) -> Critic:
        """A sample is right about what is wanted, up to noise, as often as the query allows; else it wants anything.

        Scores are whole numbers from 1 to 10.
        """
        wanted = rng.normal(size=(queries, _FEATURES))
        embedding = wanted @ image + rng.normal(0, 0.3, (queries, _EMBEDDING))
        responses = rng.normal(size=(queries, _RESPONSES, _FEATURES))
        right = rng.random((queries, samples)) < rng.beta(2, 2, (queries, 1))
        shape = (queries, samples, _FEATURES)
        principle = np.where(right[..., None], wanted[:, None] + rng.normal(0, 0.5, shape), rng.normal(size=shape))
        unit = principle / np.linalg.norm(principle, axis=2, keepdims=True)
        seen = np.einsum("nkd,nrd->nkr", unit, responses) + rng.normal(0, 0.5, (queries, samples, _RESPONSES))
        scores = np.clip(np.round(5.5 + 1.5 * seen), 1, 10)
        return cls(embedding, responses, principle, scores, np.einsum("nd,nrd->nr", wanted, responses).argmax(axis=1))

    @property
    def samples(self) -> int:
        return int(self.scores.shape[1])

    def beside(self, own: Floats) -> tuple[Floats, Floats]:
        """The embedding and what is `own` [n, m, d] to each query, row by row with a constant [n · m, ...]."""
        one = np.ones((own.shape[0] * own.shape[1], 1))
        query = np.repeat(self.embedding, own.shape[1], axis=0)
        return np.hstack([query, one]), np.hstack([own.reshape(len(query), -1), one])


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([388, seed])
    image = rng.normal(size=(_FEATURES, _EMBEDDING))
    labelled = Critic.asked(60 if quick else 300, 8, image, rng)
    fresh = Critic.asked(100 if quick else 500, max(_SAMPLES), image, rng)
    quality = _quality(labelled, fresh, rng)
    figures = {"no critic": _accuracy(_direct(labelled, fresh, rng), fresh.best)}
    for k in _SAMPLES:
        scores, trusted = fresh.scores[:, :k], quality[:, :k]
        figures[f"summed, {k}"] = _accuracy(voted(scores), fresh.best)
        if k > 1:
            figures[f"weighted, {k}"] = _accuracy(voted(scores, trusted), fresh.best)
            figures[f"filtered, {k}"] = _accuracy(voted(scores, trusted, keep=k // 2), fresh.best)
    return figures


def _quality(labelled: Critic, fresh: Critic, rng: np.random.Generator) -> Floats:
    """P(a sample puts the best response first) [n, k], learnt where it is known which is the best: a reward of query
    and principle, against one of no features."""
    crossing, known = _crossed(labelled, labelled.principle)
    first = np.arange(len(known))
    right = _share_right(labelled.scores.reshape(-1, _RESPONSES), np.repeat(labelled.best, labelled.samples))
    design = np.vstack([known, np.zeros(known.shape[1])])
    meta = _META.fit(design, Votes.of(first, np.full(len(first), len(first)), right), rng=rng)
    return np.asarray(expit(meta.mean(crossing.encode(*fresh.beside(fresh.principle)))).reshape(fresh.scores.shape[:2]))


def _direct(labelled: Critic, fresh: Critic, rng: np.random.Generator) -> Floats:
    """Scores of the responses [n, r] by a reward of query and response, learnt from the best against each other one."""
    crossing, known = _crossed(labelled, labelled.responses)
    row = np.arange(len(known)).reshape(-1, _RESPONSES)
    others = row[np.arange(_RESPONSES) != labelled.best[:, None]]
    best = np.repeat(row[np.arange(len(row)), labelled.best], _RESPONSES - 1)
    reward = _META.fit(known, Votes.of(best, others, np.ones(len(best)), group=best), rng=rng)
    return reward.mean(crossing.encode(*fresh.beside(fresh.responses))).reshape(fresh.best.size, _RESPONSES)


def _crossed(labelled: Critic, own: Floats) -> tuple[Crossing, Floats]:
    """All products of query and what is its own, and their values."""
    rows = labelled.beside(own)
    crossing = Crossing.fit(*rows, rank=_EMBEDDING + 1, width=_FEATURES + 1)
    return crossing, crossing.encode(*rows)


def _share_right(scores: Floats, best: np.ndarray) -> Floats:
    """1 where the best of the responses has the greatest score [n, r], less where it shares it, else 0 [n]."""
    top = scores == scores.max(axis=1, keepdims=True)
    return np.asarray(top[np.arange(len(best)), best] / top.sum(axis=1))


def _accuracy(scores: Floats, best: np.ndarray) -> float:
    return float(100 * _share_right(scores, best).mean())


ENTRY = Entry(
    id="003-088",
    title="Inference-Time Scaling for Generalist Reward Modeling",
    area="preference/sampling",
    citation="Liu et al. 2025",
    claim=(
        "A critic that writes a principle (weights of six features), right about half the time, and then scores four "
        "responses from 1 to 10 with noise; how often the best response comes first. The sum of 32 samples beats one "
        "sample by more than 10 points and 8 samples. Of 8 and of 32 samples, the half that a meta reward model trusts "
        "more beats all of them, where it learnt from 300 queries whose best response is known."
    ),
    configuration=(
        "sampling.voted over scores of samples, plain, weighted or of the samples kept; the meta reward model is "
        "preference.heads.criteria.Crossing of query and principle under heads.Linear, with whether the sample ranked "
        "the best response first as its label."
    ),
    measures={
        "no critic": "best response put first, per cent, reward learnt from the same 300 queries alone",
        "summed, 1": "best response put first, per cent, one sample",
        **{
            f"{name}, {k}": f"best response put first, per cent, {what.format(k, k // 2)}"
            for k in _SAMPLES[1:]
            for name, what in {
                "summed": "sum of {0} samples",
                "weighted": "sum of {0} samples weighted by the meta reward model",
                "filtered": "sum of the {1} of {0} samples it trusts most",
            }.items()
        },
    },
    checks=(
        Check("summed, 32", "summed, 1", above=10.0),
        Check("summed, 32", "summed, 8", above=0.0),
        Check("filtered, 8", "summed, 8", above=0.0),
        Check("filtered, 32", "summed, 32", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Inference alone: the critic is given and not trained, so rejective fine-tuning and the rule-based online "
        "reinforcement learning of principles are left out. A principle is its weights, and a query a noisy linear "
        "image of what it wants. The work keeps the samples that the meta reward model trusts; weighting by it stands "
        "beside, and so does a reward that learns from the same 300 queries and asks no critic. That "
        "control does better than any vote of 32 here, where what is wanted is linear in features it can read: the "
        "checks say that votes and their guidance help, not that the critic is worth its calls."
    ),
)
