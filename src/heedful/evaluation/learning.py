"""What more feedback would bring, seen from what less would have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from heedful.core import Finding, FitError
from heedful.evaluation.held_out import accuracy_estimate
from heedful.evaluation.rows import Dependence, Predicted, as_json, report
from heedful.evaluation.split import subsets
from heedful.feedback import Table

FRACTIONS = (0.1, 0.2, 0.5)


class Predictor(Protocol):
    """What fitting gives: it predicts the rows of a table."""

    def predict(self, table: Table, /) -> Predicted: ...


def learning_curve(
    fit: Callable[[Table], Predictor],
    train: Table,
    test: Table,
    fractions: Sequence[float] = FRACTIONS,
    *,
    whole: Predicted | None = None,
    seed: int = 0,
    level: float = 0.95,
    findings: list[Finding] | None = None,
) -> list[dict[str, Any]]:
    """Accuracy and log loss on `test` of fits to growing, nested parts of `train`, whole contexts at a time.

    The last point is the fit to all of `train`; `whole` is its prediction, where it has been made already.

    All points are scored on the same rows, those that every fit can predict, so that they can be compared; `n` is the
    number of judgements fitted, `n_test` of decided votes scored. Fits that cannot be made are left out and reported.
    """
    fitted: list[tuple[int, Predicted]] = []
    for part in (*subsets(train, sorted(fractions), seed=seed), train):
        try:
            prediction = whole if whole is not None and part is train else fit(part).predict(test)
        except FitError as error:
            message = f"No point of the learning curve at {len(part):,} judgements: {error.what}"
            report(findings, Finding("learning_curve.no_fit", "note", message, count=len(part)))
            continue
        if not np.isnan(prediction.probability).all():
            fitted.append((len(part), prediction))
    if not fitted:
        return []
    votes = np.all([~np.isnan(p.probability) & ~np.isnan(p.outcome) for _, p in fitted], axis=0)
    losses = np.all([np.isfinite(p.log_prob) for _, p in fitted], axis=0)
    dependence = Dependence.of(test)
    return [_point(n, prediction, votes, losses, dependence, level) for n, prediction in fitted if votes.any()]


def _point(
    n: int, prediction: Predicted, votes: Any, losses: Any, dependence: Dependence, level: float
) -> dict[str, Any]:
    found = accuracy_estimate(prediction, np.flatnonzero(votes), dependence, level=level)
    return {
        "n": n,
        "n_test": found.n,
        "accuracy": found.value,
        "accuracy_interval": as_json(found.interval),
        "log_loss": float(-prediction.log_prob[losses].mean()) if losses.any() else None,
    }
