"""What to ask next, and how much: acquisition rules, pools of questions, plans."""

from heedful.elicitation.copeland import Copeland, CopelandRace
from heedful.elicitation.deciding import BestPlan, Standing, plan_best, standing, stop_reason
from heedful.elicitation.delayed import HopefulSearch, PhasedExploration
from heedful.elicitation.designs import design_of_pairs, greedy_design, spread_of
from heedful.elicitation.determinantal import draw_determinantal
from heedful.elicitation.disagreement import Disagreement
from heedful.elicitation.dispatch import LossRouter, fit_losses
from heedful.elicitation.diverse import Diverse
from heedful.elicitation.dueling import Boltzmann, DoubleThompson, UpperConfidence
from heedful.elicitation.duels import Duels
from heedful.elicitation.elimination import Eliminated, Elimination
from heedful.elicitation.experts import ExpertRanking, rank_experts
from heedful.elicitation.failures import FailureSearch
from heedful.elicitation.frank_wolfe import Design, frank_wolfe_design
from heedful.elicitation.hybrid import MixturePerformance, fit_mixtures
from heedful.elicitation.information import Histories, information_gain, one_sided_gain
from heedful.elicitation.kinds import answer_law
from heedful.elicitation.labels import labels_needed
from heedful.elicitation.lists import Lists, answer_information
from heedful.elicitation.mixed import Mixed
from heedful.elicitation.open_questions import AxisQuestions, OpenQuestion, Worth, rank_questions, told
from heedful.elicitation.optimal import DifferenceUncertainty, DOptimal, Dual
from heedful.elicitation.per_cost import GainPerCost
from heedful.elicitation.perturbed import Perturbed, minimax_regret
from heedful.elicitation.plan import Plan, design_effect, plan_difference, plan_rate, wilson_half_width
from heedful.elicitation.policies import Margin, interpolate, optimistic, pilaf_pairs, policy_pairs
from heedful.elicitation.pools import Pool, context_pairs, item_pairs, subsets
from heedful.elicitation.prompts import PromptEntropy, asked_entropy
from heedful.elicitation.race import Race, race
from heedful.elicitation.registry import RULES
from heedful.elicitation.respondents import Respondent, respondents
from heedful.elicitation.routed import GaussianGains, Routed
from heedful.elicitation.rules import ExpectedInformationGain, Random, Uncertainty
from heedful.elicitation.skills import SkillProfiles
from heedful.elicitation.solutions import Convincing
from heedful.elicitation.undominated import Undominated

__all__ = [
    "RULES",
    "AxisQuestions",
    "BestPlan",
    "Boltzmann",
    "Convincing",
    "Copeland",
    "CopelandRace",
    "DOptimal",
    "Design",
    "DifferenceUncertainty",
    "Disagreement",
    "Diverse",
    "DoubleThompson",
    "Dual",
    "Duels",
    "Eliminated",
    "Elimination",
    "ExpectedInformationGain",
    "ExpertRanking",
    "FailureSearch",
    "GainPerCost",
    "GaussianGains",
    "Histories",
    "HopefulSearch",
    "Lists",
    "LossRouter",
    "Margin",
    "Mixed",
    "MixturePerformance",
    "OpenQuestion",
    "Perturbed",
    "PhasedExploration",
    "Plan",
    "Pool",
    "PromptEntropy",
    "Race",
    "Random",
    "Respondent",
    "Routed",
    "SkillProfiles",
    "Standing",
    "Uncertainty",
    "Undominated",
    "UpperConfidence",
    "Worth",
    "answer_information",
    "answer_law",
    "asked_entropy",
    "context_pairs",
    "design_effect",
    "design_of_pairs",
    "draw_determinantal",
    "fit_losses",
    "fit_mixtures",
    "frank_wolfe_design",
    "greedy_design",
    "information_gain",
    "interpolate",
    "item_pairs",
    "labels_needed",
    "minimax_regret",
    "one_sided_gain",
    "optimistic",
    "pilaf_pairs",
    "plan_best",
    "plan_difference",
    "plan_rate",
    "policy_pairs",
    "race",
    "rank_experts",
    "rank_questions",
    "respondents",
    "spread_of",
    "standing",
    "stop_reason",
    "subsets",
    "told",
    "wilson_half_width",
]
