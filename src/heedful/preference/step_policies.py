"""Log-linear policies of steps, fitted to outputs to be imitated and to outputs preferred to others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from heedful.core import FitError, Floats, InputError, Item, UsageError
from heedful.models import Encoder, LogLinearSteps, Standardised, StepChoices, StepModel


def fit_dpo(
    chosen: Sequence[Item],
    rejected: Sequence[Item],
    reference: StepModel,
    features: Encoder,
    *,
    beta: float = 1.0,
    prior_sd: float = 1.0,
) -> LogLinearSteps:
    """The policy π of greatest Σ log σ(r(chosen) − r(rejected)), r = β Σ_t log π/reference of the steps there are.

    Direct preference optimisation (Rafailov et al. 2023, equation 7) of n pairs, row by row, of the same context, plus
    a Gaussian prior on the weights of standardised features of prefixes. Unfinished outputs may be compared too. Where
    the two of a pair differ in their last step alone, normalisers cancel, so that it is the Bradley-Terry fit of the
    features at strength β, and r orders the steps that could follow a prefix.

    Raises InputError where pairs are missing or answer different contexts, FitError where no maximum was reached,
    UsageError unless beta and prior_sd are above 0.
    """
    check_above_zero("fit_dpo", beta=beta, prior_sd=prior_sd)
    pairs = list(zip(chosen, rejected, strict=False))
    if not pairs or len(chosen) != len(rejected) or any(one.context != other.context for one, other in pairs):
        what = f"{len(chosen)} chosen and {len(rejected)} rejected are no pairs of one context each"
        raise InputError(what, where="fit_dpo")
    items = list(dict.fromkeys((*chosen, *rejected)))
    place = {item: row for row, item in enumerate(items)}
    first, second = (np.array([place[item] for item in own]) for own in (chosen, rejected))
    encoder = Standardised(features).fit(items)
    choices = StepChoices.of(reference, encoder, items)

    def loss(weights: Floats) -> tuple[float, Floats]:
        reward, pull = beta * choices.log_ratios(weights).sum(axis=1), beta * choices.slopes(weights)
        gap = reward[first] - reward[second]
        return float(-log_expit(gap).sum()), -expit(-gap) @ (pull[first] - pull[second])

    return LogLinearSteps(reference, encoder, least(loss, len(encoder.names), prior_sd, "fit_dpo"))


def fit_imitation(
    items: Sequence[Item], reference: StepModel, features: Encoder, *, prior_sd: float = 1.0
) -> LogLinearSteps:
    """The policy of greatest log-probability of n outputs (supervised fine-tuning), with the prior of `fit_dpo`.

    Raises InputError where there are none, FitError where no maximum was reached, UsageError unless prior_sd is above
    0.
    """
    check_above_zero("fit_imitation", prior_sd=prior_sd)
    if not items:
        raise InputError("there are no outputs to imitate", where="fit_imitation")
    encoder = Standardised(features).fit(items)
    choices = StepChoices.of(reference, encoder, items)

    def loss(weights: Floats) -> tuple[float, Floats]:
        return -float(choices.log_ratios(weights).sum()), -choices.slopes(weights).sum(axis=0)

    return LogLinearSteps(reference, encoder, least(loss, len(encoder.names), prior_sd, "fit_imitation"))


def check_above_zero(where: str, **numbers: float) -> None:
    """Raises UsageError that names each number which is not."""
    low = [f"{name} is above 0, not {number}" for name, number in numbers.items() if not number > 0]
    if low:
        raise UsageError(", ".join(low), where=where)


def least(
    loss: Callable[[Floats], tuple[float, Floats]], size: int, prior_sd: float, where: str, *, steps: int = 500
) -> Floats:
    """The weights [size] of least loss and −log of a Gaussian prior, by at most so many quasi-Newton steps from 0.

    `loss` gives value and gradient. Raises FitError where no minimum was reached.
    """

    def penalised(weights: Floats) -> tuple[float, Floats]:
        value, gradient = loss(weights)
        return value + float(weights @ weights) / (2 * prior_sd**2), gradient + weights / prior_sd**2

    found = minimize(penalised, np.zeros(size), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    if not found.success:
        raise FitError(f"no maximum was reached ({found.message})", where=where, fix="give a smaller prior_sd")
    return np.asarray(found.x)
