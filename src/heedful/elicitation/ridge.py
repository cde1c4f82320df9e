"""Linear prediction whose penalty is chosen by what it predicts of rows left out."""

from __future__ import annotations

import numpy as np

from heedful.core import Floats

# Penalties tried, as multiples of the mean square of a standardised column.
PENALTIES = np.geomspace(1e-4, 1e3, 15)


def ridge(columns: Floats, y: Floats) -> tuple[float, Floats, float]:
    """y [n] ≈ level + columns [n, d] · weights: the level, the weights [d] and the root mean square error on rows left
    out, which the penalty makes least (leave one out, in closed form). Columns are penalised as if of variance 1; one
    that does not vary has the weight 0."""
    centre, scale = columns.mean(axis=0), columns.std(axis=0)
    scale[scale < 1e-12] = np.inf
    middle = y.mean()
    u, singular, vt = np.linalg.svd((columns - centre) / scale, full_matrices=False)
    explained, found = u.T @ (y - middle), []
    for penalty in PENALTIES * len(y):
        shrunk = singular**2 / (singular**2 + penalty)
        leverage = (u**2) @ shrunk + 1 / len(y)
        left = (y - middle - u @ (shrunk * explained)) / (1 - leverage)
        found.append((float(np.sqrt((left**2).mean())), penalty))
    error, penalty = min(found)
    weights = vt.T @ (singular / (singular**2 + penalty) * explained) / scale
    return float(middle - centre @ weights), weights, error
