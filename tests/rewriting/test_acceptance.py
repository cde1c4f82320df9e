"""What is kept and claimed: error rates, power and coverage by simulation, with fixed seeds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats

from heedful.core import Floats, InputError, UsageError
from heedful.rewriting import Gate, Score, Trial, claim, exceeded, overfitted, undominated
from heedful.stats import Bets, bounded_interval, permutation_test


def brought_to_an_end(trial: Trial, differences: Floats, block: int = 8) -> Trial:
    while trial.open:
        trial = trial.after(differences[list(trial.next(block))])
    return trial


def coins(won: float, lost: float, n: int, rng: np.random.Generator) -> Floats:
    u = rng.random(n)
    return (u < won).astype(float) - (u > 1 - lost)


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("both", [0.25, 0.05])
def test_what_is_no_better_is_kept_no_more_often_than_its_level(n: int, both: float) -> None:
    rng, level, runs = np.random.default_rng([n, int(100 * both)]), 0.1, 300
    kept = sum(brought_to_an_end(Trial(range(n), level), coins(both, both, n, rng)).kept for _ in range(runs))
    assert scipy_stats.binomtest(kept, runs, level, "greater").pvalue > 1e-3


@pytest.mark.parametrize(
    ("margin", "won", "lost", "graded"),
    [(0.0, 0.25, 0.25, False), (0.0, 0.25, 0.25, True), (0.2, 0.5, 0.3, False), (-0.5, 0.0, 0.5, False)],
)
def test_all_ways_a_trial_may_go(margin: float, won: float, lost: float, graded: bool) -> None:
    """By enumeration, of candidates that gain the margin exactly; looked at after each example, and never dropped."""
    chances, kept = {1.0: won, 0.0: 1 - won - lost, -1.0: lost}, 0.0
    for path in product(chances, repeat=7):
        if Trial(range(7), 0.3, margin, graded, np.array(path)).kept:
            kept += np.prod([chances[own] for own in path])
    assert 0 < kept <= 0.3


def test_what_was_proven_stays_proven() -> None:
    won = brought_to_an_end(Trial(range(300), 0.01), np.ones(300))
    assert len(won.differences) <= 16
    assert won.after(-np.ones(200)).kept


def test_a_claim_about_ties_is_bounded() -> None:
    found = claim(Score(np.ones(40), "held out"), Score(np.ones(40), "held out"))
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.interval is not None
    assert found.interval.promise == "at least"
    assert found.interval.high == pytest.approx(-found.interval.low)
    assert 0.05 < found.interval.high < 0.2


def test_rare_catastrophes_do_not_hide() -> None:
    """A little better nearly always, and much worse once in fifty: no better in the mean, and rarely kept."""
    rng, runs = np.random.default_rng(1), 150
    worth = [np.where(rng.random(60) < 0.02, -1.0, 0.02 / 0.98) for _ in range(runs)]
    kept = sum(brought_to_an_end(Trial(range(60), 0.05, graded=True), own).kept for own in worth)
    assert kept <= 15
    assert not any(brought_to_an_end(Trial(range(60), 0.05), own).kept for own in worth)


@pytest.mark.parametrize("gains", [(0, 0, 0, 0, 0, 0), (0, 0.3, 0, 0, 0.3, 0)])
def test_a_run_keeps_what_is_no_better_no_more_often_than_alpha(gains: tuple[float, ...]) -> None:
    """The same validation examples for all trials, outcomes fixed given program and example."""
    rng, false, runs, n = np.random.default_rng(7), 0, 150, 60
    for _ in range(runs):
        gate, kept = Gate(0.1), (rng.random(n) < 0.4).astype(float)
        for number, gain in enumerate(gains):
            new = np.where(rng.random(n) < 0.5, rng.random(n) < 0.4 + gain, kept).astype(float)
            trial = brought_to_an_end(gate.trial(n, len(gains) - number, rng=rng), new - kept)
            gate = gate.closed(trial)
            if trial.kept:
                false += gain == 0
                kept = new
    assert scipy_stats.binomtest(false, runs, 0.1, "greater").pvalue > 1e-3


def test_a_gain_of_ten_points_takes_few_more_examples_than_the_best_test_of_fixed_size() -> None:
    """1.2 times as many for the same power, and on average fewer are looked at."""
    rng, level, won, lost = np.random.default_rng(3), 0.05, 0.3, 0.2
    fixed = (scipy_stats.norm.isf(level) + scipy_stats.norm.isf(0.2)) ** 2 * (won + lost - 0.01) / 0.01
    ended = [brought_to_an_end(Trial(range(int(1.25 * fixed)), level), coins(won, lost, 600, rng)) for _ in range(150)]
    assert np.mean([own.kept for own in ended]) > 0.7
    assert np.mean([len(own.differences) for own in ended]) < fixed


def test_wins_and_losses_decide_at_the_end() -> None:
    differences = np.array([-1.0] + [1.0] * 8 + [0.0] * 11)
    trial = Trial(range(20), 0.05, differences=differences)
    assert trial.kept
    assert (trial.told()["won"], trial.told()["lost"]) == (8, 1)
    assert not Trial(range(21), 0.05, differences=differences).kept  # not yet at its end
    assert not Trial(range(20), 0.05, graded=True, differences=differences).kept
    assert not Trial(range(20), 0.05, margin=0.1, differences=differences).kept


def test_grades_that_nobody_told_of_count_as_no_win_and_as_whole_losses() -> None:
    won = np.array([1.0] * 8)
    assert Trial(range(8), 0.05, differences=won).kept
    assert not Trial(range(8), 0.05, differences=0.99 * won).kept
    assert not Trial(range(16), 0.05, differences=np.r_[-0.01 * won, won]).kept


def test_what_gains_nothing_is_dropped_early() -> None:
    rng = np.random.default_rng(5)
    ties = brought_to_an_end(Trial(range(300), 0.005), np.zeros(300))
    assert ties.verdict == "drop"
    assert len(ties.differences) < 160
    looked = [
        len(brought_to_an_end(Trial(range(300), 0.005), coins(0.2, 0.3, 300, rng)).differences) for _ in range(50)
    ]
    assert np.mean(looked) < 120


def test_levels_are_shared_and_given_back() -> None:
    rng = np.random.default_rng(0)
    gate = Gate(0.05)
    lost = Trial(range(2), gate.trial(2, 5, rng=rng).level, differences=np.zeros(2))
    won = Trial(range(40), gate.trial(40, 5, rng=rng).level, differences=np.ones(40))
    assert gate.trial(9, 5, rng=rng).level == pytest.approx(0.01)
    assert gate.closed(lost).trial(9, 4, rng=rng).level == pytest.approx(0.01)
    assert gate.closed(won).trial(9, 4, rng=rng).level == pytest.approx(0.0125)
    assert sorted(gate.trial(9, 5, rng=rng).order) == list(range(9))
    with pytest.raises(UsageError, match="alpha"):
        Gate(0.0)
    with pytest.raises(InputError, match="beyond"):
        Trial(range(3), 0.1).after(np.array([2.0]))


@pytest.mark.parametrize(("n", "won", "lost"), [(20, 0.1, 0.0), (60, 0.3, 0.3), (60, 0.02, 0.02), (300, 0.5, 0.2)])
def test_what_is_claimed_covers_the_truth(n: int, won: float, lost: float) -> None:
    rng, runs, covered = np.random.default_rng([n, int(100 * won)]), 150, 0
    for _ in range(runs):
        difference = coins(won, lost, n, rng)
        before = Score(np.where(difference < 0, 1.0, np.where(difference > 0, 0.0, 0.5)), "held out")
        found = claim(before, Score(before.values + difference, "held out"))
        assert found.interval is not None
        covered += found.interval.low <= won - lost <= found.interval.high
        assert (found.p < 0.05) == (not found.interval.low <= 0 <= found.interval.high)
    assert scipy_stats.binomtest(covered, runs, 0.95, "less").pvalue > 1e-3


def test_scores_that_cannot_be_compared() -> None:
    score = Score(np.array([0.0, 1.0]), "held out", "judge")
    for other in (
        Score(np.ones(2), "train", "judge"),
        Score(np.ones(3), "held out", "judge"),
        Score(np.ones(2), "held out"),
    ):
        with pytest.raises(InputError, match="same held out examples"):
            claim(score, other)
    with pytest.raises(InputError, match="in \\[0, 1\\]"):
        Score(np.array([2.0]), "train")
    assert score.estimate().split == "held out"
    assert score.variance == pytest.approx(0.25)


def test_the_alarm_of_overfitting_rings_rarely_without_it_and_with_it_often() -> None:
    rng = np.random.default_rng(11)

    def scores(gain: float, split: str) -> tuple[Score, Score]:
        before = (rng.random(80) < 0.5).astype(float)
        after = np.where(rng.random(80) < 0.5 * gain, 1.0, before)
        return Score(before, split), Score(after, split)  # type: ignore[arg-type]

    rings = [
        sum(overfitted(scores(gain, "train"), scores(0.3, "held out"), rng=rng) is not None for _ in range(100))
        for gain in (0.3, 1.0)
    ]
    assert rings[0] <= 12
    assert rings[1] > 75


def test_permutations_and_bets() -> None:
    rng = np.random.default_rng(2)
    assert permutation_test([1, 1, 1, 1], [0, 0, 0, 0], rng=rng) == pytest.approx(1 / 70, abs=0.005)
    assert permutation_test([0, 0], [1, 1], rng=rng) == 1.0
    bets = Bets.within(100, 0.05, 0.5)
    assert bets.log_e(bets.growth(np.ones(20)).sum(axis=1)) > np.log(20)
    low, high = (bounded_interval(np.full(50, value))[0] for value in (0.0, 1.0))
    assert low.low == 0 < low.high < 0.15
    assert high.high == 1
    with pytest.raises(InputError):
        bounded_interval([])


def test_costs() -> None:
    assert exceeded({"tokens": 5.0, "calls": 2.0}, {"tokens": 4.0, "calls": 2.0}) == ("tokens",)
    with pytest.raises(InputError, match="were not told"):
        exceeded({}, {"tokens": 4.0})
    good, bad = Score(np.ones(60), "validation"), Score(np.zeros(60), "validation")
    assert undominated([good, bad, good], np.array([[2.0], [1.0], [3.0]])).tolist() == [True, True, False]
    assert undominated([good, bad], np.array([[1.0], [1.0]])).tolist() == [True, False]
