"""What heads whose draws are members alone are when fitted: an epistemic network's indices, gated aspects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats
from heedful.models.encoders import Arrays
from heedful.preference.heads.base import ByGap, prefixed, under

Kind = Literal["epinet", "aspects"]


@dataclass(frozen=True, eq=False)
class FittedMembers(ByGap):
    """Functions [M] of features by `parameters`; draws are these and their mirror images about their mean."""

    kind: Kind
    unit: float
    parameters: Arrays
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return self.kind

    def mean(self, features: Floats) -> Floats:
        return np.asarray(self._values(features).mean(axis=0))

    def draws(self, features: Floats) -> Floats:
        """[2 M, m]."""
        values = self._values(features)
        return np.concatenate([values, 2 * values.mean(axis=0) - values])

    def aleatoric(self, features: Floats) -> None:
        return None

    def _values(self, features: Floats) -> Floats:
        forward = epinet_forward if self.kind == "epinet" else aspects_forward
        return np.asarray(forward(self.parameters, features / self.unit)[..., 0])

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        state = {"head": "members", "kind": self.kind, "unit": self.unit, "facts": self.facts}
        return prefixed("parameters.", self.parameters), state

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(state["kind"], state["unit"], under("parameters.", arrays), dict(state["facts"]))


def epinet_forward(parameters: Mapping[str, Any], x: Any) -> Any:
    """μ(x) + Σ_j z_j (η_j(x, z) + η⁰_j(x, z)) for every index z: [M, n, 1]; η⁰ is fixed."""
    index = parameters["index"]
    base = x @ parameters["skip"] + tanh(x @ parameters["hidden"] + parameters["bias"][:, None]) @ parameters["last"]
    return base + _indexed(parameters, "epi", x, index) + _indexed(parameters, "prior", x, index)


def _indexed(parameters: Mapping[str, Any], name: str, x: Any, index: Any) -> Any:
    inner = x @ parameters[f"{name}.hidden"] + (index @ parameters[f"{name}.index"][0])[:, None]
    return (tanh(inner) @ parameters[f"{name}.last"]) @ index[:, :, None]


def aspects_forward(parameters: Mapping[str, Any], x: Any) -> Any:
    """Σ_a g_a(x) r_a(x), with r linear and g the softmax of a linear gate: [M, n, 1]."""
    scores = x @ parameters["aspects"]
    return (gates(parameters, x) * scores).sum(-1)[..., None]


def gates(parameters: Mapping[str, Any], x: Any) -> Any:
    """How much each aspect counts for each row [M, n, A]; sums to 1 over the aspects."""
    logits = x @ parameters["gate"] + parameters["constant"][:, None]
    return softmax(logits)


def softmax(logits: Any) -> Any:
    """The softmax over the last axis of an array of NumPy or torch."""
    if not isinstance(logits, np.ndarray):
        return logits.softmax(-1)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1)[..., None]


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of an array of NumPy or torch."""
    return np.tanh(x) if isinstance(x, np.ndarray) else x.tanh()
