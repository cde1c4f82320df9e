"""Covariances where votes share prompts or raters: closed forms, leave-outs, and no falsely narrow intervals."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from heedful.feedback import Table
from heedful.preference import fit
from heedful.preference.clustered import scaled, with_variances
from heedful.preference.fitting import build
from heedful.preference.identification import restrict
from heedful.preference.inference import Problem, maximise
from heedful.preference.observations import observe
from heedful.preference.sandwich import Clusters, record_scores

from .votes import comparisons, drawn_comparisons


def two_items(wins: list[int], losses: list[int]) -> tuple[list[tuple[str, str, str]], list[str]]:
    votes, prompts = [], []
    for prompt, (won, lost) in enumerate(zip(wins, losses, strict=True)):
        votes += [("a", "b", "first")] * won + [("a", "b", "second")] * lost
        prompts += [f"prompt {prompt}"] * (won + lost)
    return votes, prompts


def test_two_items_in_equal_clusters_are_the_closed_form() -> None:
    wins, losses = [5, 3, 4, 0, 4, 2], [0, 2, 1, 5, 1, 3]
    votes, prompts = two_items(wins, losses)
    posterior = fit(comparisons(votes, context=prompts))
    n, p = len(votes), sum(wins) / len(votes)
    sums = np.array(wins) - 5 * p
    # CR2: each cluster's score over √(1 − its share of the information); the difference is twice an item's utility.
    variance = (sums**2 / (1 - 5 / n)).sum() / (n * p * (1 - p)) ** 2
    assert posterior.covariance is not None
    assert posterior.covariance[0, 0] == pytest.approx(variance / 4, rel=1e-6)
    assert posterior.df == pytest.approx(len(wins) - 1, rel=1e-9)
    assert posterior.model["covariance"] == "clustered"
    assert posterior.model["clusters"] == {"context": 6}


def test_uneven_clusters_have_fewer_degrees_of_freedom() -> None:
    even = two_items([4, 1] * 5, [1, 4] * 5)
    uneven = two_items([20, 1, 2, 1, 1, 2, 1, 1, 2, 1], [5, 1, 1, 2, 1, 1, 1, 2, 1, 1])
    fits = [fit(comparisons(votes, context=prompts)) for votes, prompts in (even, uneven)]
    assert fits[0].df == pytest.approx(9, rel=1e-9)
    assert fits[1].df < 6


def test_clusters_of_one_vote_are_no_clusters() -> None:
    votes, _ = two_items([6], [4])
    alone = fit(comparisons(votes, context=[f"prompt {row}" for row in range(10)], rater=[None] * 10))
    assert alone.model["covariance"] == "model"
    assert alone.model["clusters"] == {}
    np.testing.assert_array_equal(alone.covariance, fit(comparisons(votes)).covariance)


def test_empty_and_unknown_contexts_are_no_clusters() -> None:
    votes, _ = two_items([6], [4])
    assert fit(comparisons(votes, context=[""] * 10)).model["clusters"] == {}


def test_clusters_none_takes_votes_as_independent() -> None:
    votes, prompts = two_items([5, 3, 4, 0, 4], [0, 2, 1, 5, 1])
    table = comparisons(votes, context=prompts)
    np.testing.assert_array_equal(fit(table, clusters="none").covariance, fit(comparisons(votes)).covariance)


def test_few_raters_are_held_fixed_and_said() -> None:
    rng = np.random.default_rng(0)
    votes = drawn_comparisons(rng.normal(size=4), 90, rng)
    posterior = fit(comparisons(votes, rater=[f"rater {row % 3}" for row in range(90)]))
    assert posterior.model["covariance"] == "model"
    (finding,) = posterior.findings
    assert finding.code == "intervals.few_clusters"
    assert "these 3 raters alone" in finding.message


def test_an_item_on_one_prompt_alone_gets_no_interval() -> None:
    rng = np.random.default_rng(1)
    votes = drawn_comparisons(rng.normal(size=5) / 2, 400, rng)
    prompts = [f"prompt {rng.integers(8)}" for _ in votes]
    new = [("new", f"0{i % 5}", "first" if i % 2 else "second") for i in range(20)]
    table = comparisons([*votes, *new], context=[*prompts, *["prompt 0"] * 20])
    posterior = fit(table)
    assert posterior.identified.all()
    assert posterior.covariance is not None
    known = ~np.isnan(np.diag(posterior.covariance))
    assert known.tolist() == [name != "new" for name in posterior.names]
    finding = next(f for f in posterior.findings if f.code == "intervals.one_cluster")
    assert finding.examples == ("new",)
    independent = fit(table, clusters="none").covariance
    assert independent is not None
    assert posterior.draws[:, 5].std() > 2 * np.sqrt(independent[5, 5])


def test_an_item_on_two_prompts_has_a_wide_interval() -> None:
    rng = np.random.default_rng(2)
    votes = drawn_comparisons(rng.normal(size=5) / 2, 400, rng)
    prompts = [f"prompt {rng.integers(12)}" for _ in votes]
    new = [("new", f"0{i % 5}", "first" if i % 4 else "second") for i in range(60)]
    where = [f"prompt {i % 2}" for i in range(60)]
    table = comparisons([*votes, *new], context=[*prompts, *where])
    posterior, independent = fit(table), fit(table, clusters="none").covariance
    assert posterior.covariance is not None
    assert independent is not None
    assert posterior.model["promise"] == "at least"
    ratio = np.sqrt(np.diag(posterior.covariance) / np.diag(independent))
    assert ratio[5] > 2 * np.median(ratio)


def test_more_items_than_prompts_leave_no_contrast_certain() -> None:
    rng = np.random.default_rng(3)
    votes = drawn_comparisons(rng.normal(size=20) / 2, 1500, rng)
    table = comparisons(votes, context=[f"prompt {rng.integers(8)}" for _ in votes])
    clustered, independent = fit(table).covariance, fit(table, clusters="none").covariance
    assert clustered is not None
    assert independent is not None
    contrasts = np.linalg.svd(np.eye(20) - 1 / 20)[0][:, :19]
    inner, plain = (contrasts.T @ matrix @ contrasts for matrix in (clustered, independent))
    ratios = np.linalg.eigvals(np.linalg.solve(plain, inner)).real
    assert ratios.min() > 0.3
    np.testing.assert_allclose(clustered.sum(axis=0), 0, atol=1e-9)


def test_correlated_votes_widen_intervals_and_crossed_ones_by_both() -> None:
    rng = np.random.default_rng(4)
    raters, prompts = rng.integers(30, size=1200), rng.integers(30, size=1200)
    taste, fit_to_prompt = rng.normal(size=(2, 30, 3))
    first = rng.integers(3, size=1200)
    second = (first + rng.integers(1, 3, size=1200)) % 3
    latent = taste[raters] + fit_to_prompt[prompts]
    gap = latent[np.arange(1200), first] - latent[np.arange(1200), second] + rng.logistic(size=1200)
    votes = [(f"{a}", f"{b}", "first" if g > 0 else "second") for a, b, g in zip(first, second, gap, strict=True)]
    columns = {"context": [f"p{p}" for p in prompts], "rater": [f"r{r}" for r in raters]}
    plain = fit(comparisons(votes)).covariance
    one = fit(comparisons(votes, context=columns["context"])).covariance
    both = fit(comparisons(votes, **columns)).covariance
    assert plain is not None
    assert one is not None
    assert both is not None
    assert (np.diag(one) > 2 * np.diag(plain)).all()
    assert (np.diag(both) > 1.2 * np.diag(one)).all()


def test_record_scores_are_the_gradients_of_each_record_alone() -> None:
    rng = np.random.default_rng(5)
    table = comparisons(drawn_comparisons(rng.normal(size=4), 60, rng, log_tie=-0.3))
    optimum = maximise(Problem(build(observe(table, "overall")), 4))
    scores, rows = record_scores(optimum)
    np.testing.assert_allclose(scores.sum(axis=0), 0, atol=1e-8)
    (pairs,) = optimum.point.problem.likelihoods
    for row in (0, 17, 59):
        alone = pairs.select(np.flatnonzero(pairs.row == row)).terms(optimum.point.x[:4], optimum.point.x[4:])
        wanted = np.concatenate([alone.gradient, alone.nuisance_gradient])
        np.testing.assert_allclose(scores[[int(np.searchsorted(rows, row))]].toarray()[0], wanted, atol=1e-12)


def test_scaling_keeps_the_gauge_and_meets_the_variances() -> None:
    rng = np.random.default_rng(6)
    centre = np.eye(5) - 1 / 5
    root = centre @ rng.normal(size=(5, 9))
    variance = np.array([1.0, 2.0, 0.5, 3.0, 1.0])
    for matrix in (
        scaled(root @ root.T, variance, 5),
        with_variances(root[:, :2] @ root[:, :2].T, centre, variance, 5),
    ):
        np.testing.assert_allclose(np.diag(matrix), variance, rtol=1e-4)
        np.testing.assert_allclose(matrix.sum(axis=0), 0, atol=1e-9)
        assert np.linalg.eigvalsh(matrix)[1] > 1e-3


def test_clusters_are_taken_where_they_recur() -> None:
    table = comparisons([("a", "b", "first")] * 4, context=["x", "x", "y", None], rater=["r", "s", "t", "u"])
    clusters = Clusters.of(table)
    assert set(clusters.codes) == {"context"}
    assert clusters.codes["context"][3] == -1
    assert len(set(clusters.codes["context"][:2])) == 1


def test_restricting_keeps_each_cluster_with_its_votes() -> None:
    table = comparisons([("a", "b", "first"), ("c", "d", "first"), ("b", "a", "first")])
    (part,) = restrict(build(observe(table, "overall")), np.array([0, 1]), 4)
    assert part.row.tolist() == [0, 2]


def clicks(low: float, seed: int, votes: int = 500) -> Table:
    """Clicks on five outputs, recorded for certain or with probability `low`, whichever they are."""
    rng = np.random.default_rng(seed)
    drawn = 60 * votes
    item, propensity = rng.integers(5, size=drawn), rng.choice([1.0, low], size=drawn)
    kept = np.flatnonzero(rng.random(drawn) < propensity)[:votes]
    item, propensity = item[kept], propensity[kept]
    columns = {
        "id": np.arange(votes).astype(str),
        "kind": ["implicit"] * votes,
        "signal": ["click"] * votes,
        "systems": pl.Series([[f"{number}"] for number in item]),
        "amount": (np.linspace(-1, 1, 5)[item] + rng.logistic(size=votes) > 0).astype(float),
        "propensity": propensity,
    }
    return Table.shaped(pl.DataFrame(columns))


def test_a_few_signals_of_great_weight_widen_intervals_and_promise_no_more_than_that() -> None:
    inside = []
    for seed in range(30):
        fitted = fit(clicks(0.005, seed), draws=2)
        weight = 1 / clicks(0.005, seed).column("propensity").to_numpy()
        assert fitted.model["promise"] == ("at least" if weight.max() > 1 else "confidence")
        sd = np.sqrt(np.diag(fitted.covariance))
        inside += list(np.abs(fitted.mean - np.linspace(-1, 1, 5)) < stats.t.ppf(0.975, fitted.df) * sd)
    assert np.mean(inside) > 0.88
    assert fit(clicks(1.0, 0), draws=2).model["promise"] == "confidence"
