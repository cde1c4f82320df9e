"""Which outputs of a prompt are trained on, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import InputError
from heedful.training.choosing import capped, consistent, determination, ends

RNG = np.random.default_rng(0)
SCORE = RNG.normal(size=(40, 8))
RIGHT = RNG.random((40, 8)) < RNG.random((40, 1))


def test_at_most_so_many_right_ones_are_kept_any_of_them():
    kept = np.array([capped(RIGHT, 3, np.random.default_rng(seed)) for seed in range(400)])
    assert not (kept & ~RIGHT).any()
    np.testing.assert_array_equal(kept.sum(2), np.broadcast_to(np.minimum(RIGHT.sum(1), 3), (400, 40)))
    share = np.minimum(1, 3 / np.maximum(RIGHT.sum(1), 1))
    np.testing.assert_allclose(kept.mean(0), RIGHT * share[:, None], atol=0.12)


def test_ends_are_the_greatest_and_the_least():
    taken = ends(SCORE, best=2, worst=1)
    for row, own in zip(SCORE, taken, strict=True):
        order = sorted(range(8), key=lambda place: row[place])
        assert set(np.flatnonzero(own)) == {order[-1], order[-2], order[0]}


def test_others_are_any_of_the_rest():
    taken = np.array([ends(SCORE, others=1, rng=np.random.default_rng(seed)) for seed in range(400)])
    assert (taken.sum(2) == 2).all()
    best = SCORE.max(1, keepdims=True) == SCORE
    np.testing.assert_allclose(taken.mean(0), np.where(best, 1.0, 1 / 7), atol=0.09)


def test_equal_scores_are_taken_in_their_order():
    np.testing.assert_array_equal(ends(np.zeros((1, 4)), best=1, worst=1), [[True, False, False, True]])


def test_consistent_outputs_are_the_best_right_and_the_worst_wrong_ones():
    taken = consistent(RIGHT, SCORE, 5)
    for right, row, own in zip(RIGHT, SCORE, taken, strict=True):
        many = round(5 * right.sum() / 8)
        if 0 < right.sum() < 8:
            many = min(max(many, 1), 4)
        good = sorted(np.flatnonzero(right), key=lambda place: -row[place])[:many]
        bad = sorted(np.flatnonzero(~right), key=lambda place: row[place])[: 5 - many]
        assert set(np.flatnonzero(own)) == {*good, *bad}
        assert own.sum() == 5


def test_determination_is_the_squared_correlation_of_what_is_chosen():
    worth = SCORE + RNG.normal(size=SCORE.shape)
    chosen = ends(SCORE, best=2, worst=2)
    expected = np.corrcoef(SCORE[chosen], worth[chosen])[0, 1] ** 2
    assert determination(SCORE, worth, chosen) == pytest.approx(expected)
    assert determination(SCORE, np.ones_like(SCORE), chosen) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: capped(RIGHT, 0, RNG),
        lambda: ends(SCORE, best=9),
        lambda: ends(SCORE, best=0),
        lambda: ends(SCORE, others=1),
        lambda: consistent(RIGHT, SCORE[:, :4], 2),
        lambda: consistent(RIGHT, SCORE, 1),
    ],
)
def test_what_cannot_be_chosen_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()
