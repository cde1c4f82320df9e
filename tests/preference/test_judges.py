"""Judges beside people: they help to place people's utilities, and do not move them to their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from heedful.feedback import Rater, Table
from heedful.preference import FittedPosterior, fit, load
from heedful.preference.observations import judges_beside_people, observe

from .votes import comparisons, drawn_comparisons, record

PEOPLE = np.linspace(-1.2, 1.2, 10)


def judged(people: int, judge: int, deviation: np.ndarray, sharpness: float = 1.0, seed: int = 0) -> Table:
    """Votes of many people who want PEOPLE, and of one model judge who wants PEOPLE + deviation."""
    rng = np.random.default_rng(seed)
    votes = drawn_comparisons(PEOPLE, people, rng, log_tie=-1.0)
    votes += drawn_comparisons(sharpness * (PEOPLE + deviation), judge, rng, log_tie=0.5)
    return comparisons(
        votes,
        rater=[f"person {row}" for row in range(people)] + ["gpt"] * judge,
        rater_kind=["person"] * people + ["model"] * judge,
    )


def error(fitted: FittedPosterior) -> float:
    return float(np.sqrt(np.mean((fitted.mean - PEOPLE) ** 2)))


def test_judges_get_instruments_of_their_own_only_beside_people() -> None:
    table = judged(50, 50, np.zeros(10))
    assert judges_beside_people(table, "overall") == {"gpt": "gpt"}
    seen = observe(table, "overall", apart={"gpt": "gpt"})
    assert list(seen.instruments) == ["comparison", "comparison, judged by gpt"]
    assert seen.judged == {"comparison, judged by gpt": "gpt"}
    judge_alone = Table(table.frame.filter(table.column("rater") == "gpt"))
    assert judges_beside_people(judge_alone, "overall") == {}


def test_many_judges_are_one_but_for_the_most_frequent() -> None:
    judges = [f"judge {number}" for number in range(8) for _ in range(8 - number)]
    votes = drawn_comparisons(PEOPLE, len(judges) + 10, np.random.default_rng(0))
    kinds = ["model"] * len(judges) + ["person"] * 10
    table = comparisons(votes, rater=judges + [f"p{row}" for row in range(10)], rater_kind=kinds)
    taken = judges_beside_people(table, "overall")
    assert [taken[f"judge {number}"] for number in range(4)] == [f"judge {number}" for number in range(4)]
    assert {taken[f"judge {number}"] for number in range(4, 8)} == {"other judges"}
    seen = observe(table, "overall", apart=taken)
    assert len(seen.instruments["comparison, judged by other judges"].row) == 4 + 3 + 2 + 1


def test_a_judge_who_agrees_helps_as_much_as_people_and_one_who_deviates_does_not_mislead() -> None:
    deviation = np.random.default_rng(1).normal(size=10) * 0.8
    deviation -= deviation.mean()
    errors = {"agrees": [], "deviates": [], "pooled": [], "people": []}  # type: ignore[var-annotated]
    for seed in range(12):
        agrees, deviates = judged(300, 3000, np.zeros(10), seed=seed), judged(300, 3000, deviation, seed=seed)
        people = Table(agrees.frame.filter(agrees.column("rater") != "gpt"))
        errors["agrees"].append(error(fit(agrees)))
        errors["deviates"].append(error(fit(deviates)))
        errors["pooled"].append(error(fit(deviates, judges="pooled")))
        errors["people"].append(error(fit(people)))
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert mean["agrees"] < 0.6 * mean["people"]
    assert mean["deviates"] < mean["people"]
    assert mean["pooled"] > 1.4 * mean["people"]


def test_the_width_and_the_sharpness_of_a_judge_are_recovered() -> None:
    deviation = np.random.default_rng(2).normal(size=10) * 0.6
    deviation -= deviation.mean()
    deviation -= PEOPLE * (PEOPLE @ deviation) / (PEOPLE @ PEOPLE)  # what lies along u reads as sharpness
    fitted = fit(judged(40_000, 40_000, deviation, sharpness=2.0))
    # Deviations are in the judge's own units. The width is a mean over what nine of them leave open.
    assert fitted.model["widths"]["comparison, judged by gpt"] == pytest.approx(2 * deviation.std(), rel=0.4)
    assert fitted.model["discrimination"]["comparison, judged by gpt"] == pytest.approx(2.0, rel=0.1)
    alike = fit(judged(40_000, 40_000, np.zeros(10)))
    assert alike.model["widths"]["comparison, judged by gpt"] < 0.1


def test_intervals_hold_beside_a_judge_who_deviates() -> None:
    covered = []
    for seed in range(60):
        deviation = np.random.default_rng([3, seed]).normal(size=10) * 0.5
        fitted = fit(judged(400, 2000, deviation - deviation.mean(), seed=seed), draws=2)
        assert fitted.covariance is not None
        covered.append(np.abs(fitted.mean - PEOPLE) < 1.96 * np.sqrt(np.diag(fitted.covariance)))
    # 600 intervals, correlated within a set.
    assert 0.915 < np.mean(covered) < 0.975


def test_votes_of_a_judge_are_predicted_as_the_judge_votes() -> None:
    deviation = np.where(np.arange(10) % 2, 1.5, -1.5)
    fitted = fit(judged(3000, 3000, deviation))
    fresh = judged(500, 2000, deviation, seed=9)
    by_judge = Table(fresh.frame.filter(fresh.column("rater") == "gpt"))
    renamed = Table(by_judge.frame.with_columns(rater=by_judge.column("rater").replace("gpt", "somebody")))
    own, as_people = fitted.predict(by_judge).log_prob.mean(), fitted.predict(renamed).log_prob.mean()
    assert own > as_people + 0.1


def test_judges_survive_saving(tmp_path: Path) -> None:
    table = judged(300, 300, np.zeros(10))
    fitted = fit(table)
    fitted.save(tmp_path)
    again = load(tmp_path)
    assert again.model == fitted.model
    np.testing.assert_array_equal(again.predict(table).log_prob, fitted.predict(table).log_prob)


def test_free_items_with_a_prior_are_the_penalised_maximum() -> None:
    votes = drawn_comparisons(np.linspace(-1, 1, 4), 60, np.random.default_rng(4))
    fitted = fit(comparisons(votes), prior_sd=0.7)
    index = {name: i for i, name in enumerate(fitted.names)}
    pairs = np.array([[index[a], index[b]][:: 1 if choice == "first" else -1] for a, b, choice in votes])

    def loss(u: np.ndarray) -> float:
        return float(-np.log(expit(u[pairs[:, 0]] - u[pairs[:, 1]])).sum() + (u**2).sum() / (2 * 0.7**2))

    np.testing.assert_allclose(fitted.mean, minimize(loss, np.zeros(4), tol=1e-10).x, atol=1e-5)


def test_the_evidence_finds_the_spread_of_items() -> None:
    utilities = np.random.default_rng(5).normal(size=150) * 0.8
    names = {f"{i:02d}": u for i, u in enumerate(utilities)}
    fitted = fit(comparisons(drawn_comparisons(utilities, 900, np.random.default_rng(6))), prior_sd="evidence")
    assert fitted.model["prior"]["sd"] == pytest.approx(0.8, rel=0.35)
    truth = np.array([names[name] for name in fitted.names])
    covered = np.abs(fitted.mean - truth) < 1.96 * np.sqrt(np.diag(fitted.covariance))  # type: ignore[arg-type]
    assert 0.9 < covered.mean() <= 1.0
    assert fitted.model["promise"] == "credible"


def test_a_judge_does_not_cost_people_their_intervals() -> None:
    """Twenty people of thirty votes each, so that raters are clusters; the judge's own terms rest on it alone."""
    rng = np.random.default_rng(3)
    votes = drawn_comparisons(PEOPLE, 600, rng, log_tie=-1.0)
    raters = [f"person {row % 20}" for row in range(600)]
    judge = drawn_comparisons(PEOPLE, 3000, rng, log_tie=0.5)
    both = comparisons(votes + judge, rater=raters + ["gpt"] * 3000, rater_kind=["person"] * 600 + ["model"] * 3000)
    alone = comparisons(votes, rater=raters, rater_kind=["person"] * 600)
    with_judge, without = fit(both), fit(alone)
    assert with_judge.covariance is not None
    assert without.covariance is not None
    assert np.isfinite(with_judge.covariance).all()
    assert (np.diag(with_judge.covariance) < np.diag(without.covariance)).mean() > 0.8


