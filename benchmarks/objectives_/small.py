"""The small model of exercises, trained by each objective on feedback on its own outputs, against null controls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from heedful.core import Floats, Item
from heedful.models import Tokens, complete
from heedful.models.texts import joined
from heedful.training.batches import Batch
from heedful.training.examples import Example
from heedful.training.experience import experienced
from heedful.training.heads import with_values
from heedful.training.rows import Rows
from heedful.training.trainer import Recipe, Trainer, scored
from heedful.worlds import Exercise, exercises
from heedful.worlds.small_model import small_model
from objectives_.records import CLEAN, GROUP, READ, Fault, Records, judged
from objectives_.settings import Setting

STRENGTH = 2.0
READ_AT_ONCE, ROUNDS = 48, 8
ANSWERS, BASE_ANSWERS = 4, 16
AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Size:
    """How much is trained on and measured with.

    groups   prompts of four outputs each; as many outputs are read as there are, whatever the objective
    asked    exercises answered after training
    whole    whether all weights are trained, or the scales of norms alone
    """

    groups: int = 512
    asked: int = 200
    whole: bool = False
    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)

    @property
    def steps(self) -> int:
        return self.groups * GROUP // READ_AT_ONCE


FULL = Size()
WHOLE = Size(whole=True, rates=(3e-5, 1e-4, 3e-4))
QUICK = Size(groups=24, asked=6, rates=(1e-2,))


def true_reward(item: Item) -> tuple[float, bool]:
    """Right lines as a share of all, and 2 for a right answer; and whether it is right."""
    exercise, output = Exercise.read(item.context), joined(item.output)
    steps, right = exercise.steps(output), exercise.right(output)
    return sum(steps) / len(steps) + 2.0 * right, right


@dataclass(frozen=True, eq=False)
class Answers:
    """Outputs of a model to prompts, k each: tokens, true reward and whether right [p, k]."""

    prompts: list[tuple[int, ...]]
    tokens: list[list[Tokens]]
    reward: Floats
    right: Floats

    @classmethod
    def drawn(cls, model: Any, asked: tuple[Exercise, ...], k: int, rng: np.random.Generator) -> Answers:
        model.loaded.network.eval()
        contexts = [own.context for own in asked for _ in range(k)]
        found, items = [], []
        for start in range(0, len(contexts), 1024):
            state = model.begin(contexts[start : start + 1024])
            complete(state, rng)
            found += state.tokens()
            items += state.items()
        told = np.array([true_reward(item) for item in items], float).reshape(len(asked), k, 2)
        prompts = [tokens for _, tokens in model.prompts(items[::k])]
        return cls(prompts, [found[row : row + k] for row in range(0, len(found), k)], told[:, :, 0], told[:, :, 1])

    @cached_property
    def length(self) -> Floats:
        return np.array([[len(tokens) for tokens in own] for own in self.tokens], float)

    @property
    def first(self) -> Answers:
        """One to each prompt."""
        return Answers(self.prompts, [own[:1] for own in self.tokens], self.reward[:, :1], self.right[:, :1])

    def examples(self) -> list[Example]:
        """Each prompt with all its outputs."""
        return [Example(prompt, tuple(own)) for prompt, own in zip(self.prompts, self.tokens, strict=True)]


@dataclass(frozen=True, eq=False)
class Base:
    """The model as it is, what is drawn of it for training, and what it answers to held-out prompts."""

    model: Any
    seed: int
    size: Size = FULL
    separate: bool = False

    @cached_property
    def draws(self) -> Answers:
        return self.drawn(self.model, 0, self.size.groups)

    def drawn(self, model: Any, round_: int, groups: int) -> Answers:
        asked = exercises(groups, seed=1000 * self.seed + round_ + 1, held_out=False)
        return Answers.drawn(model, asked, GROUP, np.random.default_rng((self.seed, round_, 1)))

    @cached_property
    def asked(self) -> tuple[Exercise, ...]:
        """Where rates are chosen: exercises that may be trained on, of another seed."""
        return exercises(self.size.asked, seed=5000 + self.seed, held_out=not self.separate)

    @cached_property
    def answers(self) -> Answers:
        return Answers.drawn(self.model, self.asked, BASE_ANSWERS, np.random.default_rng((self.seed, 2)))

    def worth(self, drawn: Answers, kind: str) -> Floats:
        """What raters see in outputs, 0 for what the base's are worth on average."""
        if kind == "nothing":
            return np.zeros(drawn.reward.shape)
        if kind == "length":
            own = self.draws.length
            return np.asarray((drawn.length - own.mean()) / own.std() * self.draws.reward.std())
        return np.asarray(drawn.reward - self.draws.reward.mean())

    @cached_property
    def logprobs(self) -> list[Floats]:
        return logprobs(self.draws, self.model.loaded.network)


