"""Calls one after another: the law of all they give is the product of their conditionals, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Budget, InputError, Item, Part, Parts, UsageError
from heedful.core.contracts import BaseContract
from heedful.evidence import constraint
from heedful.models import CallModel, SequenceTable, StepModel, TableModel
from heedful.sampling import BestOfN, Rejection
from heedful.target import Target, enumerate_exact
from heedful.worlds import law_test

CONTEXT = Item.of("q").context
THOUGHT = TableModel.of({"q": {"up": 0.6, "down": 0.4}})
ANSWER = TableModel.of({"q up": {"1": 0.5, "2": 0.5}, "q down": {"2": 0.9, "": 0.1}})
VERIFIER = TableModel.of({"1": {"yes": 0.2, "no": 0.8}, "2": {"yes": 0.9, "no": 0.1}, "none": {"no": 1.0}})


def asked(*parts: Part) -> Parts:
    return Item.of(" ".join(part.text for part in parts)).context


def until_content(context, parts):
    """A thought, an answer to it, a verdict; all again, once, where the verdict is no."""
    if len(parts) == 6 or (len(parts) == 3 and parts[-1].text == "yes"):
        return None
    if len(parts) % 3 == 0:
        return THOUGHT, context
    if len(parts) % 3 == 1:
        return ANSWER, asked(*context, parts[-1])
    return VERIFIER, asked(parts[-1] if parts[-1].text else Part("none"))


PROGRAM = CallModel(until_content, "program")
ROUND = {
    ("up", "1", "yes"): 0.6 * 0.5 * 0.2,
    ("up", "1", "no"): 0.6 * 0.5 * 0.8,
    ("up", "2", "yes"): 0.6 * 0.5 * 0.9,
    ("up", "2", "no"): 0.6 * 0.5 * 0.1,
    ("down", "2", "yes"): 0.4 * 0.9 * 0.9,
    ("down", "2", "no"): 0.4 * 0.9 * 0.1,
    ("down", "", "no"): 0.4 * 0.1,
}
LAW = {own: p for own, p in ROUND.items() if own[-1] == "yes"} | {
    (*own, *other): p * q for own, p in ROUND.items() if own[-1] == "no" for other, q in ROUND.items()
}


def texts(item):
    return tuple(part.text for part in item.output)


class TestCallModel(BaseContract):
    def make(self):
        return PROGRAM

    def context(self):
        return CONTEXT


def test_the_law_is_the_product_of_conditionals() -> None:
    listed = PROGRAM.support(CONTEXT)
    assert {texts(item) for item in listed} == set(LAW)
    np.testing.assert_allclose(np.exp(PROGRAM.log_prob(listed)), [LAW[texts(item)] for item in listed])
    assert {item.system for item in listed} == {"program"}
    drawn = PROGRAM.sample(CONTEXT, 4000, rng=np.random.default_rng(0))
    law = {item: LAW[texts(item)] for item in listed}
    assert law_test(drawn, law, rng=np.random.default_rng(1)).p > 0.001


def test_what_is_unfinished_or_cannot_be_has_no_probability() -> None:
    given = (("up", "1"), ("up", "1", "no"), ("left",), ("down", "1", "no"), ("up", "2", "yes", "up"))
    items = [Item(CONTEXT, tuple(map(Part, own))) for own in given]
    assert PROGRAM.log_prob(items).tolist() == [-math.inf] * 5
    np.testing.assert_allclose(np.exp(PROGRAM.prefix_log_prob(items)), [0.3, 0.24, 0.0, 0.0, 0.0])
    assert PROGRAM.log_prob([]).shape == (0,)


def test_conditioning_on_what_a_call_says_is_a_target_for_every_engine() -> None:
    """P(answer | the first verdict is yes), by hand, by listing, by rejection; and the likeliest by best-of-N."""
    says = Target(PROGRAM, constraint(lambda item: item.output[2].text == "yes", "verified at once"))
    listed = enumerate_exact(says, CONTEXT)
    of_two = sum(p for own, p in zip(listed.items, listed.probability, strict=True) if texts(own)[1] == "2")
    assert of_two == pytest.approx((0.27 + 0.324) / (0.06 + 0.27 + 0.324))
    found = Rejection(0.0)(says, [CONTEXT] * 500, budget=Budget(), rng=np.random.default_rng(2))
    law = dict(zip(listed.items, listed.probability.tolist(), strict=True))
    assert law_test(found.items, law, rng=np.random.default_rng(3)).p > 0.001
    best = BestOfN(50)(says, [CONTEXT], budget=Budget(), rng=np.random.default_rng(4))
    assert texts(best.items[0])[2] == "yes"


def test_the_same_is_asked_once_for_all() -> None:
    class Counting(TableModel):
        asked: list[int] = []  # noqa: RUF012

        def sample(self, context, n, *, rng):
            self.asked.append(n)
            return super().sample(context, n, rng=rng)

    thought = Counting(THOUGHT.rows)
    program = CallModel(lambda context, parts: None if parts else (thought, context))
    assert len(program.sample(CONTEXT, 7, rng=np.random.default_rng(0))) == 7
    assert thought.asked == [7]


def test_what_cannot_be_listed_or_is_no_one_part_is_said() -> None:
    class Bare:
        def sample(self, context, n, *, rng):
            return (Item(context, (Part("a"), Part("b"))),) * n

        def log_prob(self, items):
            return np.zeros(len(items))

    bare = CallModel(lambda context, parts: None if parts else (Bare(), context))
    with pytest.raises(UsageError, match="Bare, which is asked after 0 parts, cannot be listed"):
        bare.support(CONTEXT)
    with pytest.raises(InputError, match="2 parts where one is needed"):
        bare.sample(CONTEXT, 1, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="more than 3 outputs"):
        CallModel(until_content, most_outputs=3).support(CONTEXT)


def test_models_that_write_tokens_are_called_too() -> None:
    language = SequenceTable({(): {"a": 0.5, "b": 0.25, "": 0.25}, ("a",): {"b": 1.0}}, max_tokens=2)
    steps = StepModel(lambda context, parts: ((), ()) if parts else ((Part("a"), Part("c")), (0.5, 0.5)))
    program = CallModel(lambda context, parts: None if len(parts) == 2 else ((language, steps)[len(parts)], context))
    listed = program.support(CONTEXT)
    assert np.exp(program.log_prob(listed)).sum() == pytest.approx(1)
    assert np.exp(program.log_prob([Item(CONTEXT, (Part("a b"), Part("c")))])).tolist() == pytest.approx([0.25])
