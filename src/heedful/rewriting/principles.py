"""Principles that preferences keep to: sentences that vote, chosen until they rebuild the preferences.

Findeis et al. 2024, "Inverse constitutional AI: compressing preferences into principles": each principle votes on every
pair, or abstains; those of most net votes make a constitution, and what it rebuilds is measured on pairs held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from heedful.core import Estimate, FitError, Floats, InputError, Item, Potential, UsageError
from heedful.core.algebra import Expression
from heedful.preference.heads.linear import FittedLinear, Linear
from heedful.preference.heads.votes import Votes
from heedful.stats import mean_estimate, paired_difference


@dataclass(frozen=True, eq=False)
class Principle:
    """Of two outputs, the one of more `evidence` is to be preferred, which `sentence` says in words.

    It votes by which has more, and abstains where they differ by no more than `least`, or both are ruled out.
    """

    sentence: str
    evidence: Potential
    least: float = 0.0

    def votes(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """1 for the first of each pair, −1 for the second, 0 where it abstains [n]."""
        scores = self.evidence([*first, *second]).mean
        with np.errstate(invalid="ignore"):
            gap = np.nan_to_num(scores[: len(first)] - scores[len(first) :], nan=0.0)
        return np.asarray(np.where(np.abs(gap) > self.least, np.sign(gap), 0.0))


@dataclass(frozen=True, eq=False)
class Preferred:
    """n pairs of outputs, and whether the first of each was preferred (1) or the second (0) [n]."""

    first: Sequence[Item]
    second: Sequence[Item]
    won: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "won", np.asarray(self.won, np.float64))
        lengths = {len(self.first), len(self.second), len(self.won)}
        if len(lengths) > 1 or not np.isin(self.won, (0, 1)).all():
            fix = "leave ties out, and give 1 where the first was preferred, else 0"
            raise InputError("each pair has an outcome, 1 or 0", where="Preferred", fix=fix)

    def __len__(self) -> int:
        return len(self.won)


@dataclass(frozen=True, eq=False)
class Kept:
    """A principle of a constitution: its weight in nats, and its votes on the pairs it was chosen by, one by one."""

    principle: Principle
    weight: Estimate
    right: int
    wrong: int
    abstained: int

    @property
    def net(self) -> int:
        """Votes that agree with the preferences, less those that do not."""
        return self.right - self.wrong


@dataclass(frozen=True, eq=False)
class Constitution:
    """Principles in the order in which they were chosen; `fitted` are their weights, those of `kept`, with draws.

    `candidates` were tried, of which `silent` abstain on every pair.
    """

    kept: tuple[Kept, ...]
    fitted: FittedLinear | None
    candidates: int
    silent: int

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(the first is preferred) [n]: σ of the sum of weighted votes, averaged over draws; 1/2 where all abstain."""
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        if self.fitted is None or not first:
            return np.full(len(first), 0.5)
        votes = votes_of([own.principle for own in self.kept], first, second)
        return self.fitted.prefer(votes / 2, -votes / 2)

    def told(self) -> str:
        """The principles in words, a line each, for a prompt."""
        return "\n".join(f"{place}. {own.principle.sentence}" for place, own in enumerate(self.kept, 1))

    def potential(self) -> Expression:
        """Σ weight · evidence: where principles are kept (1) or not (0), the utility whose differences `prefer` reads.

        Raises UsageError where no principle was kept.
        """
        if not self.kept:
            raise UsageError("a constitution without principles is evidence of nothing", where="potential")
        return sum((Expression.of(own.principle.evidence, own.weight.value) for own in self.kept[1:]), self._head())

    def _head(self) -> Expression:
        return Expression.of(self.kept[0].principle.evidence, self.kept[0].weight.value)


