"""001-028: pairs of an answer and its refinement, against pairs of answers drawn apart from one another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records, minimised
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Writer
from heedful.core import Budget, Floats, Item, Parts, UsageError, text_parts
from heedful.evidence import Rule
from heedful.sampling import KEEP, Played, Refining, Task
from heedful.target import Target

_TOKENS, _LENGTH = 8, 6
_ROUNDS, _PAIRS, _STRENGTH, _RIDGE = 3, 50, 5.0, 3e-3
_OWN = np.cumsum([0, _TOKENS + 1, _LENGTH, _TOKENS, _TOKENS * 2 * _LENGTH])
_PROMPTS: Indices = np.array(list(itertools.permutations(range(_TOKENS), 2)))


def _seen(prompts: Indices, before: Indices) -> Indices:
    """The last token, the place, what is forbidden, and what is asked for, with the place and whether it is there."""
    must, never = prompts.T
    place = before.shape[1]
    last = before[:, -1] if place else np.full(len(prompts), _TOKENS)
    wanted = (must * 2 + (before == must[:, None]).any(1)) * _LENGTH + place
    return np.stack([last, np.full_like(last, _OWN[1] + place), _OWN[2] + never, _OWN[3] + wanted], axis=1)


_WRITER = Writer(_TOKENS, _LENGTH, int(_OWN[4]), _seen)


def _met(prompts: Indices, outputs: Indices) -> Indices:
    """How many constraints outputs [r, k] meet, of two: the prompt's first token is there, and its second is not."""
    must, never = (column[:, None, None] for column in prompts.T)
    return np.asarray((outputs == must).any(2).astype(np.intp) + (outputs != never).all(2))


@dataclass(frozen=True, eq=False)
class _Actor:
    """A policy as a system, who can be asked to refine too; contexts and outputs are numbers with blanks between."""

    weights: Floats

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        outputs = _WRITER.write(self.weights, _numbers(context)[None], n, rng)[0]
        return tuple(Item(context, text_parts(_told(own), "system")) for own in outputs)

    def log_prob(self, items: Sequence[Item]) -> Floats:
        raise UsageError("the actor does not tell how likely an output is", where="Actor")

    def critic(self, task: Task, rng: np.random.Generator) -> str:
        """A place to write anew: one of a forbidden token, or any where the asked for is missing."""
        (must, never), output = _numbers(task.item.context), _numbers(task.item.output)
        if len(wrong := np.flatnonzero(output == never)):
            return str(rng.choice(wrong))
        return KEEP if (output == must).any() else str(rng.integers(_LENGTH))

    def editor(self, task: Task, rng: np.random.Generator) -> str:
        """The token at that place drawn anew, or, half of the time where it is missing, the asked for."""
        prompt, output, place = _numbers(task.item.context), _numbers(task.item.output), int(task.critique)
        own = _WRITER.write(self.weights, prompt[None], 1, rng, begun=output[None, :place])[0, 0, place]
        absent = not (output == prompt[0]).any()
        return _told([*output[:place], prompt[0] if absent and rng.random() < 0.5 else own, *output[place + 1 :]])


def _numbers(parts: Parts) -> Indices:
    return np.array(parts[0].text.split(), dtype=np.intp)


def _told(numbers: Iterable[int]) -> str:
    return " ".join(str(own) for own in numbers)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO

    rng = np.random.default_rng([128, seed])
    base = rng.normal(0, 0.7, (_WRITER.rows, _TOKENS))
    base[_OWN[2] :] = 0.0
    near = np.isin((_PROMPTS[:, 1] - _PROMPTS[:, 0]) % _TOKENS, (1, 2, 3))
    trained, fresh = _PROMPTS[near], _PROMPTS[~near]
    probes = np.repeat(fresh, 4 if quick else 20, axis=0)
    figures = {"base": _accuracy(base.ravel(), probes, rng)}
    for name, paired in {"refined": _refined, "apart": _apart}.items():
        weights = base.ravel()
        for number in range(1 if quick else _ROUNDS):
            prompts, outputs = paired(weights, trained, 10 if quick else _PAIRS, rng)
            records = Records(prompts, outputs, {"prefer": np.ones(len(prompts))})
            weights = minimised(_WRITER.loss(DPO(_STRENGTH), records, weights), weights, ridge=_RIDGE)
            figures |= {f"{name} once": _accuracy(weights, probes, rng)} if number == 0 else {}
        figures |= {name: _accuracy(weights, probes, rng), f"drift, {name}": _drift(base.ravel(), weights, probes, rng)}
    return figures


