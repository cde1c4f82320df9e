"""General preferences: a scalar utility and a skew-symmetric part, which may be cyclic.

Zhang et al. 2024, "General preference modeling with preference representations for aligning language models":
s(y1, y2) = v1ᵀ R v2 with R skew-symmetric in 2 x 2 rotation blocks. Here a scalar utility stands beside it:

    Δ(y1, y2) = u(y1) − u(y2) + Σ_b a_b(y1) c_b(y2) − c_b(y1) a_b(y2),    P(first | decided) = σ(Δ)

with u, a_b and c_b linear in features, or free values of items that sum to zero. The latter makes the two parts unique:
a skew part then says nothing about who wins on average over all items (Jiang et al. 2011, "Statistical ranking and
combinatorial Hodge theory").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from heedful.core import Base, FitError, Floats, InputError, Item, UsageError
from heedful.feedback import Table
from heedful.preference.against import Against, against
from heedful.preference.backtracking import along, backtracked
from heedful.preference.noise import Dense, mirrored
from heedful.preference.pair_closed import Derivatives
from heedful.preference.people import checks
from heedful.preference.people.votes import PairVotes, pair_votes
from heedful.preference.persistence import Saved
from heedful.preference.utilities import Utility

NUISANCE_SD = 5.0
# Prior standard deviations of the skew factors tried where none is given.
SKEW_SDS = (0.25, 0.5, 1.0)
_FOLDS = 5
_STEPS = 200


@dataclass(frozen=True, eq=False)
class GeneralPreference(Saved):
    """A fitted general preference. With k draws, B blocks and d features (or items):

    `weights` [d] of the scalar utility and their draws [k, d]; the `factors` [B, 2, d] (a_b and c_b) and theirs
    [k, B, 2, d]. Draws mirror about the maximum, in coordinates in which rotations within a block do not move them.
    It is a preference only: cyclic tastes have no score of a single item, save `against` a policy.
    """

    utility: Utility
    weights: Floats
    factors: Floats
    weight_draws: Floats
    factor_draws: Floats
    nuisance: Floats
    log_likelihood: float
    converged: bool
    model: dict[str, Any] = field(default_factory=dict)

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(first wins | decided) [n], averaged over the draws. Raises InputError for unknown free items."""
        gap = self.margin(first, second, draws=True)
        return np.asarray((1 + np.tanh(gap / 2).mean(axis=0)) / 2)

    def margin(self, first: Sequence[Item], second: Sequence[Item], *, draws: bool = False) -> Floats:
        """Δ [n] in nats at the maximum, or of each draw [k, n]."""
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        weights, factors = (self.weight_draws, self.factor_draws) if draws else (self.weights, self.factors)
        evaluate = self.utility.evaluate
        gap = evaluate(first, weights) - evaluate(second, weights)
        one, two = evaluate(first, factors), evaluate(second, factors)
        turned = one[..., 0, :] * two[..., 1, :] - one[..., 1, :] * two[..., 0, :]
        return np.asarray(gap + turned.sum(axis=-2))

    def against(self, policy: Base | Mapping[Item, float], *, name: str = "policy") -> Against:
        """How often an item is preferred to the policy's outputs, as a potential that holds under that policy."""
        return against(self, policy, name=name)


