"""Controls that must win where only length matters, and lose where it does not."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from heedful.core import FitError, InputError
from heedful.evaluation import compare, controls, learning_curve
from heedful.evaluation.controls import logistic
from heedful.feedback import Candidate, Record, Table, Value

from .common import Prediction, choices, comparisons, decided_by


def texts(n, seed, by_length):
    """Comparisons of texts of random lengths; the longer wins with 90 %, or neither is likelier."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 400, (n, 2))
    longer = lengths[:, 0] > lengths[:, 1]
    outcome = np.where(rng.random(n) < (0.9 if by_length else 0.5), longer, ~longer).astype(float)
    outputs = [["x" * a, "y" * b] for a, b in lengths]
    return comparisons(n, first=None, second=None, choice=choices(outcome), outputs=outputs), outcome


def test_length_is_found_where_it_is_all_there_is():
    train, _ = texts(500, 0, True)
    test, outcome = texts(500, 1, True)
    found = controls(train, test, decided_by(np.full(500, 0.6), outcome), seed=0)
    length = found["length_only"]
    assert length["accuracy"] == pytest.approx(0.9, abs=0.04)
    assert length["n"] == 500
    model = outcome.mean()
    assert length["difference"] == pytest.approx(model - length["accuracy"])
    assert length["p_value"] < 1e-6
    assert length["difference_interval"]["high"] < 0
    json.dumps(found, allow_nan=False)


def test_length_finds_nothing_where_there_is_nothing():
    train, _ = texts(500, 2, False)
    test, outcome = texts(500, 3, False)
    perfect = decided_by(np.where(outcome == 1, 0.9, 0.1), outcome)
    found = controls(train, test, perfect, seed=0)["length_only"]
    assert abs(found["accuracy"] - 0.5) < 0.08
    assert found["difference"] == pytest.approx(1 - found["accuracy"])


def test_the_coin_is_fair_repeats_and_follows_the_seed():
    outcome = np.ones(4000)
    table = comparisons(4000)
    one, again, other = (
        controls(table, table, decided_by(np.full(4000, 0.9), outcome), seed=s)["random"] for s in (0, 0, 1)
    )
    assert one == again != other
    assert abs(one["accuracy"] - 0.5) < 0.03
    assert one["accuracy_interval"]["low"] < 0.5 < one["accuracy_interval"]["high"]
    assert one["difference"] == pytest.approx(1 - one["accuracy"])


def test_without_texts_there_is_no_length_control_but_a_reason():
    findings = []
    table = comparisons(50)
    found = controls(table, table, decided_by(np.full(50, 0.6), np.ones(50)), seed=0, findings=findings)
    assert found["length_only"] is None
    assert found["random"]["n"] == 50
    assert findings[0].code == "controls.no_text"


def test_with_some_texts_the_same_rows_are_compared():
    train, _ = texts(200, 4, True)
    test, outcome = texts(200, 5, True)
    mixed = Table.concat([test, comparisons(100, id=[f"n{i}" for i in range(100)])])
    found = controls(train, mixed, decided_by(np.full(300, 0.6), np.r_[outcome, np.ones(100)]), seed=0)
    assert (found["length_only"]["n"], found["random"]["n"]) == (200, 300)
    assert found["length_only"]["difference"] == pytest.approx(outcome.mean() - found["length_only"]["accuracy"])


def test_nothing_decided_is_no_control():
    table = comparisons(5, choice="tie")
    nothing = Prediction(np.zeros(5), np.full(5, 0.5), np.full(5, np.nan))
    assert controls(table, table, nothing, seed=0) == {"length_only": None, "random": None}


def test_labels_have_a_length_control_too():
    rng = np.random.default_rng(6)

    def labelled(n):
        length = rng.integers(1, 300, n)
        yes = np.where(rng.random(n) < 0.9, length > 150, length <= 150)
        frame = {
            "id": [f"l{i}" for i in range(n)],
            "kind": ["label"] * n,
            "outputs": [["x" * k] for k in length],
            "label": yes,
        }
        return Table.shaped(pl.DataFrame(frame)), yes.astype(float)

    (train, _), (test, outcome) = labelled(400), labelled(400)
    found = controls(train, test, decided_by(np.full(400, 0.5), outcome), seed=0)
    assert found["length_only"]["accuracy"] > 0.8


def test_logistic_is_the_maximiser():
    rng = np.random.default_rng(7)
    x = np.stack([np.ones(400), rng.normal(size=400)], axis=1)
    y = (rng.random(400) < 1 / (1 + np.exp(-(0.5 + 2 * x[:, 1])))).astype(float)

    def loss(w):
        return np.logaddexp(0, x @ w).sum() - y @ (x @ w)

    np.testing.assert_allclose(logistic(x, y), optimize.minimize(loss, np.zeros(2), tol=1e-12).x, atol=1e-3)
    separated = logistic(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]))
    assert np.isfinite(separated).all()
    assert separated[0] > 3


