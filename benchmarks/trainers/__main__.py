"""One contender at one case: reads turns on stdin, says what they took on stdout."""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
import transformers

from trainers.turns import Turns
from trainers.work import CASES, network_like, records

LEAST = {"layers": 1, "hidden": 16, "between": 16}


def load_what_training_loads(tokenizer: Any) -> None:
    """Code of torch and transformers that a first step loads, whoever takes it: of the least network there can be."""
    for rewards in (False, True):
        network = network_like(LEAST, tokenizer, rewards=rewards)
        optimiser = torch.optim.AdamW(network.parameters(), fused=True)
        read = torch.ones(2, 4, dtype=torch.long)
        network(input_ids=read, attention_mask=read).logits.sum().backward()
        optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=("floor", "ours", "trl"))
    parser.add_argument("case")
    parser.add_argument("size")
    parser.add_argument("steps", type=int)
    parser.add_argument("tokenizer", help="a folder")
    options = parser.parse_args()
    turns = Turns()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    if options.contender == "floor":
        from trainers.floor import Floor as Made
    elif options.contender == "ours":
        from trainers.ours import made as Made  # noqa: N812
    else:
        from trainers.peer import run
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.tokenizer)
    data = records(CASES[options.case], options.steps, tokenizer)
    load_what_training_loads(tokenizer)
    turns.begin()
    given = options.case, options.size, tokenizer, data
    if options.contender == "trl":
        run(*given, turns)
        return
    begun = time.process_time()
    runner = Made(*given)
    turns.ready(time.process_time() - begun)
    for _ in range(options.steps):
        turns.stepped(*runner.step())


if __name__ == "__main__":
    main()
