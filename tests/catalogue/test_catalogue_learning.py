"""Policies over listed outputs: exact where a theorem says what training comes to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `lm` is not installed")

from scipy.optimize import approx_fprime
from scipy.special import expit, log_softmax

from heedful.catalogue.learning import Listed, Records, loss_of, minimised, stepped
from heedful.training import DPO, SimPO

RNG = np.random.default_rng(0)
WORLD = Listed(log_softmax(RNG.normal(size=(3, 5)), axis=1), RNG.normal(size=(3, 5)))


def all_pairs():
    rows = [(c, a, b) for c in range(3) for a, b in itertools.permutations(range(5), 2)]
    prompts, first, second = np.array(rows).T
    prefer = expit(WORLD.utility[prompts, first] - WORLD.utility[prompts, second])
    return Records(prompts, np.stack([first, second], 1), {"prefer": prefer})


def test_all_votes_lead_to_the_target():
    theta = minimised(loss_of(WORLD, DPO(2.0), all_pairs()), WORLD.start)
    np.testing.assert_allclose(WORLD.policy(theta), WORLD.target(2.0), atol=1e-4)
    assert WORLD.value(WORLD.policy(theta), 2.0) == pytest.approx(0.0, abs=1e-6)
    assert WORLD.value(WORLD.policy(WORLD.start), 2.0) < -0.1


@pytest.mark.parametrize("objective", [DPO(1.5), SimPO()], ids=["DPO", "SimPO"])
def test_gradients_are_those_of_finite_differences(objective):
    world = Listed(WORLD.base, WORLD.utility, RNG.normal(size=(3, 5, 4)))
    loss, theta = loss_of(world, objective, all_pairs()), RNG.normal(size=4)
    np.testing.assert_allclose(loss(theta)[1], approx_fprime(theta, lambda own: loss(own)[0], 1e-6), atol=1e-5)
    assert loss(stepped(loss, theta, 0.1))[0] < loss(theta)[0]


def test_outputs_are_drawn_by_the_policy():
    drawn = WORLD.draw(WORLD.base, 4000, np.random.default_rng(1))
    for c in range(3):
        np.testing.assert_allclose(np.bincount(drawn[c], minlength=5) / 4000, np.exp(WORLD.base[c]), atol=0.035)
    assert WORLD.draw(WORLD.base, 2, RNG, np.array([1, 1, 2])).shape == (3, 2)
    assert WORLD.divergence(WORLD.base) == pytest.approx(0.0)
