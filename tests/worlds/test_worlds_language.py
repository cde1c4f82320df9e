"""The language: probabilities, utilities and targets against enumeration by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from heedful.core import InputError, Item
from heedful.core.contracts import BaseContract, PotentialContract
from heedful.target import Target, enumerate_exact
from heedful.worlds import CRITERIA, LanguageWorld, SimulatedRaters, answer, collect

SYSTEMS = {"plain": {}, "topical": {"relevance": 1.0}, "wordy": {"padding": 0.7}}


def test_outputs_are_every_sequence_once() -> None:
    world = LanguageWorld(length=3)
    assert len(world.outputs) == len(set(world.outputs)) == 8 + 64 + 512
    np.testing.assert_allclose(np.exp(world.log_prob).sum(axis=1), 1.0, atol=1e-12)


def test_sequences_have_the_probabilities_of_their_words() -> None:
    # Shorter worlds share the words' law: P(first two words) is the sum over what may follow.
    long, words = LanguageWorld(length=3), 2
    probability = np.exp(long.log_prob[0])
    begins = {output: 0.0 for output in long.outputs if len(output.split()) == words}
    for output, p in zip(long.outputs, probability, strict=True):
        if len(output.split()) >= words:
            begins[" ".join(output.split()[:words])] += p
    short = LanguageWorld(length=2)
    two = {output: p for output, p in zip(short.outputs, np.exp(short.log_prob[0]), strict=True) if output in begins}
    assert begins == pytest.approx(two, abs=1e-12)


def test_criteria_by_hand() -> None:
    world = LanguageWorld()
    context = next(c for c in world.contexts if "sun and rain" in c[0].text)
    by_hand = {
        "sun rain thanks": (2, 0, 1, 0),
        "sun sun wind": (1, 1, 0, 0),
        "snow wind snow": (0, 3, 0, 0),
        "very thanks really": (0, 0, 1, 2),
        "indeed": (0, 0, 0, 1),
    }
    items = [Item.of(context[0].text, output) for output in by_hand]
    np.testing.assert_array_equal(world.criteria(items), list(by_hand.values()))
    weights = np.array([world.weights[name] for name in CRITERIA])
    np.testing.assert_allclose(world.truth(items), np.array(list(by_hand.values())) @ weights)
    best = set(world.best(context).output[0].text.split())
    assert best == {"sun", "rain", "thanks"}
    np.testing.assert_allclose(world.regret([world.best(context), items[4]]), [0.0, 3.8 - (-0.4)], atol=1e-12)


def test_target_is_base_times_exponential_of_utility() -> None:
    world = LanguageWorld(length=2)
    log_prob, log_normaliser = world.target(0.7)
    weight = np.exp(world.log_prob) * np.exp(0.7 * world.utility)
    np.testing.assert_allclose(np.exp(log_prob), weight / weight.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(np.exp(log_normaliser), weight.sum(axis=1), rtol=1e-12)
    # It maximises E[u] − KL/0.7 over all laws: any other law does worse.
    rng = np.random.default_rng(0)
    value = lambda law: law @ world.utility[0] - (law @ (np.log(law) - world.log_prob[0])) / 0.7  # noqa: E731
    top = value(np.exp(log_prob[0]))
    assert top == pytest.approx(log_normaliser[0] / 0.7)
    for scale in (0.01, 0.1, 1.0):
        assert value(softmax(log_prob[0] + scale * rng.normal(size=log_prob.shape[1]))) < top


def test_samples_follow_the_policies() -> None:
    world = LanguageWorld(length=2, systems=SYSTEMS, prompts=6)
    questions = world.draw(60_000, 2, rng=np.random.default_rng(0))
    assert questions.outputs is not None
    assert questions.systems is not None
    assert questions.context is not None
    asked = np.array([world.question(Item.of(text).context) for text in questions.context])
    for number, name in enumerate(SYSTEMS):
        chosen = (questions.systems[0] == name).to_numpy() & (asked == 2)
        place = {output: row for row, output in enumerate(world.outputs)}
        drawn = [place[output] for output in questions.outputs[0].filter(chosen)]
        count, p = np.bincount(drawn, minlength=len(place)), np.exp(world.policies[number, 2])
        assert (np.abs(count - len(drawn) * p) < 6 * np.sqrt(len(drawn) * p) + 3).all()


def test_candidates_of_the_base_differ() -> None:
    questions = LanguageWorld(length=1).draw(3000, 4, rng=np.random.default_rng(0))
    assert questions.systems is None
    assert questions.outputs is not None
    rows = zip(*(column.to_list() for column in questions.outputs), strict=True)
    assert all(len(set(row)) == 4 for row in rows)


def test_simulated_votes_win_as_often_as_the_systems_should() -> None:
    world = LanguageWorld(systems=SYSTEMS)
    table = collect(world, 60_000, raters=SimulatedRaters(5), rng=np.random.default_rng(0))
    first, second = (table.frame["systems"].list.get(side).to_numpy() for side in (0, 1))
    won = table.frame["choice"].to_numpy() == "first"
    truth = world.system_win_probability()
    np.testing.assert_allclose(truth + truth.T, 1.0, atol=1e-12)
    for row, a in enumerate(SYSTEMS):
        for column, b in enumerate(SYSTEMS):
            if a != b:
                found = won[(first == a) & (second == b)]
                assert abs(found.mean() - truth[row, column]) < 5 * np.sqrt(0.25 / len(found))
    strengths = world.system_truth()
    # With three systems the limit solves: expected score of each = that of the model.
    model = expit(strengths[:, None] - strengths)
    np.testing.assert_allclose(model.sum(axis=1), truth.sum(axis=1), atol=1e-7)


def test_answers_judge_the_items_shown() -> None:
    world = LanguageWorld()
    context = world.contexts[0]
    best, worst = world.best(context), Item(context, Item.of("", "very very very").output)
    assert world.win_probability([best], [worst])[0] > 0.98
    table = answer(world, [(best, worst)] * 200, raters=SimulatedRaters(4), rng=np.random.default_rng(0))
    for record in table.records():
        assert set(record.items()) == {best, worst}
    winner = [record.items()[0 if record.value.choice == "first" else 1] for record in table.records()]
    assert winner.count(best) > 190


def test_a_question_about_systems_is_asked_on_what_they_write() -> None:
    world = LanguageWorld(length=2, systems=SYSTEMS)
    a, _, b = world.items()
    table = answer(world, [(a, b)] * 8000, raters=SimulatedRaters(4), rng=np.random.default_rng(0))
    first = table.frame["systems"].list.get(0).to_numpy()
    won = (table.frame["choice"].to_numpy() == "first") == (first == "plain")
    assert abs(won.mean() - world.system_win_probability()[0, 2]) < 5 * np.sqrt(0.25 / 8000)
    assert table.frame["context"].n_unique() == 60
    with pytest.raises(InputError, match="nobody"):
        world.show([(a, Item(system="nobody"))], rng=np.random.default_rng(0))


def test_long_answers_please_length_biased_raters() -> None:
    world, n = LanguageWorld(weights={}), 4000
    share = {}
    for bias in (0.0, 2.0):
        table = collect(world, n, raters=SimulatedRaters(3, length_bias=bias), rng=np.random.default_rng(0))
        words = [[len(output.split()) for output in outputs] for outputs in table.frame["outputs"]]
        first = table.frame["choice"].to_numpy() == "first"
        longer = [f == (a > b) for f, (a, b) in zip(first, words, strict=True) if a != b]
        share[bias] = np.mean(longer)
    assert abs(share[0.0] - 0.5) < 0.04
    assert share[2.0] > 0.65


class TestTrueUtility(PotentialContract):
    def make(self) -> object:
        return LanguageWorld().potential()

    def items(self) -> list[Item]:
        world = LanguageWorld()
        return [item for context in world.contexts[:2] for item in world.base().support(context)[:4]]


class TestBase(BaseContract):
    def make(self) -> Any:
        return LanguageWorld(length=2, prompts=3).base()

    def context(self) -> Any:
        return LanguageWorld().contexts[1]


class TestPolicyOfASystem(TestBase):
    def make(self) -> Any:
        return LanguageWorld(length=2, prompts=3, systems=SYSTEMS).base("wordy")


def test_exact_target_is_that_of_enumeration() -> None:
    world = LanguageWorld(length=2, prompts=8)
    log_prob, log_normaliser = world.target(0.7)
    for context in (world.contexts[4], world.contexts[7]):
        listed = enumerate_exact(Target(world.base(), 0.7 * world.potential()), context)
        np.testing.assert_allclose(listed.log_prob, log_prob[world.question(context)], atol=1e-12)
        assert listed.log_normalizer == pytest.approx(log_normaliser[world.question(context)])


def test_false_uses_are_refused() -> None:
    world, rng = LanguageWorld(), np.random.default_rng(0)
    with pytest.raises(InputError, match="wit"):
        LanguageWorld(weights={"wit": 1.0})
    with pytest.raises(InputError):
        LanguageWorld(length=9)
    with pytest.raises(InputError, match="output"):
        world.truth([Item(world.contexts[0], Item.of("", "hello").output)])
    with pytest.raises(InputError, match="context"):
        world.truth([Item.of("hello", "sun")])
    with pytest.raises(InputError, match="different contexts"):
        world.show([(world.best(world.contexts[0]), world.best(world.contexts[1]))], rng=rng)
    with pytest.raises(InputError):
        LanguageWorld(systems=SYSTEMS).draw(5, 4, rng=rng)
