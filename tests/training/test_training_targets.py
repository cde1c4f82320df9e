"""What the minimum of an objective is, where a theorem says it: all outputs listed, all votes in their proportions."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.training import DPO, PMPO, Batch, General, PlackettLuce, PolicyGradient, Weighted, rloo  # noqa: E402

BASE = torch.tensor([0.3, 0.25, 0.2, 0.15, 0.1], dtype=torch.float64)
UTILITY = torch.tensor([0.0, 1.0, -0.5, 2.0, 0.3], dtype=torch.float64)
BEHAVIOUR = torch.tensor([0.1, 0.3, 0.1, 0.2, 0.3], dtype=torch.float64)


def minimum(objective, outputs, **fields):
    """The law [5] of least loss over records of these outputs [r, k], each of one token."""
    logits = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(*outputs.shape, 1, dtype=torch.bool)
    batch = Batch.of(mask, **fields)
    reference = BASE.log()[outputs][:, :, None]
    optimiser = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16,
                                  line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        optimiser.zero_grad()
        total, units = objective(logits.log_softmax(0)[outputs][:, :, None], reference, batch).total(batch)
        (total / units).backward()
        return total / units

    optimiser.step(closure)
    return logits.detach().softmax(0)


def tilted(base, exponent):
    return (base.log() + exponent).softmax(0)


PAIRS = torch.tensor(list(itertools.permutations(range(5), 2)))
PREFER = (UTILITY[PAIRS[:, 0]] - UTILITY[PAIRS[:, 1]]).sigmoid()


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_dpo_reaches_the_target_of_what_the_votes_tell(strength):
    found = minimum(DPO(strength), PAIRS, prefer=PREFER)
    torch.testing.assert_close(found, tilted(BASE, strength * UTILITY), atol=1e-6, rtol=0)


def test_robust_dpo_reaches_it_from_flipped_votes_and_conservative_dpo_does_not():
    flipped = 0.8 * PREFER + 0.2 * (1 - PREFER)
    found = minimum(DPO(flips=0.2, strength=2.0), PAIRS, prefer=flipped)
    torch.testing.assert_close(found, tilted(BASE, 2.0 * UTILITY), atol=1e-6, rtol=0)
    assert (minimum(DPO(2.0, smooth=0.2), PAIRS, prefer=PREFER) - tilted(BASE, 2.0 * UTILITY)).abs().max() > 0.05


def test_plackett_luce_reaches_the_target_of_rankings():
    orders = torch.tensor(list(itertools.permutations(range(5))))
    worth = UTILITY[orders]
    share = torch.stack([worth[:, place] - worth[:, place:].logsumexp(1) for place in range(5)], 1).sum(1).exp()
    score = torch.arange(5, 0, -1).double().expand(len(orders), 5)
    found = minimum(PlackettLuce(1.5), orders, score=score, weight=share)
    torch.testing.assert_close(found, tilted(BASE, 1.5 * UTILITY), atol=1e-6, rtol=0)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_general_is_a_step_of_mirror_descent_on_any_preference(share):
    """Preferences that run in circles, which no utility gives."""
    made = torch.Generator().manual_seed(3)
    z = torch.randn(5, 5, generator=made, dtype=torch.float64)
    matrix = (z - z.T).sigmoid()
    first, second = (grid.flatten() for grid in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
    pairs = torch.stack([first, second], 1)
    found = minimum(
        General(1.7, share),
        pairs,
        prefer=matrix[first, second],
        weight=BEHAVIOUR[first] * BEHAVIOUR[second],
        behaviour=BEHAVIOUR.log()[pairs][:, :, None],
    )
    law = share * BASE.log() + (1 - share) * BEHAVIOUR.log() + 1.7 * matrix @ BEHAVIOUR
    torch.testing.assert_close(found, law.softmax(0), atol=1e-6, rtol=0)


def test_the_squared_link_is_such_a_step_of_twice_the_strength():
    first, second = (grid.flatten() for grid in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
    pairs = torch.stack([first, second], 1)
    prefer = (UTILITY[first] - UTILITY[second]).sigmoid()
    weight = BEHAVIOUR[first] * BEHAVIOUR[second]
    found = minimum(DPO(1.3, "squared"), pairs, prefer=prefer, weight=weight)
    wins = (UTILITY[:, None] - UTILITY[None, :]).sigmoid() @ BEHAVIOUR
    torch.testing.assert_close(found, tilted(BASE, 2 * 1.3 * wins), atol=1e-6, rtol=0)


def test_weights_of_draws_of_the_base_reach_the_target():
    drawn = torch.repeat_interleave(torch.arange(5), (20 * BASE).round().long())[None]
    found = minimum(Weighted("tilt", 1.2), drawn, score=UTILITY[drawn])
    torch.testing.assert_close(found, tilted(BASE, 1.2 * UTILITY), atol=1e-6, rtol=0)


def test_pmpo_is_the_base_weighed_by_what_is_good_and_imitates_bad_outputs_that_are_alone():
    """Of all draws it comes to base · (share · good − (1 − share) · bad + hold), of bad ones to their own law."""
    every, good = torch.arange(5)[:, None], UTILITY.sigmoid()
    for share, hold in ((0.5, 0.8), (1.0, 0.0), (0.0, 1.2)):
        law = BASE * (share * good - (1 - share) * (1 - good) + hold)
        found = minimum(PMPO(share, hold), every, label=good[:, None], weight=BASE)
        torch.testing.assert_close(found, law / law.sum(), atol=1e-6, rtol=0)
    bad = BASE * (1 - good)
    found = minimum(PMPO(0.0, 1.2), every, label=torch.zeros(5, 1).double(), weight=bad)
    torch.testing.assert_close(found, bad / bad.sum(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("objective", [rloo(), PolicyGradient("none")])
def test_a_policy_gradient_is_that_of_the_expected_score(objective):
    """Over all groups of three outputs, in proportion to their probability under the policy that drew them."""
    assert objective.claim == "policy gradient"
    logits = torch.tensor([0.1, -0.3, 0.5, 0.0, 0.2], dtype=torch.float64, requires_grad=True)
    policy = logits.log_softmax(0)
    groups = torch.tensor(list(itertools.product(range(5), repeat=3)))
    for drawn_by in (policy.detach(), (policy.detach() + 0.1 * UTILITY).log_softmax(0)):
        weight = drawn_by[groups].sum(1).exp()
        batch = Batch.of(
            torch.ones(125, 3, 1, dtype=torch.bool),
            score=UTILITY[groups],
            behaviour=drawn_by[groups][:, :, None],
            weight=weight,
        )
        total, units = objective(policy[groups][:, :, None], None, batch).total(batch)
        (gradient,) = torch.autograd.grad(total / units, logits, retain_graph=True)
        (expected,) = torch.autograd.grad(-(policy.exp() * UTILITY).sum(), logits, retain_graph=True)
        torch.testing.assert_close(gradient, expected, atol=1e-12, rtol=0)
