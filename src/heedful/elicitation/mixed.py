"""A rule with a share of questions at random, so that the probability with which each was asked is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedful.core import AcquisitionRule, Floats, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing
from heedful.elicitation.beliefs import Indices
from heedful.elicitation.rules import ExpectedInformationGain, Random


@dataclass(frozen=True)
class Mixed:
    """The first questions of a rule, and in place of its last ones pairs at random, so that any pair may be asked.

    Of a batch of b, b · `explore` questions are drawn evenly from all pairs that the rule keeps no place for: rounded
    down or up at random, so that this is their mean number. `propensity` is the probability, given what the rule said,
    with which each question was among those asked: one for what is asked surely. Inference that weighs by it
    (`preference.rate_asked`, `preference.asked_win_rate`) then holds though the rule went by the answers.
    `batch` is the rule's own where None. `expected_gain` of a random pair is its own information.
    """

    rule: AcquisitionRule = field(default_factory=ExpectedInformationGain)
    explore: float = 0.2
    batch: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.explore <= 1:
            raise UsageError(f"the share to explore is above 0, at most 1, not {self.explore}", where="Mixed")
        check_batch(1 if self.batch is None else self.batch)

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        rule = self.rule if self.batch is None else replace(self.rule, batch=self.batch)  # type: ignore[type-var]
        best, every = rule(posterior, pool, rng=rng), Random(len(pool))(posterior, pool, rng=rng)
        place = {frozenset(question): place for place, question in enumerate(best.items)}
        size, n = len(best.items), len(every.items)
        number = int(self.explore * size + rng.random())
        kept = np.arange(size - number)
        rank = np.array([place.get(frozenset(question), size) for question in every.items])
        drawn = np.flatnonzero(rank >= len(kept))[:number]
        chance = _included(np.concatenate([kept, rank[drawn]]), size, n, self.explore * size)
        return Queries(
            (*best.items[: len(kept)], *(every.items[row] for row in drawn.tolist())),
            (*best.rater[: len(kept)], *(every.rater[row] for row in drawn.tolist())),
            np.concatenate([best.expected_gain[kept], every.expected_gain[drawn]]),
            np.concatenate([best.cost[kept], every.cost[drawn]]),
            chance,
        )


def _included(rank: Indices, size: int, n: int, explored: float) -> Floats:
    """P(a question is asked) by its rank [q] with the rule, of `size` out of n, `explored` of them at random (mean).

    With k at random, the first size − k are asked surely and each other one with probability k / (n − size + k); k is
    one of the whole numbers next to `explored`.
    """
    few = int(explored)
    chances = [np.where(rank < size - k, 1.0, k / max(n - size + k, 1)) for k in (few, few + 1)]
    return np.asarray((few + 1 - explored) * chances[0] + (explored - few) * chances[1])
