"""004-205: a reward that writes a critique first, against one that scores at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import compared
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import FittedHead, Linear, Votes
from heedful.sampling import voted

_STEPS, _FEATURES, _SAMPLES = 6, 4, (1, 4, 16)
_COST = 1.2  # nats of utility lost by a wrong step
_CRITIC = Linear(prior_sd=1.0, pairs=2)


@dataclass(frozen=True, eq=False)
class Responses:
    """n responses of six steps: features of each step [n, 6, 4], and which are wrong [n, 6]."""

    steps: Floats
    wrong: Floats

    @classmethod
    def drawn(cls, n: int, rng: np.random.Generator) -> Self:
        """A step is wrong by how two of its features go together, and by a third."""
        steps = rng.normal(size=(n, _STEPS, _FEATURES))
        odds = 2.5 * steps[..., 0] * steps[..., 1] + 1.5 * steps[..., 2] - 1.0
        return cls(steps, (rng.random((n, _STEPS)) < expit(odds)).astype(np.float64))

    @property
    def utility(self) -> Floats:
        return np.asarray(-_COST * self.wrong.sum(axis=1))

    @property
    def pooled(self) -> Floats:
        """What a reward sees that looks once: the sums over steps [n, 4]."""
        return np.asarray(self.steps.sum(axis=1))

    @property
    def crossed(self) -> Floats:
        """What can be seen of each step by looking at it alone: features and their products [n, 6, 15]."""
        i, j = np.triu_indices(_FEATURES)
        one = np.ones((*self.wrong.shape, 1))
        crossed: Floats = np.concatenate([self.steps, self.steps[..., i] * self.steps[..., j], one], axis=2)
        return crossed


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4205, seed])
    n = 100 if quick else 300
    marked, judged = Responses.drawn(100, rng), Responses.drawn(2 * n, rng)
    votes = compared(judged.utility, rng)
    critic = _critic(marked, rng)
    own = _critiques(critic, judged, 1, rng)[0]
    fresh = Responses.drawn(2000 if quick else 8000, rng)
    said = _critiques(critic, fresh, max(_SAMPLES), rng)
    scores = {
        "at once": _reward(judged.pooled, votes, rng).mean(fresh.pooled),
        "crossed": _reward(judged.crossed.sum(axis=1), votes, rng).mean(fresh.crossed.sum(axis=1)),
    }
    heads = {"critique": own, "of marks": judged.wrong}
    for name, written in heads.items():
        head = _reward(_with(judged, written), votes, rng)
        each = np.stack([head.mean(_with(fresh, critique)) for critique in said])
        for m in _SAMPLES if name == "critique" else (1,):
            scores[f"{name}, {m}"] = voted(each[:m])
    figures = {f"right, {name}": _right(score, fresh.utility) for name, score in scores.items()}
    return figures | {f"best of 8, {name}": _best(score, fresh.utility) for name, score in scores.items()}


def _critic(marked: Responses, rng: np.random.Generator) -> FittedHead:
    """P(a step is wrong), learnt from marks of steps."""
    design = marked.crossed.reshape(marked.wrong.size, -1)
    rows = np.arange(len(design))
    votes = Votes.of(rows, np.full(len(rows), len(rows)), marked.wrong.ravel())
    return _CRITIC.fit(np.vstack([design, np.zeros(design.shape[1])]), votes, rng=rng)


def _critiques(critic: FittedHead, responses: Responses, m: int, rng: np.random.Generator) -> Floats:
    """Sampled critiques [m, n, 6]: which steps each calls wrong."""
    crossed = responses.crossed
    chance = expit(critic.mean(crossed.reshape(-1, crossed.shape[2]))).reshape(responses.wrong.shape)
    return np.asarray(rng.random((m, *chance.shape)) < chance, np.float64)


def _with(responses: Responses, critique: Floats) -> Floats:
    """What a reward sees that reads a critique too [n, 5]."""
    return np.column_stack([responses.pooled, critique.sum(axis=1)])


def _reward(design: Floats, votes: Floats, rng: np.random.Generator) -> FittedHead:
    first = np.arange(0, len(design), 2)
    return Linear().fit(design, Votes.of(first, first + 1, votes, group=first), rng=rng)


def _right(score: Floats, utility: Floats) -> float:
    """Pairs of different utility put in the right order, per cent."""
    gap, truth = score[::2] - score[1::2], utility[::2] - utility[1::2]
    apart = truth != 0
    return float(100 * (np.sign(gap[apart]) == np.sign(truth[apart])).mean())


def _best(score: Floats, utility: Floats) -> float:
    """Mean utility of the best of each eight by score, nats."""
    chosen = score.reshape(-1, 8).argmax(axis=1)
    return float(utility.reshape(-1, 8)[np.arange(len(chosen)), chosen].mean())


_NAMES = {
    "at once": "reward of the sums over steps",
    "critique, 1": "reward of these and one critique, trained on critiques of its own",
    "critique, 4": "the same, mean over 4 critiques",
    "critique, 16": "the same, mean over 16 critiques",
    "of marks, 1": "reward of these and one critique, trained on marks without fault",
    "crossed": "reward of sums of all products of features, no critique",
}

ENTRY = Entry(
    id="004-205",
    title="Critique-out-Loud Reward Models",
    area="preference/sampling",
    citation="Ankner et al. 2024",
    claim=(
        "Responses of six steps, worth less for each wrong one; whether a step is wrong shows in how two of its "
        "features go together. A critic learnt from marks of 100 responses writes which steps it holds for wrong. A "
        "reward fitted to 300 comparisons that reads one critique beside the sums of features puts more fresh pairs "
        "in the right order than one that reads the sums alone, by more than 4 points; trained on sampled critiques "
        "it does so more often than trained on marks without fault; the mean over 16 critiques is better than one; "
        "and the best of 8 by it is worth more than by the reward that scores at once."
    ),
    configuration=(
        "preference.heads.Linear as critic (on marks) and as reward (on comparisons); sampling.voted over critiques; "
        "the chat form is evidence.ScoreJudge."
    ),
    measures={
        **{f"right, {name}": f"pairs in the right order, per cent, {what}" for name, what in _NAMES.items()},
        **{f"best of 8, {name}": f"mean utility of the best of 8, nats, {what}" for name, what in _NAMES.items()},
    },
    checks=(
        Check("right, critique, 1", "right, at once", above=4.0),
        Check("right, critique, 1", "right, of marks, 1", above=0.0),
        Check("right, critique, 16", "right, critique, 1", above=0.0),
        Check("best of 8, critique, 16", "best of 8, at once", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "That a reward which looks once sees sums alone is the work's thesis put into the world, not tested by it. A "
        "control that is given every product of features needs no critique, and is better than 16 of them here: "
        "critiques help a reward that cannot see what they say. Critiques are ones and zeros, and cost 600 marks more "
        "than the reward that scores at once."
    ),
)
