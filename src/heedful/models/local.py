"""Causal language models in local folders, through transformers. Needs the extra `lm`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Parts, UsageError
from heedful.core.items import text_parts
from heedful.models.chat import Template
from heedful.models.decoding import Decoding
from heedful.models.local_folder import LoadedModel, check_folder, load
from heedful.models.local_scoring import scored
from heedful.models.local_state import LocalContinuations
from heedful.models.reading import Reading
from heedful.models.texts import joined, output_texts
from heedful.models.token_models import Tokens, complete

_NUMBERS = ("float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True, eq=False)
class LocalModel:
    """The causal language model in the folder `path`: a base, and a token model.

    max_tokens  an output ends by itself after so many, which is part of the distribution
    decoding    temperature and cuts: also part of the distribution, in sampling and in log-probabilities alike
    template    "chat" to put contexts into the tokenizer's chat template, "plain" to take their texts as they are;
                None for chat where the tokenizer has a template
    adapter     the folder of a LoRA adapter, merged into the weights when they are loaded
    batch_size  rows sampled or scored at once. `begin` takes as many as it is given
    device      torch's; by default a GPU where there is one
    dtype       torch's name of the numbers the network computes with. In float32 what a row gets depends on the rows
                beside it only by rounding, about 1e-6 nats
    system      what the items that it writes are said to be written by; by default the folder's name

    Only weights as safetensors are read, no code of the folder is run but its chat template, and nothing is
    downloaded. Of the folder's settings for generation only its ends are used: `decoding` says the rest. The
    log-probability of an output is that of the tokens that its text is encoded as, and its end; other tokens that
    happen to read the same are not counted. Several tokens that end an output count as the first of them.
    """

    path: str
    max_tokens: int = 256
    decoding: Decoding = field(default_factory=Decoding)
    template: Template | None = None
    adapter: str | None = None
    batch_size: int = 64
    device: str | None = None
    dtype: str = "float32"
    system: str | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.batch_size < 1:
            what = f"max_tokens {self.max_tokens} and batch_size {self.batch_size} must be 1 or more"
            raise UsageError(what, where="LocalModel")
        if self.template not in ("chat", "plain", None) or self.dtype not in _NUMBERS:
            what = f"no template {self.template!r} or no numbers {self.dtype!r}"
            raise UsageError(what, where="LocalModel", fix=f"'chat', 'plain' or None; {', '.join(_NUMBERS)}")
        check_folder(Path(self.path), None if self.adapter is None else Path(self.adapter))

    @cached_property
    def loaded(self) -> LoadedModel:
        """The network and the tokenizer, loaded when first asked for."""
        adapter = None if self.adapter is None else Path(self.adapter)
        return load(Path(self.path), adapter, self.device, self.dtype)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return self.loaded.vocabulary

    @property
    def size(self) -> int:
        """The number of tokens."""
        return self.loaded.size

    @property
    def end(self) -> int:
        return self.loaded.ends[0]

    def law(self, logits: Any) -> Any:
        """Log-probabilities [..., size] of the next token from the network's logits: tensors, of float32 or wider."""
        import torch

        precise = torch.promote_types(logits.dtype, torch.float32)
        law = self.decoding.law(logits[..., : self.size].to(precise))
        if len(self.loaded.ends) > 1:
            ends = list(self.loaded.ends)
            law[..., self.end] = law[..., ends].logsumexp(-1)
            law[..., ends[1:]] = -np.inf
        return law

    def begin(self, contexts: Sequence[Parts]) -> LocalContinuations:
        """Empty outputs, one a row, to be written token by token. Raises InputError where a context is too long."""
        number = {context: place for place, context in enumerate(dict.fromkeys(contexts))}
        n, prompts = len(contexts), [self._prompt(context)[1] for context in number]
        reading, ahead = None, None
        if prompts:
            reading, logits = Reading.of(self.loaded.network, prompts)
            ahead = self.law(logits)
        own = np.zeros((len(number), 0), np.intp), np.zeros(len(number), bool), np.zeros(len(number))
        state = LocalContinuations(self, tuple(number), *own, sum(map(len, prompts)), reading, ahead)
        return state if n == len(number) else state.keep([number[context] for context in contexts])

    def reading(self, contexts: Sequence[Parts]) -> int:
        """Tokens of different contexts, chat template and all. Raises InputError where a context is too long."""
        return sum(len(self._prompt(context)[1]) for context in set(contexts))

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws."""
        begun = self.begin([context])
        drawn: list[Item] = []
        for start in range(0, n, self.batch_size):
            state = begun.keep([0] * min(self.batch_size, n - start))
            complete(state, rng)
            drawn += state.items()
        return tuple(drawn)

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each output in its context, -inf where `encode` would refuse it."""
        encoded = self._encoded(items)
        fits = [row for row, own in enumerate(encoded) if own is not None and len(own) <= self.max_tokens]
        total = np.full(len(items), -np.inf)
        total[fits] = [own.sum() for own in self.token_logprobs([items[row] for row in fits])]
        return total

    def token_logprobs(self, items: Sequence[Item]) -> tuple[Floats, ...]:
        """Log-probability of each token of each output, in the order and number of `encode`."""
        return scored(self, [numbers for _, numbers in self.prompts(items)], self.encode(items), self.batch_size)

    def encode(self, items: Sequence[Item]) -> tuple[Tokens, ...]:
        """Numbers of each output's tokens, its end included but at `max_tokens`.

        Raises InputError where an output is longer, has a character that the tokenizer does not know, or an end.
        """
        encoded = []
        for item, own in zip(items, self._encoded(items), strict=True):
            if own is None or len(own) > self.max_tokens:
                many = "a character without a token, or an end in it," if own is None else f"{len(own)} tokens"
                what = f"the output has {many}, and the model writes at most {self.max_tokens} known ones"
                raise InputError(what, where=f"item {item.key}", fix="raise max_tokens, or give other outputs")
            encoded.append(np.array(own if len(own) == self.max_tokens else (*own, self.end), dtype=np.intp))
        return tuple(encoded)

    def prompts(self, items: Sequence[Item]) -> list[tuple[str, tuple[int, ...]]]:
        """Text and tokens that the context of each item becomes. Raises InputError where one is too long."""
        known = {context: self._prompt(context) for context in {item.context for item in items}}
        return [known[item.context] for item in items]

    def write(self, contexts: Sequence[Parts], tokens: Sequence[Tokens]) -> tuple[Item, ...]:
        """Outputs of these tokens, up to an end."""
        ended = [own[:-1] if len(own) and own[-1] == self.end else own for own in tokens]
        texts = self.loaded.texts([own.tolist() for own in ended])
        system = self.system or Path(self.path).name
        return tuple(Item(own, text_parts(text, "system"), system) for own, text in zip(contexts, texts, strict=True))

    def _encoded(self, items: Sequence[Item]) -> list[tuple[int, ...] | None]:
        return self.loaded.answers(self.prompts(items), output_texts(items))

    def _prompt(self, context: Parts) -> tuple[str, tuple[int, ...]]:
        """Text and tokens of a context. Raises InputError where an output might not fit behind it."""
        text, tokens = self.loaded.prompt(context, self.template)
        if self.loaded.window is not None and len(tokens) + self.max_tokens > self.loaded.window:
            room = self.loaded.window - len(tokens)
            what = (
                f"{len(tokens)} tokens of context and {self.max_tokens} of output, and a window of {self.loaded.window}"
            )
            fix = f"shorten the context, or set max_tokens to at most {room}" if room > 0 else "shorten the context"
            raise InputError(what, where=f"context {joined(context)[:60]!r}", fix=fix)
        return text, tokens
