"""001-042: a reward model that writes the correction, against one that gives a number, where raters like length."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import KnownScores, Whole, compared, expected, listed, tilts, tilts_at
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Parts, Potential
from heedful.evidence import Corrected
from heedful.models import TableModel
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes

_PROMPTS, _SYMBOLS, _END, _LONGEST, _PAIRS, _KL = 6, "abc", 3, 5, 300, 1.0
_PLACES = np.arange(_LONGEST)
# Every output as numbers of symbols [s, longest], filled with the end.
_WRITTEN = np.array(
    [
        (*own, *(_END,) * (_LONGEST - size))
        for size in range(_LONGEST + 1)
        for own in itertools.product(range(len(_SYMBOLS)), repeat=size)
    ]
)
_LENGTH = (_WRITTEN != _END).sum(axis=1).astype(np.float64)
_REWARDS = {
    "scalar": "a Bradley-Terry reward of symbols at their places",
    "corrections": "a reward by corrections",
    "corrections alone": "corrections learnt without the chosen outputs as their own",
}
_LIKINGS = {"": 0.5, ", no artefact": 0.0}


@dataclass(frozen=True, eq=False)
class Copied:
    """Prompts with one right output each, `right` [p, longest], which the base writes with errors: at each place the
    right symbol, or end, with probability 1/2, and else any other."""

    right: Whole

    @classmethod
    def of(cls, rng: np.random.Generator) -> Copied:
        length = rng.integers(2, _LONGEST, (_PROMPTS, 1))
        drawn = rng.integers(len(_SYMBOLS), size=(_PROMPTS, _LONGEST))
        return cls(np.where(length > _PLACES, drawn, _END))

    @cached_property
    def errors(self) -> Floats:
        """In how many places each output differs from the right one [p, s]."""
        return np.asarray((self.right[:, None] != _WRITTEN).sum(axis=2), np.float64)

    @cached_property
    def log_prob(self) -> Floats:
        """Of each output under the base [p, s]; nothing is written after the end."""
        share = np.where(self.right[:, None] == _WRITTEN, 0.5, 0.5 / len(_SYMBOLS))
        return np.asarray((np.log(share) * (_LENGTH[:, None] >= _PLACES)).sum(axis=2))

    @cached_property
    def base(self) -> TableModel:
        texts = [_text(own) for own in _WRITTEN]
        rows = enumerate(np.exp(self.log_prob).tolist())
        return TableModel.of({f"prompt {number}": dict(zip(texts, own, strict=True)) for number, own in rows})

    def by_context(self, values: Floats) -> dict[Parts, Floats]:
        """Values [p, s] of outputs, by their context."""
        return dict(zip(self.base.rows, values, strict=True))


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pairs: the number of the `prompt`, of the output `chosen` and of that `rejected` [n]."""

    prompt: Whole
    chosen: Whole
    rejected: Whole

    @classmethod
    def voted(cls, world: Copied, count: int, liking: float, rng: np.random.Generator) -> Pairs:
        """Draws of the base, those alike left out; an error costs a nat, and a symbol more is liked by so much."""
        prompt = rng.integers(_PROMPTS, size=count)
        law = np.repeat(world.log_prob[prompt], 2, axis=0)
        drawn = (law + rng.gumbel(size=law.shape)).argmax(axis=1)
        won = compared(liking * _LENGTH[drawn] - world.errors[np.repeat(prompt, 2), drawn], rng) == 1
        first, second = drawn.reshape(-1, 2).T
        kept = first != second
        return cls(prompt[kept], np.where(won, first, second)[kept], np.where(won, second, first)[kept])


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1042, seed])
    world = Copied.of(rng)
    figures = _figures(world, Corrected(list), 0.0, "base")
    for arm, liking in _LIKINGS.items():
        pairs = Pairs.voted(world, 100 if quick else _PAIRS, liking, rng)
        rewards: dict[str, Potential] = {
            "scalar": _scalar(world, pairs, rng),
            "corrections": _corrections(world, pairs, identity=True),
            "corrections alone": _corrections(world, pairs, identity=False),
        }
        for name, reward in rewards.items():
            figures |= _figures(world, reward, _KL, f"{name}{arm}")
    return figures


def _figures(world: Copied, reward: Potential, kl: float, name: str) -> dict[str, float]:
    """Errors, and symbols too many, of the base tilted by a reward."""
    contexts = tuple(world.base.rows)
    known = KnownScores.of(reward, listed(world.base, contexts))
    tilted = tilts_at(world.base, known, contexts, kl) if kl else tilts(world.base, known, contexts, 0.0)
    excess = _LENGTH - (world.right != _END).sum(axis=1, keepdims=True)
    values = {"errors": world.errors, "excess": excess}
    return {f"{measure}, {name}": expected(tilted, world.by_context(own)) for measure, own in values.items()}


