"""004-008: a teacher's remarks on walks, read as sentiment about features, with and without what they pass over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference import Gaussian, Lexicon, heard
from heedful.preference.heads import Linear, Votes
from heedful.worlds import GridWorld

_KINDS, _SIZE, _STEPS, _FRESH = 10, 5, 12, 10
_PRIOR, _WAVERING, _NOISE, _SILENCE = 0.5, 0.3, 0.5, 0.5
_ROUNDS = (3, 10)
_NAMES = tuple(f"k{own}" for own in range(_KINDS))
_WORDS = ("dreadful", "terrible", "bad", "poor", "okay", "fine", "good", "great", "wonderful")
_MOST = len(_WORDS) // 2
_LEXICON = Lexicon({name: name for name in _NAMES}, {word: own - _MOST for own, word in enumerate(_WORDS)})


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4008, seed])
    weights = rng.normal(0, _PRIOR, _KINDS)
    rounds, fresh = ((1, 2), [_grid(seed, 0)]) if quick else (_ROUNDS, [_grid(seed, -own) for own in range(_FRESH)])
    grids = [_grid(seed, 1 + own) for own in range(max(rounds))]
    pairs = np.array([[_walk(grid, rng) for _ in range(2)] for grid in grids])
    figures: dict[str, float] = {}
    for arm, learn in _ARMS.items():
        said_by = np.random.default_rng([48, seed])
        for place, named in zip(rounds, _ROUNDS, strict=True):
            found = learn(weights, pairs[:place], said_by)
            figures[f"{arm}, {named}"] = _regret(found, fresh, weights)
    return figures


def _regret(found: Floats, fresh: list[GridWorld], weights: Floats) -> float:
    """By how much the policies best under `found` are worth less than the best, on average over cells and grids."""
    worth = [[own.value(own.process().best(by), weights) for by in (weights, found)] for own in fresh]
    best, gained = np.mean(worth, axis=0)
    return float(best - gained)


def _grid(seed: int, place: int) -> GridWorld:
    return GridWorld(_SIZE, _KINDS, discount=0.9, seed=1000 * seed + 500 + place)


def _walk(world: GridWorld, rng: np.random.Generator) -> Floats:
    """What a learner with a mind of its own gathers [kinds] from a random cell where no walk ends."""
    start, mind = int(rng.choice(np.flatnonzero(~world.ends))), rng.normal(0, _PRIOR, _KINDS)
    return np.asarray(world.gathered(world.paths(world.process().best(mind)[None], start, _STEPS, rng=rng))[0])


def _told(weights: Floats, pairs: Floats, rng: np.random.Generator, *, telling: bool, silence: float | None) -> Floats:
    """Weights after a remark on each first walk: a word on the whole, and on what matters where it is a `telling` one,
    else on what comes to mind."""
    belief = Gaussian.prior(_PRIOR**2 * np.eye(_KINDS))
    for gathered in pairs[:, 0]:
        parts = gathered * weights
        chance = 1 - np.exp(-(parts**2) / (2 * _SILENCE**2)) if telling else 0.5 * (gathered > 0)
        named = np.flatnonzero(rng.random(_KINDS) < chance)
        words = [f"the {_NAMES[own]} was {_word(parts[own], rng)}" for own in named]
        remark = f"{_word(parts.sum(), rng)}. {' and '.join(words)}"
        belief = heard(belief, _LEXICON(remark), gathered, _NAMES, noise=_NOISE, silence=silence)
    return belief.mean


def _rated(weights: Floats, pairs: Floats, rng: np.random.Generator) -> Floats:
    """Weights after a word on each first walk as a whole."""
    belief = Gaussian.prior(_PRIOR**2 * np.eye(_KINDS))
    for gathered in pairs[:, 0]:
        said = _LEXICON(_word(gathered @ weights, rng))
        belief = heard(belief, said, gathered, _NAMES, noise=_NOISE)
    return belief.mean


def _compared(weights: Floats, pairs: Floats, rng: np.random.Generator) -> Floats:
    """Weights after a comparison of each two walks, by their worth but for wavering."""
    lead = (pairs[:, 0] - pairs[:, 1]) @ weights + _WAVERING * rng.normal(size=len(pairs))
    votes = Votes.of(2 * np.arange(len(lead)), 2 * np.arange(len(lead)) + 1, lead > 0)
    return Linear(prior_sd=1.0, pairs=2).fit(pairs.reshape(-1, _KINDS), votes, rng=rng).mean(np.eye(_KINDS))


def _word(part: float, rng: np.random.Generator) -> str:
    """The word for a part of the utility, which the teacher feels with some wavering."""
    return _WORDS[int(np.clip(np.rint(part + _WAVERING * rng.normal()), -_MOST, _MOST)) + _MOST]


_ARMS: Mapping[str, Callable[[Floats, Floats, np.random.Generator], Floats]] = {
    "literal": partial(_told, telling=True, silence=None),
    "pragmatic": partial(_told, telling=True, silence=_SILENCE),
    "literal, at random": partial(_told, telling=False, silence=None),
    "pragmatic, at random": partial(_told, telling=False, silence=_SILENCE),
    "rated": _rated,
    "compared": _compared,
}
_SAID = {
    "literal": "remarks read literally",
    "pragmatic": "remarks and what they pass over",
    "literal, at random": "remarks that name what comes to mind, read literally",
    "pragmatic, at random": "remarks that name what comes to mind, and what they pass over",
    "rated": "a word on each walk as a whole",
    "compared": "comparisons of each two walks",
}

ENTRY = Entry(
    id="004-008",
    title="Learning Rewards from Linguistic Feedback",
    area="feedback/preference",
    citation="Sumers et al. 2021",
    claim=(
        "Grids of 25 cells of ten kinds; a teacher remarks on walks in nine words: on the whole, and on the kinds "
        "whose part in its worth stands out. Regret is how much less the policy best under the learnt weights is "
        "worth than the best, on fresh grids. After 10 remarks it is less than half of what words on the whole alone "
        "leave, after 3 less than 0.7 of what 3 comparisons of two walks leave. Read pragmatically, with what they "
        "pass over, 3 and 10 remarks leave less than read literally; where the teacher names kinds at random, 10 leave "
        "no less, by 0.1."
    ),
    configuration=(
        "preference.Lexicon reads remarks as aspects; preference.heard updates a preference.Gaussian over weights, "
        "literally (silence=None) or pragmatically (silence=0.5); heads.Linear on comparisons; worlds.GridWorld."
    ),
    measures={
        f"{arm}, {n}": f"regret on fresh grids, discounted utility, {n} times {what}"
        for arm, what in _SAID.items()
        for n in _ROUNDS
    },
    checks=(
        Check("literal, 10", "rated, 10", factor=0.5, below=0.0),
        Check("literal, 3", "compared, 3", factor=0.7, below=0.0),
        Check("pragmatic, 3", "literal, 3", below=0.0),
        Check("pragmatic, 10", "literal, 10", below=0.0),
        Check("pragmatic, at random, 10", "literal, at random, 10", above=-0.1),
    ),
    miniature=miniature,
    seeds=tuple(range(80)),
    beyond=(
        "The work's pragmatic learner is known here by its abstract alone; this one takes a kind to be named with "
        "probability 1 − exp(−part² / 2 · 0.5²), as this teacher does, so that silence is an exact observation. All "
        "learners see the same walks, of learners with minds of their own. Trials on other seeds: where learners "
        "walked by what they had learnt, comparisons of their walk with another left least regret, since the other "
        "walk explored; where remarks did not speak of the whole, reading what they passed over gained nothing (under "
        "a prior about 0 silence narrows a weight where it already is, and matters by what is then left to explain the "
        "word on the whole); with five words in place of nine, large parts were cut to the last word, and all "
        "sentiments misled. The end-to-end inference network, trained on many teachers, is left out."
    ),
)
