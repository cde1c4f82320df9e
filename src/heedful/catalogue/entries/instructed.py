"""004-087: demonstrations, rankings and PPO make a small model preferred to a large one that was only pretrained."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.settings import questions, without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats
from heedful.preference.heads import Linear, Votes
from heedful.worlds import SimulatedRaters

_TOKENS, _LENGTH, _PROMPTS = 5, 6, 8
_TEXTS, _TOLD, _RANKED, _K = 1500, 64, 160, 4
_ROUNDS, _STRENGTH, _JUDGES = 40, 2.0, 20
_ALL = np.arange(_PROMPTS)


@dataclass(frozen=True, eq=False)
class _Taste:
    """What a token is worth in answer to each prompt [prompts, tokens], and after another [tokens, tokens]; nats."""

    token: Floats
    pair: Floats

    @classmethod
    def drawn(cls, sd: float, rng: np.random.Generator) -> _Taste:
        return cls(sd * rng.normal(size=(_PROMPTS, _TOKENS)), sd * rng.normal(size=(_TOKENS, _TOKENS)))

    def __call__(self, prompts: Indices, outputs: Indices) -> Floats:
        """Worth of outputs [r, k, length] of prompts [r]."""
        after = self.pair[outputs[..., :-1], outputs[..., 1:]].sum(-1)
        return np.asarray(self.token[prompts[:, None, None], outputs].sum(-1) + after)


def _small(prompts: Indices, before: Indices) -> Indices:
    """The prompt, and the last token."""
    return np.column_stack([prompts, _PROMPTS + _last(before, 1)])


def _large(prompts: Indices, before: Indices) -> Indices:
    """The prompt with the last two tokens."""
    two = _last(before, 2) * (_TOKENS + 1) + _last(before, 1)
    return (prompts * (_TOKENS + 1) ** 2 + two)[:, None]


def _last(before: Indices, places: int) -> Indices:
    """The token so many places back, or a mark beyond the tokens where there is none."""
    return before[:, -places] if before.shape[1] >= places else np.full(len(before), _TOKENS)


_SMALL = Writer(_TOKENS, _LENGTH, _PROMPTS + _TOKENS + 1, _small)
_LARGE = Writer(_TOKENS, _LENGTH, _PROMPTS * (_TOKENS + 1) ** 2, _large)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([487, seed])
    taste = _Taste.drawn(0.7, rng)
    judges = [_Taste(*(np.add(*own) for own in zip(_parts(taste), _parts(_Taste.drawn(0.35, rng)), strict=True)))
              for _ in range(_JUDGES)]  # fmt: skip
    people = rng.normal(size=(_LARGE.rows, _TOKENS)) + 0.5 * np.repeat(taste.token, (_TOKENS + 1) ** 2, axis=0)
    corpus = rng.integers(_PROMPTS, size=400 if quick else _TEXTS)
    texts = _LARGE.write(people.ravel(), corpus, 1, rng)
    pretrained, large = (_imitated(own, own.start, corpus, texts, 10 if quick else 60) for own in (_SMALL, _LARGE))
    asked = np.repeat(_ALL, _TOLD // _PROMPTS)
    drafts = _LARGE.write(people.ravel(), asked, 8, rng)
    shown = np.take_along_axis(drafts, taste(asked, drafts).argmax(1)[:, None, None], axis=1)
    tuned = _imitated(_SMALL, pretrained, asked, shown, 20)
    reward = _reward(taste, tuned, rng)
    rounds = 3 if quick else _ROUNDS
    found = {
        "pretrained": pretrained,
        "SFT": tuned,
        "whole": _reinforced(reward, tuned, 1 / _STRENGTH, rounds, rng),
        "no SFT": _reinforced(reward, pretrained, 1 / _STRENGTH, rounds, rng),
        "no KL": _reinforced(reward, tuned, 0.0, rounds, rng),
    }
    fresh = np.repeat(_ALL, 25)
    held = _LARGE.write(people.ravel(), fresh, 1, rng)
    wins = {name: _preferred(judges, _SMALL.write(own, fresh, 4, rng), _LARGE.write(large, fresh, 4, rng), fresh)
            for name, own in found.items()}  # fmt: skip
    text = {name: -float(_SMALL.log_prob(own, fresh, held).mean()) for name, own in found.items()}
    return {
        **{f"wins, {name}": share for name, share in wins.items()},
        **{f"text, {name}": nats for name, nats in text.items()},
        "text, large": -float(_LARGE.log_prob(large, fresh, held).mean()),
        **{f"lost, {name}": text[name] - text["SFT"] for name in ("whole", "no KL")},
    }


def _parts(taste: _Taste) -> tuple[Floats, Floats]:
    return taste.token, taste.pair


def _imitated(writer: Writer, start: Floats, prompts: Indices, outputs: Indices, steps: int) -> Floats:
    from heedful.training import Supervised

    learner = Learner(start, 0.1)
    learner.step(writer.loss(Supervised(), Records(prompts, outputs, {})), steps)
    return learner.weights


def _reward(taste: _Taste, tuned: Floats, rng: np.random.Generator) -> _Taste:
    """What rankings of the tuned policy's outputs tell: all pairs of a ranking, of one vote's weight together."""
    prompts = np.repeat(_ALL, _RANKED // _PROMPTS)
    outputs = _SMALL.write(tuned, prompts, _K, rng)
    index = np.arange(outputs.shape[0] * _K).reshape(-1, _K)
    shown = questions(index, taste(prompts, outputs).ravel()).shown
    nobody = np.zeros(len(index))
    ranks = SimulatedRaters(count=1).rank(shown, nobody.astype(np.intp), nobody, rng)
    one, other = np.array(list(itertools.combinations(range(_K), 2))).T
    first, second = index[:, one].ravel(), index[:, other].ravel()
    won = (ranks[:, one] < ranks[:, other]).ravel()
    votes = Votes.of(first, second, won, weight=np.full(len(won), 1 / len(one)))
    weights = Linear(prior_sd=1.0, pairs=2).fit(_design(prompts, outputs), votes, rng=rng).weights
    token, pair = np.split(weights, [_PROMPTS * _TOKENS])
    return _Taste(token.reshape(_PROMPTS, -1), pair.reshape(_TOKENS, -1))


def _design(prompts: Indices, outputs: Indices) -> Floats:
    """How often each token answers each prompt and follows each other, of outputs in a row [r · k, features]."""
    flat, asked = outputs.reshape(-1, _LENGTH), np.repeat(prompts, outputs.shape[1])
    made = np.zeros((len(flat), _PROMPTS * _TOKENS + _TOKENS**2))
    rows = np.arange(len(flat))[:, None]
    np.add.at(made, (rows, asked[:, None] * _TOKENS + flat), 1.0)
    np.add.at(made, (rows, _PROMPTS * _TOKENS + flat[:, :-1] * _TOKENS + flat[:, 1:]), 1.0)
    return made


def _reinforced(reward: _Taste, start: Floats, cost: float, rounds: int, rng: np.random.Generator) -> Floats:
    """PPO from a policy, each nat of divergence from it at a cost; two steps to each draw."""
    from heedful.training import PolicyGradient

    learner, objective = Learner(start, 0.05), PolicyGradient("others", (0.2, 0.2))
    for _ in range(rounds):
        outputs = _SMALL.write(learner.weights, _ALL, 12, rng)
        behaviour = _SMALL.log_prob(learner.weights, _ALL, outputs)
        away = (behaviour - _SMALL.log_prob(start, _ALL, outputs)).sum(2)
        said = {"score": reward(_ALL, outputs) - cost * away, "behaviour": behaviour}
        learner.step(_SMALL.loss(objective, Records(_ALL, outputs, said)), 2)
    return learner.weights


def _preferred(judges: list[_Taste], own: Indices, other: Indices, prompts: Indices) -> float:
    """P(an output is preferred to the other), mean over judges."""
    return float(np.mean([expit(judge(prompts, own) - judge(prompts, other)) for judge in judges]))


_NAMES = {
    "pretrained": "the small one, pretrained",
    "SFT": "the small one after demonstrations",
    "whole": "the small one after all three stages",
    "no SFT": "the small one after PPO without demonstrations",
    "no KL": "the small one after all stages, no penalty of KL",
}
ENTRY = Entry(
    id="004-087",
    title="Training language models to follow instructions with human feedback",
    area="training/feedback",
    citation="Ouyang et al. 2022",
    claim=(
        "Strings of six tokens in answer to 8 prompts. A small policy of 70 weights and a large one of 1,440 are "
        "pretrained on 1,500 texts by people, who heed prompts little. The small one is fine-tuned on 64 "
        "demonstrations and by PPO on a reward from 160 rankings of 4 outputs. Judges whose tastes differ from the "
        "labellers' prefer it to the large one more than 60 times in 100, and more often than the small one after "
        "demonstrations alone; the large one models people's texts better than the small one did. With the penalty of "
        "KL, likelihood lost on people's texts by PPO is less than half of what is lost without."
    ),
    configuration=(
        "training.Supervised on demonstrations; preference.heads.Linear on all pairs of each ranking, of one vote's "
        "weight together; training.PolicyGradient('others', clip) on rewards less ½ nat for each nat of KL from the "
        "demonstrations' policy."
    ),
    measures={
        **{
            f"wins, {name}": f"P(preferred by held-out judges to the large one), {what}"
            for name, what in _NAMES.items()
        },
        **{f"text, {name}": f"nats a token of people's texts, {what}" for name, what in _NAMES.items()},
        "text, large": "nats a token of people's texts, the large one, pretrained",
        "lost, whole": "nats a token of people's texts lost by PPO",
        "lost, no KL": "nats a token of people's texts lost by PPO without a penalty of KL",
    },
    checks=(
        Check("wins, whole", above=0.6),
        Check("wins, whole", "wins, SFT", above=0.0),
        Check("text, large", "text, pretrained", below=0.0),
        Check("lost, whole", "lost, no KL", factor=0.5, below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "Policies are log-linear in the last token or two. PPO has no values and mixes in no pretraining. The reward "
        "has the features of the labellers' taste, so that what it lacks is rankings alone."
    ),
)
