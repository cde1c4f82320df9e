"""General preferences: exact derivatives, cycles found again, a test that keeps its level, cycles with intervals."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from heedful.core import Floats, InputError, Item, UsageError
from heedful.core.contracts import PotentialContract, PreferenceContract
from heedful.models import TableModel
from heedful.preference.against import against
from heedful.preference.cycles import strongest_cycles
from heedful.preference.general import NUISANCE_SD, GeneralPreference, Objective, fit_general
from heedful.preference.inference import Problem, maximise
from heedful.preference.people import PairVotes
from heedful.preference.scalar_test import scalar_is_enough

from .people_votes import answers, questions

N = 6
ITEMS = [Item(system=str(i)) for i in range(N)]


def wheel(strength: float, items: int = N) -> Floats:
    """A skew-symmetric matrix of one rotation block: items on a circle, each ahead of those after it."""
    angle = np.arange(items) * 2 * np.pi / items
    return strength * np.sin(angle - angle[:, None])


def cyclic(
    seed: int,
    strength: float,
    *,
    raters: int = 40,
    each: int = 15,
    tie: float = 0.4,
    prompt_sd: float = 0.0,
) -> tuple[Floats, PairVotes]:
    """Margins [n, n] and votes; with `prompt_sd` a rater has a leaning of its own on every pair."""
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=N)
    margin = utility[:, None] - utility + wheel(strength)
    rater, first, second = questions(raters, each, N, rng)
    own = rng.normal(size=(raters, N, N)) * prompt_sd
    leaning = own[rater, first, second] - own[rater, second, first]
    outcome = answers(margin[first, second] + leaning, tie, rng)
    return margin, PairVotes.from_arrays(rater, first, second, outcome, items=N, ties=tie > 0)


@cache
def fitted() -> GeneralPreference:
    return fit_general(cyclic(0, 1.5, raters=100, each=30)[1], skew_sd=1.0)


class TestGeneralPreference(PreferenceContract):
    def make(self) -> GeneralPreference:
        return fitted()

    def items(self) -> list[Item]:
        return ITEMS


class TestAgainstAPolicy(PotentialContract):
    def make(self) -> object:
        return fitted().against({ITEMS[0]: 1.0, ITEMS[3]: 2.0}, name="two of them")

    def items(self) -> list[Item]:
        return ITEMS


@pytest.mark.parametrize("blocks", [0, 1, 2])
@pytest.mark.parametrize("features", [False, True])
def test_gradient_and_information_are_derivatives_of_the_value(blocks: int, features: bool) -> None:
    rng = np.random.default_rng(0)
    _, votes = cyclic(1, 1.0, raters=8)
    votes = replace(votes, design=rng.normal(size=(N, 4))) if features else votes
    objective, step = Objective(votes, blocks, 2.0, 0.7), 1e-5
    x = rng.normal(size=len(objective.precision)) / 2
    gradient, information = objective.gradient_and_information(x)
    around = [(x + e, x - e) for e in step * np.eye(len(x))]
    by_value = [(objective.value(a) - objective.value(b)) / (2 * step) for a, b in around]
    np.testing.assert_allclose(gradient, by_value, atol=1e-6)
    gradients = [[objective.gradient_and_information(y)[0] for y in pair] for pair in around]
    np.testing.assert_allclose(information, [(b - a) / (2 * step) for a, b in gradients], atol=1e-6)


def test_cycles_are_found_again() -> None:
    margin, _ = cyclic(0, 1.5, raters=100, each=30)
    found = fitted()
    for i in range(N):
        for j in range(N):
            assert found.prefer([ITEMS[i]], [ITEMS[j]])[0] == pytest.approx(expit(margin[i, j]), abs=0.1)
    assert found.margin(ITEMS[:1], ITEMS[1:2]) == pytest.approx(-found.margin(ITEMS[1:2], ITEMS[:1]))
    np.testing.assert_allclose(found.weights.sum(), 0.0, atol=1e-10)  # free items: what is cyclic is apart
    np.testing.assert_allclose(found.factors.sum(axis=-1), 0.0, atol=1e-10)


def test_no_cycle_is_invented() -> None:
    """Chosen on held-out raters, the skew part vanishes where utilities are scalar: a scalar fit is what remains."""
    _, votes = cyclic(3, 0.0)
    found, scalar = fit_general(votes), fit_general(votes, blocks=0)
    gap = [abs(found.margin([a], [b])[0] - scalar.margin([a], [b])[0]) for a in ITEMS for b in ITEMS]
    assert max(gap) < 0.15
    assert fit_general(cyclic(3, 1.5, raters=60)[1]).model["blocks"] == 1


def test_without_blocks_it_is_the_davidson_fit() -> None:
    _, votes = cyclic(2, 0.0)
    general = fit_general(votes, blocks=0, utility_sd=1e4)
    precision = np.append(np.full(N, 1e-8), NUISANCE_SD**-2)
    optimum = maximise(Problem((votes.weighted(np.ones(len(votes.raters))),), N, precision=precision))
    np.testing.assert_allclose(general.weights, optimum.point.x[:N], atol=1e-4)


def test_a_skew_form_of_features_is_found_again() -> None:
    rng = np.random.default_rng(5)
    design = rng.normal(size=(60, 3))
    form = np.array([[0.0, 1.2, 0.0], [-1.2, 0.0, 0.5], [0.0, -0.5, 0.0]])
    margin = (design @ [0.5, -0.3, 0.0])[:, None] - design @ [0.5, -0.3, 0.0] + design @ form @ design.T
    rater, first, second = questions(100, 60, 60, rng)
    outcome = answers(margin[first, second], 0.3, rng)
    votes = PairVotes.from_arrays(rater, first, second, outcome, items=60, design=design)
    objective = Objective(votes, 1, 2.5, 1.0)
    x, converged = objective.maximise(objective.start(rng))
    assert converged
    w, factors, _ = objective.split(x)
    a, c = factors[0]
    np.testing.assert_allclose(np.outer(a, c) - np.outer(c, a), form, atol=0.15)
    np.testing.assert_allclose(w, [0.5, -0.3, 0.0], atol=0.15)
    assert scalar_is_enough(votes, replicates=99).p_value == 0.01
    assert scalar_is_enough(votes, replicates=99).dimension == 3


def test_against_a_policy_of_texts_is_its_mean() -> None:
    base = TableModel.of({"q": {"a": 0.25, "b": 0.75}})
    answers_of = base.support(Item.of("q").context)

    class Fixed:
        def prefer(self, first: list[Item], second: list[Item]) -> Floats:
            return np.array(
                [0.5 if a == b else (0.9 if a == answers_of[0] else 0.1) for a, b in zip(first, second, strict=True)]
            )

    found = against(Fixed(), base, name="base")(list(answers_of)).mean
    np.testing.assert_allclose(found, [0.25 * 0.5 + 0.75 * 0.9, 0.25 * 0.1 + 0.75 * 0.5])
    with pytest.raises(InputError):
        against(Fixed(), {answers_of[0]: 1.0})([Item.of("other", "a")])
    with pytest.raises(UsageError):
        against(Fixed(), object())  # type: ignore[arg-type]


@pytest.mark.parametrize(("clusters", "prompt_sd"), [("vote", 0.0), ("rater", 0.0), ("rater", 1.0)])
def test_the_test_keeps_its_level(clusters: str, prompt_sd: float) -> None:
    """150 sets: p-values are uniform, also where a rater's repeated votes on a pair go together."""
    p = [
        scalar_is_enough(
            cyclic(seed, 0.0, prompt_sd=prompt_sd, raters=60, each=30)[1],
            clusters=clusters,  # type: ignore[arg-type]
            replicates=59,
        ).p_value
        for seed in range(60 if clusters == "vote" else 150)
    ]
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert stats.binomtest(sum(value <= 0.05 for value in p), len(p), 0.05, "greater").pvalue > 1e-3


