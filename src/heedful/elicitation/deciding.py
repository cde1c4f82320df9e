"""Whether to go on asking, and how long it will take to know the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.race import Race, against
from heedful.stats import closed_rejections, coin_capital


@dataclass(frozen=True)
class Standing:
    """The item of the greatest mean utility; `doubt`, the probability that another is better than it; and `loss`, how
    much utility (nats) the best is expected to have more: no further question can be worth more than that."""

    best: Item
    doubt: float
    loss: float


def standing(posterior: Any, items: Sequence[Item]) -> Standing:
    """What choosing now would be worth, by a posterior's draws. Raises UsageError without draws or items."""
    draws = posterior(items).draws if items else None
    if draws is None:
        raise UsageError("a choice is among items, and judged by a posterior's draws of them", where="standing")
    best = int(draws.mean(axis=0).argmax())
    lead = draws.max(axis=1) - draws[:, best]
    return Standing(items[best], float((lead > 0).mean()), float(lead.mean()))


def stop_reason(
    queries: Queries, now: Standing | None = None, race: Race | None = None, *, worth: float = 0.0, doubt: float = 0.05
) -> str | None:
    """Why to ask no more, or None to go on.

    "nothing to ask": there is no question. "settled": the best is in doubt by no more than `doubt`, and of the race
    only that one is left; of the two, what is not given is not asked for. "not worth asking": no question gains more
    nats for its cost than `worth`. A question that costs nothing is worth asking if it gains anything.
    """
    if worth < 0 or not 0 <= doubt < 1:
        raise UsageError(f"worth is at least 0 and doubt in [0, 1), not {worth} and {doubt}", where="stop_reason")
    sure = now is None or now.doubt <= doubt
    alone = race is None or (len(race.left) == 1 and (now is None or race.left == (now.best,)))
    if (now is not None or race is not None) and sure and alone:
        return "settled"
    if not len(queries.items):
        return "nothing to ask"
    return None if (queries.expected_gain > worth * queries.cost).any() else "not worth asking"


@dataclass(frozen=True)
class BestPlan:
    """How many labels a race takes, by `runs` simulated ones.

    With `labels` a share of `power` of the races had found one best item; None where fewer had within the limit.
    `median` likewise for one half. `decided` is the share that had in all, `wrong` the share that threw out a best one.
    """

    labels: int | None
    median: int | None
    power: float
    alpha: float
    decided: float
    wrong: float
    runs: int


def plan_best(
    prefer: ArrayLike,
    *,
    tie: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.9,
    rounds: int = 1000,
    runs: int = 200,
    seed: int = 0,
) -> BestPlan:
    """Labels until the best of k items is known at level `alpha`: a `Race` in which all pairs still in are asked about
    in turn, for up to `rounds` rounds, simulated.

    `prefer` [k, k]: how probably the row's item wins against the column's if there is no tie; or [d, k, k], d possible
    truths such as draws of a posterior, of which every run takes one. `tie` is the probability of a tie.
    Raises InputError where these are not probabilities, or do not mirror.
    """
    truths, rng = _checked(prefer, tie, power), np.random.default_rng(seed)
    if rounds < 1 or runs < 1:
        raise InputError(f"at least one round and one run are needed, not {rounds} and {runs}", where="plan_best")
    truth = truths[rng.integers(len(truths), size=runs)]
    labels, out = _simulated(truth, tie, alpha, rounds, rng)
    decided = (~out).sum(axis=1) == 1
    best = (truth >= 0.5 - 1e-12).all(axis=2)
    taken = np.where(decided, labels, np.inf)
    quantiles = (np.quantile(taken, share, method="higher") for share in (power, 0.5))
    enough, median = (int(value) if np.isfinite(value) else None for value in quantiles)
    return BestPlan(enough, median, power, alpha, float(decided.mean()), float((out & best).any(axis=1).mean()), runs)


def _simulated(
    truth: Floats, tie: float, alpha: float, rounds: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Labels [r] that races with these truths [r, k, k] took, and who is out [r, k] at their end."""
    runs, k = truth.shape[:2]
    labels, out = np.zeros(runs), np.zeros((runs, k), dtype=bool)
    wins, log_e = np.zeros(truth.shape), np.zeros(truth.shape)
    one, other = np.triu_indices(k, 1)
    for _ in range(rounds):
        run, pair = np.nonzero(~(out[:, one] | out[:, other]))
        if not len(run):
            break
        a, b, tied = one[pair], other[pair], rng.random(len(run)) < tie
        won = rng.random(len(run)) < truth[run, a, b]
        wins[run, a, b] += won & ~tied
        wins[run, b, a] += ~won & ~tied
        for i, j in ((a, b), (b, a)):
            log_e[run, i, j] = coin_capital(wins[run, i, j], wins[run, j, i])
        out |= closed_rejections(against(log_e), alpha)
        labels += np.bincount(run, minlength=runs)
    return labels, out


def _checked(prefer: ArrayLike, tie: float, power: float) -> Floats:
    given = np.asarray(prefer, dtype=np.float64)
    truths = given[None] if given.ndim == 2 else given
    if truths.ndim != 3 or truths.shape[1] != truths.shape[2] or truths.shape[1] < 2 or not len(truths):
        raise InputError(f"shape [k, k] or [d, k, k] is needed, not {list(given.shape)}", where="prefer")
    if not np.allclose(truths + truths.transpose(0, 2, 1), 1.0) or truths.min() < 0:
        raise InputError("P(row wins) and P(column wins) are probabilities that add up to 1", where="prefer")
    if not (0 <= tie < 1 and 0 < power < 1):
        raise InputError(f"tie is in [0, 1) and power in (0, 1), not {tie} and {power}", where="plan_best")
    return truths
