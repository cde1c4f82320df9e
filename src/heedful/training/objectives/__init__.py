"""Objectives: pure losses of log-probabilities, or of rewards, and of feedback; and examples that make others do."""

from heedful.training.objectives.addressed import C3PO, Addressed, span_values
from heedful.training.objectives.avoidance import Cringe, Director, Unlikelihood, directed, rivals
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
    pairwise_ppo,
    rloo,
    value_loss,
)
from heedful.training.objectives.recast import asked, conditioned, hindsight, judged, refined, tried
from heedful.training.objectives.rewards import BradleyTerry, LatentUser, MeanVariance, Process, Quantiles
from heedful.training.objectives.tokens import (
    covariances,
    of_group,
    of_turns,
    shaped,
    top_tokens,
    unified_policy_gradient,
    within_clip,
)
from heedful.training.objectives.transport import AOT
from heedful.training.objectives.unpaired import BCO, KTO, PMPO

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
    "BradleyTerry",
    "Claim",
    "Cringe",
    "Director",
    "General",
    "LatentUser",
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
    "Unlikelihood",
    "Weighted",
    "asked",
    "conditioned",
    "covariances",
    "dapo",
    "directed",
    "dr_grpo",
    "generalised_advantages",
    "grpo",
    "hindsight",
    "info_nca",
    "judged",
    "mirror_prox",
    "of_group",
    "of_turns",
    "pairwise_ppo",
    "refined",
    "rivals",
    "rloo",
    "shaped",
    "span_values",
    "top_tokens",
    "tried",
    "unified_policy_gradient",
    "value_loss",
    "within_clip",
]
