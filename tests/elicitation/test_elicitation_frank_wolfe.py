"""Continuous designs: closed forms, a general optimiser, and the equivalence theorem by dense matrices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from heedful.core import InputError, UsageError
from heedful.elicitation import Design, Lists, answer_information, frank_wolfe_design


def points(count: int) -> Lists:
    """Each item rated by itself."""
    return Lists(np.arange(count)[:, None], np.ones((count, 1, 1)))


def shares(design: Design, n: int) -> np.ndarray:
    weights = np.zeros(n)
    weights[design.rows] = design.weights
    return weights


def random_lists(seed: int, n: int = 12) -> tuple[np.ndarray, np.ndarray, Lists]:
    """Features [8, 3], what each list tells of their weights [n, 3, 3], and the lists of three."""
    rng = np.random.default_rng(seed)
    features, utility = rng.normal(size=(8, 3)), rng.normal(size=8)
    members = np.array([rng.permutation(8)[:3] for _ in range(n)])
    about = [features[own].T @ answer_information(utility[own][None], "ranking")[0] @ features[own] for own in members]
    return features, np.array(about), Lists.of(members, utility)


def log_det(about: np.ndarray, weights: np.ndarray) -> float:
    return float(np.linalg.slogdet(np.tensordot(weights, about, axes=1))[1])


@pytest.mark.parametrize(
    ("degree", "support"),
    [(2, [-1, 0, 1]), (3, [-1, -np.sqrt(1 / 5), np.sqrt(1 / 5), 1]), (4, [-1, -np.sqrt(3 / 7), 0, np.sqrt(3 / 7), 1])],
)
def test_polynomials_are_measured_where_legendre_turns(degree: int, support: list[float]) -> None:
    """Guest (1958): the ends and the zeros of the derivative of Legendre's polynomial, in equal shares."""
    grid = np.union1d(np.linspace(-1, 1, 201), support)
    design = frank_wolfe_design(np.vander(grid, degree + 1), points(len(grid)), tolerance=1e-3)
    for place in support:
        near = np.abs(grid[design.rows] - place) < 0.06
        assert design.weights[near].sum() == pytest.approx(1 / (degree + 1), abs=1e-2)
    assert design.gap <= 1e-3 * (degree + 1)


def test_the_corners_of_a_simplex_and_all_pairs_of_free_items_share_alike() -> None:
    corners = np.vstack([np.eye(4), (1 - np.sqrt(5)) / 4 * np.ones(4)])  # equally far apart
    inner = np.random.default_rng(0).dirichlet(np.ones(5), size=30) @ (corners - corners.mean(axis=0))
    design = frank_wolfe_design(np.vstack([corners - corners.mean(axis=0), inner]), points(35), tolerance=1e-7)
    np.testing.assert_allclose(shares(design, 35)[:5], 0.2, atol=1e-4)
    pairs = np.array(list(itertools.combinations(range(6), 2)))
    design = frank_wolfe_design(np.eye(6), Lists.of(pairs, np.zeros(6)), tolerance=1e-6)
    assert design.dimension == 5, "the level of all items cannot be told"
    assert design.log_det == pytest.approx(0, abs=1e-5), "no design is better than all pairs alike"