@dataclass(frozen=True, eq=False)
class Objective:
    """The log-posterior of pooled votes, by x = (w [d], a_1, c_1, ..., a_B, c_B, nuisance [p]).

    `basis` [n, d] gives items' features: those of the text, or an orthonormal basis of what sums to zero over items.
    """

    votes: PairVotes
    blocks: int
    utility_sd: float
    skew_sd: float

    @cached_property
    def basis(self) -> Floats:
        if self.votes.design is not None:
            return self.votes.design
        n = self.votes.items
        return np.asarray(linalg.null_space(np.ones((1, n))))

    @cached_property
    def counts(self) -> Floats:
        """Votes by outcome and pair [o, P], whoever gave them."""
        return np.asarray(self.votes.counts.sum(axis=0)).reshape(-1, len(self.votes.first))

    @cached_property
    def sides(self) -> tuple[Floats, Floats]:
        """Features of each pair's first and second items [P, d]."""
        return self.basis[self.votes.first], self.basis[self.votes.second]

    @property
    def width(self) -> int:
        return int(self.basis.shape[1])

    @cached_property
    def precision(self) -> Floats:
        return np.concatenate(
            [
                np.full(self.width, self.utility_sd**-2),
                np.full(2 * self.blocks * self.width, self.skew_sd**-2),
                np.full(len(self.votes.model.nuisances), NUISANCE_SD**-2),
            ]
        )

    def split(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """w [..., d], factors [..., B, 2, d] and nuisance parameters [..., p]."""
        d, end = self.width, self.width * (1 + 2 * self.blocks)
        return x[..., :d], x[..., d:end].reshape(*x.shape[:-1], self.blocks, 2, d), x[..., end:]

    def difference(self, x: Floats) -> Floats:
        """Δ of each pair [P]."""
        (one, two), (w, factors, _) = self.sides, self.split(x)
        first, second = one @ factors.swapaxes(-1, -2), two @ factors.swapaxes(-1, -2)
        return np.asarray(
            (one - two) @ w + (first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]).sum(axis=0)
        )

    def jacobian(self, x: Floats) -> Floats:
        """∂Δ by w and the factors [P, d (1 + 2B)]."""
        one, two = self.sides
        parts = [one - two]
        for a, c in self.split(x)[1]:
            parts += [one * (two @ c)[:, None] - two * (one @ c)[:, None]]
            parts += [two * (one @ a)[:, None] - one * (two @ a)[:, None]]
        return np.concatenate(parts, axis=1)

    def _derivatives(self, x: Floats) -> Derivatives:
        return self.votes.model.derivatives(self.counts, self.difference(x), self.split(x)[2])

    def log_likelihood(self, x: Floats) -> float:
        return self._derivatives(x).value

    def value(self, x: Floats) -> float:
        return self.log_likelihood(x) - float(self.precision @ x**2) / 2

    def gradient_and_information(self, x: Floats) -> tuple[Floats, Floats]:
        """The gradient [P] and the negative Hessian [P, P] of `value`, exactly."""
        sums, through = self._derivatives(x), self.jacobian(x)
        end = through.shape[1]
        gradient = np.concatenate([through.T @ sums.gradient[0], sums.gradient[1:].sum(axis=1)])
        information = np.diag(self.precision)
        information[:end, :end] += through.T @ (sums.information[0, 0][:, None] * through)
        information[:end, end:] += through.T @ sums.information[0, 1:].T
        information[end:, :end] = information[:end, end:].T
        information[end:, end:] += sums.information[1:, 1:].sum(axis=2)
        one, two = self.sides
        half = one.T @ (sums.gradient[0][:, None] * two)
        bent, d = half - half.T, self.width  # Σ ∂ log P/∂Δ · ∂²Δ/∂a ∂c
        for b in range(self.blocks):
            a, c = slice(d * (1 + 2 * b), d * (2 + 2 * b)), slice(d * (2 + 2 * b), d * (3 + 2 * b))
            information[a, c] -= bent
            information[c, a] -= bent.T
        return gradient - self.precision * x, information

    def maximise(self, start: Floats) -> tuple[Floats, bool]:
        """The maximum near `start` by Newton's method, damped where the information is not positive definite."""
        x, value = start, self.value(start)
        for _ in range(_STEPS):
            gradient, information = self.gradient_and_information(x)
            values, vectors = linalg.eigh(information)
            # Directions that curve upwards, or not at all (rotations within a block), get a step of their slope's sign.
            step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-3))
            if np.abs(step).max() < 1e-8:
                return x, True
            found = backtracked(along(self.value, x, step), value, float(gradient @ step))
            if found is None:
                return x, bool(np.abs(step).max() < 1e-4)
            value, x = found
        return x, False

    def start(self, rng: np.random.Generator) -> Floats:
        """No utility, and factors that are small and random."""
        x = np.zeros(len(self.precision))
        skew = slice(self.width, self.width * (1 + 2 * self.blocks))
        x[skew] = rng.normal(size=skew.stop - skew.start) * 0.3 / np.sqrt(self.width)
        return x


