"""Two predictions of the same judgements."""

from __future__ import annotations

from typing import Any

import numpy as np

from heedful.core import Estimate, Floats
from heedful.evaluation.rows import Dependence, Predicted, Rows, as_json, check_aligned, decided, targets, with_note
from heedful.feedback import Table
from heedful.stats import accuracy, brier, paired_difference


def compare(first: Predicted, second: Predicted, table: Table, *, level: float = 0.95) -> dict[str, Any]:
    """Paired differences, first − second, of log loss (nats), accuracy and Brier score, on rows that both predict.

    For each: {"difference", "difference_interval", "p_value", "n", "note"}; None where there are no common rows. A
    negative difference of log loss or Brier score, or a positive one of accuracy, favours the first. Intervals and
    p-values respect prompts and raters that recur. Raises InputError where a prediction is not of this table.
    """
    for prediction in (first, second):
        check_aligned(prediction, table)
    dependence = Dependence.of(table)
    voted = np.intersect1d(decided(first), decided(second))
    scored = np.flatnonzero(np.isfinite(first.log_prob) & np.isfinite(second.log_prob))
    aims = [targets(prediction, table) for prediction in (first, second)]
    known = [~np.isnan(aim) & ~np.isnan(one.probability) for one, aim in zip((first, second), aims, strict=True)]
    aimed = np.flatnonzero(known[0] & known[1])
    right = [accuracy(one.probability[voted], one.outcome[voted]) for one in (first, second)]
    square = [brier(one.probability[aimed], aim[aimed]) for one, aim in zip((first, second), aims, strict=True)]
    return {
        "log_loss": difference(-first.log_prob[scored], -second.log_prob[scored], scored, dependence, level=level),
        "accuracy": difference(right[0], right[1], voted, dependence, level=level),
        "brier": difference(square[0], square[1], aimed, dependence, level=level),
    }


def difference(
    first: Floats, second: Floats, rows: Rows, dependence: Dependence, *, level: float = 0.95
) -> dict[str, Any] | None:
    """The paired difference of two scores of the same rows, as it stands in a summary; None where there are no rows."""
    if not len(rows):
        return None
    clusters, note = dependence.within(rows)
    estimate, p_value = paired_difference(first, second, clusters=clusters, level=level)
    return _as_json(estimate, p_value, note)


def _as_json(estimate: Estimate, p_value: float, note: str) -> dict[str, Any]:
    return {
        "difference": estimate.value,
        "difference_interval": as_json(estimate.interval),
        "p_value": None if np.isnan(p_value) else p_value,
        "n": estimate.n,
        "note": with_note(estimate, note),
    }
