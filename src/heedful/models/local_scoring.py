"""Log-probabilities of given tokens after given prompts, each prompt read once a batch and logits in bounded slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from heedful.core import Floats
from heedful.models.local_folder import LoadedModel
from heedful.models.reading import Reading
from heedful.models.token_models import Tokens

_MOST_LOGITS = 1 << 24
"""How many logits are held at once by a processor: 64 MiB in single precision."""
_MOST_LOGITS_ON_GPU = 1 << 28
"""The same of a GPU, which each further pass keeps waiting, where its memory allows."""
_BYTES_A_LOGIT = 32
"""A generous guess at what the logits, the law and what lies between take at once."""


class Scorer(Protocol):
    """What scoring asks of a model."""

    @property
    def loaded(self) -> LoadedModel: ...
    @property
    def size(self) -> int: ...
    def law(self, logits: Any) -> Any: ...


def scored(
    model: Scorer, prompts: Sequence[Sequence[int]], answers: Sequence[Tokens], batch_size: int
) -> tuple[Floats, ...]:
    """Log-probability (nats) of each token of each answer, none of them without tokens."""
    # Answers to one prompt stand together, and of similar length, so that prompts are read once and little is padding.
    order = sorted(range(len(answers)), key=lambda row: (len(prompts[row]), prompts[row], -len(answers[row])))
    found: list[Floats] = [np.zeros(len(own)) for own in answers]
    for start in range(0, len(order), batch_size):
        rows = sorted(order[start : start + batch_size], key=lambda row: -len(answers[row]))
        batch = _batch(model, [tuple(prompts[row]) for row in rows], [answers[row] for row in rows])
        for row, own in zip(rows, batch, strict=True):
            found[row] = own[: len(answers[row])]
    return tuple(found)


def _batch(model: Scorer, prompts: Sequence[tuple[int, ...]], answers: Sequence[Tokens]) -> Floats:
    """Log-probabilities [rows, longest] of answers, the longest first; what lies beyond an answer means nothing."""
    import torch

    number = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    length = np.array([len(own) for own in answers])
    padded = np.zeros((len(answers), length.max()), np.int64)
    for row, own in enumerate(answers):
        padded[row, : len(own)] = own
    tokens = torch.from_numpy(padded).to(model.loaded.device)
    place = torch.tensor([number[prompt] for prompt in prompts], device=tokens.device)
    told = torch.zeros(tokens.shape, dtype=torch.float64)
    reading, logits = Reading.of(model.loaded.network, list(number))
    told[:, :1] = model.law(logits)[place].gather(1, tokens[:, :1])
    reading = reading.keep(place)
    column, most = 0, _most_logits(tokens.device)
    while column + 1 < length.max():
        # Causality hides from a row what stands to its right, so that padding there needs no mask.
        rows = int((length > column + 1).sum())
        reading = reading if rows == len(reading.length) else reading.keep(torch.arange(rows, device=tokens.device))
        stop = min(column + max(1, most // (rows * model.size)), int(length.max()) - 1)
        law = model.law(reading.read(tokens[:rows, column:stop]))
        told[:rows, column + 1 : stop + 1] = law.gather(2, tokens[:rows, column + 1 : stop + 1, None])[:, :, 0]
        column = stop
    return told.numpy()


def _most_logits(device: Any) -> int:
    """How many logits to hold at once on a torch device."""
    if device.type != "cuda":
        return _MOST_LOGITS
    import torch

    return int(min(_MOST_LOGITS_ON_GPU, max(_MOST_LOGITS, torch.cuda.mem_get_info(device)[0] // _BYTES_A_LOGIT)))
