"""The encoder used where the user names none."""

from __future__ import annotations

from pathlib import Path

from heedful.models.encoders import Encoder, Stacked
from heedful.models.ngrams import NgramFeatures
from heedful.models.sentences import SentenceEncoder
from heedful.models.style import StyleFeatures


def default_encoder(folder: str | Path | None = None, *, seed: int = 0) -> Encoder:
    """Style covariates and n-grams; with the `folder` of a local sentence encoder, its embeddings beside them.

    Not fitted yet. A sentence encoder remembers what it has encoded, so make one and use it for every fit.
    """
    light: dict[str, Encoder] = {"style": StyleFeatures(), "ngrams": NgramFeatures(seed=seed)}
    return Stacked.of(**light) if folder is None else Stacked.of(**light, sentence=SentenceEncoder(str(folder)))
