"""Objectives: pure losses of log-probabilities, or of rewards, and of feedback."""

from heedful.training.objectives.base import Claim, Losses, TokenObjective
from heedful.training.objectives.choices import EXO, NCA, SPPO, BRAIn, info_nca
from heedful.training.objectives.likelihoods import Supervised, Weighted
from heedful.training.objectives.lists import LiPO, PlackettLuce
from heedful.training.objectives.pairs import CPO, DPO, ORPO, XPO, General, SimPO, mirror_prox
from heedful.training.objectives.policy_gradient import (
    NFT,
    PolicyGradient,
    dapo,
    dr_grpo,
    generalised_advantages,
    grpo,
    rloo,
    value_loss,
)
from heedful.training.objectives.rewards import BradleyTerry, MeanVariance, Process, Quantiles
from heedful.training.objectives.transport import AOT
from heedful.training.objectives.unpaired import BCO, KTO, PMPO

__all__ = [
    "AOT",
    "BCO",
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
    "BRAIn",
    "BradleyTerry",
    "Claim",
    "General",
    "LiPO",
    "Losses",
    "MeanVariance",
    "PlackettLuce",
    "PolicyGradient",
    "Process",
    "Quantiles",
    "SimPO",
    "Supervised",
    "TokenObjective",
    "Weighted",
    "dapo",
    "dr_grpo",
    "generalised_advantages",
    "grpo",
    "info_nca",
    "mirror_prox",
    "rloo",
    "value_loss",
]
