"""Routing by predicted loss: against linear worlds, refits without each row, and all assignments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from heedful.core import InputError, UsageError
from heedful.elicitation import LossRouter, fit_losses
from heedful.elicitation.ridge import PENALTIES, ridge


def test_the_penalty_is_that_which_predicts_rows_left_out() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 5)), 2 + rng.normal(size=30)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    errors = []
    for penalty in PENALTIES * 30:
        left = []
        for row in range(30):
            kept = np.arange(30) != row
            centre, middle = x[kept].mean(axis=0), y[kept].mean()
            own = x[kept] - centre
            weights = np.linalg.solve(own.T @ own + penalty * np.eye(5), own.T @ (y[kept] - middle))
            left.append(y[row] - middle - (x[row] - centre) @ weights)
        errors.append(np.sqrt(np.mean(np.square(left))))
    best = int(np.argmin(errors))
    stretch = np.array([1.0, 10.0, 0.1, 1.0, 1.0])
    level, weights, error = ridge(np.column_stack([x * stretch + 4, np.ones(30)]), y)
    assert error == pytest.approx(errors[best], rel=1e-9)
    expected = np.linalg.solve(x.T @ x + PENALTIES[best] * 30 * np.eye(5), x.T @ y) / stretch
    np.testing.assert_allclose(weights, [*expected, 0.0], atol=1e-12)
    assert level == pytest.approx(y.mean() - 4 * expected.sum())


def test_losses_that_are_linear_are_predicted_and_routed_by() -> None:
    rng = np.random.default_rng(0)
    features, level, slope = rng.normal(size=(300, 3)), rng.normal(size=4), rng.normal(size=(3, 4))
    prices = {"size": rng.random(4), "age": rng.random(4)}
    router = fit_losses(features, level + features @ slope, prices=prices)
    other = rng.normal(size=(50, 3))
    np.testing.assert_allclose(router.predict(other), level + other @ slope, atol=5e-3)
    assert router.error.max() < 5e-3
    exact = LossRouter(level, slope, np.zeros(4), prices)
    for row, route in zip(other, exact.route(other, {"size": 0.7, "age": 2.0}), strict=True):
        totals = [level[m] + row @ slope[:, m] + 0.7 * prices["size"][m] + 2.0 * prices["age"][m] for m in range(4)]
        assert route == int(np.argmin(totals))
    np.testing.assert_array_equal(exact.route(other), (level + other @ slope).argmin(axis=1))


def test_a_weight_passes_through_the_routes_that_no_other_beats_at_their_price() -> None:
    """Of all 3⁶ assignments of six instances, none has a lower predicted loss at the same price or less."""
    rng = np.random.default_rng(1)
    price, features = np.array([0.1, 0.5, 1.0]), rng.normal(size=(6, 2))
    router = LossRouter(rng.normal(size=3), rng.normal(size=(2, 3)), np.zeros(3), {"size": price})
    predicted, every = router.predict(features), np.array(list(itertools.product(range(3), repeat=6)))
    loss, cost = predicted[np.arange(6), every].sum(axis=1), price[every].sum(axis=1)
    spent = []
    for weight in (0.0, 0.2, 0.5, 1.0, 2.0, 50.0):
        route = router.route(features, {"size": weight})
        own = predicted[np.arange(6), route].sum()
        spent.append(price[route].sum())
        assert own <= loss[cost <= spent[-1] + 1e-12].min() + 1e-12
        assert own + weight * spent[-1] == pytest.approx((loss + weight * cost).min())
    assert np.all(np.diff(spent) <= 0)
    assert spent[0] > spent[-1] == pytest.approx(0.6)


def test_false_uses_are_refused() -> None:
    features, losses = np.ones((5, 2)), np.ones((5, 3))
    with pytest.raises(InputError, match="four or more instances"):
        fit_losses(features, losses[:4])
    with pytest.raises(InputError, match="each of the 3"):
        fit_losses(features, losses, prices={"size": [1, 2]})
    with pytest.raises(InputError, match="finite"):
        fit_losses(features, losses * np.nan)
    router = fit_losses(features, losses, prices={"size": [1, 2, 3]})
    with pytest.raises(InputError, match=r"\[n, 2\], not \[5\]"):
        router.route(features[:, 0])
    with pytest.raises(UsageError, match=r"no price 'age'.*\['size'\]"):
        router.route(features, {"age": 1.0})