def test_people_are_never_taken_for_a_judge_by_name_and_judges_without_a_name_are_judges() -> None:
    rng = np.random.default_rng(4)
    votes = drawn_comparisons(PEOPLE, 90, rng)
    table = comparisons(
        votes,
        rater=["same"] * 60 + [None] * 30,
        rater_kind=["person"] * 30 + ["model"] * 60,  # type: ignore[list-item]
    )
    apart = judges_beside_people(table, "overall")
    assert set(apart) == {"same", "judges without a name"}
    seen = observe(table, "overall", apart=apart)
    assert {kind: len(own.row) for kind, own in seen.instruments.items()} == {
        "comparison": 30,
        "comparison, judged by judges without a name": 30,
        "comparison, judged by same": 30,
    }
    assert judges_beside_people(Table(table.frame[30:]), "overall") == {}


def test_of_a_judge_only_the_sort_with_most_votes_is_used() -> None:
    rng = np.random.default_rng(5)
    table = Table.concat(
        [
            judged(40, 60, np.zeros(10)),
            Table.of(
                record("rating", [f"{i:02d}"], rating=float(rng.integers(1, 6)), scale=(1.0, 5.0)).model_copy(
                    update={"id": f"rated {i}", "rater": Rater(id="gpt", kind="model")}
                )
                for i in range(10)
            ),
        ]
    )
    fitted = fit(table)
    assert set(fitted.model["widths"]) == {"comparison, judged by gpt"}
    (left,) = (found for found in fitted.findings if "another sort" in found.message)
    assert left.count == 10


def test_judges_of_too_many_items_are_left_out_and_counted() -> None:
    n = 1700
    people = [
        (f"{i:04d}", f"{(i + k) % n:04d}", "first" if (i + k) % 3 else "second") for k in (1, 2) for i in range(n)
    ]
    judge = [(b, a, choice) for a, b, choice in people]
    table = comparisons(
        people + judge,
        rater=[f"p{row}" for row in range(2 * n)] + ["gpt"] * (2 * n),
        rater_kind=["person"] * (2 * n) + ["model"] * (2 * n),
    )
    fitted = fit(table, draws=2)
    (left,) = (found for found in fitted.findings if "more deviations from people" in found.message)
    assert left.count == 2 * n
    np.testing.assert_allclose(fitted.mean, fit(Table(table.frame[: 2 * n]), draws=2).mean, atol=1e-8)
