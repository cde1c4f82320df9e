"""GEPA and MIPROv2 where every score is a coin, for benchmarks/acceptance.py; run by an interpreter that has both.

Texts have numbers; one of them, or none, earns 0.6 and all others 0.5. MIPROv2 tries five or six of its ten, so the
better one is among the first four that it tries. A line of JSON for each case: the gain claimed on validation, in how
many runs a text other than the first is returned, how often the better one is, and how often if a text is taken only
for a greater gain on validation than all but 5 % of runs without a better text claim.

    python benchmarks/acceptance_/peers.py RUNS
"""

import contextlib
import io
import json
import logging
import math
import os
import random
import re
import statistics
import sys
from types import SimpleNamespace

GEPA = ((20, 300, 20), (50, 800, 30), (100, 1500, 32), (300, 4000, 30))
MIPRO = ((20, 10), (50, 10))  # validation, trials


def gepa_run(seed: int, validation: int, budget: int, lucky: int | None) -> tuple[float, int]:
    """The claimed gain and the number of the text returned."""
    import gepa
    from gepa.core.adapter import EvaluationBatch

    rng, told = random.Random(seed), [0]

    class Coins:
        propose_new_texts = None

        def evaluate(self, batch, candidate, capture_traces=False):
            chance = 0.6 if number(candidate["text"]) == lucky else 0.5
            scores = [float(rng.random() < chance) for _ in batch]
            return EvaluationBatch(list(scores), scores, [{} for _ in batch] if capture_traces else None)

        def make_reflective_dataset(self, candidate, evaluated, components):
            return {name: [{"Inputs": "x", "Generated Outputs": "y", "Feedback": "z"}] for name in components}

    def reflect(prompt):
        told[0] += 1
        return f"```\ntext {told[0]}\n```"

    found = gepa.optimize(
        seed_candidate={"text": "text 0"},
        trainset=[{"i": i} for i in range(50)],
        valset=[{"i": i} for i in range(validation)],
        adapter=Coins(),
        reflection_lm=reflect,
        max_metric_calls=budget,
        seed=seed,
        logger=SimpleNamespace(log=lambda message: None),
    )
    scores = found.val_aggregate_scores
    return scores[found.best_idx] - scores[0], number(found.best_candidate["text"])


def mipro_run(seed: int, validation: int, trials: int, lucky: int | None) -> tuple[float, int]:
    import dspy

    rng, told = random.Random(seed), [0]

    class Fake(dspy.BaseLM):
        def __init__(self):
            super().__init__(model="fake")

        def forward(self, prompt=None, messages=None, **kwargs):
            asked = messages[-1]["content"]
            fields = re.findall(r"\[\[ ## (\w+) ## \]\]", asked[asked.rfind("Respond with") :])
            told[0] += 1
            text = "".join(f"[[ ## {name} ## ]]\ntext {told[0]}\n" for name in fields)
            message = SimpleNamespace(content=text, tool_calls=None)
            return SimpleNamespace(
                choices=[SimpleNamespace(message=message, finish_reason="stop")], usage={}, model="fake"
            )

    class Answer(dspy.Module):
        """Answers with its own instruction, so that the metric sees which text it was."""

        def __init__(self):
            super().__init__()
            self.predict = dspy.Predict(dspy.Signature("question -> answer", "text 0"))

        def forward(self, question):
            self.predict(question=question)
            return dspy.Prediction(answer=self.predict.signature.instructions)

    order = []

    def metric(example, prediction, trace=None):
        text = number(prediction.answer)
        if text and text not in order:
            order.append(text)
        better = lucky is not None and len(order) > lucky and order[lucky] == text
        return float(rng.random() < (0.6 if better else 0.5))

    dspy.configure(lm=Fake())
    examples = [dspy.Example(question=f"q{i}", answer="a").with_inputs("question") for i in range(validation)]
    optimiser = dspy.MIPROv2(
        metric=metric,
        auto=None,
        num_candidates=10,
        num_threads=1,
        max_bootstrapped_demos=0,
        max_labeled_demos=0,
        seed=seed,
    )
    program = optimiser.compile(Answer(), trainset=examples, valset=examples, num_trials=trials, minibatch=False)
    text = number(program.predict.signature.instructions)
    first = program.trial_logs[1]["full_eval_score"] if hasattr(program, "trial_logs") else 50.0
    place = order.index(text) if text in order else -1
    return (program.score - first) / 100, place if text else -1


def number(text: str) -> int:
    found = re.search(r"text (\d+)", text)
    return int(found[1]) if found else -1


def told(name, case, run, runs, of):
    """`of` texts are proposed about, of which the better one is drawn; -1 and 0 of `first` are the start."""
    first = 0 if name == "GEPA" else -1
    null = [run(seed, *case, None) for seed in range(runs)]
    chosen = [random.Random(seed).randrange(of) + (name == "GEPA") for seed in range(runs)]
    better = [run(seed + 10_000, *case, lucky) for seed, lucky in enumerate(chosen)]
    bar = sorted(gain for gain, _ in null)[math.ceil(0.95 * runs) - 1]
    found = [(gain, text == lucky) for (gain, text), lucky in zip(better, chosen, strict=True)]
    return {
        "rule": name,
        "validation": case[0],
        "budget" if name == "GEPA" else "trials": case[1],
        "runs": runs,
        "claimed gain": statistics.mean(gain for gain, _ in null),
        "false keeps": sum(text != first for _, text in null),
        "better one kept": sum(right for _, right in found) / runs,
        "gain to be claimed by 5 %": bar,
        "better one kept, so": sum(right and gain > bar for gain, right in found) / runs,
    }


if __name__ == "__main__":
    runs = int(sys.argv[1])
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    logging.disable(logging.CRITICAL)
    cases = [("GEPA", case[:2], gepa_run, runs, case[2]) for case in GEPA]
    cases += [("MIPROv2", case, mipro_run, max(2, runs // 3), 4) for case in MIPRO]
    for name, case, run, count, of in cases:
        nothing = io.StringIO()
        with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            row = told(name, case, run, count, of)
        print(json.dumps(row), flush=True)