def test_the_test_sees_cycles() -> None:
    p = [scalar_is_enough(cyclic(seed, 1.0)[1], replicates=99).p_value for seed in range(20)]
    assert np.mean(np.array(p) <= 0.05) > 0.9


def test_the_dimension_is_that_of_the_cycles() -> None:
    _, votes = cyclic(0, 0.0, raters=30)
    assert scalar_is_enough(votes, replicates=9).dimension == N * (N - 1) // 2 - (N - 1)
    tree = PairVotes.from_arrays(np.arange(40), np.zeros(40, int), 1 + np.arange(40) % 3, np.ones(40), items=4)
    with pytest.raises(InputError):
        scalar_is_enough(tree)
    with pytest.raises(UsageError, match="clusters"):
        scalar_is_enough(votes.of_raters(np.arange(5)))


def test_the_strongest_cycle_is_named() -> None:
    margin, votes = cyclic(0, 2.0, raters=100, each=30)
    margin = wheel(2.0)
    seen = strongest_cycles(votes, clusters="vote", most=3, replicates=199)
    assert seen.triangles == 20
    for cycle in seen.cycles:
        a, b, c = (int(name) for name in cycle.items)
        interval = cycle.curl.interval
        assert interval is not None
        assert interval.low <= margin[a, b] + margin[b, c] + margin[c, a] <= interval.high
        assert cycle.curl.value > 0
        assert cycle.closed == (min(cycle.probability) > 0.5)
    assert seen.cycles[0].curl.interval.low > 0  # type: ignore[union-attr]


