"""From a model, contexts and evidence to answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from heedful.core import Base, Bound, Budget, Item, Parts, Potential, UsageError
from heedful.core.algebra import Expression
from heedful.loops.steps import posterior_at
from heedful.loops.testing import read_tests
from heedful.loops.wording import texts_of
from heedful.models import Endpoint, TokenModel
from heedful.sampling import BestOfN, Particles, one_each
from heedful.target import Target

EngineName = Literal["best-of-n", "soft", "particles"]
ENGINES: tuple[EngineName, ...] = ("best-of-n", "soft", "particles")


@dataclass(frozen=True)
class Sampling:
    """How to sample: `n` outputs or particles a context by `engine`, of model tokens at most `budget` (None: no cap).

    "best-of-n" keeps the output of the best score, less `pessimism` posterior standard deviations; "soft" and
    "particles" draw from the target, the first by weights of whole outputs, the second while they are written.
    """

    engine: EngineName = "best-of-n"
    n: int = 16
    budget: float | None = None
    pessimism: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"no engine {self.engine!r}", where="engine", fix=f"one of {', '.join(ENGINES)}")
        if self.pessimism and self.engine != "best-of-n":
            fix = "use best-of-n, or give the pessimistic evidence itself"
            raise UsageError("pessimism is of best-of-n alone", where="pessimism", fix=fix)

    def made(self) -> BestOfN | Particles:
        """The engine."""
        if self.engine == "particles":
            return Particles(self.n)
        return BestOfN(self.n, pessimism=self.pessimism, soft=self.engine == "soft")


def sample(base: Base, contexts: Sequence[Parts], evidence: Potential, how: Sampling) -> dict[str, Any]:
    """One answer per context from base · exp(evidence), as rows; what it cost, and what it could have cost at most.

    A row has `context`, `output`, `system`, `score` (the evidence, nats), `log_normalizer` where the engine knows it,
    and `kl`, what is known of KL(answers ‖ base) in nats. Raises BudgetExceededError before anything is written.
    """
    engine, begun = how.made(), time.process_time()
    budget = Budget() if how.budget is None else Budget(tokens=how.budget)
    if how.budget is not None and not isinstance(base, TokenModel | Endpoint):  # whose journal holds the cap itself
        raise UsageError(f"{type(base).__name__} counts no tokens", where="budget", fix="leave the budget out")
    rng = np.random.default_rng(how.seed)
    found = engine(Target(base, evidence), contexts, budget=budget, rng=rng)
    if isinstance(engine, Particles):
        found = one_each(found, rng=rng)
    rows = [
        _row(item, float(found.scores.mean[row])) | {"ruled_out": bool(np.isneginf(found.log_weights[row]))}
        for row, item in enumerate(found.items)
    ]
    for row, kl in zip(rows, found.kl or (), strict=False):
        row["kl"] = {"value": kl.value, "is": f"{kl.side} bound" if isinstance(kl, Bound) else "estimate"}
    if found.log_normalizer is not None:
        for row, value in zip(rows, found.log_normalizer.tolist(), strict=True):
            row["log_normalizer"] = value
    return {
        "engine": how.engine,
        "honesty": engine.honesty,
        "samples": rows,
        "plan": engine.plan(base, contexts),
        "cost": {**found.cost, **_bought(base), "seconds": round(time.process_time() - begun, 3)},
    }


def planned_cost(base: Base, contexts: Sequence[Parts], how: Sampling) -> dict[str, float]:
    """The most that `sample` can cost: outputs, scores and model tokens, those of the contexts not counted."""
    return how.made().plan(base, contexts)


def evidence_of(folders: Sequence[str], tests: str | None = None, *, unsafe: bool = False) -> Expression:
    """Σ strength · posterior of saved posteriors, each named as FOLDER or FOLDER=STRENGTH (1 where none is given).

    With a file of `tests` (see `read_tests`), outputs that fail one are ruled out. Raises UsageError where there is no
    evidence at all, a strength is no number, or `unsafe` has no tests to run.
    """
    if unsafe and tests is None:
        raise UsageError("unsafe is of tests, and there are none", where="unsafe", fix="give tests, or leave it out")
    total: list[Expression] = [strength * _of_texts(folder) for folder, strength in map(_strength, folders)]
    if tests is not None:
        total.append(Expression.of(read_tests(tests, unsafe=unsafe)))
    if not total:
        fix = "give a posterior (heedful fit ... --out FOLDER) or tests"
        raise UsageError("there is no evidence", where="evidence", fix=fix)
    return sum(total[1:], start=total[0])


def _of_texts(folder: str) -> Any:
    fitted = posterior_at(folder)
    if fitted.model.get("utility") == "items":
        raise UsageError(
            "this posterior is of systems, and says nothing of a new text",
            where=folder,
            fix="fit one of texts: heedful fit ... --utility features",
        )
    return fitted.potential()


def _bought(base: Base) -> dict[str, float]:
    """Calls, tokens and money charged to an endpoint."""
    return dict(base.spending().charged) if isinstance(base, Endpoint) else {}


def _strength(named: str) -> tuple[str, float]:
    folder, equals, strength = named.rpartition("=")
    if not equals or Path(named).is_dir():
        return named, 1.0
    try:
        return folder, float(strength)
    except ValueError as error:
        raise UsageError(f"{strength!r} is no strength", where=named, fix="write FOLDER=2.0") from error


def _row(item: Item, score: float) -> dict[str, Any]:
    shown = texts_of(item)
    return {"context": shown["context"], "output": shown["output"] or "", "system": item.system, "score": score}
