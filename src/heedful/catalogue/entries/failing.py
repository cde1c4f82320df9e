"""004-021: which answers to have checked, so that the patterns in which a classifier fails come to light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import FailureSearch, draw_determinantal

_CLUSTERS, _MEMBERS, _DIMENSIONS, _FAILING = 12, 25, 4, 4
_SPREAD, _APART, _SCALE = 0.5, 3.0, 1.0
_BATCH, _ROUNDS, _FOUND = 5, 8, 4
# How often an instance fails within a pattern, and elsewhere.
_SIGNAL = {"clear": (0.95, 0.02), "noisy": (0.6, 0.1)}
_RULES = {
    "determinantal": "drawn by likely failures and diversity",
    "greedy": "likeliest to fail",
    "uncertain": "of the probability nearest to one half",
    "diverse": "drawn by diversity alone",
    "random": "at random",
}


@dataclass(frozen=True)
class _World:
    """Points [n, d] in clusters, of which the first few are patterns of failure, and which instances fail [n]."""

    points: Floats
    cluster: Whole
    failed: Floats

    @classmethod
    def drawn(cls, signal: str, rng: np.random.Generator) -> _World:
        cluster = np.repeat(np.arange(_CLUSTERS), _MEMBERS)
        centre = rng.normal(0, _APART, (_CLUSTERS, _DIMENSIONS))
        points = centre[cluster] + rng.normal(0, _SPREAD, (len(cluster), _DIMENSIONS))
        inside, outside = _SIGNAL[signal]
        failed = rng.random(len(cluster)) < np.where(cluster < _FAILING, inside, outside)
        return cls(points, cluster, failed.astype(np.float64))

    def patterns(self, asked: Whole) -> int:
        """Of how many patterns enough failures were checked."""
        found = np.bincount(self.cluster[asked], weights=self.failed[asked], minlength=_CLUSTERS)
        return int((found[:_FAILING] >= _FOUND).sum())


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4021, seed])
    figures = {}
    for signal in _SIGNAL:
        world = _World.drawn(signal, rng)
        for rule in _RULES:
            search = FailureSearch.of(world.points, _SCALE)
            for _ in range(2 if quick else _ROUNDS):
                asked = _asked(rule, search, rng)
                search = search.tell(asked, world.failed[asked])
            figures[f"{signal}, {rule}"] = float(world.patterns(search.asked))
            figures[f"failures, {signal}, {rule}"] = 100 * float(search.failed.mean())
    return figures


def _asked(rule: str, search: FailureSearch, rng: np.random.Generator) -> Whole:
    if rule == "determinantal":
        return search.ask(_BATCH, rng)
    left = search.left
    if rule == "diverse":
        return np.asarray(left[draw_determinantal(search.similarity[np.ix_(left, left)], _BATCH, rng)])
    p, lot = search.probability[left], rng.random(len(left))
    key = {"greedy": -p, "uncertain": np.abs(p - 0.5), "random": lot}[rule]
    return np.asarray(left[np.lexsort((lot, key))[:_BATCH]])


ENTRY = Entry(
    id="004-021",
    title="Efficient Failure Pattern Identification of Predictive Algorithms",
    area="elicitation/evaluation",
    citation="Nguyen and Nguyen 2023",
    claim=(
        "300 answers in 12 clusters, four of which are patterns of failure: 95 % of their answers fail and 2 % of the "
        "others, or, in noise, 60 % and 10 %. 40 are checked, in eight batches of five, and a pattern is found where "
        "four of its failures were. Batches drawn by the posterior probability of failure and diversity find more "
        "patterns than the likeliest failures, than those of the most uncertain posterior and than answers at random; "
        "in noise too, more than answers at random."
    ),
    configuration=(
        "elicitation.FailureSearch with Gaussian similarity of scale 1; draw_determinantal on the similarity alone; "
        "the first of its probabilities."
    ),
    measures={
        **{
            f"{signal}, {rule}": f"patterns found, of {_FAILING}, checking answers {how}"
            for signal in _SIGNAL
            for rule, how in _RULES.items()
        },
        **{
            f"failures, {signal}, {rule}": f"failures among those checked, per cent, checking answers {how}"
            for signal in _SIGNAL
            for rule, how in _RULES.items()
        },
    },
    checks=(
        Check("clear, determinantal", "clear, greedy", above=0.0),
        Check("clear, determinantal", "clear, uncertain", above=0.0),
        Check("clear, determinantal", "clear, random", above=0.0),
        Check("noisy, determinantal", "noisy, random", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's posterior is a Gaussian process, and how its kernel weighs similarity against probability is not "
        "in the abstract; here each answer's similarity counts as a share of an answer to its neighbours, and the "
        "kernel is the similarity scaled by the roots of the probabilities. Clusters and points are drawn, not "
        "embeddings of data, and the scale of the similarity is given. In noise the likeliest failures found as many "
        "patterns, and the most uncertain no fewer: one check then confirms little."
    ),
)
