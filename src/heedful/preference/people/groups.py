"""Groups of raters who want different things: shares, a posterior for each, and the population they make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import linalg, special
from scipy.special import expit

from heedful.core import (
    Base,
    Estimate,
    Finding,
    FitError,
    Floats,
    InputError,
    Interval,
    Item,
    Scale,
    Scores,
    UsageError,
)
from heedful.core.algebra import Expressible
from heedful.feedback import Table
from heedful.preference.against import Against, against
from heedful.preference.noise import Dense, mirrored
from heedful.preference.people import checks
from heedful.preference.people.em import Mode, fit_mixture
from heedful.preference.people.votes import KIND, PairVotes, pair_votes, parameter_names, votes_like
from heedful.preference.persistence import Saved
from heedful.preference.posterior import FittedPosterior
from heedful.preference.reading import Reading

# Fewer raters than this in the smallest group, and the interval of a share is not printed: see benchmarks/people.py.
MIN_RATERS = 5.0


@dataclass(frozen=True, eq=False)
class Groups(Expressible, Saved):
    """K groups of raters, the largest first, and the population that they make up.

    `posteriors` [K] are those of the groups, whose draws line up: row r of each, and of `share_draws` [k, K], is one
    draw of everything. `shares` [K] are of the population raters are drawn from. `responsibility` [R, K] is P(group) of
    each of the `raters`. All draws lie around one of the K! equal maxima, so that groups keep their names.

    As a potential it scores items by the mean utility over people, each group's utilities being centred on its items
    (or on the features' means): utilities of people are put side by side in units of their own noise, which is a
    convention. `aleatoric` is the standard deviation between people; draws vary by what is not known. As a preference
    it gives the share of people who would prefer the first, which may be cyclic.
    """

    posteriors: tuple[FittedPosterior, ...]
    shares: tuple[Estimate, ...]
    share_draws: Floats
    raters: tuple[str, ...]
    responsibility: Floats
    log_likelihood: float
    mode: Mode
    findings: tuple[Finding, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)
    scale: Scale = "utility"
    under: str | None = None

    @property
    def votes(self) -> PairVotes:
        """The votes fitted."""
        return self.mode.mixture.votes

    def __call__(self, items: Sequence[Item]) -> Scores:
        """The mean over people, with its draws, and the standard deviation between people."""
        means = np.array([posterior(items).mean for posterior in self.posteriors])
        drawn = np.array([posterior(items).draws for posterior in self.posteriors])
        share = np.array([estimate.value for estimate in self.shares])
        mean = share @ means
        spread = np.sqrt(np.maximum(share @ (means - mean) ** 2, 0.0))
        return Scores(mean, np.einsum("ki,ikn->kn", self.share_draws, drawn), spread)

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(a person of the population prefers the first | decided) [n], averaged over draws: Σ_k π_k σ(Δ_k)."""
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        total = np.zeros(len(first))
        for share, posterior in zip(self.share_draws.T, self.posteriors, strict=True):
            utility = posterior.utility
            gap = utility.evaluate(first, posterior.draws) - utility.evaluate(second, posterior.draws)
            total += (share[:, None] * (2 * expit(gap) - 1)).mean(axis=0)
        return np.asarray((1 + total) / 2)

    def against(self, policy: Base | Mapping[Item, float], *, name: str = "policy") -> Against:
        """The population's probability of preferring an item to the policy's, as a potential that holds under it."""
        return against(self, policy, name=name)

    def log_evidence_of(self, votes: PairVotes | Table) -> Floats:
        """log p(votes of each rater) [R], the rater's group being unknown, at the fitted parameters."""
        return np.asarray(special.logsumexp(self._joint(votes), axis=1))

    def assign(self, votes: PairVotes | Table) -> Floats:
        """P(group | votes) [R, K] of raters, who may be new."""
        return np.asarray(np.exp(special.log_softmax(self._joint(votes), axis=1)))

    def _joint(self, votes: PairVotes | Table) -> Floats:
        return replace(self.mode.mixture, votes=votes_like(votes, self.votes, "Groups")).joint(self.mode.x)


def fit_groups(
    votes: PairVotes | Table,
    groups: int,
    *,
    prior_sd: float | None = None,
    starts: int = 8,
    draws: int = 1000,
    seed: int = 0,
) -> Groups:
    """A mixture of K groups of raters with utilities and a tie term of their own, by EM from several starts.

    A table is read as comparisons between systems; to read it otherwise, give `PairVotes.of` it.
    Utilities have a prior N(0, prior_sd²); None estimates its width with the rest. The posterior is Laplace's
    approximation around the best maximum found, over utilities, tie terms and shares jointly. How many groups there
    are is the question of `heedful.preference.people.choosing`. Chakraborty et al. 2024, "MaxMin-RLHF".
    Raises UsageError unless 1 <= groups <= raters, prior_sd > 0, starts and draws >= 1, FitError where no strict
    maximum is found.
    """
    votes = pair_votes(votes)
    if not 1 <= groups <= len(votes.raters):
        raise UsageError(f"{len(votes.raters)} raters cannot make up {groups} groups", where="groups")
    checks.width(prior_sd, "prior_sd")
    checks.at_least(1, starts=starts, draws=draws)
    rng = np.random.default_rng(seed)
    mode = fit_mixture(votes, groups, prior_sd=prior_sd, starts=starts, rng=rng)
    if not mode.strict:
        raise FitError(
            f"the votes do not determine {groups} groups: the best point found is no strict maximum",
            fix="ask for fewer groups, or give prior_sd",
        )
    inverse = linalg.cho_solve(linalg.cho_factor(mode.information), np.eye(len(mode.x)))
    drawn = mirrored(mode.x, Dense((inverse + inverse.T) / 2).sample(-(-draws // 2), rng))
    how = "estimated with the groups" if prior_sd is None else "given"
    facts = {
        **votes.facts,
        "groups": groups,
        "prior": {"family": "gaussian", "mean": 0.0, "sd": mode.mixture.sd, "sd_was": how},
        "share_prior": "Dirichlet(1/2)",
        "covariance": "laplace",
        "promise": "credible",
        "starts": starts,
        "seed": seed,
    }
    return _groups(mode, inverse, drawn, facts)


def _groups(mode: Mode, covariance: Floats, drawn: Floats, facts: dict[str, Any]) -> Groups:
    mixture, votes = mode.mixture, mode.mixture.votes
    responsibility, own = mixture.responsibilities(mode.x), mixture.own(mode.x)
    posteriors = tuple(
        _posterior(mode, covariance, drawn, k, float(responsibility[:, k].sum()), facts) for k in range(len(own))
    )
    return Groups(
        posteriors,
        _shares(mode, covariance, responsibility),
        np.exp(mixture.log_shares(drawn)),
        votes.raters,
        responsibility,
        mode.log_likelihood,
        mode,
        _findings(responsibility),
        facts,
    )


def _posterior(
    mode: Mode, covariance: Floats, drawn: Floats, group: int, raters: float, facts: dict[str, Any]
) -> FittedPosterior:
    mixture, votes = mode.mixture, mode.mixture.votes
    d, start = votes.parameters, mixture.groups - 1 + group * mixture.block
    own, draws = mixture.own(mode.x)[group], mixture.own(drawn)[:, group]
    mean, theta, matrix = own[:d], draws[:, :d], covariance[start : start + d, start : start + d]
    if votes.design is None:  # a constant for all items is known from the prior alone, and changes nothing
        mean, theta = mean - mean.mean(), theta - theta.mean(axis=1, keepdims=True)
        matrix = matrix - matrix.mean(axis=0) - matrix.mean(axis=1, keepdims=True) + matrix.mean()
    counts = np.full(d, float(mixture.responsibilities(mode.x)[:, group] @ votes.counts.sum(axis=1)))
    return FittedPosterior(
        utility=votes.utility,
        criterion=votes.criterion,
        names=parameter_names(votes),
        mean=mean,
        covariance=matrix,
        draws=theta,
        counts=counts,
        identified=np.ones(d, bool),
        notes=("",) * d,
        df=float("inf"),
        readings=(Reading(KIND, votes.model, own[d:], draws[:, d:]),),
        model={**facts, "group": group, "raters": raters},
    )


def _shares(mode: Mode, covariance: Floats, responsibility: Floats) -> tuple[Estimate, ...]:
    """Each share with an interval by the delta method for its logit."""
    groups, total = mode.mixture.groups, len(responsibility)
    pi = np.exp(mode.mixture.log_shares(mode.x))
    if groups == 1:
        return (Estimate(1.0, total, 0.0, note="one group is all"),)
    found = []
    for k in range(groups):
        # ∂π_k/∂η_j = π_k (δ_jk − π_j), for the logits η_2..η_K.
        slope = pi[k] * ((np.arange(1, groups) == k) - pi[1:])
        variance = float(slope @ covariance[: groups - 1, : groups - 1] @ slope)
        if min(responsibility[:, k].sum(), total - responsibility[:, k].sum()) < MIN_RATERS:
            note = f"fewer than {MIN_RATERS:g} raters on one side: too few for an interval"
            found.append(Estimate(float(pi[k]), total, variance, None, note=note))
            continue
        half = 1.959963984540054 * np.sqrt(variance) / (pi[k] * (1 - pi[k]))
        low, high = expit(special.logit(pi[k]) + np.array([-half, half]))
        found.append(Estimate(float(pi[k]), total, variance, Interval(float(low), float(high), "confidence")))
    return tuple(found)


def _findings(responsibility: Floats) -> tuple[Finding, ...]:
    """Raters whose votes do not tell their group."""
    unsure = int((responsibility.max(axis=1) < 0.8).sum())
    if not unsure or responsibility.shape[1] == 1:
        return ()
    message = f"the votes of {unsure} of {len(responsibility)} raters do not tell their group with 80 % certainty"
    return (Finding("people.unsure", "note", message, "ask these raters more", unsure),)
