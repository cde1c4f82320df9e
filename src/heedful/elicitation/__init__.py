"""What to ask next, and how much: acquisition rules, pools of questions, plans."""

from heedful.elicitation.designs import design_of_pairs, greedy_design, spread_of
from heedful.elicitation.frank_wolfe import Design, frank_wolfe_design
from heedful.elicitation.information import Histories, information_gain, one_sided_gain
from heedful.elicitation.labels import labels_needed
from heedful.elicitation.lists import Lists, answer_information
from heedful.elicitation.optimal import DifferenceUncertainty, DOptimal, Dual
from heedful.elicitation.plan import Plan, design_effect, plan_difference, plan_rate, wilson_half_width
from heedful.elicitation.pools import Pool, context_pairs, item_pairs
from heedful.elicitation.rules import RULES, ExpectedInformationGain, Random, Uncertainty
from heedful.elicitation.solutions import Convincing

__all__ = [
    "RULES",
    "Convincing",
    "DOptimal",
    "Design",
    "DifferenceUncertainty",
    "Dual",
    "ExpectedInformationGain",
    "Histories",
    "Lists",
    "Plan",
    "Pool",
    "Random",
    "Uncertainty",
    "answer_information",
    "context_pairs",
    "design_effect",
    "design_of_pairs",
    "frank_wolfe_design",
    "greedy_design",
    "information_gain",
    "item_pairs",
    "labels_needed",
    "one_sided_gain",
    "plan_difference",
    "plan_rate",
    "spread_of",
    "wilson_half_width",
]
