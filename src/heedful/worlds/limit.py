"""Where a misspecified fit converges: the strengths closest to a world whose votes follow another law."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from heedful.core import FitError, Floats
from heedful.worlds.raters import tie_probabilities


def davidson_limit(outcomes: Floats) -> tuple[Floats, float]:
    """Strengths [n], centred, and tie weight that a Davidson fit to endless votes on uniformly random pairs finds.

    outcomes: [3, n, n], P(row first, wins), P(column wins), P(tie), for each ordered pair; the diagonal is ignored.
    They minimise the Kullback-Leibler divergence from the outcomes to the model (White 1982): at the limit the model's
    expected score of each item, and its rate of ties, equal the world's. Without ties this is Bradley-Terry.
    Raises FitError where some items win against all others always, so that no finite strengths are closest.
    """
    n = outcomes.shape[1]
    ahead_of = csr_array((outcomes[0] + outcomes[1].T + outcomes[2] > 0) & ~np.eye(n, dtype=bool))
    if connected_components(ahead_of, connection="strong")[0] > 1:
        raise FitError("no finite strengths are closest to this world: some items always win", where="davidson_limit")
    rows, columns = np.nonzero(~np.eye(n, dtype=bool))
    first, second, tie = outcomes[:, rows, columns]
    score = first + tie / 2
    expected = np.bincount(rows, score, n) + np.bincount(columns, 1 - score, n)
    with_ties = bool(tie.any())

    def loss(free: Floats) -> tuple[float, Floats]:
        strengths, weight = free[:n], float(np.exp(free[n])) if with_ties else 0.0
        model = tie_probabilities(strengths[rows] - strengths[columns], weight, "davidson")
        log = [np.log(np.maximum(each, np.finfo(float).tiny)) for each in model]
        nats = -float(first @ log[0] + second @ log[1] + (tie @ log[2] if with_ties else 0.0))
        modelled = model[0] + model[2] / 2
        ahead = np.bincount(rows, modelled, n) + np.bincount(columns, 1 - modelled, n)
        # d/d strength of the log weights is +-1/2 for a win or loss and 0 for a tie: half the score each side.
        slope = np.append(ahead - expected, (model[2] - tie).sum() if with_ties else 0.0)
        return nats, slope

    start = np.zeros(n + 1)
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9 * n, "maxiter": 2000})
    if np.abs(found.jac).max() > 1e-6 * n:
        raise FitError("the closest strengths were not found", where="davidson_limit")
    strengths = found.x[:n]
    return strengths - strengths.mean(), float(np.exp(found.x[n])) if with_ties else 0.0
