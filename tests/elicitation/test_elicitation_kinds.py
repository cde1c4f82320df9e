"""Answers of each kind: against the models written out, the chain rule, and quadrature over what is not known."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand
from scipy.special import expit

from heedful.core import InputError, Item, UsageError
from heedful.elicitation import answer_law, information_gain, subsets
from heedful.preference.choices import ChoiceModel
from heedful.preference.grades import GradeModel
from heedful.preference.reading import Reading

RNG = np.random.default_rng(5)


@dataclass
class Read(ByHand):
    """A posterior by hand with these readings."""

    readings: tuple[Reading, ...] = ()


def read(*readings: Reading) -> Any:
    return Read(("a",), np.zeros((1, 1)), readings=readings)


def utilities(s: int, k: int = 40, n: int = 3) -> np.ndarray:
    return RNG.normal(size=(k, n, s)) * 1.5


@pytest.mark.parametrize("s", [2, 3, 4])
def test_rankings_and_bests_are_plackett_and_luces(s: int) -> None:
    u = utilities(s)
    ranked = answer_law(read(), "ranking")(u)
    assert len(ranked) == math.factorial(s)
    for law, order in zip(ranked, itertools.permutations(range(s)), strict=True):
        expected = np.ones(u.shape[:2])
        for place in range(s - 1):
            left = np.exp(u[..., list(order[place:])])
            expected = expected * left[..., 0] / left.sum(axis=-1)
        np.testing.assert_allclose(law, expected, atol=1e-12)
    best = answer_law(read(), "best_of")(u)
    np.testing.assert_allclose(best, np.moveaxis(np.exp(u) / np.exp(u).sum(axis=-1, keepdims=True), -1, 0), atol=1e-12)


def test_rankings_with_ties_are_davidson_and_luces() -> None:
    u, tie = utilities(3, k=6), RNG.normal(size=(6, 1))
    law = answer_law(read(Reading("ranking", ChoiceModel((1, 2)), tie[0], tie)), "ranking")(u)
    assert len(law) == 12  # 13 weak orders of three, less the tie of all three, which the model does not have
    np.testing.assert_allclose(law.sum(axis=0), 1.0, atol=1e-12)
    delta = np.exp(tie)
    weights = [np.exp(u[..., i]) for i in range(3)]
    weights += [delta * np.exp((u[..., i] + u[..., j]) / 2) for i, j in itertools.combinations(range(3), 2)]
    total = np.sum(weights, axis=0)
    # 0 first, then 1 and 2 tied; and 1 and 2 first, tied.
    rest = np.exp(u[..., 1]) + np.exp(u[..., 2]) + delta * np.exp((u[..., 1] + u[..., 2]) / 2)
    tied = weights[0] / total * delta * np.exp((u[..., 1] + u[..., 2]) / 2) / rest
    assert any(np.allclose(row, tied, atol=1e-12) for row in law)
    assert any(np.allclose(row, weights[5] / total, atol=1e-12) for row in law)


def test_a_ranking_tells_its_best_and_then_the_order_of_the_rest() -> None:
    u = utilities(3)
    best, ranked = (answer_law(read(), kind)(u) for kind in ("best_of", "ranking"))
    rest = 0.0
    for first in range(3):  # the chain rule: what is told of the rest, by draws weighed by how likely they put it first
        weight = best[first] / best[first].sum(axis=0)
        others = [i for i in range(3) if i != first]
        law = answer_law(read(), "comparison")(u[..., others])
        mean = (weight * law).sum(axis=1)
        told = -(mean * np.log(mean)).sum(axis=0) + (weight * law * np.log(law)).sum(axis=(0, 1))
        rest = rest + best[first].mean(axis=0) * told
    np.testing.assert_allclose(information_gain(ranked), information_gain(best) + rest, atol=1e-12)


def test_a_ranking_of_two_is_a_comparison() -> None:
    u = utilities(2)
    np.testing.assert_allclose(answer_law(read(), "ranking")(u), answer_law(read(), "comparison")(u)[::-1], atol=1e-12)


def grade(thresholds: np.ndarray, sharpness: float = 1.0, **own: Any) -> Reading:
    levels = np.arange(thresholds.shape[1] + 1.0)
    discrimination = np.full(len(thresholds), sharpness)
    return Reading("rating 0 to 2", GradeModel(levels, levels), thresholds[0], thresholds, discrimination, **own)


def test_grades_on_a_known_scale_are_the_cumulative_logit() -> None:
    u = utilities(1)
    law = answer_law(read(grade(np.tile([-0.5, 1.0], (40, 1)), 0.7)), "rating")(u)
    below = expit(np.array([-0.5, 1.0])[:, None, None] - 0.7 * u[..., 0])
    np.testing.assert_allclose(law, [below[0], below[1] - below[0], 1 - below[1]], atol=1e-12)


def mirrored(draws: np.ndarray) -> np.ndarray:
    return np.concatenate([draws, -draws])


def test_thresholds_are_averaged_over_given_the_utility() -> None:
    """u ~ N(0, 1) and t = 0.8 u + N(0, 0.5²): then P(yes | u) = E σ(0.2 u − 0.5 z), by quadrature."""
    rng, k = np.random.default_rng(0), 20_000
    u = mirrored(rng.normal(size=(k, 1)))
    t = 0.8 * u + 0.5 * mirrored(rng.normal(size=(k, 1)))
    reading = Reading("label", GradeModel(np.arange(2.0), np.arange(2.0)), t[0], t)
    x, w = np.polynomial.hermite_e.hermegauss(40)
    expected = expit(0.2 * u - 0.5 * x) @ (w / w.sum())
    found = answer_law(read(reading), "label")(u[:, None, :])[1, :, 0]
    assert np.abs(found - expected).max() < 0.06  # sixteen draws of z, whose mean and spread are off a little
    plain = expit(u - t)[:, 0]
    assert (
        information_gain(np.stack([1 - plain, plain])[:, :, None])[0]
        > 1.3 * information_gain(np.stack([1 - found, found])[:, :, None])[0]
    ), "what is told of the threshold is not told of the utility"


def test_a_rater_of_known_strictness_is_read_by_it() -> None:
    k, u = 40, utilities(1)
    reading = grade(
        np.tile([-0.5, 1.0], (k, 1)),
        raters=("strict", "mild"),
        strictness=np.tile([2.0, -2.0], (k, 1)),
        stretch=np.zeros((k, 2)),
        sds=np.array([2.0, 0.0]),
    )
    top = {rater: answer_law(read(reading), "rating", rater)(u)[2] for rater in ("strict", "mild", None)}
    np.testing.assert_allclose(top["strict"], expit(u[..., 0] - 3.0), atol=1e-12)
    np.testing.assert_allclose(top["mild"], expit(u[..., 0] + 1.0), atol=1e-12)
    assert (top[None] > top["strict"]).all()
    assert (top[None] < top["mild"]).all()


def test_false_kinds_are_refused() -> None:
    with pytest.raises(UsageError, match="no kind of question 'rankings'"):
        answer_law(read(), "rankings")
    with pytest.raises(UsageError, match="has read no votes of the kind 'rating'"):
        answer_law(read(), "rating")
    none, levels = np.zeros((4, 1)), np.arange(2.0)
    names = ("rating 1 to 2", "rating 0 to 9")
    two = [Reading(name, GradeModel(levels, levels), none[0], none) for name in names]
    with pytest.raises(UsageError, match="name one: rating 1 to 2, rating 0 to 9"):
        answer_law(read(*two), "rating")
    with pytest.raises(UsageError, match="more than 720 answers"):
        answer_law(read(), "ranking")(utilities(7, k=1, n=1))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_subsets_are_all_of_them_or_a_fair_sample(size: int) -> None:
    groups = [[Item.of(f"q{g}", str(i)) for i in range(n)] for g, n in enumerate((5, 2, 4))]
    every = {frozenset(s) for group in groups for s in itertools.combinations(group, size)}
    rng = np.random.default_rng(0)
    whole = subsets(groups, size, rng=rng)
    assert {frozenset(one) for one in whole} == every
    assert len(whole) == len(every)
    counts = dict.fromkeys(every, 0)
    for _ in range(2000):
        drawn = subsets(groups, size, rng=rng, cap=4)
        assert len({frozenset(one) for one in drawn}) == 4
        for one in drawn:
            counts[frozenset(one)] += 1
    share, p = np.array(list(counts.values())) / 2000, 4 / len(every)
    assert np.abs(share - p).max() < 5 * math.sqrt(p * (1 - p) / 2000)
    with pytest.raises(InputError, match="no group has 9"):
        subsets(groups, 9, rng=rng)
