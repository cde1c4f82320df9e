"""Values of unfinished outputs from the whole ones that begin with them: exact where all are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import EnumerableBase, Floats, InputError, Item, Parts, Potential, Scale, Scores
from heedful.core.algebra import Expressible
from heedful.evidence.steps import PrefixKind
from heedful.models import Paths

Begun = tuple[Parts, Parts]


@dataclass(frozen=True, slots=True, eq=False)
class ValueTree(Expressible):
    """The average score of the whole outputs known to begin with a prefix; of a whole output, its score.

    V = Σ w s / Σ w over them, or where `beta` is given the soft β log(Σ w e^{s/β} / Σ w). Equal prefixes of different
    outputs are one node of a tree, so that each tells of all that was seen to follow it (in search: Feng et al. 2023,
    "AlphaZero-like tree-search can guide large language model decoding and training", section 4). Prefixes that
    no output has are worth `missing`; where that is None they raise InputError.
    """

    score: Potential
    known: Mapping[Begun, float]
    beta: float | None = None
    kind: PrefixKind = "mean"
    under: str | None = None
    missing: float | None = None

    @property
    def scale(self) -> Scale:
        return self.score.scale

    @classmethod
    def of(
        cls,
        paths: Paths,
        score: Potential,
        *,
        scores: Floats | None = None,
        beta: float | None = None,
        log_weights: Floats | None = None,
        under: str | None = None,
        missing: float | None = None,
    ) -> Self:
        """From sampled outputs, which weigh the same unless `log_weights` [n] says how much; `scores` [n] where known.

        Of kind mean, or, since the log of an average of samples is below that of what it estimates on average, a twist.
        """
        weights = np.zeros(len(paths)) if log_weights is None else log_weights
        told = score(paths.items).mean if scores is None else scores
        known = _averages(paths, told, weights, beta)
        return cls(score, known, beta, "mean" if beta is None else "twist", under, missing)

    def met(self, items: Sequence[Item]) -> NDArray[np.bool_]:
        """Which prefixes [n] some output has."""
        return np.array([(item.context, item.output) in self.known for item in items], dtype=bool)

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self.score(items)

    def prefix(self, items: Sequence[Item]) -> Scores:
        met = self.met(items)
        if self.missing is None and not met.all():
            what, where = "no output of the tree begins with this prefix", f"item {items[int(met.argmin())].key}"
            raise InputError(what, where=where, fix="say what such prefixes are worth: missing")
        return Scores(np.array([self.known.get((item.context, item.output), self.missing) for item in items], float))


def exact_values(
    base: EnumerableBase,
    contexts: Sequence[Parts],
    score: Potential,
    *,
    beta: float | None = None,
    under: str | None = None,
) -> ValueTree:
    """E[score | prefix] under the base in these contexts, or with `beta` the soft value β log E[e^{score/β} | prefix].

    By listing every output: the truth for what is learnt or drawn, and the value by which guided decoding at strength
    1/β is exact. Raises InputError, when asked, for a prefix that the base never writes.
    """
    items = [item for context in contexts for item in base.support(context)]
    log_prob = base.log_prob(items)
    found = ValueTree.of(Paths.of(base, items), score, beta=beta, log_weights=log_prob, under=under)
    return replace(found, kind="mean" if beta is None else "soft")


def _averages(paths: Paths, scores: Floats, log_weights: Floats, beta: float | None) -> dict[Begun, float]:
    number: dict[Begun, int] = {}
    places = [
        (number.setdefault((item.context, item.output), len(number)), row)
        for row, begun in enumerate(paths.begun)
        for item in begun
    ]
    node, row = np.array(places, dtype=np.intp).reshape(-1, 2).T
    mass, total = np.full(len(number), -np.inf), np.full(len(number), -np.inf)
    np.logaddexp.at(mass, node, log_weights[row])
    share = log_weights[row] - mass[node]
    if beta is None:
        total = np.bincount(node, np.exp(share) * scores[row], len(number))
    else:
        np.logaddexp.at(total, node, share + scores[row] / beta)
        total *= beta
    return dict(zip(number, total.tolist(), strict=True))
