"""`fit` with a head: the linear head is the linear utility; what a head does not use is said."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedful.core import FitError, InputError, Item, UsageError
from heedful.core.contracts import PosteriorContract
from heedful.feedback import Candidate, Rater, Record, Table, Value
from heedful.models import StyleFeatures
from heedful.preference import fit, load
from heedful.preference.heads import Calibrated, GaussianProcess, HeadPosterior, Linear

TEXTS = ["Yes. " * (n % 5 + 1) + "- a list\n" * (n % 3) + "Why? " * (n % 2) for n in range(12)]
ITEMS = [Item.of("q0", text) for text in TEXTS]
FIRST, SECOND = ITEMS[:-1], ITEMS[1:]


def _record(row: int, pair: Any, won: bool, **fields: Any) -> Record:
    return Record(
        kind="comparison",
        context=f"q{row % 40}",
        candidates=[Candidate(output=TEXTS[i]) for i in pair],
        value=Value(choice="tie" if row % 9 == 0 else "first" if won else "second"),
        **fields,
    )


@cache
def votes(rater: str | None = None) -> Table:
    """Longer is better, by chance; a text is rated now and then."""
    rng = np.random.default_rng(0)
    records = []
    for row in range(240):
        pair = rng.choice(12, 2, replace=False)
        won = rng.random() < 1 / (1 + np.exp((len(TEXTS[pair[1]]) - len(TEXTS[pair[0]])) / 20))
        records.append(_record(row, pair, won, rater=Rater(id=f"r{row % 7}") if rater else None))
    rating = Value(rating=4.0, scale=(1.0, 5.0))
    low = Value(rating=2.0, scale=(1.0, 5.0))
    for row, value in enumerate([rating, low] * 10):
        candidates = [Candidate(output=TEXTS[row % 12])]
        records.append(Record(kind="rating", context=f"q{row}", candidates=candidates, value=value))
    return Table.of(records)


@cache
def by_head(head: Any) -> HeadPosterior:
    return fit(votes(), utility="features", features=StyleFeatures(), head=head)


class TestAsPosterior(PosteriorContract):
    def make(self) -> HeadPosterior:
        return by_head(GaussianProcess(pairs=8, waves=64, evaluations=4))

    def items(self) -> list[Item]:
        return ITEMS[:6]


def test_the_linear_head_is_the_linear_utility() -> None:
    head = by_head(Linear(prior_sd=0.7))
    linear = fit(votes(), utility="features", features=StyleFeatures(), prior_sd=0.7)
    np.testing.assert_allclose(head(ITEMS).mean, linear(ITEMS).mean, rtol=1e-8, atol=1e-10)
    assert head.model["log_likelihood"] == pytest.approx(linear.model["log_likelihood"])
    assert head.model["likelihoods"] == linear.model["likelihoods"]
    assert head.model["prior"] == linear.model["prior"]
    assert head.names == linear.names
    one, other = head(ITEMS).draws, linear(ITEMS).draws
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), rtol=0.35)


def test_the_width_is_chosen_on_the_same_contexts() -> None:
    chosen = by_head(Linear(width="held out")).model["prior"]
    linear = fit(votes(), utility="features", features=StyleFeatures()).model["prior"]
    assert chosen == linear


def test_contexts_are_held_out_together() -> None:
    """Forty contexts part into forty folds and no more; without clusters, every vote is held out by itself."""
    head = Calibrated(Linear(prior_sd=1.0), folds=41)
    options: dict[str, Any] = {"utility": "features", "features": StyleFeatures(), "head": head}
    with pytest.raises(InputError, match="40 groups"):
        fit(votes(), **options)
    assert fit(votes(), **options, clusters="none").model["calibration"]["n"] == 213


def test_what_a_head_does_not_use_is_said() -> None:
    best = Record(
        kind="best_of", context="q1", candidates=[Candidate(output=t) for t in TEXTS[:3]], value=Value(best=0)
    )
    judged = [_record(row, (0, 1), True, rater=Rater(id="m", kind="model")) for row in range(5)]
    head: Any = {"utility": "features", "features": StyleFeatures(), "head": Linear(prior_sd=1.0)}
    fitted = fit(Table.concat([votes("r"), Table.of([best, *judged])]), **head)
    said = {finding.code: finding.count for finding in fitted.findings}
    assert said["heads.sets_unread"] == 1
    assert said["fit.not_used"] == 5
    assert "heads.raters_independent" in said
    without = fit(votes("r"), **head)
    # Left out, they move nothing but the scale of features, which is that of all texts judged.
    np.testing.assert_allclose(fitted.prefer(FIRST, SECOND), without.prefer(FIRST, SECOND), atol=2e-4)
    pooled = fit(Table.concat([votes("r"), Table.of(judged)]), **head, judges="pooled")
    assert pooled.prefer(FIRST[:1], SECOND[:1])[0] > without.prefer(FIRST[:1], SECOND[:1])[0] + 5e-3


@pytest.mark.parametrize("head", [Calibrated(Linear(prior_sd=1.0)), GaussianProcess(pairs=8, waves=64, evaluations=4)])
def test_it_comes_back_to_the_last_bit(head: Any, tmp_path: Path) -> None:
    fitted = by_head(head)
    fitted.save(tmp_path)
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded(ITEMS).draws, fitted(ITEMS).draws)
    np.testing.assert_array_equal(loaded.prefer(FIRST, SECOND), fitted.prefer(FIRST, SECOND))
    assert loaded.model == fitted.model
    assert loaded.findings == fitted.findings


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prior_sd": 1.0}, "prior_sd by itself"),
        ({"ties": "half"}, "ties by itself"),
        ({"draws": 100}, "draws by itself"),
        ({"utility": "items", "features": None}, "reward on features"),
        ({"judges": "none"}, "no choice for judges"),
    ],
)
def test_options_that_a_head_has_of_its_own_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        fit(votes(), **{"utility": "features", "features": StyleFeatures(), "head": Linear(), **options})


def test_votes_that_no_head_can_read_are_nothing_to_fit() -> None:
    ranks = Value(ranks=[1, 2])
    table = Table.of([Record(kind="ranking", candidates=[Candidate(output=t) for t in TEXTS[:2]], value=ranks)])
    with pytest.raises(FitError, match="has a likelihood"):
        fit(table, utility="features", features=StyleFeatures(), head=Linear(prior_sd=1.0))


def test_who_gives_names_alone_is_asked_for_texts() -> None:
    named = [Candidate(system="a"), Candidate(system="b")]
    table = Table.of([Record(kind="comparison", candidates=named, value=Value(choice="first"))])
    with pytest.raises(FitError, match="the output is not known") as raised:
        fit(table, utility="features", features=StyleFeatures())
    assert "--texts" in str(raised.value.fix)
