"""Search over trees of steps: back-ups by hand, the best in the end, and what values are worth."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, Item, Part, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import PrefixValue, Rule, UnitTests, constraint
from heedful.evidence.sandbox.isolation import why_not
from heedful.feedback import prefix_labels
from heedful.models import StepModel, TableModel
from heedful.sampling import BestOfN, InWords, StepTree, step_shares, tree_labels
from heedful.target import Target
from heedful.worlds import ChainWorld

WORLD = ChainWorld(steps=3, problems=4, aftermath=1.0, words=True)
CONTEXT = Item.of("q").context


def text(item: Item) -> str:
    return "".join(part.text for part in item.output)


def as_value(fn) -> PrefixValue:
    return PrefixValue(Rule(fn, "value"), "mean", "base")


def exact_value(world: ChainWorld = WORLD) -> PrefixValue:
    return as_value(lambda item: float(world.value([item])[0]))


def noise(item: Item, seed: int = 0) -> float:
    return float(np.random.default_rng([seed, *(ord(letter) for letter in text(item))]).random())


def search(target, how, contexts=(CONTEXT,), *, seed=0, budget=None):
    return how(target, contexts, budget=budget or Budget(), rng=np.random.default_rng(seed))


class Letters:
    """Steps a, b, c in turn at each prefix, up to `length`: no two draws from a prefix are the same before all were."""

    def __init__(self, length: int, letters: str = "ab") -> None:
        self.length, self.letters = length, letters
        self.turn: dict[Item, int] = {}

    def ended(self, item):
        return len(item.output) == self.length

    def continued(self, items, *, rng):
        return tuple(item if self.ended(item) else self._next(item) for item in items)

    def _next(self, item):
        turn = self.turn.get(item, 0)
        self.turn[item] = turn + 1
        return Item(item.context, (*item.output, Part(self.letters[turn % len(self.letters)])))

    def sample(self, context, n, *, rng):
        raise AssertionError("a search does not draw whole outputs")

    def log_prob(self, items):
        return np.zeros(len(items))


class TestStepTree(SamplingEngineContract):
    def make(self):
        return StepTree(steps=12, branches=2, rollouts=1)

    def target(self):
        return Target(WORLD.base(), exact_value())

    def contexts(self):
        return [WORLD.contexts[0], WORLD.contexts[1], WORLD.contexts[0]]

    def budget(self):
        return Budget(samples=3, steps=36)


VALUES = {"a": 0.5, "b": 0.4, "aa": 0.1, "ab": 0.3, "ba": 0.9, "bb": 0.2}


@pytest.mark.parametrize(
    ("backup", "root", "visited"),
    [("mean", (0.1 + 0.3 + 0.9 + 0.2) / 4, ["a", "b", "aa", "ab", "ba", "bb"]), ("max", 0.9, None)],
)
def test_back_ups_are_those_worked_out_by_hand(backup, root, visited):
    """Round 1 draws a and b; round 2 takes a (0.5 before 0.4), whose children are worth 0.1 and 0.3, their mean 0.2 and
    their maximum 0.3, so that round 3 takes b, whose are worth 0.9 and 0.2."""
    target = Target(Letters(2), as_value(lambda item: VALUES[text(item)]))
    how = StepTree(steps=4, branches=2, exploration=0.0, backup=backup)
    (tree,) = search(target, how).trees
    a, _ = tree.root.children.values()
    assert (a.value, a.visits) == (pytest.approx(0.2 if backup == "mean" else 0.3), 2)
    assert tree.root.value == pytest.approx((0.1 + 0.3 + 0.4) / 3 if backup == "mean" else 0.4)
    assert tree.root.visits == 3
    found = search(Target(Letters(2), as_value(lambda item: VALUES[text(item)])), StepTree(6, 2, 0.0, backup=backup))
    (tree,) = found.trees
    assert tree.root.value == pytest.approx(root)
    assert (text(found.items[0]), found.scores.mean[0]) == ("ba", 0.9)
    assert found.cost == {"samples": 1.0, "steps": 6.0, "scores": 6.0}
    assert tree.root.closed
    if visited:
        assert [text(node.item) for node in tree.nodes()] == visited


def test_exploration_goes_where_little_is_known():
    """After rounds on the root and on a (two visits), b is worth 0.4 + c √ln 3 and a 0.2 + c √(ln 3 / 2)."""
    values = {**VALUES, "aa": 0.6, "ab": 0.6}
    chosen = {}
    for c in (0.0, 0.6, 1.0):
        target = Target(Letters(3), as_value(lambda item: values.get(text(item)[:2], 0.0)))
        (tree,) = search(target, StepTree(6, 2, c)).trees
        _, b = tree.root.children.values()
        chosen[c] = "b" if b.children else "a"
        bound = [own + c * np.sqrt(np.log(3) / visits) for own, visits in ((0.6, 2), (0.4, 1))]
        assert chosen[c] == "ab"[int(np.argmax(bound))]
    assert set(chosen.values()) == {"a", "b"}


@pytest.mark.parametrize("backup", ["mean", "max"])
@pytest.mark.parametrize("widening", [0.0, 0.5])
def test_a_value_is_that_of_what_lies_below(backup, widening):
    """By recursion to the leaves, whatever the order in which the tree grew."""
    how = StepTree(60, 2, 0.3, widening, backup, rollouts=2)
    out = search(Target(WORLD.base(), as_value(noise_of_world)), how, WORLD.contexts)
    assert out.cost["steps"] <= 60 * 4
    for tree in out.trees:
        for node in (tree.root, *tree.nodes()):
            leaves = _leaves(node)
            assert node.visits == sum(own for _, own in leaves) + _idle(node)
            told = [own for own, _ in leaves]
            if backup == "max":
                assert node.value == pytest.approx(max(told))
            elif not widening:
                assert node.visits == len(leaves)
                assert node.value == pytest.approx(np.mean(told))
        assert tree.steps <= 60


def noise_of_world(item: Item) -> float:
    return noise(item) if len(item.output) < 3 else float(WORLD.value([item])[0])


def _leaves(node):
    below = [leaf for child in node.children.values() for leaf in _leaves(child)]
    return below or [(node.value, 1)]


def _idle(node):
    return node.idle + sum(map(_idle, node.children.values()))


def test_exact_values_and_a_maximum_lead_straight_to_the_best():
    """Where a prefix is worth the best that can come of it, the search never turns: depth · branches steps."""
    length, letters = 4, "abc"
    ends = [Item(CONTEXT, tuple(Part(own) for own in word)) for word in _words(length, letters)]
    score = {text(item): noise(item) for item in ends}
    best = max(score, key=score.__getitem__)
    reach = as_value(lambda item: max(own for word, own in score.items() if word.startswith(text(item))))
    how = StepTree(length * len(letters), len(letters), 0.0, backup="max")
    out = search(Target(Letters(length, letters), reach), how)
    assert text(out.items[0]) == best
    assert out.finished.all()
    (tree,) = out.trees
    assert {text(node.item) for node in tree.nodes()} == {
        best[:size] + letter for size in range(length) for letter in letters
    }


def _words(length, letters):
    return [""] if not length else [word + letter for word in _words(length - 1, letters) for letter in letters]


def test_the_best_output_is_found_in_the_end():
    """By enumeration, among outputs that nothing foretells; seldom at first, always after 400 steps."""
    base, context = StepModel(_thirds), CONTEXT
    target = Target(base, Rule(noise, "score"))
    support = base.support(context)
    best = support[int(np.argmax(target.scores(support).mean))]
    for backup in ("mean", "max"):
        found = [
            np.mean(
                [search(target, StepTree(steps, 2, 1.0, 0.5, backup, 1), seed=seed).items[0] == best for seed in runs]
            )
            for steps, runs in ((12, range(40)), (100, range(20)), (400, range(12)))
        ]
        assert found[0] < 0.6 < found[1] <= found[2] == 1.0


def _thirds(context, steps):
    return ((), ()) if len(steps) == 3 else (tuple(Part(letter) for letter in "abc"), (0.2, 0.3, 0.5))


def test_informative_values_beat_best_of_as_many_steps_and_noise_does_not():
    world = ChainWorld(steps=5, problems=40, aftermath=1.0, words=True, seed=3)
    contexts = list(world.contexts) * 2
    how = StepTree(20, 3, 0.1)
    ends = Rule(lambda item: float(len(item.output) == 5 and world.value([item])[0]), "right")
    misled = PrefixValue(Rule(lambda item: ends.fn(item) if len(item.output) == 5 else noise(item), "noise"), "twist")
    right = {}
    for name, potential in (("informed", exact_value(world)), ("misled", misled)):
        out = search(Target(world.base(), potential), how, contexts)
        assert out.cost["steps"] <= 20 * len(contexts) + 5 * (~out.finished).sum()
        right[name] = world.value(out.items).mean()
    best = search(Target(world.base(), ends), BestOfN(4), contexts)
    right["best of 4"] = world.value(best.items).mean()
    assert right["informed"] > right["best of 4"] + 0.05
    assert right["misled"] < right["best of 4"]


def test_steps_that_are_at_fault_are_rethought_in_place():
    """The word is to be "bbb"; feedback names the first wrong letter, and rethinking mends the last step."""
    heard: list[tuple[str, str]] = []

    def rethink(items, words, rng):
        heard.extend((text(item), own) for item, own in zip(items, words, strict=True))
        return [Item(item.context, (*item.output[:-1], Part("b"))) for item in items]

    words = InWords(lambda items: ["" if text(item) == "bbb" else f"not {text(item)}" for item in items], rethink)
    right = constraint(lambda item: text(item) == "bbb", "right")
    target = Target(Letters(3, "a"), right)
    out = search(target, StepTree(12, 1, rollouts=1, words=words))
    assert text(out.items[0]) == "bbb"
    assert [own for own, _ in heard] == ["a", "ba", "bba"]
    assert heard[0][1] == "not aaa"
    (tree,) = out.trees
    assert [text(node.item) for node in tree.nodes()] == ["b", "bb", "bbb"]
    plain = search(Target(Letters(3, "a"), right), StepTree(12, 1, rollouts=1))
    assert text(plain.items[0]) == "aaa"
    assert plain.scores.mean[0] == -np.inf


@pytest.mark.skipif(bool(why_not()), reason="programs cannot be isolated here")
def test_what_unit_tests_say_of_a_program_mends_it():
    """The first lines that are written are wrong; the outcome names what the program gave, and that mends the last."""
    lines = ("def next(x):", "    return x - 1")
    base = StepModel(lambda _, steps: ((Part(lines[len(steps)]),), (1.0,)) if len(steps) < 2 else ((), ()))
    tests = UnitTests(["assert program.next(4) == 5"])
    heard = []

    def rethink(items, words, rng):
        heard.extend(words)
        return [
            Item(item.context, (*item.output[:-1], Part("    return x + 1")))
            if len(item.output) == 2 and "gave 3" in own
            else item
            for item, own in zip(items, words, strict=True)
        ]

    out = search(Target(base, tests), StepTree(8, 1, rollouts=1, words=InWords(tests.words, rethink)))
    assert heard[0] == "assert program.next(4) == 5: failed (AssertionError, line 1 of the test: " + (
        "program.next(4) == 5 is false: it gave 3)"
    )
    assert text(out.items[0]) == "def next(x):    return x + 1"
    assert out.scores.mean[0] == 0.0


def test_what_was_said_is_heard_when_steps_are_drawn_again():
    heard: list[str] = []

    def continued(items, words, rng):
        heard.extend(words)
        return [
            Item(item.context, (*item.output, Part("b" if "a" in own else "a")))
            for item, own in zip(items, words, strict=True)
        ]

    words = InWords(lambda items: ["" if text(item) == "b" else text(item) for item in items], continued=continued)
    right = constraint(lambda item: text(item) == "b", "right")
    out = search(Target(Letters(1), right), StepTree(2, 1, widening=1.0, rollouts=1, words=words))
    assert heard == ["", "a"]
    assert text(out.items[0]) == "b"


def test_shares_of_right_outputs_are_counts_of_the_tree():
    out = search(Target(WORLD.base(), exact_value()), StepTree(60, 3, 1.0, rollouts=1), WORLD.contexts[:2])
    shares = step_shares(out.trees, lambda items: WORLD.value(items) == 1)
    for item, share, n in zip(shares.items, shares.share, shares.outputs, strict=True):
        below = [
            end
            for tree in out.trees
            for end in tree.outputs
            if end.context == item.context and end.output[: len(item.output)] == item.output
        ]
        assert len(below) == n > 0
        assert share == pytest.approx(WORLD.value(below).mean())
    labels = tree_labels(out.trees, lambda items: WORLD.value(items) == 1, name="search")
    met = [item for tree in out.trees for item in tree.outputs]
    assert labels.column("label").to_list() == [bool(own) for own in WORLD.value(met)]
    assert len(prefix_labels(labels)) == 3 * len(met)


def test_budgets_hold_and_what_is_not_needed_is_given_back():
    target = Target(Letters(2), as_value(noise))
    budget = Budget(steps=50)
    out = search(target, StepTree(50, 2), budget=budget)
    assert (budget.spent["steps"], out.cost["steps"]) == (6, 6)
    with pytest.raises(BudgetExceededError):
        search(target, StepTree(50, 2), budget=Budget(steps=49))
    short = search(Target(Letters(4), as_value(noise)), StepTree(2, 2))
    assert not short.finished.any()
    assert short.cost["steps"] == 2 + 3
    assert len(short.items[0].output) == 4


class Counted(Letters):
    """The same, reading three tokens for each step."""

    def written(self, items, *, rng):
        return self.continued(items, rng=rng), 3 * len(items)


def test_tokens_are_counted_and_end_a_search_where_they_are_spent():
    budget = Budget(tokens=18)
    out = search(Target(Counted(4), as_value(noise)), StepTree(100, 2), budget=budget)
    on_top = 3 * (4 - len(out.trees[0].likely().output)) * (not out.finished[0])
    assert out.cost["tokens"] == budget.spent["tokens"] == 18 + on_top
    assert out.trees[0].steps == 6


def test_what_cannot_be_searched_is_refused():
    listed = TableModel.of({"q": {"a": 1.0}})
    with pytest.raises(UsageError, match="step by step"):
        search(Target(listed, as_value(noise)), StepTree(4))
    with pytest.raises(UsageError, match="what a prefix is worth"):
        search(Target(Letters(2), Rule(noise, "whole")), StepTree(4))
    for wrong in ({"steps": 0}, {"branches": 0}, {"exploration": -1.0}, {"widening": 2.0}, {"backup": "median"}):
        with pytest.raises(UsageError, match="no search"):
            StepTree(**{"steps": 4, **wrong})
