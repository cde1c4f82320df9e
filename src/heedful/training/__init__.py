"""Moving a model to a target by its weights. Needs the extra `lm`."""

from heedful.core import MissingExtraError

try:
    import torch as _torch
except ImportError as error:
    raise MissingExtraError("torch", "lm") from error

from heedful.training.batches import Batch
from heedful.training.objectives import (
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
    BRAIn,
    General,
    LiPO,
    Losses,
    PlackettLuce,
    PolicyGradient,
    SimPO,
    Supervised,
    TokenObjective,
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

del _torch

__all__ = [
    "AOT",
    "BCO",
    "C3PO",
    "CPO",
    "DPO",
    "EXO",
    "KTO",
    "NCA",
    "NFT",
    "ORPO",
    "PMPO",
    "SPPO",
    "XPO",
    "Addressed",
    "BRAIn",
    "Batch",
    "General",
    "LiPO",
    "Losses",
    "PlackettLuce",
    "PolicyGradient",
    "SimPO",
    "Supervised",
    "TokenObjective",
    "Unlikelihood",
    "Weighted",
    "dapo",
    "dr_grpo",
    "grpo",
    "info_nca",
    "mirror_prox",
    "pairwise_ppo",
    "rloo",
]