def test_intervals_hold_for_all_cycles_together() -> None:
    """100 sets at the 90 % level: no triangle of 20 misses in about nine of ten."""
    truth, held = wheel(0.6), 0
    for seed in range(100):
        _, votes = cyclic(seed, 0.6, raters=60, each=20)
        seen = strongest_cycles(votes, clusters="vote", most=100, replicates=99, level=0.9)
        held += all(
            cycle.curl.interval.low  # type: ignore[union-attr]
            <= sum(truth[int(a), int(b)] for a, b in zip(cycle.items, (*cycle.items[1:], cycle.items[0]), strict=True))
            <= cycle.curl.interval.high  # type: ignore[union-attr]
            for cycle in seen.cycles
        )
    assert stats.binomtest(held, 100, 0.9, "less").pvalue > 1e-3


def test_votes_as_clusters_need_no_table_of_votes_by_pairs() -> None:
    """12,000 votes on 780 pairs: votes times pairs would be 75 MB."""
    rng = np.random.default_rng(0)
    _, first, second = questions(1, 12_000, 40, rng)
    outcome = answers(np.zeros(len(first)), 0.4, rng)
    votes = PairVotes.from_arrays(np.arange(len(first)) % 50, first, second, outcome, items=40)
    tracemalloc.start()
    scalar_is_enough(votes, clusters="vote", replicates=9)
    strongest_cycles(votes, clusters="vote", replicates=9)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def _leaning(seed: int, votes_each: np.ndarray) -> PairVotes:
    """Of raters who lean on every pair, about items of no utility: every cycle's curl is 0."""
    rng = np.random.default_rng(seed)
    rater = np.repeat(np.arange(len(votes_each)), votes_each)
    first = rng.integers(N, size=len(rater))
    second = (first + rng.integers(1, N, size=len(rater))) % N
    own = rng.normal(size=(len(votes_each), N, N))
    margin = own[rater, first, second] - own[rater, second, first]
    return PairVotes.from_arrays(rater, first, second, answers(margin, 0.4, rng), items=N, ties=True)


def test_intervals_hold_of_few_raters_who_lean() -> None:
    """10 raters, 100 sets: without studentising anew all triangles were covered in half of them."""
    held = 0
    for seed in range(100):
        seen = strongest_cycles(_leaning(seed, np.full(10, 80)), most=100, replicates=99)
        held += all(cycle.curl.interval.low <= 0 for cycle in seen.cycles)  # type: ignore[union-attr]
    assert stats.binomtest(held, 100, 0.95, "less").pvalue > 1e-3


def test_raters_too_unequal_give_no_interval() -> None:
    seen = strongest_cycles(_leaning(0, np.r_[np.full(2, 300), np.full(18, 25)]), most=3, replicates=99)
    assert seen.cycles
    assert all(cycle.curl.interval is None and "one cluster gave 2" in cycle.curl.note for cycle in seen.cycles)


def test_pairs_with_few_votes_are_left_out_and_counted() -> None:
    _, votes = cyclic(0, 0.0, raters=12, each=3)
    seen = strongest_cycles(votes)
    assert seen.cycles == ()
    assert seen.pairs_left_out == len(votes.first)
