"""The same work for each contender: examples as tokens and texts, a network, and what a case is."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIZES = {
    "tiny": {"layers": 2, "hidden": 128, "between": 344, "vocabulary": 2048},
    "small": {"layers": 4, "hidden": 256, "between": 688, "vocabulary": 8192},
}
RATE, BETA, GROUP, NEW_TOKENS = 1e-4, 0.1, 4, 48
Words = tuple[int, int]


@dataclass(frozen=True)
class Case:
    """`records` a step, of `outputs` each, all with so many words as said; `even` for evenly drawn numbers of words,
    else their logarithms are."""

    records: int
    outputs: int
    prompt: Words = (8, 24)
    output: Words = (12, 60)
    even: bool = True


CASES = {
    "sft": Case(8, 1),
    "dpo": Case(4, 2),
    "kto": Case(8, 1),
    "reward": Case(4, 2),
    "grpo": Case(2, 0),
    "rloo": Case(2, 0),
    "shared prompts": Case(4, 6, (40, 80), (8, 24)),
    "uneven lengths": Case(4, 2, (4, 24), (4, 240), even=False),
}


@dataclass(frozen=True)
class Record:
    """A prompt and outputs as texts and as tokens, those of outputs with their end; and how good the first is."""

    texts: tuple[str, ...]
    prompt: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]
    scores: tuple[float, ...]
    label: bool = True

    @property
    def read(self) -> int:
        """Tokens of its outputs, each read after the prompt by itself."""
        return sum(len(self.prompt) + len(own) for own in self.outputs)


def bank(seed: int = 0, n: int = 6000) -> list[str]:
    """Made-up words of one to four syllables."""
    rng = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    return ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(n)]


def tokenizer_of(size: str) -> Any:
    """Byte pairs learnt here from made-up texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words, rng = bank(), random.Random(1)
    texts = (" ".join(rng.choice(words) for _ in range(40)) for _ in range(SIZES[size]["vocabulary"] // 2))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<pad>", "<eos>", "<bos>"]
    vocabulary = SIZES[size]["vocabulary"]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>")


def records(case: Case, n: int, tokenizer: Any) -> list[Record]:
    """n steps' records of a case: in each step first those that were called good, then those called bad."""
    words, rng = bank(), random.Random(2)

    def text(bounds: Words, lead: str) -> str:
        low, high = bounds
        many = rng.randint(low, high) if case.even else round(low * (high / low) ** rng.random())
        return lead + " ".join(rng.choice(words) for _ in range(many))

    made = []
    for number in range(n * case.records):
        texts = (text(case.prompt, ""), *(text(case.output, " ") for _ in range(case.outputs)))
        prompt, *outputs = (tuple(own) for own in tokenizer(list(texts), add_special_tokens=False)["input_ids"])
        scores = tuple(rng.gauss(0, 1) for _ in outputs)
        good = number % case.records < case.records // 2
        ended = tuple((*own, tokenizer.eos_token_id) for own in outputs)
        made.append(Record(texts, prompt, ended, scores, good))
    return made


def beside(step: Sequence[Record]) -> list[tuple[int, ...]]:
    """The output that KTO's point of reference sets beside each prompt of a step: that of the record before."""
    return [step[number - 1].outputs[0] for number in range(len(step))]


def network_of(size: str, tokenizer: Any, *, rewards: bool = False) -> Any:
    """A random Llama, the same for each contender, with a head for rewards in the place of that for tokens."""
    return network_like(SIZES[size], tokenizer, rewards=rewards)


def network_like(own: Mapping[str, int], tokenizer: Any, *, rewards: bool = False) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=own["hidden"],
        intermediate_size=own["between"],
        num_hidden_layers=own["layers"],
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        num_labels=1,
    )
    return (LlamaForSequenceClassification if rewards else LlamaForCausalLM)(config)


def earned(text: str) -> float:
    """What an output drawn by the policy earns."""
    return text.count("a") / (1.0 + len(text))
