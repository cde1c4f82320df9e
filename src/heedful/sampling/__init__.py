"""Reaching a target by sampling: nothing changes, every answer is paid for."""

from heedful.sampling.batches import one_each
from heedful.sampling.best_of_n import BestOfN, BestOfNLaw, best_of_n_kl_bound, best_of_n_law
from heedful.sampling.cascade import Cascade, Cascaded, Stage
from heedful.sampling.chains import Chained
from heedful.sampling.early_stopping import EarlyBestOfN
from heedful.sampling.enumeration import Exact, exact
from heedful.sampling.guided import Guided
from heedful.sampling.guides import Guide, Guiding, TokenGuide, ValueGuide, WordGuide
from heedful.sampling.hill_climb import HillClimb, PrefixBase
from heedful.sampling.metropolis import Metropolis
from heedful.sampling.particle_gibbs import ParticleGibbs
from heedful.sampling.particles import Particles
from heedful.sampling.picking import Pick, pick
from heedful.sampling.refinements import (
    contrastive_refinement,
    critique_and_revise,
    feedback_and_edit,
    introspection,
    reverse_check,
)
from heedful.sampling.refining import Met, Refined, Refining
from heedful.sampling.rejection import Accepted, Certificate, Rejection
from heedful.sampling.resampling import RESAMPLING, Resampling, effective_size
from heedful.sampling.risk import expected_costs, minimum_bayes_risk
from heedful.sampling.roles import KEEP, Chat, Played, Role, Task, Then
from heedful.sampling.score_laws import KnownScores, NormalScores, PairedScores, ScoreLaw
from heedful.sampling.step_beam import StepBeam
from heedful.sampling.step_search import Searched, StepSearch
from heedful.sampling.step_tree import Branched, CountedSteps, InWords, StepTree
from heedful.sampling.stepping import StepBase
from heedful.sampling.tempered import Tempered, TemperedSamples
from heedful.sampling.token_beam import TokenBeam
from heedful.sampling.tree_search import Grown, Tree, TreeSearch
from heedful.sampling.trees import Node, SearchTree, StepShares, step_shares, tree_labels
from heedful.sampling.voting import voted

__all__ = [
    "KEEP",
    "RESAMPLING",
    "Accepted",
    "BestOfN",
    "BestOfNLaw",
    "Branched",
    "Cascade",
    "Cascaded",
    "Certificate",
    "Chained",
    "Chat",
    "CountedSteps",
    "EarlyBestOfN",
    "Exact",
    "Grown",
    "Guide",
    "Guided",
    "Guiding",
    "HillClimb",
    "InWords",
    "KnownScores",
    "Met",
    "Metropolis",
    "Node",
    "NormalScores",
    "PairedScores",
    "ParticleGibbs",
    "Particles",
    "Pick",
    "Played",
    "PrefixBase",
    "Refined",
    "Refining",
    "Rejection",
    "Resampling",
    "Role",
    "ScoreLaw",
    "SearchTree",
    "Searched",
    "Stage",
    "StepBase",
    "StepBeam",
    "StepSearch",
    "StepShares",
    "StepTree",
    "Task",
    "Tempered",
    "TemperedSamples",
    "Then",
    "TokenBeam",
    "TokenGuide",
    "Tree",
    "TreeSearch",
    "ValueGuide",
    "WordGuide",
    "best_of_n_kl_bound",
    "best_of_n_law",
    "contrastive_refinement",
    "critique_and_revise",
    "effective_size",
    "exact",
    "expected_costs",
    "feedback_and_edit",
    "introspection",
    "minimum_bayes_risk",
    "one_each",
    "pick",
    "reverse_check",
    "step_shares",
    "tree_labels",
    "voted",
]
