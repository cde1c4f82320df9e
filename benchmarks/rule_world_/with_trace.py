"""Trace by its own package, with its optimiser OptoPrime or OPRO: batches of 16, and each suggestion is taken.

    python with_trace.py OptoPrime|OPRO
"""

from __future__ import annotations

import sys

from opto import trace
from opto.optimizers import OPRO, OptoPrime
from opto.utils.llm import LLM
from peer import Run, client, main, said_of

BATCH, OPTIMISERS = 16, {"OptoPrime": OptoPrime, "OPRO": OPRO}


@trace.bundle()
def together(*answers: object) -> str:
    """All answers, each behind its number."""
    return numbered(answers)


def numbered(parts: object) -> str:
    return "\n".join(f"ID {number}: {own}" for number, own in enumerate(parts))


def play(run: Run) -> None:
    name, model = sys.argv[1], client("task")

    @trace.bundle()
    def answer(prompt: str, question: str) -> str:
        """The model's answer to a question, by the prompt."""
        return model([{"role": "system", "content": prompt}, {"role": "user", "content": question}])

    prompt = trace.node(run.start, trainable=True)
    optimizer = OPTIMISERS[name]([prompt], llm=LLM(f"openai/{name}"))
    for questions in run.batches(BATCH):
        answers = [answer(prompt, question) for question in questions]
        earned = [run.earned(question, own.data) for question, own in zip(questions, answers, strict=True)]
        optimizer.zero_feedback()
        optimizer.backward(together(*answers), numbered(map(said_of, earned)))
        optimizer.step()
        run.keep(prompt.data)


if __name__ == "__main__":
    main(play)
