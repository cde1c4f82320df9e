"""What candidates would earn: against closed forms, another program for the same posterior, and a played model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from heedful.core import Budget, InputError, UsageError
from heedful.models import FunctionWriter
from heedful.preference.gaussian import Gaussian
from heedful.rewriting import (
    Begun,
    BySurrogate,
    FromHistory,
    Joined,
    ModelSurrogate,
    Mutated,
    Number,
    Predicted,
    ProcessSurrogate,
    Proposed,
    Resumed,
    Situation,
    Text,
    Tried,
    expected_improvement,
    search,
)
from heedful.rewriting.surrogates import _Regression, encoded, linear_kernel, squared_exponential

X, Y = Number(0.5, "x", low=0, high=1), Number(2.0, "y", low=0, high=4)
RNG = np.random.default_rng(0)


def tried(rows: Sequence[Sequence[float]], earned: Sequence[float], n: int = 1) -> tuple[Tried, ...]:
    return tuple(Tried({"x": x, "y": y}, mean, n, "train") for (x, y), mean in zip(rows, earned, strict=True))


def situation(history: Sequence[Tried] = (), number: int = 0) -> Situation:
    return Situation({"x": X, "y": Y}, {"x": 0.5, "y": 2.0}, (), history, number)


ROWS = np.column_stack([np.linspace(0, 1, 8), 4 * np.linspace(0, 1, 8)[::-1] ** 2])
HISTORY = tried(ROWS.tolist(), (0.5 + 0.3 * np.sin(5 * ROWS[:, 0])).tolist())
CANDIDATES = [{"x": 0.3}, {"x": 0.9, "y": 1.0}, {"y": 3.5}]


def test_expected_improvement_is_the_integral() -> None:
    for mean, sd, best in [(0.3, 0.1, 0.5), (0.6, 0.2, 0.5), (0.5, 0.01, 0.5)]:
        law = norm(mean, sd)
        truth, _ = quad(lambda u, law=law, best=best: (u - best) * law.pdf(u), best, max(best, mean) + 9 * sd)
        assert expected_improvement(np.array([mean]), np.array([sd]), best)[0] == pytest.approx(truth, rel=1e-6)
    known = expected_improvement(np.array([0.7, 0.3, np.nan]), np.array([0.0, 0.0, np.nan]), 0.5)
    assert known[:2].tolist() == pytest.approx([0.2, 0.0])
    assert np.isnan(known[2])


class TestProcess:
    def test_it_is_what_observing_one_by_one_leaves(self) -> None:
        surrogate = ProcessSurrogate(lengths=(0.4,), sds=(0.2,), noise=0.1)
        found = surrogate(situation(HISTORY), CANDIDATES, budget=Budget(), rng=RNG)
        rows = np.vstack([ROWS, [[0.3, 2.0], [0.9, 1.0], [0.5, 3.5]]]) / [1, 4]
        belief = Gaussian.prior(0.04 * squared_exponential(rows / 0.4, rows / 0.4))
        earned = np.array([own.mean for own in HISTORY])
        for place, value in enumerate(earned - earned.mean()):
            belief = belief.given(np.eye(11)[place], value, 0.1)
        assert found.mean == pytest.approx(earned.mean() + belief.mean[8:], abs=1e-6)
        assert found.sd == pytest.approx(belief.sd[8:], abs=1e-6)

    def test_a_linear_kernel_is_ridge_regression(self) -> None:
        surrogate = ProcessSurrogate(kernel=linear_kernel, lengths=(1.0,), sds=(0.5,), noise=0.1)
        found = surrogate(situation(HISTORY), CANDIDATES, budget=Budget(), rng=RNG)
        earned = np.array([own.mean for own in HISTORY])
        design, new = (
            np.column_stack([np.ones(len(own)), np.asarray(own) / [1, 4]])
            for own in (ROWS, [[0.3, 2.0], [0.9, 1.0], [0.5, 3.5]])
        )
        weights = np.linalg.solve(design.T @ design + 0.01 / 0.25 * np.eye(3), design.T @ (earned - earned.mean()))
        assert found.mean == pytest.approx(earned.mean() + new @ weights, abs=1e-6)

    def test_the_settings_of_the_greatest_evidence_are_taken(self) -> None:
        rng = np.random.default_rng(1)
        rows = rng.random((25, 2))
        covariance = squared_exponential(rows / 0.3, rows / 0.3) * 0.01
        earned = 0.5 + rng.multivariate_normal(np.zeros(25), covariance + 1e-6 * np.eye(25))
        evidence = {}
        for length in (0.05, 0.3, 2.0):
            own = _Regression.of(squared_exponential, rows, earned, np.full(25, 1e-4), length, 0.1).evidence
            law = 0.01 * squared_exponential(rows / length, rows / length) + 1e-4 * np.eye(25)
            truth = multivariate_normal.logpdf(earned - earned.mean(), cov=law)
            assert own - 12.5 * np.log(2 * np.pi) == pytest.approx(truth, rel=1e-4)
            evidence[length] = own
        assert max(evidence, key=lambda own: evidence[own]) == 0.3

    def test_intervals_cover_what_the_prior_draws(self) -> None:
        rng, inside = np.random.default_rng(2), []
        for _ in range(60):
            rows = rng.random((16, 2)) * [1, 4]
            scaled = rows / [1, 4] / 0.5
            truth = 0.5 + rng.multivariate_normal(np.zeros(16), 0.01 * squared_exponential(scaled, scaled))
            seen = truth[:10] + rng.normal(0, 0.05, 10)
            new = [{"x": x, "y": y} for x, y in rows[10:]]
            history = tried(rows[:10].tolist(), seen.tolist(), n=4)
            surrogate = ProcessSurrogate(lengths=(0.5,), sds=(0.1,), noise=0.1)
            found = surrogate(situation(history), new, budget=Budget(), rng=rng)
            inside.append((np.abs(truth[10:] - found.mean) < 1.96 * found.sd).mean())
        assert 0.88 < np.mean(inside) < 0.98  # the level of the prior is taken from the data, and not counted

    def test_texts_are_told_by_what_stands_in_them(self) -> None:
        prompt = Text("Answer.", "prompt")
        lines = ["Name the year.", "Give a source.", "Be brief."]
        texts = ["\n".join(["Answer.", *(line for at, line in enumerate(lines) if row >> at & 1)]) for row in range(8)]
        history = tuple(Tried({"prompt": own}, 0.3 + 0.4 * ("year" in own), 20, "train") for own in texts[:6])
        state = Situation({"prompt": prompt}, {"prompt": "Answer."}, (), history)
        for kernel in (squared_exponential, linear_kernel):
            surrogate = ProcessSurrogate(kernel=kernel, noise=0.1)
            found = surrogate(state, [{"prompt": own} for own in texts[6:]], budget=Budget(), rng=RNG)
            assert found.mean[1] > found.mean[0] + 0.1

    def test_numbers_are_shares_of_their_range(self) -> None:
        free = Number(0.0, "z")
        rows = encoded({"y": Y, "z": free}, [{"y": 1.0, "z": 5.0}, {"y": 3.0, "z": 9.0}], ProcessSurrogate().encoder)
        assert rows.tolist() == [[0.25, -1.0], [0.75, 1.0]]

    def test_what_cannot_be(self) -> None:
        with pytest.raises(InputError, match="nothing was tried"):
            ProcessSurrogate()(situation(), CANDIDATES, budget=Budget(), rng=RNG)
        with pytest.raises(UsageError, match="above 0"):
            ProcessSurrogate(lengths=(0.0,))


def said_block(text: str) -> str:
    return str(re.findall(r"<([0-9a-f]{12})>\n(.*?)\n</\1>", text, re.DOTALL)[0][1])


def between(text: str, answer: str) -> str:
    mark = re.findall(r"</([0-9a-f]{12})>", text)[-1]
    return f"Well.\n<{mark}>\n{answer}\n</{mark}>"


class TestModel:
    def test_it_says_the_mean_and_spread_over_orders(self) -> None:
        shown: list[str] = []

        def last_counts(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
            """What the trial shown last earned: an answer by the order alone."""
            text = str(messages[0]["content"])
            shown.append(said_block(text))
            return between(text, re.findall(r"earned ([\d.]+) of 1", text)[-1])

        budget = Budget(calls=100)
        surrogate = ModelSurrogate(FunctionWriter(last_counts), samples=6)
        found = surrogate(situation(HISTORY), CANDIDATES, budget=budget, rng=np.random.default_rng(3))
        assert len(shown) == 18 == budget.spent["calls"] == found.cost["calls"]
        assert len({tuple(sorted(own.split("\n\n"))) for own in shown}) == 1
        assert len(set(shown)) > 3
        lasts = [float(re.findall(r"earned ([\d.]+)", own)[-1]) for own in shown[:6]]
        assert found.mean == pytest.approx([np.mean(lasts)] * 3)
        assert found.sd == pytest.approx([np.std(lasts, ddof=1)] * 3)

    def test_what_it_does_not_say_is_not_known(self) -> None:
        def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
            text = str(messages[0]["content"])
            return between(text, "7" if "x: 0.3" in text.rsplit("</", 2)[0].rsplit("earn?", 1)[-1] else "0.4")

        surrogate = ModelSurrogate(FunctionWriter(answer), samples=2)
        found = surrogate(situation(HISTORY[:2]), CANDIDATES[:2], budget=Budget(), rng=RNG)
        assert found.missing == 2
        assert np.isnan(found.mean[0])
        assert found.mean[1] == 0.4
        assert found.sd[1] == 0


def only(*values: Mapping[str, Any]) -> Any:
    return lambda situation, *, budget, rng: Proposed(values)


class TestBySurrogate:
    def test_the_one_of_the_greatest_expected_improvement_is_kept(self) -> None:
        surrogate = ProcessSurrogate(noise=0.02)
        found = surrogate(situation(HISTORY), CANDIDATES, budget=Budget(), rng=RNG)
        best = max(own.mean for own in HISTORY)
        wanted = CANDIDATES[int(np.argmax(expected_improvement(found.mean, found.sd, best)))]
        made = BySurrogate(only(*CANDIDATES), surrogate)(situation(HISTORY), budget=Budget(), rng=RNG)
        assert made.values == (wanted,)
        assert made.passed_over == 2

    def test_what_is_not_known_comes_last_and_nothing_is_asked_too_early(self) -> None:
        def foresee(*_: Any, **__: Any) -> Predicted:
            return Predicted(np.array([np.nan, 0.1, 0.9]), np.array([np.nan, 0.1, 0.1]), 3, {"calls": 4.0})

        ranked = BySurrogate(only(*CANDIDATES), foresee, keep=2)
        made = ranked(situation(HISTORY), budget=Budget(), rng=RNG)
        assert made.values == (CANDIDATES[2], CANDIDATES[1])
        assert (made.unread, made.cost, made.passed_over) == (3, {"calls": 4.0}, 1)
        early = ranked(situation(HISTORY[:1]), budget=Budget(), rng=RNG)
        assert early.values == (CANDIDATES[0], CANDIDATES[1])
        assert early.unread == 0


def test_a_model_is_asked_for_what_earns_a_little_more_than_the_best() -> None:
    asked: list[str] = []

    def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        asked.append(str(messages[0]["content"]))
        marks = re.findall(r"<([0-9a-f]{12}-\d)>", asked[-1])
        return "\n".join(f"<{mark}>\n0.25\n</{mark}>" for mark in dict.fromkeys(marks))

    history = tried([[0, 1], [1, 1]], [0.2, 0.6])
    proposer = FromHistory(FunctionWriter(answer), beyond=0.5)
    made = proposer(situation(history), budget=Budget(), rng=RNG)
    assert made.values == ({"x": 0.25, "y": 0.25},)
    assert "would earn 0.800 of 1" in asked[0]
    proposer(situation(), budget=Budget(), rng=RNG)
    assert "would earn 1.000 of 1" in asked[1]
    assert "Nothing was tried yet." in asked[1]
    FromHistory(FunctionWriter(answer), shown=1)(situation(history), budget=Budget(), rng=RNG)
    assert "earned 0.600" in asked[2]
    assert "earned 0.200" not in asked[2]
    assert "would earn more." in asked[2]
    with pytest.raises(UsageError, match=r"\$wanted"):
        FromHistory(FunctionWriter(answer), "$parameters $said $mark", beyond=0.5)


def test_a_parameter_that_was_not_known_had_its_own_value() -> None:
    state = situation([Tried({"x": 0.1}, 0.5, 1, "train")])
    assert [own.values for own in state.tried] == [{"x": 0.1, "y": 2.0}]


def test_proposers_in_turn_and_side_by_side() -> None:
    one, other = only({"x": 0.1}), only({"x": 0.1}, {"x": 0.2})
    turns = Begun(one, other, rounds=2)
    counts = [len(turns(situation(number=at), budget=Budget(), rng=RNG).values) for at in range(3)]
    assert counts == [1, 1, 2]
    shown: list[int] = []

    def counts_history(situation: Situation, **_: Any) -> Proposed:
        shown.append(len(situation.history))
        return Proposed(())

    Resumed(counts_history, HISTORY)(situation(HISTORY[:1]), budget=Budget(), rng=RNG)
    assert shown == [9]
    both = Joined([one, other])(situation(), budget=Budget(), rng=RNG)
    assert both.values == ({"x": 0.1}, {"x": 0.2})
    assert both.same == 1


class TestSearch:
    uniform = Mutated(lambda own, _, rng: float(rng.uniform(0, {"x": 1, "y": 4}[own.name])), n=40, every=True)

    @staticmethod
    def measure(values: Mapping[str, Any]) -> float:
        return float(np.exp(-8 * ((values["x"] - 0.8) ** 2 + (values["y"] / 4 - 0.3) ** 2)))

    def test_a_surrogate_finds_a_peak_that_luck_does_not(self) -> None:
        lacking = {}
        for name, proposer in (
            ("surrogate", BySurrogate(self.uniform, ProcessSurrogate(noise=0.01))),
            ("luck", BySurrogate(self.uniform, ProcessSurrogate(), start=10**6)),
        ):
            done = [search([X, Y], proposer, self.measure, trials=12, rng=np.random.default_rng(at)) for at in range(6)]
            lacking[name] = np.mean([1 - max(trial.mean for trial in own) for own in done])
        assert lacking["surrogate"] < 0.02 < lacking["luck"] / 3

    def test_trials_are_counted_and_bounded(self) -> None:
        budget = Budget(runs=20)
        done = search([X, Y], self.uniform, self.measure, trials=9, budget=budget, rng=RNG)
        assert len(done) == 9 == budget.spent["runs"]
        assert done[0].values == {"x": 0.5, "y": 2.0}
        assert len(search([X, Y], only(), self.measure, trials=9, rng=RNG)) == 1
        with pytest.raises(InputError, match="outside of 0 to 1"):
            search([X], self.uniform, lambda values: 2.0, trials=1, rng=RNG)
        with pytest.raises(UsageError, match="different names"):
            search([X, X], self.uniform, self.measure, trials=1, rng=RNG)
