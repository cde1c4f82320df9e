"""From feedback to a decision: what `heedful run` does, step by step, with the time each step took."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from heedful.core import Finding, FitError, Item
from heedful.evaluation import agreement, controls, describe_split, held_out, hold_out, learning_curve
from heedful.evaluation.learning import FRACTIONS
from heedful.feedback.check import findings_of
from heedful.feedback.counts import summary_of
from heedful.feedback.questions import Facts
from heedful.loops.asking import next_questions
from heedful.loops.fitting import (
    Fitter,
    PriorSd,
    check_utility,
    choose_criterion,
    choose_fitter,
    criteria,
    described,
    items_recur,
)
from heedful.loops.reliability import reliability_of
from heedful.loops.steps import pick_best, ranked
from heedful.preference.findings import OWN_SCALES

if TYPE_CHECKING:
    from heedful.feedback import Feedback, Table
    from heedful.preference import FittedPosterior, Prediction

# A learning curve tells what more votes would bring; past so many, its points cost more than they tell.
_CURVE = 50_000
_PACKAGES = ("heedful", "numpy", "scipy", "polars", "scikit-learn")
Show = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a user may choose; the defaults suit most. Raises UsageError for a utility there is not.

    `prior_sd`: the prior of systems' utilities, none by default (see `heedful.fit`).
    """

    criterion: str | None = None
    utility: str = "auto"
    features: str | None = None
    questions: int = 10
    seed: int = 0
    prior_sd: PriorSd = None

    def __post_init__(self) -> None:
        check_utility(self.utility)


@dataclass(frozen=True)
class Decision:
    """What the feedback says: the summary (docs/summary.md), the posterior it rests on, the feedback as read."""

    summary: dict[str, Any]
    posterior: FittedPosterior
    feedback: Feedback


@dataclass
class _Clock:
    """Seconds by step, and the display that says which step runs."""

    show: Show
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, message: str) -> Iterator[None]:
        self.show(message)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def decide(
    feedback: Feedback,
    *,
    candidates: Sequence[Sequence[Item]] = (),
    options: Options = Options(),
    progress: Show = lambda _: None,
    title: str = "",
    read_seconds: float = 0.0,
) -> Decision:
    """Check, fit, evaluate on held-out votes, rank, ask and pick. Raises FitError where no likelihood can be fitted."""
    clock, seed = _Clock(progress, {"read": read_seconds}), options.seed
    rng = np.random.default_rng(seed)
    with clock.step("check", "Checking the feedback"):
        facts = Facts(feedback)
        summary: dict[str, Any] = {"schema": 1, "title": title, "seed": seed, "feedback": summary_of(facts)}
        findings = [Finding("read.note", "note", note) for note in feedback.notes] + list(findings_of(facts))
        del facts  # hundreds of megabytes where there are millions of judgements
        criterion = choose_criterion(feedback.table, options.criterion)
        findings += _other_criteria(feedback.table, criterion)
        table = feedback.table
        if (table.frame["criterion"] != criterion).any():
            table = table.where(pl.col("criterion") == criterion)
    with clock.step("fit", f"Fitting {criterion}"):
        train, test = hold_out(table, seed=seed)
        fitter = choose_fitter(
            train, criterion=criterion, utility=options.utility, features=options.features, seed=seed
        ).settled(train)
        if fitter.utility == "items":
            fitter = replace(fitter, prior_sd=options.prior_sd)
    with clock.step("evaluate", "Predicting held-out votes"):
        # First of all fits, so that the encoder learns from training texts only.
        prediction = _prediction(fitter, train, test, findings)
        evaluated = _evaluated(prediction, fitter, train, test, findings, rng)
    with clock.step("fit", "Fitting all votes"):
        posterior = fitter(table)
        findings += posterior.findings
    with clock.step("rank", "Ranking"):
        places = _ranked(replace(fitter, prior_sd=options.prior_sd), posterior, table, findings, rng)
    with clock.step("agree", "Measuring agreement"):
        agreed = agreement(table, prediction, predicted=test, findings=findings)
    with clock.step("raters", "Looking at raters"):
        reliability = reliability_of(table, criterion, seed=seed, findings=findings)
    with clock.step("ask", "Choosing the next questions"):
        asked = next_questions(posterior, table, candidates, count=options.questions, seed=seed, findings=findings)
    with clock.step("pick", "Picking among candidates"):
        picks = pick_best(posterior, candidates, findings=findings)
    summary |= {"model": described(posterior), **evaluated, **places, "agreement": agreed, "reliability": reliability}
    summary |= {"ask": asked, "picks": picks}
    summary |= {
        "findings": [asdict(finding) for finding in dict.fromkeys(findings)],
        "versions": versions(),
        "seconds": clock.seconds,
    }
    return Decision(summary, posterior, feedback)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}}


