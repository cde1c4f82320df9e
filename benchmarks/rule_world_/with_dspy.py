"""MIPROv2 by its own package, without demonstrations in the prompt: 12 instructions, batches of 35 as it comes.

A call that was made before is taken from a cache, as the package's own client does. What is kept is known at the end.
"""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import dspy
from peer import Run, main

CANDIDATES, TRIALS = 12, 25


def play(run: Run) -> None:
    known: dict[str, str] = {}

    class Model(dspy.BaseLM):
        def forward(self, prompt: str | None = None, messages: Any = None, **settings: Any) -> SimpleNamespace:
            asked = messages or [{"role": "user", "content": prompt}]
            name = json.dumps([asked, settings], sort_keys=True, default=str)
            if name not in known:
                known[name] = run.asked("dspy", asked)
            message = SimpleNamespace(content=known[name], tool_calls=None)
            choice = SimpleNamespace(message=message, finish_reason="stop")
            return SimpleNamespace(choices=[choice], usage={}, model="dspy")

    def metric(example: Any, prediction: Any, trace: Any = None) -> float:
        return run.earned(example.question, prediction.answer)

    logging.disable(logging.CRITICAL)
    dspy.configure(lm=Model(model="dspy"))
    train, validation = (
        [dspy.Example(question=own).with_inputs("question") for own in part] for part in (run.train, run.validation)
    )
    optimiser = dspy.MIPROv2(
        metric, auto=None, num_candidates=CANDIDATES, max_bootstrapped_demos=0, max_labeled_demos=0, num_threads=1
    )
    program = dspy.Predict(dspy.Signature("question -> answer", run.start))
    found = optimiser.compile(program, trainset=train, valset=validation, num_trials=TRIALS, seed=run.seed + 1)
    run.keep(found.signature.instructions)


if __name__ == "__main__":
    main(play)
