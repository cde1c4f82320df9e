"""What engines share in handling batches of contexts and scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Estimate, Floats, Parts, Samples, Scores, UsageError


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


def portions(base: Base, contexts: Sequence[Parts], rows: int) -> Iterator[Sequence[Parts]]:
    """Contexts, so many at a time that `rows` of each are at most the base's `batch_size`; all where it has none."""
    most = getattr(base, "batch_size", None)
    size = len(contexts) if most is None else max(1, most // rows)
    return (contexts[start : start + size] for start in range(0, len(contexts), size))


def joined(pieces: Sequence[Samples]) -> Samples:
    """Samples of contexts that follow each other, at least one piece. Costs add up; `kl` where every piece has it."""
    if len(pieces) == 1:
        return pieces[0]
    cost: Counter[str] = Counter()
    before, index = 0, []
    for piece in pieces:
        cost.update(piece.cost)
        index.append(piece.context_index + before)
        before += int(piece.context_index.max(initial=-1)) + 1
    kl = [piece.kl for piece in pieces]
    return Samples(
        items=tuple(item for piece in pieces for item in piece.items),
        context_index=np.concatenate(index),
        log_weights=np.concatenate([piece.log_weights for piece in pieces]),
        scores=concatenated([piece.scores for piece in pieces]),
        cost=dict(cost),
        kl=None if any(own is None for own in kl) else tuple(each for own in kl if own is not None for each in own),
        log_normalizer=_all_or_none([piece.log_normalizer for piece in pieces], axis=0),
    )


def one_each(samples: Samples, *, rng: np.random.Generator) -> Samples:
    """One row per context, drawn in proportion to its weight: the way from weighted outputs to answers.

    Its log-weight is 0, or −inf where every row of its context was ruled out (one is kept nevertheless). Costs, `kl`
    and `log_normalizer` are those of all rows.
    """
    noisy = samples.log_weights + rng.gumbel(size=len(samples.log_weights))
    order = np.lexsort((-noisy, samples.context_index))
    contexts, first = np.unique(samples.context_index[order], return_index=True)
    rows = order[first]
    return Samples(
        items=tuple(samples.items[row] for row in rows.tolist()),
        context_index=contexts,
        log_weights=np.where(np.isneginf(samples.log_weights[rows]), -np.inf, 0.0),
        scores=selected(samples.scores, rows),
        cost=samples.cost,
        kl=samples.kl,
        log_normalizer=samples.log_normalizer,
    )
