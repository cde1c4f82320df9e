"""Learning from one's own outputs: meters that are right, alarms that seldom cry for nothing, a policy that learns."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import Item, Scores, UsageError  # noqa: E402
from heedful.evidence import Rule  # noqa: E402
from heedful.loops.meters import Above, Below, Drawn, Probe, pass_at, worth_fell  # noqa: E402
from heedful.loops.online import Online, draws  # noqa: E402
from heedful.models import Decoding  # noqa: E402
from heedful.models.texts import joined  # noqa: E402
from heedful.training import DPO, NFT, Weighted, dapo, grpo, rloo  # noqa: E402
from heedful.training.trainer import Recipe  # noqa: E402
from heedful.worlds import exercises  # noqa: E402
from heedful.worlds.exercises import right_answer  # noqa: E402
from heedful.worlds.small_model import small_model  # noqa: E402

RIGHT = Rule(lambda item: float(right_answer(item)), "right")
WRONG = Rule(lambda item: -float(right_answer(item)), "wrong")
SHORT = Rule(lambda item: -0.3 * len(joined(item.output)), "short")
PROMPTS = [own.context for own in exercises(64, seed=3, held_out=False)]
PROBE = [own.context for own in exercises(60, seed=4, held_out=True)]


def how(objective, evidence, rounds=8, **options):
    recipe = options.pop("recipe", Recipe(1, batch=8, learning_rate=1e-3))
    return Online(objective, evidence, recipe, rounds=rounds, prompts=8, n=4, **options)


def test_meters_of_outputs_by_hand():
    items = tuple(Item.of("q", own) for own in "aabbcd")
    scores = Scores(np.array([1.0, 1.0, 0.0, 2.0, 2.0, 3.0]), np.array([[1, 1, 0, 2, 2, 3], [1, 1, 0, 2, 2, 1.0]] * 5))
    log_prob, reference = np.array([-1.0, -1, -2, -2, -3, -3]), np.array([-2.0, -2, -2, -2, -2, -2])
    drawn = Drawn(items, 3, log_prob, reference, np.array([2.0, 2, 2, 2, 2, 2]), scores, np.array([0.0, 0, 0, 1, 0, 0]))
    told = drawn.meters()
    assert told["score"] == pytest.approx(1.5)
    assert told["score_se"] == pytest.approx(np.std([2 / 3, 7 / 3], ddof=1) / np.sqrt(2))
    assert told["kl"] == pytest.approx(0.0)
    assert told["entropy"] == pytest.approx(1.0)
    assert told["different"] == pytest.approx((1 / 3 + 1) / 2)  # a a b, and b c d
    # a and a, b and c tie; b and d, c and d are turned around in half of the draws; the rest is sure.
    assert told["unsure"] == pytest.approx(4 / 6)
    assert (told["gold"], told["pass"]) == (pytest.approx(1 / 6), 0.5)


def test_pass_at_k_is_the_mean_over_all_subsets():
    right = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1.0]])
    for k in range(1, 6):
        brute = [np.mean([row[list(own)].any() for own in itertools.combinations(range(5), k)]) for row in right]
        np.testing.assert_allclose(pass_at(right, k), brute, atol=1e-12)


def test_a_probe_seldom_stops_what_is_well_and_stops_what_is_not():
    """Ten looks at 50 prompts, 4 outputs each; worth that stays the same, or falls from 0.6 to 0.3."""
    rng, alarms = np.random.default_rng(0), {0.6: 0, 0.3: 0}
    for now, _ in itertools.product(alarms, range(300)):
        chance = rng.beta(6, 4, 50)[:, None]
        probe = Probe((rng.random((50, 4)) < chance).astype(float), 10)
        looks = [(rng.random((50, 4)) < chance * now / 0.6).astype(float) for _ in range(10)]
        alarms[now] += any(worth_fell([probe.look(own)]) is not None for own in looks)
    assert alarms[0.6] <= 0.05 * 300 + 2 * np.sqrt(300 * 0.05 * 0.95)
    assert alarms[0.3] >= 0.95 * 300


def test_alarms_read_the_last_round_against_the_first():
    told = [{"kl": 1.0, "entropy": 2.0, "length": 10.0}, {"kl": 3.0, "entropy": 0.1, "length": 35.0}]
    assert "kl 3 is above 2" in str(Above("kl", 2.0)(told))
    assert Above("kl", 4.0)(told) is None
    assert "length 35 is above 30" in str(Above("length", 3.0, True)(told))
    assert "entropy 0.1 is below 0.2" in str(Below("entropy", 0.1, True)(told))
    assert Above("unknown", 0.0)(told) is None
    assert Below("unknown", 0.0)(told) is None


def test_the_first_round_is_of_the_policy_as_it_was():
    found = how(rloo(), SHORT, rounds=2)(small_model(), PROMPTS)
    assert found.told[0]["kl"] == 0.0
    assert found.told[1]["kl"] != 0.0
    assert found.stopped is None


@pytest.mark.parametrize("objective", [rloo(penalty=0.02), Weighted("tilt", 2.0)], ids=["RLOO", "tilt"])
def test_a_policy_learns_what_it_earns_by(objective):
    """Short outputs, which the base writes as well, of prompts it was not trained on."""
    policy, worth = small_model(), []
    for _ in range(2):
        items, _ = draws(policy, PROBE, 4, np.random.default_rng(0))
        worth.append(SHORT(items).mean.reshape(-1, 4).mean(1))
        how(objective, SHORT)(policy, PROMPTS)
    gain = worth[1] - worth[0]
    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(len(gain))


@pytest.mark.parametrize("objective", [dapo(), grpo(), NFT()], ids=["DAPO", "GRPO", "NFT"])
def test_outputs_trained_on_twice_are_held_against_the_policy_that_drew_them(objective):
    """The second of two passes would have ratios of 1 otherwise, and clip nothing."""
    run = how(objective, RIGHT, rounds=1, passes=2, right=0.5, recipe=Recipe(1, batch=8, learning_rate=1e-2))
    found = run(small_model(), PROMPTS)
    assert found.told[0]["gradient"] > 0
    if objective != NFT():
        assert found.told[0]["clipped"] > 0


def test_a_wrong_reward_is_found_out_by_a_probe():
    run = how(rloo(), WRONG, rounds=40, gold=RIGHT, probe=PROBE, every=5, alarms=())
    found = run(small_model(), PROMPTS)
    assert "really worth fell" in found.stopped
    assert len(found.told) < 40
    last = found.told[-1]
    assert last["score"] > found.told[0]["score"]
    assert last["probe_high"] < 0
    assert last["flips"] > 0.2


def test_a_run_is_the_same_again():
    runs = [how(rloo(), SHORT, rounds=2)(small_model(), PROMPTS, seed=5) for _ in range(2)]
    assert runs[0] == runs[1]
    assert how(rloo(), SHORT, rounds=2)(small_model(), PROMPTS, seed=6) != runs[0]


def test_outputs_drawn_are_the_tokens_that_are_trained_on():
    policy = small_model()
    items, tokens = draws(policy, PROMPTS[:2], 3, np.random.default_rng(0))
    assert [item.context for item in items] == [PROMPTS[0]] * 3 + [PROMPTS[1]] * 3
    written = policy.write([item.context for item in items], tokens)
    assert list(written) == items


def test_wrong_runs_are_refused():
    with pytest.raises(UsageError, match="groups of scored outputs"):
        how(DPO(), SHORT)
    with pytest.raises(UsageError, match="steps of 3"):
        how(rloo(), SHORT, recipe=Recipe(1, batch=3))
    with pytest.raises(UsageError, match="give gold"):
        how(rloo(), SHORT, probe=PROBE)
    with pytest.raises(UsageError, match="trained on"):
        how(rloo(), SHORT, gold=RIGHT, probe=[*PROBE, PROMPTS[3]])(small_model(max_tokens=8), PROMPTS)
    with pytest.raises(UsageError, match="have no interval"):
        how(rloo(), SHORT, probe=PROBE[:5], gold=RIGHT)
    with pytest.raises(UsageError, match="say nothing of 3"):
        pass_at(np.ones((1, 2)), 3)
    with pytest.raises(UsageError, match="rounds"):
        how(rloo(), SHORT, rounds=0)
    with pytest.raises(UsageError, match="own law"):
        how(rloo(), SHORT)(replace(small_model(), decoding=Decoding(temperature=0.5)), PROMPTS)
    with pytest.raises(UsageError, match="no prompts"):
        how(rloo(), SHORT)(small_model(), [])
