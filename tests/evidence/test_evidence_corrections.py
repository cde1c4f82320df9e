"""Rewards of tokens by corrections: by hand, and as a potential."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, Item
from heedful.core.contracts import PotentialContract
from heedful.evidence import Corrected

RIGHT = "the cat sat"


def corrected(items):
    return [Item.of("q", RIGHT) for _ in items]


class TestCorrected(PotentialContract):
    def make(self):
        return Corrected(corrected)

    def items(self):
        return [Item.of("q", text) for text in (RIGHT, "the cat", "a cat sat", "")]


@pytest.mark.parametrize(
    ("text", "rewards"),
    [
        ("the cat sat", [1, 1, 1, 1]),
        ("the dog sat", [1, -1, -1, -1]),
        ("the cat", [1, 1, -1]),
        ("the cat sat down now", [1, 1, 1, -1, -1, -1]),
        ("", [-1]),
    ],
)
def test_tokens_are_rewarded_up_to_the_first_difference_and_ends_count(text: str, rewards: list[float]) -> None:
    made = Corrected(corrected)
    np.testing.assert_array_equal(made.tokens([Item.of("q", text)])[0], rewards)
    assert made([Item.of("q", text)]).mean[0] == sum(rewards)


def test_every_item_needs_a_correction() -> None:
    with pytest.raises(InputError, match="1 corrections of 2"):
        Corrected(lambda items: items[:1])([Item.of("q", "a"), Item.of("q", "b")])
