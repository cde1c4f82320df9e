"""A process value that grows as steps are right and the end comes near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from heedful.core import Item, Potential, Scale, ScaleError, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.evidence.steps import prefixes


@dataclass(frozen=True, slots=True, eq=False)
class WeightedSteps(Expressible):
    """The value of a partial solution by ReST-MCTS* (Zhang et al. 2024, section 3.1, equations 1 and 2), in [0, 1]:

        v_0 = 0,   v_k = max(0, v_{k−1} + w_k),   w_k = (1 − v_{k−1}) / (m_k + 1) · (1 − 2 r_k)

    r_k   probability that step k is wrong: 1 − exp of `step`, a potential of prefixes on the log_prob scale
    m_k   how many steps are still needed after step k: `left` of the prefix

    A right step brings the value one part in m_k + 1 of the way to 1, and the last one all the way; a wrong one takes
    as much off. It is a utility, and of prefixes a twist. An output without steps is worth 0.
    """

    step: Potential
    left: Callable[[Item], float]
    scale: Scale = "utility"
    kind: Literal["twist"] = "twist"

    def __post_init__(self) -> None:
        if self.step.scale != "log_prob":
            fix = "fit them to labels: Labelled"
            raise ScaleError("steps are scored by log-probabilities", where="WeightedSteps", fix=fix)

    @property
    def under(self) -> str | None:
        return self.step.under

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Raises UsageError where `left` gives less than 0."""
        begun = [prefixes(item) for item in items]
        different = list(dict.fromkeys(prefix for own in begun for prefix in own))
        right = dict(zip(different, np.exp(self.step(different).mean).tolist() if different else (), strict=True))
        return Scores(np.array([self._value(own, right) for own in begun], dtype=np.float64))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self(items)

    def _value(self, begun: Sequence[Item], right: dict[Item, float]) -> float:
        value = 0.0
        for prefix in begun:
            left = self.left(prefix)
            if not left >= 0:
                raise UsageError(f"{left} steps are left after {len(prefix.output)}", where="WeightedSteps")
            value = max(0.0, value + (1 - value) / (left + 1) * (2 * right[prefix] - 1))
        return value
