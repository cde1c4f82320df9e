"""Principles: net votes by hand, what is said twice, coin flips, weights in closed form, pairs held out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from heedful.core import Budget, InputError, Item, UsageError
from heedful.evidence import Rule, constraint
from heedful.models import FunctionWriter
from heedful.rewriting import Preferred, Principle, compress, rebuilt, style_principles, suggested
from heedful.rewriting.principles import _unexplained

LETTERS = "abcdefghij"


def has(letter: str) -> Principle:
    return Principle(f"Prefer the answer with {letter}.", Rule(lambda item: float(letter in text_of(item)), letter))


def text_of(item: Item) -> str:
    return item.output[0].text


CANDIDATES = [has(letter) for letter in LETTERS]


def drawn(n: int, weights: Mapping[str, float], rng: np.random.Generator) -> Preferred:
    """Pairs of outputs that hold half of the letters, preferred by the weights of those."""
    first, second = (
        [Item.of("q", "." + "".join(rng.permutation(list(LETTERS))[:5])) for _ in range(n)] for _ in range(2)
    )

    def utility(item: Item) -> float:
        return sum(weight for letter, weight in weights.items() if letter in text_of(item))

    chances = [expit(utility(one) - utility(other)) for one, other in zip(first, second, strict=True)]
    return Preferred(first, second, (rng.random(n) < chances).astype(np.float64))


def test_planted_principles_are_found_and_rebuild_preferences() -> None:
    rng = np.random.default_rng(0)
    train, held = (drawn(n, {"c": 2.5, "h": 1.5}, rng) for n in (400, 1000))
    found = compress(train, CANDIDATES, rng=rng)
    assert [own.principle.sentence for own in found.kept] == [f"Prefer the answer with {own}." for own in "ch"]
    assert found.told() == "1. Prefer the answer with c.\n2. Prefer the answer with h."
    votes = CANDIDATES[2].votes(train.first, train.second) * (2 * train.won - 1)
    own = found.kept[0]
    assert (own.right, own.wrong, own.abstained) == tuple(int((votes == sign).sum()) for sign in (1, -1, 0))
    assert own.net == own.right - own.wrong
    plain = compress(train, style_principles(["log_words"]), rng=rng)
    done = rebuilt(found, plain, held)
    assert plain.kept == ()
    assert plain.silent == 2
    expected = np.where(found.prefer(held.first, held.second) > 0.5, held.won, 1 - held.won)
    undecided = found.prefer(held.first, held.second) == 0.5
    assert done.accuracy.value == pytest.approx(np.where(undecided, 0.5, expected).mean())
    assert done.over_chance.value == pytest.approx(done.accuracy.value - 0.5)
    assert done.over_rule.interval is not None
    assert done.over_rule.interval.low > 0.15


def test_the_first_score_is_net_votes_over_their_number() -> None:
    votes = np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [1, 0, 0]], np.float64)
    z = _unexplained(votes, [], np.array([1.0, 1.0, 0.0, 1.0]), 1.0)
    assert z[:2] == pytest.approx([4 / 2, -1 / np.sqrt(3)])
    assert z[2] == -np.inf


def test_what_is_said_twice_is_chosen_once() -> None:
    pairs = drawn(400, {"c": 2.0}, np.random.default_rng(1))
    found = compress(pairs, [has("c"), has("c"), *CANDIDATES], rng=np.random.default_rng(0))
    assert len(found.kept) == 1
    assert found.candidates == 12


def test_preferences_without_principles_have_none() -> None:
    """Of coin flips something is chosen with the probability alpha, about."""
    rng = np.random.default_rng(2)
    runs = [len(compress(drawn(60, {}, rng), CANDIDATES, alpha=0.2, most=1, rng=rng).kept) for _ in range(150)]
    assert np.mean(runs) < 0.2 + 3 * np.sqrt(0.2 * 0.8 / 150)
    assert np.mean(runs) > 0.02


def test_weights_are_fitted_and_are_a_potential() -> None:
    rng = np.random.default_rng(3)
    pairs = drawn(200, {"c": 2.0}, rng)
    found = compress(pairs, CANDIDATES, most=1, prior_sd=0.8, rng=rng)
    own = found.kept[0]
    density = minimize_scalar(
        lambda w: -own.right * log_expit(w) - own.wrong * log_expit(-w) + w**2 / (2 * 0.8**2), bounds=(-5, 5)
    )
    assert own.weight.value == pytest.approx(density.x, abs=1e-4)
    potential = found.potential()
    gap = potential(pairs.first).mean - potential(pairs.second).mean
    assert gap == pytest.approx(own.weight.value * own.principle.votes(pairs.first, pairs.second))
    prefer = found.prefer(pairs.first, pairs.second)
    assert np.sign(prefer - 0.5) == pytest.approx(np.sign(gap))
    assert found.prefer(pairs.second, pairs.first) == pytest.approx(1 - prefer)


def test_a_principle_abstains_where_outputs_hardly_differ() -> None:
    length = Principle("longer", Rule(lambda item: len(text_of(item)), "length"), least=2)
    items = [Item.of("", "a" * count) for count in (1, 3, 4)]
    assert length.votes(items, [items[0]] * 3).tolist() == [0, 0, 1]
    short = Principle("short", constraint(lambda item: len(text_of(item)) < 2, "short"))
    assert short.votes(items, [items[1]] * 3).tolist() == [1, 0, 0]
    longer, shorter = style_principles(["log_words"])
    one, other = Item.of("", "a word more"), Item.of("", "word")
    assert longer.votes([one], [other]) == [1]
    assert shorter.votes([one], [other]) == [-1]
    assert longer.sentence == "Prefer the answer that is longer."


def test_a_writer_suggests_principles_from_pairs() -> None:
    pairs = drawn(6, {"c": 50.0}, np.random.default_rng(4))
    seen: list[str] = []

    def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        seen.append(str(messages[0]["content"]))
        mark = re.findall(r"</([0-9a-f]{12})>", seen[-1])[0]
        said = ["Prefer the answer with c.", "prefer the  answer with C", ""][len(seen) % 3]
        return f"<{mark}>\n{said}\n</{mark}>" if len(messages) == 1 else "I cannot."

    budget = Budget(calls=100)
    found = suggested(FunctionWriter(answer), pairs, lambda sentence: has("c").evidence, budget=budget)
    assert len(found.principles) == 1
    assert (found.same, found.missing) == (3, 2)
    assert budget.spent["calls"] == 8
    better = pairs.first[0] if pairs.won[0] else pairs.second[0]
    assert seen[0].index(text_of(better)) < seen[0].index("to this one")


def test_what_cannot_be_is_refused() -> None:
    rng, pairs = np.random.default_rng(0), drawn(50, {}, np.random.default_rng(0))
    with pytest.raises(InputError, match="outcome, 1 or 0"):
        Preferred(pairs.first, pairs.second, np.full(50, 0.5))
    with pytest.raises(InputError, match="needed"):
        compress(pairs, [], rng=rng)
    with pytest.raises(UsageError, match="evidence of nothing"):
        compress(pairs, CANDIDATES[:1], alpha=1e-9, rng=rng).potential()
