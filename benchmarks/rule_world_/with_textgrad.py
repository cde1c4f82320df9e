"""TextGrad by its own package: a loss of each answer in a batch, their sum carried back, and a step.

    python with_textgrad.py BATCH

The function that tells what an answer earned tells the question and the answer too: of what goes into a function the
package shows its critic no more than the first and the last ten words.
"""

from __future__ import annotations

import sys

import textgrad
from peer import Run, main, said_of
from textgrad.autograd.string_based_ops import StringBasedFunction
from textgrad.engine import EngineLM


class Model(EngineLM):
    def __init__(self, run: Run, name: str) -> None:
        self.run, self.model_string = run, name

    def generate(self, prompt: str, system_prompt: str | None = None, **_: object) -> str:
        return self.run.asked(self.model_string, prompt, system_prompt or self.system_prompt)

    def __call__(self, prompt: str, **settings: object) -> str:
        return self.generate(prompt, **settings)


def play(run: Run) -> None:
    writer = Model(run, "textgrad")
    textgrad.set_backward_engine(writer, override=True)
    prompt = textgrad.Variable(run.start, role_description="system prompt of the model")
    model = textgrad.BlackboxLLM(Model(run, "task"), prompt)
    optimizer = textgrad.TextualGradientDescent([prompt], engine=writer)

    def told(question: textgrad.Variable, answer: textgrad.Variable) -> str:
        earned = said_of(run.earned(question.value, answer.value))
        return f"Asked: {question.value}\nAnswered: {answer.value}\n{earned}"

    loss = StringBasedFunction(told, "tells what an answer earns, of what is right in it")
    for questions in run.batches(int(sys.argv[1])):
        optimizer.zero_grad()
        losses = []
        for text in questions:
            question = textgrad.Variable(text, requires_grad=False, role_description="question")
            losses.append(loss({"question": question, "answer": model(question)}))
        textgrad.sum(losses).backward()
        optimizer.step()
        run.keep(prompt.value)


if __name__ == "__main__":
    main(play)
