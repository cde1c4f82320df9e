"""Moving a model to a target by its weights. Needs the extra `lm`."""

from heedful.core import MissingExtraError

try:
    import torch as _torch
except ImportError as error:
    raise MissingExtraError("torch", "lm") from error

from heedful.training.batches import Batch
from heedful.training.objectives import (
    BCO,
    DPO,
    KTO,
    NFT,
    ORPO,
    PMPO,
    General,
    LiPO,
    Losses,
    PlackettLuce,
    PolicyGradient,
    SimPO,
    Supervised,
    TokenObjective,
    Weighted,
    dapo,
    dr_grpo,
    grpo,
    rloo,
)

del _torch

__all__ = [
    "BCO",
    "DPO",
    "KTO",
    "NFT",
    "ORPO",
    "PMPO",
    "Batch",
    "General",
    "LiPO",
    "Losses",
    "PlackettLuce",
    "PolicyGradient",
    "SimPO",
    "Supervised",
    "TokenObjective",
    "Weighted",
    "dapo",
    "dr_grpo",
    "grpo",
    "rloo",
]
