"""Scores of steps and values of prefixes: by hand, and against enumeration of all that may follow."""

from __future__ import annotations

import functools
import math

import numpy as np
import polars as pl
import pytest
from scipy.special import log_expit

from evidence.common import Known
from heedful.core import Item, Part, ScaleError, Scores, UsageError
from heedful.core.contracts import PotentialContract, PrefixPotentialContract
from heedful.evidence import InOneText, Labelled, PrefixValue, Rule, Steps, constraint, prefixes
from heedful.feedback import Table, prefix_labels
from heedful.preference import fit
from heedful.target import Target, enumerate_exact
from heedful.worlds import ChainWorld, SimulatedRaters, marks, outcomes

CONTEXT = Item.of("q").context
SHARES = {"a": 0.9, "b": 0.5, "c": 0.2}
WORLD = ChainWorld(steps=3, problems=20)


def written(text: str) -> Item:
    return Item(CONTEXT, tuple(Part(letter) for letter in text))


ITEMS = tuple(written(text) for text in ("abc", "ab", "cab", "b"))


def last_step(scale: str = "log_prob") -> Rule:
    """The share of the last letter alone."""
    return Rule(lambda item: math.log(SHARES[item.output[-1].text]), "last letter", scale)


class TestSteps(PrefixPotentialContract):
    def make(self):
        return Steps(last_step(), "mean")

    def items(self):
        return ITEMS


@functools.cache
def posterior():
    rng = np.random.default_rng(0)
    table = marks(WORLD, WORLD.draw(120, rng=rng), raters=SimulatedRaters(5), certainty=2.0, rng=rng)
    return fit(prefix_labels(table), utility="features", features=Seen(), prior_sd=1.0, draws=8)


class Seen:
    """Features of prefixes that this world shows, as an encoder."""

    names = tuple("abcdefghi")

    def fit(self, items):
        return self

    def encode(self, items):
        return WORLD.features(items)

    def describe(self):
        return {}


class TestLabelled(PotentialContract):
    def make(self):
        return Labelled(posterior())

    def items(self):
        return WORLD.base().support(WORLD.contexts[0])


class TestFittedSteps(PrefixPotentialContract):
    def make(self):
        return Steps(Labelled(posterior()), "min")

    def items(self):
        return WORLD.base().support(WORLD.contexts[0])[:9]


class TestPrefixValue(PrefixPotentialContract):
    def make(self):
        return PrefixValue(Labelled(posterior()), "soft", "base")

    def items(self):
        return WORLD.base().support(WORLD.contexts[0])[:9]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("product", [0.9 * 0.5 * 0.2, 0.9 * 0.5, 0.2 * 0.9 * 0.5, 0.5]),
        ("min", [0.2, 0.5, 0.2, 0.5]),
        ("mean", [1.6 / 3, 0.7, 1.6 / 3, 0.5]),
        ("last", [0.2, 0.5, 0.5, 0.5]),
    ],
)
def test_aggregations_by_hand(how, expected):
    made = Steps(last_step(), how)
    np.testing.assert_allclose(np.exp(made(ITEMS).mean), expected)
    np.testing.assert_allclose(made.prefix(prefixes(written("abc"))).mean[-1], made(ITEMS[:1]).mean[0])
    assert made([written(""), ITEMS[0]]).mean[0] == 0.0
    assert made([written("")]).mean.tolist() == [0.0]


def test_the_mean_of_small_probabilities_is_not_zero():
    far = {"a": -800.0, "ab": -801.0, "abc": -math.inf}
    made = Steps(Named(far, None, "log_prob"), "mean")
    expected = [-800.0, -800.0 + math.log((1 + math.exp(-1)) / 2), -800.0 + math.log((1 + math.exp(-1)) / 3)]
    np.testing.assert_allclose(made([written(text) for text in ("a", "ab", "abc")]).mean, expected)
    never = Steps(Rule(lambda _: -math.inf, "never", "log_prob"), "mean")
    assert np.isneginf(never(ITEMS).mean).all()


def test_draws_are_aggregated_each_by_itself():
    drawn = {"a": (-0.1, -2.0), "ab": (-1.0, -0.3)}
    step = Named({"a": -0.5, "ab": -0.5}, drawn, "log_prob")
    np.testing.assert_allclose(Steps(step, "min")([written("ab")]).draws[:, 0], [-1.0, -2.0])
    np.testing.assert_allclose(Steps(step, "product")([written("ab")]).draws[:, 0], [-1.1, -2.3])


def log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


class Named(Known):
    """Known scores by all the letters of an output."""

    def __call__(self, items):
        return super().__call__([Item.of("q", "".join(part.text for part in item.output)) for item in items])


def test_each_prefix_is_scored_once():
    asked = []
    step = Rule(lambda item: asked.append(item) or -1.0, "counted", "log_prob")
    Steps(step, "product")([written("abc"), written("abb"), written("ab")])
    assert len(asked) == len(set(asked)) == 4


