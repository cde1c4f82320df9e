"""Both bad, and incomparable: outcomes of a comparison that say more than which is better.

The answers to "which is better?" compete as in Davidson's model, with two more beside them (Luce's choice axiom with an
outside option):

    first: e^{u_i}   second: e^{u_j}   tie: ν e^{(u_i + u_j)/2}   both bad: 1
    incomparable: e^{κ0 + κ1 s_ij + (u_i + u_j)/2}

Both are bad where neither reaches a threshold, which is the zero of utilities: an item at 0 shown alone is as often
"not good enough" as good. So such votes give utilities a zero point, which comparisons alone cannot. Incomparable is
said of options, whatever their worth, the more often the further apart people's utilities put them: `spread` s_ij is
given, for example `disagreement` of groups. Log-probabilities are concave in all parameters together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, special

from heedful.core import FitError, Floats, InputError, Item
from heedful.feedback import CHOICES, Table
from heedful.preference.backtracking import along, backtracked
from heedful.preference.likelihoods import summed
from heedful.preference.noise import Dense, mirrored
from heedful.preference.observations import Indices
from heedful.preference.people import checks
from heedful.preference.people.groups import Groups
from heedful.preference.persistence import Saved
from heedful.preference.posterior import FittedPosterior
from heedful.preference.utilities import FreeItems

OUTCOMES = ("first", "second", "tie", "both_bad", "incomparable")
_NUISANCES = {"tie": ("log tie",), "incomparable": ("log incomparable", "incomparable by spread")}
NUISANCE_SD = 5.0


@dataclass(frozen=True, eq=False)
class Answers:
    """Votes counted per pair: `counts` [5, P] by `OUTCOMES`, from the side of `first` [P] < `second` [P].

    `spread` [P] is how far apart people put each pair (0 where that is not known).
    """

    names: tuple[str, ...]
    first: Indices
    second: Indices
    counts: Floats
    spread: Floats
    criterion: str = "overall"

    @classmethod
    def of(cls, table: Table, criterion: str = "overall") -> Answers:
        """All comparisons between systems in a table; InputError where there are none."""
        frame = table.frame
        kept = (frame["kind"].cast(str) == "comparison") & (table.column("criterion").fill_null(criterion) == criterion)
        pairs = frame.filter(kept)["systems"].to_list()
        known = np.array([bool(p) and None not in p and p[0] != p[1] for p in pairs], dtype=bool)
        if not known.any():
            raise InputError("there are no comparisons between systems", where="Answers")
        sides = np.array([p for p, good in zip(pairs, known, strict=True) if good])
        names, code = np.unique(sides, return_inverse=True)
        outcome = frame.filter(kept)["choice"].to_physical().to_numpy()[known].astype(np.intp)
        ordered = np.array([OUTCOMES.index(name) for name in CHOICES])[outcome]
        first, second = code.reshape(-1, 2).T
        return cls.from_arrays(first, second, ordered, tuple(names.tolist()), criterion=criterion)

    @classmethod
    def from_arrays(
        cls, first: Indices, second: Indices, outcome: Indices, names: Sequence[str], *, criterion: str = "overall"
    ) -> Answers:
        """From votes [v], `outcome` an index into `OUTCOMES`. Raises InputError for codes that do not fit."""
        n = len(names)
        first, second = checks.two_items(first, second, n, "Answers")
        outcome = checks.among(outcome, range(5), len(first), "Answers").astype(np.intp)
        swapped = first > second
        mirrored_outcome = np.where(swapped & (outcome < 2), 1 - outcome, outcome)
        low, high = np.minimum(first, second), np.maximum(first, second)
        distinct, cell = np.unique(low * n + high, return_inverse=True)
        counts = np.bincount(mirrored_outcome * len(distinct) + cell, minlength=5 * len(distinct)).reshape(5, -1)
        spread = np.zeros(len(distinct))
        return cls(tuple(names), distinct // n, distinct % n, counts.astype(np.float64), spread, criterion)

    def with_spread(self, groups: Groups) -> Answers:
        """With the disagreement of groups about each pair."""
        items = [Item(system=name) for name in self.names]
        spread = disagreement(groups, [items[i] for i in self.first], [items[j] for j in self.second])
        return replace(self, spread=spread)

    @cached_property
    def outcomes(self) -> tuple[int, ...]:
        """The outcomes that occur, and always both sides and both bad."""
        return tuple(o for o in range(5) if o in (0, 1, 3) or self.counts[o].any())

    @cached_property
    def nuisances(self) -> tuple[str, ...]:
        names = [name for o in self.outcomes for name in _NUISANCES.get(OUTCOMES[o], ())]
        return tuple(name for name in names if name != "incomparable by spread" or self.spread.any())

    @cached_property
    def logits(self) -> Floats:
        """How each outcome's logit depends on utilities and nuisance parameters [o, P, n + p]."""
        pairs, n = len(self.first), len(self.names)
        through = np.zeros((len(self.outcomes), pairs, n + len(self.nuisances)))
        rows = np.arange(pairs)
        for at, outcome in enumerate(self.outcomes):
            for share, side in zip(_SHARES[outcome], (self.first, self.second), strict=True):
                through[at, rows, side] += share
            for name in _NUISANCES.get(OUTCOMES[outcome], ()):
                if name in self.nuisances:
                    by = self.spread if name == "incomparable by spread" else 1.0
                    through[at, :, n + self.nuisances.index(name)] = by
        return through


