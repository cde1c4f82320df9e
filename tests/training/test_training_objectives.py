"""Objectives: values worked out by hand, invariance to how a step is split, and numbers at the ends of their range."""

from __future__ import annotations

import dataclasses
import math

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import InputError, UsageError  # noqa: E402
from heedful.training import (  # noqa: E402
    BCO,
    DPO,
    KTO,
    NFT,
    ORPO,
    PMPO,
    Batch,
    General,
    LiPO,
    PlackettLuce,
    PolicyGradient,
    SimPO,
    Supervised,
    Weighted,
    grpo,
    rloo,
)
from heedful.training.objectives import Addressed, generalised_advantages, value_loss  # noqa: E402
from heedful.training.objectives.base import TokenObjective  # noqa: E402
from heedful.training.objectives.pairs import log1mexp  # noqa: E402
from training.common import MASK, OBJECTIVES, POLICY, REFERENCE, batch_for, loss_of, only, outputs, sigmoid  # noqa: E402


@pytest.mark.parametrize(("name", "objective"), OBJECTIVES.items())
def test_they_are_objectives(name, objective):
    assert isinstance(objective, TokenObjective)
    if not isinstance(objective, Addressed):  # which is of another
        type(objective)()  # with what they have by default


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_record_that_counts_twice_is_two_records(name):
    """Also where records are held against what the others show."""
    policy, reference, batch = batch_for(OBJECTIVES[name])
    times = torch.tensor([1, 3, 1, 2, 1, 1, 2, 1])
    rows = torch.repeat_interleave(torch.arange(8), times)
    counted = dataclasses.replace(batch, weight=times.double())
    repeated = dataclasses.replace(batch, weight=torch.ones(8).double()).rows(rows)
    found = loss_of(OBJECTIVES[name], policy, reference, [(slice(None), counted)])
    expected = loss_of(OBJECTIVES[name], policy[rows], reference[rows], [(slice(None), repeated)])
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_supervised_is_the_mean_of_all_tokens():
    found = Supervised()(POLICY, None, Batch.of(MASK))
    assert (only(found), float(found.units)) == (3.5, 3.0)


def test_dpo_by_hand():
    batch = Batch.of(MASK)
    lead = 2 / 4
    assert only(DPO(4.0)(POLICY, REFERENCE, batch)) == pytest.approx(-math.log(sigmoid(lead)))
    assert only(DPO(4.0, "squared")(POLICY, REFERENCE, batch)) == pytest.approx((lead - 1) ** 2)
    assert only(DPO(4.0, "hinge")(POLICY, REFERENCE, batch)) == pytest.approx(1 - lead)
    assert only(DPO(4.0, "exponential")(POLICY, REFERENCE, batch)) == pytest.approx(math.exp(-lead))
    assert only(DPO(4.0, each="mean")(POLICY, REFERENCE, batch)) == pytest.approx(-math.log(sigmoid(0.75 * 0.5)))
    soft = Batch.of(MASK, prefer=torch.tensor([0.7]), margin=torch.tensor([0.2]))
    expected = -0.7 * math.log(sigmoid(lead - 0.2)) - 0.3 * math.log(sigmoid(0.2 - lead))
    assert only(DPO(4.0)(POLICY, REFERENCE, soft)) == pytest.approx(expected)
    robust = (-0.9 * math.log(sigmoid(lead)) + 0.1 * math.log(sigmoid(-lead))) / 0.8
    assert only(DPO(4.0, flips=0.1)(POLICY, REFERENCE, batch)) == pytest.approx(robust)
    smooth = -0.9 * math.log(sigmoid(lead)) - 0.1 * math.log(sigmoid(-lead))
    assert only(DPO(4.0, smooth=0.1)(POLICY, REFERENCE, batch)) == pytest.approx(smooth)


def test_robust_dpo_is_unbiased_for_flipped_votes():
    def of(p, flips):
        return only(DPO(4.0, flips=flips)(POLICY, REFERENCE, Batch.of(MASK, prefer=torch.tensor([p]).double())))

    assert of(0.8 * 0.7 + 0.3 * 0.2, 0.3) == pytest.approx(of(0.8, 0.0))


def test_squared_is_ipo_by_its_own_number():
    beta = 0.25
    found = only(DPO(1 / (2 * beta), "squared")(POLICY, REFERENCE, Batch.of(MASK)))
    assert found == pytest.approx(4 * beta**2 * (2.0 - 1 / (2 * beta)) ** 2)


