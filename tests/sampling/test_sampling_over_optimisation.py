"""What benchmarks/over_optimisation.py rests on: draws dealt by their law, divergences from counts, its intervals."""

from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from heedful.core import Item, Scores
from heedful.core.algebra import Expressible
from heedful.evidence import Rule, pessimistic

pytest.importorskip("torch")
from heedful.worlds.small_model import small_model

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    from optimising.dealing import Dealt, Drawn, divergence, text
    from optimising.engines import rungs
    from optimising.page import tables
    from optimising.rewards import NAMES, Beside, ByContext

    SCRIPT = runpy.run_path(str(BENCHMARKS / "over_optimisation.py"))
finally:
    sys.path.remove(str(BENCHMARKS))

CONTEXTS = [Item.of("calc 3+4*2=").context, Item.of("sort hbca=").context]


@pytest.fixture(scope="module")
def drawn():
    return Drawn(small_model(), CONTEXTS, 48, np.random.default_rng(0))


def test_each_draw_is_dealt_once_before_any_is_dealt_again(drawn):
    base, rng = Dealt(drawn), np.random.default_rng(1)
    for context in CONTEXTS:
        assert Counter(base.sample(context, 48, rng=rng)) == Counter(drawn.outputs[context])
        begun = base.continued([Item(context)] * 48, rng=rng)
        firsts = Counter(text(item).split("\n")[0] for item in drawn.outputs[context])
        assert Counter(text(item).rstrip("\n") for item in begun) == firsts


def test_steps_are_dealt_until_an_output_ends_and_what_they_cost_is_counted(drawn):
    base, rng = Dealt(drawn), np.random.default_rng(2)
    items = (Item(CONTEXTS[0]),) * 20
    while not all(map(base.ended, items)):
        items = base.continued(items, rng=rng)
    assert base.tokens == sum(len(text(item)) for item in items)
    assert np.isfinite(base.prefix_log_prob(items)).all()
    after_its_end = Item(CONTEXTS[0], (*items[0].output, *items[0].output))
    assert base.prefix_log_prob([after_its_end])[0] == -np.inf
    # Where few outputs begin so, the model goes on.
    rare = Item(CONTEXTS[0], Item.of("", "8*2=15\n").output)
    assert text(base.continued([rare], rng=rng)[0]).startswith("8*2=15\n")


@pytest.mark.parametrize("n", [1, 4, 16])
def test_divergence_from_counts_is_near_that_of_the_law(n):
    """Of the best of n draws by a score, over 30 outputs; shares alone are farther off."""
    rng = np.random.default_rng(3)
    base = rng.dirichlet(np.full(30, 0.5))
    below = np.cumsum(base)
    law = np.maximum(below**n - (below - base).clip(0) ** n, 0.0)
    law /= law.sum()
    held = law > 0
    true = law[held] @ np.log(law[held] / base[held])
    counts = rng.multinomial(32, law, size=400)
    found, plain = [], []
    for own in counts:
        seen = own > 0
        found.append(divergence(own[seen], np.log(base[seen])))
        share = own[seen] / own.sum()
        plain.append(share @ np.log(share / base[seen]))
    assert np.mean(found) == pytest.approx(true, abs=0.12)
    assert abs(np.mean(found) - true) < abs(np.mean(plain) - true)


def test_what_is_known_beside_other_outputs_is_told_of_the_difference():
    class Known(Expressible):
        scale, under = "utility", None

        def __call__(self, items):
            draws = np.array([[float(len(text(item))), 2.0 * len(text(item)) + 5] for item in items]).T
            return Scores(draws.mean(axis=0), draws)

    context = Item.of("c").context
    beside = Beside(Known(), {context: [Item.of("c", "aa"), Item.of("c", "aaaa")]})
    scores = beside([Item.of("c", "aaaaaaa")])
    assert scores.draws[:, 0].tolist() == [4.0, 8.0]  # 7 and 19 less 3 and 11
    assert scores.mean[0] == 6.0
    # A difference that both draws agree on is not lowered, however little is known of the level.
    assert pessimistic(beside, 1.0)([Item.of("c", "aaa")]).mean[0] == 0.0


def test_intervals_over_sets_cover():
    """Ten sets with an effect of their own, each of many answers, right or not."""
    rng = np.random.default_rng(4)
    chance = np.clip(0.7 + 0.1 * rng.normal(size=(2000, 10)), 0, 1)
    means = rng.binomial(25, chance) / 25
    told = np.array([SCRIPT["interval"](own) for own in means])
    covered = (told[:, 1] <= chance.mean()) & (chance.mean() <= told[:, 2])
    assert covered.mean() == pytest.approx(0.95, abs=0.02)


def test_items_are_scored_by_the_potential_of_their_context():
    rules = {
        CONTEXTS[0]: Rule(lambda item: 1.0, "one"),
        CONTEXTS[1]: Rule(lambda item: float(len(text(item))), "length"),
    }
    items = [Item(CONTEXTS[1], Item.of("", "abc").output), Item(CONTEXTS[0]), Item(CONTEXTS[1])]
    assert ByContext(rules)(items).mean.tolist() == [3.0, 1.0, 0.0]


# What is committed.


def test_every_engine_is_told_by_every_reward_and_the_page_shows_it():
    results = json.loads((BENCHMARKS / "results" / "over_optimisation.json").read_text("utf-8"))
    told = {(row["engine"], row["reward"], row["at"]) for row in results["rows"] if row["reward"]}
    assert told == {(rung.engine, name, rung.at) for rung in rungs(quick=False) for name in NAMES}
    assert all(row["true"][1] <= row["true"][0] <= row["true"][2] for row in results["rows"])
    page = (BENCHMARKS.parent / "docs" / "benchmarks.md").read_text("utf-8")
    assert tables(results) in page
