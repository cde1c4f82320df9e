"""The folder of a causal language model: its network and its tokenizer, and how texts and tokens become one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from heedful.core import InputError, MissingExtraError, Parts
from heedful.models.chat import Template, is_chat, refuse_other_than_text, rendered
from heedful.models.folders import read_config
from heedful.models.texts import joined

Numbers = tuple[int, ...]
_WHAT = "causal language model"


def check_folder(folder: Path, adapter: Path | None) -> None:
    """Raises InputError where the folder, or that of the adapter, is none that can be loaded."""
    read_config(folder, _WHAT)
    if not (folder / "tokenizer.json").exists():
        fix = "save a fast tokenizer beside the weights: tokenizer.save_pretrained(folder)"
        raise InputError("there is no tokenizer (tokenizer.json)", where=str(folder), fix=fix)
    if adapter is not None:
        read_config(adapter, "LoRA adapter", "adapter_config.json")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network and a tokenizer of the transformers package.

    `ends` are the tokens that end an output, of which the first stands for all; `size` is the number of tokens that
    both know; `window` the greatest number of tokens that the network was made for, None where the folder names none.
    """

    network: Any
    tokenizer: Any
    ends: Numbers
    size: int
    window: int | None

    @property
    def device(self) -> Any:
        return self.network.device

    def prompt(self, context: Parts, template: Template | None) -> tuple[str, Numbers]:
        """The text that a context becomes, and its tokens, at least one.

        Raises InputError where a part is no text, a character has no token, or the chat template refuses the turns.
        """
        refuse_other_than_text(context, _WHAT)
        chat = is_chat(self.tokenizer, template)
        text = rendered(self.tokenizer, context, _WHAT) if chat else joined(context)
        encoded = self._encoded([text])[0]
        if encoded.dropped:
            what = f"the tokenizer has no token for {encoded.dropped!r}, which it would leave out of the context"
            raise InputError(what, where=_WHAT, fix="leave it out yourself, or use another model")
        return text, (*(() if chat else self._lead), *encoded.numbers) or (self.ends[0],)

    def answers(self, prompts: Sequence[tuple[str, Numbers]], texts: Sequence[str]) -> list[Numbers | None]:
        """The tokens of each text when it goes on from its prompt, without an end; None where a character has none.

        They are found in both together, from the first token that begins in the answer. Where a token spans the two,
        which no model that goes on from the prompt can write, the answer's own tokens are taken instead. Raises
        InputError where those do not read as the answer does.
        """
        whole = self._encoded([prompt + text for (prompt, _), text in zip(prompts, texts, strict=True)])
        found: list[Numbers | None] = []
        for (prompt, numbers), text, both in zip(prompts, texts, whole, strict=True):
            inside = sum(start < len(prompt) for start in both.starts)
            before, after = both.numbers[:inside], both.numbers[inside:]
            if both.dropped or self.tokenizer.unk_token_id in after:
                found.append(None)
            else:
                found.append(after if before == numbers[len(numbers) - inside :] else self._alone(text))
        return found

    def texts(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The text that each row of tokens reads as in the middle of a text."""
        lead, *whole = self.tokenizer.batch_decode(
            [self._anchor, *((*self._anchor, *own) for own in tokens)], **_AS_WRITTEN
        )
        return [text[len(lead) :] for text in whole]

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The text of each token alone, empty for ends."""
        texts = self.texts([[number] for number in range(self.size)])
        return tuple("" if number in self.ends else text for number, text in enumerate(texts))

    @cached_property
    def _anchor(self) -> Numbers:
        # Decoders drop a space at the beginning of a text: with a letter before it, it stays.
        return self._encoded(["a"])[0].numbers[-1:]

    @cached_property
    def _lead(self) -> Numbers:
        """The token that this tokenizer puts before each text, if any."""
        return tuple(own for own in self.tokenizer("")["input_ids"][:1] if own == self.tokenizer.bos_token_id)

    def _alone(self, text: str) -> Numbers:
        """Tokens that read as a text in the middle of another: after a line break, or by themselves."""
        for lead, encoded in zip(_LEADS, self._encoded([lead + text for lead in _LEADS]), strict=True):
            numbers = encoded.numbers[sum(start < len(lead) for start in encoded.starts) :]
            if self.texts([numbers])[0] == text:
                return numbers
        what = f"the answer {text[:60]!r} has no tokens of its own after its context"
        raise InputError(what, where=_WHAT, fix="let contexts end in a line break, or answers begin with a space")

    def _encoded(self, texts: Sequence[str]) -> list[_Encoded]:
        if not texts:
            return []
        made = self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        return [_with_gaps(*own) for own in zip(texts, made["input_ids"], made["offset_mapping"], strict=True)]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Tokens of a text, the character at which each begins, and the first characters, if any, that are in none."""

    numbers: Numbers
    starts: Numbers
    dropped: str


def _with_gaps(text: str, numbers: Sequence[int], spans: Sequence[tuple[int, int]]) -> _Encoded:
    ends = [0, *(stop for _, stop in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    gaps = (text[end:start].strip() for end, start in zip(ends, starts, strict=True))
    return _Encoded(tuple(numbers), tuple(starts[:-1]), next(filter(None, gaps), ""))


_LEADS = "\n", ""
_AS_WRITTEN = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}


def load(folder: Path, adapter: Path | None, device: str | None, dtype: str) -> LoadedModel:
    """Raises MissingExtraError without the extra `lm`, InputError where transformers or peft refuse the folder."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "lm") from error
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **local)
        kind = getattr(torch, dtype)
        with quiet():
            network = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=kind, **local)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"transformers cannot load it ({error})", where=str(folder)) from error
    network = network if adapter is None else _adapted(network, adapter)
    network = network.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    config = network.config.get_text_config(decoder=True)
    size = min(int(config.vocab_size), len(tokenizer))
    window = getattr(config, "max_position_embeddings", None)
    return LoadedModel(network, tokenizer, _ends(network, tokenizer, folder), size, window)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bar of progress that transformers draws for weights that load in a moment."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _adapted(network: Any, adapter: Path) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError(error.name or "peft", "lm") from error
    try:
        return PeftModel.from_pretrained(
            network, adapter, local_files_only=True, use_safetensors=True
        ).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"peft cannot put this adapter on the model ({error})", where=str(adapter)) from error


def _ends(network: Any, tokenizer: Any, folder: Path) -> Numbers:
    named = getattr(network.generation_config, "eos_token_id", None)
    ends = named if isinstance(named, list) else [named]
    known = dict.fromkeys(number for number in [*ends, tokenizer.eos_token_id] if number is not None)
    if not known:
        fix = "set eos_token in the tokenizer, or eos_token_id in generation_config.json"
        raise InputError("no token is named that ends an output", where=str(folder), fix=fix)
    return tuple(known)
