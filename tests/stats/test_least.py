"""The least size that is enough."""

from __future__ import annotations

import pytest

from heedful.stats import least_enough


@pytest.mark.parametrize("least", [1, 2, 3, 7, 8, 9, 1000])
def test_it_is_found_by_few_looks(least: int) -> None:
    looked: list[int] = []
    assert least_enough(lambda n: looked.append(n) or n >= least) == least  # type: ignore[func-returns-value]
    assert len(looked) <= 2 * least.bit_length() + 1
