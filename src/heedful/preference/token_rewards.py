"""Rewards of next tokens, from comparisons of whole outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, softmax

from heedful.core import Floats, InputError, Item, UsageError
from heedful.models import SequenceTable
from heedful.preference.step_policies import least

History = tuple[str, ...]


def fit_token_rewards(
    base: SequenceTable,
    first: Sequence[Item],
    second: Sequence[Item],
    preferred: Floats,
    *,
    order: int = 1,
    prior_sd: float = 1.0,
) -> SequenceTable:
    """The table π with P(first preferred) = σ(r(first) − r(second)) for r(y) = Σ_t log π(y_t | the `order` before it).

    `preferred` [n] are shares of votes for the first of each pair. By likelihood, under a prior N(0, prior_sd²) on the
    logit of each token after each history in the pairs (Xu et al. 2024, "GenARM: Reward guided generation with
    autoregressive reward model", equations 4 and 5). Histories are of words written; one that no pair has is read as a
    shorter one. To be used as `TokenGuide(π, 1 / β)`.

    Raises InputError where pairs do not fit together or the base cannot write an output, FitError where no maximum was
    reached, UsageError unless order is 0 or more and prior_sd above 0.
    """
    if order < 0 or not prior_sd > 0:
        raise UsageError(f"an order of {order} and a prior_sd of {prior_sd}", where="fit_token_rewards")
    if not len(first) == len(second) == len(preferred) > 0 or not ((preferred >= 0) & (preferred <= 1)).all():
        what = f"{len(first)} first outputs, {len(second)} second ones and {len(preferred)} shares do not fit together"
        raise InputError(what, where="fit_token_rewards", fix="give pairs, and for each a share of votes from 0 to 1")
    number: dict[History, int] = {}
    sides = [_counts(base, items, order, number) for items in (first, second)]
    shape = len(number), len(base.vocabulary)
    gap = np.zeros((len(first), *shape))
    for sign, (row, history, token) in zip((1, -1), sides, strict=True):
        np.add.at(gap, (row, history, token), sign)
    flat, visits = gap.reshape(len(first), -1), gap.sum(axis=2)

    def loss(logits: Floats) -> tuple[float, Floats]:
        table = logits.reshape(shape)
        reward = flat @ log_softmax(table, axis=1).ravel()
        pull = preferred * expit(-reward) - (1 - preferred) * expit(reward)
        slope = pull @ flat - ((pull @ visits)[:, None] * softmax(table, axis=1)).ravel()
        value = preferred @ log_expit(reward) + (1 - preferred) @ log_expit(-reward)
        return -float(value), -slope

    found = least(loss, flat.shape[1], prior_sd, "fit_token_rewards", steps=2000)
    law = softmax(found.reshape(shape), axis=1)
    following = {own: dict(zip(base.vocabulary, law[place].tolist(), strict=True)) for own, place in number.items()}
    return SequenceTable(following, base.max_tokens)


def _counts(
    base: SequenceTable, items: Sequence[Item], order: int, number: dict[History, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The item, the number of the history, and the token of each token written; histories are numbered as met."""
    found = []
    for row, tokens in enumerate(base.encode(items)):
        words = [base.vocabulary[token] for token in tokens.tolist()]
        for place, token in enumerate(tokens.tolist()):
            history = tuple(words[max(0, place - order) : place])
            found.append((row, number.setdefault(history, len(number)), token))
    columns = np.array(found, dtype=np.intp).reshape(-1, 3).T
    return columns[0], columns[1], columns[2]
