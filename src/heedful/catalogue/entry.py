"""A published method as a configuration of components, with a miniature of what it claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heedful.catalogue.verdicts import QUICK_SEEDS, SEEDS, Check, Verdict, as_json, examine, stack, verdict
from heedful.core import UsageError
from heedful.stats import mean_estimate

Miniature = Callable[[int, bool], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One work: what it claims, which components it is, and an experiment small enough to run anywhere.

    id             as in the list of works
    claim          what is compared, on what, by which measure and margin: written before the first run
    configuration  the components that make the method
    measures       what each figure of the miniature means, by name
    checks         the claim as inequalities between figures: all must hold
    miniature      (seed, quick) -> a number per measure, for one seed; all randomness comes from the seed
    beyond         where the miniature departs from the work, or derives what its abstract does not say
    missing        what the miniature lacks to run here (data), in words; "" where nothing
    """

    id: str
    title: str
    area: str
    citation: str
    claim: str
    configuration: str
    measures: Mapping[str, str]
    checks: tuple[Check, ...]
    miniature: Miniature
    beyond: str = ""
    seeds: tuple[int, ...] = SEEDS
    missing: Callable[[], str] = lambda: ""

    def __post_init__(self) -> None:
        named = {name for check in self.checks for name in (check.first, check.second) if name is not None}
        if not self.checks or not named <= set(self.measures):
            raise UsageError(f"checks {sorted(named - set(self.measures))} are of no measure", where=f"Entry {self.id}")


@dataclass(frozen=True, slots=True)
class Run:
    """What a miniature gave. `verdict` is None for a quick run, which is a smoke test and decides nothing.

    `figures`: mean and interval over seeds of each measure; `checks`: of each inequality, with its outcome.
    """

    id: str
    verdict: Verdict | None
    quick: bool
    seeds: tuple[int, ...]
    figures: Mapping[str, Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]
    seconds: float


def run(entry: Entry, *, quick: bool = False) -> Run:
    """Run the miniature on its fixed seeds. Raises UsageError where it lacks something to run here."""
    if reason := entry.missing():
        raise UsageError(f"{entry.id} cannot run here: {reason}", where="catalogue")
    seeds = QUICK_SEEDS if quick else entry.seeds
    begin = time.process_time()
    measured = stack([entry.miniature(seed, quick) for seed in seeds])
    seconds = time.process_time() - begin
    if measured.keys() != entry.measures.keys():
        raise UsageError(f"it measures {sorted(measured)}, declared {sorted(entry.measures)}", where=entry.id)
    found = examine(entry.checks, measured)
    return Run(
        entry.id,
        None if quick else verdict(found),
        quick,
        seeds,
        {name: as_json(mean_estimate(values)) for name, values in measured.items()},
        [{"check": str(finding.check), "outcome": finding.outcome, **as_json(finding.estimate)} for finding in found],
        seconds,
    )
