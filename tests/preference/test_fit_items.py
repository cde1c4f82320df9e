"""Maximum likelihood of free items against closed forms, an independent fit, a peer, and simulated truth."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from heedful.core import FitError, Item, UsageError
from heedful.feedback import Address, Candidate, Record, Table, Value, read
from heedful.preference import fit, fit_raters
from heedful.preference.fitting import build
from heedful.preference.general import fit_general
from heedful.preference.identification import UNDEFEATED
from heedful.preference.inference import Problem, maximise
from heedful.preference.items import WIDE_SD
from heedful.preference.observations import observe
from heedful.preference.people import fit_groups, fit_people

from .votes import comparisons, drawn_comparisons, record

DATA = Path(os.environ.get("HEEDFUL_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_two_items_are_the_log_odds() -> None:
    posterior = fit(comparisons([("a", "b", "first")] * 30 + [("b", "a", "first")] * 10))
    assert posterior.mean[0] - posterior.mean[1] == pytest.approx(np.log(3), abs=1e-12)
    # Information n p (1 − p) on the difference; half the difference, so a quarter of its variance, on each.
    assert posterior.covariance is not None
    assert posterior.covariance[0, 0] == pytest.approx(1 / (40 * 0.75 * 0.25) / 4, rel=1e-9)
    assert posterior.model["promise"] == "confidence"


def test_two_items_with_ties_are_davidsons_closed_form() -> None:
    wins, losses, ties = 40, 20, 15
    votes = [("a", "b", "first")] * wins + [("a", "b", "second")] * losses + [("b", "a", "tie")] * ties
    posterior = fit(comparisons(votes))
    (reading,) = posterior.readings
    # Counts are fitted exactly: odds of a win to a loss e^Δ, of a tie to their geometric mean ν.
    assert posterior.mean[0] - posterior.mean[1] == pytest.approx(np.log(wins / losses), abs=1e-10)
    assert np.exp(reading.nuisance[0]) == pytest.approx(ties / np.sqrt(wins * losses), rel=1e-10)
    p = posterior.predict(comparisons(votes[:1]))
    assert p.log_prob[0] == pytest.approx(np.log(wins / (wins + losses + ties)), abs=0.02)


def test_one_item_of_each_degree_fits_its_frequencies() -> None:
    counts = {2.0: 12, 1.0: 20, -1.0: 9, -2.0: 3}
    votes = [("a", "b", "first" if d > 0 else "second") for d, n in counts.items() for _ in range(n)]
    degree = [abs(d) for d, n in counts.items() for _ in range(n)]
    table = comparisons(votes, degree=degree)
    optimum = maximise(Problem(build(observe(table, "overall")), 2))
    x = optimum.point.x
    log_p = np.array([k * (x[0] - x[1]) / 2 + (x[2] if abs(k) == 2 else 0.0) for k in counts])
    p = np.exp(log_p) / np.exp(log_p).sum()
    n = np.array(list(counts.values()))
    # Sufficient statistics are met: the mean signed degree and the share of each degree.
    signed = np.array(list(counts))
    assert p @ signed == pytest.approx(n @ signed / n.sum(), abs=1e-9)
    assert p[[0, 3]].sum() == pytest.approx(n[[0, 3]].sum() / n.sum(), abs=1e-9)


def reference_bradley_terry(votes: list[tuple[str, str, str]]) -> dict[str, float]:
    """Maximum likelihood with half a win for a tie, by another route: Zermelo's iteration (Hunter 2004), then BFGS."""
    names = sorted({name for a, b, _ in votes for name in (a, b)})
    index, wins = {name: i for i, name in enumerate(names)}, np.zeros((len(names), len(names)))
    for a, b, choice in votes:
        share = {"first": 1.0, "second": 0.0, "tie": 0.5}[choice]
        wins[index[a], index[b]] += share
        wins[index[b], index[a]] += 1 - share
    games, strength = wins + wins.T, np.ones(len(names))
    for _ in range(20_000):
        new = wins.sum(axis=1) / (games / (strength[:, None] + strength)).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        if np.abs(np.log(new / strength)).max() < 1e-14:
            break
        strength = new

    def loss(u: np.ndarray) -> float:
        return -float((wins * np.log(expit(u[:, None] - u))).sum())

    polished = minimize(loss, np.log(strength), tol=1e-14).x
    assert loss(np.log(strength)) <= loss(polished) + 1e-9
    return dict(zip(names, np.log(strength), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_half_win_ties_agree_with_an_independent_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes = drawn_comparisons(rng.normal(size=9), 400, rng, log_tie=-0.5)
    wanted = reference_bradley_terry(votes)
    posterior = fit(comparisons(votes), ties="half")
    for name, value in zip(posterior.names, posterior.mean, strict=True):
        assert value == pytest.approx(wanted[name], abs=1e-6)


def test_half_win_ties_agree_with_evalica_on_llmfao() -> None:
    """Log-strengths of 59 models from 8,931 votes by evalica 0.4.2 at tolerance 1e-12 (see the file's command)."""
    path = DATA / "llmfao" / "crowd-comparisons.csv"
    if not path.exists():
        pytest.skip(f"the llmfao votes are not at {path}")
    wanted = json.loads((Path(__file__).parent / "data" / "llmfao_evalica.json").read_text())["log_strength"]
    frame = pl.read_csv(path)
    choice = {"left": "first", "right": "second", "tie": "tie"}
    votes = [(a, b, choice[w]) for a, b, w in frame.select("left", "right", "winner").iter_rows()]
    posterior = fit(comparisons(votes), ties="half", draws=2)
    assert posterior.names == tuple(wanted)
    np.testing.assert_allclose(posterior.mean, list(wanted.values()), atol=1e-6)


def test_simulated_utilities_and_tie_term_are_recovered() -> None:
    rng = np.random.default_rng(7)
    truth = np.linspace(-1.5, 1.5, 12)
    posterior = fit(comparisons(drawn_comparisons(truth, 60_000, rng, log_tie=np.log(0.6))))
    assert posterior.covariance is not None
    z = (posterior.mean - truth) / np.sqrt(np.diag(posterior.covariance))
    assert np.abs(z).max() < 4
    assert posterior.readings[0].nuisance[0] == pytest.approx(np.log(0.6), abs=0.05)


def test_swapping_candidates_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    votes = drawn_comparisons(rng.normal(size=6), 300, rng, log_tie=-0.3)
    other = {"first": "second", "second": "first", "tie": "tie"}
    forth, back = fit(comparisons(votes)), fit(comparisons([(b, a, other[c]) for a, b, c in votes]))
    np.testing.assert_array_equal(forth.mean, back.mean)
    np.testing.assert_array_equal(forth.draws, back.draws)


def test_order_of_records_does_not_matter() -> None:
    rng = np.random.default_rng(9)
    votes = drawn_comparisons(rng.normal(size=6), 300, rng)
    np.testing.assert_allclose(fit(comparisons(votes)).mean, fit(comparisons(votes[::-1])).mean, atol=1e-12)


def test_a_soft_vote_is_as_many_hard_ones() -> None:
    hard = [("a", "b", "first")] * 3 + [("a", "b", "second")] * 1 + [("b", "c", "first"), ("c", "a", "first")] * 2
    soft = [("a", "b", "first")] * 4 + hard[4:]
    share = [0.75] * 4 + [None] * 4
    np.testing.assert_allclose(fit(comparisons(soft, share=share)).mean, fit(comparisons(hard)).mean, atol=1e-10)


def test_many_different_degrees_are_read_by_their_choice_alone() -> None:
    rng = np.random.default_rng(15)
    votes = drawn_comparisons(rng.normal(size=4), 200, rng)
    margins = (0.1 + rng.random(200)).tolist()
    graded = fit(comparisons(votes, degree=margins))
    np.testing.assert_array_equal(graded.mean, fit(comparisons(votes)).mean)
    assert graded.model["likelihoods"] == [{"kind": "comparison", "n": 200}]


def test_long_rankings_and_wide_ties() -> None:
    """Rankings of 60 items, without ties and with ties of 10: memory and time stay bounded, the order is found."""
    rng = np.random.default_rng(16)
    truth, names = np.linspace(-3, 3, 60), [f"{i:02d}" for i in range(60)]
    orders = [np.argsort(np.argsort(-(truth + rng.gumbel(size=60)))) + 1 for _ in range(12)]
    strict = fit(Table.of(record("ranking", names, ranks=order.tolist()) for order in orders), draws=2)
    assert strict.identified.all()
    assert np.corrcoef(strict.mean, truth)[0, 1] > 0.95
    tied = [record("ranking", names[:20], ranks=(1 + (order[:20] > 30)).tolist()) for order in orders]
    assert fit(Table.of(tied), draws=2).names == tuple(names[:20])


def test_an_edit_is_a_win_for_the_edited() -> None:
    edits = [record("edit", ["draft", "edited"])] * 3 + [record("edit", ["edited", "draft"])]
    wins = [("edited", "draft", "first")] * 3 + [("draft", "edited", "first")]
    np.testing.assert_allclose(fit(Table.of(edits)).mean, fit(comparisons(wins)).mean, atol=1e-10)


def test_best_of_two_and_rankings_of_two_are_comparisons() -> None:
    rng = np.random.default_rng(10)
    votes = drawn_comparisons(rng.normal(size=5), 200, rng)
    wanted = fit(comparisons(votes)).mean
    best = [record("best_of", [a, b], best=0 if c == "first" else 1) for a, b, c in votes]
    ranked = [record("ranking", [a, b], ranks=[1, 2] if c == "first" else [2, 1]) for a, b, c in votes]
    np.testing.assert_allclose(fit(Table.of(best)).mean, wanted, atol=1e-9)
    np.testing.assert_allclose(fit(Table.of(ranked)).mean, wanted, atol=1e-9)


def test_rankings_of_two_with_ties_are_davidsons_model() -> None:
    rng = np.random.default_rng(11)
    votes = drawn_comparisons(rng.normal(size=4), 300, rng, log_tie=-0.2)
    ranks = {"first": [1, 2], "second": [2, 1], "tie": [1, 1]}
    ranked = fit(Table.of(record("ranking", [a, b], ranks=ranks[c]) for a, b, c in votes))
    pairs = fit(comparisons(votes))
    np.testing.assert_allclose(ranked.mean, pairs.mean, atol=1e-9)
    np.testing.assert_allclose(ranked.covariance, pairs.covariance, rtol=1e-6)


def test_labels_are_ratings_with_two_levels_and_logits_of_frequencies() -> None:
    yes = {"a": 30, "b": 20, "c": 5}
    labels = [record("label", [s], label=row < n) for s, n in yes.items() for row in range(40)]
    ratings = [
        record("rating", [s], rating=float(row < n), scale=(0.0, 1.0)) for s, n in yes.items() for row in range(40)
    ]
    posterior = fit(Table.of(labels))
    logits = np.log([n / (40 - n) for n in yes.values()])
    np.testing.assert_allclose(posterior.mean, logits - logits.mean(), atol=1e-9)
    np.testing.assert_allclose(fit(Table.of(ratings)).mean, posterior.mean, atol=1e-9)


def test_ratings_use_only_the_order_of_their_values() -> None:
    rng = np.random.default_rng(12)
    latent = np.repeat([-0.6, 0.0, 0.7], 60) + rng.logistic(size=180)
    level = (latent[:, None] > [-1.0, 0.0, 1.2]).sum(axis=1)
    names = np.repeat(["a", "b", "c"], 60)
    fits = [
        fit(
            Table.of(
                record("rating", [s], rating=float(v[k]), scale=(0.0, 100.0)) for s, k in zip(names, level, strict=True)
            )
        )
        for v in ([0.0, 1.0, 2.0, 3.0], [0.0, 7.0, 50.0, 51.0])
    ]
    np.testing.assert_allclose(fits[0].mean, fits[1].mean, atol=1e-9)


def test_another_island_of_votes_changes_no_identified_utility() -> None:
    votes = [("a", "b", "first")] * 3 + [("b", "a", "first")] + [("a", "c", "first"), ("c", "a", "first")]
    labels = [record("label", [s], label=y) for s in ("x", "y") for y in (True, False)]
    joint = fit(Table.concat([comparisons(votes), Table.of(labels)]))
    np.testing.assert_allclose(joint.mean[:3], fit(comparisons(votes)).mean, atol=1e-10)
    assert joint.identified.tolist() == [True, True, True, False, False]


def test_what_is_not_used_is_counted() -> None:
    votes = comparisons(
        [
            ("a", "b", "first"),
            ("b", "a", "first"),
            ("a", "b", "both_bad"),
            ("a", "b", "incomparable"),
            ("a", "a", "first"),
        ],
    )
    others = Table.of(
        [
            record("critique", ["a"], text="too long"),
            Record(kind="label", candidates=[Candidate()], value=Value(label=True)),
            Record(kind="label", candidates=[Candidate(system="a")], value=Value(label=True), criterion="tone"),
            Record(
                kind="label",
                candidates=[Candidate(system="a")],
                value=Value(label=True),
                address=Address(kind="turn", index=1),
            ),
        ]
    )
    posterior = fit(Table.concat([votes, others]))
    counted = {finding.message.split(": ")[1].rstrip("."): finding.count for finding in posterior.findings}
    assert counted == {
        "of another criterion": 1,
        "of kind critique, which has no likelihood of its own": 1,
        "about a part of an output or a scope": 1,
        "a candidate of which neither system nor output is known": 1,
        "a comparison answered both bad": 1,
        "a comparison answered incomparable": 1,
        "an item against itself": 1,
    }
    assert posterior.model["likelihoods"] == [{"kind": "comparison", "n": 2}]
    assert posterior.counts.tolist() == [2.0, 2.0]


def test_nothing_to_fit_is_an_error_that_says_why() -> None:
    with pytest.raises(FitError, match="1 of kind critique"):
        fit(Table.of([record("critique", ["a"], text="too long")]))
    with pytest.raises(FitError, match="the table is empty"):
        fit(Table.of([]))
    with pytest.raises(FitError, match="'tone'"):
        fit(comparisons([("a", "b", "first")]), criterion="tone")


def test_arguments_that_do_not_go_together() -> None:
    table = comparisons([("a", "b", "first")])
    for options in ({"utility": "feature"}, {"utility": "features"}, {"prior_sd": -1.0}, {"prior_sd": "wide"}):
        with pytest.raises(UsageError):
            fit(table, **options)  # type: ignore[arg-type]


def test_items_without_a_system_are_told_apart_by_content() -> None:
    def pair(context: str, first: str, second: str, choice: str) -> Record:
        candidates = [Candidate(output=first), Candidate(output=second)]
        return Record(kind="comparison", context=context, candidates=candidates, value=Value(choice=choice))  # type: ignore[arg-type]

    records = [pair("q", "yes", "no", "first"), pair("q", "no", "yes", "first"), pair("other q", "yes", "no", "first")]
    posterior = fit(Table.of(records))
    assert set(posterior.names) == {Item.of(c, o).key for c in ("q", "other q") for o in ("yes", "no")}
    known = [Item.of("q", "yes"), Item.of("q", "no")]
    assert posterior.prefer(known[:1], known[1:]) == pytest.approx(0.5, abs=1e-12)


def test_a_million_comparisons_of_a_hundred_items() -> None:
    """Counting makes the fit as fast as its pairs: the whole of it in seconds on one core."""
    rng = np.random.default_rng(13)
    n, votes = 100, 1_000_000
    truth = rng.normal(size=n)
    first = rng.integers(n, size=votes)
    second = (first + rng.integers(1, n, size=votes)) % n
    won = rng.random(votes) < expit(truth[first] - truth[second])
    names = np.array([f"{i:03d}" for i in range(n)])
    systems = pl.DataFrame({"a": names[first], "b": names[second]}).select(pl.concat_list("a", "b"))["a"]
    frame = pl.DataFrame({"systems": systems, "choice": np.where(won, "first", "second")})
    table = Table.shaped(frame.with_columns(id=pl.lit("x"), kind=pl.lit("comparison")))
    began = time.perf_counter()
    posterior = fit(table, draws=2)
    assert time.perf_counter() - began < 6
    assert posterior.covariance is not None
    z = (posterior.mean - truth + truth.mean()) / np.sqrt(np.diag(posterior.covariance))
    assert 0.7 < z.std() < 1.3


def test_thousands_of_items_are_fitted_without_a_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sparse path finds the dense path's maximum, and draws of its spread."""
    rng = np.random.default_rng(14)
    table = comparisons(drawn_comparisons(rng.normal(size=60), 6000, rng, log_tie=-0.4))
    dense = fit(table, draws=2)
    monkeypatch.setattr("heedful.preference.inference.DENSE_LIMIT", 10)
    monkeypatch.setattr("heedful.preference.items.DENSE_LIMIT", 10)
    many = fit(table, draws=2000)
    assert many.covariance is None
    np.testing.assert_allclose(many.mean, dense.mean, atol=1e-9)
    assert dense.covariance is not None
    spread = many.draws.std(axis=0) / np.sqrt(np.diag(dense.covariance))
    assert spread.min() > 0.85
    assert spread.max() < 1.15
    ring = [(f"{i:02d}", f"{(i + 1) % 40:02d}", c) for i in range(40) for c in ("first", "second", "first", "second")]
    assert np.abs(fit(comparisons(ring), draws=2).mean).max() < 1e-9


def test_items_not_placed_are_drawn_given_the_items_that_are() -> None:
    votes = [("a", "b", "first")] * 6 + [("a", "b", "second")] * 4 + [("c", "a", "first")] * 3
    fitted = fit(comparisons(votes), seed=3, draws=20_000)
    assert fitted.notes == ("", "", UNDEFEATED)
    a, _, c = fitted.draws.T
    place = fitted.mean[0]
    # The mode of u_c given u_a solves 3 σ(u_a − u_c) = u_c / 2.5².
    mode = brentq(lambda u: 3 * expit(place - u) - u / WIDE_SD**2, -10, 10)
    p = expit(place - mode)
    told, information = 3 * p * (1 - p), 3 * p * (1 - p) + WIDE_SD**-2
    assert fitted.mean[2] == pytest.approx(mode, abs=1e-4)
    slope = np.cov(a, c)[0, 1] / a.var()
    assert slope == pytest.approx(told / information, abs=0.05)
    assert np.var(c - slope * a) == pytest.approx(1 / information, rel=0.05)


def test_a_vote_without_a_degree_does_not_move_ties_to_another_instrument() -> None:
    rng = np.random.default_rng(5)
    votes = drawn_comparisons(np.array([0.0, 0.5, 1.0]), 300, rng, log_tie=0.0)
    degree = [None if choice == "tie" else 1.0 + (row % 2) for row, (*_, choice) in enumerate(votes)]
    stray = next(row for row, value in enumerate(degree) if value)
    lacking = [None if row == stray else value for row, value in enumerate(degree)]
    whole, partial = fit(comparisons(votes, degree=degree)), fit(comparisons(votes, degree=lacking))
    assert [reading.kind for reading in whole.readings] == ["comparison with degree"]
    assert [reading.kind for reading in partial.readings] == ["comparison"]
    np.testing.assert_allclose(partial.mean, fit(comparisons(votes)).mean, atol=1e-12)
    (finding,) = (finding for finding in partial.findings if finding.code == "fit.degrees_not_used")
    assert finding.count == sum(value is not None for value in lacking)


def test_degrees_are_read_by_source() -> None:
    rng = np.random.default_rng(6)
    votes = drawn_comparisons(np.array([0.0, 0.5, 1.0]), 300, rng, log_tie=0.0)
    asked = [row % 3 > 0 for row in range(len(votes))]
    degree = [
        1.0 + row % 2 if own and choice != "tie" else None
        for row, (own, (*_, choice)) in enumerate(zip(asked, votes, strict=True))
    ]
    table = comparisons(votes, degree=degree, source=["graded" if own else "plain" for own in asked])
    used = {entry["kind"]: entry["n"] for entry in fit(table).model["likelihoods"]}
    assert used == {"comparison": 100, "comparison with degree": 200}


def test_intervals_from_shares_hold() -> None:
    """Shares are averages of five voters here, so they vary less than single votes would."""
    truth, rng = np.array([0.0, 0.4, -0.3, 0.8]), np.random.default_rng(7)
    truth -= truth.mean()
    estimates, errors = [], []
    for _ in range(200):
        first = rng.integers(4, size=240)
        second = (first + rng.integers(1, 4, size=240)) % 4
        share = rng.binomial(5, expit(truth[first] - truth[second])) / 5
        choices = np.where(share > 0.5, "first", "second")
        votes = [(str(a), str(b), str(c)) for a, b, c in zip(first, second, choices, strict=True)]
        fitted = fit(comparisons(votes, share=share), draws=2)
        assert fitted.covariance is not None
        estimates.append(fitted.mean - truth)
        errors.append(np.sqrt(np.diag(fitted.covariance)))
    assert fitted.model["covariance"] == "records"
    covered = np.mean(np.abs(estimates) < 1.96 * np.array(errors))
    assert 0.92 < covered < 0.975
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(estimates, axis=0), rtol=0.12)


def test_marks_of_steps_are_grades_whose_variance_the_records_tell() -> None:
    rng = np.random.default_rng(8)
    records = []
    for _ in range(300):
        system = int(rng.integers(3))
        # All steps of an answer are right together, or none is: an answer tells as much as one mark.
        right = float(rng.random() < (0.3, 0.5, 0.7)[system])
        records.append(record("steps", ["abc"[system]], steps=[right] * 4 + [None]))
    fitted = fit(Table.of(records))
    rates = [np.mean([r.value.steps[0] for r in records if r.candidates[0].system == s]) for s in "abc"]  # type: ignore[index]
    np.testing.assert_allclose(fitted.mean, logit(rates) - logit(rates).mean(), atol=1e-8)
    assert fitted.covariance is not None
    one = [record("label", [r.candidates[0].system], label=bool(r.value.steps[0])) for r in records]  # type: ignore[list-item, index]
    alone = fit(Table.of(one)).covariance
    np.testing.assert_allclose(np.sqrt(np.diag(fitted.covariance)), np.sqrt(np.diag(alone)), rtol=0.03)  # type: ignore[arg-type]


def test_implicit_signals_are_weighted_by_their_propensity() -> None:
    """Unhappy people press a button more often: without the weights, the system seen by more of them looks worse."""
    rng = np.random.default_rng(9)
    likes, votes = {"a": 0.6, "b": 0.6, "c": 0.5}, []
    for system, rate in likes.items():
        for _ in range(4000):
            liked = rng.random() < rate
            told = 0.2 if liked or system != "a" else 0.8
            if rng.random() < told:
                votes.append((system, liked, told))
    records = [
        record("implicit", [system], signal="thumb", amount=float(liked)).model_copy(update={"propensity": told})
        for system, liked, told in votes
    ]
    naive = fit(Table.of(record("implicit", [s], signal="thumb", amount=float(liked)) for s, liked, _ in votes))
    fitted = fit(Table.of(records))
    truth = logit(list(likes.values()))
    error = np.abs(fitted.mean - (truth - truth.mean()))
    assert fitted.covariance is not None
    assert (error < 3 * np.sqrt(np.diag(fitted.covariance))).all()
    assert naive.mean[0] < naive.mean[1] - 1.0
    assert fitted.mean[0] == pytest.approx(fitted.mean[1], abs=0.3)
    assert fitted.model["covariance"] == "records"


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_records_that_are_fitted_exactly_tell_no_variance(share: float) -> None:
    fitted = fit(comparisons([("a", "b", "first")] * 20, share=[share] * 20))
    assert fitted.mean[0] - fitted.mean[1] == pytest.approx(logit(share), abs=1e-9)
    assert fitted.covariance is not None
    assert np.isnan(fitted.covariance).all()
    assert any(finding.code == "intervals.one_cluster" for finding in fitted.findings)


@pytest.mark.parametrize("fitted_by", [fit, fit_raters, fit_people, fit_general, lambda votes: fit_groups(votes, 2)])
def test_what_is_no_table_is_refused(fitted_by: Any) -> None:
    for votes in (read([{"model_a": "a", "model_b": "b", "winner": "model_a", "judge": "r"}]), "votes.csv", None):
        with pytest.raises(UsageError, match=r"from a table, not from .*heedful\.read\(\.\.\.\)\.table"):
            fitted_by(votes)


def test_choices_that_are_none_are_refused() -> None:
    table = comparisons([("a", "b", "first"), ("b", "a", "first")])
    for options in ({"judges": "aprt"}, {"ties": "halves"}, {"clusters": "atuo"}, {"draws": 0}, {"seed": -1}):
        with pytest.raises(UsageError):
            fit(table, **options)  # type: ignore[arg-type]
