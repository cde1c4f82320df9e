"""One loop for every way of improving a program: run, hear what is said, propose, try, keep what is proven better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heedful.core import Budget, BudgetExceededError, Floats, UsageError
from heedful.models import Journal
from heedful.rewriting.acceptance import AnyGate, Gate
from heedful.rewriting.affording import Held, affordable, refuse_too_few
from heedful.rewriting.audit import Audit
from heedful.rewriting.costs import Limits, Shorter, front, length_of
from heedful.rewriting.ending import broken, ended, named, starved
from heedful.rewriting.judging import Critic, Failures, Worth, context_of, hidden
from heedful.rewriting.measuring import Bench
from heedful.rewriting.outcomes import Improved
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.pools import Member, Select, leading
from heedful.rewriting.propagating import Rule, Said, Subgraph
from heedful.rewriting.proposing import Proposer, Situation, Tried
from heedful.rewriting.running import Runner
from heedful.rewriting.splits import Splits
from heedful.rewriting.tracing import Program, Run
from heedful.rewriting.trying import Trials
from heedful.rewriting.versus import Versus


@dataclass(frozen=True, slots=True)
class Improving:
    """Rounds of: run the program on a batch of training examples; let the critic speak; carry what it said to the
    parameters; propose; run proposals on the same batch. From time to time, and at the end, the best in training of all
    that was proposed is tried against what is kept, on validation examples, by a paired sequential test.

    Many small gains that each would take too many examples to prove are so proven together, and what is only noise
    costs few trials. What trials may take is held back before the search, and what they leave stays so until the end:
    how long they last, which validation examples decide, changes nothing of what is proposed and tried after them.

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
    limits    what candidates may cost; what costs more is not tried
    shorter   a last trial of a shorter candidate that may earn a little less, where one is wanted
    alarm     at the end, run all training examples once more, before and after, and tell where their gain is greater
              than that on those held out by more than chance (`overfitted`)
    concurrency, seconds  runs at once, and how long one may take (`Runner`)
    minutes   for all of it: no round is begun after which, at the pace so far, trials and claim would end later. How
              long anything took then has a say in how many rounds there are
    """

    proposer: Proposer
    rule: Rule = field(default_factory=Subgraph)
    critic: Critic = field(default_factory=Failures)
    rounds: int = 10
    batch: int = 16
    gate: AnyGate = field(default_factory=Gate)
    select: Select = leading
    trials: int | None = 2
    recall: int = 0
    frozen: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    shorter: Shorter | None = None
    alarm: bool = False
    concurrency: int = 16
    seconds: float | None = None
    minutes: float = np.inf

    def __post_init__(self) -> None:
        least = min(self.rounds, self.batch, self.concurrency, 1 if self.trials is None else self.trials)
        if least < 1 or self.recall < 0:
            raise UsageError("rounds, batch, trials and concurrency are 1 or more, recall 0 or more", where="Improving")

    @property
    def most_trials(self) -> int:
        """How many trials there may be, beside that of a shorter candidate."""
        return self.rounds if self.trials is None else min(self.trials, self.rounds)

    def due(self, number: int) -> int:
        """How many trials may yet come after a round, where one is due then, before the search ends; else 0."""
        most = 0 if self.trials is None else self.most_trials
        tried = number * most // self.rounds
        return most - tried if number + 1 < self.rounds and (number + 1) * most // self.rounds > tried else 0

    def __call__(
        self,
        program: Program,
        target: Worth | Versus,
        examples: Splits,
        *,
        budget: Budget,
        rng: np.random.Generator,
        audit: Audit | None = None,
        journal: Journal | None = None,
        a_run: Mapping[str, float] | None = None,
    ) -> Improved:
        """The program improved. Runs are counted on the budget as `runs`; calls and tokens are those of critics, rules
        and proposers. Models of the program spend from the budget of their `journal`, or from a budget of their own.

        What the claim takes is held back of both (`Held`), so that a cap ends the search, not the claim: its runs
        before the first, calls, tokens and money once the first batch of runs has told what they cost. Only where that
        batch alone, or a run in the claim that costs far more than any before, reaches a cap is nothing claimed.

        Whatever ends the search, an error too, what was kept until then is returned. Raises UsageError where no
        parameter is read that may be rewritten; InputError where too few examples decide to keep anything;
        BudgetExceededError where a cap is less than the claim may take (by what `a_run` costs), or leaves too few runs
        to trials; and, as long as nothing was kept, what programs, critics, proposers and evidence raise.
        """
        looked_at = len(examples.held_out) + (len(examples.train) if self.alarm else 0)
        trials, n = self.most_trials + (self.shorter is not None), len(examples.validation)
        if self.trials is not None:
            n = affordable(n, trials, looked_at, budget)
        refuse_too_few(self.gate, trials, n, capped=n < len(examples.validation))
        paid = trials - (self.most_trials if self.trials is None else 0)
        held = Held(budget, 2 * looked_at, journal, a_run), Held(budget, 2 * n * paid, journal, part=0.5)
        again = nullcontext() if journal is None else journal.replayed()
        with again, Runner(program, self.concurrency, seconds=self.seconds) as runner:
            bench = Bench(runner, target, examples, self.limits, budget, held)
            return _Search(self, bench, 2 * n, rng, audit or Audit()).run()


class _Search:
    """The state of one run of the loop."""

    def __init__(self, plan: Improving, bench: Bench, share: int, rng: np.random.Generator, audit: Audit) -> None:
        self.plan, self.bench, self.rng, self.audit = plan, bench, rng, audit
        self.worth, self.splits, self.budget = bench.worth, bench.splits, bench.budget
        unseen = frozenset(context_of(own) for own in (*self.splits.validation, *self.splits.held_out))
        self.critic = hidden(plan.critic, unseen)
        self.parameters: Mapping[str, Parameter[Any]] = {}
        self.trials = Trials(plan.gate, plan.shorter, bench, share, self._whole, rng, audit)
        self.pool = [self.trials.kept]
        self.history: list[Tried] = []
        self.said: list[tuple[Said, ...]] = []
        self.counts = self.trials.counts
        self.stopped = "all rounds were made"

    def run(self) -> Improved:
        sizes = [len(own) for own in (self.splits.train, self.splits.validation, self.splits.held_out)]
        error: Exception | None = None
        try:
            claim = self.bench.held[0]
            self.audit("begun", splits=sizes, held=claim.held, not_yet_held=claim.unknown)
            self._parts()
        except Exception as raised:
            if not self.trials.kept.values:
                raise
            error, self.stopped = raised, f"an error: {named(raised)}"
        finally:
            for held in self.bench.held:
                held.release()
        return self._ended(error)

    def _parts(self) -> None:
        """The search, then the trials that are due whatever ended it."""
        for part in (self._search, self._last_trials):
            try:
                part()
            except BudgetExceededError as over:
                claim, trials = self.bench.held
                self.stopped = f"the budget: {over.what}{claim.told('what is held out')}{trials.told('trials')}"

    def _search(self) -> None:
        for number in range(self.plan.rounds):
            if self.bench.late(60 * self.plan.minutes):
                self.stopped = "another round, trials and the claim would take more than the time that there is"
                break
            self._round(number)
            if coming := self.plan.due(number):
                self.trials.of_leading(self.pool, coming, number)

    def _last_trials(self) -> None:
        if self.plan.trials:
            self.trials.of_leading(self.pool, 1, self.plan.rounds)
        self.trials.of_shorter(self.pool, self.plan.rounds + 1)

    def _round(self, number: int) -> None:
        batch = self._batch()
        parent = self.plan.select(self.pool, self.trials.kept, self.rng)
        runs, earned = self.bench.earned([self.splits.train[place] for place in batch], [parent.values], number)
        parent = self._remembered(parent, batch, earned)
        self._read(runs)
        if not self.history:
            self.history.append(self._told(parent, batch))
        said = self._heard(runs, earned)
        situation = Situation(self.parameters, self._whole(parent.values), said, tuple(self.history), number)
        made = self.plan.proposer(situation, budget=self.budget, rng=self.rng)
        counted = {"unread": made.unread, "repaired": made.repaired, "same": made.same, "passed_over": made.passed_over}
        self.counts.update(counted, proposed=len(made.values))
        told = {"parent": parent.values, "earned": earned, "said": [own.words for own in said], "values": made.values}
        self.audit("proposed", round=number, **told, **counted)
        if proposals := self._worth_running([{**parent.values, **own} for own in made.values], number):
            self._tried(number, batch, float(earned.mean()), proposals)

    def _worth_running(self, proposals: Sequence[Mapping[str, Any]], number: int) -> list[Mapping[str, Any]]:
        """Those that no trial has decided on before, and that are not too long."""
        self.trials.decided.add(self.trials.name({}))
        new = [own for own in proposals if self.trials.name(own) not in self.trials.decided]
        longest = self.plan.limits.longest
        fit = [own for own in new if longest is None or length_of(self._whole(own)) <= longest]
        left = {"repeated": len(proposals) - len(new), "too_long": len(new) - len(fit)}
        self.counts.update(left)
        if len(fit) < len(proposals):
            self.audit("left out", round=number, **left)
        return fit

    def _heard(self, runs: Sequence[Run], earned: Floats) -> tuple[Said, ...]:
        worth = np.full(len(earned), np.nan) if self.worth.against_start else earned
        heard = self.critic(runs, worth, budget=self.budget)
        carried = self.plan.rule(runs, heard.words, frozenset(self.parameters), budget=self.budget)
        self.counts.update(unread=heard.missing + carried.missing)
        self.said.append(carried.said)
        return tuple(own for words in self.said[-1 - self.plan.recall :] for own in words)

    def _tried(self, number: int, batch: Sequence[int], before: float, proposals: Sequence[Mapping[str, Any]]) -> None:
        """Run proposals on the batch of their parent. Where each round has its trial, the best goes to it where it
        earned no less than its parent."""
        _, flat = self.bench.earned([self.splits.train[place] for place in batch], proposals, number)
        earned = flat.reshape(len(proposals), len(batch))
        members = [Member(values).after(batch, row) for values, row in zip(proposals, earned, strict=True)]
        self.history += [self._told(own, batch) for own in members]
        members = [own for own in members if self._affordable(own)]
        self.pool += members
        self.audit("ran", round=number, earned=earned.mean(axis=1), before=before, too_dear=len(earned) - len(members))
        if self.plan.trials is not None or not members:
            return
        best = max(members, key=lambda own: own.mean)
        if best.mean >= before:
            self.trials.of_best(best, self.pool, self.plan.rounds - number, number)
        else:
            self.counts.update(worse_in_training=len(members))

    def _told(self, member: Member, batch: Sequence[int]) -> Tried:
        """What proposers are told of a member, as it earned on a batch first."""
        earned = {place: member.earned[place][-1] for place in batch}
        return Tried(self._whole(member.values), float(np.mean([*earned.values()])), len(batch), "train", earned)

    def _affordable(self, member: Member) -> bool:
        """Whether a run costs no more than it may, beside one at the start."""
        dearer = self.plan.limits.dearer
        dear = dearer is not None and not self.bench.cost(member.values) <= dearer * self.bench.cost({})
        self.counts.update(too_dear=int(dear))
        return not dear

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
        given = self.bench.runner.program.values
        return {name: values.get(name, given.get(name, own.value)) for name, own in self.parameters.items()}

    def _remembered(self, member: Member, batch: Sequence[int], earned: Floats) -> Member:
        """The member with what it earned now; the pool holds it in the place of what it was."""
        grown = member.after(batch, earned)
        self.pool = [grown if own is member else own for own in self.pool]
        if self.trials.kept is member:
            self.trials.kept = grown
        return grown

    def _ended(self, error: Exception | None) -> Improved:
        values = self.trials.kept.values
        end = broken(error) if error else ended(self.bench, values, alarm=self.plan.alarm, rng=self.rng)
        self.counts.update(self.bench.failed)
        small = starved(self.stopped) if self.stopped.startswith("the budget") and not self.counts["proposed"] else ()
        self.audit("ended", stopped=self.stopped, values=values, claim=end.claim, counts=self.counts)
        return Improved(
            self.bench.runner.program.with_values(values),
            tuple(self.history),
            end.claim,
            start=self._whole({}),
            values=values,
            before=end.before,
            after=end.after,
            stopped=self.stopped,
            counts=self.counts,
            spent=dict(self.budget.spent),
            events=tuple(self.audit.events),
            findings=(*end.findings, *self.bench.failures(), *small),
            front=front(map(self.trials.standing, self.pool)),
            error=end.error,
        )
