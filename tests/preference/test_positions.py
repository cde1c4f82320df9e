"""Implicit signals where a logging policy shows the better outputs first: position must not pass for quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from heedful.feedback import Table
from heedful.preference import fit
from heedful.preference.fitting import build
from heedful.preference.inference import Problem, maximise
from heedful.preference.observations import observe
from heedful.preference.signals import BELOW, MOST_POSITIONS, UNPLACED
from heedful.worlds import positions

from .votes import comparisons

TRUTH = np.linspace(-1, 1, 8)
SLOTS = 6
Logged = tuple[np.ndarray, np.ndarray, np.ndarray]


def logged(rng: np.random.Generator, pages: int, *, examined: bool = False) -> Logged:
    made = positions.logged(TRUTH, pages, rng=rng, slots=SLOTS, examined=examined)
    return made.item, made.position, made.click


def clicks(item: np.ndarray, click: np.ndarray, position: Sequence[Any] | np.ndarray | None, **columns: Any) -> Table:
    n = len(item)
    given = {} if position is None else {"position": list(position)}
    frame = {
        "id": [str(row) for row in range(n)],
        "kind": ["implicit"] * n,
        "signal": ["click"] * n,
        **columns,
        **given,
    }
    systems = pl.Series([[f"{one:02d}"] for one in item], dtype=pl.List(pl.String))
    return Table.shaped(pl.DataFrame(frame).with_columns(systems=systems, amount=pl.Series(click).cast(pl.Float64)))


def test_positions_are_the_maximum_of_additive_logits() -> None:
    """u_i + c_k by another optimiser, on the same votes; equal sharpness at all positions."""
    item, position, click = logged(np.random.default_rng(0), 300)

    def loss(x: np.ndarray) -> float:
        z = x[item] + x[len(TRUTH) + position]
        return -float(log_expit(np.where(click, z, -z)).sum())

    found = minimize(loss, np.zeros(len(TRUTH) + SLOTS), method="BFGS", options={"gtol": 1e-6}).x[: len(TRUTH)]
    seen = observe(clicks(item, click, position), "overall")
    assert list(seen.instruments) == [f"position {k}, implicit click" for k in range(SLOTS)]
    u = maximise(Problem(build(seen), len(TRUTH))).point.x[: len(TRUTH)]
    np.testing.assert_allclose(u - u.mean(), found - found.mean(), atol=1e-5)


@pytest.mark.parametrize("examined", [False, True])
def test_better_items_shown_first_are_not_taken_for_better_still(examined: bool) -> None:
    """Under either law of clicks. Without positions the ends seem a quarter of their true distance further apart, far
    beyond what the intervals allow; by position the error is the noise of the votes, and less than half as lopsided."""
    naive, placed, sd, ends = [], [], [], np.array([-1, *[0] * 6, 1])
    for seed in range(10):
        item, position, click = logged(np.random.default_rng(seed), 3000, examined=examined)
        without = fit(clicks(item, click, None), draws=2)
        assert without.covariance is not None
        sd.append(np.sqrt(ends @ without.covariance @ ends))
        naive.append(without.mean - TRUTH)
        placed.append(fit(clicks(item, click, position), draws=2).mean - TRUTH)
    wrong, right = (np.mean(errors, axis=0) @ ends for errors in (naive, placed))
    assert wrong > max(0.5, 3 * np.mean(sd))
    assert abs(right) < wrong / 2
    assert np.square(placed).mean() < 0.64 * np.square(naive).mean()


def test_intervals_hold_where_positions_shift_the_logit() -> None:
    rng, hits = np.random.default_rng(1), []
    for _ in range(80):
        item, position, click = logged(rng, 400)
        fitted = fit(clicks(item, click, position), draws=2)
        assert fitted.covariance is not None
        hits.append(np.abs(fitted.mean - TRUTH) < 1.96 * np.sqrt(np.diag(fitted.covariance)))
    assert 0.92 < np.mean(hits) < 0.98


def test_a_policy_that_never_varies_tells_nothing() -> None:
    rng = np.random.default_rng(2)
    item = np.tile(np.arange(4), 200)
    click = rng.random(800) < np.tile([0.5, 0.4, 0.3, 0.2], 200)
    assert fit(clicks(item, click, None)).identified.all()
    fitted = fit(clicks(item, click, item))
    assert not fitted.identified.any()
    assert {"ranking.nothing_identified", "fit.positions"} <= {finding.code for finding in fitted.findings}
    # Two items swapped now and then: their positions are joined, and they alone are placed.
    swapped = np.where(np.arange(800) // 4 % 3 == 0, np.array([1, 0, 2, 3])[item], item)
    assert fit(clicks(item, click, swapped)).identified.tolist() == [True, True, False, False]
    # Comparisons join all.
    votes = comparisons([(f"{a:02d}", f"{b:02d}", "first") for a in range(4) for b in range(4) if a != b])
    assert fit(Table.concat([votes, clicks(item, click, item)])).identified.all()


def test_a_propensity_goes_before_a_position() -> None:
    item, position, click = logged(np.random.default_rng(3), 200)
    propensity = 1 / (1 + position)
    both = fit(clicks(item, click, position, propensity=propensity))
    np.testing.assert_array_equal(both.mean, fit(clicks(item, click, None, propensity=propensity)).mean)
    # Where only some have one, the others are read by position, beside them.
    some = [float(p) if row // SLOTS % 2 else None for row, p in enumerate(propensity)]
    kinds = [entry["kind"] for entry in fit(clicks(item, click, position, propensity=some)).model["likelihoods"]]
    assert kinds == ["implicit click", *(f"position {k}, implicit click" for k in range(SLOTS))]


def test_positions_that_are_missing_or_far_down_are_counted() -> None:
    item, position, click = logged(np.random.default_rng(4), 200)
    rows = np.arange(len(item))
    lacking = [
        None if row % 5 == 0 else int(k) + (MOST_POSITIONS if row % 7 == 0 else 0) for row, k in enumerate(position)
    ]
    fitted = fit(clicks(item, click, lacking))
    counted = {finding.message.split(": ")[1].rstrip("."): finding.count for finding in fitted.findings[:2]}
    assert counted == {UNPLACED: int((rows % 5 == 0).sum()), BELOW: int(((rows % 7 == 0) & (rows % 5 > 0)).sum())}
    kept = [row for row in rows if row % 5 and row % 7]
    np.testing.assert_array_equal(fitted.mean, fit(clicks(item[kept], click[kept], position[kept])).mean)
    # Of another name they count by themselves: no position is known of any.
    likes = clicks(item, click, None).frame.with_columns(
        pl.lit("like").alias("signal"), ("like" + pl.col("id")).alias("id")
    )
    joint = observe(Table.concat([clicks(item, click, position), Table.shaped(likes)]), "overall")
    assert joint.excluded == {}
    assert "implicit like" in joint.instruments


def test_predictions_are_made_at_the_position_shown() -> None:
    item, position, click = logged(np.random.default_rng(5), 1500)
    fitted = fit(clicks(item, click, position))
    one, where = np.full(2 * SLOTS, 3), np.repeat(np.arange(SLOTS), 2)
    p = np.exp(fitted.predict(clicks(one, np.tile([0, 1], SLOTS), where)).log_prob).reshape(SLOTS, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(p[:, 1], expit(TRUTH[3] - 1 - np.arange(SLOTS) / 2), atol=0.06)
    assert (np.diff(p[:, 1]) < 0).all()
    unseen = fitted.predict(clicks(one[:1], np.ones(1), [SLOTS]))
    assert unseen.unpredicted == {"a scale or kind the fit has not seen": 1}