def _other_criteria(table: Table, criterion: str) -> list[Finding]:
    others = {name: n for name, n in criteria(table).items() if name != criterion}
    if not others:
        return []
    message = f"This report is about the criterion {criterion!r} only; {len(others)} others were also judged."
    fix = "Run again with --criterion to report on another."
    return [Finding("criterion.others", "note", message, fix, sum(others.values()), tuple(others)[:5])]


def _prediction(fitter: Fitter, train: Table, test: Table, findings: list[Finding]) -> Prediction | None:
    """What a model that saw only the training votes says of the others; None, with a finding, where it cannot."""
    if len(test) == 0:
        findings.append(_no_test("there are too few different prompts or votes to hold some out"))
        return None
    try:
        prediction = fitter(train).predict(test)
    except FitError as error:
        findings.append(_no_test(error.what))
        return None
    if np.isnan(prediction.log_prob).all():
        findings.append(_no_test("no held-out vote is about items that the training votes determine"))
        return None
    return prediction


def _evaluated(
    prediction: Prediction | None,
    fitter: Fitter,
    train: Table,
    test: Table,
    findings: list[Finding],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Held-out scores, learning curve and controls."""
    if prediction is None:
        return {"held_out": None, "controls": {"length_only": None, "random": None}}
    scores = held_out(prediction, test, rng=rng, split=describe_split(train, test), findings=findings)
    scores["learning_curve"] = learning_curve(
        fitter, train, test, _fractions(len(train)), whole=prediction, findings=findings
    )
    return {"held_out": scores, "controls": controls(train, test, prediction, seed=fitter.seed, findings=findings)}


def _fractions(n: int) -> list[float]:
    """Parts of the training votes for a learning curve: a tenth to a half, of at most `_CURVE` votes in all."""
    return [fraction * min(1.0, _CURVE / n) for fraction in FRACTIONS]


def _no_test(reason: str) -> Finding:
    return Finding(
        "held_out.none",
        "warning",
        f"How well the fit predicts new votes could not be measured: {reason}.",
        "Collect votes on more prompts.",
    )


def _ranked(
    fitter: Fitter, posterior: FittedPosterior, table: Table, findings: list[Finding], rng: np.random.Generator
) -> dict[str, Any]:
    """Ranking and win rates where items recur; a ranking rests on free utilities of items, under the prior given."""
    nothing: dict[str, Any] = {"ranking": [], "win_rates": []}
    if not items_recur(table):
        why = "Nothing is ranked: the feedback does not say which systems wrote the outputs, or none recurs."
        findings.append(Finding("ranking.none", "note", why, "Name the systems."))
        return nothing
    if fitter.utility != "items":
        try:
            posterior = replace(fitter, utility="items")(table)
        except FitError as error:
            findings.append(Finding("ranking.none", "warning", f"Nothing is ranked: {error.what}."))
            return nothing
        # The fit to texts has told how raters use their scales, in numbers that are a little others.
        findings += [finding for finding in posterior.findings if finding.code != OWN_SCALES]
    return ranked(posterior, table, rng, findings)
