"""The rule that turns figures into a verdict, held to its promises by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.catalogue.verdicts import Check, examine, stack, verdict
from heedful.core import HeedfulError

SEEDS = 40


def verdicts(differences: list[float], worlds: int = 400) -> dict[str, float]:
    """How often each verdict falls on two checks whose contrasts have these means, over many simulated entries."""
    rng = np.random.default_rng(5)
    checks = tuple(Check(f"a{i}", f"b{i}", above=0.0) for i in range(len(differences)))
    found = []
    for _ in range(worlds):
        shared = rng.normal(size=SEEDS)
        measured = {}
        for place, difference in enumerate(differences):
            measured[f"a{place}"] = shared + difference + rng.normal(0, 0.5, SEEDS)
            measured[f"b{place}"] = shared + rng.normal(0, 0.5, SEEDS)
        found.append(verdict(examine(checks, measured)))
    return {name: found.count(name) / worlds for name in ("reproduced", "not reproduced", "inconclusive")}


def test_a_large_effect_is_reproduced_and_its_opposite_is_not() -> None:
    assert verdicts([1.0, 1.0])["reproduced"] == 1.0
    assert verdicts([-1.0, 1.0])["not reproduced"] == 1.0


def test_no_effect_is_seldom_called_either_way() -> None:
    """Both errors together stay within 5 %, up to simulation error (sd 1.1 points)."""
    rates = verdicts([0.0])
    assert rates["reproduced"] + rates["not reproduced"] <= 0.08
    assert 0.005 <= rates["reproduced"] <= 0.05
    assert verdicts([0.0, 0.0, 0.0])["not reproduced"] <= 0.05


def test_pairing_removes_what_seeds_share() -> None:
    """Unpaired, a difference of 0.5 among shared effects of sd 1 would be missed in most worlds."""
    assert verdicts([0.5])["reproduced"] > 0.95


def test_margins_factors_and_sides() -> None:
    measured = {"good": np.linspace(1.0, 1.2, SEEDS), "bad": np.linspace(2.9, 3.4, SEEDS)}
    outcomes = {
        str(one.check): one.outcome
        for one in examine(
            (
                Check("bad", "good", factor=2, above=0.5),
                Check("bad", "good", factor=2, above=1.5),
                Check("good", below=2.0),
                Check("good", below=1.0),
                Check("good", above=1.1),
            ),
            measured,
        )
    }
    assert outcomes == {
        "bad − 2 × good > 0.5": "holds",
        "bad − 2 × good > 1.5": "fails",
        "good < 2": "holds",
        "good < 1": "fails",
        "good > 1.1": "open",
    }


def test_too_few_seeds_decide_nothing() -> None:
    assert verdict(examine((Check("a", above=0.0),), {"a": np.array([1.0, 1.1, 0.9])})) == "inconclusive"


def test_faults_are_refused() -> None:
    with pytest.raises(HeedfulError, match="either above or below"):
        Check("a")
    with pytest.raises(HeedfulError, match="either above or below"):
        Check("a", above=0.0, below=1.0)
    with pytest.raises(HeedfulError, match="measures no 'b'"):
        examine((Check("a", "b", above=0.0),), {"a": np.zeros(SEEDS)})
    with pytest.raises(HeedfulError, match="not finite at 1 seeds"):
        stack([{"a": 1.0}, {"a": float("nan")}])
    with pytest.raises(HeedfulError, match="the same measures"):
        stack([{"a": 1.0}, {"b": 1.0}])
