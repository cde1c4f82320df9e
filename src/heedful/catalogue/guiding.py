"""What miniatures of guided decoding share: a random language with a known reward, and laws at equal divergence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from heedful.core import Floats, Item, Parts
from heedful.evidence import Rule
from heedful.models import END, SequenceTable
from heedful.sampling import Guide, guided_law
from heedful.target import Target

WORDS = ("ab", "cd", "ef", "gh")
CONTEXT: Parts = Item.of("write").context
Bigram = tuple[str, str]


@dataclass(frozen=True)
class Taste:
    """A language of up to `length` words out of four, each drawn given the one before, and what a person likes of it.

    r(y) = Σ over words of a weight N(0, 0.6²) by the word before + a weight N(0, `ending`²) of the last word. Persons
    like different things of the same language.
    """

    seed: int
    person: int = 0
    length: int = 3
    ending: float = 1.5

    @cached_property
    def base(self) -> SequenceTable:
        rng = np.random.default_rng([1, self.seed])
        histories = [(), *((word,) for word in WORDS)]
        tokens = (*WORDS, END)
        return SequenceTable(
            {own: dict(zip(tokens, rng.dirichlet(np.full(5, 2.0)).tolist(), strict=True)) for own in histories},
            self.length,
        )

    @cached_property
    def weights(self) -> dict[Bigram, float]:
        """By two words; an empty one stands before the first and after the last."""
        rng = np.random.default_rng([2, self.seed, self.person])
        inside = {(one, other): float(rng.normal(0, 0.6)) for one in ("", *WORDS) for other in WORDS}
        return {**inside, **{(word, ""): float(rng.normal(0, self.ending)) for word in WORDS}, ("", ""): 0.0}

    @property
    def reward(self) -> Rule:
        return Rule(lambda item: sum(self.weights[own] for own in bigrams(item)), "liked")

    def gain(self, log_prob: Floats) -> float:
        """How much more is liked, in nats, under a law [s] of all outputs than under the base."""
        items = self.base.support(CONTEXT)
        return float((np.exp(log_prob) - np.exp(self.base.log_prob(items))) @ self.reward(items).mean)

    def compared(self, n: int, rng: np.random.Generator) -> tuple[tuple[Item, ...], tuple[Item, ...], Floats]:
        """n pairs drawn from the base, and which are preferred, by the reward and logistic noise."""
        drawn = self.base.sample(CONTEXT, 2 * n, rng=rng)
        first, second = drawn[:n], drawn[n:]
        chance = expit(self.reward(first).mean - self.reward(second).mean)
        return first, second, (rng.random(n) < chance).astype(float)


def bigrams(item: Item, *, ended: bool = True) -> list[Bigram]:
    """Neighbours in an output, with the end of a whole one."""
    words = ["", *(word for part in item.output for word in part.text.split()), *([""] if ended else [])]
    return list(pairwise(words))


def strength_at(divergence: Callable[[float], float], kl: float, *, most: float = 30.0) -> float:
    """The strength at which a law is so many nats from the base; `most` where none up to there is."""
    if divergence(most) < kl:
        return most
    return float(brentq(lambda strength: divergence(strength) - kl, 1e-6, most, xtol=1e-2))


def guided_at(taste: Taste, guides: Callable[[float], Sequence[Guide]], kl: float) -> Floats:
    """Log-probabilities [s] of all outputs as guided, at the strength where their law is `kl` nats from the base."""
    target = Target(taste.base, taste.reward)
    strength = strength_at(lambda own: guided_law(target, guides(own), CONTEXT).kl, kl)
    return guided_law(target, guides(strength), CONTEXT).log_prob
