"""Folders of tiny random causal language models."""

from __future__ import annotations

import json
from pathlib import Path

CORPUS = ["the sun and the rain", "wind, snow and rain.", "naïve café 日本語 — ok?", "3+4*2=11\n", "sun sun rain!"] * 20
CHAT = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def tokenizer(
    folder: Path, *, letters: bool = False, unknown: str | None = None, pad: str | None = None, chat: bool = False
) -> None:
    """A tokenizer of bytes, or of letters, which marks the ends of texts by <s> and </s>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<pad>"]
    if letters:
        words = [*special, *sorted(set("".join(CORPUS)))]
        made = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, [], unk_token=unknown))
        made.decoder = decoders.Fuse()
    else:
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
        made.train_from_iterator(CORPUS, trainer)
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": pad, "unk_token": unknown}
    made.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, **named)
    if chat:
        fast.chat_template = CHAT
    fast.save_pretrained(folder)


def words(folder: Path) -> None:
    """A tokenizer whose words begin with their space, and which puts one before each text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=200, special_tokens=["<s>", "</s>"]))
    PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>").save_pretrained(folder)


def llama(folder: Path, *, seed: int = 0, **changes) -> Path:
    """Grouped-query attention, rotary positions."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 1, "initializer_range": 0.3} | sizes | heads
    torch.manual_seed(seed)
    LlamaForCausalLM(LlamaConfig(**(config | changes))).save_pretrained(folder)
    return folder


def gpt2(folder: Path, *, seed: int = 0, **changes) -> Path:
    """Learnt positions."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128, "vocab_size": 300}
    config = sizes | {"bos_token_id": 0, "eos_token_id": 1, "initializer_range": 0.3}
    torch.manual_seed(seed)
    GPT2LMHeadModel(GPT2Config(**(config | changes))).save_pretrained(folder)
    return folder


def mistral(folder: Path, *, seed: int = 0) -> Path:
    """Attention to the last eight tokens only."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 8}
    torch.manual_seed(seed)
    config = MistralConfig(vocab_size=300, bos_token_id=0, eos_token_id=1, initializer_range=0.3, **sizes, **heads)
    MistralForCausalLM(config).save_pretrained(folder)
    return folder


def change(folder: Path, name: str, **values) -> None:
    """Set values of a JSON file; None takes one out."""
    path = folder / name
    held = json.loads(path.read_text("utf-8")) | values
    path.write_text(json.dumps({key: value for key, value in held.items() if value is not None}), "utf-8")
