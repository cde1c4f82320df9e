"""What to ask next: the questions an answer to which tells most, within what they may cost."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from heedful.core import AcquisitionRule, Finding, Floats, Item, Queries, UsageError, encode_parts
from heedful.elicitation import (
    RULES,
    Copeland,
    Duels,
    ExpectedInformationGain,
    Respondent,
    context_pairs,
    item_pairs,
)
from heedful.evaluation.rows import report
from heedful.feedback.asked import Question
from heedful.feedback.hired import HiredRater
from heedful.feedback.source import digest_of_frame
from heedful.feedback.table import PROVENANCE
from heedful.loops.showing import shown
from heedful.loops.wording import texts_of
from heedful.preference import FittedPosterior

if TYPE_CHECKING:
    from heedful.feedback import Table
    from heedful.preference.heads import HeadPosterior

__all__ = ["LEAST", "Asked", "Wanted", "ask", "known_items", "next_questions"]

# An answer tells less than this once the difference of two utilities is known to ± 0.18 nats (95 %), a win rate near
# one half to ± 4 points: an open comparison tells about variance / 8.
LEAST = 0.001
_QUESTIONS = 10
_NO_PAIR = "There is nothing to ask: no prompt has two different answers, and no two systems are known."
_GIVE = "Give --candidates: outputs to ask about."


@dataclass(frozen=True)
class Wanted:
    """What may be asked.

    `rule` is a name in `heedful.elicitation.RULES`; "auto" is "information" about systems and "random" about texts,
    where no rule was found to be better (docs/benchmarks.md). At most `questions` (10 where neither they nor a budget
    are given), costing at most `budget` in all: each what its rater costs, or 1 without `raters`. An answer must be
    expected to tell `least` nats. Raises UsageError where one of these is out of range.
    """

    rule: str = "auto"
    questions: int | None = None
    budget: float | None = None
    raters: tuple[HiredRater, ...] = ()
    least: float = LEAST
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in ("auto", *RULES):
            fix = f"use auto or one of {', '.join(RULES)}"
            raise UsageError(f"there is no rule {self.rule!r}", where="rule", fix=fix)
        if self.questions is not None and self.questions < 1:
            raise UsageError(f"questions are at least 1, not {self.questions}", where="questions")
        if self.budget is not None and not 0 < self.budget < math.inf:
            raise UsageError(f"a budget is a number above 0, not {self.budget:g}", where="budget")
        if not 0 <= self.least < math.inf:
            raise UsageError(f"the least gain is a number from 0, not {self.least:g}", where="least")

    def slots(self, most: int) -> list[tuple[str | None, float]]:
        """Who answers each question and at what cost, as many as can be paid for, at most `most`.

        The cheapest are asked first: all raters are taken to be equally good. (Rules that choose raters do as they do.)
        """
        limit = self.questions or (most if self.budget else _QUESTIONS)
        offers: Iterable[tuple[str | None, float]] = repeat((None, 1.0)) if not self.raters else self._offers(most)
        taken, spent = [], 0.0
        for rater, cost in islice(offers, min(limit, most)):
            spent += cost
            if self.budget is not None and spent > self.budget * (1 + 1e-9):
                break
            taken.append((rater, cost))
        return taken

    def _offers(self, most: int) -> Iterator[tuple[str, float]]:
        for rater in sorted(self.raters, key=lambda one: one.cost):
            yield from repeat((rater.id, rater.cost), most if rater.capacity is None else rater.capacity)


@dataclass(frozen=True)
class Asked:
    """The questions, best first by their rule, and in words why there are none, or fewer than were wanted ("").

    `most` is what the answer to any one question is expected to tell at most, in nats; 0 where there is none to ask.
    """

    questions: tuple[Question, ...]
    reason: str = ""
    most: float = 0.0

    def rows(self) -> list[dict[str, Any]]:
        """The questions as JSON values."""
        return [
            _row(one.items, one.expected_gain, one.cost, one.rater)
            | {name: getattr(one, name) for name in ("id", "criterion", "rule", "posterior", "propensity")}
            for one in self.questions
        ]


def ask(
    fitted: FittedPosterior | HeadPosterior,
    table: Table,
    candidates: Sequence[Sequence[Item]] = (),
    wanted: Wanted = Wanted(),
) -> Asked:
    """Choose questions by a rule, from those of which an answer is expected to tell at least `wanted.least` nats.

    Where systems are compared, each question shows outputs of both in one context, from `candidates` or the table,
    where there are such. Questions have a propensity where the rule says it and no pair tells less than `least`:
    inference that weighs by it needs every pair to be open.
    """
    rng = np.random.default_rng(wanted.seed)
    pool, gains = _by_gain(fitted, _pool(fitted, table, candidates, rng), rng)
    worth = pool[: int((gains >= wanted.least).sum())]
    if not len(gains):
        return Asked((), f"{_NO_PAIR} {_GIVE}")
    most = float(gains[0])
    if not worth:
        why = f"no answer is expected to tell more than {most:.2g} nats, and the least to ask for is {wanted.least:g}"
        return Asked((), f"Nothing left is worth asking: {why}.", most)
    slots = wanted.slots(len(worth))
    if not slots:
        return Asked((), "The budget and the raters' capacities pay for no question.", most)
    name = wanted.rule if wanted.rule != "auto" else "information" if _of_systems(fitted) else "random"
    rule = _rule(name, wanted, len(slots))
    chosen = rule(_counted(fitted, table, worth) if isinstance(rule, Copeland) else fitted, worth, rng=rng)
    about = {"criterion": fitted.criterion, "rule": name, "posterior": posterior_id(fitted, table)}
    pairs = shown(chosen.items, table, candidates, about["posterior"])
    if len(worth) < len(pool):  # pairs that could not be asked about
        chosen = replace(chosen, propensity=None)
    questions = tuple(_questions(chosen, pairs, slots, about))
    if len(questions) < len(slots):
        return Asked(questions, f"The rule {name!r} asks nothing{' more' * bool(questions)}.", most)
    return Asked(questions, _why_fewer(len(questions), len(worth), wanted), most)


def _of_systems(fitted: FittedPosterior | HeadPosterior) -> bool:
    """Whether the posterior knows items by name, not by what is written in them."""
    return isinstance(fitted, FittedPosterior) and bool(fitted.model["utility"] == "items")


def _rule(name: str, wanted: Wanted, batch: int) -> AcquisitionRule:
    """The rule of that name; one that chooses among raters is told who they are and what may be spent."""
    rule: Any = RULES[name]
    if not wanted.raters or "raters" not in {field.name for field in fields(rule)}:
        return rule(batch=batch)  # type: ignore[no-any-return]
    raters = tuple(Respondent(one.id, one.cost, one.capacity) for one in wanted.raters)
    return rule(batch=batch, raters=raters, budget=wanted.budget or math.inf)  # type: ignore[no-any-return]


def _counted(fitted: FittedPosterior | HeadPosterior, table: Table, pool: Sequence[tuple[Item, ...]]) -> Duels:
    """Counts of duels, for a rule that goes by them. Raises UsageError where texts are asked about, which are many."""
    if not _of_systems(fitted):
        raise UsageError("counts of duels are of systems, and texts are asked about", where="rule", fix="another rule")
    return Duels.of(table, list(dict.fromkeys(item for pair in pool for item in pair)), criterion=fitted.criterion)


def _by_gain(
    fitted: FittedPosterior | HeadPosterior, pool: Sequence[tuple[Item, ...]], rng: np.random.Generator
) -> tuple[tuple[tuple[Item, ...], ...], Floats]:
    """The pool and what an answer to each question alone is expected to tell, in nats, best first."""
    if not len(pool):
        return (), np.zeros(0)
    all_of_it = ExpectedInformationGain(batch=len(pool), diversity=False)(fitted, pool, rng=rng)
    return all_of_it.items, all_of_it.expected_gain


def _questions(
    chosen: Queries,
    pairs: Sequence[tuple[Item, Item]],
    slots: Sequence[tuple[str | None, float]],
    about: Mapping[str, Any],
) -> Iterator[Question]:
    """Each question with its rater: the one its rule names, else the next who can be paid."""
    for place, (pair, (rater, cost)) in enumerate(zip(pairs, slots, strict=False)):
        named = chosen.rater[place]
        yield Question.ordered(
            pair,
            **about,
            expected_gain=float(chosen.expected_gain[place]),
            cost=cost if named is None else float(chosen.cost[place]),
            rater=rater if named is None else named,
            propensity=None if chosen.propensity is None else float(chosen.propensity[place]),
        )


def _why_fewer(count: int, worth: int, wanted: Wanted) -> str:
    if wanted.questions is None or count >= wanted.questions:
        return ""
    if count == worth:
        return f"No other answer is expected to tell {wanted.least:g} nats or more."
    return "The budget and the raters' capacities pay for no more."


def posterior_id(fitted: FittedPosterior | HeadPosterior, table: Table) -> str:
    """Names a posterior: the same for the same judgements fitted in the same way."""
    model = fitted.model
    how = [fitted.criterion, *(str(model.get(name)) for name in ("utility", "prior", "ties", "judges", "pace", "seed"))]
    judged = digest_of_frame(table.frame.drop(PROVENANCE, strict=False))
    return hashlib.blake2b(json.dumps([judged, *how]).encode(), digest_size=8).hexdigest()


def next_questions(
    fitted: FittedPosterior | HeadPosterior,
    table: Table,
    candidates: Sequence[Sequence[Item]] = (),
    *,
    count: int = 10,
    seed: int = 0,
    findings: list[Finding] | None = None,
) -> list[dict[str, Any]]:
    """The part "ask" of a summary: the `count` pairs whose answers teach most, none asking the same thing twice."""
    rng = np.random.default_rng(seed)
    pool = _pool(fitted, table, candidates, rng)
    if not len(pool):
        report(findings, Finding("ask.none", "note", _NO_PAIR, _GIVE))
        return []
    asked = ExpectedInformationGain(batch=count)(fitted, pool, rng=rng)
    return [_row(*question) for question in zip(asked.items, asked.expected_gain, asked.cost, asked.rater, strict=True)]


def _row(items: Iterable[Item], gain: float, cost: float, rater: str | None) -> dict[str, Any]:
    shown = [{"system": item.system, **texts_of(item)} for item in items]
    return {"items": shown, "expected_gain": float(gain), "cost": float(cost), "rater": rater}


def _pool(
    fitted: FittedPosterior | HeadPosterior,
    table: Table,
    candidates: Sequence[Sequence[Item]],
    rng: np.random.Generator,
) -> Sequence[tuple[Item, ...]]:
    """The pairs that could be asked about: systems known to the posterior, else outputs of one context."""
    if not isinstance(fitted, FittedPosterior) or not _of_systems(fitted):
        return context_pairs(_candidates_of(table, candidates), rng=rng)
    items = known_items(fitted, table)
    if any(item.context for item in items):
        return context_pairs(_by_context(items), rng=rng)
    known: dict[str, Any] = {"table": table, "posterior": fitted, "criterion": fitted.criterion}
    return item_pairs(items, rng=rng, **known) if len(items) > 1 else ()


def _by_context(items: Iterable[Item]) -> list[tuple[Item, ...]]:
    """Groups of different items that share a context."""
    groups: dict[str, dict[str, Item]] = {}
    for item in items:
        groups.setdefault(encode_parts(item.context, "world"), {}).setdefault(item.key, item)
    return [tuple(group.values()) for group in groups.values() if len(group) > 1]


def _candidates_of(table: Table, candidates: Sequence[Sequence[Item]]) -> list[tuple[Item, ...]]:
    """Groups of items that share a context: the candidates where there are any, else those of the table."""
    if candidates:
        return [tuple(items) for items in candidates]
    return _by_context(item for record in table.records() for item in record.items())


def known_items(fitted: FittedPosterior, table: Table) -> list[Item]:
    """The items of a posterior of free items: systems by name, outputs without a system with their texts."""
    systems = set(table.column("systems").explode().unique())
    unnamed = {name for name in fitted.names if name not in systems}
    outputs: dict[str, Item] = {}
    if unnamed:
        outputs = {item.key: item for record in table.records() for item in record.items() if item.key in unnamed}
    return [outputs.get(name) or Item(system=name) for name in fitted.names]