def test_differences_by_hand():
    outcome = np.array([1, 1, 0, 0] * 20, float)
    noise = np.random.default_rng(8).normal(0, 0.1, 80)
    first = decided_by(np.clip(np.where(outcome == 1, 0.8, 0.2) + noise, 0.01, 0.99), outcome)
    second = decided_by(np.full(80, 0.6), outcome)
    found = compare(first, second, comparisons(80, choice=choices(outcome)))
    expected = -first.log_prob + second.log_prob
    assert found["log_loss"]["difference"] == pytest.approx(expected.mean())
    assert found["log_loss"]["p_value"] == pytest.approx(scipy_stats.ttest_1samp(expected, 0).pvalue, rel=1e-6)
    assert found["accuracy"]["difference"] == pytest.approx(0.5)
    assert found["brier"]["difference"] < 0
    assert found["brier"]["n"] == 80
    json.dumps(found, allow_nan=False)


def test_only_rows_that_both_predict_are_compared():
    outcome = np.tile([1.0, 0.0], 30)
    first, second = decided_by(np.full(60, 0.7), outcome), decided_by(np.full(60, 0.6), outcome)
    first.probability[:10] = first.log_prob[:10] = np.nan
    second.log_prob[50:] = np.nan
    found = compare(first, second, comparisons(60, choice=choices(outcome)))
    assert (found["accuracy"]["n"], found["log_loss"]["n"]) == (50, 40)
    with pytest.raises(InputError, match="rows"):
        compare(first, second, comparisons(3))
    nothing = Prediction(*(np.full(2, np.nan) for _ in range(3)))
    assert compare(nothing, nothing, comparisons(2)) == {"log_loss": None, "accuracy": None, "brier": None}


def test_equal_predictions_do_not_differ():
    outcome = np.tile([1.0, 0.0], 30)
    same = decided_by(np.linspace(0.1, 0.9, 60), outcome)
    found = compare(same, same, comparisons(60, choice=choices(outcome)))
    assert found["log_loss"]["difference"] == 0
    assert found["log_loss"]["p_value"] == 1


class Learner:
    """Knows a share of the test rows that grows with what it was fitted to; the rest it cannot predict."""

    def __init__(self, table):
        if len(table) < 30:
            raise FitError("too little to fit")
        self.n = len(table)

    def predict(self, test):
        n = len(test)
        outcome = (test.column("choice") == "first").to_numpy().astype(float)
        right = np.arange(n) % 10 < 5 + 4 * self.n / 400
        p = np.where(right == (outcome == 1), 0.7, 0.3)
        made = decided_by(p, outcome)
        unknown = np.arange(n) >= n // 2 + self.n // 4
        made.probability[unknown] = made.log_prob[unknown] = np.nan
        return made


def test_the_curve_rises_on_the_same_rows():
    train = comparisons(400, context=[f"c{i}" for i in range(400)])
    test = comparisons(200, choice=["first", "second"] * 100, context=[f"t{i}" for i in range(200)])
    findings = []
    curve = learning_curve(Learner, train, test, (0.01, 0.1, 0.5), findings=findings)
    assert [point["n"] for point in curve] == [40, 200, 400]
    assert {point["n_test"] for point in curve} == {110}  # what the least of them could predict
    assert [point["accuracy"] for point in curve] == sorted(point["accuracy"] for point in curve)
    assert curve[0]["accuracy"] < curve[-1]["accuracy"] == pytest.approx(0.9)
    assert curve[0]["log_loss"] > curve[-1]["log_loss"]
    assert findings[0].code == "learning_curve.no_fit"
    json.dumps(curve, allow_nan=False)
    assert learning_curve(Learner, comparisons(5), test) == []


def test_the_coin_knows_nothing_of_the_split_or_of_how_candidates_were_ordered():
    from heedful.evaluation import hold_out
    from heedful.feedback.identities import permuted

    # Readers put candidates of unknown order by a hash of the id; here the first won before that, always.
    n = 4000
    table = Table.shaped(permuted(comparisons(n).frame))
    _, test = hold_out(table, fraction=0.5, seed=0)
    outcome = (test.column("choice") == "first").to_numpy().astype(float)
    assert abs(outcome.mean() - 0.5) < 0.05  # nor does the split know of the order
    assert (
        abs(controls(table, test, decided_by(np.full(len(test), 0.6), outcome), seed=0)["random"]["accuracy"] - 0.5)
        < 0.05
    )


def test_brier_scores_of_shares_are_compared_as_they_are_scored() -> None:
    table = Table.of(
        Record(
            kind="comparison",
            context=f"q{row}",
            candidates=[Candidate(output="a"), Candidate(output="b")],
            value=Value(choice="first", share=share),
        )
        for row, share in enumerate([0.8, 0.5, 0.6])
    )
    ones = np.ones(3)
    certain, right = (Prediction(np.log(p), p, ones) for p in (np.array([0.99, 0.99, 0.99]), np.array([0.8, 0.5, 0.6])))
    brier = compare(certain, right, table)["brier"]
    share, p, q = np.array([0.8, 0.5, 0.6]), certain.probability, right.probability
    wanted = share * ((1 - p) ** 2 - (1 - q) ** 2) + (1 - share) * (p**2 - q**2)
    assert brier["n"] == 3
    assert brier["difference"] == pytest.approx(wanted.mean())
