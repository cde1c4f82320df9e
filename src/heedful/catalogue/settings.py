"""What miniatures share: questions with given utilities, features by formula, tilts of equal divergence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax, rel_entr
from scipy.stats import rankdata

from heedful.core import Base, EnumerableBase, Floats, Item, Parts, Potential, Scale, Scores, UsageError
from heedful.evidence import Expressible, Expression
from heedful.models import NgramFeatures, Stacked, StyleFeatures
from heedful.models.remembered import Remembered
from heedful.preference.heads import Networks, Schedule
from heedful.preference.heads.rewards import Kind
from heedful.target import Enumerated, Target, enumerate_exact
from heedful.worlds import LanguageWorld, Questions, Shown, SimulatedRaters

Whole = NDArray[np.intp]


def questions(
    index: Whole, utility: Floats, *, outputs: Sequence[str] = (), systems: Sequence[str] = (), context: str = "which?"
) -> Questions:
    """n questions about the candidates `index` [n, k], whose true utilities are `utility` [s], in nats.

    `outputs` [s] or `systems` [s] name the candidates. Raters see no length and nothing that tastes can differ on.
    """
    n, k = index.shape
    plain = np.zeros((n, k, 1))
    shown = Shown(utility[index], np.zeros((n, k, 1), np.int64), plain, plain[:, :, 0], np.arange(n))
    texts, names = (
        tuple(pl.Series(list(own))[column] for column in index.T) if len(own) else None for own in (outputs, systems)
    )
    return Questions(shown, pl.repeat(context, n, eager=True, dtype=pl.String), texts, names)


def compared(utility: Floats, rng: np.random.Generator) -> Floats:
    """1 where the first of each two neighbours is preferred by raters of temperature 1, else 0 [n / 2]."""
    index = np.arange(len(utility)).reshape(-1, 2)
    shown, rater = questions(index, utility).shown, np.zeros(len(index), np.intp)
    outcome, _ = SimulatedRaters(count=1).compare(shown, rater, np.full(len(index), 0.5), rng)
    return np.asarray(outcome == 0, np.float64)


def pairs(count: int, among: ArrayLike, rng: np.random.Generator) -> Whole:
    """Random pairs [count, 2] of different candidates among these numbers."""
    numbers = np.asarray(among, dtype=np.intp)
    first, gap = rng.integers(len(numbers), size=count), rng.integers(1, len(numbers), size=count)
    return numbers[np.stack([first, (first + gap) % len(numbers)], axis=1)]


@dataclass(frozen=True, eq=False)
class Given:
    """An encoder whose columns are known beforehand: `measure` maps n items to features [n, d]."""

    names: tuple[str, ...]
    measure: Callable[[Sequence[Item]], Floats]

    @classmethod
    def by_output(cls, outputs: Sequence[str], rows: Floats) -> Given:
        """Row i of `rows` [s, d] for the output i."""
        place = {Item.of("", output).output: number for number, output in enumerate(outputs)}
        names = tuple(f"feature {column}" for column in range(rows.shape[1]))
        return cls(names, lambda items: rows[[place[item.output] for item in items]])

    def fit(self, items: Sequence[Item]) -> Given:
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        return self.measure(items)

    def describe(self) -> dict[str, Any]:
        return {"encoder": "given", "columns": list(self.names)}

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        raise UsageError("features given by a function cannot be saved")

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        raise UsageError("features given by a function cannot be loaded")


@dataclass(frozen=True, slots=True, eq=False)
class KnownScores(Expressible):
    """A potential's means on some items, looked up: a search over strengths then scores each item once."""

    known: Mapping[Item, float]
    scale: Scale
    under: str | None = None

    @classmethod
    def of(cls, potential: Potential, items: Sequence[Item]) -> KnownScores:
        return cls(dict(zip(items, potential(items).mean.tolist(), strict=True)), potential.scale, potential.under)

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self.known[item] for item in items], dtype=np.float64))


def listed(base: EnumerableBase, contexts: Sequence[Parts]) -> list[Item]:
    """Every output of the base in these contexts."""
    return [item for context in contexts for item in base.support(context)]


