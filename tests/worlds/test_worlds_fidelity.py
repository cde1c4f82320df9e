"""Fidelity: statistics by hand, one for identical worlds, less for others."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from heedful.core import UsageError
from heedful.feedback import Table
from heedful.worlds import ArenaWorld, LanguageWorld, SimulatedRaters, collect, fidelity
from heedful.worlds import fidelity as compare
from heedful.worlds.fidelity import STATISTICS


def votes(*rows: tuple[str, str, str, str, str]) -> Table:
    """Comparisons: context, first, second, choice, rater."""
    context, first, second, choice, rater = zip(*rows, strict=True)
    frame = pl.DataFrame(
        {
            "id": [str(number) for number in range(len(rows))],
            "kind": "comparison",
            "context": context,
            "systems": [list(pair) for pair in zip(first, second, strict=True)],
            "choice": choice,
            "rater": rater,
            "shown": True,
        }
    )
    return Table.shaped(frame)


def test_statistics_by_hand() -> None:
    table = votes(
        ("p", "a", "b", "first", "r"),
        ("p", "b", "a", "second", "s"),  # agrees with r: both say a
        ("p", "a", "b", "tie", "t"),  # agrees with neither
        ("p", "a", "b", "tie", "t"),  # t again: counted once
        ("q", "a", "b", "first", "r"),  # another prompt
        ("q", "b", "c", "first", "r"),
        ("q", "c", "a", "first", "r"),
        ("q", "a", "c", "incomparable", "r"),
    )
    found = {name: measure(table) for name, measure in STATISTICS.items()}
    shares = {name: share for name, measured in found.items() if measured for share in [measured[0]]}
    assert shares["tie rate"] == pytest.approx(2 / 7)
    assert shares["first shown wins"] == pytest.approx(4 / 5)
    assert shares["raters agree"] == pytest.approx(1 / 3)
    assert shares["majorities are transitive"] == 0.0
    rates = [3 / 4, 1 / 4, 1 / 2]
    assert shares["spread of win rates"] == pytest.approx(2 * np.std(rates))
    assert shares["votes by the busier half"] == pytest.approx((5 + 2 / 2) / 8)
    assert set(shares) == {
        "tie rate",
        "first shown wins",
        "raters agree",
        "majorities are transitive",
        "spread of win rates",
        "votes by the busier half",
    }


WORLD = ArenaWorld(12, seed=1)
REAL: dict[str, Any] = {
    "tie": 0.6,
    "position_bias": 0.4,
    "disagreement": 0.5,
    "degree_step": 1.0,
}


def sample(seed: int, kind: Any = "comparison", world: Any = WORLD, n: int = 6000, **given: Any) -> Table:
    raters = SimulatedRaters(10, **{**REAL, **given})
    return collect(world, n, raters=raters, rng=np.random.default_rng(seed), kind=kind, votes=3)


def test_one_world_is_like_itself_and_a_table_is_its_own_twin() -> None:
    real = sample(0)
    assert fidelity(real, real).score == 1.0
    assert fidelity(real, sample(1)).score > 0.95


@pytest.mark.parametrize(
    ("fault", "shown_by"),
    [
        ({"tie": 0.0}, "tie rate"),
        ({"position_bias": 2.0}, "first shown wins"),
        ({"degree_step": 4.0}, "degree above 1"),
        ({"temperature": 6.0}, "spread of win rates"),
        ({"degree_step": None}, "degree above 1"),
    ],
)
def test_each_fault_shows_in_its_statistic(fault: dict[str, Any], shown_by: str) -> None:
    real = sample(0)
    found = fidelity(real, sample(1, **fault))
    assert found.score < fidelity(real, sample(1)).score - 0.03
    assert found.worst().statistic == shown_by


def test_agreement_of_raters_shows_correlated_votes() -> None:
    language = LanguageWorld(length=1, prompts=6)
    real, alike, noisy = (
        sample(seed, world=language, temperature=temperature) for seed, temperature in ((0, 0.2), (1, 0.2), (2, 5.0))
    )
    agree = {
        name: next(part for part in fidelity(real, other).parts if part.statistic == "raters agree")
        for name, other in (("alike", alike), ("noisy", noisy))
    }
    assert agree["alike"].likeness > 0.9
    assert agree["noisy"].likeness < 0.7


@pytest.mark.parametrize("kind", ["rating", "label", "best_of"])
def test_other_kinds_compare_too(kind: Any) -> None:
    real = sample(0, kind)
    harsh = {"leniency": -2.0} if kind != "best_of" else {"position_bias": 3.0}
    assert fidelity(real, sample(1, kind)).score > 0.95
    assert fidelity(real, sample(1, kind, **harsh)).score < 0.85


def test_what_only_the_simulation_shows_is_left_out() -> None:
    real = sample(0, degree_step=None)
    assert "degree above 1" not in {part.statistic for part in fidelity(real, sample(1)).parts}


def test_too_little_is_refused() -> None:
    with pytest.raises(UsageError, match="real"):
        compare(votes(("p", "a", "b", "first", "r")), sample(0))
