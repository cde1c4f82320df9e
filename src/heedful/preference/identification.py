"""What the votes can determine: islands, undefeated items, separated votes.

A maximum of the likelihood exists, up to the constant that no vote can tell, if and only if the votes lose likelihood
along every other direction. Let an edge a → b say that some vote requires a to move at least as far as b along any
direction in which no vote loses (a beat b; a was rated above threshold b). Where every item reaches every other, all
must move alike, and the maximum exists (Ford 1957 for wins alone). Otherwise the largest set in which they do is
fitted: items outside it are infinitely far away or not comparable, so this is the exact maximum in the completed
parameter space. Tie terms and degrees are parameters too; where the wins do not pin them down, linear programs decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from heedful.core import Floats
from heedful.preference.likelihoods import Edges, Likelihood
from heedful.preference.observations import Indices
from heedful.preference.pairs import Pairs

# Beyond this many constraints the linear programs are not tried, and the tie term counts as not identified.
_LARGEST_PROGRAM = 200_000

UNDEFEATED = "undefeated: never judged below another item, so nothing bounds it from above"
WINLESS = "winless: never judged above another item, so nothing bounds it from below"
ISLAND = "another island: no chain of judgements connects it to the items ranked"
SEPARATED = "separated: judged only above, or only below, the items ranked, directly or through others"
UNSETTLED = "separated together with ties, degrees or thresholds, so that nothing finite fits them"
ALONE = "no other item to compare it with"


@dataclass(frozen=True)
class Identified:
    """The largest set of items that the votes place relative to each other.

    `kept` [m] item indices (empty where there is none), `likelihoods` over them alone, and a note per item, "" for
    those kept.
    """

    kept: Indices
    likelihoods: tuple[Likelihood, ...]
    notes: tuple[str, ...]


def identify(likelihoods: tuple[Likelihood, ...], n: int) -> Identified:
    """The largest identified set among n items."""
    kept, restricted = _largest(likelihoods, np.arange(n))
    return Identified(kept, restricted, _notes(likelihoods, n, kept))


def _largest(likelihoods: tuple[Likelihood, ...], items: Indices) -> tuple[Indices, tuple[Likelihood, ...]]:
    """The largest identified subset of `items` (named so outside), over which the likelihoods are numbered 0, 1, ..."""
    n = len(items)
    nothing: tuple[Indices, tuple[Likelihood, ...]] = (np.zeros(0, np.intp), ())
    if n < 2 or not likelihoods:
        return nothing
    edges = _numbered([likelihood.edges(n) for likelihood in likelihoods], n)
    groups = _strong(edges.strict, edges.nodes)
    settled = _settled(likelihoods, edges, groups[:n])
    if settled:
        groups = _strong(np.concatenate([edges.strict, edges.tied, edges.tied[:, ::-1]]), edges.nodes)
    sizes = np.bincount(groups[:n])
    if sizes.max() == n:
        return (items, likelihoods) if settled else nothing
    best = nothing
    for group in np.argsort(-sizes, kind="stable"):
        if sizes[group] <= max(len(best[0]), 1):
            break
        members = np.flatnonzero(groups[:n] == group)
        found = _largest(restrict(likelihoods, members, n), items[members])
        best = max(best, found, key=lambda found: len(found[0]))
    return best


def restrict(likelihoods: tuple[Likelihood, ...], members: Indices, n: int) -> tuple[Likelihood, ...]:
    """The likelihoods over some of n items, renumbered; those that say nothing about them drop out."""
    new = np.full(n, -1, np.intp)
    new[members] = np.arange(len(members))
    parts = (likelihood.restrict(new) for likelihood in likelihoods)
    return tuple(part for part in parts if part is not None)


def _numbered(parts: list[Edges], n: int) -> Edges:
    """Edges of several likelihoods, each one's nuisance nodes renumbered to stand after those before."""
    strict, tied, nodes = [np.zeros((0, 2), np.intp)], [np.zeros((0, 2), np.intp)], n
    for part in parts:
        strict.append(np.where(part.strict >= n, part.strict + nodes - n, part.strict))
        tied.append(part.tied)
        nodes += part.nodes
    return Edges(np.concatenate(strict), np.concatenate(tied), nodes)


def _graph(edges: Indices, nodes: int) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))


def _strong(edges: Indices, nodes: int) -> Indices:
    """Labels [nodes] of the sets in which every node reaches every other."""
    return np.asarray(csgraph.connected_components(_graph(edges, nodes), connection="strong")[1], dtype=np.intp)


