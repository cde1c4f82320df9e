"""Exact draws from a target whose base can be listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Budget, Estimate, Honesty, Item, Parts, Samples, Scores
from heedful.sampling.batches import by_context, concatenated, selected
from heedful.target import Target, enumerate_exact, support


@dataclass(frozen=True, slots=True)
class Exact:
    """One exact draw per context (repeat a context for more), with its exact KL and log-normaliser.

    Costs one sample per context and, for each different context, one score per output listed; both are reserved before
    anything is scored.
    """

    honesty: Honesty = "exact"

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError, UsageError where the base cannot be listed, InputError where all is ruled out."""
        places = by_context(contexts)
        n = len(contexts)
        cost = {"samples": float(n), "scores": float(sum(len(support(target, context)) for context in places))}
        budget.reserve(**cost)
        items: list[Item] = []
        pieces: list[Scores] = []
        kl: list[Estimate] = []
        log_normalizer = np.empty(n)
        for context, own in places.items():
            listed = enumerate_exact(target, context)
            rows = rng.choice(len(listed.items), len(own), p=listed.probability / listed.probability.sum())
            items += [listed.items[row] for row in rows.tolist()]
            pieces.append(selected(listed.scores, rows))
            kl += [Estimate(listed.kl, len(listed.items), variance=0.0, note="by enumeration")] * len(own)
            log_normalizer[own] = listed.log_normalizer
        # Drawn context by context; put back into the order asked for.
        order = np.argsort(np.concatenate([np.array(own) for own in places.values()]))
        return Samples(
            items=tuple(items[row] for row in order.tolist()),
            context_index=np.arange(n),
            log_weights=np.zeros(n),
            scores=selected(concatenated(pieces), order),
            cost=cost,
            kl=tuple(kl[row] for row in order.tolist()),
            log_normalizer=log_normalizer,
        )


exact = Exact()
"""The engine of exact enumeration."""
