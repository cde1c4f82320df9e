"""What generating, resampling and scoring cost beside transformers on the same network, in CPU seconds on one thread.

    python benchmarks/language.py [--quick] [--runs N] [--device cuda] [--out FILE]

The network is a random Llama made here (5.4 million parameters, 8,000 tokens; --quick makes a smaller one). With a GPU
as device it has 1.3 billion and 128,000 tokens, in bfloat16, and seconds are those on the wall. Runs of ours and of
theirs alternate; reported are medians, and the median of the ratios of neighbouring runs. `positions` are
those that go through the network for each new token.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PROMPT = "ba ce di fo gu ha je ki lo mu " * 6
FULL = {"vocabulary": 8000, "layers": 4, "hidden": 192}
QUICK = {"vocabulary": 600, "layers": 2, "hidden": 32}
GPU = {"vocabulary": 8000, "layers": 16, "hidden": 2048, "heads": 32, "filled": 128_000}


def make(folder: Path, vocabulary: int, layers: int, hidden: int, heads: int = 4, filled: int = 0) -> None:
    """A random Llama with a tokenizer of made-up words, and tokens that no text has up to `filled`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    rng = random.Random(0)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    words = ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 5))) for _ in range(4 * vocabulary)]
    texts = [" ".join(rng.choice(words) for _ in range(20)) for _ in range(2 * vocabulary)]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    made.train_from_iterator(texts, trainer)
    told = json.loads(made.to_str())
    words = told["model"]["vocab"]
    words |= {f"filler {number}": number for number in range(len(words), filled)}
    made = Tokenizer.from_str(json.dumps(told))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": hidden, "intermediate_size": 4 * hidden, "num_hidden_layers": layers}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=heads, max_position_embeddings=2048, **sizes)
    config.tie_word_embeddings = filled > 0
    config.bos_token_id, config.eos_token_id = 0, 1
    LlamaForCausalLM(config).save_pretrained(folder)


class Counted:
    """Seconds and positions of a call: of the processor, or, on a GPU, on the wall."""

    def __init__(self, network: Any) -> None:
        self.positions, self.device = 0, network.device
        network.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.positions += (args[0] if args else named["input_ids"]).numel()

    def __call__(self, call: Callable[[], object]) -> tuple[float, int]:
        self.positions, start = 0, self.now()
        call()
        return self.now() - start, self.positions

    def now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        import torch

        torch.cuda.synchronize()
        return time.perf_counter()


def ours(model: Any, prompt: str, rows: int, tokens: int, *, resample: bool) -> None:
    """`rows` outputs of `tokens` tokens; with `resample`, as particles of a made-up twist, by effective sample size."""
    from heedful.core import Item

    rng = np.random.default_rng(0)
    state = model.begin([Item.of(prompt).context] * rows)
    log_weight = np.zeros(rows)
    for _ in range(tokens):
        written = state.draw(rng)
        written[written == model.end] += 1  # each output is to have all its tokens
        state.append(written)
        if resample:
            log_weight += np.where(written % 2 == 0, 0.3, -0.3)
            weight = np.exp(log_weight - log_weight.max())
            weight /= weight.sum()
            if 1 / (weight**2).sum() < rows / 2:
                state = state.keep(rng.choice(rows, rows, p=weight))
                log_weight[:] = 0.0


def theirs(model: Any, prompt: str, rows: int, tokens: int) -> None:
    """The same number of tokens by transformers' generate."""
    ids = model.loaded.tokenizer(prompt, return_tensors="pt").to(model.loaded.device)
    length = {"max_new_tokens": tokens, "min_new_tokens": tokens}
    model.loaded.network.generate(**ids, **length, do_sample=True, num_return_sequences=rows, pad_token_id=1)


def padded(network: Any, prompt: Any, answers: Any, *, every: bool) -> Any:
    """Log-probabilities [n, t] of answers after one prompt in one plain batch, with the logits of `every` position?"""
    import torch

    n, size = answers.shape
    whole = torch.cat([prompt.expand(n, -1), answers], dim=1)
    with torch.inference_mode():
        logits = network(
            input_ids=whole, attention_mask=torch.ones_like(whole), logits_to_keep=0 if every else size + 1
        )
        law = logits.logits.log_softmax(-1)[:, -size - 1 : -1]
    return law.gather(2, answers[:, :, None])[:, :, 0]


