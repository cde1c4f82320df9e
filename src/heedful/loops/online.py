"""A policy that learns from its own outputs: draw, score, step, and look after its health. Needs the extra `lm`."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from heedful.core import Budget, Floats, Item, Parts, Potential, Scores, UsageError
from heedful.loops.meters import ALARMS, Alarm, Drawn, Probe, worth_fell
from heedful.models import LocalModel
from heedful.models.decoding import Decoding
from heedful.models.token_models import Tokens
from heedful.sampling.writing import written
from heedful.stats import MIN_CLUSTERS

if TYPE_CHECKING:
    from heedful.training.examples import Example
    from heedful.training.objectives.base import TokenObjective
    from heedful.training.trainer import Recipe, Trainer

Draw = Callable[[LocalModel, Sequence[Parts], int, np.random.Generator], tuple[list[Item], list[Tokens]]]
"""(policy, prompts, n, rng) -> n outputs of each prompt, one prompt after the other, and their tokens."""
Watch = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True, eq=False)
class Online:
    """Rounds in which a policy writes `n` outputs to each of `prompts` prompts, and is trained on them `passes` times.

    objective  of groups of outputs with scores: `rloo`, `grpo`, `Weighted`, `NFT` and others that take "some". Where
               outputs are trained on more than once, ratios to the policy that drew them are told
    evidence   what each output earns, in nats; for `NFT` one above `right` is right
    gold       what it is really worth, where that is known: it is measured, never trained on
    recipe     of the trainer; its steps are counted by rounds and not used, its batch is in prompts
    draw       how outputs are drawn: by the policy as it is, which policy gradients ask for
    alarms     each stops the run, with what was told in every round before
    probe      prompts, not trained on, whose outputs' worth is measured every `every` rounds; a fall stops the run
    """

    objective: TokenObjective
    evidence: Potential
    recipe: Recipe
    rounds: int
    prompts: int = 8
    n: int = 8
    passes: int = 1
    gold: Potential | None = None
    right: float = 0.0
    draw: Draw | None = None
    alarms: Sequence[Alarm] = ALARMS
    probe: Sequence[Parts] = ()
    every: int = 10

    def __post_init__(self) -> None:
        if min(self.rounds, self.prompts, self.n, self.passes, self.every) < 1:
            what = f"{self.rounds} rounds of {self.n} outputs to {self.prompts} prompts, {self.passes} passes"
            raise UsageError(what, where="Online", fix="numbers of 1 or more")
        if self.objective.outputs != "some":
            fix = "take rloo, grpo, Weighted or NFT; `heedful train` learns from feedback as it stands"
            raise UsageError("this objective takes no groups of scored outputs", where="Online(objective=...)", fix=fix)
        if self.prompts % self.recipe.batch:
            what = f"{self.prompts} prompts a round cannot be cut into steps of {self.recipe.batch}"
            raise UsageError(what, where="Online(recipe=...)", fix="let the batch divide the prompts")
        if 0 < len(self.probe) < MIN_CLUSTERS:
            fix = f"give {MIN_CLUSTERS} prompts or more"
            raise UsageError(f"{len(self.probe)} prompts have no interval", where="Online(probe=...)", fix=fix)
        if self.probe and self.gold is None:
            raise UsageError("a probe measures worth, and none is known", where="Online(probe=...)", fix="give gold")

    def __call__(self, policy: LocalModel, contexts: Sequence[Parts], *, seed: int = 0, watch: Watch = lambda told: None
                 ) -> Learnt:  # fmt: skip
        """Train the network of a policy in place, on prompts of `contexts` in an order drawn by the seed.

        Raises UsageError where the policy's decoding is not plain: it would draw by another law than is trained.
        """
        if policy.decoding != Decoding():
            raise UsageError("a policy draws by its own law", where="decoding", fix="leave temperature and cuts out")
        run = _Run(self, policy, contexts, seed)
        while len(run.told) < self.rounds and run.why is None:
            watch(run.round())
        return Learnt(tuple(run.told), run.why)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What each round told, and why the run was stopped before its time, if it was."""

    told: tuple[dict[str, float], ...]
    stopped: str | None


