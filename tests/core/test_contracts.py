"""The contracts pass honest implementations and catch broken ones: one at least for every promise they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from heedful.core import (
    Bound,
    Budget,
    Estimate,
    Floats,
    Item,
    Loss,
    Part,
    Parts,
    Queries,
    Rewritten,
    Samples,
    Scores,
    contracts,
    text_parts,
)

ITEMS = [Item.of("q", answer) for answer in ("", "a", "bb", "ccc", "ddddd")]


def length(items: Sequence[Item]) -> Floats:
    return np.array([sum(len(part.text) for part in item.output) for item in items], dtype=float)


def sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))


# --- Honest implementations, as small as can be ----------------------------------------------------------------------


@dataclass
class Longer:
    """Utility = length, with a slope of which there are four posterior samples."""

    scale: str = "utility"
    under: str | None = None
    slopes: tuple[float, ...] = (0.5, 0.9, 1.1, 1.5)

    def __call__(self, items: Sequence[Item]) -> Scores:
        x = length(items)
        return Scores(x, np.outer(self.slopes, x), np.full(x.shape, 0.3))


@dataclass
class Shorter:
    """log P(kept) = -length."""

    scale: str = "log_prob"
    under: str | None = "a policy"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(-length(items))


@dataclass
class LongerSoFar(Longer):
    kind: str = "terminal"

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self(items)


class PrefersLonger:
    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        return sigmoid(length(first) - length(second))


@dataclass
class AboveReference:
    """log σ(u − u_ref): at most zero."""

    reference: float
    scale: str = "log_prob"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(-np.logaddexp(0.0, self.reference - length(items)))


class Believer(Longer):
    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        return PrefersLonger().prefer(first, second)

    def potential(self, *, scale: str = "utility", reference: Sequence[Item] | None = None) -> Any:
        return Longer() if scale == "utility" else AboveReference(float(length(reference or ITEMS).mean()))


@dataclass
class Dice:
    """Three answers to any question."""

    answers: tuple[str, ...] = ("a", "bb", "ccc")
    probability: tuple[float, ...] = (0.5, 0.3, 0.2)

    def support(self, context: Parts) -> tuple[Item, ...]:
        return tuple(Item(context, text_parts(answer, "system")) for answer in self.answers)

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        listed = self.support(context)
        return tuple(listed[i] for i in rng.choice(len(listed), n, p=self.probability))

    def log_prob(self, items: Sequence[Item]) -> Floats:
        table = dict(zip(self.answers, self.probability, strict=True))
        return np.log([table[item.output[0].text] for item in items])


class Sampler:
    """Four draws from the base for each context."""

    honesty = "exact"
    draws = 4

    def __call__(self, target: Dice, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator) -> Samples:
        budget.reserve(samples=self.draws * len(contexts))
        items = [item for context in contexts for item in target.sample(context, self.draws, rng=rng)]
        where = np.repeat(np.arange(len(contexts)), self.draws)
        kl = tuple(Bound(0.0, "upper") for _ in contexts)
        cost = {"samples": float(len(items))}
        return Samples(tuple(items), where, np.zeros(len(items)), Scores(np.zeros(len(items))), cost, kl)


class AskCloseCalls:
    """The two questions of the pool whose answers are hardest to foresee."""

    def __call__(self, posterior: Believer, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not pool:
            return Queries((), (), np.zeros(0), np.zeros(0))
        p = posterior.prefer([a for a, _ in pool], [b for _, b in pool])
        gain = -p * np.log(p) - (1 - p) * np.log(1 - p)
        best = np.argsort(-gain, kind="stable")[:2]
        return Queries(tuple(pool[i] for i in best), (None,) * len(best), gain[best], np.ones(len(best)))


def paired_loss(policy: Floats, reference: Floats, batch: Any) -> Loss:
    """A logistic loss on each pair, given to both of its records."""
    margin = (policy - reference).sum(axis=1).reshape(-1, 2)
    loss = np.logaddexp(0.0, -(margin[:, 0] - margin[:, 1]) * batch)
    return Loss(np.repeat(loss, 2))


def rewrite(program: str, target: Any, examples: Sequence[str], *, budget: Budget, rng: np.random.Generator) -> Any:
    budget.reserve(calls=len(examples))
    return Rewritten(program + " Be brief.", (program,), Estimate(0.5, len(examples), note="no holdout"))


# --- They pass -------------------------------------------------------------------------------------------------------


class TestPotential(contracts.PotentialContract):
    def make(self) -> Any:
        return Longer()

    def items(self) -> Sequence[Item]:
        return ITEMS


class TestLogProbPotential(TestPotential):
    def make(self) -> Any:
        return Shorter()


class TestPrefixPotential(contracts.PrefixPotentialContract):
    def make(self) -> Any:
        return LongerSoFar()

    def items(self) -> Sequence[Item]:
        return ITEMS


class TestPreference(contracts.PreferenceContract):
    def make(self) -> Any:
        return PrefersLonger()

    def items(self) -> Sequence[Item]:
        return ITEMS


class TestPosterior(contracts.PosteriorContract):
    def make(self) -> Any:
        return Believer()

    def items(self) -> Sequence[Item]:
        return ITEMS


class TestBase(contracts.BaseContract):
    def make(self) -> Any:
        return Dice()

    def context(self) -> Parts:
        return (Part("Roll!", by="world"),)


class TestSamplingEngine(contracts.SamplingEngineContract):
    def make(self) -> Any:
        return Sampler()

    def target(self) -> Any:
        return Dice()

    def contexts(self) -> Sequence[Parts]:
        return [text_parts(f"question {i}", "world") for i in range(3)]


class TestAcquisitionRule(contracts.AcquisitionRuleContract):
    def make(self) -> Any:
        return AskCloseCalls()

    def posterior(self) -> Any:
        return Believer()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return list(pairwise(ITEMS))


class TestObjective(contracts.ObjectiveContract):
    def make(self) -> Any:
        return paired_loss

    def batch(self) -> tuple[Any, Any, Any]:
        rng = np.random.default_rng(0)
        policy, reference = rng.normal(size=(2, 8, 3))
        return policy, reference, np.ones(4)

    def split(self, batch: Any, rows: slice) -> Any:
        return batch[slice(rows.start // 2, None if rows.stop is None else rows.stop // 2)]


class TestTextualEngine(contracts.TextualEngineContract):
    def make(self) -> Any:
        return rewrite

    def problem(self) -> tuple[Any, Any, Sequence[Any]]:
        return "Answer.", None, ["2 + 2?", "3 + 3?"]


# --- And broken ones are caught --------------------------------------------------------------------------------------


def scoring(mean: Callable[[Floats], Floats], **given: Any) -> Any:
    """A potential with another rule for the mean, and no draws."""

    class Broken(Longer):
        def __call__(self, items: Sequence[Item]) -> Scores:
            x = length(items)
            return Scores(mean(x), **{name: make(x) for name, make in given.items()})

    return Broken()


def changed(good: Any, **methods: Any) -> Any:
    """An instance of the class of `good` with some members replaced."""
    return type("Broken", (type(good),), methods)()


class Careless:
    """A source of chance that goes its own way whatever seed is given (but the same one in every run of this test)."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def noise(self, x: Floats) -> Floats:
        return self.rng.normal(size=(4, 1)) + x

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        return Dice().sample(context, n, rng=self.rng)

    def run(self, target: Any, contexts: Any, *, budget: Budget, rng: np.random.Generator) -> Samples:
        return Sampler()(target, contexts, budget=budget, rng=self.rng)


