"""Groups of raters: exact derivatives, truth found again, one group as an answer, contracts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from heedful.core import FitError, InputError, Item, UsageError
from heedful.core.contracts import PosteriorContract, PotentialContract, PreferenceContract
from heedful.preference import FittedPosterior
from heedful.preference.people import Groups, PairVotes, choose_groups, fit_groups, held_out_by_rater, people_differ
from heedful.preference.people.mixture import Mixture

from .people_votes import grouped, opposed
from .votes import comparisons

ITEMS = [Item(system=str(i)) for i in range(8)]


@cache
def fitted() -> Groups:
    return fit_groups(opposed(1)[2], 2)


class TestGroupsAsPotential(PotentialContract):
    def make(self) -> Groups:
        return fitted()

    def items(self) -> list[Item]:
        return ITEMS


class TestGroupsAsPreference(PreferenceContract):
    def make(self) -> Groups:
        return fitted()

    def items(self) -> list[Item]:
        return ITEMS


class TestPosteriorOfAGroup(PosteriorContract):
    def make(self) -> FittedPosterior:
        return fitted().posteriors[1]

    def items(self) -> list[Item]:
        return ITEMS


class TestAgainst(PotentialContract):
    def make(self) -> object:
        return fitted().against({item: 1.0 + row for row, item in enumerate(ITEMS[:3])}, name="first three")

    def items(self) -> list[Item]:
        return ITEMS


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("features", [False, True])
def test_gradient_and_information_are_derivatives_of_the_value(groups: int, features: bool) -> None:
    rng = np.random.default_rng(0)
    _, _, votes = opposed(0, raters=9, each=7)
    if features:
        votes = replace(votes, design=rng.normal(size=(8, 3)))
    mixture, step = Mixture(votes, groups, 0.8), 1e-5
    x = rng.normal(size=groups - 1 + groups * mixture.block) / 2
    gradient, information = mixture.gradient_and_information(x)
    around = [(x + e, x - e) for e in step * np.eye(len(x))]
    by_value = [(mixture.value(a) - mixture.value(b)) / (2 * step) for a, b in around]
    np.testing.assert_allclose(gradient, by_value, atol=1e-6)
    gradients = [[mixture.gradient_and_information(y)[0] for y in pair] for pair in around]
    np.testing.assert_allclose(information, [(b - a) / (2 * step) for a, b in gradients], atol=1e-6)


def test_the_marginal_likelihood_is_the_sum_over_groups() -> None:
    _, _, votes = opposed(0, raters=5, each=4)
    mixture = Mixture(votes, 2, 1.0)
    x = np.random.default_rng(1).normal(size=1 + 2 * mixture.block)
    pi, own = np.exp(mixture.log_shares(x)), mixture.own(x)
    by_hand = 0.0
    for rater in range(5):
        chance = np.zeros(2)
        for k in range(2):
            p = np.exp(votes.model.log_prob(own[k, votes.first] - own[k, votes.second], own[k, 8:]))
            chance[k] = pi[k] * np.prod(p.ravel() ** votes.counts[[rater]].toarray().ravel())
        by_hand += np.log(chance.sum())
    assert np.log(np.exp(mixture.joint(x)).sum(axis=1)).sum() == pytest.approx(by_hand, abs=1e-10)


@pytest.mark.parametrize("share", [0.7, 0.9])
def test_groups_are_found_again(share: float) -> None:
    truth, group, votes = opposed(3, raters=100, share=share)
    found = fit_groups(votes, 2)
    assert (found.responsibility.argmax(axis=1) == group).mean() > 0.97
    assert found.shares[0].value == pytest.approx((group == 0).mean(), abs=0.03)
    for k in range(2):
        posterior = found.posteriors[k]
        assert posterior.covariance is not None
        z = (posterior.mean - truth[k]) / np.sqrt(np.diag(posterior.covariance))
        assert np.abs(z).max() < 4
        np.testing.assert_allclose(posterior.draws.mean(axis=0), posterior.mean, atol=1e-12)
    assert found.shares[0].value >= found.shares[1].value


def test_people_apart_from_ignorance() -> None:
    found = fitted()
    scores = found(ITEMS)
    share, means = found.shares[0].value, [posterior.mean for posterior in found.posteriors]
    np.testing.assert_allclose(scores.mean, share * means[0] + (1 - share) * means[1], atol=1e-12)
    np.testing.assert_allclose(scores.aleatoric, np.sqrt(share * (1 - share)) * np.abs(means[0] - means[1]), atol=1e-9)
    _, _, more = opposed(1, raters=240)
    wider = fit_groups(more, 2)(ITEMS)
    assert wider.draws is not None
    assert scores.draws is not None
    assert wider.draws.std(axis=0).mean() < 0.7 * scores.draws.std(axis=0).mean()  # what asking settles
    assert wider.aleatoric is not None
    assert wider.aleatoric.mean() > 0.5  # what it does not


def test_the_population_prefers_as_its_people_do() -> None:
    truth, group, votes = opposed(5, raters=400, each=40)
    found = fit_groups(votes, 2)
    share = (group == 0).mean()
    expected = share * expit(truth[0][0] - truth[0][1:]) + (1 - share) * expit(truth[1][0] - truth[1][1:])
    np.testing.assert_allclose(found.prefer(ITEMS[:1] * 7, ITEMS[1:]), expected, atol=0.04)
    alone = found.prefer(ITEMS[:1], ITEMS[1:2])[0]
    against = found.against({ITEMS[1]: 3.0, ITEMS[0]: 1.0})
    assert against(ITEMS[:1]).mean[0] == pytest.approx(0.75 * alone + 0.25 * 0.5)
    assert against.under == "policy"


def test_a_new_rater_is_placed_by_bayes() -> None:
    _, group, votes = opposed(8, raters=40)
    found = fitted()
    placed = found.assign(votes)
    np.testing.assert_allclose(placed.sum(axis=1), 1.0)
    assert votes.raters == tuple(str(i) for i in range(40))
    assert placed.shape == (40, 2)
    assert group.shape == (40,)
    with pytest.raises(InputError):
        found.assign(opposed(8, items=7)[2])


def test_one_group_is_the_answer_where_people_agree() -> None:
    rng = np.random.default_rng(0)
    utilities = rng.normal(size=(1, 8))
    same = grouped(utilities, np.zeros(60, np.intp), 20, rng)
    assert choose_groups(same, most=2).groups == 1
    assert people_differ(same, replicates=99).p_value > 0.05
    _, _, votes = opposed(0)
    chosen = choose_groups(votes, most=2)
    assert chosen.groups == 2
    assert chosen.gain[1].value > 0
    assert people_differ(votes, replicates=99).p_value == 0.01


def test_the_test_of_differing_people_keeps_its_level() -> None:
    """40 sets of 30 raters who agree: p-values are uniform."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        votes = grouped(rng.normal(size=(1, 6)), np.zeros(30, np.intp), 8, rng)
        found.append(people_differ(votes, replicates=19, seed=seed).p_value)
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert stats.binomtest(int((np.array(found) <= 0.05).sum()), 40, 0.05, "greater").pvalue > 1e-3


