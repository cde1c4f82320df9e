"""What miniatures on asking share: a linear reward that learns from answers to questions, round after round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from heedful.core import Floats, Item, Queries, Scores
from heedful.preference.heads.linear import FittedLinear, Linear
from heedful.preference.heads.votes import Votes

Pair = tuple[Item, Item]


@dataclass(frozen=True, eq=False)
class Believed:
    """A head fitted to answers, as a posterior over items whose features [n, d] are known."""

    design: Floats
    number: Mapping[Item, int]
    fitted: FittedLinear

    def __call__(self, items: Sequence[Item]) -> Scores:
        rows = self.design[[self.number[item] for item in items]]
        return Scores(self.fitted.mean(rows), self.fitted.draws(rows))


@dataclass(frozen=True, eq=False)
class Asking:
    """Items with features [n, d] and true utilities [n] (nats), pairs of which people compare at temperature 1."""

    items: tuple[Item, ...]
    design: Floats
    utility: Floats
    prior_sd: float = 1.0
    draws: int = 128

    @cached_property
    def number(self) -> dict[Item, int]:
        return {item: place for place, item in enumerate(self.items)}

    def places(self, pairs: Sequence[tuple[Item, ...]]) -> np.ndarray:
        """The numbers of the items of each pair [n, 2]."""
        return np.array([[self.number[item] for item in pair] for pair in pairs], dtype=np.intp).reshape(-1, 2)

    def answers(self, pairs: Sequence[tuple[Item, ...]], rng: np.random.Generator) -> Floats:
        """1 where the first of a pair is preferred, else 0 [n]."""
        first, second = self.places(pairs).T
        return np.asarray(rng.random(len(pairs)) < expit(self.utility[first] - self.utility[second]), np.float64)

    def believed(self, pairs: Sequence[tuple[Item, ...]], answers: Floats, rng: np.random.Generator) -> Believed:
        """What the answers tell."""
        first, second = self.places(pairs).T
        votes = Votes.of(first, second, answers)
        fitted = Linear(self.prior_sd, pairs=self.draws // 2).fit(self.design, votes, rng=rng)
        return Believed(self.design, self.number, fitted)

    def learn(
        self, pool: Sequence[Pair], rule: Callable[[list[Pair]], Any], start: Sequence[Pair], rounds: int, seed: int
    ) -> list[Believed]:
        """Beliefs after the `start` and after each of `rounds` in which a rule chooses from what is left of the pool.

        `rule` makes the rule from the pairs asked about so far.
        """
        rng = np.random.default_rng([seed, 77])
        asked, left = list(start), [pair for pair in pool if pair not in set(start)]
        answers = self.answers(asked, rng)
        found = [self.believed(asked, answers, rng)]
        for _ in range(rounds):
            queries: Queries = rule(asked)(found[-1], left, rng=rng)
            asked += queries.items
            taken = set(queries.items)
            left = [pair for pair in left if pair not in taken]
            answers = np.concatenate([answers, self.answers(queries.items, rng)])
            found.append(self.believed(asked, answers, rng))
        return found
