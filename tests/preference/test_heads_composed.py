"""Heads made of heads: what two stages and routes by task give is what their parts give by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from heedful.core import InputError, UsageError
from heedful.preference.heads import FittedHead, Gap, Linear, Ratings, Routed, Staged, Votes
from heedful.preference.heads.base import gaussian_gap
from heedful.preference.heads.composed import FittedStaged

from .test_heads import HeadContract, assert_alike, back, world

LINEAR = Linear(prior_sd=1.0, pairs=8)


def rated(seed: int = 0) -> tuple[np.ndarray, Votes]:
    """A linear world whose outputs were also rated from 1 to 3, on a scale for each of the first two features."""
    x, votes, *_ = world(80, 3, seed=seed)
    rows = np.arange(len(x))
    ratings = {
        name: Ratings(rows, np.digitize(x[:, place], [-0.5, 0.5]) + 1.0, rows // 2)
        for place, name in enumerate(("clear", "true"))
    }
    return x, replace(votes, ratings=ratings)


def test_two_stages_are_their_fits_one_after_the_other() -> None:
    x, votes = rated()
    fitted = Staged(("clear", "true"), LINEAR, LINEAR).fit(x, votes, rng=np.random.default_rng(0))
    rng = np.random.default_rng(0)
    first = [LINEAR.fit(x, Votes.rated(stars=votes.ratings[name]), rng=rng) for name in ("clear", "true")]
    scores = np.stack([own.mean(x) for own in first], axis=1)
    scores /= scores.std(axis=0)
    then = LINEAR.fit(scores, replace(votes, ratings={}), rng=rng)
    np.testing.assert_allclose(fitted.scores(x), scores)
    np.testing.assert_allclose(fitted.mean(x), then.mean(scores))
    # Draw 3 of the second stage at draw 3 of the first.
    third = np.stack([own.draws(x)[3] for own in first], axis=1) / fitted.unit
    np.testing.assert_allclose(fitted.draws(x)[3], third @ then.drawn[3])
    np.testing.assert_allclose(fitted.draws(x)[3] + fitted.draws(x)[16 + 3], 2 * fitted.mean(x))


@dataclass(frozen=True)
class RatedToo:
    """Two stages whose attribute is rated by the sign of the first feature."""

    name: str = "staged"

    def fit(self, design: np.ndarray, votes: Votes, *, rng: np.random.Generator) -> FittedHead:
        rows = np.arange(len(design))
        ratings = {"clear": Ratings(rows, 1.0 + (design[:, 0] > 0), rows)}
        return Staged(("clear",), LINEAR, LINEAR).fit(design, replace(votes, ratings=ratings), rng=rng)


class TestStaged(HeadContract):
    head = RatedToo()


def test_a_scale_that_is_no_attribute_stays_with_the_votes() -> None:
    x, votes = rated()
    both = Staged(("clear", "true"), LINEAR, LINEAR).fit(x, votes, rng=np.random.default_rng(0))
    one = Staged(("clear",), LINEAR, LINEAR).fit(x, votes, rng=np.random.default_rng(0))
    assert one.scores(x).shape == (160, 1)
    scores = one.scores(x)
    rng = np.random.default_rng(0)
    LINEAR.fit(x, Votes.rated(stars=votes.ratings["clear"]), rng=rng)
    then = LINEAR.fit(scores, replace(votes, ratings={"true": votes.ratings["true"]}), rng=rng)
    np.testing.assert_allclose(one.mean(x), then.mean(scores))
    assert both.name == "linear on linear attributes"


def test_spread_of_attributes_passes_through_a_linear_second_stage() -> None:
    class Spread:
        """People differ by `sd` about the first feature times `slope`."""

        name = "spread"

        def __init__(self, column: int, sd: float) -> None:
            self.column, self.sd = column, sd

        def mean(self, features: np.ndarray) -> np.ndarray:
            return np.asarray(features[:, self.column])

        def draws(self, features: np.ndarray) -> np.ndarray:
            return np.stack([self.mean(features)] * 2)

        def aleatoric(self, features: np.ndarray) -> np.ndarray:
            return np.full(len(features), self.sd)

        def gap(self, first: np.ndarray, second: np.ndarray) -> Gap:
            return gaussian_gap(self, first, second)  # type: ignore[arg-type]

    x, votes = rated()
    then = LINEAR.fit(x[:, :2], replace(votes, ratings={}), rng=np.random.default_rng(0))
    first: tuple[FittedHead, ...] = (Spread(0, 0.3), Spread(1, 0.4))  # type: ignore[assignment]
    fitted = FittedStaged(("clear", "true"), first, np.array([1.0, 2.0]), then, "")
    expected = np.hypot(0.3 * then.weights[0], 0.4 / 2 * then.weights[1])
    np.testing.assert_allclose(fitted.aleatoric(x[:4]), np.full(4, expected))
    plain = Staged(("clear",), LINEAR, LINEAR).fit(x, votes, rng=np.random.default_rng(0))
    assert plain.aleatoric(x) is None


def test_stages_come_back_from_their_state_and_missing_attributes_are_named() -> None:
    x, votes = rated()
    fitted = Staged(("clear", "true"), LINEAR, LINEAR).fit(x, votes, rng=np.random.default_rng(0))
    assert_alike(fitted, back(fitted), x)
    with pytest.raises(InputError, match="no ratings of kind"):
        Staged(("clear", "kind"), LINEAR).fit(x, votes, rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="at least one"):
        Staged(())


def tasked() -> tuple[np.ndarray, Votes, np.ndarray]:
    """Two linear worlds of 40 votes with opposite weights in one design, whose columns 0 and 2 mark the task."""
    x, votes, *_ = world(80, 2, seed=5)
    task = np.repeat([0, 1], 80)
    share = np.where(task[votes.first] == 0, votes.share, 1 - votes.share)
    design = np.column_stack([task == 0, x[:, 0], task == 1, x[:, 1]]).astype(float)
    stars = Ratings(np.arange(60, 100), np.digitize(x[60:100, 0], [0.0]) + 1.0, np.arange(60, 100))
    return design, replace(votes, share=share, ratings={"stars": stars}), task


def test_each_task_has_the_fit_to_its_own_votes() -> None:
    design, votes, task = tasked()
    fitted = Routed(LINEAR, (0, 2)).fit(design, votes, rng=np.random.default_rng(0))
    rng, fresh = np.random.default_rng(0), np.random.default_rng(1).permutation(160)
    for number in (0, 1):
        kept = task[np.concatenate([votes.first, votes.ratings["stars"].item])] == number
        alone = LINEAR.fit(*votes.take(kept).compact(design[:, [1, 3]]), rng=rng)
        rows = fresh[task[fresh] == number]
        np.testing.assert_allclose(fitted.mean(design[rows]), alone.mean(design[rows][:, [1, 3]]))
        np.testing.assert_allclose(
            fitted.draws(design[fresh])[:, task[fresh] == number], alone.draws(design[rows][:, [1, 3]])
        )
    assert fitted.aleatoric(design) is None
    np.testing.assert_allclose(fitted.draws(design).mean(axis=0), fitted.mean(design), atol=1e-9)
    assert_alike(fitted, back(fitted), design)


def test_votes_across_tasks_and_tasks_without_votes_are_refused() -> None:
    design, votes, task = tasked()
    head, rng = Routed(LINEAR, (0, 2)), np.random.default_rng(0)
    with pytest.raises(InputError, match="80 votes compare outputs of different tasks"):
        head.fit(design[::-1], replace(votes, second=votes.second[::-1]), rng=rng)
    with pytest.raises(InputError, match="no votes on the task of column 2"):
        head.fit(design, votes.take(task[np.concatenate([votes.first, votes.ratings["stars"].item])] == 0), rng=rng)
    with pytest.raises(InputError, match="column 9 marks a task, and the design has 4"):
        Routed(LINEAR, (0, 9)).fit(design, votes, rng=rng)
    with pytest.raises(UsageError, match="two or more different columns"):
        Routed(LINEAR, (1, 1))
