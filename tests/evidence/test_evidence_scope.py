"""Scopes, routes and the worst of several."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, Item, Parts, ScaleError, UsageError
from heedful.core.contracts import PotentialContract
from heedful.evidence import Constant, Routed, routed, scoped, worst
from heedful.models import TableModel
from heedful.target import Target, enumerate_exact

from .common import ITEMS, known

EMAILS = tuple(Item.of("email", output) for output in "abcd")


def is_email(context: Parts) -> bool:
    return context[0].text == "email"


def by_context(context: Parts) -> str | None:
    return {"q": "plain", "email": "mail"}.get(context[0].text)


class TestScoped(PotentialContract):
    def make(self) -> Routed:
        return scoped(known(0), is_email)

    def items(self) -> tuple[Item, ...]:
        return ITEMS + EMAILS


class TestWorst(PotentialContract):
    def make(self) -> object:
        return worst(known(0, scale="log_prob"), known(1, scale="log_prob"))

    def items(self) -> tuple[Item, ...]:
        return ITEMS


def test_outside_of_its_scope_a_potential_changes_no_target() -> None:
    base = TableModel.of(
        {"q": {"a": 0.2, "b": 0.3, "c": 0.4, "d": 0.1}, "email": {"a": 0.7, "b": 0.1, "c": 0.1, "d": 0.1}}
    )
    narrow, wide = Target(base, 2.0 * scoped(known(3), is_email)), Target(base, 2.0 * known(3))
    plain, mail = ITEMS[0].context, EMAILS[0].context
    np.testing.assert_allclose(enumerate_exact(narrow, plain).probability, [0.2, 0.3, 0.4, 0.1])
    np.testing.assert_allclose(enumerate_exact(narrow, mail).probability, enumerate_exact(wide, mail).probability)


def test_a_route_takes_means_and_draws_from_the_potential_it_names() -> None:
    plain, mail = known(1), known(2)
    joint = routed(by_context, {"plain": plain, "mail": mail})
    mixed = [ITEMS[0], EMAILS[1], Item.of("other", "c"), ITEMS[3]]
    scores = joint(mixed)
    assert scores.draws is not None
    np.testing.assert_allclose(
        scores.mean, [plain(ITEMS[:1]).mean[0], mail(EMAILS[1:2]).mean[0], 0, plain(ITEMS[3:]).mean[0]]
    )
    np.testing.assert_allclose(scores.draws[:, 1], mail(EMAILS[1:2]).draws[:, 0])  # type: ignore[index]
    assert (scores.draws[:, 2] == 0).all()


def test_routes_that_lead_nowhere_and_scales_that_do_not_match_are_refused() -> None:
    with pytest.raises(InputError, match="'mail'"):
        routed(by_context, {"plain": known(1)})(EMAILS)
    with pytest.raises(UsageError, match="different scales"):
        routed(by_context, {"plain": known(1), "mail": Constant(-1.0, "log_prob")})
    with pytest.raises(UsageError, match="at least one"):
        routed(by_context, {})


def test_the_worst_is_taken_draw_by_draw() -> None:
    one, two = known(4, scale="log_prob"), known(5, scale="log_prob")
    scores = worst(one, two)(ITEMS)
    first, second = one(ITEMS).draws, two(ITEMS).draws
    assert first is not None
    assert second is not None
    assert scores.draws is not None
    np.testing.assert_allclose(scores.draws, np.minimum(first, second))
    with pytest.raises(ScaleError):
        worst(one, known(6))
