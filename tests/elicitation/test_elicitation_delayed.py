"""Phases by hand, variances by the formula of all at once, and a best point that stays."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, UsageError
from heedful.elicitation import HopefulSearch, PhasedExploration
from heedful.preference.gaussian import Gaussian

PLACES = np.linspace(0, 1, 12)
KERNEL = np.exp(-(np.subtract.outer(PLACES, PLACES) ** 2) / (2 * 0.2**2))


def variance(points: list[int], noise: float) -> np.ndarray:
    """Of all points given noisy looks at these, by the joint normal."""
    cross = KERNEL[points]
    seen = KERNEL[np.ix_(points, points)] + noise**2 * np.eye(len(points))
    return np.diag(KERNEL - cross.T @ np.linalg.solve(seen, cross)) if points else np.diag(KERNEL)


def test_points_are_those_least_known_whatever_the_answers() -> None:
    search, asked = PhasedExploration.start(KERNEL, noise=0.3, horizon=100), []
    for turn in range(10):
        point, search = search.ask()
        assert variance(asked, 0.3)[point] == pytest.approx(variance(asked, 0.3).max())
        asked.append(point)
        search = search.tell(turn, 100.0 * turn)


def test_a_phase_ends_with_what_came_in_time() -> None:
    """T = 100: 10 tries and 3 more, then ⌈√1000⌉ = 32 and 3 more. The answers to tries 9 to 12 come too late."""
    truth = -3 * np.abs(PLACES - 0.4)
    search, asked = PhasedExploration.start(KERNEL, noise=0.1, horizon=100, patience=3, width=2.0), []
    for turn in range(13):
        point, search = search.ask()
        asked.append(point)
        if turn < 9:
            search = search.tell(turn, truth[point])
    assert search.left.all()
    _, after = search.ask()
    cross, seen = KERNEL[asked[:9]], KERNEL[np.ix_(asked[:9], asked[:9])] + 0.01 * np.eye(9)
    mean, sd = cross.T @ np.linalg.solve(seen, truth[asked[:9]]), np.sqrt(variance(asked[:9], 0.1))
    np.testing.assert_array_equal(after.left, mean + 2 * sd >= (mean - 2 * sd).max())
    assert 0 < after.left.sum() < 12
    assert (after.size, after.begun, after.turn, after.late) == (32, 13, 14, 0)
    assert after.tell(9, 0.0).late == 1
    assert not after.tell(9, 0.0).told
    assert after.tell(13, 0.5).told == ((after.asked[0], 0.5),)


def test_the_best_point_stays_under_the_prior() -> None:
    """Functions of the prior, bounds of 3.5 standard deviations, and delays of 5 on average: all over phases."""
    kept = left = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.multivariate_normal(np.zeros(12), KERNEL + 1e-9 * np.eye(12))
        search = PhasedExploration.start(KERNEL, noise=0.2, horizon=150, patience=5, width=3.5)
        waiting: list[tuple[float, int, float]] = []
        for turn in range(150):
            point, search = search.ask()
            waiting.append((turn + rng.geometric(1 / 5), turn, truth[point] + 0.2 * rng.normal()))
            for own in [each for each in waiting if each[0] <= turn]:
                search = search.tell(own[1], own[2])
                waiting.remove(own)
        kept += search.left[truth.argmax()]
        left += search.left.sum()
    assert kept >= 39
    assert left < 40 * 6


def test_the_hopeful_point_by_the_joint_normal_and_while_answers_are_awaited() -> None:
    search = HopefulSearch(Gaussian.prior(KERNEL), 0.3)
    points = []
    for turn, value in enumerate([0.5, -1.0, 0.2]):
        point, search = search.ask()
        assert search.ask()[0] == point, "nothing is made of a try that is not answered"
        points.append(point)
        search = search.tell(turn, value)
    seen = KERNEL[np.ix_(points, points)] + 0.09 * np.eye(3)
    mean = KERNEL[:, points] @ np.linalg.solve(seen, [0.5, -1.0, 0.2])
    assert search.ask()[0] == int((mean + 2 * np.sqrt(variance(points, 0.3))).argmax())

    first, patient = HopefulSearch(Gaussian.prior(KERNEL), 0.3, wait=True).ask()
    again, patient = patient.ask()
    assert again == first == patient.tell(1, -5.0).ask()[0], "it waits for its first try"
    assert patient.tell(1, -5.0).tell(0, -5.0).ask()[0] != first


def test_false_uses_are_refused() -> None:
    search = PhasedExploration.start(KERNEL, noise=0.3, horizon=10)
    with pytest.raises(InputError, match="try 0 of 0"):
        search.tell(0, 1.0)
    with pytest.raises(InputError, match="answer nan"):
        search.ask()[1].tell(0, float("nan"))
    with pytest.raises(UsageError, match="noise 0"):
        PhasedExploration.start(KERNEL, noise=0.0, horizon=10)
