"""Rankings of posteriors with known covariance."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.evaluation import ranking


@dataclass
class Posterior:
    names: tuple
    mean: np.ndarray
    covariance: np.ndarray | None
    counts: np.ndarray = None
    identified: np.ndarray = None
    notes: tuple = ()
    df: float = np.inf
    model: dict = field(default_factory=lambda: {"prior": None})

    def __post_init__(self):
        n = len(self.names)
        self.counts = np.full(n, 7.0) if self.counts is None else self.counts
        self.identified = np.ones(n, bool) if self.identified is None else self.identified


def ranked(posterior, **options):
    return ranking(posterior, rng=np.random.default_rng(0), **options)


def test_scores_are_centred_and_sorted():
    rows = ranked(Posterior(("a", "b", "c"), np.array([1.0, 5.0, 0.0]), np.eye(3) * 0.01))
    assert [row["item"] for row in rows] == ["b", "a", "c"]
    assert sum(row["score"] for row in rows) == pytest.approx(0)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [row["rank_interval"] for row in rows] == [[1, 1], [2, 2], [3, 3]]
    assert rows[0]["n"] == 7


def test_the_interval_is_that_of_the_centred_score():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(4, 4))
    covariance, centre = a @ a.T, np.eye(4) - 1 / 4
    rows = ranked(Posterior(("a", "b", "c", "d"), np.arange(4.0), covariance, df=12.0))
    sd = np.sqrt(np.diag(centre @ covariance @ centre))
    width = {row["item"]: row["interval"]["high"] - row["score"] for row in rows}
    np.testing.assert_allclose([width[name] for name in "abcd"], scipy_stats.t.ppf(0.975, 12) * sd, rtol=1e-9)


def test_the_promise_follows_the_prior():
    posterior = Posterior(("a", "b"), np.array([0.0, 1.0]), np.eye(2))
    assert ranked(posterior)[0]["interval"]["promise"] == "confidence"
    posterior.model = {"prior": "normal, sd 1"}
    assert ranked(posterior)[0]["interval"]["promise"] == "credible"


def test_equal_scores_share_a_rank():
    rows = ranked(Posterior(("a", "b", "c"), np.array([1.0, 1.0, 0.0]), np.eye(3)))
    assert [row["rank"] for row in rows] == [1, 1, 3]


def test_what_is_not_identified_comes_last_with_its_reason():
    covariance = np.eye(4)
    covariance[1] = covariance[:, 1] = np.nan
    posterior = Posterior(
        ("a", "undefeated", "c", "d"),
        np.array([0.0, 9.0, 2.0, 1.0]),
        covariance,
        identified=np.array([True, False, True, True]),
        notes=("", "never lost", "", ""),
    )
    rows = ranked(posterior)
    assert [row["item"] for row in rows] == ["c", "d", "a", "undefeated"]
    last = rows[-1]
    assert last["score"] is last["interval"] is last["rank"] is last["rank_interval"] is None
    assert (last["identified"], last["note"]) == (False, "never lost")
    assert sum(row["score"] for row in rows[:3]) == pytest.approx(0)  # centred on what is identified
    json.dumps(rows, allow_nan=False)


def test_nothing_identified():
    posterior = Posterior(("a", "b"), np.zeros(2), np.full((2, 2), np.nan), identified=np.zeros(2, bool))
    assert [row["score"] for row in ranked(posterior)] == [None, None]


def test_without_a_covariance_there_are_ranks_but_no_intervals():
    findings = []
    rows = ranked(Posterior(("a", "b"), np.array([0.0, 1.0]), None), findings=findings)
    assert rows[0]["interval"] is rows[0]["rank_interval"] is None
    assert rows[0]["rank"] == 1
    assert findings[0].code == "ranking.no_rank_intervals"
