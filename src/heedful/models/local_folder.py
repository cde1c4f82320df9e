"""The folder of a causal language model: its network and its tokenizer, and how texts and tokens become one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from heedful.core import InputError, MissingExtraError, Parts
from heedful.models.chat import Template, is_chat, refuse_other_than_text, rendered
from heedful.models.folders import placed, pretrained, read_config, refuse_lacking, refusing
from heedful.models.local_check import check_reading
from heedful.models.texts import joined

Numbers = tuple[int, ...]
Spans = tuple[tuple[int, int], ...]
_WHAT = "causal language model"
_ADAPTER = "LoRA adapter"
_ADAPTER_NAME = "heedful_adapter"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"


def check_folder(folder: Path, adapter: Path | None) -> None:
    """Raises InputError where the folder, or that of the adapter, is none that can be loaded."""
    read_config(folder, _WHAT)
    if not (folder / "tokenizer.json").exists():
        fix = "save a fast tokenizer beside the weights: tokenizer.save_pretrained(folder)"
        raise InputError("there is no tokenizer (tokenizer.json)", where=str(folder), fix=fix)
    if adapter is not None:
        kind = read_config(adapter, _ADAPTER, "adapter_config.json").get("peft_type")
        if kind != "LORA" or not (adapter / _ADAPTER_WEIGHTS).exists():
            what = f"this is no {_ADAPTER}: its type is {kind!r}, and its weights should be in {_ADAPTER_WEIGHTS}"
            raise InputError(what, where=str(adapter), fix="merge it into the model yourself, and save that")


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
            what = f"the tokenizer has no token for {encoded.dropped!r}, and would read on without it"
            raise InputError(what, where=_WHAT, fix="leave it out yourself, or use another model")
        return text, (*(() if chat else self._lead), *encoded.numbers) or (self.ends[0],)

    def answers(self, prompts: Sequence[tuple[str, Numbers]], texts: Sequence[str]) -> list[Numbers | None]:
        """The tokens of each text when it goes on from its prompt, without an end; None where there are no such tokens.

        They are found in both together, from the first token that begins in the answer. Where a token spans the two,
        which no model that goes on from the prompt can write, the answer's own tokens are taken instead. Raises
        InputError where those do not read as the answer does.
        """
        return [None if own is None else own.numbers for own in self._answers(prompts, texts)]

    def located(
        self, prompts: Sequence[tuple[str, Numbers]], texts: Sequence[str]
    ) -> list[tuple[Numbers, Spans] | None]:
        """The same tokens, and the characters (start, end) of the text that each of them holds. One that holds a part
        of a character holds it."""
        return [None if own is None else (own.numbers, own.spans) for own in self._answers(prompts, texts)]

    def _answers(self, prompts: Sequence[tuple[str, Numbers]], texts: Sequence[str]) -> list[_Encoded | None]:
        whole = self._encoded([prompt + text for (prompt, _), text in zip(prompts, texts, strict=True)])
        found: list[_Encoded | None] = []
        for (prompt, numbers), text, both in zip(prompts, texts, whole, strict=True):
            inside = both.begun_before(len(prompt))
            if both.dropped or not set(self.ends).isdisjoint(both.numbers[inside:]):
                found.append(None)
            elif both.numbers[:inside] == numbers[len(numbers) - inside :]:
                found.append(both.after(len(prompt)))
            else:
                found.append(self._alone(text))
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

    def _alone(self, text: str) -> _Encoded:
        """Tokens that read as a text in the middle of another: after a line break, or by themselves."""
        for lead, encoded in zip(_LEADS, self._encoded([lead + text for lead in _LEADS]), strict=True):
            own = encoded.after(len(lead))
            if self.texts([own.numbers])[0] == text:
                return own
        what = f"the answer {text[:60]!r} has no tokens of its own after its context"
        raise InputError(what, where=_WHAT, fix="let contexts end in a line break, or answers begin with a space")

    def _encoded(self, texts: Sequence[str]) -> list[_Encoded]:
        if not texts:
            return []
        made = self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        return [self._read(*own) for own in zip(texts, made["input_ids"], made["offset_mapping"], strict=True)]

    def _read(self, text: str, numbers: Sequence[int], spans: Sequence[tuple[int, int]]) -> _Encoded:
        ends = [0, *(stop for _, stop in spans)]
        starts = [*(start for start, _ in spans), len(text)]
        lost = [text[end:start].strip() for end, start in zip(ends, starts, strict=True)]
        lost += [text[slice(*span)] for number, span in zip(numbers, spans, strict=True) if self._is_unknown(number)]
        # What is written as the mark of the unknown is itself.
        dropped = next((own for own in lost if own and own != self.tokenizer.unk_token), "")
        return _Encoded(tuple(numbers), tuple(starts[:-1]), tuple(ends[1:]), dropped)

    def _is_unknown(self, number: int) -> bool:
        return number == self.tokenizer.unk_token_id or number >= self.size


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Tokens of a text, the characters where each begins and ends, and the first characters, if any, in none that is
    known."""

    numbers: Numbers
    starts: Numbers
    stops: Numbers
    dropped: str

    def begun_before(self, character: int) -> int:
        """How many tokens begin before it."""
        return sum(start < character for start in self.starts)

    def after(self, character: int) -> _Encoded:
        """The tokens that begin from it on, of the text that does."""
        rest = slice(self.begun_before(character), None)
        starts, stops = (tuple(place - character for place in own[rest]) for own in (self.starts, self.stops))
        return _Encoded(self.numbers[rest], starts, stops, self.dropped)

    @property
    def spans(self) -> Spans:
        """The characters of each token; spaces that are left out before one are its own."""
        before = accumulate(self.stops, max, initial=0)
        return tuple((min(start, own), stop) for start, stop, own in zip(self.starts, self.stops, before, strict=False))


