"""Policies over listed outputs: exact where a theorem says what training comes to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `lm` is not installed")

from scipy.optimize import approx_fprime
from scipy.special import expit, log_softmax

from heedful.catalogue.learning import (
    Listed,
    Records,
    at_divergence,
    every_two,
    joined,
    loss_of,
    minimised,
    mixed,
    ordered,
    scored,
    stepped,
    voted,
)
from heedful.core import HeedfulError
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


def test_scored_outputs_two_by_two_and_votes_on_them():
    rng = np.random.default_rng(2)
    drawn = scored(WORLD, WORLD.base, 4, rng, prompts=np.array([2, 0]))
    pairs = every_two(drawn)
    assert pairs.outputs.shape == (12, 2)
    np.testing.assert_array_equal(pairs.outputs[1], drawn.outputs[0, [0, 2]])
    np.testing.assert_array_equal(pairs.said["score"], WORLD.utility[pairs.prompts[:, None], pairs.outputs])
    np.testing.assert_array_equal(pairs.said["behaviour"][:, :, 0], WORLD.base[pairs.prompts[:, None], pairs.outputs])
    score = pairs.said["score"]
    np.testing.assert_array_equal(
        ordered(pairs).said["prefer"], np.select([score[:, 0] > score[:, 1], score[:, 0] < score[:, 1]], [1, 0], 0.5)
    )
    many = Records(np.repeat(1, 4000), np.tile([3, 0], (4000, 1)), {"score": np.tile([0.7, -0.2], (4000, 1))})
    assert voted(many, rng).said["prefer"].mean() == pytest.approx(expit(0.9), abs=0.025)
    both = joined(many, ordered(pairs))
    assert both.said.keys() == {"score"}
    assert len(both.prompts) == len(both.outputs) == len(both.said["score"]) == 4012


def test_policies_at_equal_divergence_and_sums_of_losses():
    world = Listed.described(np.random.default_rng(3), (6, 5, 4), hidden=0.5)
    theta = at_divergence(world, RNG.normal(size=4), 0.7)
    assert world.divergence(world.policy(theta)) == pytest.approx(0.7, abs=1e-5)
    part = world.prompts(slice(2, 4))
    np.testing.assert_array_equal(part.policy(theta), world.policy(theta)[2:4])
    with pytest.raises(HeedfulError, match="99 nats"):
        at_divergence(world, theta, 99.0)
    one, other = (loss_of(WORLD, objective, all_pairs()) for objective in (DPO(1.0), SimPO()))
    start = RNG.normal(size=WORLD.base.size)
    value, slope = mixed((1.0, one), (0.3, other))(start)
    assert value == pytest.approx(one(start)[0] + 0.3 * other(start)[0])
    np.testing.assert_allclose(slope, one(start)[1] + 0.3 * other(start)[1])
