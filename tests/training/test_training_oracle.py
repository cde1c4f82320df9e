"""Objectives against TRL's: the same values and gradients, or the relation that is said here.

The values are those of benchmarks/oracle_trl.py, which made `trl_values.json`. TRL's β is 1 / strength, its batches are
means over records, and of two outputs its first is the preferred one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.training import (  # noqa: E402
    BCO,
    DPO,
    KTO,
    ORPO,
    Batch,
    PolicyGradient,
    SimPO,
    Supervised,
    dapo,
    dr_grpo,
    grpo,
    rloo,
)
from heedful.training.batches import averaged  # noqa: E402
from heedful.training.objectives import EXO, NCA, SPPO, BradleyTerry  # noqa: E402

TRL = json.loads((Path(__file__).parent / "trl_values.json").read_text())
STRENGTH = 10.0  # β = 0.1
SMOOTH = 0.2
LONGEST = 7  # their max_completion_length


class Held:
    """A batch of the file: policy and reference [r, k, t], the policy a leaf, and what was said of it."""

    def __init__(self, name, dtype=torch.float64):
        self.own, self.dtype = TRL["batches"][name], dtype
        self.policy, self.reference, self.behaviour = (
            self._padded(field) if field in self.own else None for field in ("policy", "reference", "behaviour")
        )
        self.policy.requires_grad_()
        length = torch.tensor([[len(own) for own in row] for row in self.own["policy"]])
        self.mask = torch.arange(self.policy.shape[2]) < length[:, :, None]

    def _padded(self, field):
        # What stands beyond an output's tokens may not matter.
        longest = max(len(own) for row in self.own[field] for own in row)
        rows = [[[*own, *[float("nan")] * (longest - len(own))] for own in row] for row in self.own[field]]
        return torch.tensor(rows, dtype=self.dtype)

    def batch(self, **fields):
        weight = torch.ones(len(self.mask), dtype=self.dtype)
        return Batch.of(self.mask, weight=weight, **fields)

    def tensor(self, name):
        return torch.tensor(self.own[name], dtype=self.dtype)

    def alone(self):
        """Each output as a record of its own, called good where it came first."""
        mask, policy, reference = (own.flatten(0, 1)[:, None] for own in (self.mask, self.policy, self.reference))
        label = torch.tensor([[1.0], [0.0]], dtype=self.dtype).repeat(len(self.mask), 1)
        return policy, reference, Batch.of(mask, weight=torch.ones(len(mask), dtype=self.dtype), label=label)

    @property
    def there(self):
        """1 for outputs that have tokens [r, k], 0 for empty ones."""
        return self.mask.any(-1).to(self.dtype)

    @property
    def drawn(self):
        advantage = self.tensor("advantage")[:, :, None].expand_as(self.policy)
        return self.batch(behaviour=self.behaviour, advantage=advantage)

    @property
    def called(self):
        label = self.tensor("label")
        return self.batch(label=torch.stack([label, torch.full_like(label, 0.5)], 1))


def mean(objective, policy, reference, batch):
    lost, units = objective(policy, reference, batch).total(batch)
    return lost / units


def pairs(objective):
    return lambda held: mean(objective, held.policy, held.reference, held.batch())


def groups(objective):
    return lambda held: mean(objective, held.policy, held.reference, held.drawn)


def without_reference(objective):
    """Contrastive losses of TRL's CPO are those of DPO to a reference that finds all outputs equally likely."""
    return lambda held: mean(objective, held.policy, torch.zeros_like(held.policy), held.batch())


def ipo(held):
    """Their (lead − 1 / (2β))² of mean log-ratios is strength² (z − 1)², with strength = 1 / (2β) = 5."""
    return 25.0 * pairs(DPO(5.0, "squared", each="mean"))(held)


def first_alone(held):
    """Their "sft" among DPO's losses: imitation of the preferred outputs, a mean over the tokens of all."""
    batch = Batch.of(held.mask[:, :1], weight=torch.ones(len(held.mask), dtype=held.dtype))
    return mean(Supervised(), held.policy[:, :1], None, batch)


def both_alone(held):
    """Their pairs add what two outputs lose, of which ours is the mean."""
    return 2 * mean(BCO(STRENGTH, shift=False), *held.alone())


def sppo(held):
    """They add what both outputs lose, an empty one (strength / 2)² too; ours is a mean over those that are there."""
    both = 2 * pairs(SPPO(STRENGTH, outputs="two"))(held)
    return both * held.there.mean() + 2 * (1 - held.there).mean() * (STRENGTH / 2) ** 2


def zero_point(held):
    """APO-zero of single outputs is KTO whose point of reference is 0, as where no output stands beside another's."""
    first = torch.tensor([True, False])
    batch = Batch.of(held.mask & first[:, None], weight=held.called.weight, label=held.called.label)
    return mean(KTO(STRENGTH, good=1.2, bad=0.8), held.policy, held.reference, batch)


def by_output(objective):
    """They divide by all outputs, ours by those that are not empty: 11 of 12 here."""
    return lambda held: groups(objective)(held) * held.there.mean()


def whole_output(held):
    """RLOO with clipping: the ratio of an empty output is 1, whose gain they count, though it has no gradient."""
    objective = PolicyGradient("others", (0.2, 0.2), whole="sum", over="output")
    return by_output(objective)(held) - ((1 - held.there) * held.tensor("advantage")).mean()