def test_held_out_raters_are_marginal_over_groups() -> None:
    _, _, votes = opposed(2, raters=20)
    scores = held_out_by_rater(votes, 2, seed=3)
    fold = np.random.default_rng(3).permutation(20) % 5
    rest = fit_groups(votes.of_raters(np.flatnonzero(fold != 2)), 2, starts=4, seed=3)
    np.testing.assert_allclose(scores[fold == 2], rest.log_evidence_of(votes)[fold == 2], rtol=1e-9)
    assert scores.sum() > held_out_by_rater(votes, 1, seed=3).sum()
    with pytest.raises(UsageError):
        held_out_by_rater(votes, 6)


def test_from_a_table() -> None:
    votes = [("a", "b", "first"), ("b", "c", "tie"), ("c", "a", "second"), ("a", "b", "both_bad"), ("a", "b", "first")]
    table = comparisons(votes, rater=["x", "y", "x", "x", None])
    read = PairVotes.of(table)
    assert read.raters == ("x", "y")
    assert read.votes == 3
    assert read.excluded == {"a comparison answered both bad": 1, "of a rater that is not known": 1}
    assert read.utility.evaluate([Item(system="b")], np.arange(3.0)).tolist() == [1.0]
    counts = read.counts.toarray().reshape(2, 3, -1)
    pairs = list(zip(read.first.tolist(), read.second.tolist(), strict=True))
    assert counts[0, 2, pairs.index((0, 1))] == 1  # a beat b
    assert counts[0, 2, pairs.index((0, 2))] == 1  # a beat c, shown second
    assert counts[1, 1, pairs.index((1, 2))] == 1
    with pytest.raises(FitError):
        PairVotes.of(comparisons(votes))


def test_what_cannot_be_fitted_is_refused() -> None:
    _, _, votes = opposed(2, raters=3)
    with pytest.raises(UsageError):
        fit_groups(votes, 4)
    with pytest.raises(InputError):
        PairVotes.from_arrays(np.zeros(1, int), np.zeros(1, int), np.zeros(1, int), np.ones(1), items=2)


def test_results_repeat_with_their_seed() -> None:
    _, _, votes = opposed(4, raters=30)
    one, two = (fit_groups(votes, 2, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.share_draws, two.share_draws)
    np.testing.assert_array_equal(one.posteriors[0].draws, two.posteriors[0].draws)
