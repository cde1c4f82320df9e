"""Every scheme expects n · weight copies of a particle; how far it strays from that is its own."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.sampling.resampling import RESAMPLING, effective_size

WEIGHT = np.array([0.0, 0.05, 0.25, 0.125, 0.0, 0.4, 0.175])
N = len(WEIGHT)


def counts(name: str, weight: np.ndarray, sets: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([np.bincount(RESAMPLING[name](weight, rng), minlength=len(weight)) for _ in range(sets)])


@pytest.mark.parametrize("name", RESAMPLING)
def test_copies_are_as_many_as_weights_say_on_average(name: str) -> None:
    found = counts(name, WEIGHT, 20_000)
    assert (found.sum(axis=1) == N).all()
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - N * WEIGHT) <= 4.5 * error + 1e-12).all()
    assert not found[:, WEIGHT == 0].any()


def test_schemes_stray_as_they_should() -> None:
    expected = N * WEIGHT
    spread = {name: counts(name, WEIGHT, 4000).var(axis=0) for name in RESAMPLING}
    np.testing.assert_allclose(spread["multinomial"], expected * (1 - WEIGHT), rtol=0.12, atol=1e-12)
    for name in ("systematic", "stratified", "residual"):
        assert (spread[name] <= spread["multinomial"] * 1.1 + 1e-12).all(), name
    systematic = counts("systematic", WEIGHT, 4000)
    assert ((systematic >= np.floor(expected)) & (systematic <= np.ceil(expected))).all()
    assert (counts("residual", WEIGHT, 4000) >= np.floor(expected)).all()


@pytest.mark.parametrize("name", RESAMPLING)
def test_equal_weights_keep_everyone_but_for_independent_draws(name: str) -> None:
    even = np.full(8, 1 / 8)
    alike = (counts(name, even, 200) == 1).all()
    assert alike == (name != "multinomial")
    certain = np.eye(8)[3]
    assert (counts(name, certain, 50) == 8 * certain).all()


def test_effective_size() -> None:
    assert effective_size(np.full(5, 0.2)) == pytest.approx(5)
    assert effective_size(np.array([1.0, 0.0])) == 1
