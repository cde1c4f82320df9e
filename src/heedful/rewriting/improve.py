"""The front door: a program, examples and evidence in; a better program, and an honest claim, out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from heedful.core import Budget, Potential, UsageError
from heedful.models import Journal, Writer
from heedful.rewriting.audit import Audit
from heedful.rewriting.calling import inputs_of
from heedful.rewriting.improving import Improving
from heedful.rewriting.judging import Critic, Failures, Worth, context_of, spoken_of
from heedful.rewriting.outcomes import Improved
from heedful.rewriting.proposing import Rewriter
from heedful.rewriting.splits import Splits
from heedful.rewriting.tracing import Program
from heedful.rewriting.versus import Versus


def improve(
    program: Program | Callable[..., Any],
    examples: Splits | Sequence[Any],
    evidence: Potential | Versus,
    *,
    writer: Writer | None = None,
    critic: Critic | None = None,
    engine: Improving | None = None,
    bounds: tuple[float, float] | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    audit: Audit | str | os.PathLike[str] | None = None,
    journal: Journal | None = None,
    a_run: Mapping[str, float] | None = None,
) -> Improved:
    """A program whose texts, code and numbers are rewritten as far as evidence proves that it got better.

    program   a function, or `trace` of one, that reads parameters (`Text`, `Code`, `Number`)
    examples  its inputs: mappings by name, or single values of a program with one input; they are split into those that
              feedback is drawn from, those of which people said something among them, those that decide, and those
              that measure once (`Splits` sets them by hand)
    evidence  what is good: any sum of potentials, of (inputs, output) as an item; or `Versus`: who is asked, while it
              runs, which of two outputs is better
    writer    the model that rewrites: an `Endpoint`, or any writer. Needed unless `engine` says how to propose
    critic    says what is wrong with an output, in words; without one, what it earned and its errors are told
    engine    how to search, where `Improving(Rewriter(writer), critic=critic)` will not do
    bounds    of the evidence, as of `Worth`
    budget    caps on runs, and on calls and tokens of the writer and the critic
    seed      of everything random, the split too
    audit     a file for every decision, as JSON Lines, or an `Audit`
    journal   that of the endpoints: of its caps, too, is held back what the claim takes
    a_run     what a run costs, by unit, where that is known beforehand: {"calls": 2}

    What is kept is better with probability 1 − alpha over the whole run, by paired tests on examples that it was not
    proposed from; what is claimed was measured once, on examples that no step has seen. Raises UsageError for settings
    that do not go together, InputError for too few examples, and what `Improving` raises.
    """
    if engine is None and writer is None:
        raise UsageError("somebody has to rewrite", where="improve", fix="give a writer, such as an Endpoint")
    if engine is not None and (writer is not None or critic is not None):
        raise UsageError("an engine has its own writer and critic", where="improve", fix="give them to the engine")
    if engine is None and writer is not None:
        engine = Improving(Rewriter(writer), critic=critic or Failures())
    if bounds is not None and isinstance(evidence, Versus):
        raise UsageError("votes have no bounds", where="improve", fix="leave out bounds")
    assert engine is not None
    traced = program if isinstance(program, Program) else Program(program)
    spoken = spoken_of(engine.critic)
    splits = (
        examples
        if isinstance(examples, Splits)
        else Splits.of(
            [_inputs(traced, own) for own in examples], known=lambda own: context_of(own) in spoken, seed=seed
        )
    )
    spent = Budget() if budget is None else budget
    worth = evidence if isinstance(evidence, Versus) else Worth(evidence, bounds)
    rng, record = np.random.default_rng(seed), audit if isinstance(audit, Audit) else Audit(audit)
    return engine(traced, worth, splits, budget=spent, rng=rng, audit=record, journal=journal, a_run=a_run)


def _inputs(program: Program, example: Any) -> Mapping[str, Any]:
    """An example as inputs by name. Raises UsageError where the program cannot be called with it."""
    args, named = ((), example) if isinstance(example, Mapping) else ((example,), {})
    try:
        return inputs_of(inspect.signature(program.function), args, named)
    except TypeError as error:
        what = f"the program cannot be called with the example {str(example)[:100]!r} ({error})"
        raise UsageError(what, where="examples", fix="give mappings from the names of its inputs") from error
