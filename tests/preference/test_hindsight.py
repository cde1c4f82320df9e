"""Hindsight priors against a general optimiser and at their limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from heedful.core import InputError, UsageError
from heedful.preference.heads import Linear, Votes
from heedful.preference.hindsight import Use, fit_with_hindsight


def simulated(votes: int = 80) -> tuple[np.ndarray, Votes, np.ndarray]:
    """Twelve features of three symbols, and votes by weights that follow the symbols up to noise."""
    rng = np.random.default_rng(0)
    symbols = np.eye(3)[np.arange(12) % 3]
    weights = symbols @ [1.0, -1.0, 0.2] + rng.normal(0, 0.3, 12)
    design = rng.normal(size=(2 * votes, 12))
    won = rng.random(votes) < expit((design[:votes] - design[votes:]) @ weights)
    return design, Votes.of(np.arange(votes), np.arange(votes, 2 * votes), won.astype(float)), symbols


@pytest.mark.parametrize("use", ["centre", "scale"])
def test_weights_are_those_of_a_general_optimiser(use: Use) -> None:
    design, votes, symbols = simulated()
    fit = fit_with_hindsight(design, votes, symbols, use=use, sd=0.4, symbol_sd=1.5)
    away = (design[votes.first] - design[votes.second]) * np.where(votes.share == 1, 1, -1)[:, None]

    def best(columns: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
        def loss(w: np.ndarray) -> float:
            return float(-log_expit(columns @ w).sum() + (((w - mean) / sd) ** 2).sum() / 2)

        return minimize(loss, mean, method="BFGS", options={"gtol": 1e-7}).x

    importance = best(away @ symbols, np.zeros(3), np.full(3, 1.5))
    np.testing.assert_allclose(fit.importance, importance, atol=1e-4)
    told = symbols @ importance
    mean = told if use == "centre" else np.zeros(12)
    sd = np.full(12, 0.4) if use == "centre" else np.hypot(0.4, told)
    np.testing.assert_allclose(fit.weights, best(away, mean, sd), atol=1e-4)


def test_a_tight_prior_leaves_symbols_and_a_wide_one_nothing_of_them() -> None:
    design, votes, symbols = simulated()
    tight = fit_with_hindsight(design, votes, symbols, sd=1e-4)
    np.testing.assert_allclose(tight.weights, symbols @ tight.importance, atol=1e-5)
    wide = fit_with_hindsight(design, votes, symbols, sd=3.0, symbol_sd=1e-4)
    plain = Linear(prior_sd=3.0, pairs=2).fit(design, votes, rng=np.random.default_rng(0))
    np.testing.assert_allclose(wide.weights, plain.weights, atol=1e-3)


def test_faults_are_named() -> None:
    design, votes, symbols = simulated(5)
    with pytest.raises(InputError, match="each of 12 features"):
        fit_with_hindsight(design, votes, symbols[:3])
    with pytest.raises(UsageError, match="above 0"):
        fit_with_hindsight(design, votes, symbols, sd=0.0)
    with pytest.raises(UsageError, match="no use of hindsight"):
        fit_with_hindsight(design, votes, symbols, use="both")  # type: ignore[arg-type]