_LEADS = "\n", ""
_AS_WRITTEN = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}


def load(folder: Path, adapter: Path | None, device: str | None, dtype: str) -> LoadedModel:
    """Raises MissingExtraError without the extra `lm`, InputError where the folder cannot be used as it is."""
    tokenizer, network = pretrained("AutoModelForCausalLM", folder, _WHAT, extra="lm", dtype=dtype)
    network = placed(network if adapter is None else _adapted(network, adapter), device, folder)
    with refusing("its configuration makes no sense", folder):
        config = network.config.get_text_config(decoder=True)
        size = min(int(config.vocab_size), len(tokenizer))
        window = getattr(config, "max_position_embeddings", None)
        window = None if window is None or int(window) < 1 else int(window)
    ends = _ends(network, tokenizer, size, folder)
    check_reading(network, size, window, str(folder))
    return LoadedModel(network, tokenizer, ends, size, window)


def _adapted(network: Any, adapter: Path) -> Any:
    """The network with the adapter merged into its weights. Raises InputError where one does not fit the other."""
    try:
        from peft import PeftConfig, PeftModel, set_peft_model_state_dict
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtraError(error.name or "peft", "lm") from error
    with refusing("peft cannot put this adapter on the model", adapter):
        adapted = PeftModel(network, PeftConfig.from_pretrained(adapter), _ADAPTER_NAME)
        told = set_peft_model_state_dict(adapted, load_file(adapter / _ADAPTER_WEIGHTS), _ADAPTER_NAME)
    if told.unexpected_keys:
        what = f"the model has no place for the adapter's {', '.join(sorted(told.unexpected_keys)[:5])}"
        raise InputError(what, where=str(adapter), fix="give the adapter of this model")
    refuse_lacking([own for own in told.missing_keys if _ADAPTER_NAME in own.split(".")], _ADAPTER, adapter)
    with refusing("peft cannot merge this adapter into the model", adapter):
        return adapted.merge_and_unload()


def _ends(network: Any, tokenizer: Any, size: int, folder: Path) -> Numbers:
    """Tokens that end an output, of those that can be written."""
    named = getattr(network.generation_config, "eos_token_id", None)
    ends = dict.fromkeys([*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id])
    known = tuple(own for own in ends if type(own) is int and 0 <= own < size)
    if not known:
        what = f"no token that can be written ends an output: {[own for own in ends if own is not None]}, of {size}"
        fix = "set eos_token in the tokenizer, or eos_token_id in generation_config.json"
        raise InputError(what, where=str(folder), fix=fix)
    return known
