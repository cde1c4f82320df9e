"""Which solutions are asked about: by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Item, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import Convincing
from heedful.evidence import Rule

SHARES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5, "f": 0.4}
POOL = [(Item.of("q", name),) for name in SHARES]
BELIEF = Rule(lambda item: math.log(SHARES[item.output[0].text]), "right", "log_prob")


def wrong(item: Item) -> bool:
    return item.output[0].text in "bdf"


class TestConvincing(AcquisitionRuleContract):
    def make(self):
        return Convincing(wrong, 4)

    def posterior(self):
        return BELIEF

    def pool(self):
        return POOL


@pytest.mark.parametrize(
    ("batch", "share", "expected"),
    [(4, 0.5, "bdac"), (2, 1.0, "bd"), (3, 0.0, "abc"), (5, 1.0, "bdfac"), (9, 0.8, "bdface")],
)
def test_wrong_ones_come_first_then_the_most_convincing_of_the_rest(batch, share, expected):
    asked = Convincing(wrong, batch, share)(BELIEF, POOL, rng=np.random.default_rng(0))
    assert "".join(question[0].output[0].text for question in asked.items) == expected
    p = np.array([SHARES[name] for name in expected])
    np.testing.assert_allclose(asked.expected_gain, -p * np.log(p) - (1 - p) * np.log(1 - p))


def test_faults_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="one by one"):
        Convincing(wrong)(BELIEF, [(POOL[0][0], POOL[1][0])], rng=rng)
    with pytest.raises(UsageError, match="one by one"):
        Convincing(wrong)(Rule(lambda item: 0.0, "utility"), POOL, rng=rng)
    with pytest.raises(UsageError, match="share in"):
        Convincing(wrong, share=1.5)
