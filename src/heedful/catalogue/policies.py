"""What miniatures on online learning share: policies that are exact tilts of a base by what answers tell so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from heedful.catalogue.asking import Asking, Believed, Pair
from heedful.catalogue.settings import listed
from heedful.core import Floats, Parts
from heedful.elicitation import optimistic
from heedful.models import TableModel
from heedful.worlds import LanguageWorld
from heedful.worlds.language import WORDS

Drawn = Callable[[TableModel, Believed, int, np.random.Generator], Sequence[Pair]]
"""(policy, beliefs, how many, rng) -> the pairs to compare next."""


@dataclass(frozen=True, eq=False)
class Online:
    """Answers of a small language, of true utility known, to its six questions; rewards linear in given features.

    features: columns [n, d] of every answer to every question; None: how often each word occurs, to which question it
    may be, so that no reward on them is quite right. strength: of the tilt; 1/strength weighs KL(policy ‖ base).
    system: the system of the world that is the base; None: the world's own base.
    """

    world: LanguageWorld
    features: Callable[[LanguageWorld], Floats] | None = None
    strength: float = 2.0
    system: str | None = None

    @cached_property
    def base(self) -> TableModel:
        return self.world.base(self.system)

    @cached_property
    def contexts(self) -> tuple[Parts, ...]:
        return self.world.contexts

    @cached_property
    def asking(self) -> Asking:
        items = tuple(listed(self.base, self.contexts))
        design = _counts(self.world) if self.features is None else self.features(self.world)
        return Asking(items, design, self.world.truth(items), draws=64)

    def policy(self, believed: Believed, optimism: float = 0.0) -> TableModel:
        return optimistic(self.base, believed, self.contexts, strength=self.strength, optimism=optimism)

    def value(self, policy: TableModel) -> float:
        """E[true utility] − KL(policy ‖ base)/strength, in nats, mean over questions."""
        found = []
        for context in self.contexts:
            items, log_prob = policy.rows[context]
            away = (log_prob - self.base.log_prob(items)) / self.strength
            found.append(np.exp(log_prob) @ (self.world.truth(items) - away))
        return float(np.mean(found))

    @cached_property
    def best(self) -> float:
        """The most that a policy can reach: log Σ base · exp(strength · truth), over strength, mean over questions."""
        found = [
            logsumexp(log_prob + self.strength * self.world.truth(items)) for items, log_prob in self.base.rows.values()
        ]
        return float(np.mean(found) / self.strength)

    def asked(self, count: int, rng: np.random.Generator) -> list[Parts]:
        """Questions at random."""
        return [self.contexts[number] for number in rng.integers(len(self.contexts), size=count).tolist()]

    def learn(self, start: Sequence[Pair], drawn: Drawn, rounds: Sequence[int], seed: int) -> list[Believed]:
        """Beliefs after the answers on `start` and after each round, in which so many pairs are compared."""
        rng = np.random.default_rng([seed, 78])
        pairs, answers = list(start), self.asking.answers(start, rng)
        found = [self.asking.believed(pairs, answers, rng)]
        for count in rounds:
            more = drawn(self.policy(found[-1]), found[-1], count, rng)
            pairs += more
            answers = np.concatenate([answers, self.asking.answers(more, rng)])
            found.append(self.asking.believed(pairs, answers, rng))
        return found


def _counts(world: LanguageWorld) -> Floats:
    """How often each word occurs [6 s, 8] in each answer, question after question."""
    counts = np.array([[output.split().count(word) for word in WORDS] for output in world.outputs], dtype=np.float64)
    return np.tile(counts, (len(world.contexts), 1))
