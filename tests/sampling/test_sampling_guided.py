"""Guided decoding: exact with soft values and checked for it, its own law with other guides; tested by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.models import SequenceTable
from heedful.models.table_tokens import TableContinuations
from heedful.sampling import Guided, Particles, TokenGuide, ValueGuide, WordGuide, guided_law
from heedful.sampling.writing import Writing
from heedful.target import Target, enumerate_exact

from .language import (
    BASE,
    CONTEXTS,
    Liked,
    Plain,
    Soft,
    frequencies,
    law,
    sampled_variation,
    total_variation,
    words,
)

STRENGTH = 1.5
SOFT = STRENGTH * Soft(STRENGTH)
TARGET = Target(BASE, SOFT)
OTHER = SequenceTable({(): {"a": 0.2, "b": 0.5, "c": 0.2, "": 0.1}}, max_tokens=3)
DRAWS = 3000


class TestGuidedKeepsTheContract(SamplingEngineContract):
    def make(self):
        return Guided((WordGuide({"b": 1.0}),))

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]

    def budget(self):
        return Budget(tokens=20)


class TestExactGuidedKeepsTheContract(TestGuidedKeepsTheContract):
    def make(self):
        return Guided((ValueGuide(SOFT),))


def run(engine, target=TARGET, context=CONTEXTS[0], draws=DRAWS, seed=0):
    return engine(target, [context] * draws, budget=Budget(), rng=np.random.default_rng(seed))


def guided_law_by_hand(context, added):
    """Π over tokens of base · e^added, normalised token by token; `added` of (words so far, token)."""
    true = {}
    for item in BASE.support(context):
        so_far, log_prob, divergence = [], 0.0, 0.0
        whole = words(item)
        for token in whole if len(whole) == BASE.max_tokens else [*whole, ""]:
            row = BASE.next_tokens(context, tuple(so_far))
            tilted = {one: p * np.exp(added(so_far, one)) for one, p in row.items()}
            total = sum(tilted.values())
            log_prob += np.log(tilted[token] / total)
            divergence += sum(t / total * np.log(t / total / row[one]) for one, t in tilted.items())
            so_far.append(token)
        true[item] = np.exp(log_prob)
    return true


def by_word(so_far, token):
    return {"b": 1.2, "c": -0.7}.get(token, 0.0)


def by_model(so_far, token):
    return 0.8 * np.log({"a": 0.2, "b": 0.5, "c": 0.2, "": 0.1}[token])


def by_value(so_far, token):
    """What `Liked` says of the output with the token added: of a whole one, its utility; of a prefix, its guess."""
    grown = [*so_far, token]
    if token and len(grown) < BASE.max_tokens:
        return 0.9 * 0.7 * grown.count("b")
    whole = [one for one in grown if one]
    return 0.9 * (1.2 * whole.count("b") - 0.8 * len(whole) + (whole[-1:] == ["a"]))


CASES = {
    "words": (WordGuide({"b": 1.2, "c": -0.7}), by_word),
    "model": (TokenGuide(OTHER, 0.8), by_model),
    "value": (ValueGuide(0.9 * Liked()), by_value),
}


@pytest.mark.parametrize("name", CASES)
def test_draws_follow_the_law_of_the_guides_token_by_token(name):
    guide, added = CASES[name]
    engine, true = Guided((guide,)), guided_law_by_hand(CONTEXTS[0], added)
    assert sum(true.values()) == pytest.approx(1)
    found = run(engine)
    assert engine.honesty == "heuristic"
    assert total_variation(frequencies(found.items), true) < sampled_variation(true, DRAWS)
    base = {item: float(np.exp(BASE.log_prob([item])[0])) for item in true}
    assert total_variation(frequencies(found.items), base) > 2 * sampled_variation(base, DRAWS)
    kl, exact = found.kl[0], sum(p * np.log(p / base[item]) for item, p in true.items())
    assert abs(kl.value - exact) < 4 * kl.standard_error
    assert 0 < kl.standard_error < 0.05 * exact
    assert not found.log_weights.any()
    assert found.log_normalizer is None


@pytest.mark.parametrize("name", CASES)
def test_the_exact_law_is_that_of_every_token_by_hand(name):
    guide, added = CASES[name]
    for context in CONTEXTS:
        found, true = guided_law(TARGET, (guide,), context), guided_law_by_hand(context, added)
        np.testing.assert_allclose(np.exp(found.log_prob), [true[item] for item in found.items], atol=1e-12)
        base = BASE.log_prob(found.items)
        assert found.kl == pytest.approx(np.exp(found.log_prob) @ (found.log_prob - base))
    with pytest.raises(InputError, match="rule out whatever"):
        guided_law(TARGET, (WordGuide(dict.fromkeys(BASE.vocabulary, -np.inf)),), CONTEXTS[0])


def test_a_soft_value_gives_the_target():
    engine, true = Guided((ValueGuide(SOFT),)), law(TARGET, CONTEXTS[1])
    listed = enumerate_exact(TARGET, CONTEXTS[1])
    found = run(engine, context=CONTEXTS[1])
    assert engine.honesty == "exact"
    assert total_variation(frequencies(found.items), true) < sampled_variation(true, DRAWS)
    np.testing.assert_allclose(found.log_normalizer, listed.log_normalizer, atol=1e-9)
    assert abs(found.kl[0].value - listed.kl) < 4 * found.kl[0].standard_error


def test_a_law_without_the_base_is_noticed(monkeypatch):
    """A planted bug: guides alone draw the token."""
    law_of = Writing.law
    monkeypatch.setattr(
        Writing, "law", lambda self, logprobs: law_of(self, np.where(np.isfinite(logprobs), 0.0, logprobs))
    )
    true = law(TARGET, CONTEXTS[0])
    with pytest.raises(InputError, match="says to be soft"):
        run(Guided((ValueGuide(SOFT),)), draws=50)
    found = run(Guided((WordGuide({"b": 1.2, "c": -0.7}),)))
    true = guided_law_by_hand(CONTEXTS[0], by_word)
    assert total_variation(frequencies(found.items), true) > 2 * sampled_variation(true, DRAWS)


def test_only_what_can_be_exact_says_so():
    for guides in (
        (ValueGuide(SOFT, width=2),),
        (ValueGuide(SOFT), WordGuide({"b": 0.1})),
        (ValueGuide(1.0 * Soft(STRENGTH)),),
        (ValueGuide(STRENGTH * Liked()),),
        (ValueGuide(SOFT + 0.1 * Liked()),),
    ):
        assert Guided(guides).honesty == "heuristic"
    with pytest.raises(UsageError, match="this is another"):
        run(Guided((ValueGuide(SOFT),)), Target(BASE, SOFT + 0.1 * Plain()))

    class Pretender(Liked):
        kind, beta = "soft", 1.0

    pretended = 1.0 * Pretender()
    with pytest.raises(InputError, match="says to be soft"):
        run(Guided((ValueGuide(pretended),)), Target(BASE, pretended), draws=5)


def test_kl_is_never_negative_and_told_per_context():
    contexts = [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]
    for seed in range(5):
        found = Guided((WordGuide({"b": 0.3}),))(TARGET, contexts, budget=Budget(), rng=np.random.default_rng(seed))
        assert min(kl.value for kl in found.kl) >= 0
        assert found.kl[0] == found.kl[2]
        assert [kl.n for kl in found.kl] == [2, 1, 2]
        assert found.kl[1].variance is None


def test_bans_hold_and_what_is_ruled_out_counts_for_nothing():
    found = run(Guided((WordGuide({"c": -np.inf}),)), draws=300)
    assert not any("c" in words(item) for item in found.items)
    nothing = run(Guided((WordGuide(dict.fromkeys(BASE.vocabulary, -np.inf)),)), draws=5)
    assert (nothing.log_weights == -np.inf).all()
    assert [kl.value for kl in nothing.kl] == [0.0] * 5


def test_cost_is_that_of_particles_and_capped():
    guides = (WordGuide({"b": 1.0}),)
    with pytest.raises(BudgetExceededError, match="tokens"):
        Guided(guides)(TARGET, CONTEXTS, budget=Budget(tokens=5), rng=np.random.default_rng(0))
    budget = Budget(tokens=9)
    found = Guided(guides)(TARGET, CONTEXTS, budget=budget, rng=np.random.default_rng(0))
    same = Particles(1, guides=guides)(TARGET, CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    assert found.items == same.items
    assert found.cost["tokens"] == same.cost["tokens"] == budget.spent["tokens"] <= 9
    assert found.cost["scores"] == 2


def test_a_value_asks_the_model_nothing(monkeypatch):
    """Each token is appended to the rows that are written, and to no copies of them."""
    appended, append = [], TableContinuations.append
    monkeypatch.setattr(TableContinuations, "append", lambda *given: [appended.append(len(given[1])), append(*given)])
    found = run(Guided((ValueGuide(SOFT),)), draws=7)
    assert set(appended) == {7}
    assert found.cost["tokens"] == 1 + sum(min(len(words(item)) + 1, BASE.max_tokens) - 1 for item in found.items)


def test_terms_of_no_strength_change_nothing():
    value = SOFT + 0.0 * Plain()
    found = run(Guided((ValueGuide(value),)), Target(BASE, value), draws=20)
    assert found.items == run(Guided((ValueGuide(SOFT),)), draws=20).items
    assert Guided((ValueGuide(value),)).honesty == "exact"


def test_a_model_that_stops_before_the_base_is_refused():
    short = SequenceTable(OTHER.following, max_tokens=2)
    for guide in (TokenGuide(short), TokenGuide(OTHER, 1.0, short)):
        with pytest.raises(UsageError, match="at most 2 tokens, and what it guides 3"):
            run(Guided((guide,)), draws=1)
    longer = SequenceTable(OTHER.following, max_tokens=5)
    assert run(Guided((TokenGuide(longer),)), draws=9).items == run(Guided((TokenGuide(OTHER),)), draws=9).items


def test_wrong_use_is_said():
    with pytest.raises(UsageError, match="no guides"):
        Guided(())
    with pytest.raises(UsageError, match="no tokens of the base"):
        run(Guided((WordGuide({"dog": 1.0}),)), draws=1)
    for nats in ({}, {"a": np.inf}, {"a": np.nan}):
        with pytest.raises(UsageError, match="finite nats"):
            WordGuide(nats)