def compress(
    pairs: Preferred,
    candidates: Sequence[Principle],
    *,
    most: int = 8,
    alpha: float = 0.05,
    prior_sd: float = 1.0,
    rng: np.random.Generator,
) -> Constitution:
    """The few of many principles that say what preferences do.

    The first has the most net votes for their number; each next one the most of those that the ones before it leave
    unexplained: Σ vote · (won − p), p being what these predict, over its standard deviation (the score test of one more
    weight in a logistic regression). So what is said twice is chosen once. Choosing ends at `most`, or where the score
    of the best is no more than chance gives at level `alpha`, shared over the candidates (Bonferroni). Of preferences
    that keep to no candidate any is chosen with about that probability; pairs are taken for independent.

    Weights are fitted together at the end, under N(0, prior_sd²) each. Raises InputError without candidates or pairs.
    """
    if not candidates or not len(pairs):
        raise InputError("candidates and pairs are needed", where="compress")
    if most < 1 or not 0 < alpha < 1:
        raise UsageError("at least one principle is asked for, and alpha lies in (0, 1)", where="compress")
    votes = votes_of(candidates, pairs.first, pairs.second)
    chosen: list[int] = []
    while len(chosen) < min(most, len(candidates)):
        z = _unexplained(votes, chosen, pairs.won, prior_sd)
        best = int(z.argmax())
        if ndtr(-z[best]) > alpha / len(candidates):
            break
        chosen.append(best)
    silent = int((votes == 0).all(axis=0).sum())
    if not chosen:
        return Constitution((), None, len(candidates), silent)
    fitted = _weighted(votes[:, chosen], pairs.won, prior_sd, rng)
    agreed = votes[:, chosen] * (2 * pairs.won - 1)[:, None]
    counts = np.array([(agreed == sign).sum(axis=0) for sign in (1, -1, 0)])
    rows = zip(chosen, fitted.weights, fitted.drawn.T, counts.T.tolist(), strict=True)
    kept = tuple(Kept(candidates[place], _estimate(w, own, len(pairs)), *count) for place, w, own, count in rows)
    return Constitution(kept, fitted, len(candidates), silent)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How far preferences are rebuilt on pairs held out: shares of pairs on whose right side the prediction lies (half
    where it is on neither), over chance, and over another rule on the same pairs."""

    accuracy: Estimate
    over_chance: Estimate
    over_rule: Estimate


def rebuilt(
    constitution: Constitution, rule: Constitution, pairs: Preferred, *, clusters: Sequence[Any] = ()
) -> Rebuilt:
    """The accuracy of a constitution on pairs that it was not chosen by, beside chance and beside a plain rule, such as
    `compress` of principles of length alone. `clusters` [n] as of `stats.mean_estimate`."""
    own, plain = (_right(each, pairs) for each in (constitution, rule))
    over, _ = paired_difference(own, plain, clusters=clusters)
    return Rebuilt(mean_estimate(own, clusters=clusters), mean_estimate(own - 0.5, clusters=clusters), over)


def votes_of(principles: Sequence[Principle], first: Sequence[Item], second: Sequence[Item]) -> Floats:
    """Votes [n, principles]."""
    return np.stack([own.votes(first, second) for own in principles], axis=1)


def _right(constitution: Constitution, pairs: Preferred) -> Floats:
    prefer = constitution.prefer(pairs.first, pairs.second)
    return np.asarray((1 + np.sign(prefer - 0.5) * (2 * pairs.won - 1)) / 2)


def _unexplained(votes: Floats, chosen: Sequence[int], won: Floats, prior_sd: float) -> Floats:
    """z [candidates] of the votes that the chosen ones leave unexplained; -inf of these, and of those that add none."""
    own, weights = votes[:, chosen], _mode(votes[:, chosen], won, prior_sd)
    p = expit(own @ weights)
    information = p * (1 - p)
    weighted = votes * information[:, None]
    inner = own.T @ (own * information[:, None]) + np.eye(len(chosen)) / prior_sd**2
    shared = own.T @ weighted
    variance = (votes * weighted).sum(axis=0) - (shared * np.linalg.solve(inner, shared)).sum(axis=0)
    free = variance > 1e-9 * len(votes)
    free[list(chosen)] = False
    return np.asarray(np.where(free, (votes.T @ (won - p)) / np.sqrt(np.where(free, variance, 1.0)), -np.inf))


def _mode(votes: Floats, won: Floats, prior_sd: float) -> Floats:
    if not votes.shape[1]:
        return np.zeros(0)
    return _weighted(votes, won, prior_sd, np.random.default_rng(0)).weights


def _weighted(votes: Floats, won: Floats, prior_sd: float, rng: np.random.Generator) -> FittedLinear:
    """Weights under which P(first) = σ(votes · weights): each pair is two rows that differ by its votes."""
    n = np.arange(len(won))
    try:
        return Linear(prior_sd).fit(np.concatenate([votes, -votes]) / 2, Votes.of(n, n + len(n), won), rng=rng)
    except FitError as error:
        raise FitError(error.what, where="compress", fix=error.fix) from error


def _estimate(weight: float, draws: Floats, n: int) -> Estimate:
    return Estimate(float(weight), n, float(draws.var()), note="chosen by the same pairs, so that no interval holds")
