"""Make the weights of the small model: `python -m heedful.worlds.small_model.make [FOLDER]`, eight minutes of CPU."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heedful.models import complete
from heedful.worlds.exercises import KINDS, LETTERS, Kind, exercises, right_answer, slips
from heedful.worlds.small_model import FOLDER, small_model

SLIPS = 0.1
STEPS = 1500
BATCH = 128
_POOL = 8
# Sums are harder to learn than edits: half of what is trained on.
_MIXED: tuple[Kind, ...] = ("calc", "calc", *KINDS)
RATE = 4e-3
_UNKNOWN, _END = "<unknown>", "<end>"
_CHARACTERS = sorted({*"0123456789+-*= \n", *LETTERS, *"".join(KINDS)})


def make(folder: Path, *, steps: int = STEPS, seed: int = 0) -> None:
    """Train the model and save it, with its tokenizer, as a folder of transformers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "tie_word_embeddings": True}
    # Weights of about 1/√96 at first: with the 0.02 of large networks, learning begins twice as late.
    spread = {"initializer_range": 0.1, "max_position_embeddings": 128}
    config = LlamaConfig(vocab_size=len(_CHARACTERS) + 2, **spread, **sizes, **ends)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LlamaForCausalLM(config)
    tokenizer = _tokenizer()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    start = time.process_time()
    for step, (tokens, labels) in enumerate(_batches(tokenizer, steps, seed)):
        loss = network(input_ids=tokens, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if (step + 1) % 200 == 0:
            print(f"step {step + 1}: {loss.item():.3f} nats a token, {time.process_time() - start:.0f} s", flush=True)
    network.generation_config.eos_token_id = 0
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def accuracy(n: int = 200, *, seed: int = 1, **options: Any) -> dict[str, float]:
    """The share of right answers, one sampled to each of `n` exercises of a kind that were not trained on.

    options: those of `small_model`.
    """
    model, rng = small_model(**options), np.random.default_rng(seed)
    shares: dict[str, float] = {}
    for kind in KINDS:
        state = model.begin([own.context for own in exercises(n, seed=seed, kinds=(kind,))])
        complete(state, rng)
        shares[kind] = float(np.mean([right_answer(item) for item in state.items()]))
    return shares


def _tokenizer() -> Any:
    """A token for each character."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate([_END, _UNKNOWN, *_CHARACTERS])}
    made = Tokenizer(models.BPE(words, [], unk_token=_UNKNOWN))
    made.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=_END, unk_token=_UNKNOWN, pad_token=_END)


def _batches(tokenizer: Any, steps: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Tokens [n, longest] of exercises worked with slips, and labels: -100 but for outputs and their ends."""
    rng = np.random.default_rng((seed, 2))
    slip = slips(rng, SLIPS)
    for pool in range(-(-steps // _POOL)):
        made = exercises(BATCH * _POOL, seed=seed * steps + pool, held_out=False, kinds=_MIXED)
        prompts = tokenizer([own.context[0].text for own in made])["input_ids"]
        outputs = tokenizer([own.worked(slip) for own in made])["input_ids"]
        # Of similar length together, so that little is padding; batches in random order.
        order = np.argsort([len(p) + len(o) for p, o in zip(prompts, outputs, strict=True)], kind="stable")
        for rows in rng.permutation(order.reshape(_POOL, BATCH))[: steps - pool * _POOL]:
            yield _padded([prompts[row] for row in rows], [[*outputs[row], 0] for row in rows])


def _padded(prompts: Sequence[list[int]], outputs: Sequence[list[int]]) -> tuple[Any, Any]:
    import torch

    longest = max(len(p) + len(o) for p, o in zip(prompts, outputs, strict=True))
    tokens, labels = torch.zeros(len(prompts), longest, dtype=torch.long), torch.full((len(prompts), longest), -100)
    for row, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
        tokens[row, : len(prompt) + len(output)] = torch.tensor(prompt + output)
        labels[row, len(prompt) : len(prompt) + len(output)] = torch.tensor(output)
    return tokens, labels


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    if len(sys.argv) == 1:
        print(accuracy())
