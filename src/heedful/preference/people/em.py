"""Fitting a mixture: expectation-maximisation from several starts, then Newton's method on the marginal likelihood.

Dempster, Laird & Rubin 1977, "Maximum likelihood from incomplete data via the EM algorithm". EM is slow near the
maximum, where Newton's method on the exact information is fast; the information also gives the posterior's spread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg
from scipy.special import log_softmax, logsumexp

from heedful.core import Floats
from heedful.preference.backtracking import along, backtracked
from heedful.preference.people.mixture import Mixture, rater_scores
from heedful.preference.people.votes import PairVotes

_SHORT, _LONG = 25, 400
_GAIN = 1e-4


@dataclass(frozen=True, eq=False)
class Mode:
    """A maximum: the mixture, x [P], its information [P, P] and whether it is a strict maximum."""

    mixture: Mixture
    x: Floats
    information: Floats
    strict: bool

    @property
    def log_likelihood(self) -> float:
        """Of all votes, the group of each rater being unknown (nats)."""
        return float(logsumexp(self.mixture.joint(self.x), axis=1).sum())

    @property
    def evidence(self) -> float:
        """Laplace's log marginal likelihood around this maximum, up to a constant shared by fits of as many groups."""
        mixture = self.mixture
        if not self.strict:
            return -np.inf
        determinant = float(np.linalg.slogdet(self.information)[1])
        width = mixture.groups * mixture.votes.parameters * np.log(mixture.sd)
        return mixture.value(self.x) - float(width) - determinant / 2


def fit_mixture(
    votes: PairVotes, groups: int, *, prior_sd: float | None, starts: int, rng: np.random.Generator
) -> Mode:
    """The best maximum found; `prior_sd` None is estimated by EM. Groups are ordered by share, the largest first."""
    first = Mixture(votes, 1, 1.0 if prior_sd is None else prior_sd)
    everyone = np.ones((len(votes.raters), 1))
    single, sd = first.update(everyone, np.zeros((1, first.block))), first.sd
    for _ in range(_SHORT if prior_sd is None else 0):
        before, (single, sd) = sd, replace(first, sd=sd).advance(everyone, first.own(single))
        if abs(np.log(sd / before)) < 1e-3:
            break
    if groups == 1:
        return _polished(replace(first, sd=sd), single)
    # What is shared by conflicting groups is narrower than either, so groups start from a wide prior.
    wide = Mixture(votes, groups, max(sd, 1.0) if prior_sd is None else prior_sd)
    begun = [_em(wide, w, single, _SHORT, prior_sd is None) for w in _starts(votes, groups, single, starts, rng)]
    ended = [_em(m, m.responsibilities(x), x, _LONG, prior_sd is None) for m, x in _best(begun)]
    modes = [_polished(m, x) for m, x in ended]
    return _ordered(max(modes, key=lambda mode: (mode.evidence, mode.log_likelihood)))


def _best(begun: list[tuple[Mixture, Floats]]) -> list[tuple[Mixture, Floats]]:
    """The two best short runs: their order need not be that of long runs."""
    return sorted(begun, key=lambda run: -float(logsumexp(run[0].joint(run[1]), axis=1).sum()))[:2]


def _starts(votes: PairVotes, groups: int, single: Floats, starts: int, rng: np.random.Generator) -> list[Floats]:
    """Responsibilities [R, K] to start from: by the directions in which raters pull away from the single fit.

    The first start takes the directions of most pull; the others directions drawn at random, as raters pull.
    """
    pull = rater_scores(votes, single)
    pull = pull / np.maximum(np.sqrt(np.asarray(votes.counts.sum(axis=1)).ravel()), 1.0)[:, None]
    values, vectors = linalg.eigh(pull.T @ pull)
    root = np.sqrt(np.maximum(values, 0.0))
    found = []
    for start in range(starts):
        width = groups // 2 + 1 if start == 0 else len(values)
        ways = vectors[:, -width:]
        aims = (rng.standard_normal((groups, len(values))) * root) @ vectors.T
        if start == 0:
            aims = np.concatenate([ways.T, -ways.T])[:groups] if groups > 2 else np.array([ways[:, -1], -ways[:, -1]])
        along = pull @ (aims / np.maximum(np.linalg.norm(aims, axis=1, keepdims=True), 1e-12)).T
        sharp = np.exp(3 * (along - along.max(axis=1, keepdims=True)) / max(along.std(), 1e-12))
        found.append(sharp / sharp.sum(axis=1, keepdims=True))
    return found


def _em(mixture: Mixture, responsibility: Floats, x: Floats, iterations: int, adapt: bool) -> tuple[Mixture, Floats]:
    own = mixture.own(x) if len(x) > mixture.block else np.tile(x, (mixture.groups, 1))
    value = -np.inf
    for iteration in range(iterations):
        x, sd = mixture.advance(responsibility, own)
        joint = mixture.joint(x)
        new = float(logsumexp(joint, axis=1).sum())
        if new < value - 1.0 or not np.isfinite(new):  # the step went too far
            x = mixture.update(responsibility, own)
            joint = mixture.joint(x)
            new = float(logsumexp(joint, axis=1).sum())
        responsibility, own = np.exp(log_softmax(joint, axis=1)), mixture.own(x)
        settled = not adapt or abs(np.log(sd / mixture.sd)) < 1e-3
        if adapt:
            mixture = replace(mixture, sd=sd)
        if abs(new - value) < _GAIN and settled and iteration > 5:
            break
        value = new
    return mixture, x


def _polished(mixture: Mixture, x: Floats) -> Mode:
    """Newton's method with backtracking from x; a few EM steps where the information is not positive definite."""
    for _ in range(100):
        gradient, information = mixture.gradient_and_information(x)
        step = _newton_step(gradient, information)
        if step is None:
            for _ in range(10):
                x = mixture.update(mixture.responsibilities(x), mixture.own(x))
            continue
        following = backtracked(along(mixture.value, x, step), mixture.value(x), float(gradient @ step))
        if following is None or np.abs(step).max() < 1e-9:
            break
        x = following[1]
    gradient, information = mixture.gradient_and_information(x)
    step = _newton_step(gradient, information)
    strict = step is not None and bool(np.abs(step).max() < 1e-4)
    return Mode(mixture, x, information, strict)


def _newton_step(gradient: Floats, information: Floats) -> Floats | None:
    try:
        return np.asarray(linalg.cho_solve(linalg.cho_factor(information), gradient))
    except linalg.LinAlgError:
        return None


def _ordered(mode: Mode) -> Mode:
    """Groups renamed so that shares fall: one of the K! equal maxima."""
    mixture, x = mode.mixture, mode.x
    order = np.argsort(-mixture.log_shares(x), kind="stable")
    x = mixture.pack(mixture.log_shares(x)[order], mixture.own(x)[order])
    _, information = mixture.gradient_and_information(x)
    return replace(mode, x=x, information=information)
