"""Which of the pool proposals start from, and what goes to trial."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Floats
from heedful.rewriting.pools import Member, incumbent, leading, pareto

RNG = np.random.default_rng(0)
KEPT = Member({})


def member(name: str, *earned: float) -> Member:
    return Member({"prompt": name}).after(range(len(earned)), np.array(earned))


def test_the_best_in_training_leads() -> None:
    low, high = member("low", *[0.2, 0.3] * 8), member("high", *[0.7, 0.8] * 8)
    assert leading([KEPT, low, high], KEPT, RNG) is high
    assert incumbent([KEPT, low, high], KEPT, RNG) is KEPT
    assert leading([KEPT], KEPT, RNG) is KEPT


def test_a_lucky_few_do_not_lead_where_members_differ_by_chance() -> None:
    coins = [member(str(own), *np.tile([0.0, 1.0], 20)) for own in range(8)]
    lucky, good = member("lucky", 1.0, 1.0), member("good", *[1.0] * 26, *[0.0] * 14)
    assert lucky.mean > good.mean
    assert leading([*coins, lucky, good], KEPT, RNG) is good


def test_what_was_earned_again_counts_beside_what_was() -> None:
    own = member("own", 1.0, 0.0).after([1, 2], np.array([1.0, 1.0]))
    assert own.mean == pytest.approx(0.75)
    assert own.earned == {0: (1.0,), 1: (0.0, 1.0), 2: (1.0,)}


def test_of_many_where_one_is_better_it_mostly_comes_to_lead() -> None:
    """32 coins, one of 0.6 and the others of 0.5, one more a round beside the leader: by chance it would be 1 of 32."""

    def found(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        better = rng.integers(32)

        def earned(name: str) -> Floats:
            return (rng.random(40) < (0.6 if name == str(better) else 0.5)).astype(float)

        pool = [Member({"prompt": "start"})]
        for number in range(32):
            leader = leading(pool, pool[0], rng)
            again = leader.after(range(40), earned(leader.values["prompt"]))
            new = Member({"prompt": str(number)}).after(range(40), earned(str(number)))
            pool = [*(again if own is leader else own for own in pool), new]
        return leading(pool, pool[0], rng).values["prompt"] == str(better)

    assert sum(map(found, range(40))) >= 12


def test_each_example_has_its_best() -> None:
    one, other, none = member("one", 1.0, 0.0), member("other", 0.0, 1.0), member("none", 0.5, 0.5)
    drawn = {pareto([one, other, none], KEPT, np.random.default_rng(seed)).values["prompt"] for seed in range(20)}
    assert drawn == {"one", "other"}
