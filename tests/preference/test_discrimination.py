"""Instruments fitted together: each as sharp as its votes say, on one scale of utility."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from heedful.feedback import Record, Table
from heedful.preference import FittedPosterior, fit
from heedful.preference.discrimination import BLUNT_LOG, PRIOR_SD, Discriminating
from heedful.preference.likelihoods import dense_information

from .test_likelihoods import MADE, N, point
from .votes import comparisons, drawn_comparisons, record


def rated(utilities: np.ndarray, votes: int, sharpness: float, seed: int) -> list[Record]:
    """Ratings from 1 to 4 that read sharpness · u."""
    rng = np.random.default_rng(seed)
    item = rng.integers(len(utilities), size=votes)
    latent = sharpness * utilities[item] + rng.logistic(size=votes)
    rating = 1.0 + (latent[:, None] > np.array([-1.5, 0.2, 1.4])).sum(axis=1)
    return [
        record("rating", [f"{i:02d}"], rating=float(r), scale=(1.0, 4.0)) for i, r in zip(item, rating, strict=True)
    ]


def both(sharpness: float, seed: int = 0, votes: int = 4000) -> tuple[Table, Table]:
    utilities = np.linspace(-1, 1, 6)
    pairs = comparisons(drawn_comparisons(utilities, votes, np.random.default_rng(seed), log_tie=-1.0))
    return pairs, Table.of(rated(utilities, votes, sharpness, seed))


@pytest.mark.parametrize("name", MADE)
def test_derivatives_of_a_scaled_likelihood(name: str) -> None:
    inner = MADE[name]()
    assert inner is not None
    made = Discriminating(inner)
    u, c = point(inner)
    x, step, size = np.concatenate([u, c, [0.4]]), 1e-5, len(u) + len(c) + 1

    def value(x: np.ndarray) -> float:
        return made.terms(x[:N], x[N:]).value

    terms = made.terms(x[:N], x[N:])
    gradient = np.concatenate([terms.gradient, terms.nuisance_gradient])
    numeric = [(value(x + e) - value(x - e)) / (2 * step) for e in np.eye(size) * step]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6)
    _, columns, values = made.scores(x[:N], x[N:])
    np.testing.assert_allclose(np.bincount(columns, values, size), gradient, atol=1e-9)
    # The information is J H Jᵀ with J the derivatives of the scaled arguments and H the inner information.
    a = np.exp(0.4)
    factor = np.where(inner.shift != 0, a, 1.0)
    jacobian = np.diag(np.concatenate([np.full(N, a), factor]))
    moved = np.concatenate([a * u, np.where(inner.shift != 0, a * c, 0.0)])
    jacobian = np.concatenate([jacobian, moved[None]])
    deep = inner.terms(a * u, factor * c)
    whole = np.block([[dense_information(deep), deep.cross], [deep.cross.T, deep.nuisance_information]])
    wanted = jacobian @ whole @ jacobian.T
    got = np.block([[dense_information(terms), terms.cross], [terms.cross.T, terms.nuisance_information]])
    np.testing.assert_allclose(got, wanted, atol=1e-9)
    moved_value = made.terms(x[:N] + 0.7, x[N:] + 0.7 * made.shift).value
    assert moved_value == pytest.approx(terms.value, abs=1e-9)


@pytest.mark.parametrize("name", MADE)
def test_the_observed_information_of_a_scaled_likelihood_is_the_negative_hessian(name: str) -> None:
    inner = MADE[name]()
    assert inner is not None
    made = Discriminating(inner, observed=True)
    u, c = point(inner)
    x, step = np.concatenate([u, c, [0.4]]), 1e-5

    def gradient(x: np.ndarray) -> np.ndarray:
        terms = made.terms(x[:N], x[N:])
        return np.concatenate([terms.gradient, terms.nuisance_gradient])

    terms = made.terms(x[:N], x[N:])
    whole = np.block([[dense_information(terms), terms.cross], [terms.cross.T, terms.nuisance_information]])
    bent = [(gradient(x - e) - gradient(x + e)) / (2 * step) for e in np.eye(len(x)) * step]
    np.testing.assert_allclose(whole, bent, rtol=1e-4, atol=1e-4)


def beside_noise(seed: int, kind: str) -> FittedPosterior:
    """300 sharp votes of one kind beside 300 of the other that say nothing, on five items one nat apart."""
    rng = np.random.default_rng(seed)
    utilities = np.linspace(-2, 2, 5)
    silent = np.zeros(5)
    pairs = drawn_comparisons(silent if kind == "comparison" else utilities, 300, rng, log_tie=-9.0)
    grades = rated(silent if kind == "rating" else utilities, 300, 1.0, seed)
    return fit(Table.of([*comparisons(pairs).records(), *grades]))


@pytest.mark.parametrize("seed", range(6))
def test_ratings_that_say_nothing_are_read_as_blunt_however_little_they_say(seed: int) -> None:
    fitted = beside_noise(seed, "rating")
    sharpness = fitted.model["discrimination"]["rating 1 to 4"]
    assert sharpness < 0.35
    assert ("fit.blunt" in {finding.code for finding in fitted.findings}) == (np.log(sharpness) < BLUNT_LOG)
    np.testing.assert_allclose(fitted.mean, np.linspace(-2, 2, 5), atol=1.0)


@pytest.mark.parametrize("seed", range(6))
def test_where_sharpness_beside_silent_comparisons_is_not_found_that_is_said(seed: int) -> None:
    fitted = beside_noise(seed, "comparison")
    shared = fitted.model["discrimination"]["rating 1 to 4"] == 1.0
    said = {finding.code for finding in fitted.findings} & {"fit.contradicting", "fit.sharpness_unsettled"}
    assert shared == bool(said)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_sharpness_is_recovered_and_utilities_keep_the_unit_of_comparisons(sharpness: float) -> None:
    pairs, ratings = both(sharpness)
    joint, alone = fit(Table.concat([pairs, ratings])), fit(pairs)
    assert joint.model["converged"]
    assert joint.model["discrimination"]["comparison"] == 1.0
    assert joint.model["discrimination"]["rating 1 to 4"] == pytest.approx(sharpness, rel=0.15)
    assert joint.covariance is not None
    assert alone.covariance is not None
    spread = np.sqrt(np.diag(joint.covariance))
    assert (np.abs(joint.mean - np.linspace(-1, 1, 6)) < 4 * spread).all()
    assert (spread < np.sqrt(np.diag(alone.covariance))).all()


def test_predictions_follow_each_instruments_sharpness() -> None:
    pairs, ratings = both(2.5)
    joint = fit(Table.concat([pairs, ratings]))
    for table in (pairs, ratings):
        # As calibrated on each kind as a fit of that kind alone.
        alone = fit(table).predict(table).log_prob.mean()
        assert joint.predict(table).log_prob.mean() == pytest.approx(alone, abs=0.002)


def test_the_gradient_vanishes_at_the_joint_maximum() -> None:
    pairs, ratings = both(2.0, votes=300)
    joint = fit(Table.concat([pairs, ratings]))
    by_kind = {reading.kind: reading for reading in joint.readings}
    a, nu = joint.model["discrimination"]["rating 1 to 4"], by_kind["comparison"].nuisance
    thresholds = by_kind["rating 1 to 4"].nuisance
    first, second, choice = zip(*[(*r["systems"], r["choice"]) for r in pairs.frame.iter_rows(named=True)], strict=True)
    index = {name: i for i, name in enumerate(joint.names)}
    i, j = np.array([index[f] for f in first]), np.array([index[s] for s in second])
    sign = np.array([{"first": 1.0, "second": -1.0, "tie": 0.0}[c] for c in choice])
    item = np.array([index[s[0]] for s in ratings.frame["systems"]])
    level = ratings.frame["rating"].to_numpy().astype(int) - 1

    def value(u: np.ndarray, log_a: float) -> float:
        gap = (u[i] - u[j]) / 2
        whole = np.exp(gap) + np.exp(-gap) + np.exp(nu[0])
        pair = np.where(sign == 0, nu[0], sign * gap) - np.log(whole)
        edges = np.concatenate([[-np.inf], thresholds * np.exp(log_a) / a, [np.inf]])
        rating = np.log(
            expit(edges[level + 1] - np.exp(log_a) * u[item]) - expit(edges[level] - np.exp(log_a) * u[item])
        )
        return float(pair.sum() + rating.sum()) - log_a**2 / (2 * PRIOR_SD**2)

    u, step = joint.mean, 1e-5
    for e in np.eye(6):
        assert abs(value(u + step * e, np.log(a)) - value(u - step * e, np.log(a))) / (2 * step) < 1e-4
    assert abs(value(u, np.log(a) + step) - value(u, np.log(a) - step)) / (2 * step) < 1e-4


def test_kinds_that_contradict_each_other_are_said() -> None:
    pairs, _ = both(1.0)
    upside_down = Table.of(rated(-np.linspace(-1, 1, 6), 4000, 1.0, 1))
    joint = fit(Table.concat([pairs, upside_down]))
    assert "fit.contradicting" in {finding.code for finding in joint.findings}
    assert set(joint.model["discrimination"].values()) == {1.0}


def test_an_instrument_that_cannot_tell_its_sharpness_has_the_common_one() -> None:
    pairs, _ = both(1.0)
    few = Table.of([record("label", ["00"], label=True), record("label", ["05"], label=False)])
    joint = fit(Table.concat([pairs, few]))
    assert joint.model["discrimination"] == {"comparison": 1.0, "label": 1.0}
    assert joint.identified.all()


def paced(seed: int, votes: int = 1500, *, hasty: float = 0.2) -> Table:
    """Comparisons of which those answered in a fifth of their rater's usual time are as sharp as `hasty` says."""
    rng = np.random.default_rng([17, seed])
    utility = np.linspace(-1.5, 1.5, 8)
    first = rng.integers(8, size=votes)
    second = (first + rng.integers(1, 8, size=votes)) % 8
    rater, fast = rng.integers(10, size=votes), rng.random(votes) < 0.4
    sharp = np.where(fast, hasty, 1.0)
    won = rng.random(votes) < expit(sharp * (utility[first] - utility[second]))
    usual = np.exp(np.linspace(0, 3, 10))[rater]  # slow raters are not hasty ones
    return comparisons(
        [(f"{a:02d}", f"{b:02d}", "first" if w else "second") for a, b, w in zip(first, second, won, strict=True)],
        rater=[f"r{one}" for one in rater],
        seconds=usual * np.where(fast, 0.2, 1.0) * np.exp(0.1 * rng.standard_normal(votes)),
    )


