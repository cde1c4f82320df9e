"""What answers about lists tell, and greedy designs: by enumeration, by dense determinants, by trying every batch."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from heedful.core import HeedfulError, InputError, UsageError
from heedful.elicitation import Lists, answer_information, design_of_pairs, greedy_design, spread_of
from heedful.elicitation.lists import conditioned, loadings

UTILITY = np.array([0.4, -1.3, 0.9, 0.0])


def listed_ranking(utility: np.ndarray) -> np.ndarray:
    """E[score scoreᵀ] of a Plackett-Luce ranking, over all rankings."""
    k, total = len(utility), np.zeros((len(utility), len(utility)))
    for order in itertools.permutations(range(k)):
        probability, score = 1.0, np.zeros(k)
        for stage in range(k - 1):
            rest = list(order[stage:])
            p = softmax(utility[rest])
            probability *= p[0]
            score[order[stage]] += 1
            score[rest] -= p
        total += probability * np.outer(score, score)
    return total


def test_a_ranking_tells_what_the_scores_of_all_rankings_vary() -> None:
    utility = np.stack([UTILITY, 3 * UTILITY[::-1]])
    expected = [listed_ranking(row) for row in utility]
    np.testing.assert_allclose(answer_information(utility, "ranking"), expected, atol=1e-12)


def test_the_best_is_a_softmax_and_two_items_are_a_comparison() -> None:
    p = softmax(UTILITY)
    np.testing.assert_allclose(answer_information(UTILITY[None], "best")[0], np.diag(p) - np.outer(p, p), atol=1e-15)
    p = expit(1.7)
    for answers in ("ranking", "best"):
        two = answer_information(np.array([[0.5, -1.2]]), answers)
        np.testing.assert_allclose(two[0], p * (1 - p) * np.array([[1, -1], [-1, 1]]), rtol=1e-12)


def test_at_equal_utilities_every_difference_counts_alike() -> None:
    for answers in ("ranking", "best"):
        found = answer_information(np.zeros((1, 5)), answers)[0]
        np.testing.assert_allclose(found, found[0, 0] / 0.8 * (np.eye(5) - 0.2), atol=1e-12)


def test_a_shorter_list_is_itself_and_nothing_more() -> None:
    for answers in ("ranking", "best", "ratings"):
        found = answer_information(np.array([[0.3, 0.8, -0.2, -np.inf]]), answers)[0]
        alone = answer_information(np.array([[0.3, 0.8, -0.2]]), answers)[0]
        np.testing.assert_allclose(found, np.pad(alone, (0, 1)), atol=1e-14)


def test_utilities_far_apart_leave_little_and_never_less_than_nothing() -> None:
    for answers in ("ranking", "best"):
        found = answer_information(np.array([[900.0, 0.0, -900.0], [40.0, 0.0, -40.0]]), answers)
        assert np.isfinite(found).all()
        assert (np.linalg.eigvalsh(found) >= -1e-30).all()
        assert found[1, 0, 0] == pytest.approx(np.exp(-40), rel=1e-6)


def test_loadings_are_a_root() -> None:
    for answers in ("ranking", "best"):
        information = answer_information(np.stack([UTILITY, 2 * UTILITY]), answers)
        root = loadings(information)
        assert root.shape == (2, 4, 3)
        np.testing.assert_allclose(root @ root.transpose(0, 2, 1), information, atol=1e-12)


def a_problem(answers: Any = "ranking", seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, Lists]:
    """Features [9, 3], a covariance of their weights, what each of 14 lists tells of these, and the lists."""
    rng = np.random.default_rng(seed)
    features, root = rng.normal(size=(9, 3)), rng.normal(size=(3, 3))
    members = np.array([rng.permutation(9)[:4] for _ in range(14)])
    members[::3, 3] = -1
    utility = features @ rng.normal(size=3)
    lists = Lists.of(members, utility, answers)
    about = [
        features[own[own >= 0]].T
        @ answer_information(utility[own[own >= 0]][None], answers)[0]
        @ features[own[own >= 0]]
        for own in members
    ]
    return features, root @ root.T, np.array(about), lists


def told(covariance: np.ndarray, about: np.ndarray) -> float:
    """½ log det of the precision after these answers over that before, by dense determinants."""
    return 0.5 * float(np.linalg.slogdet(np.eye(len(covariance)) + covariance @ about.sum(axis=0))[1])


@pytest.mark.parametrize("answers", ["ranking", "best", "ratings"])
def test_the_greedy_batch_is_that_of_dense_determinants(answers: Any) -> None:
    features, covariance, about, lists = a_problem(answers)
    chosen, gains = greedy_design(features, lists, 6, covariance=covariance)
    expected: list[int] = []
    for place in range(6):
        value = [told(covariance, about[[*expected, row]]) if row not in expected else -1.0 for row in range(14)]
        expected.append(int(np.argmax(value)))
        assert gains[: place + 1].sum() == pytest.approx(max(value), rel=1e-10)
    assert chosen.tolist() == expected
    assert (np.diff(gains) <= 1e-12).all(), "information falls as answers are added"


def test_the_greedy_batch_has_most_of_what_the_best_batch_has() -> None:
    for seed in range(5):
        features, covariance, about, lists = a_problem(seed=seed)
        _, gains = greedy_design(features, lists, 3, covariance=covariance)
        best = max(told(covariance, about[list(rows)]) for rows in itertools.combinations(range(14), 3))
        assert (1 - 1 / np.e) * best <= gains.sum() <= best + 1e-12


def test_free_items_are_features_of_one_each() -> None:
    rng = np.random.default_rng(2)
    root, utility = rng.normal(size=(6, 6)), rng.normal(size=6)
    ends = np.array(list(itertools.combinations(range(6), 2)))
    chosen, gains = design_of_pairs(np.eye(6), *ends.T, 1, covariance=root @ root.T, weights=utility)
    p = expit(utility[ends[:, 0]] - utility[ends[:, 1]])
    gap = root[ends[:, 0]] - root[ends[:, 1]]
    value = 0.5 * np.log1p(p * (1 - p) * (gap**2).sum(axis=1))
    assert chosen[0] == np.argmax(value)
    assert gains[0] == pytest.approx(value.max(), rel=1e-12)


def test_conditioning_is_that_of_gaussians_and_is_undone() -> None:
    rng = np.random.default_rng(3)
    root, direction = rng.normal(size=(4, 4)), rng.normal(size=(4, 2))
    covariance = root @ root.T
    after, change = conditioned(covariance, direction, 0.7)
    np.testing.assert_allclose(np.linalg.inv(after), np.linalg.inv(covariance) + 0.7 * direction @ direction.T)
    np.testing.assert_allclose(covariance - change @ change.T, after, atol=1e-12)
    back, change = conditioned(after, direction, -0.7)
    np.testing.assert_allclose(back, covariance, rtol=1e-10)
    np.testing.assert_allclose(after + change @ change.T, covariance, rtol=1e-10)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, covariance, _, lists = a_problem()
    whole = greedy_design(features, lists, 5, covariance=covariance)
    monkeypatch.setattr("heedful.elicitation.lists._BLOCK", 20)
    pieces = greedy_design(features, lists, 5, covariance=covariance)
    assert whole[0].tolist() == pieces[0].tolist()
    np.testing.assert_allclose(whole[1], pieces[1], rtol=1e-12)


def test_a_pool_used_up_ends_the_batch_and_one_question_is_asked_once() -> None:
    features, covariance, _, lists = a_problem()
    assert sorted(greedy_design(features, lists, 99, covariance=covariance)[0].tolist()) == list(range(14))
    chosen, _ = greedy_design(features, lists, 99, covariance=covariance, question=np.arange(14) // 2)
    assert sorted((chosen // 2).tolist()) == list(range(7))


def test_a_covariance_without_an_inverse_will_do_and_none_at_all_will_not() -> None:
    flat = np.outer([1.0, 2.0, -1.0], [1.0, 2.0, -1.0])
    spread = spread_of(np.eye(3), flat)
    np.testing.assert_allclose(spread @ spread.T, flat, atol=1e-12)
    with pytest.raises(InputError, match="below 0"):
        spread_of(np.eye(2), np.diag([1.0, -1.0]))
    with pytest.raises(InputError, match="finite"):
        spread_of(np.eye(2), np.diag([1.0, np.nan]))


def test_many_pairs_are_quick() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 100)) / 10
    first = rng.integers(2000, size=200_000)
    second = (first + rng.integers(1, 2000, size=200_000)) % 2000
    start = time.process_time()
    chosen, _ = design_of_pairs(features, first, second, 64)
    assert len(set(chosen.tolist())) == 64
    assert time.process_time() - start < 5


def test_false_arrays_are_refused() -> None:
    members = [[0, 1, 2], [1, 2, -1]]
    for wrong in ([[0, 1, 1]], [[0, 3, 1]], [[0, -1, -1]], [[0, -2, 1]], [0, 1, 2]):
        with pytest.raises(InputError):
            Lists.of(wrong, np.zeros(3))
    with pytest.raises(UsageError, match="no way to answer"):
        Lists.of(members, np.zeros(3), "guess")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="too many stages"):
        Lists.of(np.arange(13)[None], np.zeros(13))
    assert len(Lists.of(np.arange(13)[None], np.zeros(13), "best")) == 1
    for arrays in ((np.eye(3), [0], [3]), (np.eye(3), [0, 1], [1]), (np.full((3, 3), np.nan), [0], [1])):
        with pytest.raises(InputError):
            design_of_pairs(*arrays, 1)
    with pytest.raises(HeedfulError, match="at least 1"):
        design_of_pairs(np.eye(3), [0], [1], 0)
