"""Profiles of skills: against Beta laws, counts by hand and all sets that could be recruited."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from heedful.core import InputError, UsageError
from heedful.elicitation import SkillProfiles


def known() -> SkillProfiles:
    rng = np.random.default_rng(0)
    return SkillProfiles(rng.integers(0, 9, (4, 3)).astype(float), rng.integers(0, 9, (4, 3)).astype(float))


def test_answers_are_counted_by_the_share_of_each_skill() -> None:
    rng = np.random.default_rng(1)
    model, right = rng.integers(0, 3, 50), rng.random(50) < 0.6
    skills = rng.integers(0, 3, (50, 4)) + np.eye(4)[rng.integers(0, 4, 50)]
    gained, lost = np.zeros((3, 4)), np.zeros((3, 4))
    for row in range(50):
        for skill in range(4):
            share = skills[row, skill] / skills[row].sum()
            (gained if right[row] else lost)[model[row], skill] += share
    start = SkillProfiles.none(3, 4)
    whole = start.tell(model, skills, right)
    np.testing.assert_allclose(whole.right, gained)
    np.testing.assert_allclose(whole.wrong, lost)
    parts = start.tell(model[:20], skills[:20], right[:20]).tell(model[20:], skills[20:], right[20:])
    np.testing.assert_allclose(parts.right, gained)
    assert whole.right.sum() + whole.wrong.sum() == pytest.approx(50)


def test_one_skill_has_a_beta_law() -> None:
    profiles, rng = known(), np.random.default_rng(2)
    for skill in range(3):
        laws = stats.beta(1 + profiles.right[:, skill], 1 + profiles.wrong[:, skill])
        need = np.eye(3)[[skill]]
        np.testing.assert_allclose(profiles.scores(need)[0], laws.mean())
        drawn = profiles.draws(np.repeat(need, 20_000, axis=0), rng)
        assert all(
            stats.kstest(drawn[:, m], stats.beta(*(own[m] for own in laws.args)).cdf).pvalue > 1e-4 for m in range(4)
        )


def test_several_skills_are_averaged() -> None:
    profiles = known()
    alone = profiles.scores(np.eye(3))
    np.testing.assert_allclose(profiles.scores([[2.0, 0.0, 6.0]])[0], 0.25 * alone[0] + 0.75 * alone[2])


def test_those_recruited_are_the_best_set_of_their_size() -> None:
    profiles, rng = known(), np.random.default_rng(3)
    skills = rng.random((20, 3))
    for count in (1, 2, 3):
        for score, chosen in zip(profiles.scores(skills), profiles.recruit(skills, count), strict=True):
            best = max(combinations(range(4), count), key=lambda own: score[list(own)].sum())
            assert set(chosen.tolist()) == set(best)
            assert np.all(np.diff(score[chosen]) <= 0)


def test_thompson_sampling_recruits_as_often_as_each_is_the_best() -> None:
    profiles = SkillProfiles(np.array([[6.0], [1.0]]), np.array([[4.0], [0.0]]))
    first, second = stats.beta(7, 5), stats.beta(2, 1)
    truth = quad(lambda x: first.pdf(x) * second.cdf(x), 0, 1)[0]
    chosen = profiles.recruit(np.ones((20_000, 1)), rng=np.random.default_rng(4))[:, 0]
    assert (chosen == 0).mean() == pytest.approx(truth, abs=4 * np.sqrt(truth * (1 - truth) / 20_000))


def test_false_uses_are_refused() -> None:
    profiles = known()
    with pytest.raises(UsageError, match="at least 1 each"):
        SkillProfiles.none(0, 3)
    with pytest.raises(UsageError, match="5 of 4"):
        profiles.recruit(np.ones((1, 3)), 5)
    with pytest.raises(InputError, match=r"\[n, 3\], not \[1, 2\]"):
        profiles.scores(np.ones((1, 2)))
    with pytest.raises(InputError, match="every instance takes a skill"):
        profiles.scores(np.zeros((1, 3)))
    with pytest.raises(InputError, match="from 0 to 3"):
        profiles.tell([4], np.ones((1, 3)), [1])
    with pytest.raises(InputError, match="one of each"):
        profiles.tell([0, 1], np.ones((1, 3)), [1, 0])
    with pytest.raises(InputError, match="right \\(1\\), wrong \\(0\\)"):
        profiles.tell([0], np.ones((1, 3)), [2])
