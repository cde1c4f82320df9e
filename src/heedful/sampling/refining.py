"""Refinement: answers are drafted, criticised, revised, and the best kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from heedful.core import Base, Budget, Floats, Honesty, Item, Parts, Samples, UsageError, text_parts
from heedful.models import Replies
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.roles import KEEP, Role, Task
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import base_draws
from heedful.target import Target


def one_part(text: str) -> Parts:
    """A text as the one part of an output."""
    return text_parts(text, "system")


@dataclass(frozen=True, slots=True)
class Met:
    """An answer that was met: in which context and round (0: a draft), revised from which of those met (None: a draft)
    and by which critique. A revision is no longer an output of the system that wrote the draft, and names none."""

    context: int
    round: int
    item: Item
    parent: int | None = None
    critique: str = ""


@dataclass(frozen=True, slots=True)
class Refined(Samples):
    """Answers refined, with all that was met on the way.

    `met_scores` [m] are the target's scores of `met`, NaN where none was needed. `unread_critiques` and
    `unread_revisions` count those that could not be read and left a draft as it was; `repaired` those read at the
    second call; `kept` the critiques that found nothing to change.
    """

    met: tuple[Met, ...] = ()
    met_scores: Floats = field(default_factory=lambda: np.zeros(0))
    unread_critiques: int = 0
    unread_revisions: int = 0
    repaired: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Refining:
    """One answer per context: `drafts` of the base, each criticised and revised in `rounds`.

    critiques  of each answer and round
    revisions  of each critique
    subject    what is revised in a round: "each" draft, as far as it has come, or the "best" of all met, contrasted
               with the worst
    take       "better": an answer gives way to its best revision only where that scores more under the target;
               "always": it gives way to the best of its revisions, whatever the score
    parts      what a revised text is as an output: one part, or the steps that it is written in

    An answer whose critiques all say that there is nothing to change is done. A critique or revision that cannot be
    read leaves the answer as it is, and is counted. The answer given is that of the greatest score among those that
    drafts have come to (of equals the first). With "better" it is the best of all that were met: a maximiser, which can
    gain by the score alone. So compare it with best-of-N at the same cost, and with "always", where all gain is the
    critic's and the editor's. No bound on the divergence from the base is known: `kl` is None.

    Costs drafts as samples, calls of the roles and scores, each reserved before it is spent. (Wang et al. 2025,
    "Dedicated feedback and edit models empower inference-time scaling for open-ended general-domain tasks", scale
    drafts, feedback and edits; other published forms are in `heedful.sampling.refinements`.)
    """

    critic: Role
    editor: Role
    drafts: int = 1
    critiques: int = 1
    revisions: int = 1
    rounds: int = 1
    subject: Literal["each", "best"] = "each"
    take: Literal["better", "always"] = "better"
    parts: Callable[[str], Parts] = one_part

    def __post_init__(self) -> None:
        if min(self.drafts, self.critiques, self.revisions, self.rounds) < 1:
            raise UsageError("drafts, critiques, revisions and rounds are 1 or more", where="Refining")
        if self.subject not in ("each", "best") or self.take not in ("better", "always"):
            raise UsageError("subject is each or best, take is better or always", where="Refining")
        if self.subject == "best" and self.take == "always":
            raise UsageError("the best of all met gives way to better ones only", where="Refining", fix="take='better'")

    @property
    def honesty(self) -> Honesty:
        return "maximiser" if self.take == "better" else "heuristic"

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Refined:
        """Raises BudgetExceededError before drawing where the plan does not fit, later where a writer's tokens do
        not; InputError where a score is NaN or +inf; and what the roles raise."""
        refuse_no_contexts(contexts)
        refuse_beyond(budget, self.plan(target.base, contexts))
        drawn, cost = base_draws(target.base, contexts, self.drafts, budget, rng)
        work = _Work(self, Scoring(target, budget), budget, rng, Counter(cost))
        work.met = [Met(row // self.drafts, 0, item) for row, item in enumerate(drawn)]
        work.at = list(range(len(drawn)))
        for number in range(1, self.rounds + 1):
            work.revise(number, len(contexts))
        return work.result(len(contexts))

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost; of writers, their tokens come on top."""
        n = len(contexts)
        critiques = n * self.rounds * (self.drafts if self.subject == "each" else 1) * self.critiques
        revisions = critiques * self.revisions
        calls = critiques * self.critic.most_calls + revisions * self.editor.most_calls
        total = Counter(writing_plan(base, contexts, self.drafts))
        total.update({"calls": float(calls), "scores": float(n * self.drafts + revisions)})
        return dict(total)


