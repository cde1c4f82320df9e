"""Models whose calls are counted, and what a leader of members is worth, against many answers."""

from __future__ import annotations

import numpy as np
import pytest

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
