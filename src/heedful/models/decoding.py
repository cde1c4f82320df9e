"""How next tokens are drawn from a network's logits: temperature and cuts, as part of the distribution itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from heedful.core import UsageError


@dataclass(frozen=True, slots=True)
class Decoding:
    """The law of the next token, ∝ exp(logit / `temperature`) over the tokens that `top_k` and `top_p` leave.

    temperature  0 leaves the likeliest token alone, the first of equals (greedy decoding)
    top_k        only the k likeliest, with all that equal the last of them; None for no such cut
    top_p        of these, only the likeliest that together first reach this probability (Holtzman et al. 2020, "The
                 curious case of neural text degeneration")
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UsageError(f"a temperature is a number of 0 or more, not {self.temperature}", where="Decoding")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k must be 1 or more, not {self.top_k}", where="Decoding")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p lies in (0, 1], not {self.top_p}", where="Decoding")

    def law(self, logits: Any) -> Any:
        """Log-probabilities of a tensor of logits [..., vocabulary], -inf for tokens cut off."""
        if self.temperature == 0:
            return logits.new_full(logits.shape, -math.inf).scatter(-1, logits.argmax(-1, keepdim=True), 0.0)
        logits = logits if self.temperature == 1 else logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -math.inf)
        if self.top_p < 1:
            logits = logits.masked_fill(self._beyond(logits), -math.inf)
        return logits.log_softmax(-1)

    def _beyond(self, logits: Any) -> Any:
        """Whether the likelier tokens alone reach top_p."""
        ordered, place = logits.sort(dim=-1, descending=True, stable=True)
        probability = ordered.softmax(-1)
        likelier = probability.cumsum(-1) - probability
        return (likelier >= self.top_p).scatter(-1, place, likelier >= self.top_p)