def logprobs(drawn: Answers, network: Any) -> list[Floats]:
    """Of each token [k, t] of each prompt's outputs."""
    return scored(network, drawn.examples(), AT_ONCE)


def told(
    base: Base, setting: Setting, rate: float, *, kind: str = "reward", fault: Fault = CLEAN
) -> dict[str, float | None]:
    """True reward, share of right answers and tokens, less the base's on the same exercises, and KL to it in nats."""
    if setting.reward:
        reward = (_rewards if setting.reward == "table" else _implied)(base, setting, rate)
        rows, best = np.arange(base.size.asked)[:, None], _best(reward)
        found, kl = [own[rows, best] for own in _numbers(base.answers)], None
    else:
        model = trained(base, setting, rate, kind=kind, fault=fault)
        answers = Answers.drawn(model, base.asked, ANSWERS, np.random.default_rng((base.seed, 4)))
        found = _numbers(answers)
        away = zip(*(logprobs(answers.first, own.loaded.network) for own in (model, base.model)), strict=True)
        kl = float(np.mean([(own - before).sum() for own, before in away]))
    gains = [
        float((own.mean(1) - before.mean(1)).mean()) for own, before in zip(found, _numbers(base.answers), strict=True)
    ]
    return {"gain": gains[0], "right": gains[1], "length": gains[2], "kl": kl}


def _numbers(answers: Answers) -> tuple[Floats, Floats, Floats]:
    return answers.reward, answers.right, answers.length


def _best(reward: Floats) -> Any:
    """Which of the base's answers [p, 16] are the best of four [p, 4]."""
    fours = reward.reshape(len(reward), -1, GROUP)
    return fours.argmax(2) + GROUP * np.arange(fours.shape[1])


