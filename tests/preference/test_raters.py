"""Raters and items fitted jointly: derivatives, conventions, recovery, who is named, what cannot be told."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import polars as pl
import pytest

from heedful.core import FitError, InputError, Item, UsageError
from heedful.core.contracts import PosteriorContract
from heedful.feedback import Table
from heedful.models import StyleFeatures
from heedful.preference.raters import fit_raters
from heedful.preference.raters_estimates import ERROR_RATE, named
from heedful.preference.raters_inference import maximise
from heedful.preference.raters_likelihood import Marginal
from heedful.preference.raters_posterior import RaterPosterior
from heedful.preference.raters_types import Types, answers
from heedful.preference.raters_votes import rater_votes
from heedful.worlds import ArenaWorld, SimulatedRaters

from .votes import comparisons, record


def crowd(
    reliability: np.ndarray, votes: int = 50, items: int = 12, seed: int = 0, *, shown: bool = False, lean: float = 0.0
) -> tuple[Table, np.ndarray, np.ndarray]:
    """Votes of raters who attend to a share |γ| of the questions (γ < 0: turned round), the share right, utilities."""
    rng = np.random.default_rng(seed)
    u = rng.normal(0, 1.5, items)
    rater = np.repeat(np.arange(len(reliability)), votes)
    first = rng.integers(items, size=len(rater))
    second = (first + rng.integers(1, items, size=len(rater))) % items
    gap = u[first] - u[second]
    attends = rng.random(len(rater)) < np.abs(reliability)[rater]
    p = 1 / (1 + np.exp(-np.where(attends, np.sign(reliability)[rater] * gap, 0) - lean))
    won = rng.random(len(rater)) < p
    right = np.bincount(rater, won == (gap > 0)) / votes
    columns = {"rater": [f"r{i:03d}" for i in rater]} | ({"shown": [True] * len(rater)} if shown else {})
    triples = [(f"{a:02d}", f"{b:02d}", "first" if w else "second") for a, b, w in zip(first, second, won, strict=True)]
    return comparisons(triples, **columns), right, u


def small(*, shown: bool = True, seed: int = 0, tie: float = 0.4) -> Table:
    rng = np.random.default_rng(seed)
    raters = SimulatedRaters(count=12, carelessness=rng.random(12), position_bias=rng.normal(size=12) / 2, tie=tie)
    table = ArenaWorld(n_items=6, tie=tie, seed=1).sample(240, rng=rng, raters=raters)
    return table if shown else Table.shaped(table.frame.drop("shown"))


@cache
def fitted_small() -> RaterPosterior:
    return fit_raters(small())


class TestRaterPosterior(PosteriorContract):
    def make(self) -> RaterPosterior:
        return fitted_small()

    def items(self) -> list[Item]:
        return [Item(system=name) for name in fitted_small().items.names]


@pytest.mark.parametrize(("model", "leans", "shown"), [*product(("lapse", "sharpness"), (1, 5), (True, False))])
def test_gradient_and_information_are_those_of_finite_differences(model: str, leans: int, shown: bool) -> None:
    marginal = Marginal(rater_votes(small(shown=shown), "overall", None), Types.grid(model, 15, leans), 0.8)  # type: ignore[arg-type]
    x = marginal.start() + np.random.default_rng(1).normal(0, 0.3, marginal.size)
    h = 1e-5
    ends = [(marginal.value(x + h * e), marginal.value(x - h * e)) for e in np.eye(marginal.size)]
    numeric = np.array([(up[0] - down[0]) / (2 * h) for up, down in ends])
    np.testing.assert_allclose(marginal.value(x)[1], numeric, rtol=1e-6, atol=1e-6)
    hessian = np.array([(down[1] - up[1]) / (2 * h) for up, down in ends])
    np.testing.assert_allclose(marginal.information(x), hessian, rtol=1e-4, atol=1e-4 * np.abs(hessian).max())


def test_gradient_with_style_covariates() -> None:
    rng = np.random.default_rng(0)
    votes = rater_votes(
        written(rng, 60, 0.5), "overall", StyleFeatures(("log_words", "distinct_words", "log_questions"))
    )
    marginal = Marginal(votes, Types.grid("lapse", 9, 1), 1.0)
    assert votes.style == ("log_words", "distinct_words")  # no output has a question mark
    x = marginal.start() + rng.normal(0, 0.3, marginal.size)
    h = 1e-5
    numeric = [(marginal.value(x + h * e)[0] - marginal.value(x - h * e)[0]) / (2 * h) for e in np.eye(marginal.size)]
    np.testing.assert_allclose(marginal.value(x)[1], numeric, rtol=1e-6, atol=1e-6)


def written(rng: np.random.Generator, votes: int, per_word: float) -> Table:
    """Votes on texts of 1 to 30 words by six systems of equal worth, by raters who like every word by `per_word`."""
    words = rng.integers(1, 31, (votes, 2))
    systems = np.array([rng.permutation(6)[:2] for _ in range(votes)])
    words[:, 0] += 10 * (systems[:, 0] == 0)
    words[:, 1] += 10 * (systems[:, 1] == 0)
    gap = per_word * (np.log1p(words[:, 0]) - np.log1p(words[:, 1]))
    won = rng.random(votes) < 1 / (1 + np.exp(-gap))
    frame = pl.DataFrame(
        {
            "id": [str(i) for i in range(votes)],
            "kind": ["comparison"] * votes,
            "outputs": [["word " * a, "word " * b] for a, b in words],
            "systems": [[f"s{a}", f"s{b}"] for a, b in systems],
            "choice": np.where(won, "first", "second"),
            "rater": [f"r{i % 20}" for i in range(votes)],
        }
    )
    return Table.shaped(frame)


def test_style_is_told_from_worth() -> None:
    table = written(np.random.default_rng(3), 3000, 1.5)
    plain, styled = fit_raters(table), fit_raters(table, style=StyleFeatures(("log_words",)))
    assert plain.items.mean[0] > 0.3  # the longest texts look best
    assert abs(styled.items.mean[0]) < 0.2
    found = styled.style["log_words"]
    assert found.interval is None  # none holds
    measured = np.log1p([len(text.split()) for pair in table.frame["outputs"] for text in pair]).reshape(-1, 2)
    unit = float(np.sqrt((np.diff(measured) ** 2).mean()))
    assert found.value == pytest.approx(1.5 * unit, rel=0.25)
    assert np.isfinite(styled.predict(table).log_prob).all()


@pytest.mark.parametrize("model", ["lapse", "sharpness"])
def test_answers_of_every_type_sum_to_one_and_mirror(model: str) -> None:
    types = Types.grid(model, 11, 5)  # type: ignore[arg-type]
    shared = (0.3, -0.5, -1.5)
    gap, shown = np.array([-2.0, 0.0, 1.3]), np.array([1.0, 1.0, 0.0])
    p = [np.exp(answers(types, np.full(3, o), shown, gap, shared).log_p) for o in (1.0, 0.0, -1.0)]
    np.testing.assert_allclose(sum(p), 1.0, atol=1e-12)
    # Without leans, the second wins as the first would of the pair turned round.
    blind = (0.0, -0.5, -1.5)
    forth = answers(types, np.full(3, 1.0), np.zeros(3), gap, blind).log_p
    back = answers(types, np.full(3, -1.0), np.zeros(3), -gap, blind).log_p
    np.testing.assert_allclose(forth, back, atol=1e-12)


def test_likelihood_is_a_sum_over_types() -> None:
    votes = rater_votes(small(), "overall", None)
    marginal = Marginal(votes, Types.grid("lapse", 5, 3), 1.0)
    x = marginal.start() + np.random.default_rng(2).normal(0, 0.2, marginal.size)
    theta, shared, alpha = marginal.parts(x)
    prior = np.exp(marginal.types.log_prior(alpha))
    gap = theta[votes.first] - theta[votes.second]
    p = np.exp(answers(marginal.types, votes.outcome, votes.shown, gap, shared).log_p)
    for r in range(len(votes.raters)):
        own = votes.answer[votes.rater == r]
        direct = sum(prior[g] * np.prod(p[own, g]) for g in range(marginal.types.size))
        assert marginal.posterior_types(x)[1][r] == pytest.approx(np.log(direct), rel=1e-10)


def test_votes_without_a_rater_are_raters_of_one_vote() -> None:
    table = small()
    lone = pl.int_range(pl.len()) % 3 == 0
    absent = Table.shaped(table.frame.with_columns(rater=pl.when(lone).then(None).otherwise("rater")))
    own = pl.format("lone {}", pl.int_range(pl.len()))
    spelled = Table.shaped(table.frame.with_columns(rater=pl.when(lone).then(own).otherwise(pl.col("rater"))))
    few, many = (rater_votes(one, "overall", None) for one in (absent, spelled))
    assert len(few.raters) == 12
    assert few.multiplicity.sum() == 12 + 80
    types = Types.grid("lapse", 9, 3)
    one, other = Marginal(few, types, 1.0), Marginal(many, types, 1.0)
    x = one.start() + 0.1
    assert one.value(x)[0] == pytest.approx(other.value(x)[0], rel=1e-12)
    np.testing.assert_allclose(one.value(x)[1], other.value(x)[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.information(x), other.information(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", ["uniform", "spammers", "high"])
def test_reliability_is_found_nearly_as_by_knowing_the_answers(shape: str) -> None:
    rng = np.random.default_rng(5)
    true = {
        "uniform": rng.uniform(-0.4, 1, 200),
        "spammers": np.where(rng.random(200) < 0.3, 0, rng.beta(9, 2, 200)),
        "high": 2 * rng.beta(20, 3, 200) - 1,
    }[shape]
    table, right, u = crowd(true)
    fitted = fit_raters(table)
    assert fitted.model["converged"]
    found = np.array([rater.accuracy.value for rater in fitted.raters])
    assert np.corrcoef(found, true)[0, 1] > 0.97 * np.corrcoef(right, true)[0, 1]
    assert np.corrcoef(fitted.items.mean, u)[0, 1] > 0.97


def test_the_majority_is_right() -> None:
    """Most raters turned round is most raters right with the utilities turned round."""
    true = np.concatenate([np.full(30, 0.9), np.full(10, -0.9)])
    table, _, u = crowd(true)
    turned, _, _ = crowd(-true)
    one, other = fit_raters(table), fit_raters(turned)
    assert np.corrcoef(one.items.mean, u)[0, 1] > 0.9 > -0.9 > np.corrcoef(other.items.mean, u)[0, 1]
    for fitted in (one, other):
        assert sum(rater.adversarial > 0.5 for rater in fitted.raters) == 10
        [found] = [finding for finding in fitted.findings if finding.code == "raters.adversarial"]
        assert found.count == 10


@pytest.mark.filterwarnings("error")
def test_answers_that_are_all_but_impossible_have_a_logarithm() -> None:
    types = Types.grid("sharpness", 5, 1)
    far = 3000 * types.sharpness
    for log_tie in (-np.inf, 0.3):
        found = answers(types, np.array([1.0, -1.0]), np.zeros(2), np.full(2, 3000.0), (0.0, log_tie, -np.inf)).log_p
        middle = -np.logaddexp(np.log(2.0), log_tie)
        np.testing.assert_allclose(found, np.where(far == 0, middle, np.minimum([far, -far], 0)), atol=1e-12)


def test_a_divided_crowd_is_said_to_be_one() -> None:
    table, _, _ = crowd(np.concatenate([np.full(21, 0.9), np.full(19, -0.9)]))
    assert "raters.divided" in {finding.code for finding in fit_raters(table).findings}


@pytest.mark.parametrize("seed", [1, 2])
def test_two_votes_divide_no_crowd(seed: int) -> None:
    table, _, _ = crowd(np.full(2, 0.8), votes=1, items=2, seed=seed)
    codes = {finding.code for finding in fit_raters(table).findings}
    assert "raters.untold" in codes
    assert "raters.divided" not in codes


def test_no_one_is_called_adversarial_in_an_honest_crowd() -> None:
    wrong = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        table, _, _ = crowd(np.where(rng.random(60) < 0.3, 0.0, rng.uniform(0.4, 1, 60)), seed=seed)
        fitted = fit_raters(table, model="lapse")
        wrong += sum(finding.count for finding in fitted.findings if finding.code == "raters.adversarial")
    assert wrong <= 3  # of 600 raters, 180 of whom answer at random


def test_naming_holds_its_rate() -> None:
    assert list(named(np.array([0.2, 0.99, 0.97, 0.5]))) == [1, 2]
    assert len(named(np.array([0.1, 0.94]))) == 0
    p = np.array([1.0] * 19 + [0.1])
    assert (1 - p[named(p)]).mean() <= ERROR_RATE


def test_leans_are_found_where_the_order_is_known() -> None:
    table, _, _ = crowd(np.full(60, 0.8), shown=True, lean=0.7)
    fitted = fit_raters(table)
    assert fitted.model["lean"] == pytest.approx(0.7, abs=0.15)
    assert all(rater.lean is not None and rater.lean.interval is not None for rater in fitted.raters)
    unordered, _, _ = crowd(np.full(60, 0.8))
    assert fit_raters(unordered).raters[0].lean is None


def test_swapping_candidates_changes_nothing_where_the_order_is_unknown() -> None:
    table = small(shown=False)
    turned = table.frame.with_columns(
        systems=pl.col("systems").list.reverse(),
        outputs=pl.col("outputs").list.reverse(),
        choice=pl.col("choice").cast(pl.String).replace({"first": "second", "second": "first"}),
    )
    one, other = fit_raters(table), fit_raters(Table.shaped(turned))
    np.testing.assert_allclose(one.items.mean, other.items.mean, atol=1e-6)
    np.testing.assert_allclose(one.predict(table).log_prob, other.predict(Table.shaped(turned)).log_prob, atol=1e-6)


def test_predictions_know_their_rater() -> None:
    true = np.concatenate([np.full(30, 0.95), np.full(10, -0.9)])
    table, _, _ = crowd(true, votes=80)
    fitted = fit_raters(table)
    sure = comparisons([("00", "01", "first")] * 3, rater=["r000", "r035", "nobody"])
    p = fitted.predict(sure).probability
    assert (p[0] - 0.5) * (p[1] - 0.5) < 0
    assert abs(p[2] - 0.5) < abs(p[0] - 0.5)
    found = fitted.predict(comparisons([("00", "01", "first"), ("00", "new", "first")]))
    assert found.log_prob[0] == pytest.approx(np.log(found.probability[0]))
    assert np.isnan(found.log_prob[1])
    assert sum(found.unpredicted.values()) == 1


def test_predicted_outcomes_sum_to_one() -> None:
    table = small()
    fitted = fit_raters(table)
    row = table.frame.head(1)
    total = 0.0
    for choice in ("first", "second", "tie"):
        one = Table.shaped(row.with_columns(choice=pl.lit(choice, row.schema["choice"])))
        total += float(np.exp(fitted.predict(one).log_prob[0]))
    assert total == pytest.approx(1.0, abs=1e-9)


def test_one_rater_cannot_be_placed() -> None:
    table, _, _ = crowd(np.array([0.8]), votes=100, items=5)
    fitted = fit_raters(table)
    assert "raters.one" in {finding.code for finding in fitted.findings}
    assert fitted.raters[0].reliability.interval is None
    assert not fitted.raters[0].accuracy.identified


def test_raters_apart_are_named() -> None:
    table, _, _ = crowd(np.full(8, 0.8), votes=30, items=5)
    apart = comparisons([("x", "y", "first"), ("y", "z", "first"), ("z", "x", "second")] * 5, rater=["alone"] * 15)
    fitted = fit_raters(Table.concat([table, apart]))
    [found] = [finding for finding in fitted.findings if finding.code == "raters.apart"]
    assert found.examples == ("alone",)
    assert not fitted.by_id["alone"].accuracy.identified
    assert [name for name, own in zip(fitted.items.names, fitted.items.identified, strict=True) if not own] == [*"xyz"]


def test_what_is_not_fitted_is_counted() -> None:
    table, _, _ = crowd(np.full(6, 0.8), items=4)
    both = Table.concat([table, Table.of([record("rating", ["00"], "r000", rating=3.0, scale=(1, 5))])])
    [found] = [finding for finding in fit_raters(both).findings if finding.code == "fit.not_used"]
    assert found.count == 1


def test_degrees_are_said_to_be_unread_and_their_votes_are_used() -> None:
    """Sources that ask for degrees give votes of their own kind, or are read by choice: all are counted together."""
    table, _, _ = crowd(np.full(6, 0.8), items=4)
    rows = np.arange(len(table.frame))
    plain = fit_raters(table)
    for degree in (1.0 + rows % 2, 1.0 + rows % 2 + 0.001 * rows):
        graded = Table.shaped(table.frame.with_columns(degree=pl.Series(degree)))
        fitted = fit_raters(graded)
        np.testing.assert_allclose(fitted.items.mean, plain.items.mean, atol=1e-6)
        codes = {finding.code: finding for finding in fitted.findings}
        assert "fit.not_used" not in codes
        assert codes["raters.degrees_unread"].count == len(rows)
        assert not fitted.predict(graded).unpredicted


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(FitError, match="names its rater"):
        fit_raters(comparisons([("a", "b", "first"), ("b", "a", "first")]))
    with pytest.raises(FitError, match="no comparison"):
        fit_raters(Table.of([record("label", ["a"], "r", label=True)]))
    for options in ({"model": "other"}, {"clusters": "atuo"}, {"draws": 0}, {"seed": -1}):
        with pytest.raises(UsageError):
            fit_raters(comparisons([("a", "b", "first")], rater=["r"]), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        fit_raters(small())([Item(system="new")])


def test_a_fit_repeats_and_converges() -> None:
    one, other = fit_raters(small()), fit_raters(small())
    np.testing.assert_array_equal(one.items.draws, other.items.draws)
    assert one.raters == other.raters
    votes = rater_votes(small(), "overall", None)
    mode = maximise(Marginal(votes, Types.grid("lapse", 15, 1), 1.0))
    assert mode.converged
    step = np.linalg.solve(mode.model.information(mode.x), mode.model.value(mode.x)[1])
    assert np.abs(step).max() < 1e-2


def test_intervals_cover_each_rater() -> None:
    covered, total = 0, 0
    for seed in range(6):
        true = np.random.default_rng(seed).uniform(0.2, 1, 80)
        table, _, _ = crowd(true, seed=seed)
        for rater, truth in zip(fit_raters(table, model="lapse").raters, true, strict=True):
            interval = rater.reliability.interval
            assert interval is not None
            assert interval.promise == "at least"
            covered += interval.low <= truth <= interval.high
            total += 1
    assert covered / total > 0.93