def scoring(model: Any, n: int, size: int, length: int) -> dict[str, Callable[[], Any]]:
    """Ways to score n answers of `size` tokens after a prompt of `length`."""
    import torch

    from heedful.models.local_scoring import scored

    rng = np.random.default_rng(1)
    prompt = rng.integers(2, model.size, length)
    answers = rng.integers(2, model.size, (n, size))
    network = model.loaded.network
    tensors = torch.from_numpy(prompt)[None].to(network.device), torch.from_numpy(answers).to(network.device)
    numbers = [tuple(prompt.tolist())] * n
    ways = {
        "plain batch": lambda: padded(network, *tensors, every=False).float().cpu().numpy(),
        "plain batch, all logits": lambda: padded(network, *tensors, every=True).float().cpu().numpy(),
        "ours": lambda: np.array(scored(model, numbers, list(answers), n)),
    }
    told = [way() for way in ways.values()]
    allowed = 1e-4 if model.dtype == "float32" else 0.5  # nats
    assert max(np.abs(told[0] - other).max() for other in told[1:]) < allowed
    return ways


def alternate(ways: dict[str, Callable[[], Any]], counted: Counted, runs: int) -> dict[str, dict[str, float]]:
    """Median seconds of each way, median of its ratio to the first in the same round, and positions.

    The round before those counts apart, as seconds at `first`: a GPU has then to make ready for each number of tokens.
    """
    met, *rounds = ({name: counted(way) for name, way in ways.items()} for _ in range(runs + 1))
    base = next(iter(ways))
    return {
        name: {
            "first": met[name][0],
            "seconds": statistics.median(own[name][0] for own in rounds),
            "ratio": statistics.median(own[name][0] / own[base][0] for own in rounds),
            "positions": rounds[0][name][1],
        }
        for name in ways
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small network and small sizes, one run each")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--device", default="cpu", help="torch's name: cpu, or cuda for a GPU")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    try:
        import torch
        import transformers
    except ImportError as error:
        print(f"skipped: {error.name} is not installed (pip install 'heedful[lm]')")
        return
    from heedful.models import LocalModel

    torch.set_num_threads(1)
    on_cpu = options.device == "cpu"
    runs, network = (1, QUICK) if options.quick else (options.runs, FULL if on_cpu else GPU)
    sizes, answers = ([(8, 16)], (16, 12, 64)) if options.quick else ([(32, 64), (8, 256)], (64, 48, 256))
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), **network)
        for rows, tokens in sizes:
            model = LocalModel(
                folder, max_tokens=tokens, device=options.device, dtype="float32" if on_cpu else "bfloat16"
            )
            counted = Counted(model.loaded.network)
            counted(lambda model=model: theirs(model, PROMPT, 2, 2))  # what any first use costs
            given = model, PROMPT, rows, tokens
            ways = {
                "generate": lambda given=given: theirs(*given),
                "ours": lambda given=given: ours(*given, resample=False),
                "ours, resampling": lambda given=given: ours(*given, resample=True),
            }
            told = alternate(ways, counted, runs)
            for own in told.values():
                own["positions"] /= rows * tokens
            results[f"{rows} x {tokens} new tokens"] = told
        told = alternate(scoring(model, *answers), counted, runs)
        for own in told.values():
            own["positions"] /= answers[0] * answers[1]
        results["{} answers of {} tokens to a prompt of {}".format(*answers)] = told
    for case, told in results.items():
        for name, own in told.items():
            print(
                f"{case:50s} {name:25s} {own['seconds']:7.3f} s, ratio {own['ratio']:5.2f}, "
                f"positions {own['positions']:.2f}, at first {own['first']:.3f} s"
            )
    if options.out:
        versions = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        machine = versions | {"cores": os.cpu_count(), "machine": platform.machine()}
        if not on_cpu:
            machine["gpu"] = torch.cuda.get_device_name()
        options.out.write_text(
            json.dumps({"machine": machine, "network": network, "runs": runs, "results": results}, indent=1)
        )


if __name__ == "__main__":
    main()
