"""Critiques as votes on features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from heedful.core import UsageError
from heedful.feedback import Candidate, Record, Table, Value
from heedful.models import StyleFeatures
from heedful.preference import fit, style_critiques

from .test_fit_features import Numbers, table


def critique(text: str, output: str = "0.0 0.0") -> Record:
    return Record(kind="critique", context="q", candidates=[Candidate(output=output)], value=Value(text=text))


def asks(text: str) -> dict[str, int]:
    """More or less of a feature by its name: "x0 -1"."""
    return {name: int(sign) for name, sign in (part.split() for part in text.split(", ") if part != "nothing")}


def joined(comparisons: Table, *critiques: Record) -> Table:
    return Table.of([*comparisons.records(), *critiques])


def test_a_critique_is_a_vote_for_one_standard_deviation_more() -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    votes, won, difference = table(x, [0.8, -0.3])
    said = joined(votes, critique("x0 1"), critique("x0 1, x1 -1"), critique("x0 -1"))
    fitted = fit(said, utility="features", features=Numbers(2), prior_sd=0.9, critiques=asks)
    scaled = difference / np.vstack([x, np.zeros((1, 2))])[:60].std(axis=0)

    def loss(theta: np.ndarray) -> float:
        votes = np.log(expit(np.where(won, 1, -1) * (scaled @ theta))).sum()
        critics = np.log(expit([theta[0], theta[0], -theta[0], -theta[1]])).sum()
        return float(-votes - critics + theta @ theta / (2 * 0.9**2))

    np.testing.assert_allclose(fitted.mean, minimize(loss, np.zeros(2), tol=1e-12).x, atol=1e-5)


def test_critiques_are_counted_and_those_that_say_nothing_are_told() -> None:
    votes, _, _ = table(np.random.default_rng(1).normal(size=(40, 2)), [1.0, 0.0])
    said = joined(votes, critique("x0 1"), critique("nothing"), critique("nothing"))
    fitted = fit(said, utility="features", features=Numbers(2), critiques=asks)
    (finding,) = (found for found in fitted.findings if found.code == "fit.critiques")
    assert finding.message.startswith("1 of 3 critiques")
    assert not any("critique" in found.message for found in fitted.findings if found.code == "fit.not_used")
    ignored = fit(said, utility="features", features=Numbers(2))
    assert any("3 judgements" in f.message and "critique" in f.message for f in ignored.findings)


def test_extractors_that_name_what_there_is_not_are_refused() -> None:
    votes, _, _ = table(np.random.default_rng(2).normal(size=(20, 2)), [1.0, 0.0])
    said = joined(votes, critique("anything"))
    with pytest.raises(UsageError, match="'length'"):
        fit(said, utility="features", features=Numbers(2), critiques=lambda _: {"length": 1})
    with pytest.raises(UsageError, match="more"):
        fit(said, utility="features", features=Numbers(2), critiques=lambda _: {"x0": 3})
    with pytest.raises(UsageError, match="no features"):
        fit(said, critiques=asks)


def test_plain_phrases_of_style_are_read() -> None:
    assert style_critiques("This is WAY too long, and repetitive.") == {"log_characters": -1, "distinct_words": 1}
    assert style_critiques("Too short here, but too long there") == {}
    assert style_critiques("Fine.") == {}
    assert style_critiques("You refused; you should have answered") == {"refusals": -1}
    known = set(StyleFeatures().names)
    for text in ("too long", "more detail", "bullets", "use bullets", "add code", "too many headers", "too excited"):
        assert set(style_critiques(text)) <= known


def test_words_of_a_few_critics_move_a_fit_as_votes_on_length_do() -> None:
    pairs = [("short", "a much longer answer than it needs to be " * 4)] * 6
    records = [
        Record(
            kind="comparison",
            context=f"q{row}",
            candidates=[Candidate(output=text) for text in pair],
            value=Value(choice="first" if row % 2 else "second"),
        )
        for row, pair in enumerate(pairs)
    ]
    style = StyleFeatures()
    plain = fit(Table.of(records), utility="features", features=style, prior_sd=1.0)
    critics = [critique("too long", "a much longer answer " * 4)] * 10
    moved = fit(
        Table.of([*records, *critics]), utility="features", features=style, prior_sd=1.0, critiques=style_critiques
    )
    place = style.names.index("log_characters")
    assert abs(plain.mean[place]) < 0.3
    assert moved.mean[place] < -1.0
