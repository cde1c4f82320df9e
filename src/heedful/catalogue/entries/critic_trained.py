"""004-061: a critic trained by what a frozen model makes of its critiques, beside one who imitates people's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_LETTERS, _WRITTEN, _FRESH = 6, 300, 300
_PLACES = _LETTERS - 1  # two neighbours each; the last critique says that all is well
_STEPS, _DRAFTS, _DRAWN = 40, 32, 4


@dataclass(frozen=True, eq=False)
class _Fixer:
    """A frozen model that changes two neighbours of a draft [letters] when it is told which, in its own way: a critique
    [places + 1] makes it change those at `takes`, with probability `obeys`, and the last nothing."""

    takes: Indices
    obeys: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Fixer:
        """Takes two of the critiques for one another."""
        takes = np.arange(_PLACES)
        one, other = rng.choice(_PLACES, 2, replace=False)
        takes[[one, other]] = other, one
        return cls(takes, rng.uniform(0.3, 1.0, _PLACES))

    def mended(self, drafts: Indices) -> Floats:
        """Pairs out of order that a revision is expected to mend [r, critiques]."""
        gain = np.where(_amiss(drafts)[:, self.takes], 1.0, -1.0) * self.obeys
        return np.column_stack([gain, np.zeros(len(drafts))])

    def earned(self, drafts: Indices, critiques: Indices, rng: np.random.Generator) -> Floats:
        """Pairs that revisions after critiques [r, k] mended."""
        gain = np.take_along_axis(self.mended(drafts), critiques, axis=1)
        return np.asarray(np.sign(gain) * (rng.random(gain.shape) < abs(gain)))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4061, seed])
    fixer, second = _Fixer.drawn(rng), _Fixer.drawn(rng)
    drafts, fresh = _drafts(_WRITTEN, rng), _drafts(_FRESH, rng)
    steps = 5 if quick else _STEPS
    supervised = _imitated(_CRITIC.start, drafts, _person(drafts, rng))
    critics = {
        "random": _CRITIC.start,
        "supervised": supervised,
        "trained": _trained(supervised, fixer, steps, rng),
        "shuffled": _trained(supervised, fixer, steps, rng, shuffled=True),
        "picked": _picked(supervised, fixer, steps, rng),
    }
    figures = {name: _worth(weights, fixer, fresh) for name, weights in critics.items()}
    for name in ("supervised", "trained"):
        figures[f"{name}, second"] = _worth(critics[name], second, fresh)
    return figures | {"best": float(fixer.mended(fresh).max(axis=1).mean())}


def _drafts(count: int, rng: np.random.Generator) -> Indices:
    """Letters in any order [count, letters]."""
    return np.argsort(rng.random((count, _LETTERS)), axis=1)


def _amiss(drafts: Indices) -> NDArray[np.bool_]:
    """Which neighbours are out of order [r, places]."""
    return np.asarray(drafts[:, :-1] > drafts[:, 1:])


def _seen(drafts: Indices, written: Indices) -> Indices:
    """A row for each two neighbours, another where they are out of order."""
    return np.arange(_PLACES) * 2 + _amiss(drafts)


_CRITIC = Writer(_PLACES + 1, 1, 2 * _PLACES, _seen)


def _person(drafts: Indices, rng: np.random.Generator) -> Indices:
    """Any of the neighbours that are out of order, or that all is well."""
    amiss = np.column_stack([_amiss(drafts), np.full(len(drafts), 0.5)])
    return np.asarray((amiss * (1 + rng.random(amiss.shape))).argmax(axis=1))


def _imitated(weights: Floats, drafts: Indices, critiques: Indices) -> Floats:
    from heedful.training import Supervised

    learner = Learner(weights, 0.1)
    learner.step(_CRITIC.loss(Supervised(), Records(drafts, critiques[:, None, None], {})), 60)
    return learner.weights


def _trained(weights: Floats, fixer: _Fixer, steps: int, rng: np.random.Generator, shuffled: bool = False) -> Floats:
    """By the policy gradient, on what revisions earn; `shuffled`, on what others of the same batch do."""
    from heedful.training.objectives.policy_gradient import rloo

    learner = Learner(weights, 0.1)
    for _ in range(steps):
        drafts = _drafts(_DRAFTS, rng)
        critiques = _CRITIC.write(learner.weights, drafts, _DRAWN, rng)
        score = fixer.earned(drafts, critiques[..., 0], rng)
        score = rng.permuted(score.ravel()).reshape(score.shape) if shuffled else score
        learner.step(_CRITIC.loss(rloo(), Records(drafts, critiques, {"score": score})))
    return learner.weights


def _picked(weights: Floats, fixer: _Fixer, steps: int, rng: np.random.Generator) -> Floats:
    """By imitation of those of as many critiques after which a revision mended something."""
    drafts = _drafts(steps * _DRAFTS, rng)
    critiques = _CRITIC.write(weights, drafts, _DRAWN, rng)[..., 0]
    record, place = np.nonzero(fixer.earned(drafts, critiques, rng) > 0)
    return _imitated(weights, drafts[record], critiques[record, place])


def _worth(weights: Floats, fixer: _Fixer, drafts: Indices) -> float:
    """Pairs mended by a revision after a critique, over drafts, exactly."""
    return float((np.exp(_CRITIC.law(weights, drafts)) * fixer.mended(drafts)).sum(axis=1).mean())


_WHAT = "pairs out of order mended by a revision, in the mean, exactly"
ENTRY = Entry(
    id="004-061",
    title="RL4F: Generating Natural Language Feedback with Reinforcement Learning for Repairing Model Outputs",
    area="rewriting/training",
    citation="Akyürek et al. 2023",
    claim=(
        "Six letters are to be brought into the order of the alphabet. A critic says which two neighbours are out of "
        "order; a frozen model revises by that, obeys some critiques more often than others and takes two of them for "
        f"one another. A critic that imitates {_WRITTEN} critiques of a person mends more than no critic and than a "
        f"random one; trained by the policy gradient from there on {_STEPS * _DRAFTS * _DRAWN:,} revisions it mends "
        "more by 0.1 pairs, and more than where those of as many critiques are imitated after which a revision was "
        "better. Trained on what other revisions earned, it gains no 0.1."
    ),
    configuration=(
        "training.objectives.policy_gradient.rloo and training.Supervised on a log-linear critic "
        "(catalogue.writers.Writer); the score is what the revision mends."
    ),
    measures={
        "random": f"{_WHAT}: any critique",
        "supervised": f"{_WHAT}: imitation of a person's critiques",
        "trained": f"{_WHAT}: from there by the policy gradient",
        "shuffled": f"{_WHAT}: the same, on scores of other revisions of the batch",
        "picked": f"{_WHAT}: imitation of as many critiques of its own after which a revision was better",
        "supervised, second": f"{_WHAT} by a second frozen model: imitation of a person's critiques",
        "trained, second": f"{_WHAT} by a second frozen model: the critic trained with the first",
        "best": f"{_WHAT}: the best critique of each draft",
    },
    checks=(
        Check("supervised", above=0.0),
        Check("supervised", "random", above=0.0),
        Check("trained", "supervised", above=0.1),
        Check("trained", "picked", above=0.0),
        Check("shuffled", "supervised", below=0.1),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "Plain REINFORCE with the other critiques of a draft as baseline takes the place of PPO. A critique is one of "
        "six sentences, the frozen model a table; no critic mends nothing, since the model does not revise unasked. "
        "What the critic learns is the model it was trained with: nothing is claimed of a second one. Six other seeds "
        "were seen before the claim was written."
    ),
)
