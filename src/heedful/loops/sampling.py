"""From a model, contexts and evidence to answers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import Base, Bound, Budget, InputError, Parts, Potential, Samples, UsageError
from heedful.core.algebra import Expression
from heedful.evidence import Constant, Matching, PrefixValue, term, valid_json
from heedful.loops.engines import Sampling
from heedful.loops.steps import posterior_at
from heedful.loops.testing import read_tests
from heedful.loops.wording import texts_of
from heedful.models import Endpoint, TokenModel
from heedful.sampling import one_each
from heedful.target import Target


def sample(base: Base, contexts: Sequence[Parts], evidence: Potential, how: Sampling) -> dict[str, Any]:
    """One answer per context from base · exp(evidence), as rows; what it cost, and what it could have cost at most.

    A row has `context`, `output`, `system`, `score` (the evidence, nats), `log_normalizer` where the engine knows it,
    and `kl`, what is known of KL(answers ‖ base) in nats: nothing, where each is one of several weighted outputs.
    `missing` counts contexts for which none was found. Raises BudgetExceededError before anything is written.
    """
    engine, begun = how.made(base, evidence), time.process_time()
    budget = Budget() if how.budget is None else Budget(tokens=how.budget)
    if how.budget is not None and not isinstance(base, TokenModel | Endpoint):
        raise UsageError(f"{type(base).__name__} counts no tokens", where="budget", fix="leave the budget out")
    rng = np.random.default_rng(how.seed)
    found = engine(Target(base, evidence), contexts, budget=budget, rng=rng)
    several, honesty = len(found.items) > len(contexts), engine.honesty
    if several:  # of weighted outputs one each, whose law tends to the target's
        found = replace(one_each(found, rng=rng), kl=None)
        honesty = "consistent" if honesty == "proper" else honesty
    rows = [_row(found, row, context) for row, context in enumerate(found.context_index.tolist())]
    return {
        "engine": how.engine,
        "honesty": honesty,
        "samples": rows,
        "missing": len(contexts) - len(rows),
        "plan": engine.plan(base, contexts),
        "cost": {**found.cost, "seconds": round(time.process_time() - begun, 3)},
    }


def planned_cost(base: Base, contexts: Sequence[Parts], how: Sampling) -> dict[str, float]:
    """The most that `sample` can cost: outputs, scores, model tokens, and calls of a server, none sent again.

    Raises InputError or UsageError where a context cannot be read, or sent.
    """
    return how.made(base, PrefixValue(Constant(0.0), "twist")).plan(base, contexts)


def evidence_of(
    folders: Sequence[str],
    *,
    matching: Sequence[str] = (),
    schema: str | None = None,
    prefixes: bool = False,
    tests: str | None = None,
    unsafe: bool = False,
) -> Expression:
    """Σ strength · posterior of saved posteriors, each named as FOLDER or FOLDER=STRENGTH (1 where none is given).

    matching: regular expressions that outputs must match whole. schema: a file with a JSON Schema that outputs must
    follow. prefixes: whether posteriors are asked about unfinished outputs, as if they were whole. tests: a file of
    tests (see `read_tests`) that outputs must pass, `unsafe` without isolation. Raises UsageError where there is no
    evidence at all, a strength is no number, or `unsafe` has no tests to run.
    """
    if unsafe and tests is None:
        raise UsageError("unsafe is of tests, and there are none", where="unsafe", fix="give tests, or leave it out")
    total: list[Expression] = []
    for folder, strength in map(_strength, folders):
        told = _of_texts(folder)
        total.append(strength * (PrefixValue(told, "twist") if prefixes else told))
    total += [term(Matching(pattern)) for pattern in matching]
    if schema is not None:
        total.append(term(valid_json(_schema(schema))))
    if tests is not None:
        total.append(term(read_tests(tests, unsafe=unsafe)))
    if not total:
        fix = "give a posterior (heedful fit ... --out FOLDER), a form to match, a JSON Schema, or tests"
        raise UsageError("there is no evidence", where="evidence", fix=fix)
    return sum(total[1:], start=total[0])


def _schema(file: str) -> Any:
    try:
        return json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"a JSON Schema cannot be read from it ({error})", where=file) from error


def _of_texts(folder: str) -> Any:
    fitted = posterior_at(folder)
    if fitted.model.get("utility") == "items":
        raise UsageError(
            "this posterior is of systems, and says nothing of a new text",
            where=folder,
            fix="fit one of texts: heedful fit ... --utility features",
        )
    return fitted.potential()


def _strength(named: str) -> tuple[str, float]:
    folder, equals, strength = named.rpartition("=")
    if not equals or Path(named).is_dir():
        return named, 1.0
    try:
        return folder, float(strength)
    except ValueError as error:
        raise UsageError(f"{strength!r} is no strength", where=named, fix="write FOLDER=2.0") from error


def _row(found: Samples, row: int, context: int) -> dict[str, Any]:
    item = found.items[row]
    shown = texts_of(item)
    told: dict[str, Any] = {
        "context": shown["context"],
        "output": shown["output"] or "",
        "system": item.system,
        "score": float(found.scores.mean[row]),
        "ruled_out": bool(np.isneginf([found.log_weights[row], found.scores.mean[row]]).any()),
    }
    if found.kl is not None:
        kl = found.kl[context]
        told["kl"] = {"value": kl.value, "is": f"{kl.side} bound" if isinstance(kl, Bound) else "estimate"}
    if found.log_normalizer is not None:
        told["log_normalizer"] = float(found.log_normalizer[context])
    return told
