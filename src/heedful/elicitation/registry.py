"""The acquisition rules by name."""

from __future__ import annotations

from collections.abc import Mapping

from heedful.core import AcquisitionRule
from heedful.elicitation.copeland import Copeland
from heedful.elicitation.disagreement import Disagreement
from heedful.elicitation.diverse import Diverse
from heedful.elicitation.dueling import Boltzmann, DoubleThompson, UpperConfidence
from heedful.elicitation.mixed import Mixed
from heedful.elicitation.optimal import DifferenceUncertainty, DOptimal
from heedful.elicitation.per_cost import GainPerCost
from heedful.elicitation.perturbed import Perturbed
from heedful.elicitation.policies import Margin
from heedful.elicitation.routed import Routed
from heedful.elicitation.rules import ExpectedInformationGain, Random, Uncertainty
from heedful.elicitation.undominated import Undominated

RULES: Mapping[str, type[AcquisitionRule]] = {
    "information": ExpectedInformationGain,
    "uncertainty": Uncertainty,
    "random": Random,
    "thompson": DoubleThompson,
    "upper confidence": UpperConfidence,
    "boltzmann": Boltzmann,
    "perturbed": Perturbed,
    "undominated": Undominated,
    "copeland": Copeland,
    "mixed": Mixed,
    "d-optimal": DOptimal,
    "difference": DifferenceUncertainty,
    "disagreement": Disagreement,
    "diverse": Diverse,
    "margin": Margin,
    "gain per cost": GainPerCost,
    "routed": Routed,
}
