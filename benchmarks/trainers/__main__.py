"""One contender at one case: reads turns on stdin, says what they took on stdout."""

from __future__ import annotations

import argparse
import time

import torch
import transformers

from trainers.turns import Turns
from trainers.work import CASES, records


def load_what_training_loads() -> None:
    """Code that torch loads at the first step of an optimiser, whoever takes it."""
    leaf = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.AdamW([leaf], foreach=True)
    leaf.sum().backward()
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
    load_what_training_loads()
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
