"""A world whose outputs are all listed: what each objective comes to from so much feedback, and from all there is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from heedful.core import Floats
from heedful.training.batches import Batch
from heedful.worlds import LanguageWorld
from heedful.worlds.language import CRITERIA, WORDS
from objectives_.everything import everything
from objectives_.records import CLEAN, GROUP, READ, Fault, Records, judged
from objectives_.settings import Setting

STRENGTH = 1.0
RATES = (0.01, 0.03, 0.1)
JUDGED_IN_ALL, READ_AT_ONCE, STEPS, ROUNDS = 4800, 240, 200, 10
LIMIT_STEPS, LIMIT_RATE = 300, 0.1
LIMIT_GROUPS = 600
W = len(WORDS)


@dataclass(frozen=True, eq=False)
class Listed:
    """Answers of one or two of eight words to six questions: 72 each. Arrays are [6, 72]; a token is a word or the end.

    Policies are tables: of the first word [6, 8], and of the second word or the end after each [6, 8, 9].
    """

    world: LanguageWorld

    @classmethod
    def of(cls, seed: int) -> Listed:
        return cls(LanguageWorld(length=2, seed=seed))

    @cached_property
    def base(self) -> Floats:
        return np.exp(self.world.log_prob)

    @cached_property
    def utility(self) -> Floats:
        """Less what is expected of the base over all questions."""
        return np.asarray(self.world.utility - (self.base * self.world.utility).sum(1).mean())

    @cached_property
    def wrong(self) -> Floats:
        """What raters want who like words that say nothing: as spread as the utility."""
        fillers = self.world.features[:, :, CRITERIA.index("padding")]
        off = fillers - (self.base * fillers).sum(1).mean()
        return np.asarray(off * np.sqrt((self.base * self.utility**2).sum() / (self.base * off**2).sum()))

    @cached_property
    def target(self) -> Floats:
        return np.exp(self.world.target(STRENGTH)[0])

    @cached_property
    def wins(self) -> Floats:
        """The target of P(preferred to the base's)."""
        win = (expit(self.utility[:, :, None] - self.utility[:, None, :]) * self.base[:, None, :]).sum(2)
        law = self.base * np.exp(STRENGTH * win)
        return np.asarray(law / law.sum(1, keepdims=True))

    @cached_property
    def frontier(self) -> tuple[Floats, Floats]:
        """KL to the base, and the greatest utility gained at it."""
        laws = [np.exp(self.world.target(strength)[0]) for strength in (0.0, *np.geomspace(0.01, 30, 200))]
        kl = np.array([self.kl(law, self.base) for law in laws])
        return kl, np.array([self.gain(law) for law in laws])

    def gain(self, law: Floats) -> float:
        return float(((law - self.base) * self.utility).sum(1).mean())

    @staticmethod
    def kl(law: Floats, other: Floats) -> float:
        return float(np.where(law > 0, law * np.log(np.maximum(law, 1e-300) / other), 0.0).sum(1).mean())

    def told(self, law: Floats) -> dict[str, float]:
        """Utility gained, KL to the base, how far below the frontier, and how far from the target:
        total variation, and KL to it."""
        kl, gain = self.kl(law, self.base), self.gain(law)
        below = float(np.interp(kl, *self.frontier)) - gain
        away = self.kl(law, self.target)
        return {"gain": gain, "kl": kl, "below": below, "tv": distance(law, self.target), "away": away}

    @cached_property
    def tables(self) -> tuple[Tensor, Tensor]:
        """The base's logits."""
        ended, on = self.base[:, :W], self.base[:, W:].reshape(-1, W, W)
        whole = np.concatenate([on, ended[:, :, None]], axis=2)
        return torch.tensor(np.log(whole.sum(2))), torch.tensor(np.log(whole))

    @cached_property
    def mask(self) -> Tensor:
        """Which of three tokens there are [72, 3]: after two words the end is certain, and still one."""
        return torch.arange(3) < torch.tensor([2] * W + [3] * W * W)[:, None]

    def drawn(self, law: Floats, groups: int, rng: np.random.Generator) -> Floats:
        """Groups of four outputs [p, 4] to questions in turn: numbers in the flat [6 · 72]."""
        edges = law.cumsum(1) / law.sum(1, keepdims=True)
        question = np.arange(groups) % len(law)
        found = [np.searchsorted(edges[row], rng.random(GROUP), side="right") for row in question]
        return np.minimum(found, law.shape[1] - 1) + question[:, None] * law.shape[1]


def distance(law: Floats, other: Floats) -> float:
    """Total variation, a mean over questions."""
    return float(0.5 * np.abs(law - other).sum(1).mean())


def tokens(first: Tensor, second: Tensor) -> Tensor:
    """Log-probability of each token of each output [6, 72, 3]."""
    one, two = first.log_softmax(-1), second.log_softmax(-1)
    ended = torch.stack([one, two[..., W], torch.zeros_like(one)], -1)
    on = torch.stack([one[..., None].expand_as(two[..., :W]), two[..., :W], torch.zeros_like(two[..., :W])], -1)
    return torch.cat([ended, on.flatten(1, 2)], 1)


@dataclass(frozen=True, eq=False)
class Pool:
    """Records as a batch: `place` [r, k] of each output in the list, `question` [r] of each record.

    An output to another question stands beside, under the record's own.
    """

    place: Tensor
    question: Tensor
    batch: Batch

    @classmethod
    def of(cls, listed: Listed, flat: Floats, records: Records, behaviour: Tensor) -> Pool:
        size = listed.base.shape[1]
        chosen = flat.ravel()[records.outputs]
        place, question = torch.from_numpy(chosen % size), torch.from_numpy(flat.ravel()[records.first] // size)
        mask = listed.mask[place] & torch.from_numpy(records.outputs >= 0)[:, :, None]
        said = {name: torch.from_numpy(np.asarray(value, np.float64)) for name, value in records.said.items()}
        drawn = behaviour[question[:, None], place]
        return cls(place, question, Batch.of(mask, **said, behaviour=drawn))

    def loss(self, rows: Any, setting: Setting, objective: Any, tables: list[Tensor], base: Tensor) -> Tensor:
        place, question, batch = self.place[rows], self.question[rows, None], self.batch.rows(rows)
        if setting.reward == "table":
            found = objective(tables[0][question, place], batch)
        else:
            found = objective(tokens(*tables)[question, place], base[question, place], batch)
        lost, units = found.total(batch)
        return lost / units.clamp(min=1e-300)


def trained(
    listed: Listed, setting: Setting, rate: float, rng: np.random.Generator, *, fault: Fault = CLEAN, steps: int = STEPS
) -> Floats:
    """The law that an objective comes to from feedback on 4,800 outputs, of the base or its own."""
    objective, base = setting.objective(STRENGTH), tokens(*listed.tables)
    tables = _begun(listed, setting)
    optimiser = torch.optim.Adam(tables, rate)
    rounds = ROUNDS if setting.own else 1
    worth = (listed.wrong if fault.wrong else listed.utility).ravel()
    for _ in range(rounds):
        law = tokens(*tables).detach() if setting.own else base
        flat = listed.drawn(law.sum(2).exp().numpy(), JUDGED_IN_ALL // GROUP // rounds, rng)
        records = judged(setting.form, worth[flat], fault, rng)
        if setting.own == "held":
            away = (law - base).sum(2).flatten()[flat.ravel()[records.outputs]].numpy()
            records.said["score"] = records.said["score"] - away / STRENGTH
        pool = Pool.of(listed, flat, records, law)
        for rows in _passes(len(records), READ_AT_ONCE // READ.get(setting.form, GROUP), steps // rounds, rng):
            optimiser.zero_grad()
            pool.loss(rows, setting, objective, tables, base).backward()
            optimiser.step()
    return _law(listed, setting, tables)


def _begun(listed: Listed, setting: Setting) -> list[Tensor]:
    begun = [torch.zeros(listed.base.shape, dtype=torch.float64)] if setting.reward == "table" else listed.tables
    return [own.clone().requires_grad_() for own in begun]


def _passes(n: int, size: int, steps: int, rng: np.random.Generator) -> Any:
    """Which records each step reads: each pass has each once, in an order of its own."""
    order = np.concatenate([rng.permutation(n) for _ in range(-(-steps * size // n))])
    return (torch.from_numpy(order[step * size : (step + 1) * size]) for step in range(steps))


def _law(listed: Listed, setting: Setting, tables: list[Tensor]) -> Floats:
    """The policy, or the law of the best of four outputs of the base by what is learnt."""
    if setting.reward == "table":
        return best_of(listed.base, tables[0].detach().numpy())
    law = tokens(*tables).detach().sum(2).exp().numpy()
    return best_of(listed.base, np.log(law / listed.base)) if setting.reward else law


def best_of(base: Floats, reward: Floats, n: int = GROUP) -> Floats:
    """The law [q, s] of the output of greatest reward among n draws, equals decided by lot."""
    below = np.einsum("qt,qst->qs", base, reward[:, None, :] < reward[:, :, None] - 1e-12)
    alike = np.einsum("qt,qst->qs", base, np.abs(reward[:, None, :] - reward[:, :, None]) <= 1e-12)
    return np.asarray(base / alike * ((below + alike) ** n - below**n))


def limit(listed: Listed, setting: Setting, *, steps: int = LIMIT_STEPS, seed: int = 0) -> Floats:
    """The law that an objective comes to from `everything`, or, where policies draw, from 600 groups anew each step,
    scored without noise: Adam, its rate falling to 0."""
    rng = np.random.default_rng((seed, 7))
    objective, base, tables = setting.objective(STRENGTH), tokens(*listed.tables), _begun(listed, setting)
    optimiser = torch.optim.Adam(tables, LIMIT_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    pool = None
    if not setting.own:
        each = np.arange(listed.base.size).reshape(listed.base.shape)
        pool = Pool.of(listed, each, Records(*everything(listed, setting.form, setting.flips, rng)), base)
    for _ in range(steps):
        now = pool or _fresh(listed, setting, tokens(*tables).detach(), base, rng)
        optimiser.zero_grad()
        now.loss(slice(None), setting, objective, tables, base).backward()
        optimiser.step()
        schedule.step()
    return _law(listed, setting, tables)


def _fresh(listed: Listed, setting: Setting, law: Tensor, base: Tensor, rng: np.random.Generator) -> Pool:
    flat = listed.drawn(law.sum(2).exp().numpy(), LIMIT_GROUPS, rng)
    score = listed.utility.ravel()[flat]
    if setting.own == "held":
        score = score - (law - base).sum(2).flatten()[flat].numpy() / STRENGTH
    said = {"score": score, "label": (rng.random(score.shape) < expit(listed.utility.ravel()[flat])).astype(float)}
    return Pool.of(listed, flat, Records(np.arange(flat.size).reshape(-1, GROUP), said), law)
