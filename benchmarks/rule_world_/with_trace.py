"""Trace by its own package, with its optimiser OptoPrime, which takes each suggestion, or OPRO, where the text is kept
whose answers earned most when it was tried, as its authors do.

    python with_trace.py OptoPrime|OPRO BATCH
"""

from __future__ import annotations

import sys
from statistics import fmean

from opto import trace
from opto.optimizers import OPRO, OptoPrime
from opto.utils.llm import LLM
from peer import Run, client, main, said_of

OPTIMISERS = {"OptoPrime": OptoPrime, "OPRO": OPRO}


@trace.bundle()
def answer(prompt: str, question: str) -> str:
    """The model's answer to a question, by the prompt."""
    return client("task")([{"role": "system", "content": prompt}, {"role": "user", "content": question}])


@trace.bundle()
def together(*answers: object) -> str:
    """All answers, each behind its number."""
    return numbered(answers)


def numbered(parts: object) -> str:
    return "\n".join(f"ID {number}: {own}" for number, own in enumerate(parts))


def play(run: Run) -> None:
    name, batch, most = sys.argv[1], int(sys.argv[2]), 0.0
    prompt = trace.node(run.start, trainable=True)
    optimizer = OPTIMISERS[name]([prompt], llm=LLM(f"openai/{name.lower()}"))
    for questions in run.batches(batch):
        answers = [answer(prompt, question) for question in questions]
        earned = [run.earned(question, own.data) for question, own in zip(questions, answers, strict=True)]
        if name == "OPRO" and fmean(earned) > most:
            most = fmean(earned)
            run.keep(prompt.data)
        optimizer.zero_feedback()
        optimizer.backward(together(*answers), numbered(map(said_of, earned)))
        optimizer.step()
        if name == "OptoPrime":
            run.keep(prompt.data)


if __name__ == "__main__":
    main(play)
