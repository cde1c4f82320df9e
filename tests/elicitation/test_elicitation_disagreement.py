"""Draws that disagree: by enumeration, in closed form, and an end of asking."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand

from heedful.core import InputError, Item, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import Disagreement
from heedful.elicitation.disagreement import disagreement


def a_posterior(scale: float = 1.0) -> ByHand:
    draws = np.random.default_rng(0).normal(size=(40, 5)) * [0.1, 0.5, 1, 2, 1]
    return ByHand(("a", "b", "c", "d", "e"), scale * draws)


class TestDisagreement(AcquisitionRuleContract):
    def make(self) -> Any:
        return Disagreement(batch=4)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return list(itertools.combinations(a_posterior().items, 2))


def test_it_is_the_mean_distance_of_all_pairs_of_draws() -> None:
    draws = np.random.default_rng(1).normal(size=(7, 3)).round(1)  # some equal
    pairs = list(itertools.combinations(range(7), 2))
    expected = np.mean([np.abs(draws[i] - draws[j]) for i, j in pairs], axis=0)
    np.testing.assert_allclose(disagreement(draws), expected)


def test_of_a_gaussian_it_has_its_closed_form() -> None:
    draws = 3.0 * np.random.default_rng(2).normal(size=(4000, 1)) + 5
    assert disagreement(draws)[0] == pytest.approx(2 * 3.0 / np.sqrt(np.pi), rel=0.03)


def test_what_draws_agree_about_is_not_asked() -> None:
    posterior = a_posterior()
    pool = list(itertools.combinations(posterior.items, 2))
    gaps = {pair: float(disagreement(np.subtract(*posterior(pair).draws.T)[:, None])[0]) for pair in pool}
    asked = Disagreement(batch=9, least=1.2)(posterior, pool, rng=np.random.default_rng(0)).items
    assert list(asked) == sorted((pair for pair in pool if gaps[pair] > 1.2), key=lambda pair: -gaps[pair])
    assert 0 < len(asked) < 9
    assert Disagreement(batch=9, least=1.2)(a_posterior(0.1), pool, rng=np.random.default_rng(0)).items == ()


def test_false_uses_are_refused() -> None:
    posterior = ByHand(("a", "b"), np.zeros((1, 2)))
    with pytest.raises(InputError, match="two draws"):
        Disagreement()(posterior, [posterior.items], rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="at least 0"):
        Disagreement(least=-0.1)