def _apart(weights: Floats, asked: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Prompts and two outputs of each that were drawn apart, the first of which meets both constraints."""
    prompts = asked[rng.integers(len(asked), size=4 * count)]
    outputs = _WRITER.write(weights, prompts, 8, rng)
    right = _met(prompts, outputs) == 2
    mixed = np.flatnonzero(right.any(1) & ~right.all(1))[:count]
    both = np.stack([right[mixed].argmax(1), right[mixed].argmin(1)], axis=1)
    return prompts[mixed], np.take_along_axis(outputs[mixed], both[:, :, None], axis=1)


def _refined(weights: Floats, asked: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Prompts, what a draft was refined to, and the draft, which met fewer than both constraints."""
    actor = _Actor(weights)
    prompts = asked[rng.integers(len(asked), size=3 * count)]
    how = Refining(Played(actor.critic), Played(actor.editor), revisions=3, rounds=4)
    met = Rule(lambda item: float(_met(_numbers(item.context)[None], _numbers(item.output)[None, None])[0, 0]), "met")
    contexts = [text_parts(_told(own), "world") for own in prompts]
    found = how(Target(actor, met), contexts, budget=Budget(), rng=rng)
    drafts = [own.item for own in found.met[: len(contexts)]]
    outputs = np.array([[_numbers(own.output) for own in both] for both in zip(found.items, drafts, strict=True)])
    mended = np.flatnonzero((_met(prompts, outputs) == 2) @ [1, -1] == 1)[:count]
    return prompts[mended], outputs[mended]


def _accuracy(weights: Floats, prompts: Indices, rng: np.random.Generator) -> float:
    return float((_met(prompts, _WRITER.write(weights, prompts, 1, rng)) == 2).mean())


def _drift(base: Floats, weights: Floats, prompts: Indices, rng: np.random.Generator) -> float:
    """How far shares of tokens that no constraint is about are from the base's: total variation, mean over places."""
    before, after = (_shares(prompts, _WRITER.write(own, prompts, 4, rng)) for own in (base, weights))
    return float(0.5 * np.abs(before - after).sum(1).mean())


def _shares(prompts: Indices, outputs: Indices) -> Floats:
    """Of each token at each place [length, tokens], among those that the prompt does not name."""
    named = (outputs[..., None] == prompts[:, None, None]).any(-1)
    counts = np.stack([np.bincount(outputs[:, :, t][~named[:, :, t]], minlength=_TOKENS) for t in range(_LENGTH)])
    return np.asarray(counts / counts.sum(1, keepdims=True))


_NAMES = {"refined": "an answer and what it was refined to", "apart": "two answers drawn apart"}
ENTRY = Entry(
    id="001-028",
    title="SPaR: Self-Play with Tree-Search Refinement to Improve Instruction-Following in Large Language Models",
    area="training/sampling",
    citation="Cheng et al. 2025",
    claim=(
        "Strings of six tokens of eight, in answer to prompts that ask for one token and forbid another. Three rounds "
        "of DPO, each on 50 pairs of the policy's own. Where a pair is an answer that meets fewer than both "
        "constraints and what the policy, by a search over rewritten tokens, refined it to, more outputs meet both on "
        "prompts not trained on than where it is two answers drawn apart, one of which meets both; and what no "
        "constraint is about drifts less from the base."
    ),
    configuration=(
        "sampling.Refining(revisions=3, rounds=4) with the policy as Played critic and editor, on constraints met; "
        "training.DPO(5), each round from the policy before, which is its reference."
    ),
    measures={
        "base": "share of outputs of the base that meet both constraints",
        **{f"{name} once": f"that share after one round, pairs of {what}" for name, what in _NAMES.items()},
        **{name: f"that share after three rounds, pairs of {what}" for name, what in _NAMES.items()},
        **{
            f"drift, {name}": f"total variation from the base's of tokens the prompt does not name, pairs of {what}"
            for name, what in _NAMES.items()
        },
    },
    checks=(
        Check("refined", "apart", above=0.0),
        Check("drift, refined", "drift, apart", below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "Constraints are checked exactly, and only the actor is trained: in the work the refiner judges by votes, and "
        "is trained on what its search found. The search keeps the best of three rewritings each time, and costs more "
        "outputs than are drawn apart; pairs are as many. Each round ends at the least of DPO's loss and a ridge "
        "around the policy before. A first try took 20 steps of Adam instead, which moves weights as far where pairs "
        "tell next to nothing, and drifted as far with refined pairs as with others."
    ),
)
