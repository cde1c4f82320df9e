"""Lines as steps: against every output of a small language, cut by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2

from heedful.core import Budget, InputError, Item, Part, UsageError
from heedful.core.contracts import BaseContract
from heedful.evidence import PrefixValue, Rule
from heedful.models import LineSteps, SequenceTable
from heedful.sampling import StepBase, StepBeam
from heedful.target import Target, enumerate_exact

A, B = Item.of("q").context, Item.of("two words").context
TABLE = SequenceTable(
    {
        (): {"a": 0.5, ";": 0.2, "": 0.3},
        ("a",): {"a": 0.1, ";": 0.5, "b": 0.2, "": 0.2},
        (";",): {"a": 0.6, ";": 0.1, "": 0.3},
        ("words",): {"b": 0.9, ";": 0.1},
    },
    max_tokens=4,
    system="table",
)


def cut(item: Item) -> Item:
    """The steps of an output of the table, found in its text."""
    pieces = "".join(part.text for part in item.output).replace(";", ";|").split("|")
    return Item(item.context, tuple(map(Part, pieces)), item.system)


class Listed(LineSteps):
    def support(self, context):
        return tuple(map(cut, self.model.support(context)))


LINES = Listed(TABLE, ";")


class TestLineSteps(BaseContract):
    def make(self):
        return LINES

    def context(self):
        return A


def test_outputs_in_steps_have_the_probability_of_their_text():
    for context in (A, B):
        listed = TABLE.support(context)
        np.testing.assert_allclose(LINES.log_prob([cut(item) for item in listed]), TABLE.log_prob(listed))
        assert [LINES.whole(cut(item)) for item in listed] == list(listed)
        assert all(LINES.ended(cut(item)) for item in listed)
    assert LINES.ended(Item(A, (Part(""),)))
    assert not LINES.ended(Item(A))


def test_each_step_follows_a_prefix_as_often_as_the_language_says():
    """After every prefix of every output of one context, by the shares of the outputs that begin with it."""
    listed = TABLE.support(B)
    share = {cut(item): math.exp(own) for item, own in zip(listed, TABLE.log_prob(listed), strict=True)}
    begun: dict[tuple[Part, ...], dict[Item, float]] = {}
    for item, own in share.items():
        for size in range(len(item.output)):
            after = begun.setdefault(item.output[:size], {})
            longer = Item(B, item.output[: size + 1], "table")
            after[longer] = after.get(longer, 0.0) + own
    draws, rng = 2000, np.random.default_rng(0)
    tested = 0
    for steps, after in begun.items():
        found = LINES.continued([Item(B, steps)] * draws, rng=rng)
        total = sum(after.values())
        assert set(found) <= set(after)
        pairs = [(found.count(item), draws * own / total) for item, own in after.items()]
        often = [pair for pair in pairs if pair[1] >= 5]
        rest = (sum(seen for seen, told in pairs if told < 5), sum(told for _, told in pairs if told < 5))
        statistic = sum((seen - told) ** 2 / told for seen, told in [*often, *([rest] if rest[1] > 0 else [])])
        if len(pairs) > 1:
            tested += 1
            assert chi2.sf(statistic, max(len(often) - (rest[1] == 0), 1)) > 1e-4
    assert tested > 5


def test_what_is_cut_elsewhere_or_unfinished_is_never_written():
    pieces = [("a ; a",), ("a ;",), ("a ;", " a ;", ""), ("a", " ;", ""), ("a ;", "", ""), ("a ;", " a", "")]
    found = LINES.log_prob([Item(A, tuple(map(Part, own))) for own in pieces])
    assert np.isfinite(found).tolist() == [False, False, True, False, False, False]


def test_a_full_output_ends_with_an_empty_step():
    full = Item(A, (Part(";"), Part(" ;"), Part(" ;"), Part(" ;")), "table")
    assert not LINES.ended(full)
    (last,), positions = LINES.written([full], rng=np.random.default_rng(0))
    assert last == Item(A, (*full.output, Part("")), "table")
    assert positions == 1 + 3  # the context, and each token but the last, after which nothing is written


def test_a_prefix_is_read_once_however_many_go_on_from_it():
    prefix, other, ended = (Item(A, (Part("a ;"),)), Item(B, (Part("b ;"),)), Item(A, (Part("a"),)))
    found, positions = LINES.written([prefix] * 5 + [other, ended], rng=np.random.default_rng(3))
    assert found[6] == ended
    # Contexts of one and two words, two prefixes of two tokens, and what was written but fourth tokens and ends.
    words = [len(LINES.whole(item).output[0].text.split()) for item in found[:6]]
    assert positions == 1 + 2 + 2 + 2 + sum(min(own, 3) - 2 for own in words)


def test_a_token_of_several_separators_ends_one_step():
    lines = LineSteps(SequenceTable({(): {"a": 0.4, ";;": 0.3, ";": 0.1, "": 0.2}}, max_tokens=3), ";")
    pieces = [("a ;;", " a"), ("a ;", ";", " a"), ("a ;", "; a")]
    found = np.exp(lines.log_prob([Item(A, tuple(map(Part, own))) for own in pieces]))
    np.testing.assert_allclose(found, [0.4 * 0.3 * 0.4, 0.0, 0.0])


def test_a_beam_of_one_draws_from_the_language():
    draws, listed = 4000, LINES.support(B)
    target = Target(LINES, PrefixValue(Rule(lambda item: float(len(item.output)), "steps"), "twist"))
    assert isinstance(LINES, StepBase)
    found = StepBeam(1, 1)(target, [B] * draws, budget=Budget(), rng=np.random.default_rng(1)).items
    expected = draws * enumerate_exact(Target(LINES, 0.0 * target.expression), B).probability
    often = expected >= 5
    count = np.array([found.count(item) for item in listed])
    assert count.sum() == draws
    count, expected = (np.r_[own[often], own[~often].sum()] for own in (count, expected))
    assert chi2.sf(((count - expected) ** 2 / expected).sum(), len(count) - 1) > 1e-3


def test_wrong_use_is_said():
    for separator in ("", "\n"):
        with pytest.raises(UsageError, match="no token"):
            LineSteps(TABLE, separator).continued([Item(A)], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="cannot write"):
        LINES.continued([Item(A, (Part("x ;"),))], rng=np.random.default_rng(0))


def test_the_small_model_works_sums_out_line_by_line():
    pytest.importorskip("torch", reason="the extra `lm` is not installed")
    from heedful.worlds import exercises
    from heedful.worlds.small_model import small_model

    model = small_model(batch_size=5)
    lines = LineSteps(model)
    exercise = exercises(1, seed=3, kinds=("calc",))[0]
    items = lines.sample(exercise.context, 12, rng=np.random.default_rng(0))
    assert max(len(item.output) for item in items) > 1
    np.testing.assert_allclose(lines.log_prob(items), model.log_prob([lines.whole(item) for item in items]), atol=1e-5)
    prefixes = [Item(item.context, item.output[:1], item.system) for item in items if len(item.output) > 1]
    longer = lines.continued(prefixes, rng=np.random.default_rng(1))
    assert all(
        long.output[:1] == own.output and len(long.output) == 2 for long, own in zip(longer, prefixes, strict=True)
    )