def _scalar(world: Copied, pairs: Pairs, rng: np.random.Generator) -> KnownScores:
    """The sum of what each symbol, or the end, is worth at its place in answer to its prompt."""
    cell = (np.arange(_PROMPTS)[:, None, None] * _LONGEST + _PLACES) * (_END + 1) + _WRITTEN
    design = np.eye(_PROMPTS * _LONGEST * (_END + 1))[cell].sum(axis=2)
    first, second = (pairs.prompt * len(_WRITTEN) + own for own in (pairs.chosen, pairs.rejected))
    rows = design.reshape(-1, design.shape[2])
    fitted = Linear(prior_sd=1.0, pairs=2).fit(rows, Votes.of(first, second, np.ones(len(first))), rng=rng)
    items = listed(world.base, tuple(world.base.rows))
    return KnownScores(dict(zip(items, fitted.mean(rows).tolist(), strict=True)), "utility")


def _corrections(world: Copied, pairs: Pairs, *, identity: bool) -> Corrected:
    """The likeliest symbol of the chosen output given the prompt, the place, and what was written there.

    From counts of rejected outputs beside chosen ones, and (`identity`) of chosen ones beside themselves; what follows
    from the place alone counts as one more.
    """
    counts = np.zeros((_PROMPTS, _LONGEST, _END + 1, _END + 1))
    for source in (pairs.rejected, pairs.chosen)[: 1 + identity]:
        np.add.at(counts, (pairs.prompt[:, None], _PLACES, _WRITTEN[source], _WRITTEN[pairs.chosen]), 1.0)
    whatever = counts.sum(axis=2, keepdims=True)
    likeliest = (counts + whatever / np.maximum(whatever.sum(axis=3, keepdims=True), 1)).argmax(axis=3)
    written = {
        item: Item.of(item.context[0].text, _text(own))
        for context, best in zip(world.base.rows, likeliest, strict=True)
        for item, own in zip(world.base.support(context), best[_PLACES, _WRITTEN], strict=True)
    }
    return Corrected(lambda items: [written[item] for item in items])


def _text(symbols: Whole) -> str:
    """What is written up to the end."""
    return " ".join(_SYMBOLS[symbol] for symbol in itertools.takewhile(lambda own: own != _END, symbols.tolist()))


ENTRY = Entry(
    id="001-042",
    title="Sequence to Sequence Reward Modeling: Improving RLHF by Language Feedback",
    area="preference/training",
    citation="Zhou et al. 2024",
    claim=(
        "Six prompts with one right output each, of two to four symbols, and 300 pairs of outputs with errors; raters "
        "mind an error by a nat and like each symbol more by half of one. Of policies a nat from the base, the one "
        "tilted by corrections (a model of the chosen output given the rejected or itself; +1 for tokens up to the "
        "first that it changes, then -1) makes fewer errors than the one tilted by a Bradley-Terry reward of symbols "
        "at their places, and writes fewer symbols too many, by more than 0.1."
    ),
    configuration=(
        "evidence.Corrected, with counts as the model that corrects; preference.heads.Linear on Votes; policies are "
        "exact tilts of a models.TableModel at one divergence."
    ),
    measures={
        "errors, base": "places that differ from the right output, mean, the base",
        "excess, base": "symbols more than the right output has, mean, the base",
        **{
            f"{measure}, {name}{arm}": f"{what}, {how}{', raters who do not like length' if arm else ''}"
            for arm in _LIKINGS
            for name, how in _REWARDS.items()
            for measure, what in {
                "errors": "places that differ from the right output, mean, policy by",
                "excess": "symbols more than the right output has, mean, policy by",
            }.items()
        },
    },
    checks=(
        Check("errors, scalar", "errors, corrections", above=0.0),
        Check("excess, scalar", "excess, corrections", above=0.1),
    ),
    miniature=miniature,
    beyond=(
        "How tokens are rewarded is not in the abstract. Policies are exact solutions of the objective that "
        "reinforcement learning climbs, so that what is compared is rewards alone. Both rewards see the same: prompt, "
        "place and symbol. Outputs of new prompts and refusals are left out. What fails is the chosen output as its "
        "own correction, which the work puts beside the correction of the rejected: chosen outputs are wrong in more "
        "than a third of places here, the model learns to leave such errors as they are, and what it leaves it "
        "rewards, the more the longer. Without them (figures added after the first run, in no check) the policy makes "
        "fewer errors than by the scalar reward while raters like length, and writes too little."
    ),
)
