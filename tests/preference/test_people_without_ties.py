"""Votes without ties have no nuisance parameters: groups and persons are fitted all the same."""

from __future__ import annotations

import numpy as np

from heedful.preference.people import PairVotes, fit_groups, fit_people

from .people_votes import answers, questions


def decided(people: int = 40, each: int = 30, seed: int = 0) -> PairVotes:
    """Half of the people want one order of six items, half the other."""
    rng = np.random.default_rng(seed)
    own = np.where(np.arange(people)[:, None] % 2, 1.0, -1.0) * np.linspace(-1.5, 1.5, 6)
    rater, first, second = questions(people, each, 6, rng)
    outcome = answers(own[rater, first] - own[rater, second], 0.0, rng)
    return PairVotes.from_arrays(rater, first, second, outcome, items=6, ties=False)


def test_groups_without_ties() -> None:
    groups = fit_groups(decided(), 2)
    share = np.asarray([posterior.mean for posterior in groups.posteriors])
    assert np.corrcoef(share[0], share[1])[0, 1] < -0.9


def test_persons_without_ties() -> None:
    people = fit_people(decided(), rank=1)
    new = people.person(decided(people=1, seed=1))
    assert np.corrcoef(new.posterior.mean, np.linspace(-1.5, 1.5, 6))[0, 1] < -0.8
