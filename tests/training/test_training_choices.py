"""Objectives of choices and of distributions: values worked out by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import InputError, UsageError  # noqa: E402
from heedful.training import AOT, CPO, DPO, EXO, NCA, SPPO, XPO, Batch, BRAIn, info_nca, mirror_prox  # noqa: E402
from training.common import MASK, POLICY, REFERENCE, only, outputs, sigmoid  # noqa: E402

# Δ of the first output is 1, of the second −1; log policy −1.5 and −2.
PAIR = Batch.of(MASK)


def test_cpo_and_xpo_by_hand():
    assert only(CPO(4.0, 0.5)(POLICY, None, PAIR)) == pytest.approx(-math.log(sigmoid(0.5 / 4)) + 0.5 * 1.5)
    soft = Batch.of(MASK, prefer=torch.tensor([0.25]))
    expected = -0.25 * math.log(sigmoid(0.5)) - 0.75 * math.log(sigmoid(-0.5)) + 0.25 * 0.5 * 1.5 + 0.75 * 0.5 * 2
    assert only(CPO(1.0, 0.5)(POLICY, None, soft)) == pytest.approx(expected)
    assert only(XPO(4.0, 0.1)(POLICY, REFERENCE, PAIR)) == pytest.approx(-math.log(sigmoid(0.5)) - 0.1)


def test_exo_by_hand_and_at_the_end_of_its_smoothing():
    q = sigmoid(2 / 4)
    for smooth in (0.1, 1e-9):
        expected = q * math.log(q / (1 - smooth)) + (1 - q) * math.log((1 - q) / smooth)
        assert only(EXO(4.0, smooth, outputs="two")(POLICY, REFERENCE, PAIR)) == pytest.approx(expected)
    entropy = -q * math.log(q) - (1 - q) * math.log(1 - q)
    tiny = only(EXO(4.0, 1e-9, outputs="two")(POLICY, REFERENCE, PAIR))
    assert tiny + (1 - q) * math.log(1e-9) == pytest.approx(-entropy, abs=1e-8)  # it grows as −log, and no faster
    with pytest.raises(InputError, match="infinitely far"):
        EXO(4.0, outputs="two")(POLICY, REFERENCE, PAIR)
    scored = Batch.of(MASK, score=torch.tensor([[0.0, 1.0]]))
    p = sigmoid(-1.0)
    expected = q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p))
    assert only(EXO(4.0)(POLICY, REFERENCE, scored)) == pytest.approx(expected)
    three, mask = outputs([-1.0], [-2.0], [-0.5])
    among = Batch.of(mask, score=torch.tensor([[5.0, 0.0, 0.0]]))
    p = [0.9 * own + 0.05 * (1 - own) for own in torch.tensor([5.0, 0.0, 0.0]).double().softmax(0).tolist()]
    q = torch.tensor([-1.0, -2.0, -0.5]).double().softmax(0).tolist()
    expected = sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))
    assert only(EXO(1.0, 0.1)(three, torch.zeros_like(three), among)) == pytest.approx(expected)


def test_info_nca_of_two_is_dpo():
    soft = Batch.of(MASK, prefer=torch.tensor([0.7]))
    found = info_nca(4.0, outputs="two")(POLICY, REFERENCE, soft)
    assert only(found) == pytest.approx(only(DPO(4.0)(POLICY, REFERENCE, soft)))
    assert only(info_nca(4.0, outputs="two")(POLICY, REFERENCE, PAIR)) == pytest.approx(-math.log(sigmoid(0.5)))


def test_nca_by_hand():
    expected = -math.log(sigmoid(0.25)) - 0.5 * math.log(sigmoid(-0.25)) - 0.5 * math.log(sigmoid(0.25))
    assert only(NCA(4.0, outputs="two")(POLICY, REFERENCE, PAIR)) == pytest.approx(expected)
    scored = Batch.of(MASK, score=torch.tensor([[0.0, 1.0]]))
    p = sigmoid(-1.0)
    expected = -p * math.log(sigmoid(1.0)) - (1 - p) * math.log(sigmoid(-1.0))
    expected -= 0.5 * math.log(sigmoid(-1.0)) + 0.5 * math.log(sigmoid(1.0))
    assert only(NCA()(POLICY, REFERENCE, scored)) == pytest.approx(expected)


def test_brain_by_hand_and_its_gradient_is_the_gap_of_two_posteriors():
    behaviour = REFERENCE - torch.tensor([[[0.25, 0.0], [1.0, 0.0]]])
    batch = Batch.of(MASK, score=torch.tensor([[1.0, 0.0]]), behaviour=behaviour)
    p, q = sigmoid(2.0 + 0.25 - 1.0), sigmoid(1.25 - 0.0)
    policy = POLICY.clone().requires_grad_()
    found = BRAIn(2.0)(policy, REFERENCE, batch)
    assert only(found) == pytest.approx(-p * math.log(q) - (1 - p) * math.log(1 - q))
    (gradient,) = torch.autograd.grad(found.per_record.sum(), policy)
    assert gradient[0, :, 0].tolist() == pytest.approx([q - p, p - q])
    drawn_by_reference = Batch.of(MASK, score=torch.tensor([[1.0, 0.0]]))
    known = only(info_nca(1.0)(POLICY, REFERENCE, drawn_by_reference))
    assert only(BRAIn(1.0)(POLICY, REFERENCE, drawn_by_reference)) == pytest.approx(known)


def test_sppo_by_hand():
    found = SPPO(3.0, outputs="two")(POLICY, REFERENCE, PAIR)
    assert (only(found), float(found.units)) == (pytest.approx(2 * (1.0 - 1.5) ** 2), 2.0)
    wins = Batch.of(MASK, score=torch.tensor([[0.8, 0.5]]))
    assert only(SPPO(3.0)(POLICY, REFERENCE, wins)) == pytest.approx((1 - 0.9) ** 2 + 1.0)


def softplus(x):
    return torch.nn.functional.softplus(x)


def alike(found, exact, policy):
    """To what moving values within their cells may change: the place of neighbours, and a cell's width."""
    assert found.item() == pytest.approx(exact.item(), rel=1e-3)
    own, other = (torch.autograd.grad(loss, policy)[0] for loss in (found, exact))
    assert (own - other).abs().mean() < 0.01 * other.abs().mean()


