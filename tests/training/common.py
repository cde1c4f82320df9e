"""Batches with every field, for any objective."""

from __future__ import annotations

import dataclasses

import torch

from heedful.training import (
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
    dapo,
    dr_grpo,
    grpo,
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
}
WIDTH = {"one": 1, "two": 2, "some": 4}


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
