"""Trace by its own package, with its optimiser OptoPrime, which takes each suggestion, or OPRO, where the text is kept
whose answers earned most when it was tried, as its authors do.

    python with_trace.py OptoPrime|OPRO BATCH
"""

from __future__ import annotations

import sys
from statistics import fmean
from types import SimpleNamespace

from opto import trace
from opto.optimizers import OPRO, OptoPrime
from opto.utils.llm import AbstractModel
from peer import Run, main, said_of

OPTIMISERS = {"OptoPrime": OptoPrime, "OPRO": OPRO}


@trace.bundle()
def together(*answers: object) -> str:
    """All answers, each behind its number."""
    return numbered(answers)


def numbered(parts: object) -> str:
    return "\n".join(f"ID {number}: {own}" for number, own in enumerate(parts))


def model(run: Run, name: str) -> AbstractModel:
    def ask(messages: list[dict[str, str]], **_: object) -> SimpleNamespace:
        message = SimpleNamespace(content=run.asked(name, messages))
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    return AbstractModel(lambda: ask)


def play(run: Run) -> None:
    def answer(prompt: str, question: str) -> str:
        """The model's answer to a question, by the prompt."""
        return run.asked("task", question, prompt)

    answer.__qualname__ = "answer"  # the name that the package shows
    answer = trace.bundle()(answer)
    name, batch, most = sys.argv[1], int(sys.argv[2]), 0.0
    prompt = trace.node(run.start, trainable=True)
    optimizer = OPTIMISERS[name]([prompt], llm=model(run, name.lower()))
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
