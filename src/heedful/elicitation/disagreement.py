"""Which of the pairs that turn up are worth a label: those about which draws of the posterior disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, chunks, nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs


@dataclass(frozen=True)
class Disagreement:
    """Up to `batch` pairs about whose difference of utility two draws disagree by more than `least` nats on average.

    Wu and Sun 2023, "Making RL with preference-based feedback efficient via randomization": of walks that an agent
    takes anyway, those are shown to people for which E|Δ − Δ'| > `least`, with Δ and Δ' two independent draws of the
    difference; of a Gaussian of standard deviation s that is 2 s / √π. The widest go first. Once draws agree about all
    pairs of the pool nothing is asked, so that labels end where more of them would change little. Of `Duels`
    differences are in probability.

    Beside asking at random it was ahead on HH-RLHF, level on simulated systems and behind on the other sets, its
    interval clear of random's only on HH-RLHF with embeddings of sentences (docs/benchmarks.md, What asking saves).
    """

    batch: int = 10
    least: float = 0.0

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if not self.least >= 0:
            raise UsageError(f"the least disagreement is at least 0, not {self.least}", where="Disagreement")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        """Raises InputError where the posterior has fewer than two draws."""
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        view, rows = beliefs.view.guessed(rng), np.arange(len(beliefs))
        margins = (view.margin(beliefs.first[some], beliefs.second[some]) for some in chunks(rows))
        found = np.concatenate([disagreement(margin) for margin in margins])
        chosen = np.argsort(-found, kind="stable")[: self.batch]
        chosen = chosen[found[chosen] > self.least]
        return queries(beliefs, chosen, single_gains(beliefs, chosen))


def disagreement(draws: Floats) -> Floats:
    """Mean distance [n] of two different ones of k draws [k, n] (Gini's mean difference)."""
    k = len(draws)
    if k < 2:
        raise InputError(f"two draws can disagree, not {k}", where="disagreement")
    # The i-th smallest is the greater of i − 1 pairs and the smaller of k − i.
    weight = 2 * np.arange(1, k + 1) - k - 1
    return np.asarray(2 * weight @ np.sort(draws, axis=0) / (k * (k - 1)))
