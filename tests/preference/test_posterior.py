"""The fitted posterior: contracts, preferences, potentials, predictions, saving."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from heedful.core import InputError, Item, ScaleError, UsageError
from heedful.core.contracts import PosteriorContract, PotentialContract
from heedful.feedback import Table
from heedful.preference import FittedPosterior, fit, load
from heedful.preference.pairs import PairModel
from heedful.preference.persistence import VERSION

from .votes import comparisons, drawn_comparisons, record


def votes(seed: int = 0, n: int = 5, number: int = 200) -> list[tuple[str, str, str]]:
    rng = np.random.default_rng(seed)
    return drawn_comparisons(np.linspace(-1, 1, n), number, rng, log_tie=-0.5)


def posterior() -> FittedPosterior:
    return fit(comparisons(votes()))


class TestFreeItemsPosterior(PosteriorContract):
    def make(self) -> FittedPosterior:
        return posterior()

    def items(self) -> list[Item]:
        return [Item(system=name) for name in posterior().names]

    # A posterior becomes a potential; it declares no scale of its own.


class TestLogProbPotential(PotentialContract):
    def make(self) -> object:
        return posterior().potential(scale="log_prob", reference=self.items()[:2])

    def items(self) -> list[Item]:
        return [Item(system=name) for name in posterior().names]


def test_draws_average_to_the_mean_and_have_its_covariance() -> None:
    fitted = fit(comparisons(votes()), draws=4000)
    np.testing.assert_allclose(fitted.draws.mean(axis=0), fitted.mean, atol=1e-12)
    assert fitted.covariance is not None
    np.testing.assert_allclose(np.cov(fitted.draws.T), fitted.covariance, atol=0.1 * fitted.covariance.max())
    assert fit(comparisons(votes()), draws=7).draws.shape == (8, 5)
    np.testing.assert_array_equal(fitted.draws, fit(comparisons(votes()), draws=4000).draws)
    assert (fit(comparisons(votes()), seed=1).draws != posterior().draws).any()


def test_preference_is_shrunk_by_what_is_not_known() -> None:
    fitted = posterior()
    best, worst = [Item(system=fitted.names[-1])], [Item(system=fitted.names[0])]
    plugged_in = expit(fitted.mean[-1] - fitted.mean[0])
    assert 0.5 < fitted.prefer(best, worst)[0] < plugged_in
    many = fit(comparisons(votes(number=50_000)))
    plugged_in = expit(many.mean[-1] - many.mean[0])
    assert many.prefer(best, worst)[0] == pytest.approx(plugged_in, abs=1e-3)


def test_unseen_items_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"(?s)'new'.*00, 01"):
        posterior()([Item(system="new"), Item(system="00")])


def test_scales_that_do_not_go_together() -> None:
    fitted = posterior()
    with pytest.raises(ScaleError):
        fitted.potential(scale="log_prob")
    with pytest.raises(ScaleError):
        fitted.potential(reference=[Item(system="00")])


def test_log_prob_is_that_of_beating_the_reference() -> None:
    fitted = posterior()
    reference = [Item(system=fitted.names[0]), Item(system=fitted.names[1])]
    scores = fitted.potential(scale="log_prob", reference=reference)([Item(system=fitted.names[3])])
    wanted = np.log(expit(fitted.mean[3] - fitted.mean[:2].mean()))
    assert scores.mean[0] == pytest.approx(wanted, abs=1e-12)
    assert scores.draws is not None
    by_draw = np.log(expit(fitted.draws[:, 3] - fitted.draws[:, :2].mean(axis=1)))
    np.testing.assert_allclose(scores.draws[:, 0], by_draw, atol=1e-12)
    assert (2.0 * fitted.potential()).terms[0].strength == 2.0


def test_predictions_are_averages_over_draws() -> None:
    fitted = posterior()
    (reading,) = fitted.readings
    a, b = fitted.names[0], fitted.names[3]
    predicted = fitted.predict(comparisons([(a, b, "first"), (b, a, "first"), (a, b, "tie"), (a, "new", "first")]))
    gap, nu = fitted.draws[:, 0] - fitted.draws[:, 3], np.exp(reading.draws[:, 0])
    weights = np.stack([np.exp(gap / 2), np.exp(-gap / 2), nu])
    first, second, tie = (weights / weights.sum(axis=0)).mean(axis=1)
    np.testing.assert_allclose(predicted.log_prob[:3], np.log([first, second, tie]), atol=1e-12)
    np.testing.assert_allclose(
        predicted.probability[:3], [first / (first + second), second / (first + second), first / (first + second)]
    )
    np.testing.assert_array_equal(predicted.outcome, [1.0, 1.0, np.nan, 1.0])
    assert np.isnan(predicted.log_prob[3])
    assert predicted.unpredicted == {"an item the fit has not seen": 1}


def test_every_kind_is_predicted_as_its_model_says() -> None:
    rng = np.random.default_rng(3)
    names = ["a", "b", "c"]
    records = []
    for _ in range(120):
        item = rng.integers(3)
        records.append(record("label", [names[item]], label=bool(rng.random() < expit(item - 1))))
        rating = float(np.clip(round(3 + item - 1 + rng.normal()), 1, 5))
        records.append(record("rating", [names[item]], rating=rating, scale=(1.0, 5.0)))
        order = rng.permutation(3)
        records.append(record("ranking", [names[i] for i in order], ranks=[int(r) for r in rng.integers(1, 4, size=3)]))
        records.append(record("best_of", [names[i] for i in order], best=int(np.argmax(order + rng.gumbel(size=3)))))
    table = Table.of(records)
    fitted = fit(table)
    predicted = fitted.predict(table)
    assert not np.isnan(predicted.log_prob).any()
    kinds = np.array([r.kind for r in records])
    by_kind = {reading.kind: reading for reading in fitted.readings}
    # Labels: P(yes) = σ(u − threshold), averaged over draws.
    row = int(np.flatnonzero(kinds == "label")[0])
    index = fitted.names.index(records[row].candidates[0].system or "")
    label = by_kind["label"]
    yes = expit(label.discrimination * fitted.draws[:, index] - label.draws[:, 0]).mean()
    assert predicted.probability[row] == pytest.approx(yes, abs=1e-12)
    assert np.exp(predicted.log_prob[row]) == pytest.approx(yes if records[row].value.label else 1 - yes, abs=1e-12)
    # Best of three: the softmax, averaged over draws.
    row = int(np.flatnonzero(kinds == "best_of")[0])
    order = [fitted.names.index(c.system or "") for c in records[row].candidates]
    u = by_kind["best of"].discrimination[:, None] * fitted.draws[:, order]
    softmax = (np.exp(u) / np.exp(u).sum(axis=1, keepdims=True)).mean(axis=0)
    assert np.exp(predicted.log_prob[row]) == pytest.approx(softmax[records[row].value.best or 0], abs=1e-12)
    assert np.isnan(predicted.probability[kinds == "best_of"]).all()


def test_ranking_predictions_sum_to_one_over_all_weak_orders() -> None:
    rng = np.random.default_rng(4)
    orders = [[1, 2, 3], [2, 1, 3], [1, 1, 2], [1, 2, 2], [3, 1, 2], [1, 1, 1], [2, 3, 1], [1, 3, 2]]
    fitted = fit(Table.of(record("ranking", ["a", "b", "c"], ranks=orders[i]) for i in rng.integers(8, size=80)))
    every = {tuple(int(v) for v in np.unique(r, return_inverse=True)[1] + 1) for r in np.ndindex(3, 3, 3)}
    predicted = fitted.predict(Table.of(record("ranking", ["a", "b", "c"], ranks=list(r)) for r in sorted(every)))
    assert len(every) == 13
    assert np.exp(predicted.log_prob).sum() == pytest.approx(1.0, abs=1e-12)


def test_outcomes_never_seen_are_counted_not_guessed() -> None:
    fitted = fit(comparisons([("a", "b", "first"), ("b", "a", "first")] * 5))
    rating = Table.of([record("rating", ["a"], rating=2.0, scale=(1.0, 5.0))])
    predicted = fitted.predict(Table.concat([comparisons([("a", "b", "tie"), ("a", "b", "both_bad")]), rating]))
    assert np.isnan(predicted.log_prob).all()
    assert predicted.unpredicted == {
        "a comparison answered both bad": 1,
        "an outcome the fit has not seen": 1,
        "a scale or kind the fit has not seen": 1,
    }
    assert predicted.probability[0] == pytest.approx(0.5, abs=1e-9)


def test_degrees_are_predicted_by_sign_where_only_signs_were_fitted() -> None:
    fitted = fit(comparisons(votes()))
    rows = [("00", "03", "first"), ("00", "03", "second")]
    plain, graded = fitted.predict(comparisons(rows)), fitted.predict(comparisons(rows, degree=[2.0, 1.0]))
    np.testing.assert_array_equal(plain.log_prob, graded.log_prob)


def test_saved_and_loaded_is_identical(tmp_path: Path) -> None:
    rows = [*votes(), ("top", "00", "first")]
    labels = [record("label", [name], label=y) for name in ("00", "01") for y in (True, False)]
    fitted = fit(Table.concat([comparisons(rows), Table.of(labels)]))
    fitted.save(tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    for name in ("mean", "covariance", "draws", "counts", "identified"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(fitted, name))
    for name in ("names", "notes", "df", "findings", "criterion"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert loaded.model == json.loads(json.dumps(fitted.model))
    table = Table.concat([comparisons(rows), Table.of(labels)])
    np.testing.assert_array_equal(loaded.predict(table).log_prob, fitted.predict(table).log_prob)
    fitted.save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["posterior.json", "posterior.safetensors"]


def test_bad_folders_are_refused_clearly(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no posterior"):
        load(tmp_path / "absent")
    folder = tmp_path / "saved"
    posterior().save(folder)
    path = folder / "posterior.json"
    whole, arrays = path.read_bytes(), (folder / "posterior.safetensors").read_bytes()
    document = json.loads(whole)

    def written(**changes: object) -> None:
        path.write_text(json.dumps({**document, **changes}))

    written(version=VERSION + 1)
    with pytest.raises(InputError, match=r"(?s)version 3.*upgrade"):
        load(folder)
    written(format="other")
    with pytest.raises(InputError, match="not a saved posterior"):
        load(folder)
    for changes in ({"names": ["a"]}, {"readings": [{"kind": "comparison"}]}, {"df": "many"}, {"notes": 3}):
        written(**changes)
        with pytest.raises(InputError, match="damaged"):
            load(folder)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        load(folder)
    path.write_bytes(whole)
    for content in (arrays[: len(arrays) // 2], b"", b"\xff" * 64):
        (folder / "posterior.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            load(folder)
    (folder / "posterior.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        load(folder)


def test_no_draw_is_lost_to_a_degenerate_fit() -> None:
    fitted = fit(comparisons([("a", "b", "first")]))
    assert math.isinf(fitted.df)
    scores = fitted([Item(system="a"), Item(system="b")])
    assert scores.draws is not None
    assert scores.draws.std(axis=0).min() > 1


def test_votes_with_shares_are_predicted_as_they_are_fitted() -> None:
    shares = [0.9, 0.2, 0.5, 0.7]
    choices = ["first", "second", "tie", "first"]
    table = Table.shaped(
        pl.DataFrame(
            {
                "id": [str(n) for n in range(4)],
                "kind": ["comparison"] * 4,
                "systems": [["a", "b"]] * 4,
                "choice": choices,
                "share": shares,
            }
        )
    )
    prediction = fit(table).predict(table)
    p = prediction.probability[0]
    assert p == pytest.approx(np.mean(shares), abs=0.02)  # averaged over draws, so a little nearer to one half
    expected = [s * np.log(p) + (1 - s) * np.log(1 - p) for s in shares]
    np.testing.assert_allclose(prediction.log_prob, expected, rtol=1e-12)
    assert prediction.unpredicted == {}


def test_a_tie_of_all_is_no_certain_outcome_where_no_fit_has_seen_one() -> None:
    orders = [[1, 2, 3], [2, 1, 3], [3, 2, 1], [1, 3, 2], [2, 3, 1]]
    fitted = fit(Table.of(record("ranking", ["a", "b", "c"], ranks=orders[i % 5]) for i in range(20)))
    predicted = fitted.predict(Table.of([record("ranking", ["a", "b", "c"], ranks=[1, 1, 1])]))
    assert np.isnan(predicted.log_prob[0])
    assert predicted.unpredicted == {"an outcome the fit has not seen": 1}


def test_a_posterior_with_values_that_are_not_finite_is_damaged(tmp_path: Path) -> None:
    fitted = fit(comparisons([("a", "b", "first"), ("b", "a", "first")]))
    replace(fitted, mean=np.array([np.nan, 0.0])).save(tmp_path)
    with pytest.raises(InputError, match="mean hold values that are not finite"):
        load(tmp_path)


def test_preferences_after_a_fit_to_degrees_are_those_of_its_decided_votes() -> None:
    model = PairModel(np.array([1.0, 2.0, 3.0]), True)
    nuisance, gap = np.array([-0.3, 0.4, -0.8]), 1.1
    p = np.exp(model.log_prob(np.array([gap]), nuisance))[:, 0]
    counts = np.round(20_000 * p).astype(int)
    votes, degree = [], []
    for score, number in zip(model.scores, counts, strict=True):
        votes += [("a", "b", "first" if score > 0 else "second" if score < 0 else "tie")] * number
        degree += [abs(score) or None] * number
    fitted = fit(comparisons(votes, degree=degree), draws=2000)
    a, b = (Item.of("", name, system=name) for name in "ab")
    wanted = p[model.scores > 0].sum() / p[model.scores != 0].sum()
    assert fitted.prefer([a], [b])[0] == pytest.approx(wanted, abs=0.002)
    assert fitted.prefer([a], [b])[0] + fitted.prefer([b], [a])[0] == pytest.approx(1.0, abs=1e-12)


def test_names_are_no_items() -> None:
    with pytest.raises(UsageError, match=r"'a' is no item.*Item\.of"):
        posterior().prefer(["a"], ["b"])  # type: ignore[list-item]