def test_simpo_and_orpo_by_hand():
    batch = Batch.of(MASK)
    lead = 2.0 * (-0.75 + 2.0) - 1.0
    assert only(SimPO()(POLICY, None, batch)) == pytest.approx(-math.log(sigmoid(lead)))
    odds = [math.log(math.exp(x) / (1 - math.exp(x))) for x in (-0.75, -2.0)]
    expected = 0.75 - 0.1 * math.log(sigmoid(odds[0] - odds[1]))
    assert only(ORPO()(POLICY, None, batch)) == pytest.approx(expected)


def test_general_by_hand():
    batch = Batch.of(MASK, behaviour=REFERENCE - 0.25, prefer=torch.tensor([0.75]))
    lead = 0.5 * 2.0 + 0.5 * (1.5 + 0.75)
    assert only(General(2.0, 0.5)(POLICY, REFERENCE, batch)) == pytest.approx((lead - 2.0 * 0.25) ** 2)


@pytest.mark.parametrize(("label", "sign"), [(1.0, 1.0), (0.0, -1.0)])
def test_kto_by_hand(label, sign):
    batch = Batch.of(MASK, label=torch.tensor([[label, 0.0]]))
    # The second output, beside a prompt that is not its own, has Δ −1: the point is 0.
    assert only(KTO(4.0)(POLICY, REFERENCE, batch)) == pytest.approx(1 - sigmoid(sign * 0.25))
    higher = KTO(4.0)(POLICY, REFERENCE - 1.0, batch)  # Δ are 3 and 0
    assert only(higher) == pytest.approx(1 - sigmoid(sign * 0.75))
    assert only(KTO(4.0)(POLICY, REFERENCE - 3.0, batch)) == pytest.approx(1 - sigmoid(sign * (7 - 2) / 4))


def test_bco_by_hand():
    policy, mask = POLICY.transpose(0, 1), MASK.transpose(0, 1)
    batch = Batch.of(mask, label=torch.tensor([[1.0], [0.0]]))
    found = BCO(2.0)(policy, REFERENCE.transpose(0, 1), batch).per_record
    assert found.tolist() == pytest.approx([-math.log(sigmoid(0.5))] * 2)  # halfway between 1/2 and −1/2
    alike = Batch.of(mask, label=torch.tensor([[1.0], [1.0]]))
    assert BCO(2.0)(policy, REFERENCE.transpose(0, 1), alike).per_record.isfinite().all()
    plain = BCO(1.0, shift=False)(policy, REFERENCE.transpose(0, 1), batch).per_record
    assert plain.tolist() == pytest.approx([-math.log(sigmoid(1.0))] * 2)


def test_pmpo_by_hand_and_refuses_what_has_no_minimum():
    policy, mask = POLICY[:, :1], MASK[:, :1]
    good, bad = (Batch.of(mask, label=torch.tensor([[label]])) for label in (1.0, 0.0))
    assert only(PMPO(0.6, 0.7)(policy, REFERENCE[:, :1], good)) == pytest.approx(0.6 * 1.5 + 0.7 * -1.0)
    assert only(PMPO(0.6, 0.7)(policy, REFERENCE[:, :1], bad)) == pytest.approx(-0.4 * 1.5 + 0.7 * -1.0)
    with pytest.raises(UsageError, match="no minimum"):
        PMPO(0.2, 0.5)


def test_plackett_luce_by_hand_and_as_dpo_of_two():
    policy, mask = outputs([-1.0], [-2.0], [-0.5])
    batch = Batch.of(mask, score=torch.tensor([[2.0, 3.0, 1.0]]))
    e = [math.exp(x / 2) for x in (-1.0, -2.0, -0.5)]
    expected = -math.log(e[1] / sum(e)) - math.log(e[0] / (e[0] + e[2]))
    assert only(PlackettLuce(2.0)(policy, torch.zeros_like(policy), batch)) == pytest.approx(expected)
    pair = Batch.of(MASK, score=torch.tensor([[1.0, 0.0]]))
    assert only(PlackettLuce(4.0)(POLICY, REFERENCE, pair)) == pytest.approx(only(DPO(4.0)(POLICY, REFERENCE, pair)))
    tied = Batch.of(MASK, score=torch.tensor([[1.0, 1.0]]))
    assert only(PlackettLuce(4.0)(POLICY, REFERENCE, tied)) == 0.0


def test_lipo_by_hand():
    batch = Batch.of(MASK, score=torch.tensor([[0.0, 1.0]]))  # the policy's order is the wrong one
    gain = (2 - 1) * abs(1 / math.log(2) - 1 / math.log(3))
    assert only(LiPO(4.0)(POLICY, REFERENCE, batch)) == pytest.approx(-gain * math.log(sigmoid(-0.5)))


