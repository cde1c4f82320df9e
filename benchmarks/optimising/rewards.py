"""What engines are given to maximise: the true reward, rewards fitted to noisy comparisons of it, and a wrong one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heedful.core import Budget, Floats, Item, Parts, Potential, Scores
from heedful.core.algebra import Expressible, Expression
from heedful.evidence import Rule, pessimistic, term
from heedful.feedback import Candidate, Record, Table, Value
from heedful.models import NgramFeatures, Stacked, StyleFeatures
from heedful.models.texts import joined
from heedful.preference import fit
from heedful.sampling.writing import base_draws
from heedful.worlds.exercises import Exercise, exercises

PESSIMISM = 2.0
NAMES = ("true", "fitted", "fitted, lowered", "wrong")


def true_reward(item: Item) -> float:
    """Right lines as a share of all, and 2 for a right answer."""
    exercise, output = Exercise.read(item.context), joined(item.output)
    steps = exercise.steps(output)
    return sum(steps) / len(steps) + 2.0 * exercise.right(output)


def length(item: Item) -> float:
    return float(len(joined(item.output)))


@dataclass(frozen=True, slots=True)
class TrueReward(Expressible):
    """The same in a unit, as a potential that also scores what is not finished: by its whole lines, as if the answer
    were right if they are."""

    unit: float = 1.0
    scale, under, kind = "utility", None, "twist"

    def __call__(self, items: Sequence[Item]) -> Scores:
        known = {item: true_reward(item) for item in dict.fromkeys(items)}
        return Scores(np.array([known[item] for item in items]) / self.unit)

    def prefix(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self._of_lines(item) for item in items]) / self.unit)

    def _of_lines(self, item: Item) -> float:
        whole, line_end, _ = joined(item.output).rpartition("\n")
        steps = Exercise.read(item.context).steps(whole) if line_end else ()
        return 3.0 * sum(steps) / len(steps) if steps else 3.0


@dataclass(frozen=True, slots=True)
class Once(Expressible):
    """The means of a potential of whole outputs, asked about unfinished ones as it is; each item is scored once."""

    potential: Potential
    scale, under, kind = "utility", None, "terminal"
    _known: dict[Item, float] = field(default_factory=dict)

    def __call__(self, items: Sequence[Item]) -> Scores:
        fresh = [item for item in dict.fromkeys(items) if item not in self._known]
        self._known.update(zip(fresh, self.potential(fresh).mean.tolist() if fresh else (), strict=True))
        return Scores(np.array([self._known[item] for item in items]))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self(items)


@dataclass(frozen=True, slots=True)
class ByContext(Expressible):
    """Each item by the potential of its context, so that sets with rewards of their own are answered at once."""

    potentials: Mapping[Parts, Any]
    scale, under, kind = "utility", None, "twist"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self._told(items, lambda own: own)

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self._told(items, lambda own: own.prefix)

    def _told(self, items: Sequence[Item], asked: Callable[[Any], Callable[..., Scores]]) -> Scores:
        rows: dict[int, list[int]] = defaultdict(list)
        for row, item in enumerate(items):
            rows[id(self.potentials[item.context])].append(row)
        found = np.zeros(len(items))
        for own in rows.values():
            potential = self.potentials[items[own[0]].context]
            found[own] = asked(potential)([items[row] for row in own]).mean
        return Scores(found)


@dataclass(frozen=True, slots=True)
class Beside(Expressible):
    """A potential less its mean over known outputs of the same context, draw by draw: how little is known of it is then
    told of that difference."""

    potential: Potential
    outputs: Mapping[Parts, Sequence[Item]]
    scale, under = "utility", None
    _known: dict[Parts, tuple[float, Floats]] = field(default_factory=dict)

    def __call__(self, items: Sequence[Item]) -> Scores:
        own = self.potential(items)
        mean, draws = zip(*(self._of(item.context) for item in items), strict=True)
        return Scores(own.mean - np.array(mean), own.draws - np.array(draws).T)

    def _of(self, context: Parts) -> tuple[float, Floats]:
        if context not in self._known:
            scores = self.potential(self.outputs[context])
            self._known[context] = float(scores.mean.mean()), scores.draws.mean(axis=1)
        return self._known[context]


def rewards(model: Any, comparisons: int, seed: int) -> dict[str, Expression]:
    """The true, the fitted and the wrong one, each in standard deviations of its own within exercises, as pairs of
    outputs of the model show.

    `comparisons` of two outputs to each of as many exercises are decided by the true reward and logistic noise.
    """
    rng, asked = np.random.default_rng(seed), exercises(comparisons, seed=seed, held_out=False)
    drawn, _ = base_draws(model, [own.context for own in asked], 2, Budget(), rng)
    pairs = [*zip(drawn[0::2], drawn[1::2], strict=True)]
    gaps = np.array([true_reward(first) - true_reward(second) for first, second in pairs])
    fitted = _fitted(pairs, rng.random(comparisons) < 1 / (1 + np.exp(-1.5 * gaps)), seed)
    found = {"true": term(TrueReward()), "fitted": term(fitted), "wrong": term(Rule(length, "length"))}
    for name, reward in found.items():
        score = reward(drawn).mean
        found[name] = reward / _unit(score[0::2] - score[1::2])
    return found


def by_name(made: Mapping[str, Expression], outputs: Mapping[Parts, Sequence[Item]]) -> dict[str, Potential]:
    """What engines are given: of `NAMES`, where the lowered one is less sure the farther from known outputs."""
    lowered = pessimistic(Beside(made["fitted"], outputs), PESSIMISM)
    unit = made["true"].terms[0].strength
    given = {"fitted": made["fitted"], "fitted, lowered": lowered, "wrong": made["wrong"]}
    return {"true": TrueReward(1 / unit), **{name: Once(own) for name, own in given.items()}}


def _unit(gaps: np.ndarray) -> float:
    """The standard deviation of scores that differ so in pairs."""
    return float(np.sqrt((gaps**2).mean() / 2))


def _fitted(pairs: Sequence[Sequence[Item]], first: np.ndarray, seed: int) -> Potential:
    records = [
        Record(
            kind="comparison",
            context=joined(pair[0].context),
            candidates=[Candidate(output=joined(item.output)) for item in pair],
            value=Value(choice="first" if better else "second"),
            id=str(row),
        )
        for row, (pair, better) in enumerate(zip(pairs, first, strict=True))
    ]
    encoder = Stacked.of(style=StyleFeatures(), words=NgramFeatures())
    return fit(Table.of(records), utility="features", features=encoder, seed=seed).potential()
