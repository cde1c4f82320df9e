"""Hill climbing over the parts of an output, all at once or level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from heedful.core import Base, Budget, Floats, Honesty, Item, Parts, PrefixPotential, Samples, UsageError
from heedful.models import StepBase
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.spending import reserved
from heedful.sampling.stepping import stepwise, written
from heedful.target import Target


@runtime_checkable
class PrefixBase(StepBase, Protocol):
    """A base that writes in steps and can tell whether it writes outputs that begin so."""

    def prefix_log_prob(self, items: Sequence[Item]) -> Floats: ...


@dataclass(frozen=True, slots=True)
class HillClimb:
    """One output per context, by changes of one part that are kept where the target's expression is no less for them.

    levels   numbers of parts, rising: a first level writes so many, improves them in `rounds` changes and leaves them
             as they are; the next writes on, to as many parts as it says, and improves what it added. Unfinished
             outputs are scored as prefixes. Without levels the whole output is one (Yang et al. 2025, "MOOSE-Chem2",
             whose levels go from general concepts to details). Parts beyond the last level are written unlooked at

    A change draws a part at random anew, from the base after the parts before it. One after which the base would not
    write the parts that follow is refused unscored. What its law is depends on the potential: it makes no claim, and
    gives no KL.
    """

    rounds: int
    levels: tuple[int, ...] = ()
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        if self.rounds < 1 or list(self.levels) != sorted({level for level in self.levels if level > 0}):
            what = f"{self.rounds} rounds on levels {self.levels}"
            raise UsageError(what, where="HillClimb", fix="give rounds of 1 or more, and rising numbers of parts")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before drawing, UsageError where base or potential know no unfinished outputs."""
        refuse_no_contexts(contexts)
        base, potential = stepwise(target, "HillClimb")
        if not isinstance(base, PrefixBase):
            raise UsageError("the base cannot tell what it would write", where="HillClimb", fix="use models.StepModel")
        items = [Item(context, (), None) for context in contexts]
        with reserved(budget, self.plan(base, contexts)) as spent:
            spent["samples"] = len(items)
            for level in self.levels or (None,):
                start = np.array([len(item.output) for item in items])
                items, _ = written(items, base, rng, level)
                items, asked = self._climbed(items, start, base, potential, rng)
                spent["scores"] += asked
            items, _ = written(items, base, rng)
            spent["scores"] += len(items)
            scores = target.scores(items)
        return Samples(
            items=tuple(items),
            context_index=np.arange(len(items)),
            log_weights=np.zeros(len(items)),
            scores=scores,
            cost={unit: float(spent[unit]) for unit in ("samples", "scores")},
        )

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost: at each level, what was written and each change are scored, and outputs at the end."""
        scores = float(len(contexts) * (1 + max(1, len(self.levels)) * (self.rounds + 1)))
        return {"samples": float(len(contexts)), "scores": scores}

    def _climbed(
        self,
        items: list[Item],
        start: np.ndarray,
        base: PrefixBase,
        potential: PrefixPotential,
        rng: np.random.Generator,
    ) -> tuple[list[Item], int]:
        """The items, their parts from `start` [n] on improved, and how many scores it took."""
        size = np.array([len(item.output) for item in items])
        rows = np.flatnonzero(size > start)
        if not rows.size:
            return items, 0
        best, scored = np.full(len(items), -np.inf), len(rows)
        best[rows] = potential.prefix([items[row] for row in rows]).mean
        for _ in range(self.rounds):
            place = rng.integers(start[rows], size[rows]).tolist()
            changed = _changed([items[row] for row in rows], place, base, rng)
            possible = np.flatnonzero(base.prefix_log_prob(changed) > -np.inf)
            score = np.full(len(rows), -np.inf)
            score[possible] = potential.prefix([changed[own] for own in possible]).mean
            scored += len(possible)
            for own in possible[score[possible] >= best[rows[possible]]].tolist():
                items[rows[own]], best[rows[own]] = changed[own], score[own]
        return items, scored


def _changed(items: Sequence[Item], place: Sequence[int], base: StepBase, rng: np.random.Generator) -> list[Item]:
    """Each item with the part at one place drawn anew."""
    cut = [Item(item.context, item.output[:own], item.system) for item, own in zip(items, place, strict=True)]
    drawn = base.continued(cut, rng=rng)
    rest = (item.output[own + 1 :] for item, own in zip(items, place, strict=True))
    return [Item(new.context, (*new.output, *own), new.system) for new, own in zip(drawn, rest, strict=True)]