def trained(base: Base, setting: Setting, rate: float, *, kind: str = "reward", fault: Fault = CLEAN) -> Any:
    """A model trained by an objective on so many outputs of the base, or of its own."""
    model, rng = small_model(), np.random.default_rng((base.seed, 3))
    network, objective = model.loaded.network, setting.objective(STRENGTH)
    if setting.own == "valued":
        with_values(network)
    _learnt(network, base.size)
    rounds, each = ROUNDS if setting.own else 1, READ_AT_ONCE // READ.get(setting.form, GROUP)
    steps, trainer = base.size.steps, None
    for number in range(rounds):
        drawn = base.drawn(model, number, base.size.groups // rounds) if setting.own else base.draws
        behaviour = logprobs(drawn, network) if setting.own else base.logprobs
        examples = _examples(base, drawn, behaviour, setting, kind, rng, fault)
        compared = objective.needs_reference or setting.own == "valued"
        reference = scored(base.model.loaded.network, examples, AT_ONCE) if compared else None
        if setting.own == "valued":
            examples = experienced(network, examples, AT_ONCE, penalty=1 / STRENGTH, reference=reference)
        if trainer is None:
            trainer = Trainer(network, examples, objective, Recipe(steps, each, AT_ONCE, rate, warmup=4), reference)
        trainer.examples, trainer.reference = examples, reference
        trainer.run(until=(number + 1) * steps // rounds)
    return model


def _learnt(network: Any, size: Size) -> list[Any]:
    """The parameters to be trained, a head of values among them; the others are held."""
    for name, own in network.named_parameters():
        own.requires_grad_(size.whole or "norm" in name or "value_head" in name)
    return [own for own in network.parameters() if own.requires_grad]


def _examples(
    base: Base,
    drawn: Answers,
    behaviour: Any,
    setting: Setting,
    kind: str,
    rng: np.random.Generator,
    fault: Fault = CLEAN,
) -> list[Example]:
    """Records of feedback as tokens."""
    if kind == "likeliest":
        best = [own.sum(1).argmax() for own in behaviour]
        records = Records((np.array(best) + GROUP * np.arange(len(best)))[:, None])
    else:
        records = judged(setting.form, base.worth(drawn, kind), fault, rng)
    if setting.own == "held":
        away = zip(behaviour, logprobs(drawn, base.model.loaded.network), strict=True)
        held = np.array([(own - before).sum(1) for own, before in away]).ravel() / STRENGTH
        records.said["score"] = records.said["score"] - held[records.outputs]
    prompts, none = (records.first // GROUP).tolist(), np.zeros(0, np.intp)
    flat = [*(own for group in drawn.tokens for own in group), none]
    drew = [*(own for group in behaviour for own in group), none]
    return [
        Example(
            drawn.prompts[group],
            tuple(flat[output] for output in outputs),
            {name: value[row] for name, value in records.said.items()}
            | {"behaviour": [drew[output][: len(flat[output])] for output in outputs]},
        )
        for row, (group, outputs) in enumerate(zip(prompts, records.outputs.tolist(), strict=True))
    ]


def _implied(base: Base, setting: Setting, rate: float) -> Floats:
    """log policy − log base [p, 16] of the base's answers."""
    model = trained(base, setting, rate)
    both = zip(*(logprobs(base.answers, own.loaded.network) for own in (model, base.model)), strict=True)
    return np.array([(own - before).sum(1) for own, before in both])


def _rewards(base: Base, setting: Setting, rate: float) -> Floats:
    """Rewards [p, 16] of the base's answers: linear in the last hidden state of a network trained as a whole."""
    network, rng = small_model().loaded.network, np.random.default_rng((base.seed, 3))
    head = torch.zeros(network.config.hidden_size, requires_grad=True)
    examples = _examples(base, base.draws, base.logprobs, setting, "reward", rng)
    recipe = Recipe(base.size.steps, READ_AT_ONCE // READ[setting.form], learning_rate=rate, warmup=4)
    parameters = _learnt(network, base.size)
    optimiser = torch.optim.AdamW([*parameters, head], rate, weight_decay=0.0)
    for step in range(recipe.steps):
        chosen = [examples[place] for place in recipe.places(step, len(examples))]
        reward = torch.stack([_reward(network, head, chosen, output) for output in (0, 1)], 1)
        prefer = torch.tensor([own.said["prefer"] for own in chosen], dtype=reward.dtype)
        batch = Batch.of(torch.ones(*reward.shape, 1, dtype=torch.bool), prefer=prefer)
        lost, units = setting.objective(STRENGTH)(reward, batch).total(batch)
        optimiser.zero_grad()
        (lost / units).backward()
        optimiser.step()
    with torch.no_grad():
        told = [_reward(network, head, base.answers.examples(), output).numpy() for output in range(BASE_ANSWERS)]
    return np.stack(told, 1)


def _reward(network: Any, head: Any, examples: list[Example], output: int) -> Any:
    """Of one output of each example [r]."""
    rows = Rows.of([own.prompt for own in examples], [(own.outputs[output],) for own in examples])
    hidden = network.base_model(input_ids=rows.tokens, position_ids=rows.position, use_cache=False).last_hidden_state
    last = [len(own.prompt) + len(own.outputs[output]) - 1 for own in examples]
    return hidden[torch.arange(len(examples)), last] @ head
