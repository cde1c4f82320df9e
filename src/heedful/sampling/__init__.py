"""Reaching a target by sampling: nothing changes, every answer is paid for."""

from heedful.models import StepBase
from heedful.sampling.batches import one_each
from heedful.sampling.best_of_n import BestOfN, BestOfNLaw, best_of_n_kl_bound, best_of_n_law
from heedful.sampling.cascade import Cascade, Cascaded, Stage
from heedful.sampling.chains import Chained
from heedful.sampling.deepening import Deepening
from heedful.sampling.early_stopping import EarlyBestOfN
from heedful.sampling.enumeration import Exact, exact
from heedful.sampling.guided import Guided, GuidedLaw, guided_law
from heedful.sampling.guides import Guide, Guiding, TokenGuide, ValueGuide, WordGuide
from heedful.sampling.hill_climb import HillClimb, PrefixBase
from heedful.sampling.metropolis import Metropolis
from heedful.sampling.particle_gibbs import ParticleGibbs
from heedful.sampling.particles import Particles
from heedful.sampling.picking import Pick, pick
from heedful.sampling.rejection import Accepted, Certificate, Rejection
from heedful.sampling.resampling import RESAMPLING, Resampling, effective_size
from heedful.sampling.risk import expected_costs, minimum_bayes_risk
from heedful.sampling.score_laws import KnownScores, NormalScores, PairedScores, ScoreLaw
from heedful.sampling.step_beam import StepBeam
from heedful.sampling.step_search import Searched, StepSearch
from heedful.sampling.tempered import Tempered, TemperedSamples
from heedful.sampling.token_beam import TokenBeam
from heedful.sampling.tree_search import Grown, Tree, TreeSearch
from heedful.sampling.voting import voted

__all__ = [
    "RESAMPLING",
    "Accepted",
    "BestOfN",
    "BestOfNLaw",
    "Cascade",
    "Cascaded",
    "Certificate",
    "Chained",
    "Deepening",
    "EarlyBestOfN",
    "Exact",
    "Grown",
    "Guide",
    "Guided",
    "GuidedLaw",
    "Guiding",
    "HillClimb",
    "KnownScores",
    "Metropolis",
    "NormalScores",
    "PairedScores",
    "ParticleGibbs",
    "Particles",
    "Pick",
    "PrefixBase",
    "Rejection",
    "Resampling",
    "ScoreLaw",
    "Searched",
    "Stage",
    "StepBase",
    "StepBeam",
    "StepSearch",
    "Tempered",
    "TemperedSamples",
    "TokenBeam",
    "TokenGuide",
    "Tree",
    "TreeSearch",
    "ValueGuide",
    "WordGuide",
    "best_of_n_kl_bound",
    "best_of_n_law",
    "effective_size",
    "exact",
    "expected_costs",
    "guided_law",
    "minimum_bayes_risk",
    "one_each",
    "pick",
    "voted",
]
