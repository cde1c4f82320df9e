"""003-098: a model in context as warm start, sampler and surrogate of a search over three numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Floats
from heedful.models import FunctionWriter, Writer
from heedful.models.marked import block
from heedful.rewriting import (
    Begun,
    BySurrogate,
    FromHistory,
    ModelSurrogate,
    Mutated,
    Number,
    ProcessSurrogate,
    Proposer,
    search,
)
from heedful.worlds.played import stream

_NAMES = "rate", "depth", "decay"
_TRIALS, _START, _CANDIDATES, _SAMPLES = 15, 5, 6, 3
_AT = (_START, 10, _TRIALS)
_WAYS = {
    "LLAMBO": "warm start, aimed candidates and surrogate by the model",
    "process": "the same, with a Gaussian process as surrogate",
    "no surrogate": "the same, every candidate tried as it comes",
    "no aim": "the same with the model as surrogate, of random candidates",
    "GP-EI": "random start and candidates, a Gaussian process as surrogate",
    "GP-EI, warm": "the same, with the model's warm start",
    "random": "random values",
    "misled": "LLAMBO, where what the model believes beforehand is wrong",
}
_BLOCK = re.compile(r"<([0-9a-f]{12}(?:-\d+)?)>\n(.*?)\n</\1>", re.DOTALL)
_NUMBERS = tuple(Number(0.5, name, low=0, high=1) for name in _NAMES)


@dataclass(frozen=True, eq=False)
class _Bumps:
    """The greatest of four bumps over the unit cube, `tops` [4, 3]; the first is of height 1, the best there is."""

    tops: Floats
    heights: Floats
    widths: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Bumps:
        heights = np.concatenate([[1.0], rng.uniform(0.5, 0.85, 3)])
        return cls(rng.uniform(0.1, 0.9, (4, 3)), heights, rng.uniform(0.15, 0.35, 4))

    def __call__(self, values: Mapping[str, Any]) -> float:
        row = np.array([values[name] for name in _NAMES])
        each = self.heights * np.exp(-((row - self.tops) ** 2).sum(axis=1) / (2 * self.widths**2))
        return float(each.max())


@dataclass(frozen=True, eq=False)
class _Model:
    """Plays a model that believes beforehand that the best is near `belief` [3], and learns in context: it foresees by
    the trials nearby that it is shown, those shown last counting three times as much as those shown first."""

    belief: Floats

    def __call__(self, messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> str:
        text, rng = str(messages[0]["content"]), stream(messages, parameters)
        rows, earned = _shown(text)
        blocks = _BLOCK.findall(text)
        if "Write it as a number" in text:
            mark, candidate = blocks[-1]
            share = self.foreseen(_rows(candidate), rows, earned)[0] + 0.03 * rng.normal()
            return block(f"{np.clip(share, 0, 1):.3f}", mark)
        values = self._written(text, rows, earned, rng)
        parts = [mark for mark, _ in blocks if "-" in mark]
        return "\n".join(block(f"{value:.4f}", mark) for mark, value in zip(parts, values, strict=True))

    def foreseen(self, candidates: Floats, rows: Floats, earned: Floats) -> Floats:
        """What each candidate [m, 3] would earn [m], by the rows shown [n, 3]."""
        prior = 0.1 + 0.6 * np.exp(-cdist(candidates, self.belief[None], "sqeuclidean")[:, 0] / (2 * 0.3**2))
        near = np.exp(-cdist(candidates, rows, "sqeuclidean") / (2 * 0.15**2)) * np.linspace(0.5, 1.5, len(rows))
        return np.asarray((near @ earned + 0.1 * prior) / (near.sum(axis=1) + 0.1))

    def _written(self, text: str, rows: Floats, earned: Floats, rng: np.random.Generator) -> Floats:
        """Of 30 values, some as believed and some near what earned most, one foreseen near what is asked for."""
        believed = self.belief + 0.2 * rng.normal(size=(30, 3))
        if not len(rows):
            return np.asarray(np.clip(believed[0], 0, 1))
        good = rows[np.argsort(-earned)[:3]][rng.integers(min(3, len(rows)), size=15)]
        ideas = np.clip(np.vstack([believed[:15], good + 0.1 * rng.normal(size=(15, 3))]), 0, 1)
        found = re.search(r"would earn ([\d.]+) of 1", text)
        off = np.abs(self.foreseen(ideas, rows, earned) - (float(found[1]) if found else 1.0))
        return np.asarray(ideas[int(np.argmin(off + 0.05 * rng.exponential(size=30)))])


def _shown(text: str) -> tuple[Floats, Floats]:
    told = re.findall(r"^earned ([\d.]+) of 1$", text, re.MULTILINE)
    return _rows(text)[: len(told)], np.array(told, dtype=np.float64)


def _rows(text: str) -> Floats:
    columns = [re.findall(rf"^{name}: ([-\d.e]+)$", text, re.MULTILINE) for name in _NAMES]
    return np.array(columns, dtype=np.float64).T.reshape(-1, len(_NAMES))


def _ways(model: Writer) -> dict[str, Proposer]:
    start, aimed = FromHistory(model, n=_START - 1), FromHistory(model, n=_CANDIDATES, beyond=0.1)
    foreseen, process = ModelSurrogate(model, samples=_SAMPLES), ProcessSurrogate(noise=0.01)
    counts = 1, _START - 1, _CANDIDATES, 200
    luck = {n: Mutated(lambda _, __, rng: float(rng.random()), n=n, every=True) for n in counts}
    return {
        "LLAMBO": Begun(start, BySurrogate(aimed, foreseen)),
        "process": Begun(start, BySurrogate(aimed, process)),
        "no surrogate": Begun(start, FromHistory(model, beyond=0.1)),
        "no aim": Begun(start, BySurrogate(luck[_CANDIDATES], foreseen)),
        "GP-EI": Begun(luck[_START - 1], BySurrogate(luck[200], process)),
        "GP-EI, warm": Begun(start, BySurrogate(luck[200], process)),
        "random": luck[1],
    }


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3098, seed])
    bumps = _Bumps.drawn(rng)
    near, wrong = bumps.tops[0] + 0.15 * rng.normal(size=3), rng.uniform(0.1, 0.9, 3)
    knows, misled = (FunctionWriter(_Model(belief)) for belief in (near, wrong))
    ways = {**_ways(knows), "misled": _ways(misled)["LLAMBO"]}
    told: dict[str, float] = {}
    for name, proposer in ways.items():
        done = search(_NUMBERS, proposer, bumps, trials=6 if quick else _TRIALS, rng=rng)
        for count in _AT:
            told[f"{name}, {count}"] = 1 - max(own.mean for own in done[:count])
    return told


ENTRY = Entry(
    id="003-098",
    title="Large Language Models to Enhance Bayesian Optimization",
    area="rewriting/elicitation",
    citation="Liu et al. 2024",
    claim=(
        "Three numbers, of which the greatest of four bumps is to be found, by a model that believes within 0.15 (sd, "
        "each) where it is. What the best so far lacks of 1 is less after 5 trials by the model's warm start than by a "
        "random one. After 10, with the model as warm start, sampler and surrogate, it is less than with a Gaussian "
        "process and expected improvement, or random values; each part helps: less than where the model's candidates "
        "are tried unranked, where random ones are ranked, and where a Gaussian process ranks them; and its warm start "
        "helps the Gaussian process."
    ),
    configuration=(
        "rewriting.search with Begun(FromHistory(n=4), BySurrogate(FromHistory(n=6, beyond=0.1), "
        "ModelSurrogate(samples=3))); ProcessSurrogate and Mutated(every=True) in the place of parts."
    ),
    measures={
        f"{name}, {count}": f"what the best of {count} trials lacks of the best there is: {what}"
        for name, what in _WAYS.items()
        for count in _AT
    },
    checks=(
        Check("GP-EI, 5", "LLAMBO, 5", above=0.0),
        Check("GP-EI, 10", "LLAMBO, 10", above=0.0),
        Check("random, 10", "LLAMBO, 10", above=0.0),
        Check("no surrogate, 10", "LLAMBO, 10", above=0.0),
        Check("no aim, 10", "LLAMBO, 10", above=0.0),
        Check("process, 10", "LLAMBO, 10", above=0.0),
        Check("GP-EI, 10", "GP-EI, warm, 10", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The model is played: it smooths over the trials that it is shown, the last ones most, and draws what it "
        "writes from a belief and from near what was best. How much a belief near the truth is worth is set here, not "
        "measured; `misled` has one that knows nothing, and is the control. A smoother foresees less well than a "
        "Gaussian process, whose length and width are chosen by evidence; a transformer trained on random functions "
        "may do better. All ways try the same values first."
    ),
    seeds=SEEDS[:30],
)