@pytest.mark.parametrize("seed", range(4))
def test_a_general_optimiser_finds_nothing_better(seed: int) -> None:
    features, about, lists = random_lists(seed)
    design = frank_wolfe_design(features, lists, tolerance=1e-7)

    def loss(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        return -log_det(about, weights / weights.sum())

    found = -minimize(loss, np.zeros(12), method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).fun
    own = log_det(about, shares(design, 12))
    assert own == pytest.approx(found, abs=1e-5)
    assert own >= found - 1e-6
    assert design.log_det == pytest.approx(own - log_det(about, np.full(12, 1 / 12)), abs=1e-9)


@pytest.mark.parametrize("steps", [0, 1, 3, 9])
def test_the_gap_is_that_of_dense_matrices_and_bounds_what_is_missing(steps: int) -> None:
    features, about, lists = random_lists(11, n=40)
    best = frank_wolfe_design(features, lists, tolerance=1e-8)
    early = frank_wolfe_design(features, lists, tolerance=1e-8, steps=steps)
    assert early.steps == min(steps, best.steps)
    weights = shares(early, 40)
    assert weights.sum() == pytest.approx(1)
    inverse = np.linalg.inv(np.tensordot(weights, about, axes=1))
    leverage = np.einsum("nij,ji->n", about, inverse)
    assert early.gap == pytest.approx(leverage.max() - 3, rel=1e-8)
    assert weights @ leverage == pytest.approx(3)
    missing = best.log_det - early.log_det
    assert -1e-9 <= missing <= early.gap
    assert early.efficiency <= np.exp(-missing / 3) + 1e-12


def test_a_sample_a_round_ends_with_the_same_certificate() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 8))
    pairs = np.array(list(itertools.combinations(range(60), 2)))
    lists = Lists.of(pairs, features @ rng.normal(size=8))
    whole = frank_wolfe_design(features, lists, tolerance=1e-3)
    drawn = frank_wolfe_design(features, lists, tolerance=1e-3, sample=100, rng=rng)
    assert drawn.gap <= 8e-3
    assert abs(drawn.log_det - whole.log_det) <= 8e-3
    assert drawn.log_det > 0.5, "much better than all pairs alike"


def test_a_rare_direction_that_no_sample_shows_is_still_asked_about() -> None:
    features = np.zeros((300, 3))
    features[:, :2] = np.random.default_rng(0).normal(size=(300, 2))
    features[17, 2] = 1.0
    design = frank_wolfe_design(features, points(300), sample=5, rng=np.random.default_rng(1))
    assert shares(design, 300)[17] == pytest.approx(1 / 3, abs=0.01)
    assert design.gap <= 0.03


def test_rounding_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _, lists = random_lists(3, n=40)
    monkeypatch.setattr("heedful.elicitation.frank_wolfe._RENEW", 3)
    often = frank_wolfe_design(features, lists, tolerance=1e-8)
    monkeypatch.setattr("heedful.elicitation.frank_wolfe._RENEW", 10**9)
    never = frank_wolfe_design(features, lists, tolerance=1e-8)
    assert often.log_det == pytest.approx(never.log_det, abs=1e-9)


def test_one_direction_is_best_told_by_one_question() -> None:
    design = frank_wolfe_design([[1.0], [3.0], [2.0]], points(3), tolerance=1e-6)
    assert shares(design, 3).round(5).tolist() == [0, 1, 0]


def test_questions_are_drawn_in_their_shares() -> None:
    design = Design(np.array([3, 5, 9]), np.array([0.5, 0.3, 0.2]), 0.0, 0.0, 2, 0)
    counts = np.array([np.bincount(design.draw(7, np.random.default_rng(seed)), minlength=10) for seed in range(4000)])
    assert (counts.sum(axis=1) == 7).all()
    for row, share in ((3, 3.5), (5, 2.1), (9, 1.4)):
        assert set(counts[:, row]) <= {int(share), int(share) + 1}
        assert counts[:, row].mean() == pytest.approx(share, abs=0.04)


def test_false_uses_are_refused() -> None:
    with pytest.raises(InputError, match="tells nothing"):
        frank_wolfe_design(np.zeros((3, 2)), points(3))
    with pytest.raises(InputError, match="tells nothing"):
        frank_wolfe_design(np.zeros((3, 2)), points(0))
    for wrong in ({"sample": 3}, {"tolerance": 0.0}, {"sample": 0, "rng": np.random.default_rng(0)}):
        with pytest.raises(UsageError):
            frank_wolfe_design(np.eye(3), points(3), **wrong)  # type: ignore[arg-type]