def fit_general(
    votes: PairVotes | Table,
    *,
    blocks: int = 1,
    utility_sd: float = 2.5,
    skew_sd: float | None = None,
    starts: int = 3,
    draws: int = 1000,
    seed: int = 0,
) -> GeneralPreference:
    """A scalar utility and `blocks` rotation blocks, by maximum a posteriori with Laplace's draws.

    A table is read as comparisons between systems; to read it otherwise, give `PairVotes.of` it.
    Priors are Gaussian with standard deviations `utility_sd` and, for every entry of the factors, `skew_sd`; together
    the latter amount to the nuclear norm of the skew part, so that a cycle the votes do not bear out vanishes. None
    chooses `skew_sd` by log-likelihood on raters held out, or no skew part at all. 0 blocks are a scalar utility.
    Raises UsageError for a standard deviation not above 0 and finite, or starts or draws below 1, FitError where no
    start converges.
    """
    if blocks < 0 or not utility_sd > 0 or (skew_sd is not None and not skew_sd > 0):
        raise UsageError("blocks are 0 or more, standard deviations above 0", where="fit_general")
    checks.width(utility_sd, "utility_sd")
    checks.width(skew_sd, "skew_sd")
    checks.at_least(1, starts=starts, draws=draws)
    votes, rng = pair_votes(votes), np.random.default_rng(seed)
    tried: dict[float, float] = {}
    if skew_sd is None and blocks:
        tried = {sd: _held_out(votes, blocks if sd else 0, utility_sd, sd or 1.0, rng) for sd in (0.0, *SKEW_SDS)}
        skew_sd = max(tried, key=lambda sd: tried[sd])
        blocks = blocks if skew_sd else 0
    objective = Objective(votes, blocks, utility_sd, skew_sd or 1.0)
    x, converged = _best(objective, starts, rng)
    if not converged:
        raise FitError("no start of the general preference converged", fix="give smaller standard deviations")
    _, information = objective.gradient_and_information(x)
    values, vectors = linalg.eigh(information)
    # The rotations of a block have curvature 0 and change no margin: they are left still.
    spread = np.where(values > 1e-8 * values.max(), 1 / np.maximum(values, 1e-300), 0.0)
    drawn = mirrored(x, Dense((vectors * spread) @ vectors.T).sample(-(-draws // 2), rng))
    (w, factors, nuisance), (w_draws, factor_draws, _) = objective.split(x), objective.split(drawn)
    out = objective.basis.T if votes.design is None else np.eye(objective.width)
    facts = {
        **votes.facts,
        "blocks": blocks,
        "prior": {"family": "gaussian", "mean": 0.0, "sd": utility_sd, "skew_sd": skew_sd},
        "held_out_log_likelihood": tried,
        "covariance": "laplace",
        "seed": seed,
    }
    fitted = (w @ out, factors @ out, w_draws @ out, factor_draws @ out, nuisance)
    return GeneralPreference(votes.utility, *fitted, objective.log_likelihood(x), converged, facts)


def _best(objective: Objective, starts: int, rng: np.random.Generator) -> tuple[Floats, bool]:
    runs = [objective.maximise(objective.start(rng)) for _ in range(starts if objective.blocks else 1)]
    return max(runs, key=lambda run: (run[1], objective.value(run[0])))


def _held_out(votes: PairVotes, blocks: int, utility_sd: float, skew_sd: float, rng: np.random.Generator) -> float:
    """Log-likelihood of the votes of raters held out, in five folds."""
    total, folds = 0.0, min(_FOLDS, len(votes.raters))
    if folds < 2:
        raise UsageError("votes of one rater cannot choose skew_sd", where="fit_general", fix="give skew_sd")
    # The same folds for every width tried, so that differences are between widths.
    fold = np.random.default_rng(0).permutation(len(votes.raters)) % folds
    for part in range(folds):
        train, test = votes.of_raters(np.flatnonzero(fold != part)), votes.of_raters(np.flatnonzero(fold == part))
        x, _ = _best(Objective(train, blocks, utility_sd, skew_sd), 2, rng)
        total += Objective(test, blocks, utility_sd, skew_sd).log_likelihood(x)
    return total
