"""Heads without torch: votes, the linear head and its calibration, flipped votes, criteria, posteriors, saving."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata

from heedful.core import Finding, InputError, Item, MissingExtraError, ScaleError, UsageError
from heedful.core.contracts import PosteriorContract
from heedful.feedback import Candidate, Record, Table, Value
from heedful.preference import fit
from heedful.preference.features import fit_features
from heedful.preference.heads.aspects import Aspects
from heedful.preference.heads.base import FittedHead, Gap, Head, gaussian_gap, hermite
from heedful.preference.heads.calibration import (
    Calibrated,
    OutOfFold,
    calibration_report,
    cross_fit,
    fitted_curve,
    fitted_temperature,
)
from heedful.preference.heads.criteria import Crossing
from heedful.preference.heads.epinet import Epinet
from heedful.preference.heads.linear import FittedLinear, Linear
from heedful.preference.heads.networks import Networks
from heedful.preference.heads.noise import FlipNoise, Voted, meant, mended, strengths
from heedful.preference.heads.posterior import HeadPosterior
from heedful.preference.heads.process import GaussianProcess
from heedful.preference.heads.saved import load_head
from heedful.preference.heads.training import torch_module
from heedful.preference.heads.votes import Ratings, Votes, folds
from heedful.preference.observations import observe
from heedful.stats import log_loss


def world(
    n: int, d: int, *, size: float = 1.0, flipped: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, Votes, np.ndarray, np.ndarray]:
    """A design [2n, d], n votes on rows 2r and 2r + 1 by a linear utility, its weights, and which votes are flips."""
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(2 * n, d)), size * rng.normal(size=d)
    first = 2 * np.arange(n)
    won = rng.random(n) < expit((x[first] - x[first + 1]) @ weights)
    flip = rng.random(n) < flipped
    return x, Votes.of(first, first + 1, np.where(flip, ~won, won)), weights, flip


def expected_loss(p: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(-truth * np.log(p) - (1 - truth) * np.log1p(-p)))


def back(fitted: FittedHead) -> FittedHead:
    """The head as it comes back from arrays and a JSON text."""
    arrays, state = fitted.state()
    return load_head({name: np.array(array) for name, array in arrays.items()}, json.loads(json.dumps(state)))


def assert_alike(one: FittedHead, other: FittedHead, x: np.ndarray) -> None:
    assert one.name == other.name
    np.testing.assert_array_equal(one.mean(x), other.mean(x))
    np.testing.assert_array_equal(one.draws(x), other.draws(x))
    np.testing.assert_array_equal(one.prefer(x[:-1], x[1:]), other.prefer(x[:-1], x[1:]))


# Votes


def test_votes_are_checked() -> None:
    with pytest.raises(InputError, match="one entry per vote"):
        Votes.of([0, 1], [1, 2], [1.0])
    with pytest.raises(InputError, match="one entry per vote"):
        Votes.of(0, 1, 1.0)
    with pytest.raises(InputError, match="shares"):
        Votes.of([0], [1], [1.5])
    with pytest.raises(InputError, match="with itself"):
        Votes.of([0, 2], [1, 2], [1, 1])


@pytest.mark.parametrize("wrong", [[0.7, 1.9], [-1, 0], [np.nan, 0], [1e300, 0], ["a", "b"], [True, False]])
def test_rows_of_votes_are_whole_numbers_from_zero(wrong: Sequence[Any]) -> None:
    for columns in ((wrong, [2, 3]), ([2, 3], wrong)):
        with pytest.raises(InputError, match=r"whole numbers|numbered from 0") as raised:
            Votes.of(*columns, [1, 0])
        assert raised.value.fix


@pytest.mark.parametrize(
    ("name", "value"),
    [("weight", np.inf), ("weight", np.nan), ("weight", -1), ("margin", np.nan), ("margin", np.inf), ("group", 0.5)],
)
def test_weights_margins_and_groups_of_votes_are_numbers(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name if name != "group" else "whole"):
        Votes.of([0], [1], [1], **{name: [value]})  # type: ignore[arg-type]


def test_ratings_are_checked() -> None:
    one = np.array([1])
    for ratings in (Ratings(-one, one, one), Ratings(one, np.array([np.nan]), one), Ratings(one, np.ones(2), one)):
        with pytest.raises(InputError, match="ratings"):
            Votes.of([0], [1], [1], ratings={"stars": ratings})


@pytest.mark.parametrize(
    "head",
    [Linear(), Linear(prior_sd=1.0), GaussianProcess(), Calibrated(Linear()), Networks(), Epinet(), Aspects()],
)
def test_votes_beyond_a_design_and_features_that_are_not_finite_are_refused(head: Head) -> None:
    x, votes, *_ = world(30, 2)
    beyond = replace(votes, second=votes.second + 40)
    with pytest.raises(InputError, match="row 99, and the design has 60 rows"):
        head.fit(x, beyond, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="row 99"):
        beyond.likelihoods(60)
    rated = replace(votes, ratings={"stars": Ratings(np.array([60]), np.ones(1), np.zeros(1, int))})
    with pytest.raises(InputError, match="row 60"):
        rated.likelihoods(60)
    x[7, 1] = np.nan
    with pytest.raises(InputError, match="1 of 60 rows of the design have features that are not finite"):
        head.fit(x, votes, rng=np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan])
def test_widths_are_above_zero(wrong: float) -> None:
    for head, name in ((Linear, "prior_sd"), (GaussianProcess, "lengthscale"), (GaussianProcess, "sd")):
        with pytest.raises(UsageError, match=f"{name} is above 0"):
            head(**{name: wrong})  # type: ignore[arg-type]


def test_taking_and_compacting_keep_votes_on_the_same_features() -> None:
    x = np.arange(12.0)[:, None]
    ratings = {"stars": Ratings(np.array([5, 9]), np.array([1.0, 4.0]), np.array([7, 8]))}
    votes = Votes.of([2, 4, 2], [3, 6, 6], [1, 0, 0.5], group=[1, 2, 3], ratings=ratings)
    part = votes.take(np.array([False, True, True, False, True]))
    design, moved = part.compact(x)
    assert len(part) == 3
    assert part.groups.tolist() == [2, 3, 8]
    assert design.ravel().tolist() == [2, 4, 6, 9]
    np.testing.assert_array_equal(design[moved.first], x[[4, 2]])
    np.testing.assert_array_equal(design[moved.second], x[[6, 6]])
    np.testing.assert_array_equal(design[moved.ratings["stars"].item], [[9.0]])


def test_folds_keep_groups_whole_and_are_even() -> None:
    groups = np.repeat(np.arange(20), 3)
    fold = folds(groups, 5, np.random.default_rng(0))
    assert all(len(set(fold[groups == group])) == 1 for group in range(20))
    assert np.bincount(fold).tolist() == [12] * 5
    with pytest.raises(InputError, match="folds"):
        folds(np.array([1, 1, 2]), 3, np.random.default_rng(0))


def test_votes_are_read_from_a_table_and_what_is_not_is_said() -> None:
    def record(kind: str, outputs: Sequence[str], **value: Any) -> Record:
        return Record(
            kind=kind,  # type: ignore[arg-type]
            context="q",
            candidates=[Candidate(output=output) for output in outputs],
            value=Value(**value),
        )

    table = Table.of(
        [
            record("comparison", ["a", "b"], choice="first"),
            record("comparison", ["b", "c"], choice="tie"),
            record("rating", ["a"], rating=4.0, scale=(1.0, 5.0)),
            record("best_of", ["a", "b", "c"], best=1),
        ]
    )
    seen, findings = observe(table, "overall", identity="content"), list[Finding]()
    votes = Votes.read(seen, np.arange(4) * 10, findings=findings)
    assert votes.tied.tolist() == [False, True]
    assert votes.share[0] == 1
    assert votes.group.tolist() == [0, 10]
    (ratings,) = votes.ratings.values()
    assert (ratings.value.tolist(), ratings.group.tolist()) == ([4.0], [20])
    assert [found.code for found in findings] == ["heads.sets_unread"]


def test_a_soft_vote_is_its_parts_and_margins_have_no_likelihood() -> None:
    x, votes, *_ = world(30, 2)
    soft = replace(votes, share=np.full(30, 0.3))
    twice = Votes.of(
        np.tile(votes.first, 2), np.tile(votes.second, 2), np.repeat([1.0, 0.0], 30), weight=np.repeat([0.3, 0.7], 30)
    )
    one, other = (own.likelihoods(60)[0].terms(x[:, 0], np.zeros(0)) for own in (soft, twice))
    assert one.value == pytest.approx(other.value)
    np.testing.assert_allclose(one.gradient, other.gradient, atol=1e-12)
    with pytest.raises(InputError, match="margins"):
        replace(votes, margin=np.ones(30)).likelihoods(60)


def test_torch_is_asked_for_by_the_extra_of_the_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"heedful\[heads\]"):
        torch_module()


# The linear head


def test_linear_is_the_fit_of_the_package() -> None:
    x, votes, *_ = world(200, 3)
    fitted = Linear(pairs=16).fit(x, votes, rng=np.random.default_rng(1))
    same = fit_features(votes.likelihoods(400), x, None, votes.clusters, 16, np.random.default_rng(1))
    np.testing.assert_array_equal(fitted.mean(x), x @ same.mean)
    np.testing.assert_array_equal(fitted.draws(x), same.draws @ x.T)
    np.testing.assert_allclose(fitted.draws(x).mean(axis=0), fitted.mean(x), atol=1e-9)


def judged(context: str, numbers: np.ndarray, won: bool) -> Record:
    """A comparison of two outputs that are the rows of `numbers` [2, d], written out."""
    return Record(
        kind="comparison",
        context=context,
        candidates=[Candidate(output=" ".join(map(repr, map(float, own)))) for own in numbers],
        value=Value(choice="first" if won else "second"),
    )


def test_linear_through_a_table_is_heedful_fit() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=(160, 2))
    won = rng.random(80) < expit(numbers[::2, 0] - numbers[1::2, 0])
    table = Table.of([judged(f"q{row}", numbers[2 * row : 2 * row + 2], won[row]) for row in range(80)])
    posterior = fit(table, utility="features", features=Numbers())
    seen = observe(table, "overall", identity="content")
    encoder = posterior.utility.encoder  # type: ignore[attr-defined]
    head = Linear().fit(encoder.encode(seen.items()), Votes.read(seen, np.arange(80)), rng=np.random.default_rng(0))
    np.testing.assert_allclose(head.weights, posterior.mean, rtol=1e-10)


def test_linear_held_out_through_a_table_is_heedful_fit() -> None:
    """Contexts recur, so that `heedful.fit` holds them out by itself."""
    rng = np.random.default_rng(4)
    numbers = rng.normal(size=(160, 2))
    won = rng.random(80) < expit(numbers[::2, 0] - numbers[1::2, 0])
    table = Table.of([judged(f"q{row // 4}", numbers[2 * row : 2 * row + 2], won[row]) for row in range(80)])
    posterior = fit(table, utility="features", features=Numbers())
    assert posterior.model["prior"]["sd_was"] == "chosen on contexts held out"
    seen = observe(table, "overall", identity="content")
    encoder = posterior.utility.encoder  # type: ignore[attr-defined]
    votes = Votes.read(seen, np.arange(80) // 4)
    head = Linear(width="held out").fit(encoder.encode(seen.items()), votes, rng=np.random.default_rng(0))
    np.testing.assert_allclose(head.weights, posterior.mean, rtol=1e-10)
    with pytest.raises(InputError, match="too few"):
        Linear(width="held out").fit(
            encoder.encode(seen.items()), replace(votes, group=votes.group % 14), rng=np.random.default_rng(0)
        )


def test_a_width_held_out_is_safer_than_evidence_where_votes_of_a_group_repeat() -> None:
    """Ten equal votes on each pair: the evidence takes them for ten, held-out groups for what they are."""
    x, votes, weights, _ = world(60, 30, size=0.2, seed=3)
    copies = Votes.of(
        *(np.repeat(own, 10) for own in (votes.first, votes.second, votes.share)), group=np.repeat(np.arange(60), 10)
    )
    fresh = np.random.default_rng(9).normal(size=(2000, 30))
    truth = expit((fresh[::2] - fresh[1::2]) @ weights)
    losses = []
    for width in ("evidence", "held out"):
        head = Linear(width=width, pairs=32)  # type: ignore[arg-type]
        fitted = head.fit(x, copies, rng=np.random.default_rng(0))
        losses.append(expected_loss(fitted.prefer(fresh[::2], fresh[1::2]), truth))
    assert losses[1] < losses[0] - 0.1
    assert losses[1] < np.log(2)


# Calibration


def test_the_gap_of_gaussian_spread_is_the_logistic_normal_integral() -> None:
    class Spread(FittedLinear):
        def aleatoric(self, features: np.ndarray) -> np.ndarray:  # type: ignore[override]
            return np.full(len(features), 1.5)

    head = Spread(np.ones(1), np.ones((2, 1)))
    z = np.linspace(-10, 10, 20001)
    truth = np.trapezoid(expit(0.8 + np.hypot(1.5, 1.5) * z) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), z)
    found = gaussian_gap(head, np.array([[0.8]]), np.array([[0.0]])).probability()
    assert found == pytest.approx([truth], abs=1e-4)
    assert hermite()[1].sum() == pytest.approx(1)


def test_the_loss_of_a_gap_is_that_of_its_probability() -> None:
    gap = Gap(np.random.default_rng(0).normal(size=(6, 3, 5)), np.array([0.2, 0.5, 0.3]))
    share = np.array([1.0, 0.0, 0.5, 1.0, 0.2])
    np.testing.assert_allclose(gap.log_loss(share, 0.7), log_loss(gap.probability(0.7), share), rtol=1e-9)
    assert np.isfinite(Gap(np.full((1, 1, 1), 2000.0), np.ones(1)).log_loss(np.zeros(1), 0.1)).all()
    mirrored = Gap(-gap.values, gap.weights)
    np.testing.assert_allclose(gap.probability() + mirrored.probability(), 1, atol=1e-15)


def held_out(gap: np.ndarray, scale: float, seed: int = 0) -> OutOfFold:
    """Votes drawn with P = σ(gap), predicted with gaps `scale` times as large."""
    rng = np.random.default_rng(seed)
    share, fold = (rng.random(len(gap)) < expit(gap)).astype(float), np.arange(len(gap)) % 5
    places = tuple(np.flatnonzero(fold == number) for number in range(5))
    gaps = tuple(Gap(scale * gap[place][None, None], np.ones(1)) for place in places)
    return OutOfFold(gaps, places, share, np.ones(len(gap)), np.arange(len(gap)), fold)


def test_temperature_and_curve_undo_overconfidence() -> None:
    gap = np.random.default_rng(5).normal(size=4000)
    held = held_out(gap, 3.0)
    assert fitted_temperature(held) == pytest.approx(3.0, rel=0.12)
    curve = fitted_curve(held)
    p = np.linspace(0.05, 0.95, 19)
    assert (np.diff(curve(p)) >= 0).all()
    np.testing.assert_allclose(curve(p) + curve(1 - p), 1, atol=1e-15)
    # σ(3 g) is predicted where σ(g) holds.
    np.testing.assert_allclose(curve(expit(3 * np.array([-1.0, 0.5]))), expit([-1.0, 0.5]), atol=0.05)
    for method in ("temperature", "isotonic"):
        report = calibration_report(held, method, rng=np.random.default_rng(0))  # type: ignore[arg-type]
        truth = expected_loss(expit(gap), expit(gap))
        assert abs(report.log_loss_after - truth) < 0.015 < 0.1 < report.log_loss_before - truth
        assert report.ece_after < 0.02 < 0.1 < report.ece_before


def test_calibrating_what_is_calibrated_costs_little_and_a_curve_more_than_a_number() -> None:
    costs = []
    for seed in range(8):
        held = held_out(np.random.default_rng(seed).normal(size=400), 1.0, seed)
        reports = [calibration_report(held, how, rng=np.random.default_rng(0)) for how in ("temperature", "isotonic")]
        costs.append([report.log_loss_after - report.log_loss_before for report in reports])
    temperature, isotonic = np.mean(costs, axis=0)
    assert 0 < temperature < 0.005
    assert temperature < isotonic


def test_cross_fitting_predicts_no_vote_by_a_fit_that_saw_its_group() -> None:
    @dataclass(frozen=True)
    class Remembers:
        """Knows how each row it saw was judged, and nothing of others."""

        name: str = "remembers"

        def fit(self, design: np.ndarray, votes: Votes, *, rng: np.random.Generator) -> FittedHead:
            known = set(design[:, 0].tolist())
            fitted = FittedLinear(np.zeros(1), np.zeros((2, 1)))
            object.__setattr__(fitted, "known", known)
            object.__setattr__(fitted, "gap", lambda a, b: seen(known, a))
            return fitted

    def seen(known: set[float], rows: np.ndarray) -> Gap:
        return Gap(np.array([[[9.0 if row in known else 0.0 for row in rows[:, 0]]]]), np.ones(1))

    x = np.arange(40.0)[:, None]
    votes = Votes.of(2 * np.arange(20), 2 * np.arange(20) + 1, np.ones(20), group=np.arange(20) // 2)
    held = cross_fit(Remembers(), x, votes, count=5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(held.probability(), 0.5)


def test_a_calibrated_head_is_on_one_scale() -> None:
    x, votes, *_ = world(300, 4)
    head = Calibrated(Linear(pairs=16)).fit(x, votes, rng=np.random.default_rng(0))
    plain = head.head
    np.testing.assert_allclose(head.mean(x) * head.temperature, plain.mean(x))
    np.testing.assert_allclose(
        head.prefer(x[:9], x[9:18]), plain.gap(x[:9], x[9:18]).probability(head.temperature), rtol=1e-12
    )
    assert head.report.n == 300
    with pytest.raises(UsageError, match="calibration"):
        Calibrated(Linear(), "magic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="decided"):
        Calibrated(Linear()).fit(x, replace(votes, tied=np.ones(300, bool)), rng=np.random.default_rng(0))


# Flipped votes


def test_what_was_meant_follows_bayes() -> None:
    p, rate = np.array([0.9, 0.3]), 0.2
    first = p * (1 - rate) / (p * (1 - rate) + (1 - p) * rate)
    second = p * rate / (p * rate + (1 - p) * (1 - rate))
    np.testing.assert_allclose(meant(p, np.array([1.0, 1.0]), rate), first)
    np.testing.assert_allclose(meant(p, np.array([0.0, 0.0]), rate), second)


def test_flip_noise_finds_the_rate_and_what_is_meant() -> None:
    rates, ratios = [], []
    for seed in range(2):
        x, votes, weights, _ = world(700, 6, size=1.5, flipped=0.2, seed=seed)
        fresh = np.random.default_rng(99).normal(size=(2000, 6))
        truth = expit((fresh[::2] - fresh[1::2]) @ weights)
        plain = Linear(pairs=16).fit(x, votes, rng=np.random.default_rng(0))
        cleaned = FlipNoise(Linear(pairs=16)).fit(x, votes, rng=np.random.default_rng(0))
        floor = expected_loss(truth, truth)
        losses = [expected_loss(own.gap(fresh[::2], fresh[1::2]).probability(), truth) for own in (plain, cleaned)]
        ratios.append((losses[1] - floor) / (losses[0] - floor))
        assert cleaned.curve is not None
        rates.append(cleaned.curve.y[0])
    assert np.mean(rates) == pytest.approx(0.2, abs=0.04)
    assert max(ratios) < 0.4


def test_strength_by_voting_finds_flips_and_turning_them_round_helps() -> None:
    x, votes, _, flip = world(600, 6, size=1.5, flipped=0.15, seed=4)
    mean, sd = strengths(Linear(pairs=8), x, votes, voters=10, count=5, rng=np.random.default_rng(0))
    ranks = rankdata(mean)
    auc = (ranks[~flip].sum() - (~flip).sum() * ((~flip).sum() + 1) / 2) / (flip.sum() * (~flip).sum())
    assert auc > 0.93
    assert (sd > 0).all()
    turned = mended(votes, mean, "flip", 0.1)
    changed = turned.share != votes.share
    assert changed.sum() <= 60
    assert flip[changed].mean() > 4 * 0.15
    soft = mended(votes, mean, "soft", 0.1)
    moved = np.abs(soft.share - votes.share)
    toward_winner = np.where(votes.share == 1, soft.share, 1 - soft.share)
    np.testing.assert_allclose(toward_winner, (1 + expit(mean)) / 2)
    assert moved[flip].mean() > 2 * moved[~flip].mean()
    asked = mended(votes, mean, "margin", 0.1)
    np.testing.assert_array_equal(asked.margin, np.maximum(mean, 0))
    assert Voted(Linear(pairs=8), "flip", voters=5).fit(x, votes, rng=np.random.default_rng(0)).name == "linear"


def test_votes_weigh_by_their_margin_and_the_least_are_dropped() -> None:
    votes = Votes.of([0, 2, 4, 6], [1, 3, 5, 7], [1, 0, 1, 0], tied=[False, False, False, True], weight=[1, 1, 2, 2])
    margin = np.array([2.0, -1.0, 0.5, 0.0])
    grown = np.array([1 + (1 - np.exp(-1)) / 2, 1, 2 * (1 + (1 - np.exp(-0.25)) / 2), 2])
    np.testing.assert_allclose(mended(votes, margin, "weigh", 0.1).weight, grown * 6 / grown.sum())
    assert mended(votes, margin, "drop", 0.7).weight.tolist() == [1, 0, 0, 2]
    with pytest.raises(UsageError, match="no mending"):
        Voted(Linear(), "wash")  # type: ignore[arg-type]


# Criteria as input


def test_a_criterion_never_judged_is_scored_by_its_embedding() -> None:
    """Each criterion is a weighting of features; its embedding a rotation of that. New criteria are predicted."""
    rng = np.random.default_rng(2)
    d, v = 5, 1500
    rotation = np.linalg.qr(rng.normal(size=(8, d)))[0]
    taught, new = rng.normal(size=(12, d)), rng.normal(size=(6, d))
    x = rng.normal(size=(2 * v, d))
    which = rng.integers(12, size=v)
    criteria = taught @ rotation.T
    crossing = Crossing.fit(criteria, x, rank=8, width=8)
    design = crossing.encode(np.repeat(criteria[which], 2, axis=0), x)
    gap = ((x[::2] - x[1::2]) * taught[which]).sum(axis=1)
    votes = Votes.of(2 * np.arange(v), 2 * np.arange(v) + 1, (rng.random(v) < expit(gap)).astype(float))
    one = Linear(pairs=8).fit(design, votes, rng=rng)
    fixed = Linear(pairs=8).fit(x, votes, rng=rng)
    fresh = rng.normal(size=(400, d))
    right = {"one": [], "fixed": []}
    for criterion in new:
        truth = fresh @ criterion
        scored = one.mean(crossing.encode(np.tile(criterion @ rotation.T, (400, 1)), fresh))
        right["one"].append(np.corrcoef(scored, truth)[0, 1])
        right["fixed"].append(np.corrcoef(fixed.mean(fresh), truth)[0, 1])
    assert min(right["one"]) > 0.95
    assert np.mean(right["fixed"]) < 0.6
    same = Crossing.from_state(*crossing.state())
    np.testing.assert_array_equal(same.encode(criteria[:3], x[:3]), crossing.encode(criteria[:3], x[:3]))


# As posteriors


@dataclass(frozen=True)
class Numbers:
    """Outputs that are the numbers themselves: "0.5 -1.2" has two features."""

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


class HeadContract(PosteriorContract):
    """What every head owes: the contract of posteriors, draws mirrored about the mean, and the way to disk and back."""

    head: Head = Linear(pairs=16)

    def fitted(self) -> FittedHead:
        cached = type(self).__dict__.get("_fitted")
        if cached is None:
            x, votes, *_ = world(60, 2, size=1.0, seed=8)
            cached = self.head.fit(x, votes, rng=np.random.default_rng(0))
            type(self)._fitted = cached  # type: ignore[attr-defined]
        return cached

    def make(self) -> HeadPosterior:
        return HeadPosterior(Numbers(), self.fitted())

    def items(self) -> list[Item]:
        rows = np.random.default_rng(4).normal(size=(7, 2))
        return [Item.of("q", f"{a} {b}") for a, b in rows.tolist()]

    def test_draws_average_to_the_mean(self) -> None:
        x = np.random.default_rng(6).normal(size=(9, 2))
        fitted = self.fitted()
        assert isinstance(self.head, Head)
        assert isinstance(fitted, FittedHead)
        np.testing.assert_allclose(fitted.draws(x).mean(axis=0), fitted.mean(x), atol=1e-9)
        assert (fitted.draws(x).std(axis=0) > 0).all()

    def test_it_comes_back_from_its_state(self) -> None:
        x = np.random.default_rng(7).normal(size=(9, 2))
        assert_alike(self.fitted(), back(self.fitted()), x)

    def test_it_fits_alike_with_one_seed(self) -> None:
        x, votes, *_ = world(60, 2, seed=8)
        once, again = (self.head.fit(x, votes, rng=np.random.default_rng(3)) for _ in range(2))
        assert_alike(once, again, x)


class TestLinear(HeadContract):
    pass


class TestLinearHeldOut(HeadContract):
    head = Linear(width="held out", pairs=16)


class TestTemperature(HeadContract):
    head = Calibrated(Linear(pairs=16))


class TestIsotonic(HeadContract):
    head = Calibrated(Linear(pairs=16), "isotonic")

    def test_prefer_follows_the_scores(self) -> None:
        """A curve has steps: probabilities follow the scores, but on the step at one half they may be equal."""
        items, made = self.items(), self.make()
        for first, second in itertools.combinations(items, 2):
            p, gap = made.prefer([first], [second])[0], (made([first]).mean - made([second]).mean)[0]
            assert np.sign(round(p - 0.5, 12)) in (0, np.sign(gap))


class TestFlips(HeadContract):
    head = FlipNoise(Linear(pairs=16), rounds=1)


class TestProcess(HeadContract):
    head = GaussianProcess(pairs=16, waves=64, evaluations=6)


def test_a_potential_needs_its_reference() -> None:
    made = TestLinear().make()
    with pytest.raises(ScaleError):
        made.potential(scale="log_prob")
    with pytest.raises(ScaleError):
        made.potential(reference=TestLinear().items())
    with pytest.raises(ScaleError, match="without a reference"):
        made.potential(scale="log_prob", reference=TestLinear().items())([Item.of("other", "1 2")])


def test_unknown_heads_are_refused() -> None:
    with pytest.raises(InputError, match="unknown kind"):
        load_head({}, {"head": "oracle"})
