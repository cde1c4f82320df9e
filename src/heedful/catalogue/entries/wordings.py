"""004-179: how much what a model earns hangs on the wording of its prompt, and how much of that is chance."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.models import Request
from heedful.models.marked import context_text
from heedful.rewriting import Program, Runner, Sensitivity, Text, Worth, draw, reworded, stage, trace
from heedful.worlds import RuleWorld, rule_models
from heedful.worlds.played import as_writer

_WORDINGS, _QUESTIONS, _DRAWS = 5, 30, 2
# How often a model follows a rule that it reads, and how often a wording has it miss one.
_MODELS = {
    "weak": (0.9, 0.4, "that misses four rules in ten where they are worded otherwise"),
    "strong": (0.9, 0.15, "that misses three in twenty"),
    "steady": (0.9, 0.0, "that misses none"),
    "wavering": (0.5, 0.0, "that misses none, and follows every second"),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, (follows, misses, _) in _MODELS.items():
        found = _sensitivity(RuleWorld(follows=follows), misses, 8 if quick else _QUESTIONS, seed)
        figures |= {f"{name}, score": found.score.value, name: found.excess.value}
    return figures


def _sensitivity(world: RuleWorld, misses: float, count: int, seed: int) -> Sensitivity:
    rng = np.random.default_rng([4179, seed])
    wordings = [{"prompt": _worded(world, misses, rng)} for _ in range(_WORDINGS)]
    questions = [{"question": context_text(own)} for own in world.contexts(count, rng=rng)]
    with Runner(_program(world), 1) as runner:
        return reworded(runner, wordings, questions, Worth(world.reward(), (0, 1)), draws=_DRAWS)


def _worded(world: RuleWorld, misses: float, rng: np.random.Generator) -> str:
    """The rules of the best prompt in any order, some so worded that the model does not know them."""
    rules = world.best().split("\n")
    said = [rule if rng.random() >= misses else f"Rule {place}, otherwise." for place, rule in enumerate(rules)]
    return "\n".join(rng.permutation(said))


def _program(world: RuleWorld) -> Program:
    prompt, task = Text("Answer.", "prompt"), as_writer(rule_models(world), "task")

    @stage
    def ask(text: str, number: int) -> str:
        return task.complete([Request.of(text, sample=number)])[0].text or ""

    return trace(lambda question: ask(f"{prompt}\n\n{question}", draw()))


ENTRY = Entry(
    id="004-179",
    title="ProSA: Assessing and Understanding the Prompt Sensitivity of LLMs",
    area="rewriting/evaluation",
    citation="Zhuo et al. 2024",
    claim=(
        f"{_WORDINGS} wordings of one prompt, {_QUESTIONS} questions, two answers by each. What wordings do beyond "
        "chance is greater for a model that misses four rules in ten where they are worded otherwise than for one that "
        "misses three in twenty, and for that than for one that misses none; of this it is 0 to within 0.005, though "
        "its PromptSensiScore is above 0.05. That score calls a model which misses none but wavers more sensitive than "
        "one that is sure and misses some; beyond chance it is the other way round."
    ),
    configuration="rewriting.reworded on a traced program; worlds.RuleWorld answers.",
    measures={
        **{f"{name}, score": f"PromptSensiScore of a model {what}" for name, (_, _, what) in _MODELS.items()},
        **{name: f"what wordings do beyond chance to a model {what}" for name, (_, _, what) in _MODELS.items()},
    },
    checks=(
        Check("weak", "strong", above=0.0),
        Check("strong", "steady", above=0.0),
        Check("steady", below=0.005),
        Check("steady", above=-0.005),
        Check("steady, score", above=0.05),
        Check("wavering, score", "strong, score", above=0.0),
        Check("strong", "wavering", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work decodes greedily, where two answers to one wording are alike and nothing is chance; models here "
        "answer at random, as they do in use. Few-shot examples and the confidence of models are not here. Eight other "
        "seeds were seen before the claim was written."
    ),
)