def divided_by_longest(held):
    """Their Dr. GRPO divides by a fixed length, max_completion_length, which is no more than a learning rate."""
    return by_output(dr_grpo())(held) / LONGEST


def odds(held):
    """ORPO without its likelihood, of which theirs is a mean over the tokens of the batch, ours one by output."""
    whole = pairs(ORPO(0.1))(held)
    return whole + averaged(held.policy, held.mask)[:, 0].mean()


def rewards(centre=0.0, *, margin=False):
    def found(held):
        batch = held.batch(margin=held.tensor("margin")) if margin else held.batch()
        lost, units = BradleyTerry(centre)(held.policy[:, :, 0], batch).total(batch)
        return lost / units

    return found


SAME = {
    "dpo: sigmoid": pairs(DPO(STRENGTH)),
    "dpo: hinge": pairs(DPO(STRENGTH, "hinge")),
    "dpo: ipo": ipo,
    "dpo: robust": pairs(DPO(STRENGTH, flips=SMOOTH)),
    "dpo: sigmoid_norm": pairs(DPO(STRENGTH, each="mean")),
    "dpo: aot": pairs(DPO(STRENGTH, smooth=SMOOTH)),  # of one pair, where there is nothing to sort
    "dpo: bco_pair": both_alone,
    "dpo: exo_pair": pairs(EXO(STRENGTH, smooth=SMOOTH, outputs="two")),
    "dpo: nca_pair": pairs(NCA(STRENGTH, outputs="two")),
    "dpo: sppo_hard": sppo,
    "dpo: sft": first_alone,
    "kto: kto": lambda held: mean(KTO(STRENGTH, good=1.2, bad=0.8), held.policy, held.reference, held.called),
    "kto: apo_zero_unpaired": zero_point,
    "grpo: grpo": by_output(grpo()),
    "grpo: grpo, kl": by_output(grpo(penalty=0.3)),
    "grpo: bnpo": groups(dapo(high=0.2)),
    "grpo: dapo": groups(dapo()),
    "grpo: dr_grpo": divided_by_longest,
    "grpo: grpo, sequence": by_output(PolicyGradient("standardised", (0.02, 0.03), whole="mean", over="output")),
    "grpo: luspo, sequence": by_output(PolicyGradient("standardised", (0.2, 0.2), whole="mean")),
    "rloo": whole_output,
    "reward": rewards(),
    "reward, margin": rewards(margin=True),
    "reward, margin, centred": rewards(0.05, margin=True),
    "cpo: simpo": pairs(SimPO(2.0, 1.0)),
    "cpo: sigmoid": without_reference(DPO(0.5, smooth=SMOOTH)),
    "cpo: hinge": without_reference(DPO(0.5, "hinge")),
    "orpo: odds": odds,
}
OTHERS = {
    "dpo: aot_unpaired",
    "dpo: apo_zero",
    "dpo: apo_down",
    "dpo: discopop",
    "dpo: sigmoid, forward_kl",
    "dpo: sigmoid, js_divergence",
    "grpo: cispo",
    "grpo: sapo",
}
"""Losses that only TRL has, and one whose quantiles ours counts in cells."""
SINGLE = {"orpo: odds": 1e-5, "dpo: exo_pair": 1e-7}
"""Those that TRL computes, in whole or in part (its ε), in single precision whatever it is given."""


def compared():
    """Names of losses as in the file, with the batch of each."""
    for said in TRL["losses"]:
        name, _, batch = said.partition(" | ")
        if name in SAME and not (name == "dpo: aot" and batch != "one pair"):
            yield said, name, batch


def apart(ours, theirs):
    """By how much two lists of numbers differ, against the greatest of them."""
    theirs = torch.tensor(theirs, dtype=torch.float64)
    return float((ours.double() - theirs).abs().max() / theirs.abs().max().clamp(min=1.0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("said", "name", "batch"), list(compared()))
def test_values_and_gradients_are_those_of_trl(said, name, batch, dtype):
    held, told = Held(batch, dtype), TRL["losses"][said]
    loss = SAME[name](held)
    (gradient,) = torch.autograd.grad(loss, held.policy)
    assert loss.dtype == dtype
    allowed = 1e-5 if dtype == torch.float32 else SINGLE.get(name, 1e-8)
    assert apart(loss.detach()[None], [told["value"]]) < allowed
    assert apart(gradient[held.mask], told["gradient"]) < allowed
    assert float(gradient[~held.mask].abs().sum()) == 0.0


def test_rloo_as_drawn_has_their_gradient_and_not_their_value():
    """Ours is a ratio of each token, theirs one of the whole output: alike in gradient where both are 1."""
    held, told = Held("groups"), TRL["losses"]["rloo: as drawn | groups"]
    batch = held.batch(advantage=held.tensor("advantage")[:, :, None].expand_as(held.policy))
    loss = mean(rloo(), held.policy, None, batch) * held.there.mean()
    (gradient,) = torch.autograd.grad(loss, held.policy)
    assert apart(gradient[held.mask], told["gradient"]) < 1e-8
    assert abs(float(loss.detach()) - told["value"]) > 0.01


def test_every_loss_in_the_file_is_compared_or_named():
    names = {said.partition(" | ")[0] for said in TRL["losses"]}
    assert names == set(SAME) | OTHERS | {"rloo: as drawn"}
    assert TRL["versions"]["trl"] == "1.16.0"
