"""One loop for every way of improving a program: run, hear what is said, propose, try, keep what is proven better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from heedful.core import Budget, BudgetExceededError, Estimate, Finding, Floats, UsageError
from heedful.rewriting.acceptance import Gate
from heedful.rewriting.audit import Audit
from heedful.rewriting.claims import claim, overfitted
from heedful.rewriting.judging import Critic, Failures, Worth, context_of, hidden
from heedful.rewriting.outcomes import Improved
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.pools import Member, Select, leading
from heedful.rewriting.propagating import Rule, Said, Subgraph
from heedful.rewriting.proposing import Proposer, Situation, Tried
from heedful.rewriting.running import Runner, Task
from heedful.rewriting.scores import Score
from heedful.rewriting.splits import Inputs, Splits, written
from heedful.rewriting.tracing import Program, Run

# Numbers of runs there; those of training have the number of the round.
VALIDATION, HELD_OUT, AGAIN = 1_000_000, 1_000_001, 1_000_002
_BLOCK = 8  # examples that a trial looks at before it decides whether to go on


@dataclass(frozen=True, slots=True)
class Improving:
    """Rounds of: run the program on a batch of training examples; let the critic speak; carry what it said to the
    parameters; propose; run proposals on the same batch. From time to time, and at the end, the best in training of all
    that was proposed is tried against what is kept, on validation examples, by a paired sequential test.

    Many small gains that each would take too many examples to prove are so proven together, and what is only noise
    costs few trials. The runs of all trials are held back before the search: how long they last, which validation
    examples decide, changes nothing of what is proposed and tried after them.

    proposer  writes new values
    rule      carries what was said to parameters
    critic    says what is wrong with what the program gave
    rounds    at most so many; fewer where the budget ends
    batch     training examples a round
    gate      decides what is kept: its `alpha` is the probability at most that the run ever keeps what is no better
    select    where proposals start from: `leading`, `incumbent` or `pareto`
    trials    at most so many, spread evenly over the rounds, the last at the end of the search; None: one a round, of
              the best of that round, where it earned no less than what it came from, paid from what the search has
    recall    rounds whose words are said again beside those of the last (momentum)
    frozen    names of parameters that stay as they are
    alarm     at the end, run all training examples once more, before and after, and tell where their gain is greater
              than that on those held out by more than chance (`overfitted`)
    concurrency, seconds  runs at once, and how long one may take (`Runner`)
    """

    proposer: Proposer
    rule: Rule = field(default_factory=Subgraph)
    critic: Critic = field(default_factory=Failures)
    rounds: int = 10
    batch: int = 16
    gate: Gate = field(default_factory=Gate)
    select: Select = leading
    trials: int | None = 2
    recall: int = 0
    frozen: frozenset[str] = frozenset()
    alarm: bool = False
    concurrency: int = 16
    seconds: float | None = None

    def __post_init__(self) -> None:
        if min(self.rounds, self.batch, self.concurrency, self.trials or 1) < 1 or self.recall < 0:
            raise UsageError("rounds, batch, trials and concurrency are 1 or more, recall 0 or more", where="Improving")

    def due(self, number: int) -> int:
        """How many trials may yet come after a round, where one is due then, before the search ends; else 0."""
        most = self.trials or 0
        tried = number * most // self.rounds
        return most - tried if number + 1 < self.rounds and (number + 1) * most // self.rounds > tried else 0

    def __call__(
        self,
        program: Program,
        target: Worth,
        examples: Splits,
        *,
        budget: Budget,
        rng: np.random.Generator,
        audit: Audit | None = None,
    ) -> Improved:
        """The program improved. Runs are counted on the budget as `runs`, and those of the final claim are reserved
        before the first; calls and tokens are those of critics, rules and proposers, and of the program where its
        clients share the budget. A cap on runs ends the search, not the claim; another cap that is reached may leave
        nothing for the claim, which then is not made.

        Raises UsageError where no parameter is read that may be rewritten, and what programs and evidence raise.
        """
        with Runner(program, self.concurrency, seconds=self.seconds) as runner:
            search = _Search(self, runner, target, examples, budget, rng, audit or Audit())
            return search.run()


class _Search:
    """The state of one run of the loop."""

    def __init__(
        self,
        plan: Improving,
        runner: Runner,
        worth: Worth,
        splits: Splits,
        budget: Budget,
        rng: np.random.Generator,
        audit: Audit,
    ) -> None:
        self.plan, self.runner, self.worth, self.splits, self.audit = plan, runner, worth, splits, audit
        self.budget, self.rng = budget, rng
        unseen = frozenset(context_of(own) for own in (*splits.validation, *splits.held_out))
        self.critic = hidden(plan.critic, unseen)
        self.parameters: Mapping[str, Parameter[Any]] = {}
        self.kept = Member({})
        self.pool = [self.kept]
        self.gate = plan.gate
        self.history: list[Tried] = []
        self.said: list[tuple[Said, ...]] = []
        self.validated: dict[tuple[str, int], float] = {}
        self.started: dict[tuple[str, int], float] = {}
        self.counts = Counter[str]()
        self.dropped: set[str] = set()
        self.share = self.held = 0.0
        self.stopped = "all rounds were made"

    def run(self) -> Improved:
        looked_at = len(self.splits.held_out) + (len(self.splits.train) if self.plan.alarm else 0)
        claimed = 2.0 * looked_at
        self.budget.reserve(runs=claimed)
        self._hold()
        self.audit(
            "begun", splits=[len(own) for own in (self.splits.train, self.splits.validation, self.splits.held_out)]
        )
        for part in (self._search, self._last_trial):
            try:
                part()
            except BudgetExceededError as error:
                self.stopped = f"the budget: {error.what}"
        self.budget.release(runs=claimed + self.held)
        return self._claimed()

    def _hold(self) -> None:
        """The runs of all trials are held back, where there is a cap at most half of what is left; they are on as many
        examples as that allows."""
        most = self.plan.trials or 0
        pairs = len(self.splits.validation)
        if most and self.budget.left("runs") < np.inf:
            pairs = min(pairs, int(self.budget.left("runs") / (4 * most)))
        self.share = 2.0 * pairs
        self.held = self.share * most
        self.budget.reserve(runs=self.held)

    def _search(self) -> None:
        for number in range(self.plan.rounds):
            self._round(number)
            if coming := self.plan.due(number):
                self._leading_tried(coming, number)

    def _last_trial(self) -> None:
        if self.plan.trials:
            self._leading_tried(1, self.plan.rounds)

    def _leading_tried(self, coming: int, number: int) -> None:
        """A trial of the best in training, of what was not dropped; what it leaves of its runs stays held back."""
        best = leading([own for own in self.pool if written(own.values) not in self.dropped], self.kept, self.rng)
        if written(best.values) == written(self.kept.values):
            return
        before = self.budget.spent["runs"]
        self.budget.release(runs=self.share)
        try:
            self._trial(best, coming, number, int(self.share / 2))
        finally:
            left = before - self.budget.spent["runs"]
            self.budget.reserve(runs=left)
            self.held -= self.share - left

    def _round(self, number: int) -> None:
        batch = self._batch()
        parent = self.plan.select(self.pool, self.kept, self.rng)
        runs, earned = self._earned([self.splits.train[place] for place in batch], [parent.values], number)
        parent = self._remembered(parent, batch, earned)
        self._read(runs)
        said = self._heard(runs, earned)
        situation = Situation(self.parameters, self._whole(parent.values), said, tuple(self.history), number)
        made = self.plan.proposer(situation, budget=self.budget, rng=self.rng)
        self.counts.update(proposed=len(made.values), unread=made.unread, repaired=made.repaired, same=made.same)
        self.audit(
            "proposed",
            round=number,
            parent=parent.values,
            earned=earned,
            said=[own.words for own in said],
            values=made.values,
            unread=made.unread,
            repaired=made.repaired,
        )
        if made.values:
            self._tried(number, batch, float(earned.mean()), [{**parent.values, **own} for own in made.values])

    def _heard(self, runs: Sequence[Run], earned: Floats) -> tuple[Said, ...]:
        worth = np.full(len(earned), np.nan) if self.worth.against_start else earned
        heard = self.critic(runs, worth, budget=self.budget)
        carried = self.plan.rule(runs, heard.words, frozenset(self.parameters), budget=self.budget)
        self.counts.update(unread=heard.missing + carried.missing)
        self.said.append(carried.said)
        return tuple(own for words in self.said[-1 - self.plan.recall :] for own in words)

    def _tried(self, number: int, batch: Sequence[int], before: float, proposals: Sequence[Mapping[str, Any]]) -> None:
        """Run proposals on the batch of their parent; the best goes to trial where it earned no less."""
        _, flat = self._earned([self.splits.train[place] for place in batch], proposals, number)
        earned = flat.reshape(len(proposals), len(batch))
        members = [Member(values).after(batch, row) for values, row in zip(proposals, earned, strict=True)]
        self.history += [Tried(self._whole(own.values), own.mean, len(batch), "train") for own in members]
        self.pool += members
        best = int(np.argmax(earned.mean(axis=1)))
        self.audit("ran", round=number, earned=earned.mean(axis=1), before=before, best=best)
        if self.plan.trials is not None:
            return
        if earned[best].mean() >= before:
            self._trial(members[best], self.plan.rounds - number, number)
        else:
            self.counts.update(worse_in_training=len(members))

    def _trial(self, candidate: Member, coming: int, number: int, most: int | None = None) -> None:
        n, graded = len(self.splits.validation), self._graded()
        trial = self.gate.trial(n, coming, graded=graded, rng=self.rng, most=most)
        while trial.open:
            places = trial.next(_BLOCK)
            after, before = (self._validated(own, places) for own in (candidate.values, self.kept.values))
            trial = trial.after(self.worth.differences(after, before))
        self.gate = self.gate.closed(trial)
        self.counts.update(tried=1, kept=int(trial.kept))
        self.audit("tried", round=number, values=candidate.values, **trial.told())
        if trial.kept:
            self.kept = candidate
        else:
            self.dropped.add(written(candidate.values))

    def _graded(self) -> bool:
        """Whether the evidence comes in grades, by what was earned in training."""
        earned = {own for member in self.pool for own in member.all.tolist()}
        return not self.worth.against_start and not earned <= {0.0, 1.0}

    def _validated(self, values: Mapping[str, Any], places: Sequence[int]) -> Floats:
        """The evidence on validation examples, each run once with each of the values that are tried."""
        name = written(values)
        new = [place for place in places if (name, place) not in self.validated]
        _, scores = self._scored([self.splits.validation[place] for place in new], [values], VALIDATION)
        self.validated.update({(name, place): own for place, own in zip(new, scores, strict=True)})
        return np.array([self.validated[name, place] for place in places])

    def _scored(
        self, inputs: Sequence[Inputs], candidates: Sequence[Mapping[str, Any]], draw: int
    ) -> tuple[Sequence[Run], Floats]:
        """Runs of each of the candidates on all inputs, one candidate after the other, and the evidence of them."""
        self.budget.reserve(runs=float(len(inputs) * len(candidates)))
        runs = self.runner([Task(own, values, draw) for values in candidates for own in inputs])
        self.counts.update(failed=sum(bool(run.error) for run in runs))
        return runs, self.worth.scores(runs)

    def _earned(
        self, inputs: Sequence[Inputs], candidates: Sequence[Mapping[str, Any]], draw: int
    ) -> tuple[Sequence[Run], Floats]:
        """`_scored`, with what was earned in the place of the evidence."""
        runs, scores = self._scored(inputs, candidates, draw)
        earned = self.worth.ranked if draw < VALIDATION else self.worth.unit
        if not self.worth.against_start:
            return runs, earned(scores)
        names = [(written(own), draw) for own in inputs]
        if list(candidates) == [{}]:
            self.started.update(zip(names, map(float, scores), strict=True))
        return runs, earned(scores, np.tile(self._at_start(inputs, names), len(candidates)))

    def _at_start(self, inputs: Sequence[Inputs], names: Sequence[tuple[str, int]]) -> Floats:
        """The evidence of what the program gave at the start [n], in runs of these names; run where it was not yet."""
        new = [place for place, name in enumerate(names) if name not in self.started]
        self.budget.reserve(runs=float(len(new)))
        runs = self.runner([Task(inputs[place], {}, names[place][1]) for place in new])
        self.started.update({names[place]: float(own) for place, own in zip(new, self.worth.scores(runs), strict=True)})
        return np.array([self.started[name] for name in names])

    def _batch(self) -> list[int]:
        size = min(self.plan.batch, len(self.splits.train))
        return [int(place) for place in self.rng.choice(len(self.splits.train), size, replace=False)]

    def _read(self, runs: Sequence[Run]) -> None:
        """Parameters are known from what was read."""
        found = {name: own for run in runs for name, own in run.parameters.items()}
        free = {name: own for name, own in found.items() if not own.frozen and name not in self.plan.frozen}
        self.parameters = {**self.parameters, **free}
        if not self.parameters:
            raise UsageError(
                "the program reads no parameter that may be rewritten",
                where="improve",
                fix="mark texts by heedful.Text and let the program read them while it runs",
            )

    def _whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = self.runner.program.values
        return {name: values.get(name, given.get(name, own.value)) for name, own in self.parameters.items()}

    def _remembered(self, member: Member, batch: Sequence[int], earned: Floats) -> Member:
        """The member with what it earned now; the pool holds it in the place of what it was."""
        grown = member.after(batch, earned)
        self.pool = [grown if own is member else own for own in self.pool]
        if self.kept is member:
            self.kept = grown
        return grown

    def _claimed(self) -> Improved:
        """The one look at what is held out."""
        before = after = None
        made: Estimate
        findings: tuple[Finding, ...] = ()
        try:
            before, after = self._scores("held out")
            made = claim(before, after)
        except BudgetExceededError as error:
            note = f"the budget ended before what is held out could be measured: {error.what}"
            made = Estimate(0.0, 0, identified=False, note=note, split="held out")
        else:
            findings = self._alarm(before, after)
        self.audit("ended", stopped=self.stopped, values=self.kept.values, claim=made, counts=self.counts)
        return Improved(
            self.runner.program.with_values(self.kept.values),
            tuple(self.history),
            made,
            self._whole({}),
            self.kept.values,
            None if before is None else before.estimate(),
            None if after is None else after.estimate(),
            self.stopped,
            self.counts,
            dict(self.budget.spent),
            tuple(self.audit.events),
            findings,
        )

    def _scores(self, split: Literal["train", "held out"]) -> tuple[Score, Score]:
        """What was earned before and after, in runs of their own."""
        inputs, draw = (self.splits.held_out, HELD_OUT) if split == "held out" else (self.splits.train, AGAIN)
        before, after = (self._earned(inputs, [values], draw)[1] for values in ({}, self.kept.values))
        return Score(before, split), Score(after, split)

    def _alarm(self, before: Score, after: Score) -> tuple[Finding, ...]:
        if not self.plan.alarm or not self.kept.values:
            return ()
        try:
            found = overfitted(self._scores("train"), (before, after), rng=self.rng)
        except BudgetExceededError as error:
            what = f"the alarm of overfitting could not be run: {error.what}"
            found = Finding("rewriting.no_alarm", "note", what, "raise the cap")
        return () if found is None else (found,)
