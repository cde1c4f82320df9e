"""What engines are held to: the law of outputs, proper weights, the best of what was met, options that matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from conforming.worlds import LENGTH, Uncertain, World, said
from heedful.core import Budget, Floats, Item, Parts, Samples, Scores
from heedful.core.algebra import Expressible
from heedful.models import StepBase
from heedful.sampling import one_each
from heedful.target import Target
from heedful.worlds import deviations, law_test, proper_test

Told = dict[str, Any]
Laws = Mapping[Parts, Mapping[Item, float]]
PILOT, CHUNK, TIMES = 400, 4000, 3


@dataclass(frozen=True)
class Size:
    """How much is drawn: outputs a context in tests of laws, and in those at growing effort; runs for a standard error
    of Ẑ / Z, at most so many; calls of maximisers; at how many efforts, the greatest, consistent engines are seen."""

    draws: int
    growing: int
    error: float
    most_runs: int
    calls: int
    efforts: int


FULL = Size(1000, 400, 0.003, 300_000, 200, 4)
QUICK = Size(100, 100, 0.06, 2000, 8, 1)
BUGS = Size(800, 800, 0.018, 4000, 60, 1)


@dataclass(frozen=True)
class Case:
    """Something an engine is held to. `told` gives a row with `p`, the chance that a right engine looks no better."""

    engine: str
    name: str
    world: str
    honesty: str
    told: Callable[[Size], Told] = field(repr=False)


def drawn(engine: Any, target: Target, contexts: Sequence[Parts], seed: int) -> Samples:
    """One output a context; of weighted ones by weight."""
    rng = np.random.default_rng(seed)
    found = engine(target, contexts, budget=Budget(), rng=rng)
    return one_each(found, rng=rng) if len(found.items) > len(contexts) else found


def law_told(engine: Any, target: Target, laws: Laws, size: Size, seed: int = 0) -> Told:
    """The worse of two contexts, the p-value doubled for the choice."""
    contexts = [context for context in laws for _ in range(size.draws)]
    items = drawn(engine, target, contexts, seed).items
    tests = [
        law_test([item for item in items if item.context == context], law, rng=np.random.default_rng([seed, 1]))
        for context, law in laws.items()
    ]
    worst = min(tests, key=lambda test: (test.p, -test.ratio))
    return {
        "draws": worst.draws,
        "distance": worst.distance,
        "ratio": worst.ratio,
        "p": min(1.0, len(tests) * worst.p),
    }


def growing_told(engines: Mapping[str, Any], target: Target, laws: Laws, size: Size) -> Told:
    """The same at growing effort: the last must look like exact draws; how the others look is told."""
    shown = list(engines.items())[-size.efforts :]
    fewer = replace(size, draws=size.growing)
    rows = {effort: law_told(engine, target, laws, fewer) for effort, engine in shown}
    return list(rows.values())[-1] | {"efforts": {effort: row["ratio"] for effort, row in rows.items()}}


def proper_told(engine: Any, world: World, target: Target, size: Size) -> Told:
    """As many runs as the standard error needs, by a pilot that is thrown away."""

    def runs(number: int, seed: int) -> Floats:
        contexts = [world.contexts[run % 2] for run in range(number)]
        found = engine(target, contexts, budget=Budget(), rng=np.random.default_rng([seed, number]))
        return deviations(found, contexts, world.listed)

    spread = float(runs(PILOT, 0)[:, 0].std(ddof=1))
    needed = min(size.most_runs, max(2 * PILOT, int(1.15 * (spread / size.error) ** 2)))
    chunks = [min(CHUNK, needed - start) for start in range(0, needed, CHUNK)]
    told = np.concatenate([runs(number, 1 + place) for place, number in enumerate(chunks)])
    test, more = proper_test(told), len(chunks)
    while test.error > size.error and test.runs < size.most_runs:  # the pilot promised too much
        more += 1
        told = np.concatenate([told, runs(CHUNK, more)])
        test = proper_test(told)
    return {"runs": test.runs, "z": test.ratio, "error": test.error, "p": test.p}


class Recording(Expressible):
    """A potential that remembers what was scored."""

    def __init__(self, potential: Any) -> None:
        self.potential, self.scale, self.under = potential, potential.scale, None
        self.met: dict[Item, None] = {}

    def __call__(self, items: Sequence[Item]) -> Scores:
        self.met.update(dict.fromkeys(items))
        return self.potential(items)


class RecordingSteps(Recording):
    """The same of a potential that searches ask about prefixes, and so about whole outputs too; these it remembers."""

    def __init__(self, potential: Any, ended: Callable[[Item], bool]) -> None:
        super().__init__(potential)
        self.ended, self.kind = ended, potential.kind

    def prefix(self, items: Sequence[Item]) -> Scores:
        self.met.update(dict.fromkeys(filter(self.ended, items)))
        return self.potential.prefix(items)


def best_met_told(engine: Any, target: Target, contexts: Sequence[Parts], pessimism: float, size: Size) -> Told:
    """In each of many calls, whether what was kept has the greatest of the scores met, less their deviations."""
    missed = 0
    for call in range(size.calls):
        recording = _recording(target)
        context = contexts[call % len(contexts)]
        found = engine(Target(target.base, recording), [context], budget=Budget(), rng=np.random.default_rng(call))
        met = [item for item in recording.met if item.context == context]
        value = dict(zip(met, _lowered(target.expression(met), pessimism).tolist(), strict=True))
        missed += value[found.items[0]] < max(value.values()) - 1e-12
    return {"calls": size.calls, "missed": missed, "p": 0.0 if missed else 1.0}


def _recording(target: Target) -> Recording:
    if isinstance(target.base, StepBase):
        return RecordingSteps(target.expression, target.base.ended)
    return Recording(target.expression)


def _lowered(scores: Scores, pessimism: float) -> Floats:
    return scores.mean if scores.draws is None else scores.mean - pessimism * scores.draws.std(axis=0)


def best_told(engine: Any, target: Target, worth: Mapping[Parts, Mapping[tuple[str, ...], float]], size: Size) -> Told:
    """Whether it finds an output worth most, of all there are, each of some times in each context."""
    found = engine(target, list(worth) * TIMES, budget=Budget(), rng=np.random.default_rng(0)).items
    missed = sum(worth[item.context][said(item)] < max(worth[item.context].values()) for item in found)
    return {"calls": len(found), "missed": missed, "p": 0.0 if missed else 1.0}


def options_told(engines: Mapping[str, Any], target: Target, contexts: Sequence[Parts], size: Size) -> Told:
    """Whether each option changes what is drawn under one seed: one that is ignored does not."""
    same, seen = [], {}
    for name, engine in engines.items():
        found = engine(target, list(contexts) * 20, budget=Budget(), rng=np.random.default_rng(7))
        key = (found.items, tuple(np.round(found.log_weights, 9).tolist()))
        if key in seen:
            same.append(f"{name} as {seen[key]}")
        seen[key] = name
    return {"calls": len(engines), "missed": len(same), "same": same, "p": 0.0 if same else 1.0}


def counts_told(draw: Callable[..., Any], weights: Floats, exact: bool, size: Size) -> Told:
    """Whether particle i goes on n · weight_i times on average; where `exact`, this rounded down or up each time."""
    rng, n, runs = np.random.default_rng(0), len(weights), 20 * size.draws
    counts = np.array([np.bincount(draw(weights, rng), minlength=n) for _ in range(runs)])
    outside = int((np.abs(counts - n * weights) >= 1).any(axis=1).sum()) if exact else 0
    test = proper_test(np.column_stack([np.zeros(runs), counts - n * weights]))
    return {"draws": runs, "missed": outside, "p": 0.0 if outside else test.p}


def best_of_law(value: Floats, mass: Floats, n: int) -> Floats:
    """Of the best of n draws: (F^n − F⁻^n) of its score, shared among equals as the base is."""
    below, upto = ((mask @ mass) for mask in (value < value[:, None], value <= value[:, None]))
    return np.asarray(mass / (upto - below) * (upto**n - below**n))


def stopped_law(value: Floats, mass: Floats, n: int, bar: float) -> Floats:
    """Of the first of n draws at or above the bar, and of the best where there is none."""
    short = float(mass[value < bar].sum())
    first = mass * (1 - short**n) / (1 - short)
    return np.where(value >= bar, first, best_of_law(value, mass, n))


def word_law(world: World, context: Parts, nats: Mapping[str, float]) -> dict[Item, float]:
    """Of outputs whose tokens are drawn by base · exp(nats), one by one."""
    law = {}
    for item in world.base.support(context):
        total, words = 1.0, said(item)
        for place in range(len(words) + 1):
            row = world.base.next_tokens(context, words[:place])
            tilted = {token: p * np.exp(nats.get(token, 0.0)) for token, p in row.items()}
            total *= tilted[words[place] if place < len(words) else ""] / sum(tilted.values())
        law[item] = total
    return law


def deepened_law(world: World, context: Parts, trigger: str) -> dict[Item, float]:
    """Of outputs with one token of their own, or none where they would end at once, then the trigger, then as written
    on from there."""
    law: dict[Item, float] = {}

    def write(words: tuple[str, ...], total: float) -> None:
        row = {"": 1.0} if len(words) == LENGTH else world.base.next_tokens(context, words)
        for token, p in row.items():
            if token:
                write((*words, token), total * p)
            else:
                item = world.base.write(context, words)
                law[item] = law.get(item, 0.0) + total * p

    for token, p in world.base.next_tokens(context, ()).items():
        write((token, trigger) if token else (trigger,), p)
    return law


def uncertain(world: World, pessimism: float) -> tuple[Target, dict[Parts, Floats]]:
    """The world's target with draws about its scores, and its lowered scores by context."""
    rng = np.random.default_rng([world.seed, 3])
    draws, lowered = {}, {}
    for item, score in world.scores.items():
        noise = rng.normal(size=30) * rng.choice([0.1, 2.0])
        draws[item] = score + noise - noise.mean()
        lowered[item] = score - pessimism * float(noise.std())
    values = {c: np.array([lowered[item] for item in world.listed[c].items]) for c in world.contexts}
    return Target(world.whole.base, Uncertain(world.scores, draws)), values
