"""Raters with scales of their own: recovered, predicted, saved, and no burden where raters are alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from heedful.core import UsageError
from heedful.feedback import Table
from heedful.preference import FittedPosterior, fit, fitting, inference, load
from heedful.preference.own_scales import MOST

UTILITY = np.linspace(-1.2, 1.2, 8)
NAMES = [f"item {number}" for number in range(8)]


def rated(
    votes: int, raters: int, *, strict: float = 0.8, stretch: float = 0.4, levels: int = 5, seen: int = 8, seed: int = 0
) -> tuple[Table, np.ndarray, np.ndarray]:
    """Ratings (labels where there are two levels), and each rater's strictness and log stretch.

    Rater r rates `seen` items from item r on. The first numbers drawn are the raters', whatever the votes.
    """
    rng = np.random.default_rng(seed)
    b, s = strict * rng.standard_normal(raters), stretch * rng.standard_normal(raters)
    rater = rng.integers(raters, size=votes)
    item = (rater * 8 // raters + rng.integers(seen, size=votes)) % 8
    common = np.linspace(-1.5, 1.5, levels - 1) if levels > 2 else np.zeros(1)
    thresholds = b[:, None] + np.exp(s)[:, None] * common
    level = ((UTILITY[item] + rng.logistic(size=votes))[:, None] > thresholds[rater]).sum(axis=1)
    columns = {
        "id": np.arange(votes).astype(str),
        "systems": pl.Series([[NAMES[number]] for number in item]),
        "rater": [f"rater {number:03d}" for number in rater],
    }
    if levels == 2:
        columns |= {"kind": ["label"] * votes, "label": level == 1}
    else:
        ends = {"scale_low": np.zeros(votes), "scale_high": np.full(votes, levels - 1.0)}
        columns |= {"kind": ["rating"] * votes, "rating": level.astype(float), **ends}
    return Table.shaped(pl.DataFrame(columns)), b, s


def error(fitted: FittedPosterior) -> float:
    assert list(fitted.names) == NAMES
    return float(np.sqrt(np.mean((fitted.mean - UTILITY) ** 2)))


@pytest.mark.parametrize("levels", [2, 5])
def test_strictness_and_stretch_of_raters_are_recovered_with_their_spread(levels: int) -> None:
    table, b, s = rated(8000, 40, levels=levels)
    fitted = fit(table)
    strict = np.array([scale.strictness for scale in fitted.scales])
    sd = np.array([scale.strictness_sd for scale in fitted.scales])
    assert [scale.rater for scale in fitted.scales] == sorted({f"rater {number:03d}" for number in range(40)})
    # Only differences between raters are told: the thresholds in common take the rest.
    off = strict - strict.mean() - (b - b.mean())
    assert np.corrcoef(strict, b)[0, 1] > 0.95
    assert np.mean(np.abs(off) < 2 * sd) > 0.85
    widths = list(fitted.model["widths"].values())
    assert widths[0] == pytest.approx(0.8, rel=0.3)
    if levels == 5:
        stretch = np.array([scale.log_stretch for scale in fitted.scales])
        assert np.corrcoef(stretch, s)[0, 1] > 0.9
        assert widths[1] == pytest.approx(0.4, rel=0.35)
    else:
        assert fitted.scales[0].log_stretch is None
        assert len(widths) == 1


@pytest.mark.parametrize(("strict", "stretch"), [(0.45, 0.25), (0.8, 0.5), (3.0, 0.1)])
def test_widths_are_as_exact_as_many_raters_tell_them(strict: float, stretch: float) -> None:
    table, b, s = rated(9000, 300, strict=strict, stretch=stretch, seed=1)
    widths = list(fit(table, draws=2).model["widths"].values())
    assert widths[0] == pytest.approx(b.std(), rel=0.12)
    assert widths[1] == pytest.approx(s.std(), rel=0.12, abs=0.03)


def test_where_raters_rate_different_items_scales_of_their_own_place_items_better() -> None:
    errors = {"own": [], "common": []}  # type: ignore[var-annotated]
    for seed in range(6):
        table, *_ = rated(1500, 24, seen=3, strict=1.0, seed=seed)
        for scales in ("own", "common"):
            errors[scales].append(error(fit(table, scales=scales, clusters="none", draws=2)))  # type: ignore[arg-type]
    assert np.mean(errors["own"]) < 0.75 * np.mean(errors["common"])


def test_new_votes_of_known_raters_are_predicted_better_and_those_of_new_ones_no_worse() -> None:
    table, *_ = rated(1500, 20)
    fresh, *_ = rated(4000, 20, seed=0)
    fresh = Table(fresh.frame[1500:])
    strangers, *_ = rated(4000, 200, seed=5)
    strangers = Table(strangers.frame.with_columns(rater=pl.lit("new ") + strangers.column("rater")))
    own, common = fit(table), fit(table, scales="common")
    assert own.predict(fresh).log_prob.mean() > common.predict(fresh).log_prob.mean() + 0.05
    assert own.predict(strangers).log_prob.mean() > common.predict(strangers).log_prob.mean() - 0.005


def test_probabilities_of_all_levels_sum_to_one_for_known_and_new_raters() -> None:
    table, *_ = rated(800, 10)
    fitted = fit(table)
    for rater in ("rater 003", "a stranger"):
        frame = table.frame[:5].with_columns(
            rater=pl.lit(rater), rating=pl.Series(np.arange(5.0)), systems=pl.Series([["item 2"]] * 5)
        )
        assert np.exp(fitted.predict(Table(frame)).log_prob).sum() == pytest.approx(1.0, abs=1e-12)


def test_where_raters_are_alike_the_fit_is_that_of_a_common_scale() -> None:
    table, *_ = rated(4000, 20, strict=0.0, stretch=0.0)
    own, common = fit(table, draws=2), fit(table, scales="common", draws=2)
    np.testing.assert_allclose(own.mean, common.mean, atol=0.05)
    assert max(own.model["widths"].values()) < 0.15


def test_scales_survive_saving(tmp_path: Path) -> None:
    table, *_ = rated(600, 12)
    fitted = fit(table)
    fitted.save(tmp_path)
    again = load(tmp_path)
    assert again.scales == fitted.scales
    np.testing.assert_array_equal(again.predict(table).log_prob, fitted.predict(table).log_prob)


def test_raters_who_are_few_unknown_or_too_many_share_a_scale() -> None:
    table, *_ = rated(300, 4)
    assert fit(table).scales == ()
    table, *_ = rated(300, 12)
    some = pl.when(pl.int_range(pl.len()) > 5).then(pl.col("rater"))
    fitted = fit(Table.shaped(table.frame.with_columns(rater=some)))
    assert fitted.scales == ()
    (told,) = [finding for finding in fitted.findings if finding.code == "fit.scale_in_common"]
    assert "6 of 300 votes of the sort 'rating 0 to 4' name no rater" in told.message
    assert told.count == 6
    table, *_ = rated(4 * MOST, MOST + 50)
    fitted = fit(table, draws=2)
    assert fitted.scales == ()
    (told,) = [finding for finding in fitted.findings if finding.code == "fit.scale_in_common"]
    assert "share one scale" in told.message


def test_raters_of_more_items_than_a_dense_fit_holds_share_a_scale_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items = 300
    for module in (fitting, inference):
        monkeypatch.setattr(module, "DENSE_LIMIT", items)
    rng = np.random.default_rng(0)
    item = np.tile(np.arange(items), 2)
    graded = {"rating": rng.integers(3, size=len(item)).astype(float)}
    ends = {"scale_low": np.zeros(len(item)), "scale_high": np.full(len(item), 2.0)}
    columns = {
        "id": np.arange(len(item)).astype(str),
        "kind": ["rating"] * len(item),
        "systems": pl.Series([[f"item {number}"] for number in item]),
        "rater": [f"rater {number}" for number in rng.integers(5, size=len(item))],
    }
    fitted = fit(Table.shaped(pl.DataFrame({**columns, **graded, **ends})), draws=2)
    assert fitted.scales == ()
    assert fitted.model["converged"]
    (told,) = [finding for finding in fitted.findings if finding.code == "fit.scale_in_common"]
    assert "with 300 items they are too many" in told.message


def test_beside_comparisons_and_by_features() -> None:
    """Ratings and comparisons of one utility; and utilities of texts, under a prior."""
    from heedful.models import StyleFeatures

    ratings, *_ = rated(300, 12)
    rng = np.random.default_rng(1)
    first, gap = rng.integers(8, size=400), rng.integers(1, 8, size=400)
    second = (first + gap) % 8
    won = rng.random(400) < 1 / (1 + np.exp(UTILITY[second] - UTILITY[first]))
    frame = pl.DataFrame(
        {
            "id": [f"c{row}" for row in range(400)],
            "kind": ["comparison"] * 400,
            "systems": pl.Series([[NAMES[a], NAMES[b]] for a, b in zip(first, second, strict=True)]),
            "choice": np.where(won, "first", "second"),
        }
    )
    joint = fit(Table.concat([ratings, Table.shaped(frame)]))
    assert len(joint.scales) == 12
    assert error(joint) < 0.4
    texts = pl.Series([["word " * (3 * NAMES.index(own[0]) + 1)] for own in ratings.column("systems").to_list()])
    written = Table.shaped(ratings.frame.with_columns(outputs=texts))
    by_length = fit(written, utility="features", features=StyleFeatures())
    assert len(by_length.scales) == 12
    assert by_length.model["converged"]


def test_a_wrong_choice_is_refused() -> None:
    with pytest.raises(UsageError, match="scales"):
        fit(rated(50, 5)[0], scales="each")  # type: ignore[arg-type]
