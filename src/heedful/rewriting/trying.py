"""The trials of a run: what is kept, what was decided, and what is held back to pay for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from heedful.rewriting.acceptance import AnyGate, AnyTrial
from heedful.rewriting.audit import Audit
from heedful.rewriting.costs import Shorter, Standing, length_of
from heedful.rewriting.measuring import Bench
from heedful.rewriting.pools import Member, leading
from heedful.rewriting.splits import written

_BLOCK = 8  # examples that a trial looks at before it decides whether to go on


class Trials:
    """What is `kept`, and how it came to be. `share` is the runs that a trial may take where they are held back."""

    def __init__(
        self,
        gate: AnyGate,
        shorter: Shorter | None,
        bench: Bench,
        share: int,
        whole: Callable[[Mapping[str, Any]], dict[str, Any]],
        rng: np.random.Generator,
        audit: Audit,
    ) -> None:
        self.gate, self.shorter, self.bench, self.share = gate, shorter, bench, share
        self.whole, self.rng, self.audit = whole, rng, audit
        self.kept = Member({})
        self.decided: set[str] = set()  # texts that were at the start, or in a trial
        self.proven: set[str] = set()
        self.counts = Counter[str]()

    def name(self, values: Mapping[str, Any]) -> str:
        """Values by what differs from the start, so that it does not hang on which parameters were read by now."""
        start = self.whole({})
        return written({key: own for key, own in values.items() if key not in start or own != start[key]})

    def of_leading(self, pool: Sequence[Member], coming: int, number: int) -> None:
        """A trial of the best in training, of what no trial has decided on."""
        best = leading(
            [own for own in pool if self.name(own.values) not in self.decided or own is self.kept], self.kept, self.rng
        )
        if best is not self.kept:
            rest = self.bench.held[1].runs if coming == 1 and self.shorter is None else self.share
            self._held(best, self._next(pool, coming), number, rest)

    def of_best(self, candidate: Member, pool: Sequence[Member], coming: int, number: int) -> None:
        """A trial paid from what the search has."""
        self._made(candidate, self._next(pool, coming, held=False), number)

    def of_shorter(self, pool: Sequence[Member], number: int) -> None:
        """A trial of the best that is shorter by as much as is wanted, where any is: whether it loses too much."""
        if (shorter := self.shorter) is None:
            return
        most = shorter.share * length_of(self.whole(self.kept.values))
        short = [own for own in pool if own.values and length_of(self.whole(own.values)) <= most]
        if short := [own for own in short if self.name(own.values) not in self.proven]:
            best = max(short, key=lambda own: (own.mean, -length_of(self.whole(own.values))))
            trial = self._next(pool, 0, margin=-shorter.loss)
            self._held(best, trial, number, self.bench.held[1].runs)

    def standing(self, member: Member) -> Standing:
        """What is known of a member in the end."""
        whole, cost = self.whole(member.values), self.bench.cost(member.values)
        proven = self.name(member.values) in self.proven
        return Standing(whole, member.mean, len(member.all), length_of(whole), cost, proven)

    def _next(self, pool: Sequence[Member], coming: int, *, held: bool = True, margin: float | None = None) -> AnyTrial:
        """The next trial where so many may come, and that of a shorter text."""
        earned = {round(own, 9) for member in pool for own in member.all.tolist()}
        graded = not self.bench.worth.against_start and not earned <= {0.0, 1.0}
        n, coming = len(self.bench.splits.validation), coming + (self.shorter is not None)
        return self.gate.trial(
            n, coming, graded=graded, rng=self.rng, most=self.share // 2 if held else None, margin=margin
        )

    def _held(self, candidate: Member, trial: AnyTrial, number: int, runs: int) -> None:
        with self.bench.held[1].lent(runs) as enough:
            self._made(candidate, trial, number, enough)

    def _made(
        self, candidate: Member, trial: AnyTrial, number: int, enough: Callable[[int], bool] = lambda _: True
    ) -> None:
        """A trial to its end, or until what pays for it ends: that decides on the candidate, too."""
        try:
            while trial.open and enough(2 * len(places := trial.next(_BLOCK))):
                after, before = (self.bench.validated(own, places) for own in (candidate.values, self.kept.values))
                trial = trial.after(self.bench.worth.differences(after, before))
        finally:
            self.gate = self.gate.closed(trial)
            self.decided.add(self.name(candidate.values))
            self.counts.update(tried=1, kept=int(trial.kept))
            if trial.kept:
                self.kept = candidate
                self.proven.add(self.name(candidate.values))
            self.audit("tried", round=number, values=candidate.values, **trial.told())
