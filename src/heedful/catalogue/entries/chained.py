"""002-065: outputs with what was said of them in a chain, learnt by likelihood and asked for by its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.settings import compared, without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

if TYPE_CHECKING:
    from heedful.training.examples import Example

_TOKENS, _LENGTH, _PROMPTS, _PAIRS = 5, 4, 10, 40
_BAD, _GOOD, _NOTHING = range(_TOKENS, _TOKENS + 3)
_WORDS = 3  # bad, good, none
_STEPS, _RATE, _FLIPPED = 40, 0.08, 0.3
_OWN = np.cumsum([0, _PROMPTS, _TOKENS + 1, _PROMPTS * _WORDS, (_TOKENS + 1) * _WORDS, (_TOKENS + 1) * _WORDS])


def _seen(asked: Indices, before: Indices) -> Indices:
    """The prompt and the last token, by themselves and with the last word said; with that, each token of an output
    before. What is asked [n, 2 + length + 1]: a prompt, a word, an output with another word or nothing."""
    chained = asked[:, 2] != _NOTHING
    word = np.where(chained, asked[:, -1], asked[:, 1]) - _TOKENS
    last = before[:, -1] if before.shape[1] else np.full(len(asked), _TOKENS)
    earlier = np.where(chained[:, None], asked[:, 2:-1], _TOKENS)
    rows = [asked[:, 0], last, asked[:, 0] * _WORDS + word, last * _WORDS + word]
    single = np.stack([start + own for start, own in zip(_OWN, rows, strict=False)], axis=1)
    return np.column_stack([single, _OWN[4] + earlier * _WORDS + word[:, None]])


_WRITER = Writer(_TOKENS, _LENGTH, int(_OWN[5]), _seen)


def _asked(prompts: Iterable[tuple[int, ...]]) -> Indices:
    """Prompts of examples, what a shorter one lacks being nothing."""
    rows = [(*own, *[_NOTHING] * (3 + _LENGTH - len(own))) for own in prompts]
    return np.array(rows, dtype=np.intp)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO, Supervised
    from heedful.training.examples import Example
    from heedful.training.objectives import conditioned, hindsight

    rng = np.random.default_rng([265, seed])
    worth = rng.normal(0, 0.8, _TOKENS) + rng.normal(0, 0.4, (_PROMPTS, _TOKENS))
    base = np.zeros((_WRITER.rows, _TOKENS))
    base[: _OWN[2]] = rng.normal(0, 0.5, (int(_OWN[2]), _TOKENS))
    told = np.repeat(np.arange(_PROMPTS), 5 if quick else _PAIRS)
    plain = _asked((own,) for own in told.tolist())
    pairs = _WRITER.write(base.ravel(), plain, 2, rng)
    first = compared(_worth(worth, told, pairs).ravel(), rng) == 1
    figures: dict[str, float] = {}
    for noise, flipped in (("", 0.0), (", noisy", _FLIPPED)):
        wins = first ^ (rng.random(len(told)) < flipped)
        ordered = np.where(wins[:, None, None], pairs, pairs[:, ::-1])
        examples = [Example((int(own),), tuple(both)) for own, both in zip(told, ordered, strict=True)]
        turned = [Example(own.prompt, own.outputs[::-1]) for own in examples]
        good, bad = np.array([_GOOD]), np.array([_BAD])
        chains = [
            *[part for own in examples for part in hindsight(own, (good, bad))],
            *[part for own in turned for part in hindsight(own, (bad, good))],
        ]
        single = [part for own in examples for part in conditioned(own, (good, bad))]
        found = {
            "SFT": _fitted(Supervised(), Records(plain, ordered[:, :1], {}), base),
            "conditioned": _fitted(Supervised(), _records(single), base),
            "chain": _fitted(Supervised(), _records(chains), base),
            "DPO": _fitted(DPO(2.0), Records(plain, ordered, {"prefer": np.ones(len(told))}), base),
        }
        fresh = np.repeat(np.arange(_PROMPTS), 4 if quick else 50)
        mere, wanted = (_asked((own, *words) for own in fresh.tolist()) for words in ((), (_GOOD,)))
        written = {
            name: _WRITER.write(own, mere if name in ("SFT", "DPO") else wanted, 1, rng) for name, own in found.items()
        }
        for name, before in (("better", "chain"), ("better still", "better")):
            rows = [(int(own), _BAD, *output, _GOOD) for own, output in zip(fresh, written[before][:, 0], strict=True)]
            written[name] = _WRITER.write(found["chain"], _asked(rows), 1, rng)
        figures |= {f"{name}{noise}": float(_worth(worth, fresh, own).mean()) for name, own in written.items()}
    return figures | {"base": float(_worth(worth, told, pairs).mean())}


def _worth(worth: Floats, prompts: Indices, outputs: Indices) -> Floats:
    """Worth [r, k] of outputs, of all their tokens."""
    return np.asarray(worth[prompts[:, None, None], outputs].sum(2))


def _records(examples: Sequence[Example]) -> Records:
    outputs = np.array([own.outputs[0] for own in examples])
    return Records(_asked(own.prompt for own in examples), outputs[:, None], {})


def _fitted(objective: object, records: Records, base: Floats) -> Floats:
    learner = Learner(base.ravel(), _RATE)
    learner.step(_WRITER.loss(objective, records, base.ravel()), _STEPS)
    return learner.weights


_NAMES = {
    "SFT": "fine-tuned on what was preferred",
    "conditioned": "fine-tuned on each output after its word, asked for a good one",
    "chain": "fine-tuned on chains, asked for a good one",
    "better": "fine-tuned on chains, asked for a good one after its own, called bad",
    "better still": "the same after that one, called bad",
    "DPO": "DPO of strength 2",
}
ENTRY = Entry(
    id="002-065",
    title="Chain of Hindsight Aligns Language Models with Feedback",
    area="training/feedback",
    citation="Liu, Sferrazza and Abbeel 2023",
    claim=(
        "Strings of four tokens in answer to 10 prompts, 400 pairs of which were compared. A policy fine-tuned on "
        "chains of both outputs of a pair with what was said of them, asked for a good output after one of its own "
        "that is called bad, writes outputs of more worth than a policy fine-tuned on the preferred ones, and than one "
        "fine-tuned on each output after its word alone; more than when it is asked for a good one at once; and so it "
        "does, compared with the first two, where 30 % of votes are turned round."
    ),
    configuration=(
        "training.objectives.hindsight (bad then good, and good then bad) and conditioned, trained by "
        "training.Supervised; the same on the preferred outputs; training.DPO(2)."
    ),
    measures={
        **{
            f"{name}{noise}": f"worth of an output, {what}{', 30 % of votes turned round' if noise else ''}, nats"
            for noise in ("", ", noisy")
            for name, what in _NAMES.items()
        },
        "base": "worth of an output of the base, nats",
    },
    checks=(
        *[
            Check(f"better{noise}", f"{name}{noise}", above=0.0)
            for noise in ("", ", noisy")
            for name in ("SFT", "conditioned")
        ],
        Check("better", "chain", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "The policy is log-linear in its prompt, the last token, the word said, and how often each token stands in the "
        "output before. No tokens are masked against copying, and there is no text of pretraining to keep to. An "
        "output asked for after another costs two. Asked for at once, a good output is what the preferred ones are; "
        "after another, it is one preferred to that, and so the better, the better that is, as far as votes tell. DPO, "
        "of which the abstract says nothing, gains many times as much."
    ),
)
