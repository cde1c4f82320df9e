"""Beliefs from what is said and passed over, against quadrature, ridge regression and simulated speakers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from heedful.core import HeedfulError, InputError
from heedful.preference import Gaussian, Lexicon, heard
from heedful.preference.sentiments import WHOLE

NAMES = ("red", "tower", "length")
LEXICON = Lexicon(
    {"red": "reds?|crimson", "tower": "towers?", "length": "long|length"},
    {"good": 1.0, "great": 2.0, "bad": -1.0, "terrible": -2.0, "very good": 1.5},
)


@pytest.mark.parametrize(
    ("utterance", "aspects"),
    [
        ("The reds are great, but the tower was bad.", {"red": 2.0, "tower": -1.0}),
        ("Not good.", {WHOLE: -1.0}),
        ("The tower isn't very good", {"tower": -1.5}),
        ("red and tower: terrible", {"red": -2.0, "tower": -2.0}),
        ("Red is good and the tower, the long one, is bad", {"red": 1.0, "tower": -1.0, "length": -1.0}),
        ("a bad tower, and red. Great", {"tower": -1.0, "red": -1.0, WHOLE: 2.0}),
        ("Crimson towers are GOOD", {"red": 1.0, "tower": 1.0}),
        ("good red. bad red. great!", {"red": 0.0, WHOLE: 2.0}),
        ("goodness, a reddish building", {}),
        ("the red ones", {}),
        ("", {}),
    ],
)
def test_sentiment_is_about_what_its_clause_names(utterance: str, aspects: dict[str, float]) -> None:
    assert LEXICON(utterance) == aspects


def test_sentiments_are_bayesian_linear_regression() -> None:
    rng = np.random.default_rng(0)
    x, y, noise, sd = rng.normal(size=(6, 3)), rng.normal(size=6), 0.6, 1.3
    belief = Gaussian.prior(sd**2 * np.eye(3))
    rows = []
    for number, (row, value) in enumerate(zip(x, y, strict=True)):
        name = WHOLE if number < 2 else NAMES[number % 3]
        rows.append(row if name == WHOLE else row * (np.array(NAMES) == name))
        belief = heard(belief, {name: value}, row, NAMES, noise=noise)
    design = np.array(rows)
    precision = np.eye(3) / sd**2 + design.T @ design / noise**2
    np.testing.assert_allclose(belief.mean, np.linalg.solve(precision, design.T @ y / noise**2), atol=1e-10)
    np.testing.assert_allclose(belief.covariance, np.linalg.inv(precision), atol=1e-10)


@pytest.mark.parametrize(("prior_mean", "value", "silence"), [(0.0, 0.9, 0.5), (0.0, 0.05, 1.5), (0.4, -1.2, 0.1)])
def test_what_is_mentioned_and_what_is_not_by_quadrature(prior_mean: float, value: float, silence: float) -> None:
    """Weights a priori independent, one mentioned and one passed over: mean and variance of each posterior."""
    x, noise = np.array([1.4, -0.7]), 0.5
    before = Gaussian(np.full(2, prior_mean), np.diag([1.0, 2.0]))
    after = heard(before, {"red": value}, x, ("red", "tower"), noise=noise, silence=silence)

    def passed(w: float, own: float) -> float:
        return np.exp(-((own * w) ** 2) / (2 * silence**2))

    def mentioned(w: float) -> float:
        return np.exp(-((w - prior_mean) ** 2) / 2 - (value - x[0] * w) ** 2 / (2 * noise**2)) * (1 - passed(w, x[0]))

    def unmentioned(w: float) -> float:
        return np.exp(-((w - prior_mean) ** 2) / 4) * passed(w, x[1])

    for f, density in enumerate((mentioned, unmentioned)):
        moments = [quad(lambda w, k=k, p=density: w**k * p(w), -12, 12, points=(0, prior_mean))[0] for k in range(3)]
        mean = moments[1] / moments[0]
        np.testing.assert_allclose(after.mean[f], mean, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(after.covariance[f, f], moments[2] / moments[0] - mean**2, rtol=1e-6)


def test_a_word_about_the_whole_makes_no_silence() -> None:
    belief = Gaussian.prior(np.eye(3))
    x = np.array([1.0, 2.0, 0.0])
    literal = heard(belief, {WHOLE: 1.0}, x, NAMES, noise=0.5)
    pragmatic = heard(belief, {WHOLE: 1.0}, x, NAMES, noise=0.5, silence=0.5)
    np.testing.assert_array_equal(literal.mean, pragmatic.mean)
    # A feature that the output does not have is not passed over, and nothing is learnt of it.
    told = heard(belief, {"red": 1.0}, x, NAMES, noise=0.5, silence=0.5)
    assert told.covariance[2, 2] == 1.0
    assert told.covariance[1, 1] < 1.0


def test_beliefs_cover_the_weights_of_speakers_as_assumed() -> None:
    """95 % of central intervals hold the weight, for literal readers of speakers whose silence means nothing, and for
    pragmatic ones of speakers who pass over what is hardly worth a word."""
    rng = np.random.default_rng(1)
    noise, silence, inside = 0.7, 1.0, {"literal": [], "pragmatic": []}
    for _ in range(400):
        w = rng.normal(size=3)
        for name in inside:
            belief = Gaussian.prior(np.eye(3))
            for _ in range(6):
                x = rng.normal(size=3)
                worth = 1 - np.exp(-((x * w) ** 2) / (2 * silence**2)) if name == "pragmatic" else np.full(3, 0.5)
                spoken = np.flatnonzero(rng.random(3) < worth)
                said = {NAMES[f]: x[f] * w[f] + noise * rng.normal() for f in spoken}
                if said or name == "literal":
                    belief = heard(
                        belief, said, x, NAMES, noise=noise, silence=silence if name == "pragmatic" else None
                    )
                else:  # nothing at all was said, which is silence about each
                    for f in range(3):
                        belief = belief.given(x * (np.arange(3) == f), 0.0, silence)
            inside[name] += (np.abs(w - belief.mean) < 1.96 * belief.sd).tolist()
    for name, own in inside.items():
        assert np.mean(own) == pytest.approx(0.95, abs=0.02), name


def test_a_mention_that_was_all_but_impossible_leaves_finite_beliefs() -> None:
    narrow = Gaussian(np.zeros(1), np.full((1, 1), 1e-14))
    told = heard(narrow, {"red": 0.0}, np.ones(1), ("red",), noise=1.0, silence=1.0)
    # w² p(w) under N(0, v): variance 3 v.
    np.testing.assert_allclose(told.covariance, 3e-14, rtol=1e-2)


def test_what_cannot_be_heard_is_refused() -> None:
    belief = Gaussian.prior(np.eye(3))
    with pytest.raises(HeedfulError, match="no feature 'blue'"):
        heard(belief, {"blue": 1.0}, np.ones(3), NAMES, noise=1.0)
    with pytest.raises(InputError, match="different names of 3 weights"):
        heard(belief, {}, np.ones(2), NAMES[:2], noise=1.0)
    with pytest.raises(InputError, match="finite numbers"):
        heard(belief, {"red": np.nan}, np.ones(3), NAMES, noise=1.0)
    for noise, silence in ((0.0, None), (1.0, 0.0), (1.0, np.inf)):
        with pytest.raises(HeedfulError, match="above 0 and finite"):
            heard(belief, {}, np.ones(3), NAMES, noise=noise, silence=silence)
    known = Gaussian(np.zeros(1), np.zeros((1, 1)))
    with pytest.raises(InputError, match="known to be nothing"):
        heard(known, {"red": 1.0}, np.ones(1), ("red",), noise=1.0, silence=1.0)
    with pytest.raises(HeedfulError, match="no regular expression"):
        Lexicon({"red": "("}, {"good": 1.0})
    with pytest.raises(HeedfulError, match="named features"):
        Lexicon({"": "all"}, {"good": 1.0})
