"""Questions about several items as matrices: what an answer tells of the utilities of those asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from scipy.special import softmax

from heedful.core import Floats, InputError, UsageError

Indices = NDArray[np.intp]
Answers = Literal["ranking", "best", "ratings"]

# Numbers gathered in one go: bounds the memory of what is looked at, and keeps it in the cache.
_BLOCK = 1 << 19
# All subsets of a list are gone through for its rankings.
_LONGEST = 12


@dataclass(frozen=True)
class Lists:
    """n questions, each about up to K of m items.

    `members` [n, K] number the items. The information (inverse squared nats) of an answer about their utilities is
    L Lᵀ, with the `loadings` L [n, K, r]; a member beyond the end of a shorter list has a loading of 0.
    """

    members: Indices
    loadings: Floats

    @classmethod
    def of(cls, members: ArrayLike, utility: ArrayLike, answers: Answers = "ranking") -> Lists:
        """Lists of items [n, K] (-1: none), whose utilities are `utility` [m] in nats; see `answer_information`.

        Raises InputError where an entry is no item or a list names one twice.
        """
        number, nats = np.asarray(members, dtype=np.intp), np.asarray(utility, dtype=np.float64)
        if number.ndim != 2 or number.shape[1] < 2:
            raise InputError("lists are an array of two or more columns", where="Lists.of", fix="give members [n, K]")
        _check(number, len(nats))
        known = np.where(number >= 0, nats[number], -np.inf)
        information = answer_information(known, answers)
        return cls(np.maximum(number, 0), information if answers == "ratings" else loadings(information))

    @classmethod
    def pairs(cls, first: ArrayLike, second: ArrayLike, weight: ArrayLike) -> Lists:
        """Pairs [n] whose answers carry the information `weight` [n] about the difference of their utilities."""
        root = np.sqrt(np.asarray(weight, dtype=np.float64))
        members = np.stack([np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)], axis=1)
        return cls(members, np.stack([root, -root], axis=1)[:, :, None])

    def __len__(self) -> int:
        return len(self.members)

    def take(self, rows: Indices) -> Lists:
        return Lists(self.members[rows], self.loadings[rows])

    def about(self, row: int, features: Floats) -> Floats:
        """Xᵀ L [d, r] of one list, for the features [m, d]: A Aᵀ is what its answer tells of their weights."""
        return np.asarray(features[self.members[row]].T @ self.loadings[row])

    def along(self, values: Floats) -> Floats:
        """Lᵀ of the members' rows [n, r, q] of `values` [m, q]."""
        return np.asarray(self.loadings.transpose(0, 2, 1) @ values.take(self.members, axis=0))

    def gram(self, spread: Floats) -> Floats:
        """Lᵀ G L [n, r, r], with G the inner products of the members' rows of `spread` [m, d]."""
        found = np.empty((len(self), self.loadings.shape[2], self.loadings.shape[2]))
        for rows in _blocks(len(self), self.members.shape[1] * spread.shape[1]):
            seen = Lists(self.members[rows], self.loadings[rows]).along(spread)
            found[rows] = seen @ seen.transpose(0, 2, 1)
        return found

    def leverages(self, spread: Floats) -> Floats:
        """The trace of Lᵀ G L [n]: G as in `gram`."""
        return np.asarray(np.einsum("nrr->n", self.gram(spread)))

    def laplacian(self, weights: Floats, items: int) -> sparse.csr_array:
        """Σ weights [n] · L Lᵀ, as a matrix over all items [items, items]."""
        information = weights[:, None, None] * (self.loadings @ self.loadings.transpose(0, 2, 1))
        rows, columns = (np.broadcast_to(own, information.shape).ravel() for own in _ends(self.members))
        return sparse.coo_array((information.ravel(), (rows, columns)), shape=(items, items)).tocsr()


def _blocks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(width, 1))
    for begin in range(0, rows, step):
        yield slice(begin, begin + step)


def _ends(members: Indices) -> tuple[Indices, Indices]:
    return members[:, :, None], members[:, None, :]


def _check(members: Indices, items: int) -> None:
    wrong = (members >= items).any(axis=1) | (members < -1).any(axis=1) | ((members >= 0).sum(axis=1) < 2)
    order = np.sort(members, axis=1)
    twice = ((order[:, 1:] == order[:, :-1]) & (order[:, 1:] >= 0)).any(axis=1)
    for bad, what in (
        (wrong, f"a list is of two or more of the {items} items"),
        (twice, "a list names one item twice"),
    ):
        if bad.any():
            raise InputError(what, where=f"members, row {int(bad.argmax())}")