def tilts(base: Base, potential: Potential, contexts: Sequence[Parts], strength: float) -> list[Enumerated]:
    """The base tilted by strength · potential in each context, listed whole."""
    target = Target(base, Expression.of(potential, strength))
    return [enumerate_exact(target, context) for context in contexts]


def tilts_at(
    base: Base, potential: Potential, contexts: Sequence[Parts], kl: float, *, most: float = 200.0
) -> list[Enumerated]:
    """As `tilts`, at the strength whose mean KL(tilted ‖ base) over contexts is `kl` nats, so that ways to reward can
    be compared at equal divergence. Raises UsageError where no strength up to `most` goes so far."""
    plain = tilts(base, potential, contexts, 1.0)

    def excess(strength: float) -> float:
        return float(np.mean([_divergence(own.base_log_prob, strength * own.scores.mean) for own in plain])) - kl

    if excess(most) < 0:
        raise UsageError(f"no strength up to {most:g} reaches {kl:g} nats", where="tilts_at")
    return tilts(base, potential, contexts, float(brentq(excess, 0.0, most, xtol=1e-4)))


def _divergence(base: Floats, gain: Floats) -> float:
    """KL(p ‖ base) of p ∝ base · exp(gain), from logs [s]."""
    log_prob = log_softmax(base + gain)
    held = log_prob > -np.inf
    return float(np.exp(log_prob[held]) @ (log_prob[held] - base[held]))


def expected(tilted: Sequence[Enumerated], value: Mapping[Parts, Floats]) -> float:
    """The mean over contexts of the expectation under each tilt of the values [s] of its context's outputs."""
    return float(np.mean([own.expectation(value[own.items[0].context]) for own in tilted]))


@cache
def language_encoder(length: int) -> Remembered:
    """Style and n-grams of every answer of the language world, whose texts are the same for all seeds. No judgement
    enters, so one encoder serves all fits."""
    world = LanguageWorld(length=length, prompts=6)
    items = listed(world.base(), world.contexts)
    encoder = Remembered(Stacked.of(style=StyleFeatures(), words=NgramFeatures(dimensions=16))).fit(items)
    encoder.encode(items)
    return encoder


def fresh_pairs(world: LanguageWorld, count: int, rng: np.random.Generator) -> tuple[list[Item], list[Item]]:
    """Pairs of different outputs of the world's base on random prompts."""
    drawn = world.draw(count, 2, rng=rng)
    assert drawn.context is not None
    assert drawn.outputs is not None
    first, second = ([Item.of(c, o) for c, o in zip(drawn.context, own, strict=True)] for own in drawn.outputs)
    return first, second


def divergence(true: Floats, predicted: Floats) -> float:
    """Mean divergence in millinats of predicted from true probabilities [n] of a vote for the first."""
    return float(1000 * (rel_entr(true, predicted) + rel_entr(1 - true, 1 - predicted)).mean())


def misordered(true: Floats, predicted: Floats) -> float:
    """Share, in per cent, of pairs whose predicted probability [n] lies on the wrong side of 1/2; on it, half.

    Pairs of true probability 1/2 have no wrong side and are left out.
    """
    apart = np.abs(true - 0.5) > 1e-9
    wrong = np.sign(predicted[apart] - 0.5) != np.sign(true[apart] - 0.5)
    return float(100 * np.where(predicted[apart] == 0.5, 0.5, wrong).mean())


def separation(score: Floats, positive: NDArray[np.bool_]) -> float:
    """P(a positive scores above a negative), per cent: the area under the receiver's curve; equal scores count half."""
    ranks, count = rankdata(score), int(positive.sum())
    return float(100 * (ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count)))


def small_networks(kind: Kind = "point", *, quick: bool = False) -> Networks:
    """An ensemble of four, small enough to be trained at every seed of a miniature."""
    return Networks(kind, members=4, width=16, folds=4, schedule=Schedule(rate=1e-2, epochs=8 if quick else 60))


def without_torch() -> str:
    """What an entry whose heads are trained with PyTorch lacks without it."""
    return "" if find_spec("torch") else "PyTorch is not installed (pip install heedful[heads])"
