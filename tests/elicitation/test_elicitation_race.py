"""Races keep their error at the worst time to stop, end where one is best, and take as long as was planned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand
from scipy import stats as scipy_stats
from scipy.special import expit

from heedful.core import InputError, Item, Queries, UsageError
from heedful.elicitation import Race, Standing, plan_best, race, standing, stop_reason
from heedful.elicitation.deciding import _simulated
from heedful.elicitation.race import against
from heedful.stats import closed_rejections, coin_capital, e_process


def bradley_terry(*utility: float) -> np.ndarray:
    return expit(np.subtract.outer(utility, utility))


def voter(prefer: np.ndarray, rng: np.random.Generator, tie: float = 0.0) -> Any:
    def answer(first: int, second: int) -> str:
        return "tie" if rng.random() < tie else "first" if rng.random() < prefer[first, second] else "second"

    return answer


def test_no_best_item_goes_out_ever_even_among_equals() -> None:
    """All equal: any elimination in 150 rounds, watched after each, is false. At most 5 % of 2,000 races."""
    _, out = _simulated(np.full((2000, 5, 5), 0.5), 0.2, 0.05, 150, np.random.default_rng(0))
    assert scipy_stats.binomtest(int(out.any(axis=1).sum()), 2000, 0.05, alternative="greater").pvalue > 1e-3


def test_equal_best_ones_stay_while_others_go() -> None:
    truth = np.broadcast_to(bradley_terry(0.0, 0.0, 0.0, -1.5, -1.5), (2000, 5, 5))
    _, out = _simulated(truth, 0.0, 0.05, 150, np.random.default_rng(1))
    false = out[:, :3].any(axis=1)
    assert scipy_stats.binomtest(int(false.sum()), 2000, 0.05, alternative="greater").pvalue > 1e-3
    assert out[:, 3:].mean() > 0.95


def test_the_error_holds_against_one_who_picks_pairs_to_make_it() -> None:
    """All equal; of each race the pair is asked about again that speaks loudest, until something goes out."""
    rng, runs, k = np.random.default_rng(2), 2000, 4
    wins, log_e, out = np.zeros((runs, k, k)), np.zeros((runs, k, k)), np.zeros((runs, k), dtype=bool)
    (first, second), rows = np.triu_indices(k, 1), np.arange(runs)
    for _ in range(200):
        loud = np.maximum(log_e[:, first, second], log_e[:, second, first])
        pair = (loud + 1e-6 * rng.random(loud.shape)).argmax(axis=1)
        a, b, won = first[pair], second[pair], rng.random(runs) < 0.5
        wins[rows, a, b] += won
        wins[rows, b, a] += ~won
        for i, j in ((a, b), (b, a)):
            log_e[rows, i, j] = coin_capital(wins[rows, i, j], wins[rows, j, i])
        out |= closed_rejections(against(log_e), 0.05)
    false = int(out.any(axis=1).sum())
    assert scipy_stats.binomtest(false, runs, 0.05, alternative="greater").pvalue > 1e-3
    assert false > 0


def test_single_tests_of_pairs_throw_out_equals() -> None:
    """The control: tests of single pairs at 5 % throw out some of five equal items far more often."""
    rng, runs, k = np.random.default_rng(3), 100, 5
    first, _ = np.triu_indices(k, 1)
    coins = (rng.random((runs, len(first), 80)) < 0.5).astype(float)
    fooled = [any(max(e_process(x, 0.5).max(), e_process(1 - x, 0.5).max()) >= 20 for x in own) for own in coins]
    assert np.mean(fooled) > 0.15


def test_a_race_finds_the_best_and_stops() -> None:
    prefer = bradley_terry(1.5, 0.5, 0.0, -0.5)
    ends = [race(voter(prefer, np.random.default_rng(seed), tie=0.2), range(4)) for seed in range(20)]
    assert [end.left for end in ends] == [(0,)] * 20
    assert all(end.ask() is None for end in ends)
    equal = race(voter(np.full((3, 3), 0.5), np.random.default_rng(0)), range(3), most=60)
    assert equal.labels == 60
    assert len(equal.left) >= 2


def test_the_state_of_a_race_is_its_capital_told_in_any_order() -> None:
    told = [(0, 1, "first"), (1, 2, "tie"), (0, 2, "first"), (0, 1, "first"), (2, 1, "second")]
    forth, back = (Race.start("abc") for _ in range(2))
    for (first, second, outcome), mirrored in zip(told, reversed(told), strict=True):
        forth = forth.tell("abc"[first], "abc"[second], outcome)
        swapped = {"first": "second", "second": "first", "tie": "tie"}[mirrored[2]]
        back = back.tell("abc"[mirrored[1]], "abc"[mirrored[0]], swapped)
    np.testing.assert_allclose(forth.capital.log_e, back.capital.log_e, atol=1e-12)
    assert forth.labels == 5
    assert forth.ask() == ("a", "c")
    # Two wins and no loss: 2^3 ∫ θ² over [1/2, 1] = 7/3; one win: 3/2, one loss: 1/2; a tie: 1.
    np.testing.assert_allclose(np.exp(forth.capital.log_e[0]), [1.0, 7 / 3, 1.5], atol=1e-12)
    np.testing.assert_allclose(np.exp(against(forth.capital.log_e)[2]), (1.5 + 1.5) / 2, atol=1e-12)
    assert len(Race.start("abc").left) == 3


def test_scores_on_the_same_tasks_race_by_their_differences() -> None:
    """Tasks differ far more than items; unpaired scores would need hundreds of tasks for a difference of 0.1."""
    rng, tasks = np.random.default_rng(0), []
    for _ in range(5):
        running = Race.start("abc")
        for _ in range(400):
            hard = 0.8 * rng.random()
            running = running.score({"a": hard + 0.15, "b": hard + 0.1 * rng.random(), "c": hard + 0.2 * rng.random()})
            if len(running.left) == 1:
                break
        assert running.left == ("a",)
        tasks.append(running.asked[0, 1])
    assert np.mean(tasks) < 250


def test_scores_of_equals_throw_nobody_out() -> None:
    rng, false, runs = np.random.default_rng(4), 0, 100
    for _ in range(runs):
        running = Race.start("abc")
        for value in rng.random((60, 3)) * [0.2, 1.0, 0.6] + [0.4, 0.0, 0.2]:  # means of 1/2, unlike spreads
            running = running.score(dict(zip("abc", value.tolist(), strict=True)))
        false += len(running.left) < 3
    assert scipy_stats.binomtest(false, runs, 0.05, alternative="greater").pvalue > 1e-3


def test_a_plan_is_what_races_then_take() -> None:
    """A race's own labels, played duel by duel on other seeds: nine in ten end within the plan."""
    prefer = bradley_terry(1.5, 0.3, 0.0)
    plan = plan_best(prefer, tie=0.2, power=0.9, runs=1000)
    assert plan.labels is not None
    assert plan.median is not None
    taken = [race(voter(prefer, np.random.default_rng(900 + seed), tie=0.2), range(3)).labels for seed in range(80)]
    assert scipy_stats.binomtest(int(np.sum(np.array(taken) <= plan.labels)), 80, 0.9).pvalue > 0.01
    assert scipy_stats.binomtest(int(np.sum(np.array(taken) <= plan.median)), 80, 0.5).pvalue > 0.01
    assert plan.wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / plan.runs)
    assert plan.decided == 1.0


