"""What to ask next, and how much: acquisition rules, pools of questions, plans."""

from heedful.elicitation.copeland import Copeland, CopelandRace
from heedful.elicitation.deciding import BestPlan, Standing, plan_best, standing, stop_reason
from heedful.elicitation.designs import design_of_pairs, greedy_design, spread_of
from heedful.elicitation.dueling import Boltzmann, DoubleThompson, UpperConfidence
from heedful.elicitation.duels import Duels
from heedful.elicitation.frank_wolfe import Design, frank_wolfe_design
from heedful.elicitation.information import Histories, information_gain, one_sided_gain
from heedful.elicitation.labels import labels_needed
from heedful.elicitation.lists import Lists, answer_information
from heedful.elicitation.optimal import DifferenceUncertainty, DOptimal, Dual
from heedful.elicitation.perturbed import Perturbed, minimax_regret
from heedful.elicitation.plan import Plan, design_effect, plan_difference, plan_rate, wilson_half_width
from heedful.elicitation.pools import Pool, context_pairs, item_pairs
from heedful.elicitation.race import Race, race
from heedful.elicitation.rules import RULES, ExpectedInformationGain, Random, Uncertainty
from heedful.elicitation.solutions import Convincing

__all__ = [
    "RULES",
    "BestPlan",
    "Boltzmann",
    "Convincing",
    "Copeland",
    "CopelandRace",
    "DOptimal",
    "Design",
    "DifferenceUncertainty",
    "DoubleThompson",
    "Dual",
    "Duels",
    "ExpectedInformationGain",
    "Histories",
    "Lists",
    "Perturbed",
    "Plan",
    "Pool",
    "Race",
    "Random",
    "Standing",
    "Uncertainty",
    "UpperConfidence",
    "answer_information",
    "context_pairs",
    "design_effect",
    "design_of_pairs",
    "frank_wolfe_design",
    "greedy_design",
    "information_gain",
    "item_pairs",
    "labels_needed",
    "minimax_regret",
    "one_sided_gain",
    "plan_best",
    "plan_difference",
    "plan_rate",
    "race",
    "spread_of",
    "standing",
    "stop_reason",
    "wilson_half_width",
]
