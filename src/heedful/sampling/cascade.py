"""Cascades: the cheap model answers, and dearer ones where what they are expected to add is worth their price."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Budget, BudgetExceededError, Floats, Honesty, Item, Parts, Samples, UsageError
from heedful.evidence import lowered
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.best_of_n import greatest
from heedful.sampling.score_laws import ScoreLaw
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import affordable, refuse_beyond, writing_plan
from heedful.sampling.writing import base_draws
from heedful.target import Target


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A dearer model: the `price` of an answer in nats of score, and the `law` of its scores.

    `unit` is one of the budget for answers of this model alone, beside samples and tokens; "" where it needs none.
    """

    base: Base
    price: float
    law: ScoreLaw
    unit: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.price) and self.price >= 0):
            raise UsageError(f"a price is a finite number of 0 or more, not {self.price}", where="Stage")


@dataclass(frozen=True, slots=True)
class Cascaded(Samples):
    """The best answers. `asked` counts contexts by stage, the base first; `turned_away` those with no budget left."""

    asked: tuple[int, ...] = ()
    turned_away: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Cascade:
    """One answer per context: the best of the base's and of those that dearer models gave.

    Stages come in their order; one is asked where its `law` expects it to add more than its `price` to the best answer
    so far, and a context that passes one by is done. With known laws of independent scores, in the order of falling
    `KnownScores.reservation(price)`, no rule gives more E[score − prices] (Weitzman 1979, "Optimal search for the best
    alternative"). `PairedScores` says what a dear answer adds to a cheap one of this score.

    pessimism  posterior standard deviations taken off each score, as in `BestOfN`; laws are of scores so lowered

    Where a stage's unit has less budget left than there are contexts worth it, those of greatest gain are asked; the
    others are counted, and done. Answers are of several models, so that there is no KL to the base.
    """

    stages: tuple[Stage, ...]
    pessimism: float = 0.0
    honesty: Honesty = "maximiser"

    def __post_init__(self) -> None:
        if not self.stages:
            raise UsageError("there are no dearer models", where="Cascade", fix="BestOfN(1) draws from the base")
        if not (math.isfinite(self.pessimism) and self.pessimism >= 0):
            raise UsageError(f"pessimism is a finite number of 0 or more, not {self.pessimism}", where="Cascade")

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost: every model asked for all contexts."""
        total, n = Counter[str](), len(contexts)
        for one in (base, *(stage.base for stage in self.stages)):
            total.update({**writing_plan(one, contexts), "scores": float(n)})
        for stage in self.stages:
            total.update({stage.unit: float(n)} if stage.unit else {})
        return dict(total)

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Cascaded:
        """Raises BudgetExceededError where the base cannot answer every context, InputError where a score is NaN."""
        refuse_no_contexts(contexts)
        size, scoring = len(contexts), Scoring(target, budget)
        refuse_beyond(budget, writing_plan(target.base, contexts) | {"scores": float(size)})
        value = np.full((size, 1 + len(self.stages)), np.nan)
        answers: list[list[Item]] = [[] for _ in contexts]
        rows, cost, asked, turned_away = np.arange(size), Counter[str](), [], [0]
        for number, stage in enumerate((None, *self.stages)):
            if stage:
                kept, refused = _worth_it(stage, value[rows, :number], budget)
                rows = rows[kept]
                turned_away.append(refused)
            base, unit = (stage.base, stage.unit) if stage else (target.base, "")
            try:
                drawn, spent = _answers(base, unit, [contexts[row] for row in rows.tolist()], budget, rng)
            except BudgetExceededError:  # by reading the contexts
                if not stage:
                    raise
                turned_away[-1] += len(rows)
                rows, drawn, spent = rows[:0], [], {}
            cost.update(spent)
            asked.append(len(rows))
            if drawn:
                value[rows, number] = lowered(scoring(drawn), self.pessimism)
            for row, item in zip(rows.tolist(), drawn, strict=True):
                answers[row].append(item)
        best = tuple(own[column] for own, column in zip(answers, greatest(value, rng).tolist(), strict=True))
        return Cascaded(
            items=best,
            context_index=np.arange(size),
            log_weights=np.zeros(size),
            scores=scoring(best),
            cost={**cost, "scores": float(len(scoring))},
            asked=tuple(asked),
            turned_away=tuple(turned_away),
        )


def _worth_it(stage: Stage, value: Floats, budget: Budget) -> tuple[NDArray[np.intp], int]:
    """Rows of scores so far [c, k] that a stage is worth to, as far as the budget goes; how many more there are."""
    gain = stage.law.improvement(value)
    wanted = np.argsort(-gain, kind="stable")[: int((gain > stage.price).sum())]
    left = budget.left(stage.unit) if stage.unit else np.inf
    room = int(min(len(wanted), left, affordable(stage.base, budget)))
    return np.sort(wanted[:room]), len(wanted) - room


def _answers(
    base: Base, unit: str, contexts: Sequence[Parts], budget: Budget, rng: np.random.Generator
) -> tuple[list[Item], dict[str, float]]:
    """One in each context, and what they cost, in the stage's own unit too."""
    if not contexts:
        return [], {}
    drawn, spent = base_draws(base, contexts, 1, budget, rng)
    own = {unit: float(len(drawn))} if unit else {}
    budget.reserve(**own)
    return drawn, {**spent, **own}