def sampled(alter: Callable[[dict[str, Any]], Any]) -> Any:
    """The sampler with its result altered."""

    def call(self: Any, target: Any, contexts: Any, *, budget: Budget, rng: np.random.Generator) -> Samples:
        out = Sampler.__call__(self, target, contexts, budget=budget, rng=rng)
        fields = {name: getattr(out, name) for name in Samples.__slots__}
        alter(fields)
        return Samples(**fields)

    return changed(Sampler(), __call__=call)


def asked(alter: Callable[[dict[str, Any]], Any]) -> Any:
    """The acquisition rule with its questions altered."""

    def call(self: Any, posterior: Any, pool: Any, *, rng: np.random.Generator) -> Queries:
        out = AskCloseCalls.__call__(self, posterior, pool, rng=rng)
        fields = {name: getattr(out, name) for name in Queries.__slots__}
        alter(fields)
        return Queries(**fields)

    return changed(AskCloseCalls(), __call__=call)


def lost(alter: Callable[[Floats], Any]) -> Any:
    """The objective with its losses altered."""
    return lambda policy, reference, batch: Loss(alter(paired_loss(policy, reference, batch).per_record))


def forgetful(self: Any, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
    return Dice().sample((), n, rng=rng)


def uniform(self: Any, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
    return Dice(probability=(1 / 3, 1 / 3, 1 / 3)).sample(context, n, rng=rng)


def one_short(self: Any, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
    return Dice().sample(context, n - 1, rng=rng)


def unreserved(self: Any, target: Any, contexts: Any, *, budget: Budget, rng: np.random.Generator) -> Samples:
    return Sampler()(target, contexts, budget=Budget(), rng=rng)


def overspent(self: Any, target: Any, contexts: Any, *, budget: Budget, rng: np.random.Generator) -> Samples:
    budget.spent["samples"] += 65
    return Sampler()(target, contexts, budget=Budget(), rng=rng)


def spendthrift(program: Any, target: Any, examples: Any, *, budget: Budget, rng: np.random.Generator) -> Any:
    budget.spent["calls"] += 33
    return rewrite(program, target, examples, budget=Budget(calls=8), rng=rng)


def bare(claim: Any) -> Any:
    return lambda program, target, examples, *, budget, rng: (budget.reserve(calls=1), Rewritten(program, (), claim))[1]


def unwrapped(program: Any, target: Any, examples: Any, *, budget: Budget, rng: np.random.Generator) -> Any:
    budget.reserve(calls=1)
    return program


def crash_on_none(items: Sequence[Item]) -> Scores:
    return Scores(np.zeros(max(len(items), 1)))


def always_utility(self: Any, *, scale: str = "utility", reference: Any = None) -> Any:
    return Longer()


def above_one(self: Any, *, scale: str = "utility", reference: Any = None) -> Any:
    return Longer() if scale == "utility" else scoring(lambda x: x - 1.0)


def doubled(self: Any, *, scale: str = "utility", reference: Any = None) -> Any:
    return scoring(lambda x: 2 * x) if scale == "utility" else AboveReference(1.0)


def contrary(self: Any, first: Any, second: Any) -> Floats:
    return sigmoid(length(second) - length(first))


def first_wins(self: Any, first: Any, second: Any) -> Floats:
    return np.full(len(first), 0.9)


def certain(self: Any, first: Any, second: Any) -> Floats:
    return 0.5 + (length(first) - length(second))


P, B, E, A = TestPotential, TestBase, TestSamplingEngine, TestAcquisitionRule
WHERE, ALIGNED = "test_samples_are_aligned", "test_scores_are_aligned"
QUESTIONS = "test_questions_come_from_the_pool"
BROKEN: list[tuple[str, type, str, Any]] = [
    ("names no scale", P, "test_declares_its_scale", Longer(scale="score")),
    ("names no policy", P, "test_declares_its_scale", Longer(under=7)),
    ("has no scale at all", P, "test_declares_its_scale", lambda items: Scores(length(items))),
    ("is not a number", P, ALIGNED, scoring(lambda x: x * np.nan)),
    ("is infinitely good", P, ALIGNED, scoring(lambda x: x + np.inf)),
    ("scores one item only", P, ALIGNED, scoring(lambda x: x[:1])),
    ("has negative spread", P, ALIGNED, scoring(lambda x: x, aleatoric=lambda x: x - 1)),
    ("centres on its company", P, "test_order_and_company_do_not_matter", scoring(lambda x: x - x.mean())),
    ("looks at its place", P, "test_order_and_company_do_not_matter", scoring(lambda x: x + np.arange(len(x)))),
    (
        "draws anew",
        P,
        "test_draws_are_shared_across_calls",
        scoring(lambda x: x, draws=Careless().noise),
    ),
    (
        "draws by company",
        P,
        "test_draws_are_shared_across_calls",
        scoring(lambda x: x, draws=lambda x: np.outer([1.0, 2.0], x - x.mean())),
    ),
    ("scores what is not there", P, "test_no_items_is_no_scores", crash_on_none),
    ("is likelier than certain", P, "test_log_prob_is_at_most_zero", Longer(scale="log_prob")),
    ("is of no kind", TestPrefixPotential, "test_prefixes_are_scored", LongerSoFar(kind="value")),
    (
        "scores no prefix",
        TestPrefixPotential,
        "test_prefixes_are_scored",
        changed(LongerSoFar(), prefix=lambda self, items: Scores(np.zeros(1))),
    ),
    ("favours the first", TestPreference, "test_swapping_mirrors", changed(PrefersLonger(), prefer=first_wins)),
    ("is no probability", TestPreference, "test_swapping_mirrors", changed(PrefersLonger(), prefer=certain)),
    (
        "gives no potential",
        TestPosterior,
        "test_declares_its_scale",
        changed(Believer(), potential=lambda self, **_: length),
    ),
    (
        "ignores the scale asked",
        TestPosterior,
        "test_log_prob_is_at_most_zero",
        changed(Believer(), potential=always_utility),
    ),
    (
        "calls utility log_prob",
        TestPosterior,
        "test_log_prob_is_at_most_zero",
        changed(Believer(), potential=above_one),
    ),
    (
        "contradicts its scores",
        TestPosterior,
        "test_prefer_follows_the_scores",
        changed(Believer(), prefer=contrary),
    ),
    (
        "prefers the first",
        TestPosterior,
        "test_swapping_mirrors",
        changed(Believer(), prefer=first_wins),
    ),
    (
        "has a potential of its own mind",
        TestPosterior,
        "test_utility_potential_is_the_posterior",
        changed(Believer(), potential=doubled),
    ),
    ("answers another question", B, "test_samples_answer_the_context", changed(Dice(), sample=forgetful)),
    ("gives one too few", B, "test_samples_answer_the_context", changed(Dice(), sample=one_short)),
    (
        "is surer than certain",
        B,
        "test_samples_answer_the_context",
        changed(Dice(), log_prob=lambda self, items: np.full(len(items), 0.1)),
    ),
    (
        "ignores its seed",
        B,
        "test_sampling_repeats_with_its_seed",
        changed(Dice(), sample=staticmethod(Careless().sample)),
    ),
    (
        "does not sum to one",
        B,
        "test_support_sums_to_one_and_matches_sampling",
        changed(Dice(), log_prob=lambda self, items: Dice().log_prob(items) - 0.1),
    ),
    (
        "samples another law",
        B,
        "test_support_sums_to_one_and_matches_sampling",
        changed(Dice(), sample=uniform),
    ),
    (
        "lists an answer twice",
        B,
        "test_support_sums_to_one_and_matches_sampling",
        Dice(answers=("a", "a", "bb"), probability=(0.25, 0.25, 0.5)),
    ),
    ("promises too much", E, "test_honesty_is_declared", changed(Sampler(), honesty="perfect")),
    ("weighs one item only", E, WHERE, sampled(lambda f: f.update(log_weights=np.zeros(1)))),
    ("mixes contexts up", E, WHERE, sampled(lambda f: f.update(context_index=f["context_index"][::-1]))),
    (
        "leaves a context out",
        E,
        WHERE,
        sampled(
            lambda f: f.update(
                items=f["items"][:4],
                context_index=f["context_index"][:4],
                log_weights=np.zeros(4),
                scores=Scores(np.zeros(4)),
            )
        ),
    ),
    ("says a bare number", E, "test_kl_is_a_statement_not_a_float", sampled(lambda f: f.update(kl=(0.1,) * 3))),
    (
        "has a negative divergence",
        E,
        "test_kl_is_a_statement_not_a_float",
        sampled(lambda f: f.update(kl=(Estimate(-0.5, 4),) * 3)),
    ),
    ("spends too much", E, "test_budget_holds", changed(Sampler(), __call__=overspent)),
    ("asks for no budget", E, "test_empty_budget_is_refused", changed(Sampler(), __call__=unreserved)),
    ("ignores its seed", E, "test_repeats_with_its_seed", changed(Sampler(), __call__=staticmethod(Careless().run))),
    ("makes questions up", A, QUESTIONS, asked(lambda f: f.update(items=((ITEMS[0], ITEMS[4]), *f["items"][1:])))),
    ("asks one thing twice", A, QUESTIONS, asked(lambda f: f.update(items=f["items"][:1] * 2))),
    ("gains what is no number", A, QUESTIONS, asked(lambda f: f.update(expected_gain=f["expected_gain"] * np.nan))),
    ("loses by asking", A, QUESTIONS, asked(lambda f: f.update(expected_gain=-f["expected_gain"]))),
    ("is paid to ask", A, QUESTIONS, asked(lambda f: f.update(cost=-f["cost"]))),
    ("asks nobody", A, QUESTIONS, asked(lambda f: f.update(rater=()))),
    (
        "asks nothing",
        A,
        QUESTIONS,
        asked(lambda f: f.update(items=(), rater=(), expected_gain=np.zeros(0), cost=np.zeros(0))),
    ),
    (
        "asks out of nothing",
        A,
        "test_empty_pool_is_no_questions",
        asked(lambda f: f.update(items=f["items"] or ((ITEMS[0], ITEMS[1]),))),
    ),
    ("is not finite", TestObjective, "test_loss_is_per_record_and_finite", lost(lambda x: x / 0.0)),
    (
        "is no loss",
        TestObjective,
        "test_loss_is_per_record_and_finite",
        lambda policy, reference, batch: SimpleNamespace(per_record=np.zeros(8)),
    ),
    (
        "centres on its batch",
        TestObjective,
        "test_splitting_the_batch_changes_nothing",
        lost(lambda x: x - x.mean()),
    ),
    ("claims a bare number", TestTextualEngine, "test_result_carries_its_claim", bare(0.9)),
    ("gives the program only", TestTextualEngine, "test_result_carries_its_claim", unwrapped),
    ("calls too often", TestTextualEngine, "test_result_carries_its_claim", spendthrift),
]


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize(
    ("contract", "test", "broken"),
    [pytest.param(*rest, id=f"{rest[0].__name__[4:]}: {flaw}") for flaw, *rest in BROKEN],
)
def test_a_broken_implementation_is_caught(contract: type, test: str, broken: Any) -> None:
    inherited = type("Inherited", (contract,), {"make": lambda self: broken})()
    with pytest.raises(AssertionError):
        getattr(inherited, test)()


def test_every_promise_of_every_contract_catches_something() -> None:
    promises = {
        (contract, name)
        for contract in vars(contracts).values()
        if isinstance(contract, type) and contract.__module__ == contracts.__name__
        for name in vars(contract)
        if name.startswith("test_")
    }
    caught = set()
    for _, contract, test, _ in BROKEN:
        owner = next(parent for parent in contract.__mro__ if test in vars(parent))
        caught.add((owner, test))
    assert {owner.__name__ for owner, _ in promises} >= {"PotentialContract", "TextualEngineContract"}
    assert promises - caught == set()
