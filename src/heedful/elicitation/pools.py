"""Pools: the pairs that could be asked about."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from heedful.core import InputError, Item
from heedful.preference.identification import UNDEFEATED, WINLESS
from heedful.preference.observations import Comparisons, Grades, Instrument, observe

if TYPE_CHECKING:
    from heedful.feedback import Table

Indices = NDArray[np.intp]

# All pairs of 200 items.
CAP = 19_900


@dataclass(frozen=True)
class Pool(Sequence[tuple[Item, Item]]):
    """Pairs to ask about, out of `possible`. The first `connecting` join islands or place items not yet placed."""

    pairs: tuple[tuple[Item, Item], ...]
    possible: int
    connecting: int = 0

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, place: int) -> tuple[Item, Item]: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[tuple[Item, Item], ...]: ...
    def __getitem__(self, place: Any) -> Any:
        return self.pairs[place]

    def __iter__(self) -> Iterator[tuple[Item, Item]]:
        return iter(self.pairs)


def item_pairs(
    items: Sequence[Item],
    *,
    rng: np.random.Generator,
    cap: int = CAP,
    table: Table | None = None,
    posterior: Any = None,
    criterion: str = "overall",
) -> Pool:
    """All pairs of items that recur (systems), or `cap` of them at random where there are more.

    With the `table` and the `posterior`, the questions without which no ranking is complete stand first and are never
    sampled away: one for each other island (of the judgements on `criterion`), between its most judged item and that of
    the largest island; and one for each further item the posterior does not place, against the best placed item where
    it was never beaten, the worst where it never won, the most judged otherwise.
    Raises InputError for fewer than two different items.
    """
    distinct = tuple(dict.fromkeys(items))
    if len(distinct) < 2:
        raise InputError(f"{len(distinct)} item makes no pair", where="item_pairs", fix="give at least two")
    islands = {} if table is None else _islands(distinct, table, criterion)
    first = tuple(dict.fromkeys([*_bridges(distinct, islands, posterior), *_challenges(distinct, islands, posterior)]))
    return _pool([distinct], cap, rng, first)


def context_pairs(groups: Iterable[Sequence[Item]], *, rng: np.random.Generator, cap: int = CAP) -> Pool:
    """All pairs of different items within each group, whose items share a context; at random where more than `cap`.

    Raises InputError where a group's items do not share their context.
    """
    distinct = [tuple(dict.fromkeys(group)) for group in groups]
    for row, group in enumerate(distinct):
        if len({item.context for item in group}) > 1:
            raise InputError("the items of a group have different contexts", where=f"context_pairs, group {row}")
    return _pool(distinct, cap, rng)


def subsets(
    groups: Iterable[Sequence[Item]], size: int, *, rng: np.random.Generator, cap: int = CAP
) -> tuple[tuple[Item, ...], ...]:
    """Sets of `size` different items of one group each (of one context, or all systems), `cap` at random where more.

    One item is a question to rate or to label, several are to be ranked. Raises InputError for a size below 1, and
    where no group has so many items.
    """
    distinct = [tuple(dict.fromkeys(group)) for group in groups]
    counts = [math.comb(len(group), size) if size >= 1 else 0 for group in distinct]
    possible, ends = sum(counts), list(itertools.accumulate(counts))
    if not possible:
        raise InputError(f"no group has {size} different items", where="subsets")
    if possible > np.iinfo(np.int64).max:
        raise InputError(f"{possible:.2g} sets are too many to draw from", where="subsets", fix="give fewer items")
    chosen = range(possible) if possible <= cap else np.sort(rng.choice(possible, cap, replace=False)).tolist()
    found = []
    for rank in chosen:
        owner = bisect.bisect_right(ends, rank)
        places = _subset(rank - (ends[owner] - counts[owner]), size)
        found.append(tuple(distinct[owner][place] for place in places))
    return tuple(found)


def _subset(rank: int, size: int) -> list[int]:
    """The set of this rank among those of `size` numbers, rising: rank = Σ C(c_i, i) (combinatorial number system)."""
    places = []
    for left in range(size, 0, -1):
        place = left - 1
        while math.comb(place + 1, left) <= rank:
            place += 1
        rank -= math.comb(place, left)
        places.append(place)
    return places[::-1]


def _pool(
    groups: Sequence[tuple[Item, ...]],
    cap: int,
    rng: np.random.Generator,
    first: tuple[tuple[Item, Item], ...] = (),
) -> Pool:
    """`first`, then the other pairs within the groups, at most `cap` of these."""
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    possible = int(ends[-1]) if len(ends) else 0
    chosen = np.arange(possible)
    if possible > cap:
        chosen = np.sort(rng.choice(possible, cap, replace=False, shuffle=False))
    owner = np.searchsorted(ends, chosen, side="right")
    within = chosen - np.concatenate([[0], ends])[owner]
    high = ((1 + np.sqrt(1 + 8 * within)) // 2).astype(np.int64)
    low = within - high * (high - 1) // 2
    taken = {frozenset(pair) for pair in first}
    places = zip(owner.tolist(), low.tolist(), high.tolist(), strict=True)
    drawn = ((groups[group][a], groups[group][b]) for group, a, b in places)
    rest = tuple(pair for pair in drawn if not taken or frozenset(pair) not in taken)
    return Pool((*first, *rest), possible, len(first))


def _islands(items: Sequence[Item], table: Table, criterion: str) -> dict[Item, int]:
    """The island, from 1, of each item not joined to the largest; an item never judged is an island of its own."""
    seen = observe(table, criterion)
    number = {name: place for place, name in enumerate(seen.names)}
    links = np.concatenate([np.zeros((0, 2), np.intp), *(_links(votes) for votes in seen.instruments.values())])
    n = len(number)
    low, high = np.divmod(np.unique(links[:, 0] * n + links[:, 1]), max(n, 1))
    graph = sparse.csr_array((np.ones(len(low)), (low, high)), shape=(n, n))
    island = sparse.csgraph.connected_components(graph, directed=False)[1] if n else np.zeros(0, np.intp)
    largest = int(np.bincount(island).argmax()) if n else -1
    found: dict[Item, int] = {}
    for order, item in enumerate(items):
        place = number.get(item.system or item.key)
        if place is None:
            found[item] = n + 1 + order
        elif island[place] != largest:
            found[item] = 1 + int(island[place])
    return found


def _links(votes: Instrument) -> Indices:
    """Pairs of item numbers [l, 2] that votes join: compared, in one choice, or rated on one scale."""
    if isinstance(votes, Comparisons):
        return np.stack([votes.first, votes.second], axis=1)
    if isinstance(votes, Grades):
        return np.stack([votes.item[:-1], votes.item[1:]], axis=1)
    present = votes.members >= 0
    anchor = np.take_along_axis(votes.members, present.argmax(axis=1)[:, None], axis=1)
    return np.stack([np.broadcast_to(anchor, present.shape), votes.members], axis=2)[present]


def _bridges(items: Sequence[Item], islands: Mapping[Item, int], posterior: Any) -> Iterator[tuple[Item, Item]]:
    """One pair for each other island: the most judged item of the largest and of that one."""
    counts = _values(posterior, "counts", 0)
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(islands.get(item, 0), []).append(item)
    main = groups.pop(0, None) or groups.pop(next(iter(groups)))
    for group in groups.values():
        yield max(main, key=counts), max(group, key=counts)


def _challenges(items: Sequence[Item], islands: Mapping[Item, int], posterior: Any) -> Iterator[tuple[Item, Item]]:
    """One pair for each item of the largest island that the posterior does not place."""
    identified, note = _values(posterior, "identified", True), _values(posterior, "notes", "")
    counts, mean = _values(posterior, "counts", 0), _values(posterior, "mean", 0.0)
    placed = [item for item in items if item not in islands and identified(item)]
    if not placed:
        return
    best, worst, known = (max(placed, key=key) for key in (mean, lambda item: -mean(item), counts))
    for item in items:
        if item not in islands and not identified(item):
            yield item, {UNDEFEATED: best, WINLESS: worst}.get(note(item), known)


def _values(posterior: Any, name: str, default: Any) -> Callable[[Item], Any]:
    """A posterior's per-item attribute by item; `default` for items and posteriors that have none."""
    by_name = dict(zip(getattr(posterior, "names", ()), getattr(posterior, name, ()), strict=False))
    return lambda item: by_name.get(item.system or item.key, default)