def _settled(likelihoods: tuple[Likelihood, ...], edges: Edges, groups: Indices) -> bool:
    """Whether no direction of recession moves a tie or degree term, given items that move alike."""
    flags = [likelihood.settled(groups) for likelihood in likelihoods]
    if all(flags):
        return True
    open_ones = [likelihood for likelihood, closed in zip(likelihoods, flags, strict=True) if not closed]
    pairs = [likelihood for likelihood in open_ones if isinstance(likelihood, Pairs)]
    ties = [p.edges(len(groups)).tied for p, closed in zip(likelihoods, flags, strict=True) if closed]
    alike = np.concatenate([np.zeros((0, 2), np.intp), *ties])
    known = Edges(np.concatenate([edges.strict, alike, alike[:, ::-1]]), alike, edges.nodes)
    return len(pairs) == len(open_ones) and _program_settles(pairs, known)


def _program_settles(open_ones: list[Pairs], edges: Edges) -> bool:
    """Whether no direction of recession moves a tie or degree term, by linear programs over the cone of directions."""
    from scipy.optimize import linprog

    blocks = [likelihood.recession() for likelihood in open_ones]
    offsets = edges.nodes + np.concatenate([[0], np.cumsum([block.levels.shape[1] for block in blocks])])
    size = int(offsets[-1])
    if len(edges.strict) + sum(len(block.slope) for block in blocks) > _LARGEST_PROGRAM:
        return False
    rows = [_difference(edges.strict[:, 1], edges.strict[:, 0], np.ones(len(edges.strict)), size)]
    for block, offset in zip(blocks, offsets, strict=False):
        moved = _difference(block.first, block.second, block.slope, size)
        placed = sparse.coo_array(block.levels)
        r, c = placed.coords
        levels = sparse.csr_array((placed.data, (r, c + offset)), shape=(len(block.slope), size))
        rows.append(moved + levels)
    constraints = sparse.vstack(rows).tocsr()
    for column in range(edges.nodes, size):
        for sign in (1.0, -1.0):
            goal = np.zeros(size)
            goal[column] = -sign
            found = linprog(goal, A_ub=constraints, b_ub=np.zeros(constraints.shape[0]), bounds=(-1, 1), method="highs")
            if found.status != 0 or -found.fun > 1e-7:
                return False
    return True


def _difference(plus: Indices, minus: Indices, weight: Floats, size: int) -> sparse.csr_array:
    """Rows weight · (x_plus − x_minus)."""
    row = np.arange(len(plus))
    entries = np.concatenate([weight, -weight]), (np.concatenate([row, row]), np.concatenate([plus, minus]))
    return sparse.csr_array(entries, shape=(len(plus), size))


def _notes(likelihoods: tuple[Likelihood, ...], n: int, kept: Indices) -> tuple[str, ...]:
    """Why each item outside `kept` cannot be placed."""
    if len(kept) == n:
        return ("",) * n
    edges = _numbered([likelihood.edges(n) for likelihood in likelihoods], n)
    both = np.concatenate([edges.strict, edges.tied])
    island = csgraph.connected_components(_graph(both, edges.nodes), directed=False)[1]
    lone = np.bincount(island[:n], minlength=island.max() + 1)[island[:n]] == 1
    above, below = np.zeros(edges.nodes, bool), np.zeros(edges.nodes, bool)
    above[edges.strict[:, 0]], below[edges.strict[:, 1]] = True, True
    above[edges.tied], below[edges.tied] = True, True
    notes = [""] * n
    for item in set(range(n)) - set(kept.tolist()):
        if lone[item]:
            notes[item] = ALONE
        elif len(kept) and island[item] != island[kept[0]]:
            notes[item] = ISLAND
        elif not below[item]:
            notes[item] = UNDEFEATED
        elif not above[item]:
            notes[item] = WINLESS
        else:
            notes[item] = SEPARATED if len(kept) else UNSETTLED
    return tuple(notes)


def separates(likelihoods: tuple[Likelihood, ...], design: Floats) -> bool:
    """Whether some θ makes every vote on utilities design [n, d] @ θ as likely as it can be, and some of them more.

    Maximise the sum of what each edge a → b gains, (design_a − design_b) · θ ≥ 0, over the box |θ| ≤ 1 (thresholds are
    free unknowns of their own): separated where it is above zero (Albert and Anderson 1984, by linear programming).
    """
    from scipy.optimize import linprog

    n, d = design.shape
    edges = _numbered([likelihood.edges(n) for likelihood in likelihoods], n)
    nodes = np.zeros((edges.nodes, d + edges.nodes - n))
    nodes[:n, :d] = design
    nodes[n:, d:] = np.eye(edges.nodes - n)
    gains = nodes[edges.strict[:, 0]] - nodes[edges.strict[:, 1]]
    equal = nodes[edges.tied[:, 0]] - nodes[edges.tied[:, 1]]
    found = linprog(
        -gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(len(gains)),
        A_eq=equal if len(equal) else None,
        b_eq=np.zeros(len(equal)) if len(equal) else None,
        bounds=(-1, 1),
        method="highs",
    )
    return found.status != 0 or bool(-found.fun > 1e-7 * max(np.abs(gains).sum(), 1.0) / max(len(gains), 1))
