"""Duels of texts: the score in closed form, promises kept in simulation, the best found, what cannot be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from heedful.catalogue.settings import Given
from heedful.core import FitError, Floats, InputError, UsageError
from heedful.elicitation import DoubleThompson, Perturbed
from heedful.elicitation.duels import Outcome
from heedful.models import NgramFeatures
from heedful.preference.heads import Linear
from heedful.rewriting import Audit, Duelling, Mutated, Text, rewrite_by_duels
from heedful.rewriting.duels import Answered, Answers

RULES = ["Name the year.", "Be brief.", "Give a source.", "End with thanks."]
TEXTS = ["Answer. " + " ".join(rule for place, rule in enumerate(RULES) if number >> place & 1) for number in range(16)]


def worth(text: str) -> float:
    return 4.0 * sum(rule in text for rule in RULES[:3]) - 4.0 * (RULES[3] in text)


def by(utility: dict[str, float], rng: np.random.Generator) -> Answers:
    """Answers by Bradley-Terry."""

    def answers(pairs: Sequence[tuple[str, str]]) -> list[Outcome | None]:
        return ["first" if rng.random() < expit(utility[one] - utility[other]) else "second" for one, other in pairs]

    return answers


def chosen(pairs: Sequence[tuple[str, str]]) -> list[Outcome | None]:
    """Answers without noise."""
    return ["tie" if worth(a) == worth(b) else "first" if worth(a) > worth(b) else "second" for a, b in pairs]


def given(outcomes: Sequence[Outcome | None]) -> list[Answered]:
    return [Answered("a", "b", own) for own in outcomes]


def test_the_lead_is_that_of_the_greatest_posterior_density() -> None:
    plan = Duelling(head=Linear(0.7), encoder=Given.by_output(["a", "b"], np.array([[1.0], [-1.0]])), questions=0)
    told = [*given(["first", "first", "second", None]), Answered("b", "a", "second")]
    done = plan(["a", "b"], lambda pairs: [], rng=np.random.default_rng(0), earlier=told)
    log_density = minimize_scalar(lambda x: -3 * log_expit(2 * x) - log_expit(-2 * x) + x**2 / (2 * 0.49))
    lead = done.lead("b")
    assert (done.best, done.unanswered, lead.n) == ("a", 1, 4)
    assert lead.value == pytest.approx(2 * log_density.x, abs=1e-4)
    assert done.stopped == "all questions were asked"
    start, other = done.tried("prompt", "b")
    assert (start.values, start.n, other.mean) == ({"prompt": "a"}, 4, 0.5)
    assert 0.5 < start.mean < expit(lead.value)  # nearer to a half than at the mean


def test_the_best_is_found_and_asking_ends() -> None:
    record = Audit()
    plan = Duelling(Perturbed(batch=2), encoder=NgramFeatures(min_items=1, dimensions=8), questions=60)
    done = plan(TEXTS, chosen, rng=np.random.default_rng(1), audit=record)
    assert worth(done.best) == 12
    assert done.stopped == "settled"
    assert done.standing.doubt <= 0.05
    assert len(record.events) == len(done.answers) < 60
    assert {record.events[0][own] for own in ("first", "second")} <= set(TEXTS)


def test_promises_hold_though_answers_chose_the_duels_and_the_end() -> None:
    """Truths are drawn from the prior; duels go by double Thompson sampling and end where doubt is small."""
    rng, names = np.random.default_rng(2), [f"text {number}" for number in range(6)]
    features = rng.normal(size=(6, 3))
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    plan = Duelling(
        DoubleThompson(batch=5), Linear(1.0), Given.by_output(names, features), questions=20, start=5, doubt=0.1
    )
    covered, doubt, beaten, loss, lost, ended = (np.zeros(80) for _ in range(6))
    for run in range(80):
        utility = dict(zip(names, (features @ rng.normal(size=3)).tolist(), strict=True))
        done = plan(names, by(utility, rng), rng=rng)
        interval = done.lead(names[0], level=0.9).interval
        assert interval is not None
        assert interval.promise == "credible"
        covered[run] = interval.low <= utility[done.best] - utility[names[0]] <= interval.high
        regret = max(utility.values()) - utility[done.best]
        doubt[run], beaten[run] = done.standing.doubt, regret > 0
        loss[run], lost[run] = done.standing.loss, regret
        ended[run] = done.stopped == "settled"
    assert 0.1 < ended.mean() < 0.9
    assert within(covered, 0.9)
    assert within(beaten - doubt, 0.0)
    assert within(lost - loss, 0.0)


def within(values: Floats, mean: float) -> bool:
    """Within three standard errors."""
    return bool(abs(values.mean() - mean) < 3 * values.std() / np.sqrt(len(values)))


def test_texts_are_shown_first_and_second_alike() -> None:
    plan = Duelling(DoubleThompson(batch=10), Linear(1.0), Given.by_output(["a", "b"], np.eye(2)), questions=400)
    plan = replace(plan, start=400, doubt=0.0)
    done = plan(["a", "b"], lambda pairs: ["first"] * len(pairs), rng=np.random.default_rng(0))
    assert abs(sum(own.first == "a" for own in done.answers) - 200) < 60
    assert abs(done.lead("b" if done.best == "a" else "a").value) < 0.6  # a liking for the first place tells nothing


def test_a_proposer_enlarges_the_pool_and_answers_count_on() -> None:
    prompt = Text("Answer.", "prompt")

    def add(parameter: Text, value: str, rng: np.random.Generator) -> str:
        return f"{value} {rng.choice([rule for rule in RULES if rule not in value] or RULES)}"

    record = Audit()
    plan = Duelling(encoder=NgramFeatures(min_items=1, dimensions=8), questions=20)
    done = rewrite_by_duels(
        prompt, Mutated(add, n=4), chosen, duelling=plan, rounds=4, rng=np.random.default_rng(0), audit=record
    )
    assert worth(done.best) >= 8
    assert done.texts[0] == "Answer."
    assert [own["round"] for own in record.events if own["event"] == "proposed"] == [0, 1, 2, 3]
    assert len(done.answers) == sum(own["event"] == "duel" for own in record.events)
    low = done.lead("Answer.").interval
    assert low is not None
    assert low.low > 0


def test_what_cannot_be_is_refused() -> None:
    rng, plan = np.random.default_rng(0), Duelling(questions=5)
    with pytest.raises(InputError, match="two different texts"):
        plan(["a", "a"], chosen, rng=rng)
    with pytest.raises(InputError, match="'left' is no answer"):
        plan(TEXTS, lambda pairs: ["left"] * len(pairs), rng=rng)  # type: ignore[list-item]
    with pytest.raises(InputError, match="1 answers to 5 duels"):
        plan(TEXTS, lambda pairs: ["first"], rng=rng)
    with pytest.raises(FitError):
        plan(TEXTS, lambda pairs: ["tie"] * len(pairs), rng=rng)
    with pytest.raises(FitError):
        plan(TEXTS, lambda pairs: [None] * len(pairs), rng=rng)
    with pytest.raises(InputError, match="tells none of these texts"):
        Duelling(encoder=NgramFeatures(min_items=3))(["one", "other"], chosen, rng=rng)
    with pytest.raises(UsageError):
        Duelling(doubt=1.0)
    with pytest.raises(UsageError, match="a round or more"):
        rewrite_by_duels(Text("a", "p"), Mutated(lambda *own: "b"), chosen, rounds=0, rng=rng)
