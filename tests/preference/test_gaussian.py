"""Normal beliefs after observations, against the joint normal of everything at once."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.preference.gaussian import Gaussian


def test_observations_one_by_one_are_the_joint_normal() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    kernel, along, values, noise = root @ root.T, rng.normal(size=(9, 6)), rng.normal(size=9), 0.7
    told = Gaussian.prior(kernel)
    for row, value in zip(along, values, strict=True):
        told = told.given(row, value, noise)
    # In precisions, which add up.
    precision = np.linalg.inv(kernel) + along.T @ along / noise**2
    np.testing.assert_allclose(told.covariance, np.linalg.inv(precision), atol=1e-9)
    np.testing.assert_allclose(told.mean, np.linalg.solve(precision, along.T @ values / noise**2), atol=1e-9)
    np.testing.assert_allclose(told.sd, np.sqrt(np.diag(told.covariance)))


def test_who_is_better_by_draws() -> None:
    rng = np.random.default_rng(1)
    root, mean = rng.normal(size=(3, 3)), np.array([0.0, 0.5, 0.2])
    draws = rng.multivariate_normal(mean, root @ root.T, 40_000)
    shares = (draws[:, :, None] > draws[:, None]).mean(axis=0)
    found = Gaussian(mean, root @ root.T).better()
    np.testing.assert_allclose(found, np.where(np.eye(3) == 1, 0.5, shares), atol=0.01)
    np.testing.assert_array_equal(Gaussian(mean[:2], np.zeros((2, 2))).better(), [[0.5, 0], [1, 0.5]])


def test_what_is_known_for_sure_is_not_observed_again() -> None:
    told = Gaussian.prior(np.eye(2)).given(np.array([1.0, 0.0]), 3.0, 0.0)
    np.testing.assert_array_equal(told.mean, [3, 0])
    with pytest.raises(InputError, match="known already"):
        told.given(np.array([1.0, 0.0]), 2.0, 0.0)
    with pytest.raises(InputError, match="symmetric"):
        Gaussian.prior(np.array([[1.0, 0.5], [0.2, 1.0]]))
    with pytest.raises(InputError, match="no eigenvalue below 0"):
        Gaussian.prior(np.array([[1.0, 2.0], [2.0, 1.0]]))
