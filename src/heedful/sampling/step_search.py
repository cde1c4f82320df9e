"""Greedy search over steps: take one that looks right, try again where it does not, step back where none does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Budget, Honesty, Item, Parts, Samples, UsageError
from heedful.models import StepBase
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.spending import reserved
from heedful.sampling.stepping import stepwise, written
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class Searched(Samples):
    """One output per context, and whether all of its steps were `accepted` [c]; of the others the rest was written
    on unlooked at."""

    accepted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class StepSearch:
    """One output per context, by depth-first search for one whose every prefix scores `threshold` or more.

    From a prefix one step is drawn; where the target's expression, a prefix potential, gives the longer prefix
    `threshold` nats or more, the search goes on from there, else another step is drawn. A prefix from which `tries`
    steps were drawn in vain is left for the one before, of which it used up one try (after Ma et al. 2023, "Let's
    reward step by step"). A search ends with an output, where the empty prefix is left, or after `steps` steps. Without
    an output, the longest prefix that was kept (of equals the best, then the first) is written on by the base: these
    steps come on top.

    What its law is depends on the potential: it makes no claim, and gives no KL.
    """

    threshold: float
    tries: int
    steps: int
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        if self.tries < 1 or self.steps < 1 or np.isnan(self.threshold):
            what = f"{self.tries} tries, {self.steps} steps, from {self.threshold} nats"
            raise UsageError(what, where="StepSearch", fix="give tries and steps of 1 or more")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Searched:
        """Raises BudgetExceededError before drawing, UsageError where base or potential know no unfinished outputs."""
        refuse_no_contexts(contexts)
        base, potential = stepwise(target, "StepSearch")
        paths = [_Path(Item(context, (), None), base) for context in contexts]
        with reserved(budget, self.plan(base, contexts)) as spent:
            spent["samples"] = len(paths)
            while going := [path for path in paths if path.open(self.steps)]:
                spent.update({"steps": len(going), "scores": len(going)})
                grown = base.continued([path.kept[-1] for path in going], rng=rng)
                for path, item, score in zip(going, grown, potential.prefix(grown).mean.tolist(), strict=True):
                    path.step(item, score, score >= self.threshold, base, self.tries)
            accepted = np.array([path.ended for path in paths])
            items, blind = written([path.furthest for path in paths], base, rng)
            spent.update({"steps": blind, "scores": len(items)})
            scores = target.scores(items)
        return Searched(
            items=tuple(items),
            context_index=np.arange(len(paths)),
            log_weights=np.zeros(len(paths)),
            scores=scores,
            cost={unit: float(spent[unit]) for unit in ("samples", "steps", "scores")},
            accepted=accepted,
        )

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most that searching can cost; writing on what it did not finish comes on top."""
        most = float(self.steps * len(contexts))
        return {"samples": float(len(contexts)), "steps": most, "scores": most + len(contexts)}


class _Path:
    """The prefixes `kept` on the way, each with how many steps were `tried` from it, and the `furthest` met."""

    def __init__(self, root: Item, base: StepBase) -> None:
        self.kept, self.tried, self.drawn = [root], [0], 0
        self.furthest, self.best, self.ended = root, -np.inf, base.ended(root)

    def open(self, steps: int) -> bool:
        return bool(self.kept) and not self.ended and self.drawn < steps

    def step(self, item: Item, score: float, accepted: bool, base: StepBase, tries: int) -> None:
        self.drawn += 1
        self.tried[-1] += 1
        if accepted:
            self.kept.append(item)
            self.tried.append(0)
            self.ended = base.ended(item)
            self._note(item, score)
        while self.kept and self.tried[-1] == tries:
            self.kept.pop()
            self.tried.pop()

    def _note(self, item: Item, score: float) -> None:
        if (len(item.output), score) > (len(self.furthest.output), self.best):
            self.furthest, self.best = item, score
