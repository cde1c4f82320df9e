"""Values: contrast by hand, labels recovered where there are many, and how contrast meets variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import FitError, InputError
from heedful.preference.heads import Linear
from heedful.preference.people import contrast, fit_values

HEAD = Linear(prior_sd=2.0, pairs=2)


def test_contrast_by_hand() -> None:
    relevance = [[1.0, 1.0, 0.0], [0.9, 0.6, 0.4], [0.2, 0.1, 0.0], [1.0, 0.0, 0.0]]
    support = [[1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.5, 0.5, 0.5], [0.0, 1.0, 1.0]]
    np.testing.assert_allclose(contrast(relevance, support, least=0.5), [1, 4 * 0.6 * 0.4, 0, 0])
    np.testing.assert_allclose(contrast(relevance, support)[1], 4 * (1.3 / 1.9) * (0.6 / 1.9))


def test_contrast_is_the_variance_of_a_vote_by_values() -> None:
    """Where each relevant value votes as it supports, contrast is four times the variance of a random one's vote."""
    support = np.array([[1.0, 1, 0, 1, 0, 0, 0]])
    assert contrast(np.ones((1, 7)), support)[0] == pytest.approx(4 * support.var())


def test_many_labels_recover_the_values() -> None:
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.normal(size=(6000, 3)), np.ones(6000)])
    weights = {name: rng.normal(size=(4, 2)) for name in ("relevant", "supports")}
    true = {name: expit(design @ own) for name, own in weights.items()}
    relevant, supports = (rng.random((6000, 2)) < true[name] for name in ("relevant", "supports"))
    found = fit_values(design, relevant, np.where(relevant, supports, np.nan), HEAD, rng=rng)
    assert np.abs(found.relevant(design) - true["relevant"]).mean() < 0.03
    assert np.abs(found.supporting(design) - true["supports"]).mean() < 0.03


def test_faults_are_named() -> None:
    rng, design = np.random.default_rng(0), np.ones((2, 1))
    with pytest.raises(InputError, match="for each of 2 situations"):
        fit_values(design, [[1.0]], [[1.0]], HEAD, rng=rng)
    with pytest.raises(InputError, match="0, 1 or NaN"):
        fit_values(design, [[1.0], [0.5]], [[1.0], [0.0]], HEAD, rng=rng)
    with pytest.raises(FitError, match="value 0 has no label"):
        fit_values(design, [[1.0], [0.0]], [[np.nan], [np.nan]], HEAD, rng=rng)
    with pytest.raises(InputError, match="situations, values"):
        contrast([[1.0]], [[1.0, 0.0]])
    with pytest.raises(InputError, match="are probabilities"):
        contrast([[2.0]], [[1.0]])