class TestInOneText(PrefixPotentialContract):
    def make(self):
        return InOneText(PrefixValue(Rule(lambda item: float(len(item.output[0].text)), "length"), "twist"), Lettered())

    def items(self):
        return ITEMS


class Lettered:
    """Steps of a letter; b ends."""

    def ended(self, item):
        return item.output[-1].text == "b"


def test_steps_of_one_text_score_as_a_whole_where_they_have_ended():
    class Told(Known):
        kind = "soft"

        def prefix(self, items):
            return Scores(-self(items).mean)

    made = InOneText(Told({"ab": 1.0, "abc": 2.0}), Lettered())
    assert made.prefix([written("ab"), written("abc")]).mean.tolist() == [1.0, -2.0]
    assert made([written("abc")]).mean.tolist() == [2.0]
    assert (made.kind, made.scale) == ("soft", "utility")


def test_prefixes_are_the_first_steps():
    assert [len(own.output) for own in prefixes(written("abc"))] == [1, 2, 3]
    assert prefixes(written("abc"))[-1] == written("abc")
    assert prefixes(written("")) == ()


def test_a_fit_to_labels_gives_their_probability():
    """Against the same thing said by predictions of new labels by somebody unknown, which average over the draws."""
    rng = np.random.default_rng(1)
    table = prefix_labels(outcomes(WORLD, WORLD.draw(40, rng=rng), rng=rng))
    items = [record.items()[0] for record in table.records()]
    unsigned = Table(table.frame.drop("rater"))
    scores = Labelled(posterior())(items)
    np.testing.assert_allclose(np.exp(scores.draws).mean(axis=0), posterior().predict(unsigned).probability, atol=1e-12)
    assert (np.exp(scores.draws).min(axis=0) <= np.exp(scores.mean) + 1e-12).all()


def test_labels_less_sharp_than_comparisons_are_scored_at_one_sharpness():
    """At the mean, log σ(a (u − t)) has the a under which a · t was fitted: few labels leave draws far from that."""
    rng = np.random.default_rng(0)
    first, labelled = rng.integers(5, size=150), rng.integers(5, size=60)
    second = (first + rng.integers(1, 5, size=150)) % 5
    judged = [*np.stack([first, second], axis=1).astype(str).tolist(), *labelled[:, None].astype(str).tolist()]
    won = 0.7 * (first - second) + rng.logistic(size=150) > 0
    table = pl.DataFrame(
        {
            "id": np.arange(210).astype(str),
            "kind": ["comparison"] * 150 + ["label"] * 60,
            "systems": pl.Series(judged),
            "choice": [*np.where(won, "first", "second"), *[None] * 60],
            "label": [*[None] * 150, *(0.35 * labelled + rng.logistic(size=60) > 0).tolist()],
        }
    )
    fitted = fit(Table.shaped(table))
    (reading,) = [own for own in fitted.readings if own.kind == "label"]
    sharp = fitted.model["discrimination"]["label"]
    assert reading.discrimination.mean() > 1.1 * sharp
    items = [Item.of("q", "y", system=name) for name in fitted.names]
    wanted = log_expit(sharp * fitted.mean - reading.nuisance[0])
    np.testing.assert_allclose(Labelled(fitted)(items).mean, wanted, atol=1e-12)


def test_the_log_of_the_exact_value_is_the_prefix_factor_of_the_target():
    """Σ over all that may follow of base · P(right) is exp of the value of the prefix: the claim of kind soft."""
    context, base = WORLD.contexts[3], WORLD.base()
    log_value = Rule(lambda item: log(WORLD.value([item])[0]), "value", "log_prob", "base")
    right = constraint(lambda item: WORLD.value([item])[0] == 1, "right")
    value = PrefixValue(log_value, "soft", "base")
    target = enumerate_exact(Target(base, right), context)
    begun = {prefix for item in target.items for prefix in prefixes(item)}
    for prefix in begun:
        own = [item.output[: len(prefix.output)] == prefix.output for item in target.items]
        factor = base.prefix_log_prob([prefix])[0] + value.prefix([prefix]).mean[0] - target.log_normalizer
        assert math.exp(factor) == pytest.approx(target.probability[own].sum(), abs=1e-12)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ScaleError, match="log-probabilities"):
        Steps(last_step("utility"), "min")
    with pytest.raises(UsageError, match="no aggregation 'max'"):
        Steps(last_step(), "max")
    with pytest.raises(UsageError, match="not to labels"):
        Labelled(compared())


def compared():
    from heedful.feedback import Candidate, Record, Table, Value

    sides = [Candidate(output="a"), Candidate(output="b")]
    table = Table.of([Record(kind="comparison", candidates=sides, value=Value(choice="first"))] * 3)
    return fit(table, prior_sd=1.0)
