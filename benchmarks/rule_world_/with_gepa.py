"""GEPA by its own package, `gepa.optimize` as it comes: batches of 3, and the best of the mean on validation."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import gepa
from gepa.adapters.default_adapter.default_adapter import EvaluationResult
from peer import Run, main, said_of

ENDLESS = 10**9


class Best:
    """Tells of each text that is best on validation."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_valset_evaluated(self, event: Any) -> None:
        if event["is_best_program"]:
            self.run.keep(event["candidate"]["prompt"])


def play(run: Run) -> None:
    def evaluate(data: Any, response: str) -> EvaluationResult:
        earned = run.earned(data["input"], response)
        return EvaluationResult(earned, said_of(earned))

    gepa.optimize(
        seed_candidate={"prompt": run.start},
        trainset=[{"input": own, "additional_context": {}, "answer": ""} for own in run.train],
        valset=[{"input": own, "additional_context": {}, "answer": ""} for own in run.validation],
        task_lm=partial(run.asked, "task"),
        evaluator=evaluate,
        reflection_lm=partial(run.asked, "gepa"),
        max_metric_calls=ENDLESS,
        callbacks=[Best(run)],
        logger=SimpleNamespace(log=lambda message: None),
        seed=run.seed,
    )


if __name__ == "__main__":
    main(play)
