"""What training texts hold of those held out, by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import InputError
from heedful.training.overlap import overlapping


def test_half_of_a_text_held_out_is_enough_to_leave_a_text_out():
    held = [list("abcdefgh")]
    trained = [list("xabcdy"), list("abcdeq"), list("abcxdefgh"), list("hgfedcba"), []]
    # four of eight are no more than half; five are; abc and defgh are all
    np.testing.assert_array_equal(overlapping(trained, held, n=3), [False, True, True, False, False])
    np.testing.assert_array_equal(overlapping(trained, held, n=4), [False, True, True, False, False])


def test_short_texts_are_covered_whole_or_not_at_all():
    np.testing.assert_array_equal(overlapping([["a", "b", "c"], ["b", "a"]], [["b", "c"]]), [True, False])


def test_runs_are_found_wherever_they_stand():
    rng = np.random.default_rng(0)
    trained, held = (rng.integers(5, size=(30, 9)).tolist() for _ in range(2))
    for n, share in ((3, 0.5), (4, 0.4)):
        brute = []
        for text in trained:
            runs = {tuple(text[k : k + n]) for k in range(10 - n)}
            shares = []
            for other in held:
                hit = np.zeros(9, dtype=bool)
                for k in range(10 - n):
                    if tuple(other[k : k + n]) in runs:
                        hit[k : k + n] = True
                shares.append(hit.mean())
            brute.append(max(shares) > share)
        assert 0 < sum(brute) < 30
        np.testing.assert_array_equal(overlapping(trained, held, n=n, share=share), brute)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"share": 1.0}])
def test_what_says_nothing_is_refused(wrong):
    with pytest.raises(InputError):
        overlapping([[1]], [[1]], **wrong)
    with pytest.raises(InputError, match="empty"):
        overlapping([[1]], [[]])