@dataclass(slots=True, eq=False)
class _Work:
    """A refinement under way: all answers `met`, and `at` which of them each draft has come to."""

    how: Refining
    scoring: Scoring
    budget: Budget
    rng: np.random.Generator
    cost: Counter[str]
    met: list[Met] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    done: set[int] = field(default_factory=set)  # numbers of drafts
    asked: Counter[tuple[object, ...]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    known: dict[Item, float] = field(default_factory=dict)

    def revise(self, number: int, contexts: int) -> None:
        """One round: critiques of all subjects, then revisions by all of these."""
        subjects = self._each() if self.how.subject == "each" else self._best(contexts)
        of = [subject for subject in subjects for _ in range(self.how.critiques)]
        tasks = [self._task(own.row, "", own.other) for own in of]
        said = self._counted(self.how.critic(tasks, budget=self.budget, rng=self.rng), "unread_critiques")
        self.counts["kept"] += said.count(KEEP)
        for place, subject in enumerate(subjects):
            if all(text == KEEP for text in said[place * self.how.critiques : (place + 1) * self.how.critiques]):
                self.done.add(subject.draft)
        edited = [(own, text) for own, text in zip(of, said, strict=True) if text for _ in range(self.how.revisions)]
        edits = [self._task(own.row, text, own.other) for own, text in edited]
        revised = self._counted(self.how.editor(edits, budget=self.budget, rng=self.rng), "unread_revisions")
        born: dict[int, list[int]] = {}
        for (own, critique), text in zip(edited, revised, strict=True):
            if text is not None:
                before = self.met[own.row]
                item = Item(before.item.context, self.how.parts(text))
                born.setdefault(own.draft, []).append(len(self.met))
                self.met.append(Met(before.context, number, item, own.row, critique))
        self._take(born)

    def result(self, contexts: int) -> Refined:
        """The best that the drafts of each context have come to."""
        at = np.array(self.at).reshape(contexts, -1)
        value = self._scores(self.at).reshape(at.shape)
        rows = at[np.arange(contexts), value.argmax(axis=1)].tolist()
        items = tuple(self.met[row].item for row in rows)
        scores = self.scoring(items)  # known already
        return Refined(
            items=items,
            context_index=np.arange(contexts),
            log_weights=np.zeros(contexts),
            scores=scores,
            cost=dict(self.cost),
            met=tuple(self.met),
            met_scores=np.array([self.known.get(own.item, np.nan) for own in self.met]),
            **self.counts,  # type: ignore[arg-type]
        )

    def _each(self) -> list[_Subject]:
        return [_Subject(draft, row) for draft, row in enumerate(self.at) if draft not in self.done]

    def _best(self, contexts: int) -> list[_Subject]:
        """The best answer met in each context beside the worst; its first draft stands for the context."""
        rows: list[list[int]] = [[] for _ in range(contexts)]
        for row, met in enumerate(self.met):
            rows[met.context].append(row)
        self._scores(range(len(self.met)))
        found = []
        for context, listed in enumerate(rows):
            value = self._scores(listed)
            best, worst = listed[int(value.argmax())], listed[int(value.argmin())]
            draft = context * self.how.drafts
            self.at[draft] = best
            if draft not in self.done:
                found.append(_Subject(draft, best, self.met[worst].item))
        return found

    def _take(self, born: dict[int, list[int]]) -> None:
        """Each draft goes on with its best revision, where it is to give way."""
        incumbents = [self.at[draft] for draft in born] if self.how.take == "better" else []
        if incumbents or self.how.critiques * self.how.revisions > 1:  # all at once
            self._scores([*incumbents, *(row for rows in born.values() for row in rows)])
        for draft, rows in born.items():
            ahead = rows[0] if len(rows) == 1 else rows[int(np.argmax(self._scores(rows)))]
            if self.how.take == "always" or self._scores([ahead])[0] > self._scores([self.at[draft]])[0]:
                self.at[draft] = ahead

    def _scores(self, rows: Sequence[int]) -> Floats:
        """The target's scores of answers met, each different one paid for once."""
        items = [self.met[row].item for row in rows]
        fresh = [item for item in dict.fromkeys(items) if item not in self.known]
        if fresh:
            self.cost.update({"scores": len(fresh)})
            self.known |= dict(zip(fresh, self.scoring.mean(fresh).tolist(), strict=True))
        return np.array([self.known[item] for item in items])

    def _task(self, row: int, critique: str, other: Item | None) -> Task:
        """What is asked a second time is asked for another sample."""
        item = self.met[row].item
        self.asked[item, critique, other] += 1
        return Task(item, critique, other, self.asked[item, critique, other] - 1)

    def _counted(self, replies: Replies[str], unread: str) -> tuple[str | None, ...]:
        self.cost.update(replies.cost)
        self.counts[unread] += replies.missing
        self.counts["repaired"] += replies.repaired
        return replies.values


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is revised: the number of a draft, the row that it has come to, and a worse answer to contrast it with."""

    draft: int
    row: int
    other: Item | None = None
