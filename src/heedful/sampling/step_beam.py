"""Search over steps: write several next steps, keep the prefixes that look best, go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Budget, Floats, Honesty, Item, Parts, Samples, UsageError
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.stepping import stepwise
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class StepBeam:
    """One output per context, by a beam of `width` prefixes that each go on in `branches` ways.

    In each round the width · branches prefixes one step longer are scored by the target's expression, a prefix
    potential, equal prefixes count once, and the `width` best are kept, ties broken at random; of those ended the best
    is returned (Yu et al. 2023, "Outcome-supervised verifiers for planning in mathematical reasoning", algorithm 1). It
    writes as many steps as best-of-N with N = width · branches, which is what a context costs in samples; scores are
    reserved round by round, since none can say how many steps there are. What its law is depends on the potential: it
    makes no claim, and gives no KL.
    """

    width: int
    branches: int
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        if self.width < 1 or self.branches < 1:
            raise UsageError(f"{self.width} prefixes with {self.branches} branches each", where="StepBeam")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before drawing, UsageError where base or potential know no unfinished outputs."""
        refuse_no_contexts(contexts)
        base, potential = stepwise(target, "StepBeam")
        total = float(self.width * self.branches * len(contexts))
        budget.reserve(samples=total)
        beams: list[list[Item]] = [[Item(context, (), None)] * self.width for context in contexts]
        scored = 0
        while any(not base.ended(item) for beam in beams for item in beam):
            grown = base.continued([item for beam in beams for item in beam for _ in range(self.branches)], rng=rng)
            size = len(grown) // len(beams)
            groups = [list(dict.fromkeys(grown[row * size : (row + 1) * size])) for row in range(len(beams))]
            flat = [item for group in groups for item in group]
            budget.reserve(scores=float(len(flat)))
            values = np.split(potential.prefix(flat).mean, np.cumsum([len(group) for group in groups])[:-1])
            scored += len(flat)
            beams = [self._kept(group, value, rng) for group, value in zip(groups, values, strict=True)]
        best, n = tuple(beam[0] for beam in beams), len(contexts)
        budget.reserve(scores=float(n))
        return Samples(
            items=best,
            context_index=np.arange(n),
            log_weights=np.zeros(n),
            scores=target.scores(best),
            cost={"samples": total, "scores": float(scored + n)},
        )

    def _kept(self, group: list[Item], value: Floats, rng: np.random.Generator) -> list[Item]:
        """The best of a group, best first, repeated in turn where there are fewer than the beam is wide."""
        order = np.lexsort((rng.random(len(group)), -value))[: self.width].tolist()
        return [group[order[place % len(order)]] for place in range(self.width)]
