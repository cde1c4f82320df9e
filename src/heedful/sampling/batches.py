"""What engines share in handling batches of contexts and scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Estimate, Floats, InputError, Item, Parts, Scores, UsageError


def refuse_no_contexts(contexts: Sequence[Parts]) -> None:
    """Raises UsageError where there is nothing to sample for."""
    if not contexts:
        raise UsageError("there are no contexts to sample for", where="contexts", fix="give at least one")


def by_context(contexts: Sequence[Parts]) -> dict[Parts, list[int]]:
    """The places of each different context. Raises UsageError where there is nothing to sample for."""
    refuse_no_contexts(contexts)
    places: dict[Parts, list[int]] = {}
    for place, context in enumerate(contexts):
        places.setdefault(context, []).append(place)
    return places


def draws(base: Base, context: Parts, n: int, rng: np.random.Generator) -> tuple[Item, ...]:
    """`n` draws of the base. Raises InputError where it gives another number."""
    drawn = base.sample(context, n, rng=rng) if n else ()
    if len(drawn) != n:
        raise InputError(f"the base gave {len(drawn)} samples, not the {n} asked for", where="base.sample")
    return drawn


def selected(scores: Scores, rows: NDArray[np.intp] | Sequence[int]) -> Scores:
    """The scores of some of the items."""
    return Scores(
        scores.mean[rows],
        None if scores.draws is None else scores.draws[:, rows],
        None if scores.aleatoric is None else scores.aleatoric[rows],
    )


def target_divergence(log_weight: Floats, score: Floats, log_normalizer: float) -> Estimate:
    """KL(target ‖ base) = E[score] − log Z under the target, of weighted draws [n] in one context."""
    n = len(score)
    if log_normalizer == -np.inf:
        return Estimate(np.inf, n, note="every draw was ruled out")
    weight = np.exp(log_weight - log_normalizer)
    value = float(weight[weight > 0] @ score[weight > 0]) - float(log_normalizer)
    note = "of the target, from weighted draws"
    return Estimate(max(value, 0.0), n, note=note if value >= 0 else f"{note}; {value:.3g} before it was cut at 0")


def concatenated(pieces: Sequence[Scores]) -> Scores:
    """Scores one after the other, at least one piece; draws and spread only where every piece has them."""
    draws = [piece.draws for piece in pieces]
    return Scores(
        np.concatenate([piece.mean for piece in pieces]),
        _all_or_none(draws, axis=1),
        _all_or_none([piece.aleatoric for piece in pieces], axis=0),
    )


def _all_or_none(arrays: Sequence[Any], axis: int) -> Floats | None:
    return None if any(array is None for array in arrays) else np.concatenate(arrays, axis=axis)