_SHARES = ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.0, 0.0), (0.5, 0.5))


def log_likelihood(answers: Answers, x: Floats) -> tuple[float, Floats, Floats]:
    """Value, gradient [P] and information [P, P] at x = (utilities, nuisance parameters)."""
    through, counts = answers.logits, answers.counts[list(answers.outcomes)]
    log_p = special.log_softmax(through @ x, axis=0)
    p, total = np.exp(log_p), counts.sum(axis=0)
    mean = np.einsum("op,opx->px", p, through)
    gradient = np.einsum("op,opx->x", counts - total * p, through)
    flat = through.reshape(-1, len(x))
    information = flat.T @ ((total * p).reshape(-1, 1) * flat)
    return float(np.vdot(counts, log_p)), gradient, information - mean.T @ (total[:, None] * mean)


@dataclass(frozen=True, eq=False)
class Absolute(Saved):
    """Utilities with a zero point: `posterior` (not centred: above 0 is good enough), and the nuisance parameters by
    name with their standard errors."""

    posterior: FittedPosterior
    nuisance: dict[str, tuple[float, float]]
    log_likelihood: float

    def acceptable(self, items: Sequence[Item]) -> Floats:
        """P(u > 0) [n]: that an item is good enough more often than not, by the draws."""
        utility = self.posterior.utility.evaluate(items, self.posterior.draws)
        return np.asarray((utility > 0).mean(axis=0))


def fit_absolute(answers: Answers, *, prior_sd: float = 2.5, draws: int = 1000, seed: int = 0) -> Absolute:
    """Utilities against the threshold at 0, under a prior N(0, prior_sd²), by Newton's method with Laplace's draws.

    Raises FitError where no vote is "both bad", or all are: nothing then ties utilities to an absolute standard;
    UsageError for a prior_sd that is not above 0 and finite, or draws below 1.
    """
    checks.width(prior_sd, "prior_sd")
    checks.at_least(1, draws=draws)
    if not answers.counts[3].any() or not answers.counts[:3].any():
        raise FitError("without votes of both kinds, both bad and not, utilities have no zero", where="fit_absolute")
    n = len(answers.names)
    precision = np.append(np.full(n, prior_sd**-2), np.full(len(answers.nuisances), NUISANCE_SD**-2))

    def value(x: Floats) -> float:
        return log_likelihood(answers, x)[0] - float(precision @ x**2) / 2

    x = np.zeros(len(precision))
    for _ in range(100):
        _, gradient, information = log_likelihood(answers, x)
        step = linalg.solve(information + np.diag(precision), gradient - precision * x, assume_a="pos")
        if np.abs(step).max() < 1e-9:
            break
        slope = float((gradient - precision * x) @ step)
        found = backtracked(along(value, x, step), value(x), slope)
        if found is None:
            break
        x = found[1]
    told, _, information = log_likelihood(answers, x)
    covariance = linalg.inv(information + np.diag(precision))
    drawn = mirrored(x, Dense((covariance + covariance.T) / 2).sample(-(-draws // 2), np.random.default_rng(seed)))
    error = np.sqrt(np.diag(covariance))
    nuisance = {name: (float(x[n + i]), float(error[n + i])) for i, name in enumerate(answers.nuisances)}
    return Absolute(_posterior(answers, x, covariance, drawn, prior_sd), nuisance, told)


def _posterior(answers: Answers, x: Floats, covariance: Floats, drawn: Floats, prior_sd: float) -> FittedPosterior:
    n, total = len(answers.names), answers.counts.sum(axis=0)
    facts: dict[str, Any] = {
        "prior": {"family": "gaussian", "mean": 0.0, "sd": prior_sd},
        "zero": "the threshold of both bad",
        "covariance": "laplace",
    }
    return FittedPosterior(
        utility=FreeItems(answers.names),
        criterion=answers.criterion,
        names=answers.names,
        mean=x[:n],
        covariance=covariance[:n, :n],
        draws=drawn[:, :n],
        counts=summed(answers.first, total, n) + summed(answers.second, total, n),
        identified=np.ones(n, bool),
        notes=("",) * n,
        df=float("inf"),
        readings=(),
        model=facts,
    )


def disagreement(groups: Groups, first: Sequence[Item], second: Sequence[Item]) -> Floats:
    """How far apart people's differences of utility are [n]: the standard deviation of Δ between groups."""
    share = np.array([estimate.value for estimate in groups.shares])
    gaps = np.array([posterior(first).mean - posterior(second).mean for posterior in groups.posteriors])
    return np.asarray(np.sqrt(np.maximum(share @ (gaps - share @ gaps) ** 2, 0.0)))