def test_policy_gradients_by_hand():
    policy, mask = outputs([-1.0, -1.0], [-2.0], [-3.0])
    score = torch.tensor([[1.0, 0.0, 5.0]])
    batch = Batch.of(mask, score=score, behaviour=policy - torch.tensor([0.1, 0.0]))
    others = [1.0 - 2.5, 0.0 - 3.0, 5.0 - 0.5]
    ratio = math.exp(0.1)
    expected = -(others[0] * (ratio + 1) + others[1] * ratio + others[2] * ratio)
    found = rloo()(policy, None, batch)
    assert (only(found), float(found.units)) == (pytest.approx(expected), 3.0)
    deviation = math.sqrt((1 + 4 + 9) / 2)
    standard = [-1 / deviation, -2 / deviation, 3 / deviation]
    clipped = -(standard[0] * (ratio + 1) / 2 + standard[1] * ratio + standard[2] * 1.05)
    assert only(grpo(clip=0.05)(policy, None, batch)) == pytest.approx(clipped)
    whole = PolicyGradient("none", whole="mean", over="output")(policy, None, batch)
    assert only(whole) == pytest.approx(-(math.exp(0.05) + 5 * ratio))
    reference = policy.nan_to_num() + 0.3
    k3 = math.exp(0.3) - 0.3 - 1
    found = rloo(penalty=2.0)(policy, reference, batch)
    assert only(found) == pytest.approx(expected + 2 * 4 * k3)
    assert float(found.diagnostics["kl"]) == pytest.approx(4 * k3)


def test_the_gradient_of_reinforce_is_advantage_times_score():
    policy, _, batch = batch_for(rloo())
    (gradient,) = torch.autograd.grad(
        PolicyGradient("none")(policy, None, Batch.of(batch.mask, score=batch.score)).per_record.sum(), policy
    )
    torch.testing.assert_close(gradient, torch.where(batch.mask, -batch.score[:, :, None], 0.0))


def test_scores_that_are_alike_teach_nothing():
    policy, _, batch = batch_for(grpo())
    alike = Batch.of(batch.mask, score=torch.full_like(batch.score, 0.1), behaviour=batch.behaviour)
    (gradient,) = torch.autograd.grad(grpo()(policy, None, alike).per_record.sum(), policy)
    assert gradient.abs().max() == 0


def test_nft_by_hand():
    policy, mask = outputs([-1.0], [-2.0])
    batch = Batch.of(mask, label=torch.tensor([[1.0, 0.0]]), behaviour=policy - 0.1)
    ratio = math.exp(0.1)
    implied = (1 - 0.5 * ratio) / 0.5
    assert only(NFT(least=0.5)(policy, None, batch)) == pytest.approx(-0.1 - math.log(implied))
    assert only(NFT(least=1.0)(policy, None, batch)) == pytest.approx(-0.1)
    free = policy.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(NFT(least=1.0)(free, None, batch).per_record.sum(), free)
    assert gradient[0, :, 0].tolist() == pytest.approx([-1.0, ratio])  # through the maximum
    right = Batch.of(mask, label=torch.ones(1, 2), behaviour=policy)
    assert (only(NFT()(policy, None, right)), float(NFT()(policy, None, right).units)) == (0.0, 0.0)


def test_advantages_by_hand():
    reward, value = torch.tensor([0.0, 9.0, 0.0, 1.0]), torch.tensor([0.2, 9.0, 0.4, 0.5])
    mask = torch.tensor([True, False, True, True])
    advantage, returns = generalised_advantages(reward, value, mask, discount=0.9, decay=0.5)
    last = 1.0 - 0.5
    second = 0.9 * 0.5 - 0.4 + 0.45 * last
    first = 0.9 * 0.4 - 0.2 + 0.45 * second
    assert advantage.tolist() == pytest.approx([first, 0.0, second, last])
    assert returns.tolist() == pytest.approx([first + 0.2, 0.0, second + 0.4, 1.0])
    lost = value_loss(value[None, None], value[None, None] + 1, returns[None, None], mask[None, None], clip=0.2)
    near = [(v + 0.8 - r) ** 2 for v, r in zip([0.2, 0.4, 0.5], [first + 0.2, second + 0.4, 1.0], strict=True)]
    far = [(v - r) ** 2 for v, r in zip([0.2, 0.4, 0.5], [first + 0.2, second + 0.4, 1.0], strict=True)]
    assert only(lost) == pytest.approx(0.5 * sum(map(max, near, far)))


