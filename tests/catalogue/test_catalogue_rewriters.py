"""Models whose calls are counted, and what a leader of members is worth, against many answers."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.catalogue.entries.critic_trained import _PLACES, _drafts, _Fixer
from heedful.catalogue.entries.network import _WORLD, _led, _prompt, lead
from heedful.catalogue.rewriters import Paid
from heedful.core import BudgetExceededError, Item
from heedful.models import Request
from heedful.models.marked import context_text


def test_calls_are_capped_and_characters_counted() -> None:
    paid = Paid(lambda messages, parameters: "yes", 2)
    writer = paid("critic", "carrying")
    writer.complete([Request.of("four"), Request.of("and")])
    assert paid.calls == {"carrying": 2}
    assert paid.characters == {"carrying": 7}
    with pytest.raises(BudgetExceededError):
        writer.complete([Request.of("more")])


def test_what_a_leader_gets_right_is_what_many_answers_show() -> None:
    rng = np.random.default_rng(0)
    members = {f"member {place}": _prompt(rng) for place in range(3)}
    shares = []
    for context in _WORLD.contexts(600, rng=rng):
        text = context_text(context)
        said = lead(text, [_WORLD.answer(prompt, rng=rng) for prompt in members.values()])
        shares.append(100 * _WORLD.share(Item.of(text, said)))
    assert abs(np.mean(shares) - _led(members)) < 4 * np.std(shares) / np.sqrt(len(shares))
    assert _led({"one": _WORLD.best()}) == pytest.approx(100 * _WORLD.expected(_WORLD.best()))


def test_what_a_frozen_model_mends_is_counted_in_pairs_out_of_order() -> None:
    """Of all pairs, not of neighbours alone: by changing the draft and counting again."""
    rng = np.random.default_rng(1)
    fixer, drafts = _Fixer.drawn(rng), _drafts(20, rng)
    for place in range(_PLACES):
        revised, at = drafts.copy(), int(fixer.takes[place])
        revised[:, [at, at + 1]] = revised[:, [at + 1, at]]
        np.testing.assert_allclose(
            fixer.mended(drafts)[:, place], fixer.obeys[place] * (_inversions(drafts) - _inversions(revised))
        )
    critiques = rng.integers(_PLACES + 1, size=(20, 4000))
    earned, expected = fixer.earned(drafts, critiques, rng), np.take_along_axis(fixer.mended(drafts), critiques, axis=1)
    assert abs((earned - expected).mean()) < 5 / np.sqrt(critiques.size)


def _inversions(drafts: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(drafts.shape[1], 1)
    return (drafts[:, first] > drafts[:, second]).sum(axis=1)
