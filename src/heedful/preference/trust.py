"""Which intervals may be trusted where questions were chosen, and asking was stopped, because of earlier answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from heedful.core import Promise, UsageError

Inference = Literal["maximum likelihood", "prior", "weighted", "weighted rate", "running", "direct"]
Estimand = Literal["difference", "best", "win rate", "decision"]
Stopping = Literal["fixed", "data"]

ESTIMANDS: tuple[Estimand, ...] = ("difference", "best", "win rate", "decision")
# What holds for every rule that goes by answers alone, by a theorem; measured nevertheless.
PROVED: dict[str, Promise] = {"prior": "credible", "running": "at least", "direct": "at least"}
# What else held in benchmarks/adaptive_coverage.py after a number of answers fixed beforehand, by rule and inference:
# estimands whose coverage was not below the level (p > 0.01) for truths of either kind. Where asking stopped by the
# data none of these inferences held for all rules: coverage fell to 0.86. (benchmarks/results/adaptive_coverage.json)
FIXED: dict[tuple[str, str], tuple[Estimand, ...]] = {
    ("random", "maximum likelihood"): ("difference", "best", "win rate", "decision"),
    ("random", "weighted"): ("difference", "best", "win rate", "decision"),
    ("random", "weighted rate"): ("win rate",),
    ("information", "maximum likelihood"): ("difference", "best", "win rate", "decision"),
    ("uncertainty", "maximum likelihood"): ("difference", "best", "decision"),
    ("thompson", "maximum likelihood"): ("best", "win rate", "decision"),
    ("mixed information", "maximum likelihood"): ("difference", "best", "win rate", "decision"),
    ("mixed information", "weighted"): ("decision",),
    ("mixed information", "weighted rate"): ("win rate",),
    ("mixed thompson", "maximum likelihood"): ("best", "decision"),
    ("mixed thompson", "weighted"): ("difference", "best", "decision"),
    ("mixed thompson", "weighted rate"): ("win rate",),
}


def trusted(rule: str, inference: Inference, estimand: Estimand, *, stopping: Stopping = "data") -> Promise | None:
    """What an interval may promise of comparisons that an acquisition rule asked for; None: no interval may be shown.

    rule: a name of `elicitation.RULES`, with "mixed" before the name of a rule mixed with random pairs. inference:
    "maximum likelihood" as if questions had been fixed (`fit`, `rate`); "prior": the likelihood under a prior that is
    meant (`fit(prior_sd=...)`, `under_prior`), of truths drawn from it; "weighted" (`rate_asked`); "weighted rate"
    (`asked_win_rate`); "running" (`RunningLikelihood`); "direct" (`Direct`, of all pairs). estimand: "difference" of
    two items named beforehand; "best", of the two that look best; "win rate" of an item against the others; "decision"
    that what looks best beats what looks second. stopping: after a number of answers "fixed" beforehand, or by the
    "data".
    A rule that was not measured is trusted with what is proved for all. Raises UsageError for an unknown word.
    """
    _known("inference", inference, ("maximum likelihood", "weighted", "weighted rate", *PROVED))
    _known("estimand", estimand, ESTIMANDS)
    _known("stopping", stopping, ("fixed", "data"))
    if inference in PROVED:
        return PROVED[inference]
    held = stopping == "fixed" and estimand in FIXED.get((rule, inference), ())
    return "confidence" if held else None


def promised(promise: Promise | None, rules: Iterable[str], *, prior: bool) -> Promise | None:
    """What intervals of utilities promise that would promise `promise`, had these rules not gone by earlier answers."""
    inference: Inference = "prior" if prior else "maximum likelihood"
    held = all(trusted(rule, inference, "difference") for rule in rules)
    return promise if held else None


def _known(name: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise UsageError(f"{word!r} is no {name}", where=name, fix=f"choose of {', '.join(words)}")