def test_hasty_comparisons_are_read_as_blunt_and_no_longer_pull_items_together() -> None:
    utility, off = np.linspace(-1.5, 1.5, 8), {"apart": [], "pooled": []}  # type: ignore[var-annotated]
    for seed in range(8):
        for pace in ("apart", "pooled"):
            fitted = fit(paced(seed), pace=pace, clusters="none", draws=2)  # type: ignore[arg-type]
            off[pace].append(np.sqrt(np.mean((fitted.mean - utility) ** 2)))
            if pace == "apart":
                assert fitted.model["discrimination"]["comparison, answered fast"] == pytest.approx(0.2, abs=0.15)
    assert np.mean(off["apart"]) < 0.5 * np.mean(off["pooled"])


def test_where_haste_tells_nothing_the_fit_stays_as_it_is_and_new_votes_are_read_by_their_pace() -> None:
    table = paced(0, 4000, hasty=1.0)
    apart, pooled = (fit(table, pace=pace, clusters="none") for pace in ("apart", "pooled"))
    assert apart.model["discrimination"]["comparison, answered fast"] == pytest.approx(1.0, abs=0.2)
    np.testing.assert_allclose(apart.mean, pooled.mean, atol=0.12)
    fitted, fresh = fit(paced(1), pace="apart"), paced(2, 4000)
    by_pace, blind = fitted.predict(fresh).log_prob, fitted.predict(Table(fresh.frame.drop("seconds"))).log_prob
    assert by_pace.mean() > blind.mean() + 0.05
    assert np.isfinite(by_pace).all()


def test_votes_of_a_judge_stay_together_whatever_their_pace() -> None:
    table = paced(3, 600)
    kinds = pl.when(pl.col("rater") == table.frame["rater"][0]).then(pl.lit("model")).otherwise(pl.lit("person"))
    fitted = fit(Table.shaped(table.frame.with_columns(rater_kind=kinds)), pace="apart", draws=2)
    assert "fit.not_used" not in {finding.code for finding in fitted.findings}
    assert sum(own["n"] for own in fitted.model["likelihoods"]) == len(table)
