"""Policies of steps fitted to preferences and to outputs: against Bradley-Terry, moments, and known policies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from heedful.core import InputError, Item, UsageError
from heedful.evidence import ImplicitReward
from heedful.models import LogLinearSteps, Standardised, StepChoices
from heedful.preference import fit_dpo, fit_imitation
from heedful.worlds import CHAIN_FEATURES, ChainWorld

from .test_implicit import Seen

WORLD = ChainWorld(steps=3, problems=30, words=True, candour=0.5)
BASE = WORLD.base()


def known(seed: int) -> LogLinearSteps:
    return LogLinearSteps(BASE, Seen(), np.random.default_rng(seed).normal(0, 0.4, len(CHAIN_FEATURES)))


def test_pairs_that_differ_in_their_last_step_give_a_bradley_terry_fit_of_features() -> None:
    rng, beta = np.random.default_rng(0), 0.6
    begun = [Item(item.context, item.output[:2]) for item in WORLD.draw(300, rng=rng)]
    pairs = [BASE.continued([item, item], rng=rng) for item in begun]
    chosen, rejected = zip(*[pair for pair in pairs if pair[0] != pair[1]], strict=True)
    found = fit_dpo(chosen, rejected, BASE, Seen(), beta=beta, prior_sd=2.0)
    encoder = Standardised(Seen()).fit(list(dict.fromkeys((*chosen, *rejected))))
    gap = beta * (encoder.encode(chosen) - encoder.encode(rejected))
    direct = minimize(lambda w: -log_expit(gap @ w).sum() + w @ w / 8, np.zeros(gap.shape[1]), tol=1e-12)
    np.testing.assert_allclose(found.weights, direct.x, atol=1e-3)
    reward = ImplicitReward(found, beta)
    difference = reward.prefix(chosen).mean - reward.prefix(rejected).mean
    np.testing.assert_allclose(difference, gap @ found.weights, atol=1e-9)


def test_the_fit_finds_the_policy_that_preferences_came_from() -> None:
    """Whole outputs, which differ in all of their steps; the chosen one drawn by σ of the true reward's difference."""
    rng, beta = np.random.default_rng(1), 1.5
    truth = ImplicitReward(known(2), beta)
    drawn = [BASE.sample(context, 2, rng=rng) for context in WORLD.contexts for _ in range(100)]
    first, second = zip(*drawn, strict=True)
    wins = rng.random(len(drawn)) < expit(truth(first).mean - truth(second).mean)
    chosen, rejected = zip(*[pair if won else pair[::-1] for pair, won in zip(drawn, wins, strict=True)], strict=True)
    found = ImplicitReward(fit_dpo(chosen, rejected, BASE, Seen(), beta=beta, prior_sd=30.0), beta)
    fresh = WORLD.draw(500, rng=rng)
    true, fitted = truth(fresh).mean, found(fresh).mean
    assert np.sqrt(np.mean((true - fitted) ** 2)) < 0.25 * true.std()


def test_imitation_meets_the_mean_features_of_what_it_imitates() -> None:
    """At a maximum without prior, features have the mean under π at the prefixes met that they have in the outputs."""
    rng = np.random.default_rng(3)
    policy = known(4).policy()
    items = [item for context in WORLD.contexts for item in policy.sample(context, 40, rng=rng)]
    found = fit_imitation(items, BASE, Seen(), prior_sd=1e4)
    slopes = StepChoices.of(BASE, found.encoder, items).slopes(found.weights)
    np.testing.assert_allclose(slopes.mean(axis=0), 0.0, atol=2e-3)
    fresh = BASE.support(WORLD.contexts[0])
    away = np.exp(policy.log_prob(fresh)) @ (policy.log_prob(fresh) - found.policy().log_prob(fresh))
    before = np.exp(policy.log_prob(fresh)) @ (policy.log_prob(fresh) - BASE.log_prob(fresh))
    assert away < 0.1 * before


def test_a_narrow_prior_leaves_the_reference_as_it_is() -> None:
    items = WORLD.draw(40, rng=np.random.default_rng(5), problems=[0])
    for fitted in (fit_imitation(items, BASE, Seen(), prior_sd=1e-4), fit_dpo(items, items[::-1], BASE, Seen())):
        np.testing.assert_allclose(fitted.weights, 0.0, atol=1e-4)  # each of the second's pairs stands both ways round


def test_faults_are_refused() -> None:
    items = WORLD.draw(4, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="no pairs"):
        fit_dpo(items[:2], items[2:], BASE, Seen())
    with pytest.raises(InputError, match="4 chosen and 3"):
        fit_dpo(items, items[:3], BASE, Seen())
    with pytest.raises(InputError, match="no outputs"):
        fit_imitation([], BASE, Seen())
    with pytest.raises(UsageError, match="above 0"):
        fit_dpo(items, items, BASE, Seen(), beta=0.0)
