"""Objectives of tokens, spans and scopes: values worked out by hand, and what special cases come to."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import UsageError  # noqa: E402
from heedful.training import (  # noqa: E402
    C3PO,
    DPO,
    Addressed,
    Batch,
    PolicyGradient,
    Supervised,
    Unlikelihood,
    Weighted,
    grpo,
    pairwise_ppo,
    rloo,
)
from heedful.training.objectives import (  # noqa: E402
    Cringe,
    Director,
    LatentUser,
    covariances,
    directed,
    generalised_advantages,
    of_group,
    of_turns,
    rivals,
    shaped,
    span_values,
    top_tokens,
    unified_policy_gradient,
    value_loss,
    within_clip,
)
from training.common import MASK, POLICY, REFERENCE, batch_for, only, outputs, sigmoid  # noqa: E402


def test_unlikelihood_by_hand():
    policy, mask = POLICY[:, :1], MASK[:, :1]
    good, bad = (Batch.of(mask, label=torch.tensor([[own]])) for own in (1.0, 0.0))
    assert only(Unlikelihood(0.5)(policy, None, good)) == pytest.approx(1.5)
    unlike = [-math.log(1 - math.exp(x)) for x in (-0.5, -1.0)]
    assert only(Unlikelihood(0.5)(policy, None, bad)) == pytest.approx(0.5 * sum(unlike))
    one = Batch.of(mask, label=torch.tensor([[0.0]]), focus=torch.tensor([[[0.0, 1.0]]]))
    found = Unlikelihood(0.5)(policy, None, one)
    assert (only(found), float(found.units)) == (pytest.approx(0.5 * unlike[1]), 2.0)


def test_a_bad_token_that_is_nearly_sure_is_still_pushed_away():
    policy = torch.tensor([[[-1e-9, 0.0]]], requires_grad=True)
    batch = Batch.of(torch.ones(1, 1, 2, dtype=torch.bool), label=torch.tensor([[0.0]]))
    found = Unlikelihood()(policy, None, batch)
    assert only(found) == pytest.approx(2 * 13.8155, rel=1e-4)
    (gradient,) = torch.autograd.grad(found.per_record.sum(), policy)
    assert gradient[0, 0].tolist() == pytest.approx([1e6, 1e6], rel=1e-2)


def test_unlikelihood_is_least_at_the_share_of_good():
    """Of one token called good with probability q: −q log p − (1 − q) log(1 − p) is least at p = q."""
    p = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    policy = p.log().expand(2, 1, 1)
    batch = Batch.of(torch.ones(2, 1, 1, dtype=torch.bool), label=torch.tensor([[1.0], [0.0]]),
                     weight=torch.tensor([0.3, 0.7], dtype=torch.float64))  # fmt: skip
    total, _ = Unlikelihood()(policy, None, batch).total(batch)
    (gradient,) = torch.autograd.grad(total, p)
    assert float(gradient) == pytest.approx(0.0, abs=1e-12)


def test_cringe_by_hand():
    rival = torch.tensor([[[-0.7, -0.2], [-1.0, math.nan]]], dtype=torch.float64)
    batch = Batch.of(MASK, label=torch.tensor([[1.0, 0.0]]))
    lead = -1.5 + 2.0
    expected = sigmoid((0.2 - lead) / 0.5) * (1.5 - 0.4 * math.log(sigmoid(1.0)))
    assert only(Cringe(0.4, 0.2, 0.5)(POLICY, rival, batch)) == pytest.approx(expected)
    alone = Batch.of(MASK[:, :1], label=torch.tensor([[0.0]]))
    expected = -math.log(sigmoid(-0.2)) - math.log(sigmoid(0.8))
    assert only(Cringe()(POLICY[:, :1], rival[:, :1], alone)) == pytest.approx(expected)


def test_rivals_are_drawn_from_the_likeliest_but_the_own():
    """Of 0.4, 0.3, 0.2 and 0.1, where the first came, the two likeliest of the others share as 3 to 2."""
    log_prob = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64).log().expand(20_000, 4).clone().requires_grad_()
    found = rivals(log_prob, torch.zeros(20_000, dtype=torch.int64), k=2, rng=np.random.default_rng(0))
    share = {p: float((found.exp() - p).abs().lt(1e-12).double().mean()) for p in (0.4, 0.3, 0.2, 0.1)}
    assert share == pytest.approx({0.4: 0.0, 0.3: 0.6, 0.2: 0.4, 0.1: 0.0}, abs=0.01)
    (gradient,) = torch.autograd.grad(found.sum(), log_prob)
    assert gradient.sum(1).tolist() == [1.0] * 20_000
    assert not gradient[:, [0, 3]].any()
    every = rivals(log_prob[:50], torch.full((50,), 3), k=9, rng=np.random.default_rng(1))
    assert every.exp().min() > 0.15


@pytest.mark.parametrize(("k", "tokens"), [(0, 4), (3, 1)])
def test_rivals_there_cannot_be_are_refused(k, tokens):
    with pytest.raises(UsageError, match="likeliest"):
        rivals(torch.zeros(2, tokens), torch.zeros(2, dtype=torch.int64), k=k, rng=np.random.default_rng(0))


def test_director_by_hand_and_what_it_draws_from():
    logits = torch.tensor([[[2.0, -1.0], [0.5, math.nan]]], dtype=torch.float64)
    batch = Batch.of(MASK, label=torch.tensor([[1.0, 0.0]]))
    wrong = -math.log(sigmoid(2.0)) - math.log(sigmoid(-1.0)) - math.log(sigmoid(-0.5))
    found = Director(0.3)(POLICY, logits, batch)
    assert (only(found), float(found.units)) == (pytest.approx(1.5 + 0.3 * wrong), 3.0)
    law = directed(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.0, math.log(3.0)]), 2.0).exp()
    assert law.tolist() == pytest.approx([0.25 / 0.8125, 0.5625 / 0.8125])


@pytest.mark.parametrize("gap", [-1e4, 0.0, 1e4])
def test_losses_that_take_two_networks_stay_numbers(gap):
    policy = POLICY.float().detach().requires_grad_()
    batch = Batch.of(MASK, label=torch.tensor([[1.0, 0.0]]))
    for objective in (Cringe(), Director()):
        found = objective(policy, REFERENCE.float() + gap, batch)
        assert found.per_record.isfinite().all()
        assert torch.autograd.grad(found.per_record.sum(), policy)[0].isfinite().all()
    drawn = unified_policy_gradient(policy, batch, advantage=torch.ones(1, 1, 1), drawn_by=policy.detach() + gap)
    assert torch.autograd.grad(drawn.per_record.sum(), policy)[0].isfinite().all()


def test_addressed_dpo_by_hand():
    """Token by token Δ is 0.5, 0.5 of the first output and −1 of the second."""
    focus = torch.tensor([[[0.0, 2.0], [0.5, 9.0]]])
    found = only(Addressed(DPO(4.0))(POLICY, REFERENCE, Batch.of(MASK, focus=focus)))
    assert found == pytest.approx(-math.log(sigmoid((1.0 + 0.5) / 4)))
    step = Batch.of(MASK, focus=torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]))
    later, mask = outputs([-1.0], [-2.0])
    known = only(DPO(4.0)(later, torch.tensor([[[-1.5], [-1.0]]]), Batch.of(mask)))
    assert only(Addressed(DPO(4.0))(POLICY, REFERENCE, step)) == pytest.approx(known)
    part = Addressed(Supervised("two"))(POLICY, None, step)
    assert (only(part), float(part.units)) == (3.0, 2.0)


def test_values_of_spans_by_hand():
    tokens = [(0, 3), (3, 4), (4, 9)]
    assert span_values([(1, 4, 1.0), (4, 5, -1.0), (0, 9, 0.25)], tokens).tolist() == [1.25, 1.25, -0.75]
    assert span_values([(1, 4, 1.0), (4, 5, -1.0)], tokens, at="last").tolist() == [0.0, 1.0, -1.0]
    with pytest.raises(UsageError, match="from 9 to 12 touches no token"):
        span_values([(9, 12, 1.0)], tokens)
    with pytest.raises(UsageError, match="touches no token"):
        span_values([(0, 1, 1.0)], [])


def test_c3po_by_hand():
    scope = Batch.of(MASK, scope=torch.tensor([1.0]))
    assert only(C3PO(4.0)(POLICY, REFERENCE, scope)) == pytest.approx(-math.log(sigmoid(0.5)))
    out = Batch.of(MASK, scope=torch.tensor([0.0]))
    assert only(C3PO(4.0)(POLICY, REFERENCE, out)) == pytest.approx(1.5)
    assert only(C3PO(4.0, "ratio")(POLICY, REFERENCE, out)) == pytest.approx(1.0)


def test_top_tokens_and_their_controls():
    values = torch.tensor([[[0.1, 0.9, 7.0]], [[0.5, 0.9, 0.2]]])
    mask = torch.tensor([[[True, True, False]], [[True, True, True]]])
    assert top_tokens(values, mask, 0.2).nonzero().tolist() == [[0, 0, 1]]
    assert top_tokens(values, mask, 0.4).nonzero().tolist() == [[0, 0, 1], [1, 0, 1]]
    assert top_tokens(values, mask, 0.4, how="low").nonzero().tolist() == [[0, 0, 0], [1, 0, 2]]
    drawn = torch.stack([top_tokens(values, mask, 0.4, how="random", seed=seed) for seed in range(500)]).double()
    assert drawn.sum((1, 2, 3)).tolist() == [2.0] * 500
    assert (drawn.mean(0)[mask] - 0.4).abs().max() < 4 * math.sqrt(0.24 / 500)
    assert top_tokens(values, mask, 1.0).equal(mask)
    assert not top_tokens(values, mask, 0.0).any()


def test_covariances_by_hand_and_how_they_foretell_entropy():
    """A step of logits along advantages changes entropy by −Cov(log p, advantage), to first order."""
    log_prob, advantage = torch.tensor([[[-1.0, -2.0, 5.0]]]), torch.tensor([[[1.0, 0.0, 3.0]]])
    mask = torch.tensor([[[True, True, False]]])
    assert covariances(log_prob, advantage, mask).tolist() == [[[0.25, 0.25, 0.0]]]
    p = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    a = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64)

    def entropy(step):
        law = (p.log() + step * (a - p @ a)).softmax(0)
        return float(-(law @ law.log()))

    slope = (entropy(1e-5) - entropy(-1e-5)) / 2e-5
    drawn = torch.repeat_interleave(torch.arange(3), (10 * p).round().long())
    found = covariances(p.log()[drawn][None, None], a[drawn][None, None], torch.ones(1, 1, 10, dtype=torch.bool))
    assert -float(found.mean()) == pytest.approx(slope, rel=1e-6)


def gradient_of(found, policy):
    return torch.autograd.grad((found.per_record / found.units).sum(), policy)[0]


def test_special_cases_of_the_unified_policy_gradient():
    policy, _, batch = batch_for(rloo())
    score, mask, behaviour = batch.score, batch.mask, batch.behaviour
    ones = torch.ones_like(score)[:, :, None]
    plain = unified_policy_gradient(policy, batch, advantage=ones)
    (supervised,) = torch.autograd.grad(plain.per_record.sum(), policy, retain_graph=True)
    (known,) = torch.autograd.grad(Supervised("some")(policy, None, batch).per_record.sum(), policy)
    torch.testing.assert_close(supervised, known)
    weight = Weighted("tilt", 2.0)
    share = (2.0 * score).masked_fill(~batch.present, -math.inf).softmax(1)[:, :, None]
    tilted = unified_policy_gradient(policy, batch, advantage=share)
    (known,) = torch.autograd.grad(weight(policy, None, batch).per_record.sum(), policy)
    torch.testing.assert_close(torch.autograd.grad(tilted.per_record.sum(), policy)[0], known)
    for named in (rloo(), grpo(), PolicyGradient("none", (0.1, 0.3))):
        advantage = named._advantage(batch)
        low, high = named.clip or (math.inf, math.inf)
        stable = within_clip(torch.where(mask, policy - behaviour, 0.0), advantage.expand_as(policy), low, high)
        if named.over == "output":
            stable = stable / batch.length.clamp(min=1)[:, :, None]
        found = unified_policy_gradient(policy, batch, advantage=advantage, drawn_by=behaviour, stable=stable)
        torch.testing.assert_close(gradient_of(found, policy), gradient_of(named(policy, None, batch), policy))
    told = Batch.of(mask, advantage=score[:, :, None].expand_as(policy) * 0.5, behaviour=behaviour)
    held = within_clip(torch.where(mask, policy - behaviour, 0.0), told.advantage)  # PPO of tokens' advantages
    found = unified_policy_gradient(policy, batch, advantage=told.advantage, drawn_by=behaviour, stable=held)
    known = PolicyGradient(clip=(0.2, 0.2))(policy, None, told)
    torch.testing.assert_close(gradient_of(found, policy), gradient_of(known, policy))
    kept = unified_policy_gradient(policy, batch, advantage=0 * ones, penalty=policy**2)
    torch.testing.assert_close(
        gradient_of(kept, policy), torch.where(mask, 2 * policy, 0.0) / kept.units[:, None, None]
    )


def test_pairwise_ppo_by_hand():
    batch = Batch.of(MASK, score=torch.tensor([[1.0, 3.0]]), behaviour=POLICY - torch.tensor([[[0.1, 0.3], [0.1, 0]]]))
    expected = -(-2.0 * math.exp(0.4) + 2.0 * math.exp(0.1))
    assert only(pairwise_ppo(clip=0.2)(POLICY, None, batch)) == pytest.approx(expected)
    clipped = -(-2.0 * math.exp(0.4) + 2.0 * 1.05)
    assert only(pairwise_ppo(clip=0.05)(POLICY, None, batch)) == pytest.approx(clipped)


def test_a_conservative_backup_keeps_to_a_fixed_policy():
    """B-Coder: the target of Q is the reward and the value, by a network that stays, of what its own best token is."""
    q = torch.tensor([[[0.5, 0.2, 0.7]]], dtype=torch.float64)
    fixed = torch.tensor([[[0.3, 0.6, 0.4]]], dtype=torch.float64)
    reward, mask = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64), torch.ones(1, 1, 3, dtype=torch.bool)
    _, target = generalised_advantages(reward, fixed, mask, discount=0.9, decay=0.0)
    assert target[0, 0].tolist() == pytest.approx([0.9 * 0.6, 0.9 * 0.4, 1.0])
    expected = 0.5 * ((0.5 - 0.54) ** 2 + (0.2 - 0.36) ** 2 + 0.3**2)
    assert only(value_loss(q, q, target, mask, clip=None)) == pytest.approx(expected)


def test_advantages_of_turns_reach_their_tokens():
    reward, value = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.4, 0.7]]])
    there = torch.ones(1, 1, 2, dtype=torch.bool)
    advantage, _ = generalised_advantages(reward, value, there, discount=0.5, decay=0.0)
    turn = torch.tensor([[[0, 0, -1, 1, 1]]])
    assert of_turns(advantage, turn)[0, 0].tolist() == pytest.approx([-0.05, -0.05, 0.0, 0.3, 0.3])


def test_latent_user_by_hand_and_its_bound():
    """For rewards linear in a taste, the loss averaged over draws of the taste bounds −log likelihood from above, and
    with the exact posterior meets it."""
    reward, pair = torch.tensor([[1.0, 0.5]]), Batch.of(MASK)
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(0.25)]])
    apart = 0.5 * (1.0 + 0.25 - 1 - math.log(0.25))
    found = LatentUser(2.0)(reward, mean, log_variance, torch.tensor([4.0]), pair)
    assert only(found) == pytest.approx(-math.log(sigmoid(0.5)) + 2.0 * apart / 4)
    nodes, weights = (torch.from_numpy(own) for own in np.polynomial.hermite_e.hermegauss(60))
    weights = weights / weights.sum()
    truth = -math.log(float((weights * nodes.sigmoid()).sum()))  # one vote, whose lead is the taste

    def bound(m, v):
        taste = m + math.sqrt(v) * nodes
        lost = LatentUser()(
            torch.stack([taste, torch.zeros_like(taste)], 1),
            torch.full((60, 1), m, dtype=torch.float64),
            torch.full((60, 1), math.log(v), dtype=torch.float64),
            torch.ones(60),
            Batch.of(torch.ones(60, 2, 1, dtype=torch.bool)),
        )
        return float((weights * lost.per_record).sum())

    bounds = [bound(m, v) for m in (0.0, 0.4, 0.8) for v in (0.6, 0.9)]
    assert min(bounds) > truth
    assert min(bounds) < truth + 0.01


def test_rewards_of_tokens_are_standardised_over_those_of_the_group():
    reward = torch.tensor([[[1.0, 0.0, 9.0], [1.0, 1.0, 1.0]], [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]])
    mask = torch.tensor([[[True, True, False], [True, True, True]], [[True] * 3] * 2])
    found = of_group(reward, mask)
    held = np.array([1.0, 0.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(found[0][mask[0]], (held - held.mean()) / held.std(), rtol=1e-6)
    assert float(found[0, 0, 2]) == 0.0
    assert not found[1].any()


def test_shaped_gradients_are_those_of_the_shaped_probability():
    own = torch.tensor([[[-3.0, -0.2, -1.0]]], dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad((own.exp() / (own.exp() + 0.1)).sum(), own)
    batch = Batch.of(torch.ones(1, 1, 3, dtype=torch.bool), advantage=shaped(own))
    (found,) = torch.autograd.grad(PolicyGradient("none")(own, None, batch).per_record.sum(), own)
    torch.testing.assert_close(found, -wanted)
