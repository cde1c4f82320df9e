"""Shares of the catalogue: each entry in one, none above its time, few of them."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from typer.testing import CliRunner

from heedful.catalogue import ids, recorded, shares
from heedful.cli.catalogue import catalogue


@pytest.mark.parametrize("most", [0.0, 60.0, 120.0])
@pytest.mark.parametrize("seed", range(5))
def test_each_is_in_one_share_and_no_two_shares_would_fit_into_one(most: float, seed: int) -> None:
    drawn = np.random.default_rng(seed).uniform(0, 90, size=40)
    seconds = {f"{number:03}": float(own) for number, own in enumerate(drawn)}
    found = shares(seconds, most)
    totals = [sum(seconds[own] for own in share) for share in found]
    assert sorted(own for share in found for own in share) == list(seconds)
    assert all(total <= most or len(share) == 1 for total, share in zip(totals, found, strict=True))
    assert all(first + second > most for first, second in combinations(totals, 2))


def test_those_that_fill_shares_to_the_brim_are_found() -> None:
    assert shares({"a": 6, "b": 4, "c": 5, "d": 5, "e": 10}, 10) == (("e",), ("a", "b"), ("c", "d"))


def test_turns_go_round_and_each_runs_its_share() -> None:
    seconds = recorded()
    assert tuple(seconds) == ids()
    slow = sorted(seconds, key=lambda own: (-seconds[own], own))
    for turn in (len(slow) - 1, -1):  # a share of 0 seconds is one entry, and the quickest is the last
        command = ["run", "--turn", str(turn), "--seconds", "0", "--quick", "--json"]
        assert [row["id"] for row in json.loads(CliRunner().invoke(catalogue, command).stdout)] == slow[-1:]
