"""A chat model that judges by a known utility, with a known liking for the first place, noise and slips of form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from heedful.core import Floats, InputError
from heedful.evidence.judging import LETTERS
from heedful.models.endpoint.requests import Message
from heedful.worlds.played import stream

_VERDICT = re.compile(r"verdict ([0-9a-f]{12}):(.*)")


@dataclass(frozen=True)
class SimulatedJudge:
    """An answer to the prompts of the judges in `heedful.evidence`: for `FunctionWriter`, or `ChatServer`.

    utility    of the text of an output, in nats
    bias       added to the utility of what is shown first, in nats
    sharpness  of its verdicts: first is preferred with probability σ(sharpness · (u_first + bias − u_second)), rankings
               are Plackett-Luce draws, and a score is the level nearest to middle + utility + N(0, 1/sharpness²)
    malformed  probability that an answer has no verdict on its last line; of one asked for again, likewise

    Everything random follows from messages and seed.
    """

    utility: Callable[[str], float]
    bias: float = 0.0
    sharpness: float = 1.0
    malformed: float = 0.0

    def __post_init__(self) -> None:
        if not (self.sharpness > 0 and 0 <= self.malformed <= 1):
            what = f"sharpness {self.sharpness}, malformed {self.malformed}"
            raise InputError(what, where="SimulatedJudge", fix="a sharpness above 0, malformed a probability")

    def __call__(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> str:
        asked = messages[0]["content"]
        rng = stream(messages, parameters)
        mark, example = _VERDICT.findall(asked)[-1]
        _, _, *outputs = (text.partition(f"\n</{mark}>")[0] for text in asked.split(f"<{mark}>\n"))
        utility = np.array([self.utility(text) for text in outputs])
        if rng.random() < self.malformed:
            return "They are much alike."
        verdict = self._scored(example, utility[0], rng) if len(outputs) == 1 else self._compared(example, utility, rng)
        return f"I read all of it.\nverdict {mark}: {verdict}"

    def prefer(self, first: str, second: str, *, shown_first: bool) -> float:
        """P(the first of two texts is preferred) where it is shown first, or second."""
        gap = self.utility(first) - self.utility(second) + (self.bias if shown_first else -self.bias)
        return float(expit(self.sharpness * gap))

    def _compared(self, example: str, utility: Floats, rng: np.random.Generator) -> str:
        """By the greatest of utilities with Gumbel noise, whose order is a Plackett-Luce draw."""
        biased = utility + self.bias * (np.arange(len(utility)) == 0)
        order = np.argsort(-(self.sharpness * biased + rng.gumbel(size=len(utility))))
        letters = [LETTERS[place] for place in order]
        return " > ".join(letters) if ">" in example else letters[0]

    def _scored(self, example: str, utility: float, rng: np.random.Generator) -> str:
        """By each criterion, whose scale the example gives."""
        scores = {}
        for name, scale in json.loads(example).items():
            low, high = map(int, scale.split(" to "))
            level = (low + high) / 2 + utility + rng.normal(0, 1 / self.sharpness)
            scores[name] = int(np.clip(np.rint(level), low, high))
        return json.dumps(scores)
