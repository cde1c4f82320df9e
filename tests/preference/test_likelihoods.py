"""Each likelihood sums to one over all outcomes, and its derivatives are those of its value."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from heedful.preference.choices import ChoiceModel, Choices, subset_moments, subset_sums
from heedful.preference.deviations import Deviating
from heedful.preference.grades import GradeModel, Scale
from heedful.preference.likelihoods import dense_information
from heedful.preference.observations import Comparisons, Grades, Selections
from heedful.preference.own_scales import OwnScales, own_scales
from heedful.preference.pairs import PairModel, Pairs
from heedful.preference.stages import UNRANKED, pick_stages, ranking_stages

N = 5


def comparisons(seed: int = 0, degrees: tuple[float, ...] = (1.0,), ties: bool = True, votes: int = 60) -> Comparisons:
    rng = np.random.default_rng(seed)
    first = rng.integers(N, size=votes)
    second = (first + rng.integers(1, N, size=votes)) % N
    outcomes = [*degrees, *(-d for d in degrees), *([0.0] if ties else [])]
    row = rng.permutation(votes)
    return Comparisons(row, first, second, rng.choice(outcomes, size=votes), rng.choice([1.0, 0.25], size=votes))


def selections(seed: int = 0, ties: bool = True, votes: int = 40, signed: bool = False) -> Selections:
    rng = np.random.default_rng(seed)
    members = np.array([rng.permutation(N)[:4] for _ in range(votes)])
    members[: votes // 3, 3] = -1
    chosen = np.zeros(members.shape, bool)
    chosen[np.arange(votes), rng.integers(3, size=votes)] = True
    if ties:
        chosen[: votes // 2, 0] = True
        chosen[: votes // 8, 1] = True
    sign = rng.choice([1.0, -1.0], size=votes) if signed else None
    return Selections(rng.integers(votes, size=votes), members, chosen & (members >= 0), sign)


def grades(seed: int = 0, levels: int = 4, votes: int = 50) -> Grades:
    rng = np.random.default_rng(seed)
    value = np.concatenate([np.arange(levels), rng.integers(levels, size=votes - levels)]).astype(np.float64)
    return Grades(np.arange(votes), rng.integers(N, size=votes), value)


def by_raters(levels: int, votes: int = 50) -> Any:
    rated = replace(grades(levels=levels, votes=votes), rater=np.random.default_rng(3).integers(5, size=votes))
    return own_scales("rating", rated, N, "abcde")


BASIS = np.random.default_rng(9).normal(size=(N, 3))
MADE: dict[str, Any] = {
    "bradley-terry": lambda: Pairs.of("comparison", comparisons(ties=False), N),
    "davidson": lambda: Pairs.of("comparison", comparisons(), N),
    "degrees": lambda: Pairs.of("comparison with degree", comparisons(degrees=(1.0, 2.0, 3.5)), N),
    "degrees without ties": lambda: Pairs.of("comparison with degree", comparisons(degrees=(1.0, 2.0), ties=False), N),
    "softmax": lambda: Choices.of("best of", selections(ties=False), N),
    "davidson-luce": lambda: Choices.of("ranking", selections(), N),
    "best and worst": lambda: Choices.of("best of", selections(ties=False, signed=True), N),
    "best and worst with ties": lambda: Choices.of("best of", selections(signed=True), N),
    "labels": lambda: Scale.of("label", grades(levels=2), N),
    "ratings": lambda: Scale.of("rating", grades(), N),
    "labels by raters": lambda: by_raters(2),
    "ratings by raters": lambda: by_raters(4),
    "deviating comparisons": lambda: Deviating(MADE["davidson"](), 0.5, N),
    "comparisons deviating by features": lambda: Deviating(MADE["davidson"](), 0.5, 3, BASIS),
    "deviating choices": lambda: Deviating(MADE["davidson-luce"](), 0.5, N),
    "comparisons deviating by factors": lambda: Deviating(MADE["degrees"](), 0.5, 2, BASIS[:, :2]),
}


def point(likelihood: Any, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    nuisance = rng.normal(size=len(likelihood.nuisances))
    grades = likelihood.inner if isinstance(likelihood, OwnScales) else likelihood
    if isinstance(grades, Scale):  # thresholds rise
        nuisance[: len(grades.nuisances)].sort()
    return rng.normal(size=N), nuisance


@pytest.mark.parametrize("name", MADE)
def test_gradient_and_information_are_derivatives_of_the_value(name: str) -> None:
    likelihood = MADE[name]()
    assert likelihood is not None
    u, c = point(likelihood)
    x, step = np.concatenate([u, c]), 1e-5

    def at(x: np.ndarray) -> Any:
        return likelihood.terms(x[:N], x[N:])

    def gradient(x: np.ndarray) -> np.ndarray:
        terms = at(x)
        return np.concatenate([terms.gradient, terms.nuisance_gradient])

    terms = at(x)
    basis = np.eye(len(x)) * step
    by_value = np.array([(at(x + e).value - at(x - e).value) / (2 * step) for e in basis])
    np.testing.assert_allclose(gradient(x), by_value, rtol=1e-6, atol=1e-6)
    by_gradient = np.array([(gradient(x + e) - gradient(x - e)) / (2 * step) for e in basis])
    information = np.block([[dense_information(terms), terms.cross], [terms.cross.T, terms.nuisance_information]])
    np.testing.assert_allclose(information, -by_gradient, rtol=1e-6, atol=1e-6)


def test_grades_by_raters_are_the_cumulative_logit_of_each_rater() -> None:
    """Against the formula vote by vote, and against common thresholds where no rater differs."""
    likelihood = by_raters(4)
    u, c = point(likelihood)
    inner, t, b, s = likelihood.inner, c[:3], c[3:8], c[8:]
    middle, total = t.mean(), 0.0
    for item, rater, level in zip(inner.items[inner.place], inner.rater[inner.place], inner.level, strict=True):
        own = np.concatenate([[-np.inf], middle + b[rater] + np.exp(s[rater]) * (t - middle), [np.inf]])
        total += np.log(expit(own[level + 1] - u[item]) - expit(own[level] - u[item]))
    assert likelihood.terms(u, c).value == pytest.approx(total, rel=1e-12)
    alike = np.append(t, np.zeros(10))
    assert likelihood.terms(u, alike).value == pytest.approx(MADE["ratings"]().terms(u, t).value, rel=1e-12)


@pytest.mark.parametrize("name", MADE)
def test_scores_add_up_to_the_gradient_record_by_record(name: str) -> None:
    likelihood = MADE[name]()
    u, c = point(likelihood)
    terms = likelihood.terms(u, c)
    rows, columns, values = likelihood.scores(u, c)
    summed = np.bincount(columns, values, N + len(c))
    np.testing.assert_allclose(summed, np.concatenate([terms.gradient, terms.nuisance_gradient]), atol=1e-10)
    # One record's part is the gradient of the likelihood of that record alone, at the same parameters.
    assert set(rows.tolist()) <= set(likelihood.row.tolist())


@pytest.mark.parametrize("name", MADE)
def test_no_probability_changes_along_the_gauge(name: str) -> None:
    likelihood = MADE[name]()
    u, c = point(likelihood)
    moved = likelihood.terms(u + 1.7, c + 1.7 * likelihood.shift)
    assert moved.value == pytest.approx(likelihood.terms(u, c).value, abs=1e-9)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("degrees", [(1.0,), (1.0, 2.0, 3.0)])
def test_pair_outcomes_sum_to_one_and_mirror(degrees: tuple[float, ...], ties: bool) -> None:
    model = PairModel(np.array(degrees), ties)
    nuisance = np.random.default_rng(2).normal(size=len(model.nuisances))
    difference = np.array([-3.0, -0.4, 0.0, 2.0])
    p = np.exp(model.log_prob(difference, nuisance))
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.exp(model.log_prob(-difference, nuisance)), p[::-1], rtol=1e-14)


def test_pair_model_is_bradley_terry_and_davidson() -> None:
    delta, nu = 0.8, 0.6
    plain = np.exp(PairModel(np.ones(1), False).log_prob(np.array([delta]), np.zeros(0)))[:, 0]
    np.testing.assert_allclose(plain, [1 / (1 + np.exp(delta)), 1 / (1 + np.exp(-delta))], rtol=1e-14)
    # Davidson (1970): pi_1 / (pi_1 + pi_2 + nu sqrt(pi_1 pi_2)) with pi = exp(u).
    one, two = np.exp(delta), 1.0
    whole = one + two + nu * np.sqrt(one * two)
    davidson = np.exp(PairModel(np.ones(1), True).log_prob(np.array([delta]), np.log([nu])))[:, 0]
    np.testing.assert_allclose(davidson, np.array([two, nu * np.sqrt(one * two), one]) / whole, rtol=1e-14)


@pytest.mark.parametrize("orders", [(1,), (1, 2), (1, 2, 3), (2, 4)])
def test_choices_sum_to_one(orders: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    model, u = ChoiceModel(orders), rng.normal(size=4) * 2
    nuisance = rng.normal(size=len(model.nuisances))
    total = 0.0
    for order in orders:
        for subset in combinations(range(4), order):
            chosen = np.isin(np.arange(4), subset).astype(np.float64)
            total += np.exp(model.log_prob(u, chosen, nuisance))
    assert total == pytest.approx(1.0, abs=1e-13)


def log_prob(stages: Selections, u: np.ndarray, nuisance: np.ndarray, model: ChoiceModel) -> float:
    """Of all stages together."""
    utilities = np.where(stages.members >= 0, stages.signs[:, None] * u[stages.members], -np.inf)
    return float(model.log_prob(utilities, stages.chosen.astype(float), np.tile(nuisance, (len(utilities), 1))).sum())


def test_rankings_with_ties_sum_to_one() -> None:
    """All 13 weak orders of three items, each as the sequence of choices it is fitted as."""
    rng = np.random.default_rng(4)
    u, nuisance, model = rng.normal(size=3), rng.normal(size=2), ChoiceModel((1, 2, 3))
    orders = {tuple(np.unique(ranks, return_inverse=True)[1] + 1) for ranks in product((1, 2, 3), repeat=3)}
    assert len(orders) == 13
    total = 0.0
    for ranks in orders:
        stages = ranking_stages(np.zeros(1, np.intp), np.arange(3)[None], np.array([ranks]))
        total += np.exp(log_prob(stages, u, nuisance, model))
    assert total == pytest.approx(1.0, abs=1e-13)


def test_strict_rankings_are_plackett_luce() -> None:
    u, model = np.array([0.3, -1.0, 0.9]), ChoiceModel((1,))
    for order in permutations(range(3)):
        ranks = np.argsort(order)[None] + 1
        stages = ranking_stages(np.zeros(1, np.intp), np.arange(3)[None], ranks)
        got = log_prob(stages, u, np.zeros(0), model)
        left, wanted = list(order), 0.0
        for item in order:
            wanted += u[item] - np.log(np.exp(u[left]).sum())
            left.remove(item)
        assert got == pytest.approx(wanted, abs=1e-13)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_rankings_of_the_best_are_sums_over_all_rankings_that_begin_so(k: int) -> None:
    """Plackett-Luce over all 24 orders of four items, without the code under test, against stages that stop."""
    u = np.random.default_rng(7).normal(size=4)
    begin: dict[tuple[int, ...], float] = {}
    for order in permutations(range(4)):
        p = np.prod([np.exp(u[item]) / np.exp(u[list(order[place:])]).sum() for place, item in enumerate(order)])
        begin[order[:k]] = begin.get(order[:k], 0.0) + float(p)
    for top, wanted in begin.items():
        ranks = np.full((1, 4), UNRANKED)
        ranks[0, list(top)] = np.arange(k)
        stages = ranking_stages(np.zeros(1, np.intp), np.arange(4)[None], ranks)
        assert len(stages.row) == k
        assert np.exp(log_prob(stages, u, np.zeros(0), ChoiceModel((1,)))) == pytest.approx(wanted, abs=1e-14)


def test_rankings_of_the_best_with_ties_are_sums_over_all_weak_orders_that_begin_so() -> None:
    rng = np.random.default_rng(8)
    u, nuisance, model = rng.normal(size=4), rng.normal(size=3), ChoiceModel((1, 2, 3, 4))
    weak = {tuple(np.unique(ranks, return_inverse=True)[1] + 1) for ranks in product((1, 2, 3, 4), repeat=4)}
    assert len(weak) == 75
    for best in ({2}, {0, 3}, {0, 1, 2}):
        whole = [ranks for ranks in weak if {item for item in range(4) if ranks[item] == 1} == best]
        cut = np.array([[1 if item in best else UNRANKED for item in range(4)]])
        by_stages = [
            ranking_stages(np.zeros(1, np.intp), np.arange(4)[None], ranks)
            for ranks in (*np.array(whole)[:, None], cut)
        ]
        *parts, got = (np.exp(log_prob(stages, u, nuisance, model)) for stages in by_stages)
        assert got == pytest.approx(sum(parts), abs=1e-14)


def test_best_and_worst_are_chosen_in_turn() -> None:
    """All 12 pairs of best and worst of four: e^u in choosing the best, e^−u in choosing the worst from the rest."""
    u, model, marginal = np.random.default_rng(10).normal(size=4), ChoiceModel((1,)), np.zeros(4)
    for best, worst in permutations(range(4), 2):
        rest = np.exp(-np.delete(u, best)).sum()
        wanted = np.exp(u[best]) / np.exp(u).sum() * np.exp(-u[worst]) / rest
        stages = pick_stages(np.zeros(1, np.intp), np.arange(4)[None], np.array([best]), np.array([worst]))
        got = np.exp(log_prob(stages, u, np.zeros(0), model))
        assert got == pytest.approx(wanted, abs=1e-14)
        marginal[best] += got
    np.testing.assert_allclose(marginal, np.exp(u) / np.exp(u).sum(), atol=1e-14)
    assert marginal.sum() == pytest.approx(1.0, abs=1e-14)


def test_best_and_worst_of_three_are_a_ranking_and_of_two_a_choice() -> None:
    u, model, row = np.array([0.5, -0.3, 0.1]), ChoiceModel((1,)), np.zeros(1, np.intp)
    for best, worst in permutations(range(3), 2):
        ranks = np.full((1, 3), 2)
        ranks[0, [best, worst]] = 1, 3
        picked = pick_stages(row, np.arange(3)[None], np.array([best]), np.array([worst]))
        ranked = ranking_stages(row, np.arange(3)[None], ranks)
        got, wanted = (log_prob(stages, u, np.zeros(0), model) for stages in (picked, ranked))
        assert got == pytest.approx(wanted, abs=1e-14)
    assert len(pick_stages(row, np.arange(2)[None], row, row + 1).row) == 1


def test_two_item_choice_with_ties_is_davidson() -> None:
    u, log_nu = np.array([0.4, -0.7]), np.array([-0.3])
    pair = PairModel(np.ones(1), True).log_prob(np.array([u[0] - u[1]]), log_nu)[:, 0]
    model = ChoiceModel((1, 2))
    chosen = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    got = [model.log_prob(u, row, log_nu) for row in chosen]
    np.testing.assert_allclose(got, pair, atol=1e-14)


def test_subset_moments_are_sums_over_subsets() -> None:
    weights = np.random.default_rng(5).random((2, 5))
    for order in (1, 2, 3, 5):
        subsets = [list(subset) for subset in combinations(range(5), order)]
        products = np.array([weights[:, subset].prod(axis=1) for subset in subsets]).T
        holds = np.array([np.isin(np.arange(5), subset) for subset in subsets]).astype(float)
        total, one, two = subset_moments(weights, order)
        np.testing.assert_allclose(total, products.sum(axis=1), rtol=1e-13)
        np.testing.assert_allclose(subset_sums(weights, order), total, rtol=1e-13)
        np.testing.assert_allclose(one, products @ holds, rtol=1e-13)
        np.testing.assert_allclose(two, np.einsum("st,ti,tj->sij", products, holds, holds), rtol=1e-13)


def test_grades_sum_to_one_and_keep_far_tails() -> None:
    model = GradeModel.of(np.array([1.0, 2.0, 3.0, 5.0]))
    thresholds = np.array([-1.0, 0.2, 3.0])
    log_p = model.log_prob(np.array([-2.0, 0.0, 60.0]), thresholds)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=-1), 1.0, rtol=1e-13)
    # σ(t − u) ≈ e^{t − u} far out, which a difference of two σ near 1 would lose.
    assert log_p[2, 0] == pytest.approx(-61.0, abs=1e-12)
    assert log_p[2, 1] == pytest.approx(np.log(np.exp(0.2) - np.exp(-1.0)) - 60, abs=1e-12)


def test_many_values_become_bins_that_cover_the_scale() -> None:
    values = np.random.default_rng(6).random(1000) * 100
    model = GradeModel.of(values)
    assert model.binned
    level = model.level(np.append(values, [-5.0, 105.0]))
    assert level.min() == 0
    counts = np.bincount(level)
    assert len(counts) == 10
    assert counts.min() > 80
    assert (np.diff(level[np.argsort(np.append(values, [-5.0, 105.0]))]) >= 0).all()


def test_values_never_rated_have_no_level() -> None:
    model = GradeModel.of(np.array([1.0, 1.0, 3.0]))
    assert model.level(np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [0, -1, 1, -1]


def test_votes_that_all_say_the_same_say_nothing() -> None:
    one = np.zeros(2, np.intp)
    assert Pairs.of("comparison", Comparisons(np.arange(2), one, one + 1, np.zeros(2), np.ones(2)), 2) is None
    assert Scale.of("label", Grades(np.arange(2), one, np.ones(2)), 2) is None
    everything = Selections(np.arange(2), np.array([[0, 1], [0, 1]]), np.ones((2, 2), bool))
    assert Choices.of("ranking", everything, 2) is None
