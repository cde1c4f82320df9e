"""Information by formula against information by listing every draw and every answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import entr, xlogy
from scipy.stats import beta

from heedful.elicitation.information import Histories, entropy, information_gain, one_sided_gain


def listed_information(outcomes: np.ndarray) -> float:
    """I(answers; draw) = Σ p(draw, answers) log p(answers | draw)/p(answers), questions [q] with outcomes [o, k, q]."""
    o, _, q = outcomes.shape
    total = 0.0
    for answers in itertools.product(range(o), repeat=q):
        given = np.prod([outcomes[answer, :, place] for place, answer in enumerate(answers)], axis=0)
        total += (xlogy(given, given) - xlogy(given, given.mean())).mean()
    return float(total)


def some_outcomes(o: int, k: int, q: int, seed: int = 0) -> np.ndarray:
    weights = np.random.default_rng(seed).gamma(0.4, size=(o, k, q)) + 1e-3
    return np.asarray(weights / weights.sum(axis=0))


@pytest.mark.parametrize("o", [2, 3])
def test_gain_of_one_question_equals_enumeration(o: int) -> None:
    outcomes = some_outcomes(o, 5, 7)
    expected = [listed_information(outcomes[:, :, [place]]) for place in range(7)]
    np.testing.assert_allclose(information_gain(outcomes), expected, atol=1e-12)


@pytest.mark.parametrize("o", [2, 3])
def test_gains_of_a_batch_add_up_to_its_joint_information(o: int) -> None:
    outcomes = some_outcomes(o, 4, 4, seed=1)
    histories, total = Histories.none(4, limit=100), 0.0
    for place in range(4):
        total += float(histories.gain(outcomes[:, :, [place]])[0])
        assert total == pytest.approx(listed_information(outcomes[:, :, : place + 1]), abs=1e-12)
        histories = histories.ask(outcomes[:, :, place], np.random.default_rng(0))


def test_sampled_histories_are_unbiased() -> None:
    outcomes = some_outcomes(2, 6, 8, seed=2)
    asked, last = outcomes[:, :, :7], outcomes[:, :, [7]]
    exact = listed_information(outcomes) - listed_information(asked)
    found = []
    for seed in range(200):
        rng, histories = np.random.default_rng(seed), Histories.none(6, limit=16)
        for place in range(7):
            histories = histories.ask(asked[:, :, place], rng)
        assert len(histories.probability) == 16
        found.append(float(histories.gain(last)[0]))
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / np.sqrt(len(found))
    assert np.std(found) > 0


def test_what_is_known_or_pure_noise_tells_nothing() -> None:
    same = np.full((2, 9, 1), 0.5)
    assert information_gain(same)[0] == pytest.approx(0, abs=1e-15)
    split = np.stack([np.repeat([0.0, 1.0], 4)[:, None], np.repeat([1.0, 0.0], 4)[:, None]])
    assert information_gain(split)[0] == pytest.approx(np.log(2))
    told = Histories.none(8, limit=8).ask(split[:, :, 0], np.random.default_rng(0))
    assert told.gain(split)[0] == pytest.approx(0, abs=1e-15)


def test_impossible_answers_leave_no_history() -> None:
    certain = np.stack([np.ones((3, 1)), np.zeros((3, 1))])
    told = Histories.none(3, limit=8).ask(certain[:, :, 0], np.random.default_rng(0))
    assert told.probability.tolist() == [1.0]


@pytest.mark.parametrize("answers", [1, 2, 7])
def test_one_sided_gain_equals_the_integral(answers: int) -> None:
    law = beta(answers + 0.5, 0.5)
    inner = quad(lambda p: (entr(p) + entr(1 - p)) * law.pdf(p), 0, 1, limit=200)[0]
    expected = entropy(np.array([law.mean(), 1 - law.mean()])) - inner
    assert one_sided_gain(np.array([answers]))[0] == pytest.approx(float(expected), abs=1e-6)


def test_one_sided_gain_falls_from_all_a_vote_can_carry() -> None:
    gains = one_sided_gain(np.arange(50))
    assert gains[0] == pytest.approx(np.log(2))
    assert (np.diff(gains) < 0).all()
    assert gains[-1] > 0
