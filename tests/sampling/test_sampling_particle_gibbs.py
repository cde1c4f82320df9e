"""Particle Gibbs leaves the target as it is, with two particles as with more: moves from exact draws stay exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from heedful.core import Budget, BudgetExceededError, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import constraint
from heedful.sampling import ParticleGibbs, Particles, TokenGuide, exact, one_each, particles
from heedful.sampling.resampling import proportional
from heedful.sampling.scoring import Scoring
from heedful.target import Target

from .language import BASE, CONTEXTS, Liked, frequencies, law, sampled_variation, total_variation, words
from .test_sampling_particles import OTHER

TARGET = Target(BASE, 1.5 * Liked())
TRUE = law(TARGET, CONTEXTS[0])
DRAWS = 1200


def of(n=2, **options):
    return Particles(n, resampling="multinomial", **options)


class TestParticleGibbsKeepsTheContract(SamplingEngineContract):
    def make(self):
        return ParticleGibbs(of(), 2, burn_in=1)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]

    def budget(self):
        return Budget(tokens=60)


def moved(engine, start, seed=0):
    """Outputs after one move from each of the outputs given."""
    rng, contexts = np.random.default_rng(seed), [item.context for item in start]
    with engine.begun(BASE, contexts, Budget()) as writing:
        swarm = particles.Swarm(Scoring(TARGET, Budget()), engine.twist_of(TARGET), engine.n, writing)
        engine.run(swarm, rng, BASE.encode(start))
    items = swarm.writing.state.items()
    first = items[:: engine.n]
    column = proportional(swarm.log_weight.reshape(-1, engine.n), rng)
    return first, [items[engine.n * row + taken] for row, taken in enumerate(column.tolist())]


def exact_draws(seed=0):
    return exact(TARGET, CONTEXTS[:1] * DRAWS, budget=Budget(), rng=np.random.default_rng(seed)).items


CASES = {
    "at every token": of(threshold=1.0),
    "when it is asked for": of(3, threshold=0.7),
    "guided, every other token": of(guides=(TokenGuide(OTHER, 0.5),), every=2, threshold=1.0),
}


def change_p(start, after) -> float:
    """P-value of no change, of outputs in pairs: the words they hold, begin with and end in."""
    features = [
        [(*(own.count(word) for word in "abc"), own[:1] == ["a"], own[:1] == ["b"], own[-1:] == ["a"]) for own in told]
        for told in ([words(item) for item in items] for items in (start, after))
    ]
    change = np.subtract(features[1], features[0], dtype=float)
    mean, spread = change.mean(axis=0), np.cov(change.T) / len(change)
    return float(chi2.sf(mean @ np.linalg.solve(spread, mean), len(mean)))


@pytest.mark.parametrize("case", CASES)
def test_a_move_from_exact_draws_is_exact(case):
    start = exact_draws()
    held, after = moved(CASES[case], start)
    assert held == start  # the one held is written again, to its end
    assert total_variation(frequencies(after), TRUE) < sampled_variation(TRUE, DRAWS)
    assert np.mean([one != other for one, other in zip(start, after, strict=True)]) > 0.2
    assert change_p(start, after) > 1e-3


@pytest.mark.parametrize("bug", ["held never multiplied", "weights kept after resampling", "last twist counted twice"])
def test_planted_bugs_are_noticed(bug, monkeypatch):
    resample, weigh = particles.Swarm.resample, particles.Swarm.weigh

    def alone(self, weight, rng):
        chosen = particles.chosen_by(self.resampling, self.threshold)
        ancestors = chosen(np.r_[0.0, weight[1:]] / max(weight[1:].sum(), 1e-300), rng)
        return None if ancestors is None else np.r_[0, ancestors[1:]]

    def kept(self, chosen, rng):
        before = self.log_weight.copy()
        resample(self, chosen, rng)
        self.log_weight = before

    def twice(self, *exponent):
        weigh(self, *exponent)
        if self.writing.state.finished.all():
            self.log_weight = self.log_weight + 1.5 * Liked().prefix(self.writing.state.items()).mean

    place, name, planted = {
        "held never multiplied": (Particles, "_kept", alone),
        "weights kept after resampling": (particles.Swarm, "resample", kept),
        "last twist counted twice": (particles.Swarm, "weigh", twice),
    }[bug]
    monkeypatch.setattr(place, name, planted)
    start = exact_draws()
    assert change_p(start, moved(of(threshold=1.0), start)[1]) < 1e-4


def test_chains_come_to_the_target_that_few_particles_miss():
    rng, contexts = np.random.default_rng(1), CONTEXTS[:1] * 500
    few = one_each(of()(TARGET, contexts, budget=Budget(), rng=rng), rng=rng).items
    found = ParticleGibbs(of(), burn_in=4)(TARGET, contexts, budget=Budget(), rng=rng)
    likely = sampled_variation(TRUE, 500)
    assert total_variation(frequencies(found.items), TRUE) < likely < total_variation(frequencies(few), TRUE)
    assert 0.3 < found.moved.mean() < 0.9


def test_one_each_follows_the_weights():
    samples = Particles(2)(TARGET, CONTEXTS, budget=Budget(), rng=np.random.default_rng(3))
    rng, first = np.random.default_rng(0), 0
    for _ in range(2000):
        drawn = one_each(samples, rng=rng).items
        assert [item.context for item in drawn] == list(CONTEXTS)
        first += drawn[0] == samples.items[0]
    weight = np.exp(samples.log_weights[:2] - samples.log_weights[:2].max())
    share = weight[0] / weight.sum()
    assert samples.items[0] != samples.items[1]
    assert first / 2000 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 2000))


def test_rows_are_those_of_each_chain_in_turn():
    contexts = [CONTEXTS[1], CONTEXTS[0]]
    whole, part = (
        ParticleGibbs(of(), *how)(TARGET, contexts, budget=Budget(), rng=np.random.default_rng(1))
        for how in ((6, 0, 1), (2, 1, 4))
    )
    assert part.items == tuple(whole.items[row] for row in (1, 5, 7, 11))
    assert part.context_index.tolist() == [0, 0, 1, 1]
    assert np.isnan(
        ParticleGibbs(of(), burn_in=0)(TARGET, contexts, budget=Budget(), rng=np.random.default_rng(1)).moved
    ).all()


def test_what_is_ruled_out_is_left():
    no_c = Target(BASE, 1.0 * Liked() + constraint(lambda item: "c" not in words(item), "no c"))
    found = ParticleGibbs(of(), burn_in=8)(no_c, CONTEXTS[:1] * 30, budget=Budget(), rng=np.random.default_rng(0))
    assert not any("c" in words(item) for item in found.items)
    nothing = Target(BASE, 1.0 * Liked() + constraint(lambda item: False, "nothing"))
    gone = ParticleGibbs(of(), burn_in=2)(nothing, CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    assert (gone.log_weights == -np.inf).all()


def test_cost_is_known_and_capped():
    engine = ParticleGibbs(of(), burn_in=2)  # 3 sets of 2 particles, of each 2 tokens read at most, and a context of 1
    with pytest.raises(BudgetExceededError, match="tokens"):
        engine(TARGET, CONTEXTS[:1], budget=Budget(tokens=12), rng=np.random.default_rng(0))
    budget = Budget(tokens=13)
    cost = engine(TARGET, CONTEXTS[:1], budget=budget, rng=np.random.default_rng(0)).cost
    assert cost["samples"] == 6
    assert 1 < cost["tokens"] == budget.spent["tokens"] <= 1 + 3 * 2 * 2  # the last of three tokens is not read


def test_wrong_use_is_said():
    for wrong in (Particles(4), of(1)):
        with pytest.raises(UsageError, match="resampling"):
            ParticleGibbs(wrong)
    with pytest.raises(UsageError, match="moves apart"):
        ParticleGibbs(of(), 0)
