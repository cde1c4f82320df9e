"""A policy of steps as a reference tilted step by step, with weights on features of prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from heedful.core import Floats, InputError, Item, Part, Parts
from heedful.models.encoders import Encoder
from heedful.models.stepwise import StepModel


@dataclass(frozen=True, slots=True, eq=False)
class StepChoices:
    """The choices that outputs made: m distinct prefixes gone on from, each with up to c steps that could follow.

    `log_reference` [m, c] of each step, -inf where there is none; `features` [m, c, d] of the prefix with that step.
    `place` [n, longest] is which prefix each item's steps were chosen after, −1 beyond its own, and `chosen` the step.
    """

    log_reference: Floats
    features: Floats
    place: NDArray[np.intp]
    chosen: NDArray[np.intp]

    @classmethod
    def of(cls, reference: StepModel, encoder: Encoder, items: Sequence[Item]) -> StepChoices:
        """Raises InputError where an item has a step that the reference never takes."""
        number: dict[tuple[Parts, Parts], int] = {}
        laws: list[tuple[tuple[Part, ...], Sequence[float]]] = []
        longest = max((len(item.output) for item in items), default=0)
        place, chosen = (np.full((len(items), longest), -1, np.intp) for _ in range(2))
        for row, item in enumerate(items):
            for step, part in enumerate(item.output):
                key = item.context, item.output[:step]
                if key not in number:
                    number[key] = len(laws)
                    laws.append(reference.following(*key))
                place[row, step] = number[key]
                chosen[row, step] = _index(laws[number[key]][0], part)
        wide = max((len(parts) for parts, _ in laws), default=0)
        log_reference = np.full((len(laws), wide), -np.inf)
        features = np.zeros((len(laws), wide, len(encoder.names)))
        rows: list[int] = []
        columns: list[int] = []
        longer: list[Item] = []
        for row, ((context, steps), (parts, share)) in enumerate(zip(number, laws, strict=True)):
            with np.errstate(divide="ignore"):
                log_reference[row, : len(parts)] = np.log(share)
            rows += [row] * len(parts)
            columns += range(len(parts))
            longer += [Item(context, (*steps, part), reference.system) for part in parts]
        if longer:
            features[rows, columns] = encoder.encode(longer)
        return cls(log_reference, features, place, chosen)

    def log_ratios(self, weights: Floats) -> Floats:
        """log π/π_ref of each step [n, longest], 0 beyond an item's own, for π ∝ π_ref · exp(weights · features)."""
        gain = self.features @ weights
        own = gain - logsumexp(self.log_reference + gain, axis=1, keepdims=True)
        return np.where(self.place >= 0, own[self.place, self.chosen], 0.0) if own.size else np.zeros(self.place.shape)

    def slopes(self, weights: Floats) -> Floats:
        """Derivative [n, d] in the weights of each item's Σ log π/π_ref: Σ features − their mean under π."""
        policy = np.exp(log_softmax(self.log_reference + self.features @ weights, axis=1))
        centred = self.features - (policy[:, :, None] * self.features).sum(axis=1, keepdims=True)
        return np.asarray((centred[self.place, self.chosen] * (self.place >= 0)[:, :, None]).sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class LogLinearSteps:
    """π(step | prefix) ∝ reference(step | prefix) · exp(weights · features of the prefix with the step).

    `encoder` is fitted; `weights` [d].
    """

    reference: StepModel
    encoder: Encoder
    weights: Floats

    def log_ratios(self, items: Sequence[Item]) -> Floats:
        """log π/π_ref of each step of each item [n, longest], in nats, 0 beyond an item's own steps."""
        return StepChoices.of(self.reference, self.encoder, items).log_ratios(self.weights)

    def prefix_log_ratios(self, items: Sequence[Item]) -> Floats:
        """The same of outputs that may go on: steps mark no end."""
        return self.log_ratios(items)

    def policy(self, system: str | None = None) -> StepModel:
        """π as a base of its own."""
        return StepModel(self._following, system)

    def _following(self, context: Parts, steps: Parts) -> tuple[tuple[Part, ...], Sequence[float]]:
        parts, share = self.reference.following(context, steps)
        if not parts:
            return parts, share
        longer = [Item(context, (*steps, part), self.reference.system) for part in parts]
        weight = np.asarray(share) * np.exp(self.encoder.encode(longer) @ self.weights)
        return parts, (weight / weight.sum()).tolist()


def _index(parts: tuple[Part, ...], part: Part) -> int:
    if part not in parts:
        raise InputError(f"the reference never goes on with {part.text[:60]!r}", where="StepChoices")
    return parts.index(part)