def answer_information(utility: Floats, answers: Answers) -> Floats:
    """Fisher information [n, K, K] about the utilities [n, K] (−inf: no member) of one answer, in inverse nats².

    "best": the best is named, with softmax probabilities p: diag(p) − p pᵀ. "ranking": a whole ranking by Plackett and
    Luce, the sum over its choices of the same, averaged over rankings. Two items are Bradley and Terry's p (1 − p) in
    both. "ratings": each item is rated by itself with variance 1. At equal utilities the first two are multiples of I −
    1 1ᵀ/K, so that the designs of Mukherjee et al. 2024, "Optimal design for human preference elicitation", which
    count every difference of a list alike, are designs at equal utilities.
    """
    if answers not in get_args(Answers):
        raise UsageError(f"{answers!r} is no way to answer", where="answers", fix=f"one of {get_args(Answers)}")
    if answers == "ratings":
        return np.asarray((utility > -np.inf)[:, :, None] * np.eye(utility.shape[1]))
    if answers == "best" or utility.shape[1] == 2:
        return _choice(softmax(utility, axis=1))
    return _ranking(softmax(utility, axis=1))


def _choice(p: Floats) -> Floats:
    """diag(p) − p pᵀ, with the diagonal summed from the rest of its row, so that nothing cancels."""
    return _grounded(p[:, :, None] * p[:, None, :])


def _grounded(joint: Floats) -> Floats:
    """The matrices whose off-diagonal entries are −joint [n, K, K] and whose rows sum to 0."""
    apart = joint * (1 - np.eye(joint.shape[1]))
    return np.asarray(apart.sum(axis=2)[:, :, None] * np.eye(joint.shape[1]) - apart)


def _ranking(p: Floats) -> Floats:
    """Σ over sets R of P(R is what is left at some stage) · information of a choice from R, at weights p [n, K]."""
    n, k = p.shape
    if k > _LONGEST:
        fix = 'use answers="best", or shorter lists'
        raise UsageError(f"rankings of {k} items have too many stages to go through", where="answers", fix=fix)
    holds = (np.arange(1 << k)[:, None] >> np.arange(k) & 1).astype(bool)
    reached, joint = np.zeros((1 << k, n)), np.zeros((n, k, k))
    reached[-1] = 1.0
    for left in range((1 << k) - 1, 0, -1):
        inside = np.flatnonzero(holds[left])
        total = p[:, inside].sum(axis=1)
        share = np.divide(p, total[:, None], out=np.zeros_like(p), where=total[:, None] > 0) * holds[left]
        joint += reached[left][:, None, None] * share[:, :, None] * share[:, None, :]
        for member in inside.tolist():
            reached[left & ~(1 << member)] += reached[left] * share[:, member]
    return _grounded(joint)


def loadings(information: Floats) -> Floats:
    """L [n, K, K − 1] with L Lᵀ = information [n, K, K], whose rows sum to 0."""
    if information.shape[1] == 2:
        return np.asarray(np.sqrt(information[:, :1, :1]) * np.array([[1.0], [-1.0]]))
    values, vectors = np.linalg.eigh(information)  # the least of them is that of the vector of ones, 0
    return np.asarray(vectors[:, :, 1:] * np.sqrt(np.maximum(values[:, None, 1:], 0.0)))


def conditioned(covariance: Floats, direction: Floats, amount: float = 1.0) -> tuple[Floats, Floats]:
    """(Σ⁻¹ + amount · A Aᵀ)⁻¹ for a covariance Σ [d, d] and a direction A [d, r], and a root C [d, r] of the change.

    The new covariance is Σ − sign(amount) · C Cᵀ, in O(d² r): an observation of that information, or one taken back.
    """
    sign = float(np.sign(amount))
    reached = covariance @ direction
    inner = direction.T @ reached + np.eye(direction.shape[1]) / amount
    root = linalg.cholesky(sign * inner, lower=True)
    change = linalg.solve_triangular(root, reached.T, lower=True).T
    return covariance - sign * change @ change.T, np.asarray(change)
