"""Rewards from few votes, and the world in which they can be gamed."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.learning import differing, scored, voted
from heedful.catalogue.proxies import Proxy, overlong


def test_a_reward_from_many_votes_takes_more_for_better_where_it_is_not() -> None:
    rng = np.random.default_rng(0)
    world = overlong(rng, (30, 20, 4))
    assert world.features is not None
    far = world.features[:, :, 0]
    pairs = scored(world, world.base, 2, rng, prompts=rng.integers(30, size=3000))
    proxy = Proxy.of(world, voted(pairs, rng), rng)
    assert proxy.mean.shape == world.base.shape == proxy.draws.shape[1:]
    assert np.polyfit(far.ravel(), proxy.mean.ravel(), 1)[0] > 0.3
    beyond = far > 2
    assert np.polyfit(far[beyond], world.utility[beyond], 1)[0] < -0.3
    columns = np.c_[world.features.reshape(-1, 4), far.ravel() ** 2]
    weights = np.linalg.lstsq(columns, world.utility.ravel(), rcond=None)[0]
    np.testing.assert_allclose(weights[[0, 4]], [1.0, -0.4], atol=1e-9)
    np.testing.assert_array_equal(proxy.prompts(slice(3, 5)).draws, proxy.draws[:, 3:5])


def test_votes_between_an_output_and_itself_change_nothing() -> None:
    world = overlong(np.random.default_rng(1), (4, 6, 3))
    pairs = voted(
        scored(world, world.base, 2, np.random.default_rng(2), prompts=np.repeat([0, 1, 2, 3], 10)),
        np.random.default_rng(3),
    )
    kept = differing(pairs)
    assert 0 < len(kept.prompts) < len(pairs.prompts)
    assert (kept.outputs[:, 0] != kept.outputs[:, 1]).all()
    both = [Proxy.of(world, own, np.random.default_rng(4)).mean for own in (pairs, kept)]
    np.testing.assert_array_equal(*both)
