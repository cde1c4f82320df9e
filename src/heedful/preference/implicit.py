"""Rewards that are log-ratios of a policy to its reference, fitted to labels of outcomes."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit

from heedful.core import FitError, Floats
from heedful.feedback import Table
from heedful.models import Encoder, LogLinearSteps, Standardised, StepChoices, StepModel
from heedful.preference.observations import Grades, observe
from heedful.preference.step_policies import check_above_zero, least


def fit_implicit(
    table: Table,
    reference: StepModel,
    features: Encoder,
    *,
    beta: float = 1.0,
    prior_sd: float = 1.0,
    criterion: str = "overall",
) -> LogLinearSteps:
    """The policy π for which P(label yes | y) = σ(r(y)), r(y) = β Σ_t log π(y_t | y_<t)/reference(y_t | y_<t).

    By cross-entropy (Yuan et al. 2024, "Free process rewards without process labels", equation 5), plus a Gaussian
    prior on the weights of standardised features of prefixes. Since π is normalised step by step, the partial sums are
    the soft values of r under the reference, whatever the labels (proposition 3.1): no mark of a step is needed. r has
    no constant of its own: E[exp(r/β)] = 1 under the reference, so that a small β leaves r near 0.

    Raises FitError where there are no labels, all are alike or no maximum was reached, UsageError unless beta and
    prior_sd are above 0.
    """
    check_above_zero("fit_implicit", beta=beta, prior_sd=prior_sd)
    observed = observe(table, criterion, identity="content")
    votes = observed.instruments.get("label")
    if not isinstance(votes, Grades) or len(np.unique(votes.value)) < 2:
        raise FitError("there are no labels, or all say the same", fix="give outcomes labelled yes and no")
    items = observed.items()
    encoder = Standardised(features).fit(items)
    choices, sign = StepChoices.of(reference, encoder, items), 2 * votes.value - 1

    def loss(weights: Floats) -> tuple[float, Floats]:
        reward = beta * choices.log_ratios(weights).sum(axis=1)[votes.item]
        pull = beta * choices.slopes(weights)[votes.item]
        return float(-log_expit(sign * reward).sum()), -(sign * expit(-sign * reward)) @ pull

    return LogLinearSteps(reference, encoder, least(loss, len(encoder.names), prior_sd, "fit_implicit"))
