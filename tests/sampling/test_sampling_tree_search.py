"""Tree search over steps: what is counted where, and values between the base's and the best."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, InputError, Item, Part, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import Rule
from heedful.models import StepModel, TableModel
from heedful.sampling import TreeSearch
from heedful.target import Target

CONTEXTS = (Item.of("q").context, Item.of("r").context)
PARTS = tuple(Part(letter) for letter in "ab")


def text(item: Item) -> str:
    return "".join(part.text for part in item.output)


def four_letters(context, steps):
    return ((), ()) if len(steps) == 4 else (PARTS, (0.8, 0.2))


BASE = StepModel(four_letters)
# "b" leads astray unless all four letters are b: the base makes 0.25 of "a" at most, and nearly nothing of "b".
SCORE = {"bbbb": 1.0, **{f"a{rest}": 0.25 for rest in ("aaa", "aab", "aba", "baa")}}
TARGET = Target(BASE, Rule(lambda item: SCORE.get(text(item), 0.0), "score"))


class TestTreeSearch(SamplingEngineContract):
    def make(self):
        return TreeSearch(16, 4, 0.5)

    def target(self):
        return TARGET

    def contexts(self):
        return CONTEXTS


def grown(simulations: int, branches: int, exploration: float, seed: int = 0):
    engine = TreeSearch(simulations, branches, exploration)
    found = engine(TARGET, CONTEXTS[:1], budget=Budget(), rng=np.random.default_rng(seed))
    tree = found.trees[0]
    return found, {text(item): (n, v) for item, n, v in zip(tree.items, tree.visits.tolist(), tree.value, strict=True)}


def test_visits_and_values_add_up() -> None:
    """A prefix is visited once when it is new and then by way of its steps; of whole outputs the value is the score."""
    found, tree = grown(300, 8, 0.7)
    assert sum(n for prefix, (n, _) in tree.items() if len(prefix) == 1) == 300
    for prefix, (n, value) in tree.items():
        if len(prefix) == 4:
            assert value == SCORE.get(prefix, 0.0)
            continue
        below = [tree[prefix + letter] for letter in "ab" if prefix + letter in tree]
        assert n == 1 + sum(own for own, _ in below)
        first = n * value - sum(own * mean for own, mean in below)
        assert min(abs(first - score) for score in (0.0, 0.25, 1.0)) < 1e-9
    assert found.cost == {"samples": 300.0, "scores": 15.0}  # each different output scored once
    assert list(map(len, tree)) == sorted(map(len, tree))


def test_where_all_steps_are_drawn_values_are_the_base_s() -> None:
    _, tree = grown(4000, 10**9, 0.0)
    exact = {
        "a": 0.25 * (0.8**3 + 3 * 0.8**2 * 0.2),
        "b": 0.2**3,
        "ab": 0.25 * 0.8**2,
    }
    for prefix, value in exact.items():
        n, mean = tree[prefix]
        assert abs(mean - value) < 5 * 0.25 / np.sqrt(n)
    assert abs(tree["a"][0] / 4000 - 0.8) < 5 * np.sqrt(0.16 / 4000)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_simulations_find_the_best_and_value_prefixes_by_it(seed: int) -> None:
    """The base writes it one time in 625, and thinks less of its first step than of the other."""
    found, tree = grown(4000, 30, 1.5, seed)
    assert text(found.items[0]) == "bbbb"
    assert tree["b"][0] > 0.8 * 4000
    assert tree["b"][1] > 0.9 > 0.25 >= tree["a"][1]


def test_greed_without_exploration_stays_with_what_came_first() -> None:
    """Two draws at each prefix, and then the better of what they met: once both are a, b is never tried."""
    seeds = [seed for seed in range(40) if "b" not in grown(2, 2, 0.0, seed)[1]]
    assert 15 < len(seeds) < 36
    assert all("b" not in grown(200, 2, 0.0, seed)[1] for seed in seeds[:5])


def test_faults_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="0 simulations"):
        TreeSearch(0, 1)
    with pytest.raises(UsageError, match="step by step"):
        TreeSearch(1, 1)(
            Target(TableModel.of({"q": {"a": 1.0}}), TARGET.expression), CONTEXTS[:1], budget=Budget(), rng=rng
        )
    ruled_out = Target(BASE, Rule(lambda item: -np.inf, "never"))
    with pytest.raises(InputError, match="not finite"):
        TreeSearch(1, 1)(ruled_out, CONTEXTS, budget=Budget(), rng=rng)
