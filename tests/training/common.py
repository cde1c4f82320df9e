"""Batches with every field, for any objective."""

from __future__ import annotations

import dataclasses
import math

import torch

from heedful.training import (
    AOT,
    BCO,
    C3PO,
    CPO,
    DPO,
    EXO,
    KTO,
    NCA,
    NFT,
    ORPO,
    PMPO,
    SPPO,
    XPO,
    Addressed,
    Batch,
    BRAIn,
    General,
    LiPO,
    PlackettLuce,
    PolicyGradient,
    SimPO,
    Supervised,
    Unlikelihood,
    Weighted,
    dapo,
    dr_grpo,
    grpo,
    info_nca,
    mirror_prox,
    pairwise_ppo,
    rloo,
)

OBJECTIVES = {
    "supervised": Supervised(),
    "weighted, tilt": Weighted("tilt", 2.0),
    "weighted, advantage": Weighted("advantage", 0.7),
    "weighted, best": Weighted("best"),
    "weighted, above": Weighted("above", threshold=0.1),
    "DPO": DPO(3.0),
    "DPO, squared": DPO(3.0, "squared"),
    "DPO, hinge": DPO(3.0, "hinge"),
    "DPO, exponential": DPO(3.0, "exponential"),
    "DPO, robust": DPO(3.0, flips=0.2),
    "DPO, conservative": DPO(3.0, smooth=0.2),
    "DPO, means": DPO(3.0, each="mean"),
    "SimPO": SimPO(),
    "ORPO": ORPO(),
    "general": General(2.0, 0.3),
    "KTO": KTO(3.0, good=1.2),
    "BCO": BCO(3.0),
    "implicit process reward": BCO(3.0, shift=False),
    "PMPO": PMPO(0.6, 0.7),
    "Plackett-Luce": PlackettLuce(3.0),
    "LiPO": LiPO(3.0),
    "RLOO": rloo(penalty=0.1),
    "GRPO": grpo(penalty=0.1),
    "Dr. GRPO": dr_grpo(),
    "DAPO": dapo(),
    "GSPO": PolicyGradient("standardised", (0.1, 0.1), whole="mean"),
    "NFT": NFT(),
    "CPO": CPO(3.0, 0.7),
    "XPO": XPO(3.0, 0.05),
    "mirror prox": mirror_prox(temperature=0.5, step=2.0),
    "EXO": EXO(3.0),
    "EXO, pairs": EXO(3.0, 0.1, outputs="two"),
    "InfoNCA": info_nca(3.0),
    "NCA": NCA(),
    "NCA, pairs": NCA(3.0, outputs="two"),
    "BRAIn": BRAIn(1.5),
    "SPPO": SPPO(2.0),
    "SPPO, pairs": SPPO(2.0, outputs="two"),
    "AOT": AOT(3.0),
    "AOT, unpaired": AOT(3.0, paired=False),
    "pairwise PPO": pairwise_ppo(),
    "unlikelihood": Unlikelihood(0.7),
    "C3PO": C3PO(3.0),
    "C3PO, ratios": C3PO(3.0, "ratio"),
    "addressed DPO": Addressed(DPO(3.0)),
    "addressed BCO": Addressed(BCO(3.0)),
    "addressed GRPO": Addressed(grpo()),
}
WIDTH = {"one": 1, "two": 2, "some": 4}


def outputs(*log_probs):
    """Log-probabilities [1, k, t] of outputs given by their tokens', and their mask."""
    longest = max(map(len, log_probs))
    values = torch.tensor([[[*own, *[math.nan] * (longest - len(own))] for own in log_probs]], dtype=torch.float64)
    return values, ~values.isnan()


def only(found):
    assert found.per_record.shape == (1,)
    return float(found.per_record.detach())


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


POLICY, MASK = outputs([-0.5, -1.0], [-2.0])
REFERENCE = torch.tensor([[[-1.0, -1.5], [-1.0, 7.0]]], dtype=torch.float64)
# Δ of the first is 1, of the second −1.


def batch_for(objective, records=8, tokens=6, seed=0, dtype=torch.float64, spread=1.0):
    """Policy, reference and a batch: outputs of 0 to `tokens` tokens, votes, labels, scores and behaviour at random."""
    made = torch.Generator().manual_seed(seed)
    shape = records, WIDTH[objective.outputs], tokens

    def normal(*size):
        return torch.randn(size, generator=made, dtype=torch.float64)

    policy, reference, behaviour = (-(spread * normal(*shape)).abs() for _ in range(3))
    length = torch.randint(0, tokens + 1, shape[:2], generator=made)
    length[:, 0] = length[:, 0].clamp(min=1)
    mask = torch.arange(tokens) < length[:, :, None]
    fields = {
        "weight": torch.rand(records, generator=made, dtype=torch.float64) + 0.5,
        "prefer": torch.rand(records, generator=made, dtype=torch.float64),
        "margin": normal(records) * 0.3,
        "label": torch.randint(0, 2, shape[:2], generator=made).double(),
        "score": normal(*shape[:2]),
        "behaviour": behaviour,
        "scope": torch.randint(0, 2, (records,), generator=made).double(),
        "focus": torch.rand(shape, generator=made, dtype=torch.float64) + 0.1,
    }
    batch = Batch.of(mask, **{name: value.to(dtype) for name, value in fields.items()})
    return policy.to(dtype).requires_grad_(), reference.to(dtype), batch


def loss_of(objective, policy, reference, parts):
    """The loss of a step made of parts, its statistics over all of them."""
    told = [
        objective.statistics(policy[rows].detach(), None if reference is None else reference[rows], batch)
        for rows, batch in parts
    ]
    totals = {name: sum(own[name] for own in told) for name in told[0]}
    total = units = 0.0
    for rows, batch in parts:
        found = objective(
            policy[rows], None if reference is None else reference[rows], dataclasses.replace(batch, totals=totals)
        )
        lost, own = found.total(batch)
        total, units = total + lost, units + own
    return total / units
