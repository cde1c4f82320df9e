"""What benchmarks/objectives.py trains on and measures by: each form of feedback, its limit, and the page it made."""

from __future__ import annotations

import importlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

pytest.importorskip("torch", reason="the extra `lm` is not installed")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def part():
    """A module of the benchmark, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield lambda name: importlib.import_module(f"objectives_.{name}")


def worth(groups=20_000, seed=0):
    return np.random.default_rng(seed).normal(size=(groups, 4))


def test_feedback_is_what_raters_of_one_nat_of_noise_say(part):
    records, values = part("records"), worth()
    rng = np.random.default_rng(1)
    pairs = records.judged("pair", values, records.CLEAN, rng)
    gap = values.ravel()[pairs.outputs[:, 0]] - values.ravel()[pairs.outputs[:, 1]]
    assert set(pairs.said["prefer"]) == {0.0, 1.0}
    assert np.cov(pairs.said["prefer"] - expit(gap), gap)[0, 1] == pytest.approx(0.0, abs=0.02)
    thumbs = records.judged("thumb", values, records.CLEAN, rng)
    assert (thumbs.said["label"][:, 0] - expit(values.ravel())).mean() == pytest.approx(0.0, abs=0.01)
    ranked = records.judged("ranking", values, records.CLEAN, rng)
    first = (ranked.said["score"] == -1).astype(float)
    share = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    assert (first * values).sum(1).mean() == pytest.approx((share * values).sum(1).mean(), abs=0.02)
    chosen = records.judged("chosen", values, records.CLEAN, rng)
    assert values.ravel()[chosen.outputs].mean() == pytest.approx((expit(gap) * gap).mean() - gap.mean() / 2, abs=0.02)


def test_faults_are_as_large_as_they_are_said_to_be(part):
    records, values = part("records"), worth()
    faults, far = records.FAULTS, np.where(worth() > 0, 40.0, -40.0)
    rng = np.random.default_rng(2)
    told = records.judged("thumb", far, faults["20 % turned around"], rng).said["label"][:, 0]
    assert (told != (far.ravel() > 0)).mean() == pytest.approx(0.2, abs=0.01)
    assert (records.judged("pair", values, faults["half ties"], rng).said["prefer"] == 0.5).mean() == pytest.approx(
        0.5, abs=0.02
    )
    for form in ("marks", "scores"):
        neutral = {"marks": 0.5, "scores": 0.0}[form]
        found = records.judged(form, values, faults["half ties"], rng).said["score"]
        assert (found == neutral).mean() == pytest.approx(0.5, abs=0.02)
    for alone, sign in (("good alone", 1), ("bad alone", -1)):
        kept = records.judged("scores", values, faults[alone], rng)
        assert ((sign * kept.said["score"] > 0) == (kept.outputs >= 0)).all()
        assert (kept.first // 4 == kept.outputs.max(1) // 4).all()
    with pytest.raises(Exception, match="both signs"):
        records.judged("pair", values, faults["good alone"], rng)
    copied = records.judged("pair", values, faults["each five times"], rng)
    assert len(copied) == len(values) * 2
    assert len(np.unique(copied.outputs[:, 0])) == len(copied) / 5


def test_the_world_is_that_of_its_language(part):
    listed = part("listed")
    world = listed.Listed.of(3)
    laid = listed.tokens(*world.tables)
    np.testing.assert_allclose(laid.sum(2).exp().numpy(), world.base, atol=1e-12)
    assert (laid[:, ~world.mask] == 0).all()
    assert world.told(world.target)["below"] == pytest.approx(0.0, abs=1e-3)
    flat = world.drawn(world.target, 60_000, np.random.default_rng(0))
    shares = np.bincount(flat.ravel(), minlength=world.base.size).reshape(world.base.shape) / (flat.size / 6)
    assert listed.distance(shares, world.target) < 0.02


def test_the_best_of_four_has_the_law_that_all_draws_give(part):
    base, reward = np.array([[0.5, 0.3, 0.2]]), np.array([[1.0, 1.0, 2.0]])
    expected = np.zeros(3)
    for draws in itertools.product(range(3), repeat=4):
        best = [own for own in draws if reward[0, own] == max(reward[0, list(draws)])]
        np.add.at(expected, best, base[0, list(draws)].prod() / len(best))
    np.testing.assert_allclose(part("listed").best_of(base, reward)[0], expected, atol=1e-12)


def test_all_feedback_is_there_in_its_proportions(part):
    everything, world, rng = part("everything"), part("listed").Listed.of(0), np.random.default_rng(0)
    pairs, both = np.array([[0, 1], [3, 2]]), np.array([0.3, 0.7])
    gap = world.utility.ravel()[pairs[:, 0]] - world.utility.ravel()[pairs[:, 1]]
    _, said = everything._degrees(pairs, both, gap)
    weight = said["weight"].reshape(6, 2)
    np.testing.assert_allclose(weight.sum(0), both, atol=1e-12)
    np.testing.assert_allclose(weight[:3].sum(0), both * expit(gap), atol=1e-12)
    pairs, said = everything._pairs(world, "pair", 0.0)
    assert len(np.unique(pairs, axis=0)) == len(pairs) == 6 * 72 * 71 / 2
    each = (1 - (world.base**2).sum(1)) / 2
    np.testing.assert_allclose(np.bincount(pairs[:, 0] // 72, said["weight"]), each, atol=1e-12)
    orders, said = everything._orders(world, world.utility.ravel(), rng)
    np.testing.assert_allclose(said["weight"].reshape(-1, 24).sum(1), 1.0, atol=1e-12)
    assert (orders // 72 == orders[:, :1] // 72).all()


@pytest.mark.parametrize("n", [3, 10])
def test_intervals_hold(part, n):
    draws = np.random.default_rng(n).normal(0.3, 1.0, (4000, n))
    low, high = np.array([part("tables").interval(own)[1:] for own in draws]).T
    assert np.mean((low < 0.3) & (high > 0.3)) == pytest.approx(0.95, abs=0.012)


def test_the_page_shows_the_committed_results(part):
    results = json.loads((ROOT / "benchmarks" / "results" / "objectives.json").read_text("utf-8"))
    page = (
        (ROOT / "docs" / "benchmarks.md").read_text("utf-8").split("## What objectives are worth")[1].split("\n## ")[0]
    )
    for name, table in part("tables").tables(results).items():
        assert table in page.split("\n## ")[0], name
