"""Where a potential applies: scopes and routes by context; and the worst of several.

A scope or a route looks at the context alone. Outside of a scope the potential says nothing: it is constant there, and
a constant per context changes no target. So both are sound on either scale. The worst of several compares potentials
with each other, which utilities, each known up to a constant of its own, do not allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Parts, Scale, Scores, UsageError
from heedful.core.algebra import Expressible, Expression, draws_count
from heedful.evidence.logic import Combined, combined


@dataclass(frozen=True, slots=True, eq=False)
class Routed(Expressible):
    """The potential named by `route(context)`; None names none: score 0, certain, where nothing applies."""

    route: Callable[[Parts], str | None]
    potentials: Mapping[str, Any]
    scale: Scale
    under: str | None

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Raises InputError where a context is routed to a potential that there is not, or draws do not line up."""
        names = [self.route(item.context) for item in items]
        unknown = sorted({name for name in names if name is not None and name not in self.potentials})
        if unknown:
            raise InputError(
                f"contexts are routed to {', '.join(map(repr, unknown))}, which are no potentials given",
                where="route",
                fix=f"give one of {', '.join(map(repr, self.potentials))}, or None",
            )
        # Also those that no item is routed to are asked, so that a call has draws whichever items it holds.
        rows = {name: [row for row, own in enumerate(names) if own == name] for name in self.potentials}
        scored = {name: self.potentials[name]([items[row] for row in own]) for name, own in rows.items()}
        return Scores(*_joined(rows, scored, len(items)))


def _joined(
    rows: dict[str, list[int]], scored: dict[str, Scores], n: int
) -> tuple[Floats, Floats | None, Floats | None]:
    """Mean [n], draws [k, n] and aleatoric [n] of parts that each hold some of the rows."""
    k = draws_count(scored.values())
    mean, draws = np.zeros(n), None if k is None else np.zeros((k, n))
    aleatoric = np.zeros(n) if any(own.aleatoric is not None for own in scored.values()) else None
    for name, own in scored.items():
        mean[rows[name]] = own.mean
        if draws is not None:
            draws[:, rows[name]] = own.mean if own.draws is None else own.draws
        if aleatoric is not None:
            aleatoric[rows[name]] = 0.0 if own.aleatoric is None else own.aleatoric
    return mean, draws, aleatoric


def routed(route: Callable[[Parts], str | None], potentials: Mapping[str, Any]) -> Routed:
    """One potential per kind of context: `route(context)` names the one that applies, or None.

    Raises UsageError where there is none, they are on different scales, or hold under different policies.
    """
    if not potentials:
        raise UsageError("at least one potential is needed", where="routed")
    wholes = {name: Expression.of(potential) for name, potential in potentials.items()}
    scales = {whole.scale for whole in wholes.values()}
    if len(scales) > 1:
        raise UsageError(
            "the potentials are on different scales, so that strengths would mean different things by context",
            where="routed",
            fix="give all as utilities, or all as log-probabilities",
        )
    under = Expression(tuple(term for whole in wholes.values() for term in whole.terms)).under
    return Routed(route, dict(potentials), scales.pop(), under)


def scoped(potential: Any, applies: Callable[[Parts], bool]) -> Routed:
    """`potential` in the contexts in which it `applies`, and nothing (score 0, certain) in all others."""
    return routed(lambda context: "in" if applies(context) else None, {"in": potential})


def worst(*potentials: Any) -> Combined:
    """The least of several log-probabilities, item by item and draw by draw: what the worst-off group makes of it.

    As a tilt it is not the max-min policy, which weighs expectations (Chakraborty et al. 2024, "MaxMin-RLHF"). Raises
    ScaleError for utilities, UsageError where there is none.
    """
    return combined("worst", potentials, lambda parts: np.asarray(np.min(parts, axis=0)))