class _Run:
    """A run under way."""

    def __init__(self, how: Online, policy: LocalModel, contexts: Sequence[Parts], seed: int) -> None:
        if not contexts:
            raise UsageError("there are no prompts", where="Online")
        if set(how.probe) & set(contexts):
            fix = "keep prompts for it that are not trained on"
            raise UsageError("the probe holds prompts that are trained on", where="Online(probe=...)", fix=fix)
        self.how, self.policy, self.contexts, self.seed = how, policy, tuple(contexts), seed
        self.network = policy.loaded.network
        self.first = copy.deepcopy(self.network).requires_grad_(False)
        self.a_round = how.passes * (how.prompts // how.recipe.batch)
        self.recipe = replace(how.recipe, steps=how.rounds * self.a_round)
        self.trainer: Trainer | None = None
        self.told: list[dict[str, float]] = []
        self.why: str | None = None
        self.probe: Probe | None = None
        if how.probe:
            self.probe = Probe(self._worth(), math.ceil(how.rounds / how.every))

    def round(self) -> dict[str, float]:
        """Draw, score, step; and what that was like."""
        number = len(self.told)
        drawn, examples, reference = self._drawn(number)
        told = {"round": number + 1.0, **drawn.meters(), **self._steps(examples, reference)}
        if self.probe is not None and (number + 1) % self.how.every == 0:
            told |= self.probe.look(self._worth())
        self.told.append(told)
        found = (alarm(self.told) for alarm in (*self.how.alarms, worth_fell))
        self.why = next((why for why in found if why is not None), None)
        return told

    def _prompts(self, number: int) -> list[Parts]:
        """Those of a round: each pass over all contexts has each once."""
        n, own = len(self.contexts), range(number * self.how.prompts, (number + 1) * self.how.prompts)
        orders = {run: np.random.default_rng((self.seed, 0, run)).permutation(n) for run in {k // n for k in own}}
        return [self.contexts[orders[k // n][k % n]] for k in own]

    def _drawn(self, number: int) -> tuple[Drawn, list[Example], list[Floats]]:
        """Outputs of a round with all that is known of them: as a record, as examples, and under the first policy."""
        from heedful.training.trainer import scored

        how, prompts = self.how, self._prompts(number)
        items, tokens = (how.draw or draws)(self.policy, prompts, how.n, np.random.default_rng((self.seed, 1, number)))
        scores = how.evidence(items)
        examples = self._examples(prompts, tokens, scores)
        own, first = (scored(network, examples, self.recipe.tokens) for network in (self.network, self.first))
        if self.a_round > 1:  # a later step meets outputs of an earlier policy
            examples = [
                replace(one, said={**one.said, "behaviour": [*before]})
                for one, before in zip(examples, own, strict=True)
            ]
        total, reference = (np.concatenate([rows.sum(1, dtype=np.float64) for rows in each]) for each in (own, first))
        length = np.array([len(one) for one in tokens], dtype=np.float64)
        gold = None if how.gold is None else how.gold(items).mean
        return Drawn(tuple(items), how.n, total, reference, length, scores, gold), examples, first

    def _examples(self, prompts: Sequence[Parts], tokens: Sequence[Tokens], scores: Scores) -> list[Example]:
        from heedful.training.examples import Example

        n, made = self.how.n, []
        for place, context in enumerate(prompts):
            rows = slice(place * n, (place + 1) * n)
            mean = scores.mean[rows]
            said = {"score": mean.tolist(), "label": (mean > self.how.right).astype(float).tolist()}
            prompt = self.policy.loaded.prompt(context, self.policy.template)[1]
            made.append(Example(prompt, tuple(tokens[rows]), said))
        return made

    def _steps(self, examples: list[Example], first: list[Floats]) -> dict[str, float]:
        """So many passes over the outputs of a round; the means of what their steps told."""
        from heedful.training.trainer import Trainer

        reference = first if self.how.objective.needs_reference else None
        if self.trainer is None:
            self.trainer = Trainer(self.network, examples, self.how.objective, self.recipe, reference)
        self.trainer.examples, self.trainer.reference = examples, reference
        told: list[Mapping[str, float]] = []
        self.trainer.run(told.append, until=self.trainer.done + self.a_round)
        return {name: float(np.mean([own[name] for own in told])) for name in told[0] if name not in ("step", "kl")}

    def _worth(self) -> Floats:
        """Of outputs to the prompts of the probe [c, n], drawn by the same numbers each time."""
        assert self.how.gold is not None
        items, _ = draws(self.policy, self.how.probe, self.how.n, np.random.default_rng((self.seed, 2)))
        return self.how.gold(items).mean.reshape(-1, self.how.n)


def draws(
    policy: LocalModel, prompts: Sequence[Parts], n: int, rng: np.random.Generator
) -> tuple[list[Item], list[Tokens]]:
    """Independent outputs of the policy as it is, with the very tokens that it wrote."""
    items: list[Item] = []
    tokens: list[Tokens] = []
    for state in written(policy, prompts, n, Budget(), rng, Counter()):
        items += state.items()
        tokens += state.tokens()
    return items, tokens
