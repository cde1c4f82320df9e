"""004-168: a judge that writes a critique and a verdict, trained on its right judgements against its wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Part, Parts
from heedful.models import LogLinearSteps, StepModel
from heedful.preference import fit_dpo, fit_imitation

_LABELLED, _FRESH, _SAMPLES, _BETA, _PRIOR = 150, 200, 4, 0.1, 3.0
_SHOWS = np.array([1.0, 0.6, 0.0])
_CRITIQUES = (Part("the second errs"), Part("the first errs"))
_VERDICTS = (Part("first"), Part("second"))
_SIGN = {part: sign for pair in (_CRITIQUES, _VERDICTS) for part, sign in zip(pair, (1.0, -1.0), strict=True)}
# Of the untrained judge, by signs: evidence, length and position in the critique; in the verdict, and the critique.
_REFERENCE = np.array([0.3, 0.3, 0.3, 0.5, 0.5, 0.0, 0.0, 0.0, 0.3, 0.5, 0.7])
_NAMES = tuple(
    f"{what} in the {step}"
    for step in ("critique", "verdict")
    for what in ("evidence 1", "evidence 2", "evidence 3", "length", "position")
)
_JUDGES = {
    "untrained": "the untrained judge",
    "imitation": "trained on its right judgements",
    "preference": "trained on right judgements preferred to wrong ones",
}


@dataclass(frozen=True, eq=False)
class Compared:
    """n pairs of answers: by how much the first is better [n], and what is seen of each pair [n, 5].

    Three pieces of evidence, one of which shows nothing; how much longer the first is; and 1, for the first place.
    Every pair is asked about in both orders: context n + r is pair r turned round.
    """

    gap: Floats
    seen: Floats

    @classmethod
    def of(cls, count: int, rng: np.random.Generator) -> Compared:
        gap = rng.normal(size=count)
        evidence = gap[:, None] * _SHOWS + rng.normal(size=(count, 3))
        turned = np.column_stack([evidence, rng.normal(size=count)])
        both = np.vstack([turned, -turned])
        return cls(np.concatenate([gap, -gap]), np.column_stack([both, np.ones(2 * count)]))

    @cached_property
    def contexts(self) -> tuple[Parts, ...]:
        return tuple(Item.of(f"pair {number}").context for number in range(len(self.gap)))

    @cached_property
    def number(self) -> dict[Parts, int]:
        return {context: number for number, context in enumerate(self.contexts)}

    def features(self, items: Sequence[Item]) -> Floats:
        """What the last step has to go by, times its sign [n, 11]; the verdict also has the critique."""
        rows = np.zeros((len(items), len(_REFERENCE)))
        for row, item in enumerate(items):
            sign, seen = _SIGN[item.output[-1]], self.seen[self.number[item.context]]
            if len(item.output) == 1:
                rows[row, :5] = sign * seen
            else:
                rows[row, 5:] = sign * np.append(seen, _SIGN[item.output[0]])
        return rows

    @property
    def encoder(self) -> Given:
        return Given((*_NAMES, "critique in the verdict"), self.features)

    def judge(self) -> StepModel:
        """The untrained judge."""

        def following(context: Parts, steps: Parts) -> tuple[tuple[Part, ...], Sequence[float]]:
            if len(steps) == 2:
                return (), ()
            parts = _VERDICTS if steps else _CRITIQUES
            for_first = self.features([Item(context, (*steps, parts[0]))])[0] @ _REFERENCE
            first = float(expit(2 * for_first))  # that of the other is minus it
            return parts, (first, 1 - first)

        return StepModel(following)

    def right(self, items: Sequence[Item]) -> np.ndarray:
        """Whether each verdict is for the better [n]."""
        return np.array([_SIGN[item.output[1]] * self.gap[self.number[item.context]] > 0 for item in items])


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4168, seed])
    labelled, fresh = (30, 40) if quick else (_LABELLED, _FRESH)
    world = Compared.of(labelled + fresh, rng)
    judge, judged = world.judge(), list[tuple[list[Item], list[Item]]]()
    for number in np.arange(labelled) + (labelled + fresh) * rng.integers(2, size=labelled):
        drawn = judge.sample(world.contexts[number], _SAMPLES, rng=rng)
        right = dict(zip(drawn, world.right(drawn), strict=True))
        judged.append(([item for item in drawn if right[item]], [item for item in drawn if not right[item]]))
    pairs = [pair for good, bad in judged for pair in zip(good, bad, strict=False)]
    good = [item for own, _ in judged for item in own]
    chosen, rejected = zip(*pairs, strict=True)
    models = {
        "untrained": None,
        "imitation": fit_imitation(good, judge, world.encoder, prior_sd=_PRIOR),
        "preference": fit_dpo(chosen, rejected, judge, world.encoder, beta=_BETA, prior_sd=_PRIOR),
    }
    tried = [number for number in range(len(world.contexts)) if number % (labelled + fresh) >= labelled]
    figures = {"pairs": len(pairs) / labelled}
    for name, model in models.items():
        figures |= {f"{measure}, {name}": value for measure, value in _measured(world, model, tried).items()}
    return figures


def _measured(world: Compared, model: LogLinearSteps | None, tried: Sequence[int]) -> dict[str, float]:
    """How often likeliest verdicts and critiques, and verdicts drawn, are right, and verdicts turn with the pair.

    Per cent; `tried` are pairs and then, in the same order, the pairs turned round.
    """
    contexts = [world.contexts[number] for number in tried]
    listed = [Item(c, (critique, verdict)) for c in contexts for critique in _CRITIQUES for verdict in _VERDICTS]
    log_prob = world.judge().log_prob(listed)
    if model is not None:
        log_prob = log_prob + model.log_ratios(listed).sum(axis=1)
    law = np.exp(log_prob).reshape(-1, 2, 2)
    critique, verdict = law.sum(axis=2)[:, 0], law.sum(axis=1)[:, 0]
    better, half = world.gap[list(tried)] > 0, len(tried) // 2
    return {
        "right": 100 * float(((verdict > 0.5) == better).mean()),
        "critiques": 100 * float(((critique > 0.5) == better).mean()),
        "consistent": 100 * float(((verdict[:half] > 0.5) != (verdict[half:] > 0.5)).mean()),
        "drawn": 100 * float(np.where(better, verdict, 1 - verdict).mean()),
    }


ENTRY = Entry(
    id="004-168",
    title="Direct Judgement Preference Optimization",
    area="preference/evaluation",
    citation="Wang et al. 2024",
    claim=(
        "A judge writes which of two answers errs and then which is better, and leans to the first place and to length "
        "beside three pieces of evidence. It judges 150 pairs four times each. On fresh pairs, trained by DPO on right "
        "judgements preferred to wrong ones of the same pair, its likeliest verdict is right more often than before, "
        "by more than 5 points, and than trained to imitate the right ones alone; and it turns with the pair when this "
        "is turned round more often than either."
    ),
    configuration=(
        "preference.fit_dpo against fit_imitation, of a models.LogLinearSteps of critique and verdict; judgements are "
        "listed and their probabilities exact."
    ),
    measures={
        "pairs": "right judgements beside a wrong one, mean over pairs of answers",
        **{
            f"{measure}, {name}": f"{what}, per cent, {judge}"
            for name, judge in _JUDGES.items()
            for measure, what in {
                "right": "likeliest verdicts that are right",
                "critiques": "likeliest critiques that are right",
                "consistent": "likeliest verdicts that turn with the pair",
                "drawn": "verdicts drawn that are right",
            }.items()
        },
    },
    checks=(
        Check("right, preference", "right, untrained", above=5.0),
        Check("right, preference", "right, imitation", above=0.0),
        Check("consistent, preference", "consistent, untrained", above=0.0),
        Check("consistent, preference", "consistent, imitation", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "One of the work's kinds of pairs, a critique with its verdict; verdicts alone, and the answer deduced from "
        "its critique, are left out. Both judges are log-linear in what the judge sees, under the same prior, so that "
        "nothing but the wrong judgements tells them apart. A judge that leans to the first place is right more often "
        "where the first is better, so that right judgements lean as it does, and imitation learns that; beside the "
        "wrong ones of the same pair they do not. Critiques are no more often right than by imitation."
    ),
)
