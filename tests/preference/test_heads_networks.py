"""Heads trained in PyTorch: the same numbers without it, spread where there is some, and known worlds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import UsageError
from heedful.preference.heads.aspects import Aspects
from heedful.preference.heads.epinet import Epinet
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.members import aspects_forward, epinet_forward, gates
from heedful.preference.heads.networks import Networks, bootstrap, forward
from heedful.preference.heads.rewards import START_SD, Reward
from heedful.preference.heads.training import Schedule, _Loss, train
from heedful.preference.heads.votes import Ratings, Votes

from .test_heads import HeadContract, expected_loss, world

torch = pytest.importorskip("torch", reason="torch is not installed")
torch.set_num_threads(1)

QUICK = Schedule(rate=1e-2, epochs=30)


# Rewards


def test_quantiles_rise_and_start_as_a_gaussian() -> None:
    reward = Reward("quantiles", 9)
    values = reward.values(reward.start[None], np)[:, 0]
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(values, -values[::-1], atol=1e-12)
    wild = np.random.default_rng(0).normal(size=(50, 9)) * 5
    assert (np.diff(reward.values(wild, np), axis=0) >= 0).all()
    assert reward.spread(reward.start[None]) == pytest.approx([START_SD], rel=0.15)


def test_differences_of_quantiles_are_all_pairs_of_values() -> None:
    reward = Reward("quantiles", 3)
    first, second = np.random.default_rng(1).normal(size=(2, 4, 3))
    one, other = reward.values(first, np), reward.values(second, np)
    found = reward.differences(first, second, np)
    assert found.shape == (9, 4)
    np.testing.assert_allclose(np.sort(found[:, 2]), np.sort((one[:, None, 2] - other[None, :, 2]).ravel()))
    assert reward.weights @ found[:, 0] == pytest.approx(one[:, 0].mean() - other[:, 0].mean())


def test_a_rating_is_smeared_over_bins_as_by_hand() -> None:
    """Six bins of width 1 and s = 0.75 about 0: Φ(4/3) − ½, Φ(8/3) − Φ(4/3), 1 − Φ(8/3) to either side."""
    reward = Reward("bins", 6)
    half = [0.0038304, 0.0873809, 0.4087887]
    np.testing.assert_allclose(reward.smeared(np.zeros(1), np)[0], half + half[::-1], atol=1e-7)
    found = reward.smeared(torch.zeros(1, dtype=torch.float64), torch)[0]
    np.testing.assert_allclose(found, half + half[::-1], atol=1e-7)
    far = reward.smeared(np.array([-50.0, 1.0, 50.0]), np)
    np.testing.assert_allclose(far.sum(axis=-1), 1)
    np.testing.assert_allclose(far[[0, 2], [0, 5]], 1)


def test_bins_have_the_moments_and_quantiles_of_their_histogram() -> None:
    reward = Reward("bins", 5)
    outputs = np.random.default_rng(2).normal(size=(3, 4, 6))
    p = reward.probabilities(outputs, np)
    mean = p @ reward.middles
    np.testing.assert_allclose(reward.mean(outputs, np), mean)
    np.testing.assert_allclose(reward.values(outputs, np).mean(axis=0), mean, atol=1e-12)
    np.testing.assert_allclose(reward.spread(outputs) ** 2, p @ reward.middles**2 - mean**2)
    levels = np.array([0.05, 0.3, 0.5, 0.9])
    edges = np.linspace(-3, 3, 6)
    for place in np.ndindex(3, 4):
        known = np.interp(levels, np.concatenate([[0], p[place].cumsum()]), edges)
        np.testing.assert_allclose(reward.quantiles(outputs, levels)[:, *place], known, atol=1e-12)


def test_the_first_output_of_bins_moves_their_mean() -> None:
    reward = Reward("bins", 61)
    moved = np.tile(reward.start, (2, 1))
    moved[1, 0] = 0.3
    np.testing.assert_allclose(reward.mean(moved, np), [0, 0.3], atol=1e-6)
    np.testing.assert_allclose(reward.spread(moved), START_SD, rtol=1e-3)


def test_quantiles_of_gaussians_points_and_quantiles() -> None:
    outputs = np.random.default_rng(3).normal(size=(2, 5, 3))
    gaussian = Reward("gaussian").quantiles(outputs[..., :2], [0.1, 0.5])
    np.testing.assert_allclose(gaussian[0], outputs[..., 0] - 1.2815516 * np.exp(outputs[..., 1]), atol=1e-6)
    np.testing.assert_allclose(gaussian[1], outputs[..., 0])
    np.testing.assert_array_equal(Reward().quantiles(outputs[..., :1], [0.2, 0.9]), [outputs[..., 0]] * 2)
    three = Reward("quantiles", 3)
    low, middle, high = three.values(outputs, np)
    found = three.quantiles(outputs, [0.01, 1 / 3, 1 / 2, 1.0])
    np.testing.assert_allclose(found, [low, (low + middle) / 2, middle, high])


@pytest.mark.parametrize("kind", ["gaussian", "quantiles", "bins"])
def test_gradients_of_the_loss_of_ratings_are_differences_of_it(kind: str) -> None:
    rng = np.random.default_rng(0)
    reward = Reward(kind, 5)  # type: ignore[arg-type]
    votes = Votes.rated(
        stars=Ratings(np.arange(6), rng.normal(size=6), np.arange(6)),
        other=Ratings(np.arange(6), rng.normal(size=6), np.arange(6)),
    )
    loss = _Loss(torch, votes, reward, {})
    values = {name: 0.3 * rng.normal(size=value.shape) for name, value in loss.start(1).items()}
    values["outputs"] = rng.normal(size=(1, 6, reward.size))
    loss.value, loss.levels = loss.value.double(), loss.levels.double()

    def total(given: dict[str, np.ndarray], *, graph: bool = False):  # type: ignore[no-untyped-def]
        made = {name: torch.tensor(value, dtype=torch.float64, requires_grad=graph) for name, value in given.items()}
        weight = torch.ones(1, 12)
        found = loss(lambda parameters, x: made["outputs"][:, x], made, torch.arange(6), torch.arange(12), weight)
        return made, found.sum()

    made, found = total(values, graph=True)
    found.backward()
    for name in ("outputs", "offset", "log_slope"):
        for place in np.ndindex(values[name].shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = {key: value.copy() for key, value in values.items()}
                moved[name][place] += step
                ends.append(float(total(moved)[1]))
            assert float(made[name].grad[place]) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-5)


def test_the_loss_of_bins_is_least_at_the_smeared_rating() -> None:
    reward = Reward("bins", 12)
    votes = Votes.rated(stars=Ratings(np.arange(4), np.array([-1.0, 0.2, 0.5, 2.0]), np.arange(4)))
    target = reward.smeared(votes.ratings["stars"].standard, np)
    loss, made = _Loss(torch, votes, reward, {}), {name: torch.zeros(1, 1) for name in ("offset", "log_slope")}
    given = torch.as_tensor(np.concatenate([np.zeros((4, 1)), np.log(target + 1e-30)], axis=1)[None])
    found = loss(lambda parameters, x: given[:, x], made, torch.arange(4), torch.arange(4), torch.ones(1, 4))
    assert float(found) == pytest.approx(-(target * np.log(target + 1e-30)).sum(), rel=1e-5)


def test_ratings_beyond_the_bins_are_counted() -> None:
    value = np.concatenate([np.tile([-1.0, 1.0], 50), [40.0]])
    votes = Votes.rated(stars=Ratings(np.arange(101), value, np.arange(101)))
    head = Networks("bins", members=2, folds=2, width=2, schedule=replace(QUICK, epochs=1))
    assert head.fit(np.ones((101, 1)), votes, rng=np.random.default_rng(0)).facts["beyond"] == 1


def test_rewards_are_checked() -> None:
    with pytest.raises(UsageError):
        Reward("quantiles", 4)
    with pytest.raises(UsageError):
        Reward("bins", 2)
    with pytest.raises(UsageError):
        Reward("median")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "bins"])
def test_torch_and_numpy_put_out_the_same(kind: str) -> None:
    rng = np.random.default_rng(0)
    head = Networks(kind, members=3, width=5)  # type: ignore[arg-type]
    parameters = {**head._start(4, head.reward, rng), **head._prior(4, head.reward, rng)}
    x = rng.normal(size=(6, 4))
    as_torch = {name: torch.as_tensor(value) for name, value in parameters.items()}
    one, other = forward(parameters, x), forward(as_torch, torch.as_tensor(x))
    np.testing.assert_allclose(one, other.numpy(), rtol=1e-12)
    np.testing.assert_allclose(
        head.reward.differences(one[:, :3], one[:, 3:], np),
        head.reward.differences(other[:, :3], other[:, 3:], torch).numpy(),
        rtol=1e-10,
    )


def test_members_put_out_the_same_in_torch_and_numpy() -> None:
    rng = np.random.default_rng(0)
    start, fixed = Epinet()._start(3, rng)
    parameters = {**start, **fixed, "index": rng.normal(size=(5, 8))}
    x = rng.normal(size=(4, 3))
    as_torch = {name: torch.as_tensor(value) for name, value in parameters.items()}
    np.testing.assert_allclose(epinet_forward(parameters, x), epinet_forward(as_torch, torch.as_tensor(x)), rtol=1e-10)
    gated = {name: rng.normal(size=shape) for name, shape in (("aspects", (2, 3, 4)), ("gate", (2, 3, 4)))}
    gated["constant"] = rng.normal(size=(2, 4))
    as_torch = {name: torch.as_tensor(value) for name, value in gated.items()}
    np.testing.assert_allclose(aspects_forward(gated, x), aspects_forward(as_torch, torch.as_tensor(x)), rtol=1e-10)
    np.testing.assert_allclose(gates(gated, x).sum(axis=-1), 1)


# Training


def test_each_member_is_kept_at_its_least_held_out_loss() -> None:
    x, votes, *_ = world(150, 3, seed=1)
    head, rng = Networks(members=2, width=4), np.random.default_rng(0)
    held = (np.arange(150) % 2 == np.arange(2)[:, None]).astype(float)
    start = head._start(3, head.reward, rng)
    trained = train(forward, start, {}, x, votes, 1 - held, held, head.reward, QUICK, rng)
    outputs = forward(trained.parameters, x)[..., 0]
    gap = (outputs[:, votes.first] - outputs[:, votes.second]) * (2 * votes.share - 1)
    again = (held * np.logaddexp(0, -gap)).sum(axis=1) / held.sum(axis=1)
    np.testing.assert_allclose(trained.loss, again, rtol=1e-4)


def test_ties_are_davidsons() -> None:
    """With a constant utility the tie term alone is fitted: P(tie) is the share of ties."""
    rng = np.random.default_rng(0)
    n = 600
    tied = rng.random(n) < 0.4
    votes = Votes.of(2 * np.arange(n), 2 * np.arange(n) + 1, rng.integers(2, size=n), tied=tied)
    head = Networks(members=2, width=2, prior=0.0)
    everything = np.ones((2, n))
    start = head._start(1, head.reward, rng)
    x = np.zeros((2 * n, 1))
    schedule = Schedule(rate=0.05, epochs=60, patience=60)
    trained = train(forward, start, {}, x, votes, everything, everything, head.reward, schedule, rng)
    nu = np.exp(trained.parameters["tie"].ravel())
    np.testing.assert_allclose(nu / (2 + nu), tied.mean(), atol=0.01)


def test_a_margin_widens_the_gap() -> None:
    x, votes, *_ = world(300, 3, seed=2)
    asked = replace(votes, margin=np.ones(300))
    gaps = []
    for own in (votes, asked):
        fitted = Networks(members=2, folds=2, schedule=QUICK).fit(x, own, rng=np.random.default_rng(0))
        gaps.append(np.abs(fitted.mean(x[::2]) - fitted.mean(x[1::2])).mean())
    assert gaps[1] > 1.2 * gaps[0]


def test_bootstrap_weights_are_by_group() -> None:
    groups = np.repeat(np.arange(500), 2)
    weights = bootstrap(groups, 4, np.random.default_rng(0))
    np.testing.assert_array_equal(weights[:, ::2], weights[:, 1::2])
    assert weights.mean() == pytest.approx(1, abs=0.1)


# Known worlds


def curved(x: np.ndarray) -> np.ndarray:
    return np.asarray(2 * np.abs(x[:, 0]) + x[:, 1])


@pytest.mark.parametrize("head", [Networks(schedule=QUICK), Epinet(schedule=QUICK), Aspects(schedule=QUICK)])
def test_networks_learn_what_a_line_cannot_and_know_less_far_away(head) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 3))
    gap = curved(x[::2]) - curved(x[1::2])
    votes = Votes.of(2 * np.arange(600), 2 * np.arange(600) + 1, (rng.random(600) < expit(gap)).astype(float))
    fresh = rng.normal(size=(1000, 3))
    truth = expit(curved(fresh[::2]) - curved(fresh[1::2]))
    fitted = head.fit(x, votes, rng=np.random.default_rng(1))
    line = Linear(pairs=16).fit(x, votes, rng=np.random.default_rng(1))
    losses = [expected_loss(own.prefer(fresh[::2], fresh[1::2]), truth) for own in (fitted, line)]
    floor = expected_loss(truth, truth)
    assert losses[0] - floor < 0.5 * (losses[1] - floor)
    near, far = (
        (fitted.draws(size * fresh[::2]) - fitted.draws(size * fresh[1::2])).std(axis=0).mean() for size in (1, 6)
    )
    assert far > 1.5 * near


def rated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [n, 2], ratings whose mean is the first feature and whose spread grows with the second, that spread."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(n, 2))
    sd = np.exp(x[:, 1] - 1)
    return x, x[:, 0] + sd * rng.normal(size=n), sd


@pytest.mark.parametrize("kind", ["gaussian", "quantiles", "bins"])
def test_spread_of_ratings_is_found_and_intervals_cover(kind: str) -> None:
    x, value, _ = rated(1500, 0)
    votes = Votes.of([], [], [], ratings={"stars": Ratings(np.arange(1500), value, np.arange(1500))})
    head = Networks(kind, members=4, width=16, schedule=replace(QUICK, epochs=60))  # type: ignore[arg-type]
    fitted = head.fit(x, votes, rng=np.random.default_rng(0))
    fresh, new, sd = rated(2000, 1)
    spread = fitted.aleatoric(fresh)
    assert spread is not None
    assert np.corrcoef(np.log(spread), np.log(sd))[0, 1] > 0.9
    # Without comparisons the unit of the reward is the standard deviation of the ratings.
    centre, unit = value.mean(), value.std()
    assert np.corrcoef(fitted.mean(fresh), fresh[:, 0])[0, 1] > 0.95
    standard = (new - centre) / unit
    assert (np.abs(standard - fitted.mean(fresh)) < 1.2816 * spread).mean() == pytest.approx(0.8, abs=0.06)
    low, high = fitted.quantiles(fresh, [0.1, 0.9])
    assert ((low < standard) & (standard < high)).mean() == pytest.approx(0.8, abs=0.06)


def test_quantiles_see_two_camps_where_a_gaussian_sees_one_spread() -> None:
    rng = np.random.default_rng(0)
    n = 1500
    x = rng.normal(size=(n, 2))
    value = np.where(rng.random(n) < 0.5, -1.0, 1.0) + 0.1 * rng.normal(size=n)
    votes = Votes.of([], [], [], ratings={"stars": Ratings(np.arange(n), value, np.arange(n))})
    head = Networks("quantiles", members=2, folds=4, width=8, schedule=replace(QUICK, epochs=60))
    fitted = head.fit(x, votes, rng=np.random.default_rng(0))
    values = fitted.reward.values(fitted._outputs(x[:50]), np).mean(axis=(1, 2)) * value.std()
    assert (np.abs(np.abs(values[[0, 1, 2, -3, -2, -1]]) - 1) < 0.25).all()
    assert values[6] - values[2] > 1.2  # the step between the camps


# Contracts


class NetworkContract(HeadContract):
    """Small networks, for the contract alone."""


class TestEnsemble(NetworkContract):
    head = Networks(members=2, width=4, folds=2, schedule=QUICK)


class TestMeanVariance(NetworkContract):
    head = Networks("gaussian", members=2, width=4, folds=2, schedule=QUICK)

    def test_it_has_spread_among_people(self) -> None:
        spread = self.make()(self.items()).aleatoric
        assert spread is not None
        assert (spread > 0).all()


class TestQuantiles(NetworkContract):
    head = Networks("quantiles", members=2, width=4, folds=2, quantiles=3, schedule=QUICK)


class TestBins(NetworkContract):
    head = Networks("bins", members=2, width=4, folds=2, bins=7, schedule=QUICK)


class TestEpinet(NetworkContract):
    head = Epinet(indices=4, width=4, schedule=QUICK)


class TestAspects(NetworkContract):
    head = Aspects(members=2, folds=2, schedule=QUICK)
