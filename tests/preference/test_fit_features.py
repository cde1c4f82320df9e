"""Utilities linear in features: against other optimisers, numerical integrals, and where there is no maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from heedful.core import FitError, Item, ScaleError
from heedful.core.contracts import PosteriorContract
from heedful.feedback import Candidate, Rater, Record, Table, Value
from heedful.models import StyleFeatures
from heedful.preference import FittedPosterior, fit, load
from heedful.preference.features import explore
from heedful.preference.fitting import build
from heedful.preference.inference import Problem, log_evidence, maximise
from heedful.preference.observations import observe


@dataclass(frozen=True)
class Numbers:
    """Outputs that are the numbers themselves, for the tests: "0.5 -1.2" has two features."""

    columns: int = 2

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{column}" for column in range(self.columns))

    def fit(self, items: Sequence[Item]) -> Numbers:
        return self

    def encode(self, items: Sequence[Item]) -> np.ndarray:
        rows = [[float(x) for x in item.output[0].text.split()] for item in items]
        return np.array(rows, dtype=np.float64).reshape(len(items), self.columns)

    def describe(self) -> dict[str, Any]:
        return {"encoder": "numbers"}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"encoder": "numbers"}

    @classmethod
    def from_state(cls, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> Numbers:
        return cls()


def table(
    x: np.ndarray, theta: Sequence[float], seed: int = 0, raters: int = 0, taste: float = 0.0
) -> tuple[Table, np.ndarray, np.ndarray]:
    """Comparisons of outputs 2r and 2r + 1 with features x [2n, d]: a table, which first won, feature differences."""
    rng = np.random.default_rng(seed)
    difference = x[::2] - x[1::2]
    rater = rng.integers(raters, size=len(difference)) if raters else None
    weights = np.array(theta) + (taste * rng.normal(size=(raters, x.shape[1]))[rater] if rater is not None else 0.0)
    won = rng.random(len(difference)) < expit((difference * weights).sum(axis=1))
    records = [
        Record(
            kind="comparison",
            context=f"question {row}",
            candidates=[Candidate(output=" ".join(map(repr, map(float, x[2 * row + side])))) for side in (0, 1)],
            value=Value(choice="first" if win else "second"),
            rater=None if rater is None else Rater(id=f"rater {rater[row]}"),
        )
        for row, win in enumerate(won)
    ]
    return Table.of(records), won, difference


def features(n: int, d: int = 2, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2 * n, d))


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


@pytest.mark.parametrize("prior_sd", [0.3, np.inf])
def test_weights_are_those_of_another_optimiser(prior_sd: float) -> None:
    x = features(150)
    votes, won, _ = table(x, [1.0, -0.5])
    posterior = fit(votes, utility="features", features=Numbers(), prior_sd=prior_sd)
    z = standardised(x)
    difference = np.where(won[:, None], 1, -1) * (z[::2] - z[1::2])

    def loss(theta: np.ndarray) -> float:
        return -float(np.log(expit(difference @ theta)).sum()) + float(theta @ theta) / (2 * prior_sd**2)

    wanted = minimize(loss, np.zeros(2), tol=1e-12, method="BFGS").x
    np.testing.assert_allclose(posterior.mean, wanted, atol=1e-5)
    assert (posterior.model["prior"] is None) == np.isinf(prior_sd)
    step = 1e-4
    hessian = [
        [
            sum(i * j * loss(wanted + step * (i * a + j * b)) for i in (1, -1) for j in (1, -1)) / (4 * step**2)
            for a in np.eye(2)
        ]
        for b in np.eye(2)
    ]
    np.testing.assert_allclose(posterior.covariance, np.linalg.inv(hessian), rtol=1e-3)
    assert posterior.names == ("x0", "x1")


def test_evidence_is_the_integral_it_approximates() -> None:
    x = features(80, d=1)
    votes, won, _ = table(x, [0.8])
    likelihoods, z = build(observe(votes, "overall", identity="content")), standardised(x)
    items = observe(votes, "overall", identity="content").items()
    design = (Numbers(1).encode(items) - x.mean(axis=0)) / x.std(axis=0)
    gap = np.where(won, 1, -1) * (z[::2] - z[1::2])[:, 0]
    grid = np.linspace(-6, 6, 20_001)
    log_likelihood = np.log(expit(gap[:, None] * grid)).sum(axis=0)

    def integral(sd: float) -> float:
        log_prior = -(grid**2) / (2 * sd**2) - np.log(sd)
        return float(np.log(np.trapezoid(np.exp(log_likelihood + log_prior), grid)))

    widths = (0.2, 1.0, 3.0)
    found = []
    for sd in widths:
        optimum = maximise(Problem(likelihoods, len(design), design, np.array([sd**-2])))
        found.append(log_evidence(optimum))
    wanted = np.array([integral(sd) for sd in widths])
    np.testing.assert_allclose(np.array(found) - found[0], wanted - wanted[0], atol=0.03)


def test_the_evidence_chooses_a_width_near_the_truth() -> None:
    rng = np.random.default_rng(3)
    x = features(400, d=30)
    for sd in (0.1, 0.6):
        votes, _, _ = table(x, sd * rng.normal(size=30))
        seen = observe(votes, "overall", identity="content")
        design = standardised(Numbers(30).encode(seen.items()))
        tried = explore(build(seen), design)
        assert sd / 2 < max(tried, key=lambda width: width.evidence).sd < sd * 2


def test_what_is_not_known_of_the_prior_widens_the_posterior() -> None:
    rng = np.random.default_rng(4)
    votes, _, _ = table(features(60, d=10), 0.3 * rng.normal(size=10))
    free = fit(votes, utility="features", features=Numbers(10))
    fixed = fit(votes, utility="features", features=Numbers(10), prior_sd=free.model["prior"]["sd"])
    assert free.covariance is not None
    assert fixed.covariance is not None
    assert np.trace(free.covariance) > np.trace(fixed.covariance)
    assert np.linalg.norm(free.mean) < np.linalg.norm(
        fit(votes, utility="features", features=Numbers(10), prior_sd=10.0).mean
    )


def test_separated_votes_have_no_maximum_without_a_prior() -> None:
    x = features(30)
    votes, _, difference = table(x, [1.0, 0.0])
    records = [
        record.model_copy(update={"value": Value(choice="first" if gap[0] > 0 else "second")})
        for record, gap in zip(votes.records(), difference, strict=True)
    ]
    with pytest.raises(FitError, match="predicts every judgement"):
        fit(Table.of(records), utility="features", features=Numbers(), prior_sd=np.inf)
    fitted = fit(Table.of(records), utility="features", features=Numbers())
    assert fitted.mean[0] > 3 * abs(fitted.mean[1])


def test_repeated_features_are_not_determined_without_a_prior() -> None:
    x = np.repeat(features(60, d=1), 2, axis=1)
    votes, _, _ = table(x, [0.5, 0.5])
    with pytest.raises(FitError, match="repeat others"):
        fit(votes, utility="features", features=Numbers(), prior_sd=np.inf)
    fitted = fit(votes, utility="features", features=Numbers())
    assert fitted.mean[0] == pytest.approx(fitted.mean[1], abs=1e-9)


def test_more_features_than_votes() -> None:
    x = features(20, d=50)
    votes, _, _ = table(x, [1.0] + [0.0] * 49)
    fitted = fit(votes, utility="features", features=Numbers(50))
    assert fitted.model["converged"]
    assert np.isfinite(fitted.draws).all()


def test_votes_all_alike_are_an_error() -> None:
    candidates = [Candidate(output="0 1"), Candidate(output="1 0")]
    ties = Table.of([Record(kind="comparison", candidates=candidates, value=Value(choice="tie"))])
    with pytest.raises(FitError, match="say the same"):
        fit(ties, utility="features", features=Numbers())


def test_raters_of_different_tastes_widen_the_posterior() -> None:
    votes, _, _ = table(features(1200), [0.5, 0.0], raters=15, taste=1.0)
    wide = fit(votes, utility="features", features=Numbers(), prior_sd=1.0)
    narrow = fit(votes, utility="features", features=Numbers(), prior_sd=1.0, clusters="none")
    np.testing.assert_allclose(wide.mean, narrow.mean)
    assert wide.covariance is not None
    assert narrow.covariance is not None
    assert (np.diag(wide.covariance) > 2 * np.diag(narrow.covariance)).all()


def style_posterior() -> FittedPosterior:
    rng = np.random.default_rng(5)
    records = []
    for row in range(60):
        words = [" ".join(["word"] * int(rng.integers(1, 40))) + "!" * int(rng.integers(3)) for _ in range(2)]
        choice = "first" if len(words[0]) + rng.logistic() * 40 > len(words[1]) else "second"
        candidates = [Candidate(output=text) for text in words]
        records.append(Record(kind="comparison", context=f"q{row}", candidates=candidates, value=Value(choice=choice)))
    return fit(Table.of(records), utility="features", features=StyleFeatures())


class TestFeaturesPosterior(PosteriorContract):
    def make(self) -> FittedPosterior:
        return style_posterior()

    def items(self) -> list[Item]:
        return [Item.of("q", " ".join(["word"] * n)) for n in (1, 5, 20)]


def test_a_reference_per_context_and_none_for_others() -> None:
    fitted = style_posterior()
    items = [Item.of(c, o) for c in ("q", "r") for o in ("short", "a good deal longer than that")]
    scores = fitted.potential(scale="log_prob", reference=items)(items)
    u = fitted(items).mean
    np.testing.assert_allclose(scores.mean, np.log(expit(u - np.repeat([u[:2].mean(), u[2:].mean()], 2))), atol=1e-12)
    with pytest.raises(ScaleError, match="context without a reference"):
        fitted.potential(scale="log_prob", reference=items[:2])(items)


def test_saved_features_are_identical(tmp_path: Path) -> None:
    fitted = style_posterior()
    fitted.save(tmp_path)
    items = [Item.of("q", "a text"), Item.of("q", "another, longer text: with more!")]
    once, again = fitted(items), load(tmp_path)(items)
    np.testing.assert_array_equal(once.mean, again.mean)
    np.testing.assert_array_equal(once.draws, again.draws)


def test_contexts_held_out_choose_a_narrower_prior_where_votes_share_more_than_the_features() -> None:
    """Every pair is judged eight times, and each output has a worth of its own that no feature tells."""
    rng = np.random.default_rng(11)
    pairs, d = 60, 20
    x = rng.normal(size=(2 * pairs, d))
    gap = (x[::2] - x[1::2]) @ np.full(d, 0.1) + 2.0 * rng.normal(size=pairs)
    records = [
        Record(
            kind="comparison",
            context=f"question {row}",
            candidates=[Candidate(output=" ".join(map(repr, map(float, x[2 * row + side])))) for side in (0, 1)],
            value=Value(choice="first" if rng.random() < expit(gap[row]) else "second"),
        )
        for row in range(pairs)
        for _ in range(8)
    ]
    told = {"utility": "features", "features": Numbers(d)}
    chosen = fit(Table.of(records), **told)  # type: ignore[arg-type]
    by_evidence = fit(Table.of(records), prior_sd="evidence", **told)  # type: ignore[arg-type]
    assert chosen.model["prior"]["sd_was"] == "chosen on contexts held out"
    assert chosen.model["prior"]["sd"] < 0.5 * by_evidence.model["prior"]["sd"]
    fresh = rng.normal(size=(2000, d))
    truth = expit(fresh @ np.full(d, 0.1) * x.std() + 2.0 * rng.normal(size=2000))

    def loss(weights: np.ndarray) -> float:
        p = expit(fresh @ weights)
        return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).mean())

    assert loss(chosen.mean) < loss(by_evidence.mean) - 0.02
    alone = fit(Table.of(records[::8]), **told)  # type: ignore[arg-type]
    assert alone.model["prior"]["sd_was"].startswith("averaged by evidence")
