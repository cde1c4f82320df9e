"""Weights of particles are proper, whatever twists, guides and resampling; tested against enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import constraint
from heedful.models import SequenceTable, TableModel
from heedful.sampling import RESAMPLING, Particles, TokenGuide, ValueGuide, particles
from heedful.target import Target, enumerate_exact

from .language import BASE, CONTEXTS, Liked, Plain, Soft, law, total_variation, weighted_law, words

STRENGTH = 1.5
TARGET = Target(BASE, STRENGTH * Liked())
OTHER = SequenceTable({(): {"a": 0.2, "b": 0.5, "c": 0.2, "": 0.1}}, max_tokens=3)
GUIDES = {
    "none": (),
    "model": (TokenGuide(OTHER, 0.5),),
    "value": (ValueGuide(STRENGTH * Soft(STRENGTH)), TokenGuide(OTHER, 0.3, BASE)),
}


class TestParticlesKeepTheContract(SamplingEngineContract):
    def make(self):
        return Particles(8)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]

    def budget(self):
        return Budget(tokens=500)


def run(engine, target=TARGET, *, contexts=CONTEXTS[:1], repeats=1, seed=0):
    return engine(target, list(contexts) * repeats, budget=Budget(), rng=np.random.default_rng(seed))


def ratios(engine, target=TARGET, repeats=1200, seed=0):
    """Ẑ/Z of many runs in one context."""
    found = run(engine, target, repeats=repeats, seed=seed)
    return np.exp(found.log_normalizer - enumerate_exact(target, CONTEXTS[0]).log_normalizer), found


CASES = [
    *itertools.product(RESAMPLING, ("none",), (1.0,), (1,)),
    ("systematic", "model", 0.5, 1),
    ("systematic", "model", 1.0, 2),
    ("systematic", "value", 0.5, 2),
    ("systematic", "value", 1.0, 1),
    ("systematic", "none", 0.0, 1),
]


@pytest.mark.parametrize(("resampling", "guides", "threshold", "every"), CASES)
def test_weights_are_proper(resampling, guides, threshold, every) -> None:
    """E[Ẑ] = Z, and E[Σ w f] = Z E[f] for what f tells most: the probability of each output."""
    engine = Particles(4, guides=GUIDES[guides], resampling=resampling, threshold=threshold, every=every)
    ratio, found = ratios(engine)
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.03
    assert abs(ratio.mean() - 1) < 4 * error + 1e-9
    listed = enumerate_exact(TARGET, CONTEXTS[0])
    weight = np.exp(found.log_weights - listed.log_normalizer)
    place = {item: number for number, item in enumerate(listed.items)}
    mass = np.zeros((len(ratio), len(listed.items)))
    np.add.at(mass, (found.context_index, [place[item] for item in found.items]), weight)
    often = (mass > 0).sum(axis=0) >= 50  # enough of them for their mean to be normal
    assert listed.probability[often].sum() > 0.8
    error = mass.std(axis=0) / np.sqrt(len(mass))
    assert (np.abs(mass.mean(axis=0) - listed.probability)[often] < 4.5 * error[often]).all()


def test_the_normaliser_is_right_within_three_in_a_thousand() -> None:
    ratio, _ = ratios(Particles(64), repeats=1_600)
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.003
    assert abs(ratio.mean() - 1) < 3 * error


@pytest.mark.parametrize("bug", ["last twist counted twice", "evidence lost", "weights kept after resampling"])
def test_planted_bugs_are_noticed(bug, monkeypatch) -> None:
    """What peers got wrong, put in on purpose: the tests above would fail."""
    swarm = particles.Swarm
    resample = swarm.resample

    def twice(self, *exponent):
        weigh(self, *exponent)
        if self.writing.state.finished.all():
            self.log_weight = self.log_weight + STRENGTH * Liked().prefix(self.writing.state.items()).mean

    def lost(self, chosen, rng):
        resample(self, chosen, rng)
        self.log_normalizer[:] = 0

    def kept(self, chosen, rng):
        before = self.log_weight.copy()
        resample(self, chosen, rng)
        self.log_weight = before

    weigh = swarm.weigh
    name, planted = {
        "last twist counted twice": ("weigh", twice),
        "evidence lost": ("resample", lost),
        "weights kept after resampling": ("resample", kept),
    }[bug]
    monkeypatch.setattr(swarm, name, planted)
    ratio, _ = ratios(Particles(4, threshold=1.0), repeats=1000)
    assert abs(ratio.mean() - 1) > 6 * ratio.std() / np.sqrt(len(ratio))


def test_draws_by_weight_tend_to_the_target() -> None:
    true = law(TARGET, CONTEXTS[1])
    distance = []
    for n in (2, 8, 32, 512):
        found = run(Particles(n), contexts=CONTEXTS[1:], repeats=2048 // n, seed=1)
        by_run = found.log_weights - np.repeat(
            found.log_normalizer, n
        )  # each run counts alike, as one draw from it would
        distance.append(total_variation(weighted_law(found.items, by_run), true))
    assert distance[0] > 2 * distance[-1]
    # What an exact sampler of 2,048 draws shows.
    items, p = list(true), np.array(list(true.values()))
    rng = np.random.default_rng(2)
    exact = [
        total_variation(dict(zip(items, rng.multinomial(2048, p / p.sum()) / 2048, strict=True)), true)
        for _ in range(20)
    ]
    assert distance[-1] < 2 * max(exact)


def test_a_perfect_guide_leaves_no_variance() -> None:
    soft = STRENGTH * Soft(STRENGTH)
    target = Target(BASE, soft)
    guided = run(Particles(3, guides=(ValueGuide(soft),)), target, repeats=50)
    z = enumerate_exact(target, CONTEXTS[0]).log_normalizer
    np.testing.assert_allclose(guided.log_normalizer, z, atol=1e-9)


def test_without_a_twist_it_is_importance_sampling() -> None:
    """Nothing is weighed before the end: each particle is a draw from the base with weight exp(score)/n."""
    target = Target(BASE, STRENGTH * Plain())
    found = run(Particles(16), target, contexts=CONTEXTS)
    np.testing.assert_allclose(found.log_weights, target.log_weight(found.items) - math.log(16))
    assert found.cost["tokens"] == pytest.approx(3 + sum(min(len(words(item)), 2) for item in found.items))


def test_what_is_ruled_out_has_no_weight() -> None:
    no_c = Target(BASE, 1.0 * Liked() + constraint(lambda item: "c" not in words(item), "no c"))
    ratio, found = ratios(Particles(8), no_c)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(ratio))
    assert all(
        ("c" in words(item)) == (weight == -np.inf) for item, weight in zip(found.items, found.log_weights, strict=True)
    )
    nothing = run(Particles(4), Target(BASE, 1.0 * Liked() + constraint(lambda item: False, "nothing")))
    assert (nothing.log_normalizer == -np.inf).all()
    assert nothing.kl[0].value == np.inf


def test_kl_is_that_of_the_target() -> None:
    found = run(Particles(4000), contexts=CONTEXTS, seed=3)
    for context, kl in zip(CONTEXTS, found.kl, strict=True):
        assert kl.value == pytest.approx(enumerate_exact(TARGET, context).kl, abs=0.05)


def test_cost_is_known_and_capped() -> None:
    with pytest.raises(BudgetExceededError, match="tokens"):
        Particles(8)(TARGET, CONTEXTS, budget=Budget(tokens=20), rng=np.random.default_rng(0))
    budget = Budget(tokens=8 * 3 * 2 + 3)
    found = Particles(8)(TARGET, CONTEXTS, budget=budget, rng=np.random.default_rng(0))
    assert found.cost["tokens"] == budget.spent["tokens"] < budget.caps["tokens"]
    assert found.cost["scores"] >= len(set(found.items))


def test_wrong_use_is_said() -> None:
    table = TableModel.of({"a": {"x": 1.0}})
    with pytest.raises(UsageError, match="token by token"):
        run(Particles(2), Target(table, 1.0 * Plain()))
    with pytest.raises(UsageError, match="nothing in it scores"):
        run(Particles(2, twist=1.0 * Plain()))
    with pytest.raises(UsageError, match="no resampling"):
        Particles(2, resampling="sometimes")
    with pytest.raises(UsageError, match="same tokens"):
        run(Particles(2, guides=(TokenGuide(SequenceTable({(): {"x": 0.5, "": 0.5}}, 3)),)))
    for wrong in ({"n": 0}, {"n": 1, "every": 0}, {"n": 1, "threshold": 2.0}):
        with pytest.raises(UsageError):
            Particles(**wrong)
