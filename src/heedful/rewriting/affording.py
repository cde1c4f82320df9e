"""What a run of the loop can afford: what is held back for its claim, and whether it can keep anything at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from heedful.core import Budget, BudgetExceededError, InputError
from heedful.models import Journal
from heedful.rewriting.acceptance import AnyGate
from heedful.stats import least_enough

_MORE = 1.1  # than the most that runs have cost so far: those to come may cost more
_MOST = 2**16


class Held:
    """What is held back for `runs` of the program: these from the start, and from its first batch on what they may
    take of every other capped unit. That is as much a run as the dearest batch so far took in the mean, and a tenth
    more, and once the most that one call reserved.

    Models of the program spend from the budget of the `journal`, or from `budget` itself. `a_run` is what a run is
    known to cost. A `part` below 1 is the most that is taken of what is left when a unit is first held back. Raises
    BudgetExceededError, before anything is spent, where a cap is too small for it.
    """

    def __init__(
        self,
        budget: Budget,
        runs: int,
        journal: Journal | None = None,
        a_run: Mapping[str, float] | None = None,
        *,
        part: float = 1.0,
    ) -> None:
        self.budgets = [budget] if journal is None or journal.budget is budget else [budget, journal.budget]
        self.runs, self.journal, self.part = runs, journal, part
        self.dearest: list[dict[str, float]] = [{} for _ in self.budgets]
        self.once: dict[str, float] = {}
        self.held: list[dict[str, float]] = [{} for _ in self.budgets]
        for own in self.budgets:
            for unit, cost in (a_run or {}).items():
                if own.caps.get(unit, np.inf) < cost * runs:
                    what = f"what is held out may take {cost * runs:g} {unit}, and the cap is {own.caps[unit]:g}"
                    raise BudgetExceededError(what, fix=f"raise the cap on {unit}, or give fewer examples")
        self.most: list[dict[str, float]] = [{} for _ in self.budgets]
        self.unused: list[dict[str, float]] = [{} for _ in self.budgets]  # of what was lent
        self._hold(0, "runs")

    @property
    def unknown(self) -> tuple[str, ...]:
        """Capped units of which it is only known after the first runs what is to be held back."""
        units = {unit for own in self.budgets for unit in own.caps} - {"runs"}
        return tuple(sorted(units - {unit for own in self.held for unit in own}))

    def told(self, purpose: str) -> str:
        """What is held back beside what a cap still allows, in words; "" where nothing is."""
        held = [(unit, amount) for own in self.held for unit, amount in own.items() if unit != "runs" and amount]
        amounts = [f"{amount:,.{0 if amount >= 100 else 3}f} {unit}" for unit, amount in held]
        return f", beside {' and '.join(amounts)} held back for {purpose}" if amounts else ""

    @contextmanager
    def learning(self, n: int, *others: Held) -> Iterator[None]:
        """Within, n runs are made, whose cost is learnt, for `others` of the same budgets and runs, too. Raises
        BudgetExceededError where no more can be held back."""
        before = [dict(own.spent) for own in self.budgets]
        if self.journal is not None:
            self.journal.largest.clear()
        yield
        costs = [
            {unit: (own.spent[unit] - then[unit]) / max(n, 1) for unit in own.caps.keys() - {"runs"}}
            for own, then in zip(self.budgets, before, strict=True)
        ]
        for held in (self, *others):
            held._learn(costs, {} if self.journal is None else self.journal.largest)

    def _learn(self, costs: list[dict[str, float]], largest: Mapping[str, float]) -> None:
        self.once |= {unit: max(own, self.once.get(unit, 0.0)) for unit, own in largest.items()}
        for place, known in enumerate(costs if self.runs else ()):
            for unit, cost in known.items():
                self.dearest[place][unit] = max(cost, self.dearest[place].get(unit, 0.0))
                self._hold(place, unit)

    def free(self, runs: int) -> None:
        """Give back what is held back for so many runs: it may be spent now."""
        rest = 1 - runs / self.runs if self.runs else 0.0
        self.runs -= runs
        for place, (own, held) in enumerate(zip(self.budgets, self.held, strict=True)):
            self.most[place] = {unit: amount * rest for unit, amount in self.most[place].items()}
            for unit, amount in held.items():
                held[unit] = kept = amount * rest
                own.release(**{unit: min(amount - kept, own.spent[unit])})  # sums round

    @contextmanager
    def lent(self, runs: int) -> Iterator[Callable[[int], bool]]:
        """Within, what is held back for so many runs may be spent: whether it is enough for n more is what is given.
        What they leave stays held back until everything is given back, so that how much that is changes nothing of what
        comes after."""
        before = [{unit: own.spent[unit] for unit in held} for own, held in zip(self.budgets, self.held, strict=True)]
        self.free(runs)
        last = [dict(own.spent) for own in self.budgets]
        dearest = [dict.fromkeys(held, 0.0) for held in self.held]

        def enough(n: int) -> bool:
            """By what runs cost in training, and by the dearest of the times that some were made before."""
            fits = True
            for own, then, seen, most, known in zip(self.budgets, before, last, dearest, self.dearest, strict=True):
                for unit in most:
                    most[unit] = max(most[unit], own.spent[unit] - seen[unit])
                    seen[unit] = own.spent[unit]
                    need = n if unit == "runs" else max(most[unit], n * known.get(unit, 0.0))
                    fits &= then[unit] - own.spent[unit] >= need
            return fits

        try:
            yield enough
        finally:
            for own, then, kept in zip(self.budgets, before, self.unused, strict=True):
                for unit, spent in then.items():
                    if (left := spent - own.spent[unit]) > 0:
                        own.reserve(**{unit: left})
                        kept[unit] = kept.get(unit, 0.0) + left

    def release(self) -> None:
        """Give everything back."""
        self.free(self.runs)
        for own, kept in zip(self.budgets, self.unused, strict=True):
            own.release(**{unit: min(amount, own.spent[unit]) for unit, amount in kept.items()})
            kept.clear()

    def _wanted(self, place: int, unit: str) -> float:
        if unit == "runs":
            return float(self.runs)
        most = self.dearest[place].get(unit, 0.0)
        return _MORE * self.runs * most + self.once.get(unit, 0.0) if self.runs and most else 0.0

    def _hold(self, place: int, unit: str) -> None:
        wanted, held = self._wanted(place, unit), self.held[place].get(unit, 0.0)
        if self.part < 1:
            wanted = min(wanted, self.most[place].setdefault(unit, self.part * self.budgets[place].left(unit)))
        if (more := wanted - held) > 0:
            self.budgets[place].reserve(**{unit: more})
            self.held[place][unit] = held + more


def affordable(n: int, trials: int, looked_at: int, budget: Budget) -> int:
    """How many of n validation examples each of so many trials may be on, with half of the runs that a cap leaves
    beside the claim on those `looked_at`."""
    left = budget.left("runs") - 2 * looked_at
    return n if left == np.inf else min(n, max(0, int(left / (4 * trials))))


def needed(gate: AnyGate, coming: int) -> int:
    """The fewest validation examples on which the next of `coming` trials keeps a candidate that wins on every one."""

    def keeps(n: int) -> bool:
        trial = gate.trial(n, coming, rng=np.random.default_rng(0))
        while trial.open:
            trial = trial.after(np.ones(len(trial.next(n))))
        return trial.kept

    return least_enough(lambda n: n >= _MOST or keeps(n))


def refuse_too_few(gate: AnyGate, coming: int, n: int, *, capped: bool = False) -> None:
    """Raises InputError where a trial on n validation examples can keep nothing, whatever is proposed, and
    BudgetExceededError where it is a cap on runs that leaves no more."""
    if n >= (least := needed(gate, coming)):
        return
    if capped:
        what = (
            f"the cap on runs leaves {n} examples to each of {coming} trials, and {least} are needed to keep anything"
        )
        raise BudgetExceededError(what, fix="raise the cap on runs, or allow fewer trials")
    what = f"{n} examples decide, and of {coming} trials none can keep anything with fewer than {least}"
    fix = f"give more examples, until {least} decide (of those not commented on, 4 in 10 do), or allow fewer trials"
    raise InputError(what, where="examples", fix=fix)
