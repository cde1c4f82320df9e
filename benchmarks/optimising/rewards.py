"""What engines are given to maximise: the true reward, rewards fitted to noisy comparisons of it, and a wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Item, Potential, Scores
from heedful.core.algebra import Expressible
from heedful.evidence import PrefixValue, Rule, pessimistic, term
from heedful.feedback import Candidate, Record, Table, Value
from heedful.models import NgramFeatures, Stacked, StyleFeatures
from heedful.models.texts import joined
from heedful.preference import fit
from heedful.worlds.exercises import Exercise, exercises
from heedful.worlds.small_model import small_model

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
        return Scores(np.array([true_reward(item) for item in items]) / self.unit)

    def prefix(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self._of_lines(item) for item in items]) / self.unit)

    def _of_lines(self, item: Item) -> float:
        whole, line_end, _ = joined(item.output).rpartition("\n")
        steps = Exercise.read(item.context).steps(whole) if line_end else ()
        return 3.0 * sum(steps) / len(steps) if steps else 3.0


def rewards(comparisons: int, seed: int) -> dict[str, Potential]:
    """All by name, each in standard deviations of its own within exercises, as pairs of outputs of the model show.

    `comparisons` of two outputs to each of as many exercises are decided by the true reward and logistic noise. What is
    fitted or wrong is asked about unfinished outputs as it is.
    """
    rng, model = np.random.default_rng(seed), small_model()
    pairs = [model.sample(own.context, 2, rng=rng) for own in exercises(comparisons, seed=seed, held_out=False)]
    gaps = np.array([true_reward(first) - true_reward(second) for first, second in pairs])
    fitted = _fitted(pairs, rng.random(comparisons) < 1 / (1 + np.exp(-1.5 * gaps)), seed)

    def in_units(reward: Potential) -> Potential:
        score = reward([item for pair in pairs for item in pair]).mean.reshape(-1, 2)
        return term(reward, 1 / _unit(score[:, 0] - score[:, 1]))

    known = in_units(fitted)
    return {
        "true": TrueReward(_unit(gaps)),
        "fitted": PrefixValue(known, "terminal"),
        "fitted, lowered": PrefixValue(pessimistic(known, PESSIMISM), "terminal"),
        "wrong": PrefixValue(in_units(Rule(length, "length")), "terminal"),
    }


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