def test_aot_is_the_loss_of_sorted_leads():
    made = torch.Generator().manual_seed(0)
    policy = -torch.rand(200, 2, 1, generator=made, dtype=torch.float64) * 30
    policy.requires_grad_()
    reference = -torch.rand(200, 2, 1, generator=made, dtype=torch.float64) * 10
    batch = Batch.of(torch.ones(200, 2, 1, dtype=torch.bool))
    found = AOT(5.0)(policy, reference, batch).per_record.mean()
    leads = [(own[:, 0, 0] - own[:, 1, 0]).sort().values / 5.0 for own in (policy, reference)]
    exact = softplus(leads[1] - leads[0]).mean()
    alike(found, exact, policy)


def test_unpaired_aot_is_half_the_gradient_of_sorted_rewards():
    made = torch.Generator().manual_seed(1)
    policy = -torch.rand(300, 1, 1, generator=made, dtype=torch.float64) * 30
    policy.requires_grad_()
    reference = -torch.rand(300, 1, 1, generator=made, dtype=torch.float64) * 10
    label = (torch.arange(300) < 150).double()[torch.randperm(300, generator=made)]
    batch = Batch.of(torch.ones(300, 1, 1, dtype=torch.bool), label=label[:, None])
    found = AOT(5.0, paired=False)(policy, reference, batch).per_record.mean()
    reward = (policy - reference)[:, 0, 0] / 5.0
    exact = softplus(reward[label == 0].sort().values - reward[label == 1].sort().values).mean()
    alike(2 * found - found.detach(), exact, policy)


def test_outputs_that_are_alike_are_held_against_the_median():
    policy = torch.tensor([0.0, 0.0, 0.0, -1.0, 0.25, 1.0], dtype=torch.float64)[:, None, None]
    label = torch.tensor([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    batch = Batch.of(torch.ones(6, 1, 1, dtype=torch.bool), label=label)
    found = AOT(1.0, paired=False)(policy, torch.zeros_like(policy), batch).per_record
    expected = [softplus(torch.tensor(own)).item() for own in (0.25, 0.25, 0.25, -1.0, 0.25, 1.0)]
    assert found.tolist() == pytest.approx(expected, abs=1e-3)


def test_aot_learns_nothing_where_one_side_is_missing():
    policy = POLICY[:, :1].clone().requires_grad_()
    batch = Batch.of(MASK[:, :1], label=torch.ones(1, 1))
    found = AOT(paired=False)(policy, REFERENCE[:, :1], batch)
    (gradient,) = torch.autograd.grad(found.per_record.sum(), policy)
    assert (only(found), float(gradient.abs().sum())) == (0.0, 0.0)


def test_aot_tells_what_is_beyond_its_cells_and_keeps_what_is_no_number():
    policy = torch.tensor([[[-3e6], [0.0]], [[0.0], [-1.0]], [[math.nan], [0.0]]])
    found = AOT(1.0)(policy, torch.zeros_like(policy), Batch.of(torch.ones(3, 2, 1, dtype=torch.bool)))
    assert found.diagnostics["cut"].tolist() == [1.0, 0.0, 0.0]
    assert found.per_record.isnan().tolist() == [False, False, True]


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="bonus"):
        XPO(bonus=-1.0)
    with pytest.raises(UsageError, match="to less than"):
        EXO(smooth=0.5)
    with pytest.raises(UsageError, match="one of 'reverse', 'forward'"):
        EXO(kl="backward")
    with pytest.raises(UsageError, match="'score'"):
        BRAIn()(POLICY, REFERENCE, PAIR)
    with pytest.raises(UsageError, match="above 0"):
        mirror_prox(temperature=0.0, step=1.0)
