"""Implicit rewards: normalised by brute force, soft values by enumeration, slopes by finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logsumexp

from heedful.core import FitError, InputError, Item, Part, UsageError
from heedful.core.contracts import BaseContract, PrefixPotentialContract
from heedful.evidence import ImplicitReward, prefixes
from heedful.models import LogLinearSteps, StepChoices
from heedful.preference import fit_implicit
from heedful.worlds import CHAIN_FEATURES, ChainWorld, outcomes

WORLD = ChainWorld(steps=3, problems=30, words=True, candour=0.5)
BETA = 1.7


class Seen:
    """What this world shows, as an encoder."""

    names = CHAIN_FEATURES

    def fit(self, items):
        return self

    def encode(self, items):
        return WORLD.features(items)

    def describe(self):
        return {}


def model(seed: int = 0) -> LogLinearSteps:
    weights = np.random.default_rng(seed).normal(0, 0.5, len(CHAIN_FEATURES))
    return LogLinearSteps(WORLD.base(), Seen(), weights)


class TestPolicy(BaseContract):
    def make(self):
        return model().policy()

    def context(self):
        return WORLD.contexts[0]


class TestImplicitReward(PrefixPotentialContract):
    def make(self):
        return ImplicitReward(model(), BETA, "base")

    def items(self):
        return WORLD.base().support(WORLD.contexts[0])[::9]


def test_the_reward_is_the_log_ratio_of_policy_and_reference():
    items = WORLD.base().support(WORLD.contexts[1])
    ratio = model().policy().log_prob(items) - WORLD.base().log_prob(items)
    np.testing.assert_allclose(ImplicitReward(model(), BETA)(items).mean, BETA * ratio, atol=1e-10)


def test_partial_sums_are_exact_soft_values():
    """β log E[exp(r/β) | prefix] over all that the reference may write after it, for weights that nobody fitted."""
    reward, base = ImplicitReward(model(3), BETA), WORLD.base()
    items = base.support(WORLD.contexts[2])
    log_prob, whole = base.log_prob(items), reward(items).mean
    for prefix in {own for item in items[::5] for own in prefixes(item)}:
        after = np.array([item.output[: len(prefix.output)] == prefix.output for item in items])
        conditional = log_prob[after] - base.prefix_log_prob([prefix])[0]
        soft = BETA * logsumexp(conditional + whole[after] / BETA)
        assert reward.prefix([prefix]).mean[0] == pytest.approx(soft, abs=1e-10)


def test_slopes_are_finite_differences():
    items = WORLD.draw(20, rng=np.random.default_rng(0))
    choices, weights = StepChoices.of(WORLD.base(), Seen(), items), model().weights
    for column in range(len(weights)):
        step = np.eye(len(weights))[column] * 1e-5
        up, down = (choices.log_ratios(weights + sign * step).sum(axis=1) for sign in (1, -1))
        np.testing.assert_allclose(choices.slopes(weights)[:, column], (up - down) / 2e-5, atol=1e-7)


def test_the_fit_finds_the_policy_that_labels_came_from():
    """Labels drawn by σ(r) of known weights, from many solutions: fresh rewards are found to a small error."""
    rng, truth = np.random.default_rng(1), ImplicitReward(model(5), BETA)
    items = list(WORLD.draw(6000, rng=rng))
    table = outcomes(WORLD, items, rng=rng)
    yes = rng.random(len(items)) < 1 / (1 + np.exp(-truth(items).mean))
    table = type(table).shaped(table.frame.with_columns(label=yes))
    fitted = ImplicitReward(fit_implicit(table, WORLD.base(), Seen(), beta=BETA, prior_sd=30.0), BETA)
    fresh = WORLD.draw(500, rng=rng)
    true, found = truth(fresh).mean, fitted(fresh).mean
    assert np.corrcoef(true, found)[0, 1] > 0.97
    assert np.sqrt(np.mean((true - found) ** 2)) < 0.3 * true.std()


def test_a_stronger_prior_draws_the_policy_to_its_reference():
    rng = np.random.default_rng(2)
    table = outcomes(WORLD, WORLD.draw(200, rng=rng), rng=rng)
    sizes = [np.abs(fit_implicit(table, WORLD.base(), Seen(), prior_sd=sd).weights).max() for sd in (1e-4, 0.1, 1.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 1e-4


def test_faults_are_refused():
    rng = np.random.default_rng(0)
    table = outcomes(WORLD, WORLD.draw(60, rng=rng), rng=rng)
    with pytest.raises(UsageError, match="above 0"):
        fit_implicit(table, WORLD.base(), Seen(), beta=0.0)
    same = table.where(table.column("label"))
    with pytest.raises(FitError, match="all say the same"):
        fit_implicit(same, WORLD.base(), Seen())
    with pytest.raises(InputError, match="never goes on"):
        model().log_ratios([Item(WORLD.contexts[0], (Part("neatly: 1 + 1 = 5"),))])
    assert math.isfinite(model().log_ratios([Item(WORLD.contexts[0])]).sum())