def test_weights_by_hand():
    policy, mask = outputs([-1.0], [-2.0], [-3.0])
    score = torch.tensor([[0.0, 1.0, 1.0]])
    batch = Batch.of(mask, score=score)
    e = math.exp(2.0)
    tilted = Weighted("tilt", 2.0)(policy, None, batch)
    assert (only(tilted), float(tilted.units)) == (pytest.approx((1 + 5 * e) / (1 + 2 * e)), pytest.approx(1.0))
    assert only(Weighted("advantage", 2.0)(policy, None, batch)) == pytest.approx(1 + 5 * e)
    assert only(Weighted("best")(policy, None, batch)) == pytest.approx(2.5)
    assert only(Weighted("above")(policy, None, batch)) == pytest.approx(5.0)
    with pytest.raises(InputError, match="whose exponential"):
        Weighted("advantage", 100.0)(policy, None, batch)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_a_step_is_the_same_however_it_is_split(name, dtype, tolerance):
    """In parts of any size, in any order, padded on either side or further: value and gradient."""
    objective = OBJECTIVES[name]
    policy, reference, batch = batch_for(objective, dtype=dtype)
    whole = loss_of(objective, policy, reference, [(slice(None), batch)])
    (expected,) = torch.autograd.grad(whole, policy)
    assert expected.abs().max() > 0
    for sizes in ([1] * 8, [3, 5], [7, 1]):
        order = torch.randperm(8, generator=torch.Generator().manual_seed(sum(sizes[:1])))
        parts = [(rows, batch.rows(rows)) for rows in order.split(sizes)]
        split = loss_of(objective, policy, reference, parts)
        (gradient,) = torch.autograd.grad(split, policy)
        assert split.item() == pytest.approx(whole.item(), rel=tolerance)
        assert (gradient - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_padding_counts_nothing(name):
    objective = OBJECTIVES[name]
    policy, reference, batch = batch_for(objective)
    found = objective(policy, reference, batch)
    (expected,) = torch.autograd.grad(found.per_record.sum(), policy)

    def moved(values, fill):
        """Two more places on the left, one on the right."""
        return torch.nn.functional.pad(values, (2, 1), value=fill)

    placed = {name: moved(getattr(batch, name), math.nan) for name in ("behaviour", "focus")}
    wide = dataclasses.replace(batch, mask=moved(batch.mask, False), **placed)
    other = moved(policy.detach(), 1e30).requires_grad_()
    again = objective(other, moved(reference, -1e30), wide)
    torch.testing.assert_close(again.per_record, found.per_record)
    (gradient,) = torch.autograd.grad(again.per_record.sum(), other)
    torch.testing.assert_close(gradient[:, :, 2:-1], expected)
    assert gradient[~wide.mask].abs().max() == 0


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("gap", [-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4])
def test_numbers_stay_numbers_for_any_gap(name, gap):
    """Log-ratios of ±10,000 nats in single precision, outputs of one token and of none."""
    objective = OBJECTIVES[name]
    policy, reference, batch = batch_for(objective, dtype=torch.float32)
    with torch.no_grad():
        policy -= max(-gap, 0.0) / 2
        reference = reference - max(gap, 0.0) / 2
    told = dataclasses.replace(batch, margin=None, behaviour=reference)
    found = objective(policy, reference, told)
    assert found.per_record.isfinite().all()
    (gradient,) = torch.autograd.grad(found.per_record.sum(), policy, allow_unused=True)
    assert gradient is None or gradient.isfinite().all()


def test_log_of_one_minus_e_keeps_its_digits():
    x = torch.tensor([-1e-5, -0.1, -0.7, -5.0, -800.0], dtype=torch.float64)
    expected = [math.log(-math.expm1(v)) if v > -1 else math.log1p(-math.exp(v)) for v in x.tolist()]
    torch.testing.assert_close(log1mexp(x), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="'label'"):
        KTO()(POLICY, REFERENCE, Batch.of(MASK))
    with pytest.raises(UsageError, match="reference"):
        DPO()(POLICY, None, Batch.of(MASK))
    with pytest.raises(UsageError, match="records of 2 outputs, not of 1"):
        DPO()(POLICY[:, :1], REFERENCE[:, :1], Batch.of(MASK[:, :1]))
    with pytest.raises(UsageError, match="no 'round' here"):
        DPO(link="round")
    with pytest.raises(UsageError, match="above 0"):
        DPO(0.0)


def test_weights_of_kto_are_not_below_zero() -> None:
    with pytest.raises(UsageError, match="0 or more"):
        KTO(bad=-1.0)
