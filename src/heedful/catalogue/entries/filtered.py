"""004-007: observations filtered backward through a simpler process, and the true one guided forward by that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item
from heedful.evidence import PrefixValue, Rule, exact_values
from heedful.models import SequenceTable
from heedful.sampling import Particles, ValueGuide
from heedful.target import Target, enumerate_exact

_LETTERS, _LENGTH, _PARTICLES, _RUNS = ("a", "b", "c"), 5, 8, 60
_CONTEXT = Item.of("observed").context


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4007, seed])
    length, runs = (3, 10) if quick else (_LENGTH, _RUNS)
    moves = rng.dirichlet(np.full(3, 0.7), size=4)
    process = _process(moves, length)
    simple = _process(np.tile(moves[1:].mean(axis=0), (4, 1)), length)
    seen = _seen(rng.integers(3, size=length))
    target = Target(process, 1.0 * seen)
    true = enumerate_exact(target, _CONTEXT).log_normalizer
    filters = {
        "exact": exact_values(process, [_CONTEXT], seen, beta=1.0),
        "simple": exact_values(simple, [_CONTEXT], seen, beta=1.0),
    }
    guided = {name: Particles(_PARTICLES, own, (ValueGuide(1.0 * own),)) for name, own in filters.items()}
    figures: dict[str, float] = {}
    for name, engine in {"unguided": Particles(_PARTICLES), **guided}.items():
        found = engine(target, [_CONTEXT] * runs, budget=Budget(), rng=rng)
        assert found.log_normalizer is not None
        off = found.log_normalizer - true
        figures |= {f"spread, {name}": float(off.std()), f"mean, {name}": float(np.exp(off).mean())}
        figures[f"effective, {name}"] = _effective(found.log_weights.reshape(runs, -1))
    return figures


def _process(moves: Floats, length: int) -> SequenceTable:
    """Chains of letters, so many: the first by row 0, each next one by the row of the one before."""
    histories: list[tuple[str, ...]] = [(), *((letter,) for letter in _LETTERS)]
    rows = dict(zip(histories, moves, strict=True))
    return SequenceTable({own: dict(zip(_LETTERS, row.tolist(), strict=True)) for own, row in rows.items()}, length)


def _seen(letters: NDArray[np.int64]) -> PrefixValue:
    """log P(what was observed | a chain): each letter is seen as itself with probability 0.9, as another with 0.05."""

    def log_likelihood(item: Item) -> float:
        written = [word for part in item.output for word in part.text.split()]
        right = [word == _LETTERS[letters[place]] for place, word in enumerate(written)]
        return float(np.log(np.where(right, 0.9, 0.05)).sum())

    return PrefixValue(Rule(log_likelihood, "observed", "log_prob"), "twist")


def _effective(log_weights: Floats) -> float:
    """Effective number of particles, mean over runs, as a share of all, per cent."""
    weight = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return float(100 * np.mean(weight.sum(axis=1) ** 2 / (weight**2).sum(axis=1)) / weight.shape[1])


ENTRY = Entry(
    id="004-007",
    title="Automatic Backward Filtering Forward Guiding for Markov processes and graphical models",
    area="sampling/context",
    citation="van der Meulen & Schauer 2022",
    claim=(
        "Chains of five letters out of three, each observed with error; eight particles, 60 runs. Guided by the exact "
        "backward filter, every run knows the probability of what was observed, to 1e-8 nats. Guided by the filter of "
        "a simpler process, whose letters do not depend on each other, estimates of that probability are right on "
        "average, within 2 per cent, their logs vary by less than half of what those of unguided particles, weighed "
        "by what is observed so far, do, and weights at the end are of a greater effective number."
    ),
    configuration=(
        "evidence.exact_values (soft, by enumeration) of the process or of the simpler one as twist and "
        "sampling.ValueGuide of sampling.Particles; unguided, the likelihood so far as twist."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in {
            "unguided": "particles weighed by what is observed so far",
            "exact": "guided by the exact filter",
            "simple": "guided by the filter of the simpler process",
        }.items()
        for what, shown in {
            "spread": "standard deviation of log Z over runs, nats",
            "mean": "estimate of Z over the exact one, mean over runs",
            "effective": "effective share of particles at the end, per cent",
        }.items()
    },
    checks=(
        Check("spread, exact", below=1e-8),
        Check("mean, simple", above=0.98),
        Check("mean, simple", below=1.02),
        Check("spread, simple", "spread, unguided", factor=0.5, below=0.0),
        Check("effective, simple", "effective, unguided", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work composes filters by rules of transformation, for many kinds of processes; here both filters are "
        "found by listing chains, and what is tried is its claim that an approximate filter, with weights, is right. "
        "Particles are drawn anew where weights tell as much as fewer than half of them."
    ),
    seeds=tuple(range(30)),
)
