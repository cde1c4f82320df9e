"""heedful's trainer. It scores the reference once; here that is charged for each step, as if no example came twice."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from heedful.core import Item
from heedful.models import LocalModel
from heedful.models.token_models import complete
from heedful.training import DPO, KTO, Supervised, Weighted, dapo, rloo
from heedful.training.examples import Example
from heedful.training.head_objectives import reward
from heedful.training.trainer import Recipe, Trainer, scored
from trainers.work import BETA, CASES, GROUP, NEW_TOKENS, RATE, Record, beside, earned, network_of

OBJECTIVES = {
    "sft": Supervised(),
    "dpo": DPO(1 / BETA),
    "kto": KTO(1 / BETA),
    "reward": reward(),
    "grpo": dapo(high=0.2),
    "rloo": rloo(),
    "shared prompts": Weighted("tilt"),
    "uneven lengths": DPO(1 / BETA),
}


class Ours:
    """Steps of a case on records that lie there."""

    def __init__(self, case: str, size: str, tokenizer: Any, data: Sequence[Record]) -> None:
        many = CASES[case].records
        recipe = Recipe(len(data) // many, batch=many, learning_rate=RATE)
        steps = [data[start : start + many] for start in range(0, len(data), many)]
        examples: list[Any] = [None] * len(data)
        for number, records in enumerate(steps):  # each at the place from which the trainer will take it in that step
            for place, example in zip(recipe.places(number, len(data)), _examples(case, records), strict=True):
                examples[place] = example
        self.steps = steps
        network = network_of(size, tokenizer, rewards=case == "reward")
        self.trainer = Trainer(network, examples, OBJECTIVES[case], recipe)

    def step(self) -> tuple[int, float]:
        trainer = self.trainer
        if trainer.objective.needs_reference:
            places = trainer.recipe.places(trainer.done, len(trainer.examples))
            scored(trainer.network, [trainer.examples[place] for place in places], trainer.recipe.tokens)
        tokens = sum(one.read for one in self.steps[trainer.done])
        return tokens, trainer.step()["loss"]


class Online:
    """Steps on outputs that the policy draws itself."""

    def __init__(self, case: str, size: str, tokenizer: Any, data: Sequence[Record]) -> None:
        self.many, self.data, self.rng = CASES[case].records, data, np.random.default_rng(0)
        folder = tempfile.mkdtemp()
        network_of(size, tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        self.model = LocalModel(folder, max_tokens=NEW_TOKENS, device="cpu")
        recipe = Recipe(len(data), batch=self.many, learning_rate=RATE)
        self.trainer = Trainer(self.model.loaded.network, self._drawn(), OBJECTIVES[case], recipe)

    def step(self) -> tuple[int, float]:
        self.trainer.examples = self._drawn(self.trainer.done)
        tokens = sum(len(one.prompt) + len(own) for one in self.trainer.examples for own in one.outputs)
        return tokens, self.trainer.step()["loss"]

    def _drawn(self, step: int = 0) -> list[Example]:
        records = self.data[step * self.many : (step + 1) * self.many]
        contexts = [Item.of(one.texts[0]).context for one in records]
        state = self.model.begin([own for own in contexts for _ in range(GROUP)])
        complete(state, self.rng)
        outputs = state.tokens()
        ended = [own[:-1] if own[-1] == self.model.end else own for own in outputs]
        scores = [earned(text) for text in self.model.loaded.texts([own.tolist() for own in ended])]
        return [
            Example(one.prompt, tuple(outputs[at : at + GROUP]), {"score": scores[at : at + GROUP]})
            for one, at in zip(records, range(0, len(outputs), GROUP), strict=True)
        ]


def made(case: str, size: str, tokenizer: Any, data: Sequence[Record]) -> Ours | Online:
    return (Online if case in ("grpo", "rloo") else Ours)(case, size, tokenizer, data)


def _examples(case: str, records: Sequence[Record]) -> list[Example]:
    outputs = [[np.array(own) for own in one.outputs] for one in records]
    if case == "kto":
        others = [np.array(own) for own in beside(records)]
        return [
            Example(one.prompt, (own[0], other), {"label": [float(one.label), 0.5]})
            for one, own, other in zip(records, outputs, others, strict=True)
        ]
    said = [{"score": one.scores} if case == "shared prompts" else {} for one in records]
    return [Example(one.prompt, tuple(own), told) for one, own, told in zip(records, outputs, said, strict=True)]
