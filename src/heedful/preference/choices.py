"""Rankings and choices of the best: Plackett-Luce, with ties by the Davidson-Luce model.

From a set S, the tied choice T has P(T) ∝ δ_|T| · exp(mean of u over T), over all subsets T of S whose size is a tie
order in use (Firth, Kosmidis and Turner 2019, "Davidson-Luce model for multi-item choice with ties", equation 2). A
ranking is a sequence of such choices, each from the items left. Without ties it is Plackett and Luce's model; for two
items it is Davidson's; for a forced choice it is the softmax. Probabilities of all outcomes sum to one. Choices of the
worst are the same with −u for u.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Floats
from heedful.preference.likelihoods import Edges, Terms, all_reached
from heedful.preference.observations import Indices, Selections

# Numbers held at once in the subset sums: bounds their memory.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class ChoiceModel:
    """The numbers of items that may be chosen together, ascending; (1,) where one must be chosen."""

    orders: tuple[int, ...]

    @property
    def nuisances(self) -> tuple[str, ...]:
        """log δ of every order but the smallest, whose log δ is 0."""
        return tuple(f"log tie of {order}" for order in self.orders[1:])

    def log_prob(self, utilities: Floats, chosen: Floats, nuisance: Floats) -> Floats:
        """log P(chosen) [...] from sets with utilities [..., k] (-inf: not a member), chosen [..., k] as 0 and 1."""
        size = chosen.sum(axis=-1)
        mean = np.where(chosen > 0, utilities, 0.0).sum(axis=-1) / size
        delta = np.concatenate([np.zeros((*nuisance.shape[:-1], 1)), nuisance], axis=-1)
        place = np.searchsorted(self.orders, size)
        own = np.take_along_axis(np.broadcast_to(delta, (*size.shape, delta.shape[-1])), place[..., None], -1)[..., 0]
        top = utilities.max(axis=-1)
        parts = []
        for number, order in enumerate(self.orders):
            weights = np.exp((utilities - top[..., None]) / order)
            with np.errstate(divide="ignore"):
                parts.append(delta[..., number] + np.log(subset_sums(weights, order)) + top)
        return np.asarray(own + mean - logsumexp(np.stack(parts), axis=0))


def subset_sums(weights: Floats, order: int) -> Floats:
    """Σ over subsets of `order` members of the product of their weights [..., k]: elementary symmetric polynomials."""
    sums = [np.ones(weights.shape[:-1])] + [np.zeros(weights.shape[:-1]) for _ in range(order)]
    for member in range(weights.shape[-1]):
        for size in range(order, 0, -1):
            sums[size] = sums[size] + weights[..., member] * sums[size - 1]
    return sums[order]


def subset_moments(weights: Floats, order: int) -> tuple[Floats, Floats, Floats]:
    """Subset sums [s], and the parts of them from subsets that hold i [s, k], and that hold i and j [s, k, k].

    By adding one member at a time; every term is positive, so nothing cancels.
    """
    s, k = weights.shape
    if order == 1:
        return weights.sum(axis=1), weights, weights[:, :, None] * np.eye(k)
    total = np.zeros((order + 1, s))
    with_one = np.zeros((order + 1, s, k))
    with_two = np.zeros((order + 1, s, k, k))
    total[0] = 1.0
    for member in range(k):
        x = weights[:, member]
        for size in range(order, 0, -1):
            with_two[size] += x[:, None, None] * with_two[size - 1]
            joint = x[:, None] * with_one[size - 1]
            with_two[size, :, member, :] += joint
            with_two[size, :, :, member] += joint
            with_one[size] += joint
            alone = x * total[size - 1]
            with_one[size, :, member] += alone
            with_two[size, :, member, member] += alone
            total[size] += alone
    return total[order], with_one[order], with_two[order]


@dataclass(frozen=True)
class Choices:
    """Distinct choices and how often each was made: `members` [m, k] (-1: none), `chosen` [m, k], `signs` [m] (−1: as
    the worst), `counts` [m].

    Per vote: its table `row` and `cell` among the distinct choices [v].
    """

    kind: str
    model: ChoiceModel
    members: Indices
    chosen: NDArray[np.bool_]
    signs: Floats
    counts: Floats
    row: Indices
    cell: Indices

    @classmethod
    def of(cls, kind: str, votes: Selections, n: int) -> Choices | None:
        """The votes that leave a choice, counted; None where each takes the whole set, which says nothing."""
        if not len(votes.row):
            return None
        present = votes.members >= 0
        orders, width = votes.chosen.sum(axis=1), present.sum(axis=1)
        model = ChoiceModel(tuple(np.unique(orders).tolist()))
        # A set smaller than two orders, or one that no smaller order could have been chosen from, was not a choice.
        choice = (width > 1) & ((orders < width) | (orders > model.orders[0]))
        if not (choice & (orders < width)).any():
            return None
        sort = np.argsort(np.where(present, votes.members, n), axis=1)[choice]
        members = np.take_along_axis(votes.members[choice], sort, axis=1)
        chosen = np.take_along_axis(votes.chosen[choice], sort, axis=1)
        signs = votes.signs[choice]
        whole = np.column_stack([members, chosen, signs.astype(np.intp)])
        _, first, cell = np.unique(whole, axis=0, return_index=True, return_inverse=True)
        counts = np.bincount(cell.ravel(), minlength=len(first)).astype(np.float64)
        return cls(kind, model, members[first], chosen[first], signs[first], counts, votes.row[choice], cell.ravel())

    @property
    def nuisances(self) -> tuple[str, ...]:
        return self.model.nuisances

    @property
    def shift(self) -> Floats:
        return np.zeros(len(self.nuisances))

    def start(self) -> Floats:
        return np.zeros(len(self.nuisances))

    @cached_property
    def _sizes(self) -> Indices:
        return np.asarray(self.chosen.sum(axis=1))

    def _moments(self, utility: Floats, nuisance: Floats) -> Iterator[tuple[slice, Moments]]:
        step = max(1, _BLOCK // ((self.model.orders[-1] + 1) * self.members.shape[1] ** 2))
        for begin in range(0, len(self.members), step):
            block = slice(begin, begin + step)
            yield block, self._block_moments(block, utility, nuisance)

    def _signed(self, block: slice, utility: Floats) -> Floats:
        """What is maximised: u of the members of a set, or −u where the worst is chosen."""
        return np.asarray(self.signs[block, None] * utility[self.members[block]])

    def _block_moments(self, block: slice, utility: Floats, nuisance: Floats) -> Moments:
        """Moments of the random choice's statistics: 1_T/|T| over members, and the indicator of each free order."""
        present = self.members[block] >= 0
        u = np.where(present, self._signed(block, utility), -np.inf)
        top = u.max(axis=1)
        width = present.sum(axis=1)
        logs, ones, twos = [], [], []
        for order, delta in zip(self.model.orders, np.append(0.0, nuisance), strict=True):
            total, one, two = subset_moments(np.exp((u - top[:, None]) / order), order)
            possible = width >= order
            safe = np.where(possible, total, 1.0)
            logs.append(np.where(possible, delta + top + np.log(safe), -np.inf))
            ones.append(one / safe[:, None] / order)
            twos.append(two / safe[:, None, None] / order**2)
        log_total = logsumexp(np.stack(logs), axis=0)
        q = np.exp(np.stack(logs) - log_total)
        by_order = q[:, :, None] * np.stack(ones)
        mean = by_order.sum(axis=0)
        second = np.einsum("os,osij->sij", q, np.stack(twos))
        return Moments(log_total, mean, second - mean[:, :, None] * mean[:, None, :], q[1:].T, by_order[1:])

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        n, p = len(utility), len(nuisance)
        value, gradient, diagonal = 0.0, np.zeros(n + 1), np.zeros(n + 1)
        by_order, cross, bend = np.zeros(p), np.zeros((n + 1, p)), np.zeros((p, p))
        rows, columns, values = [], [], []
        for block, m in self._moments(utility, nuisance):
            members, count = self.members[block], self.counts[block]
            turned = (self.signs[block] * count)[:, None]
            share, taken = self._statistics(block)
            u = np.where(members >= 0, self._signed(block, utility), 0.0)
            value += float(count @ ((share * u).sum(axis=1) + taken @ nuisance - m.log_total))
            np.add.at(gradient, members, turned * (share - m.mean))
            by_order += count @ (taken - m.orders)
            for order in range(p):
                np.add.at(cross[:, order], members, turned * (m.joint[order] - m.mean * m.orders[:, [order]]))
            bend += np.diag(count @ m.orders) - m.orders.T @ (count[:, None] * m.orders)
            information = count[:, None, None] * m.covariance
            np.add.at(diagonal, members, np.einsum("sii->si", information))
            # Members ascend along a set, so those after another stand above the diagonal.
            one, other = np.triu_indices(members.shape[1], 1)
            real = members[:, other] >= 0
            real &= members[:, one] >= 0
            rows.append(members[:, one][real])
            columns.append(members[:, other][real])
            values.append(information[:, one, other][real])
        entries = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        return Terms(value, gradient[:n], by_order, diagonal[:n], *entries, cross[:n], bend)

    def _statistics(self, block: slice) -> tuple[Floats, Floats]:
        """1_T/|T| over members [b, k], and which free order was chosen [b, p]."""
        sizes = self._sizes[block]
        return self.chosen[block] / sizes[:, None], (sizes[:, None] == np.array(self.model.orders[1:])).astype(
            np.float64
        )

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        n, p = len(utility), len(nuisance)
        blocks = list(self._moments(utility, nuisance))
        share, taken = self._statistics(slice(None))
        by_item = (self.signs[:, None] * (share - np.concatenate([m.mean for _, m in blocks])))[self.cell]
        by_order = (taken - np.concatenate([m.orders for _, m in blocks]))[self.cell]
        members = self.members[self.cell]
        real = members >= 0
        rows = np.concatenate([np.broadcast_to(self.row[:, None], members.shape)[real], np.repeat(self.row, p)])
        columns = np.concatenate([members[real], np.tile(n + np.arange(p), len(self.row))])
        return rows, columns, np.concatenate([by_item[real], by_order.ravel()])

    def select(self, votes: Indices) -> Self:
        """Some votes alone, under the same model."""
        old, cell = np.unique(self.cell[votes], return_inverse=True)
        counts = np.bincount(cell, minlength=len(old)).astype(np.float64)
        members, chosen, signs = self.members[old], self.chosen[old], self.signs[old]
        return replace(self, members=members, chosen=chosen, signs=signs, counts=counts, row=self.row[votes], cell=cell)

    def restrict(self, new: Indices) -> Choices | None:
        members = np.append(new, -1)[self.members]
        chosen = self.chosen & (members >= 0)
        kept = np.asarray(chosen.any(axis=1))[self.cell]
        cell = self.cell[kept]
        votes = Selections(self.row[kept], members[cell], chosen[cell], self.signs[cell])
        return Choices.of(self.kind, votes, int(new.max()) + 1)

    def edges(self, n: int) -> Edges:
        """Each chosen member moves at least as far as each one left (the other way round where the worst is chosen),
        ties or not: swap the two in T, δ cancels."""
        present = self.members >= 0
        pairs = {}
        for name, other in (("strict", present & ~self.chosen), ("tied", self.chosen)):
            row, one, two = np.nonzero(self.chosen[:, :, None] & other[:, None, :])
            ends = np.stack([self.members[row, one], self.members[row, two]], axis=1)
            ends = np.where(self.signs[row, None] < 0, ends[:, ::-1], ends)
            pairs[name] = ends[ends[:, 0] != ends[:, 1]]
        return Edges(_distinct(pairs["strict"], n), _distinct(pairs["tied"], n))

    def settled(self, groups: Indices) -> bool:
        """An order chosen where all members move alike, or a set wholly tied, leads every order it could have been."""
        present = self.members >= 0
        group = np.where(present, groups[self.members], -1)
        top = group.max(axis=1)
        alike = ((group == top[:, None]) | ~present).all(axis=1) | (self.chosen == present).all(axis=1)
        width, where = present.sum(axis=1), {order: i for i, order in enumerate(self.model.orders)}
        seen = set(zip(self._sizes[alike].tolist(), width[alike].tolist(), strict=True))
        edges = [(where[a], where[b]) for a, most in seen for b in self.model.orders if b <= most]
        return all_reached(edges, len(self.model.orders))


@dataclass(frozen=True)
class Moments:
    """Of one block of sets: log of the normaliser [s], mean [s, k] and covariance [s, k, k] of 1_T/|T|, probability of
    each free order [s, p] and the mean's part from it [p, s, k]."""

    log_total: Floats
    mean: Floats
    covariance: Floats
    orders: Floats
    joint: Floats


def _distinct(pairs: Indices, n: int) -> Indices:
    flat = np.unique(pairs[:, 0] * n + pairs[:, 1])
    return np.stack([flat // max(n, 1), flat % max(n, 1)], axis=1)
