"""How a run of the loop ends: what is kept, the one look at what is held out, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from heedful.core import BudgetExceededError, Estimate, Finding, HeedfulError, Interval
from heedful.rewriting.claims import Claim, claim, overfitted
from heedful.rewriting.measuring import AGAIN, HELD_OUT, Bench
from heedful.rewriting.scores import Score

NOTHING_KEPT = "nothing was kept, so the program is what it was, and nothing had to be measured"


@dataclass(frozen=True, slots=True)
class End:
    """What is claimed, what was earned held out `before` and `after`, and the error that kept it from being known."""

    claim: Estimate
    before: Estimate | None = None
    after: Estimate | None = None
    findings: tuple[Finding, ...] = ()
    error: Exception | None = None


def ended(bench: Bench, values: Mapping[str, Any], *, alarm: bool, rng: np.random.Generator) -> End:
    """The one look at what is held out. Without values nothing is run: the gain is 0. Whatever is raised is told in
    the end, for what was kept is worth more than its claim."""
    if not values:
        nothing = Interval(0.0, 0.0, "at least")
        return End(Claim(0.0, 0, 0.0, nothing, note=NOTHING_KEPT, split="held out", p=1.0))
    try:
        before, after = _scores(bench, values, "held out")
        made = claim(before, after)
    except BudgetExceededError as error:
        return End(unclaimed(f"the budget ended before what is held out could be measured: {error.what}"))
    except Exception as error:
        return broken(error)
    findings = _alarm(bench, values, before, after, rng) if alarm else ()
    return End(made, before.estimate(), after.estimate(), findings)


def broken(error: Exception) -> End:
    """The end by an error."""
    message = f"what was kept until an error ended it is there, each proven when it was kept, but {named(error)}"
    fix = "mend what raised the error, and run the same again to have the gain measured"
    finding = Finding("rewriting.ended_by_error", "problem", message, fix)
    return End(unclaimed(f"an error ended it: {named(error)}"), findings=(finding,), error=error)


def starved(stopped: str) -> tuple[Finding, ...]:
    """That a cap ended the search before anything was proposed."""
    fix = "raise the cap, or give fewer examples: what trials and the claim may take is held back of it"
    return (Finding("rewriting.cap_too_small", "warning", f"nothing was proposed, for {stopped}", fix),)


def unclaimed(note: str) -> Estimate:
    return Estimate(0.0, 0, identified=False, note=note, split="held out")


def named(error: Exception) -> str:
    """An error in a line."""
    return str(error.what if isinstance(error, HeedfulError) else f"{type(error).__name__}: {error}")


def _scores(bench: Bench, values: Mapping[str, Any], split: Literal["train", "held out"]) -> tuple[Score, Score]:
    """What was earned before and after, in runs of their own."""
    inputs, draw = (bench.splits.held_out, HELD_OUT) if split == "held out" else (bench.splits.train, AGAIN)
    before, after = (bench.earned(inputs, [own], draw)[1] for own in ({}, values))
    return Score(before, split), Score(after, split)


def _alarm(
    bench: Bench, values: Mapping[str, Any], before: Score, after: Score, rng: np.random.Generator
) -> tuple[Finding, ...]:
    try:
        found = overfitted(_scores(bench, values, "train"), (before, after), rng=rng)
    except Exception as error:
        what = f"the alarm of overfitting could not be run: {named(error)}"
        found = Finding("rewriting.no_alarm", "note", what, "raise the cap, or mend what raised it")
    return () if found is None else (found,)
