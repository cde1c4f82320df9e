"""Which solutions to have marked step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from heedful.core import Item, Potential, Queries, UsageError


@dataclass(frozen=True)
class Convincing:
    """The `batch` solutions that convince most: a `share` of them of those known to be wrong, the rest of all left.

    Called with a potential that is the log-probability that a solution is right, as `evidence.Steps` is, in place of a
    posterior, and a pool of single solutions. `wrong` says which are known to be wrong, by their answer (Lightman et
    al. 2023, "Let's verify step by step", section 4.2). `expected_gain` is the entropy in nats of whether each is
    right: no more than that can be told by hearing it.
    """

    wrong: Callable[[Item], bool]
    batch: int = 10
    share: float = 0.8

    def __post_init__(self) -> None:
        if self.batch < 1 or not 0 <= self.share <= 1:
            what = f"a batch is of at least 1 and a share in [0, 1], not {self.batch} and {self.share}"
            raise UsageError(what, where="Convincing")

    def __call__(self, posterior: Potential, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        """Raises UsageError where a question is of several items, or the potential is no log-probability."""
        if posterior.scale != "log_prob" or any(len(question) != 1 for question in pool):
            fix = "give evidence.Steps or another log-probability, and a pool of single solutions"
            raise UsageError(
                "solutions are asked about one by one, by how likely each is right", where="Convincing", fix=fix
            )
        score = posterior([item for (item,) in pool]).mean
        order = np.lexsort((rng.random(len(pool)), -score))
        wrong = np.array([self.wrong(pool[row][0]) for row in order.tolist()], dtype=bool)
        first = order[wrong][: round(self.share * self.batch)]
        rest = order[~np.isin(order, first)][: self.batch - len(first)]
        chosen = np.concatenate([first, rest])
        p = np.exp(score[chosen])
        questions = tuple(pool[row] for row in chosen.tolist())
        return Queries(questions, (None,) * len(chosen), entr(p) + entr(1 - p), np.ones(len(chosen)))