def test_a_plan_over_possible_truths_and_one_without_end() -> None:
    near, far = bradley_terry(0.5, 0.0, -1.0), bradley_terry(2.0, 0.0, -1.0)
    one, other = (plan_best(truth, runs=100) for truth in (near, far))
    both = plan_best(np.stack([near, far]), runs=200)
    assert one.median is not None
    assert other.labels is not None
    assert both.labels is not None
    assert other.labels < one.median < both.labels
    equal = plan_best(np.full((3, 3), 0.5), rounds=50, runs=100)
    assert equal.labels is None
    assert equal.median is None
    assert equal.wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def asked(gains: list[float], cost: list[float]) -> Queries:
    items = tuple((Item(system="a"), Item(system=f"b{n}")) for n in range(len(gains)))
    return Queries(items, (None,) * len(gains), np.array(gains), np.array(cost))


def test_what_choosing_now_would_be_worth() -> None:
    """Three draws by hand: a leads on average (mean 1), b is better once, by 2."""
    posterior = ByHand(("a", "b"), np.array([[2.0, 0.0], [2.0, 1.0], [-1.0, 1.0]]))
    assert standing(posterior, posterior.items) == Standing(posterior.items[0], pytest.approx(1 / 3), 2 / 3)
    with pytest.raises(UsageError, match="draws"):
        standing(posterior, ())


def test_reasons_to_stop() -> None:
    a, b = Item(system="a"), Item(system="b")
    sure, unsure = Standing(a, 0.01, 0.001), Standing(a, 0.3, 0.2)
    over, wrong = Race.start((a, b)), Race.start((a, b))
    for _ in range(20):
        over, wrong = over.tell(a, b, "first"), wrong.tell(a, b, "second")
    queries = asked([0.1, 0.4], [1.0, 10.0])
    assert stop_reason(queries, sure, over) == "settled"
    assert stop_reason(queries, sure) == "settled"
    assert stop_reason(queries, None, over) == "settled"
    assert stop_reason(queries, sure, Race.start((a, b))) is None, "the draws are sure, the evidence is not"
    assert stop_reason(queries, sure, wrong) is None, "the draws and the evidence disagree"
    assert stop_reason(queries, unsure, over) is None
    assert stop_reason(queries, unsure, worth=0.05) is None
    assert stop_reason(queries, unsure, worth=0.2) == "not worth asking"
    assert stop_reason(asked([0.0], [0.0])) == "not worth asking"
    assert stop_reason(asked([], []), unsure) == "nothing to ask"
    with pytest.raises(UsageError, match="worth"):
        stop_reason(queries, worth=-1.0)


def test_false_uses_are_refused() -> None:
    with pytest.raises(InputError, match="different items"):
        Race.start("aa")
    with pytest.raises(InputError, match="error rate"):
        Race.start("ab", alpha=1.0)
    with pytest.raises(InputError, match="does not race"):
        Race.start("ab").tell("a", "c", "first")
    with pytest.raises(InputError, match="'first'"):
        Race.start("ab").tell("a", "b", "won")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="scores"):
        Race.start("ab").score({"a": 0.5, "b": 1.5})
    with pytest.raises(InputError, match="add up to 1"):
        plan_best(np.full((2, 2), 0.6))
    with pytest.raises(InputError, match="shape"):
        plan_best(np.full((2, 3), 0.5))
    with pytest.raises(InputError, match="power"):
        plan_best(np.full((2, 2), 0.5), power=1.0)
