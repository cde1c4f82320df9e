"""Elimination in groups, against schedules by hand, tables without noise and an enumeration of all answers."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from heedful.core import Floats, HeedfulError
from heedful.elicitation import Elimination


def test_rounds_by_hand() -> None:
    assert Elimination(4, "winner").rounds(32) == [(8, 4), (2, 4), (1, 2)]
    assert Elimination(4, "half").rounds(32) == [(8, 4), (4, 4), (2, 4), (1, 4), (1, 2)]
    assert Elimination(3, "all but one").rounds(7) == [(2, 3), (1, 3), (1, 3), (1, 3), (1, 2)]
    assert Elimination(5, "half").rounds(4) == [(1, 4), (1, 2)]


@pytest.mark.parametrize("keep", ["winner", "half", "all but one"])
def test_the_best_of_every_group_is_always_found(keep: str) -> None:
    """What an item gets depends on who is beside it in any way, but for the best, which gets most wherever it is."""
    rng = np.random.default_rng(1)
    for n, size in product((2, 3, 5, 8), (2, 3, 4)):
        table = {frozenset(own): rng.random(n) for k in range(2, size + 1) for own in combinations(range(n), k)}
        best = int(rng.integers(n))
        spent: list[int] = []

        def answer(
            shown: tuple[int, ...],
            times: int,
            table: dict[frozenset[int], Floats] = table,
            best: int = best,
            spent: list[int] = spent,
        ) -> Floats:
            spent.append(times)
            return times * np.array([1.5 if item == best else table[frozenset(shown)][item] for item in shown])

        done = Elimination(size, keep)(answer, range(n), 60, rng=rng)  # type: ignore[arg-type]
        assert done.best == best
        assert done.asked == sum(spent) <= 60
        assert all(best in left for left in done.left)
        rounds = Elimination(size, keep).rounds(n)  # type: ignore[arg-type]
        for (groups, _), share in zip(rounds, np.split(spent, np.cumsum([own for own, _ in rounds])[:-1]), strict=True):
            assert len(share) == groups
            assert set(share) == {60 // (len(rounds) * groups)}


def law(times: int, p: tuple[float, ...], kept: int) -> dict[frozenset[int], float]:
    """The probability of each set of kept items, over all sequences of winners and all orders of equal ones."""
    found: dict[frozenset[int], float] = {}
    for winners in product(range(len(p)), repeat=times):
        counts = np.bincount(winners, minlength=len(p))
        last = np.sort(counts)[-kept]
        sure, tied = np.flatnonzero(counts > last), np.flatnonzero(counts == last)
        fills = list(combinations(tied.tolist(), kept - len(sure)))
        for fill in fills:
            own = frozenset([*sure.tolist(), *fill])
            found[own] = found.get(own, 0.0) + float(np.prod([p[winner] for winner in winners])) / len(fills)
    return found


@pytest.mark.parametrize("keep", ["winner", "half", "all but one"])
def test_each_item_is_left_as_often_as_an_enumeration_says(keep: str) -> None:
    """Three items, six questions: one round of six, or two of three with the pair compared as its own table says."""
    alone = (0.5, 0.3, 0.2)
    pair = {frozenset([0, 1]): 0.55, frozenset([0, 2]): 0.6, frozenset([1, 2]): 0.3}  # of the lower number

    def chances(shown: tuple[int, ...]) -> list[float]:
        low = pair.get(frozenset(shown), 0.0)
        return [alone[i] if len(shown) == 3 else low if i == min(shown) else 1 - low for i in shown]

    truth = np.zeros(3)
    if keep == "winner":
        for left, own in law(6, alone, 1).items():
            truth[min(left)] += own
    else:
        for left, own in law(3, alone, 2).items():
            shown = tuple(sorted(left))
            for place, chance in law(3, tuple(chances(shown)), 1).items():
                truth[shown[min(place)]] += own * chance

    rng = np.random.default_rng(2)

    def answer(shown: tuple[int, ...], times: int) -> Floats:
        return np.asarray(rng.multinomial(times, chances(shown)), np.float64)

    runs = 6000
    best = [Elimination(3, keep)(answer, range(3), 6, rng=rng).best for _ in range(runs)]  # type: ignore[arg-type]
    share = np.bincount(best, minlength=3) / runs
    assert truth.sum() == pytest.approx(1.0)
    assert np.all(np.abs(share - truth) < 4 * np.sqrt(truth * (1 - truth) / runs))


def test_faults_are_refused() -> None:
    def answer(shown: tuple[int, ...], times: int) -> Floats:
        return np.zeros(len(shown))

    rng = np.random.default_rng(0)
    with pytest.raises(HeedfulError, match="groups of 1"):
        Elimination(1)
    with pytest.raises(HeedfulError, match="that keep 'some'"):
        Elimination(4, "some")  # type: ignore[arg-type]
    with pytest.raises(HeedfulError, match="give 40 or more"):
        Elimination(4, "half")(answer, range(32), 39, rng=rng)
    with pytest.raises(HeedfulError, match="two or more different"):
        Elimination()(answer, [1, 1], 10, rng=rng)
    with pytest.raises(HeedfulError, match="a finite number for each"):
        Elimination()(lambda shown, times: np.full(3, np.nan), range(3), 10, rng=rng)
