"""Reaching a target by sampling: nothing changes, every answer is paid for."""

from heedful.sampling.best_of_n import BestOfN, BestOfNLaw, best_of_n_kl_bound, best_of_n_law
from heedful.sampling.enumeration import Exact, exact
from heedful.sampling.picking import Pick, pick
from heedful.sampling.risk import expected_costs, minimum_bayes_risk
from heedful.sampling.step_beam import StepBase, StepBeam
from heedful.sampling.voting import voted

__all__ = [
    "BestOfN",
    "BestOfNLaw",
    "Exact",
    "Pick",
    "StepBase",
    "StepBeam",
    "best_of_n_kl_bound",
    "best_of_n_law",
    "exact",
    "expected_costs",
    "minimum_bayes_risk",
    "pick",
    "voted",
]
