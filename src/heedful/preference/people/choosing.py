"""Do people differ, and into how many groups? One is an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from heedful.core import Estimate, Floats, UsageError
from heedful.feedback import Table
from heedful.preference.people import checks
from heedful.preference.people.groups import fit_groups
from heedful.preference.people.mixture import Mixture, inverse_information, rater_scores
from heedful.preference.people.votes import PairVotes, pair_votes
from heedful.stats import mean_estimate

_LEVEL = 0.05
# Newton steps from the fit to one of data drawn from it: each about doubles the digits.
_STEPS = 4


@dataclass(frozen=True)
class Differing:
    """The test of "all raters share one utility": the statistic, its p-value and the `replicates` it rests on.

    `statistic` is standardised by its mean and deviation under the hypothesis; it is large where the votes of a rater
    pull the fit the same way more than chance has it.
    """

    p_value: float
    statistic: float
    replicates: int


def people_differ(votes: PairVotes | Table, *, replicates: int = 199, seed: int = 0) -> Differing:
    """Test whether raters share one utility: T = Σ_r Σ_{v ≠ v'} s_vᵀ M s_v' over votes v, v' of one rater.

    s_v is the gradient of a vote's log-likelihood in the utilities at the single fit, M the inverse information there:
    the score test of a variance between people (Lin 1997, "Variance component testing in generalised linear models
    with random effects"), which looks at tastes and not at how often people tie. The p-value is by parametric
    bootstrap: the same questions are answered anew from the single fit, and fitted and tested again. Votes must be
    independent given the utilities; effects of prompts that raters share are not told apart from tastes.
    Raises UsageError where no rater gave two votes, which is what the test looks at.
    """
    votes = pair_votes(votes)
    checks.at_least(1, replicates=replicates)
    if np.asarray(votes.counts.sum(axis=1)).max() < 2:
        raise UsageError(
            "no rater gave more than one vote, so nothing shows whether raters differ",
            where="people_differ",
            fix="ask some raters twice or more",
        )
    rng = np.random.default_rng(seed)
    mixture = Mixture(votes, 1, 2.5)
    everyone = np.ones((len(votes.raters), 1))
    x = mixture.update(everyone, np.zeros((1, mixture.block)))
    observed = _cross_products(votes, x, mixture)
    d = votes.parameters
    probability = np.exp(votes.model.log_prob(mixture.difference(x[:d]), x[d:]))
    null = np.empty(replicates)
    for b in range(replicates):
        again = Mixture(votes.resampled(probability, rng), 1, mixture.sd)
        near = x[None]
        for _ in range(_STEPS):
            near = again.own(again.advance(everyone, near)[0])
        null[b] = _cross_products(again.votes, near[0], again)
    p_value = (1 + int((null >= observed).sum())) / (1 + replicates)
    return Differing(p_value, float((observed - null.mean()) / max(null.std(), 1e-300)), replicates)


def _cross_products(votes: PairVotes, x: Floats, mixture: Mixture) -> float:
    d, model = votes.parameters, votes.model
    problem = mixture.problem(np.ones(len(votes.raters)))
    metric = inverse_information(problem, x)[:d, :d]
    own = rater_scores(votes, x)[:, :d]
    differences = votes.dense_differences
    reach = ((differences @ metric) * differences).sum(axis=1)
    ones = np.eye(len(model.scores))[:, :, None]
    difference = differences @ x[:d]
    slope = np.stack([model.gradient(one, difference, x[d:])[0] for one in ones])
    counts = np.asarray(votes.counts.sum(axis=0)).reshape(slope.shape)
    return float(((own @ metric) * own).sum() - (counts * slope**2 * reach).sum())


@dataclass(frozen=True, eq=False)
class Chosen:
    """How many groups: `groups`, and for each number tried the held-out log p of each rater's votes [K, R] (nats).

    `gain` [K] is the mean gain a rater over one group, with its interval.
    """

    groups: int
    log_prob: Floats
    gain: tuple[Estimate, ...]


def held_out_by_rater(
    votes: PairVotes | Table,
    groups: int,
    *,
    folds: int = 5,
    prior_sd: float | None = None,
    starts: int = 4,
    seed: int = 0,
) -> Floats:
    """log p(all votes of a rater) [R] under a mixture fitted without that rater, whose group is not known."""
    votes = pair_votes(votes)
    total = len(votes.raters)
    if folds < 2 or total < folds * max(groups, 2):
        raise UsageError(f"{total} raters cannot be split into {folds} folds for {groups} groups", where="folds")
    fold, scores = np.random.default_rng(seed).permutation(total) % folds, np.empty(total)
    for part in range(folds):
        inside = votes.of_raters(np.flatnonzero(fold != part))
        fitted = fit_groups(inside, groups, prior_sd=prior_sd, starts=starts, draws=2, seed=seed)
        scores[fold == part] = fitted.log_evidence_of(votes.of_raters(np.flatnonzero(fold == part)))
    return scores


def choose_groups(
    votes: PairVotes | Table,
    *,
    most: int = 4,
    folds: int = 5,
    prior_sd: float | None = None,
    starts: int = 4,
    seed: int = 0,
) -> Chosen:
    """The fewest groups such that no more of them predict raters held out better, by a one-sided paired test at 5 %.

    The folds are the same for every number. Whether to believe in more than one group at all is tested here as well:
    with one group in truth more of them predict worse, so that they are chosen in fewer than 5 % of cases.
    """
    checks.at_least(1, most=most)
    votes = pair_votes(votes)
    scores = [
        held_out_by_rater(votes, k, folds=folds, prior_sd=prior_sd, starts=starts, seed=seed)
        for k in range(1, most + 1)
    ]
    chosen = next(k for k in range(most) if not any(_better(scores[more], scores[k]) for more in range(k + 1, most)))
    gain = tuple(mean_estimate(score - scores[0]) for score in scores)
    return Chosen(chosen + 1, np.array(scores), gain)


def _better(one: Floats, other: Floats) -> bool:
    """Whether a one-sided t test finds the first better on average."""
    gain = one - other
    if not gain.std() > 0:
        return False
    t = gain.mean() / gain.std(ddof=1) * np.sqrt(len(gain))
    return bool(special.stdtr(len(gain) - 1, -t) < _LEVEL)
