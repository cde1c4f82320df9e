"""A policy that learns from its own outputs: draw, score, step, and look after its health. Needs the extra `lm`."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from heedful.core import Budget, FitError, Floats, Item, Parts, Potential, Scores, UsageError, encode_parts
from heedful.loops.meters import ALARMS, Alarm, Drawn, Probe, worth_fell
from heedful.models import LocalModel
from heedful.models.decoding import Decoding
from heedful.models.token_models import Tokens
from heedful.sampling.writing import written
from heedful.stats import MIN_CLUSTERS

if TYPE_CHECKING:
    from heedful.training.examples import Example
    from heedful.training.objectives.base import TokenObjective
    from heedful.training.trainer import Recipe

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
    otherwise  what an output earns that the evidence rules out (nats, in the place of −inf); `ruled_out` is their share
    budget     tokens that are written at most: a round begins only where all that it may write still fits
    known_by   names by which the evidence is known again, where a run is saved and gone on with

    Of `Valued` objectives (PPO) the network is given a head of values, which stays with it: delete `value_head`.
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
    otherwise: float | None = None
    budget: float | None = None
    known_by: Sequence[str] = ()

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
        run = self.begun(policy, contexts, seed=seed)
        while not run.over:
            watch(run.round())
        return run.learnt

    def begun(self, policy: LocalModel, contexts: Sequence[Parts], *, seed: int = 0) -> Rounds:
        """The same before its first round, to be taken round by round, saved and gone on with."""
        if policy.decoding != Decoding():
            raise UsageError("a policy draws by its own law", where="decoding", fix="leave temperature and cuts out")
        return Rounds(self, policy, contexts, seed)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What each round told, and why the run was stopped before its time, if it was."""

    told: tuple[dict[str, float], ...]
    stopped: str | None


class Rounds:
    """A run under way: its trainer, and what each round told so far."""

    def __init__(self, how: Online, policy: LocalModel, contexts: Sequence[Parts], seed: int) -> None:
        from heedful.training.head_objectives import Valued
        from heedful.training.heads import with_values
        from heedful.training.trainer import Trainer

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
        self.valued = isinstance(how.objective, Valued)
        if self.valued and not hasattr(self.network, "value_head"):
            with_values(self.network)
        self.trainer = Trainer(self.network, [_none_yet()], how.objective, self.recipe, [])
        self.told: list[dict[str, float]] = []
        self.written = 0
        self.probe = Probe(self._looked(), math.ceil(how.rounds / how.every)) if how.probe else None

    @property
    def why(self) -> str | None:
        """Why there is no other round, but for the number of rounds."""
        found = (alarm(self.told) for alarm in (*self.how.alarms, worth_fell)) if self.told else ()
        return next((why for why in found if why is not None), None) or self._spent()

    @property
    def over(self) -> bool:
        return len(self.told) >= self.how.rounds or self.why is not None

    @property
    def learnt(self) -> Learnt:
        return Learnt(tuple(self.told), self.why)

    def round(self) -> dict[str, float]:
        """Draw, score, step; and what that was like."""
        number = len(self.told)
        drawn, examples, reference = self._drawn(number)
        told = {"round": number + 1.0, **drawn.meters(), **self._steps(examples, reference)}
        if self.probe is not None and (number + 1) % self.how.every == 0:
            told |= self.probe.look(self._looked())
        self.told.append(told | {"written": float(self.written)})
        return self.told[-1]

    @property
    def rule(self) -> Any:
        """What a run is known by again, beside its trainer."""
        said = "".join(f"{len(own)}:{own}" for own in (encode_parts(context, "world") for context in self.contexts))
        how, digest = self.how, hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        numbers = (how.prompts, how.n, how.passes, how.right, how.every, how.otherwise, len(how.probe), *how.known_by)
        return *numbers, self.policy.max_tokens, self.seed, digest

    def tensors(self) -> dict[str, Any]:
        """What is known, for a checkpoint."""
        import torch

        return {"told": torch.tensor(list(json.dumps(self.told).encode()), dtype=torch.uint8)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.told = json.loads(bytes(state["told"].tolist()))
        self.written = int(self.told[-1]["written"])

    def answers(self, contexts: Sequence[Parts]) -> list[Item]:
        """Outputs to each of these prompts, drawn by the same numbers each time."""
        items, tokens = draws(self.policy, contexts, self.how.n, np.random.default_rng((self.seed, 2)))
        self.written += sum(map(len, tokens))
        return items

    def worth(self, answers: Sequence[Item], of: Potential) -> Floats:
        """What outputs earn [c, n], one prompt after the other."""
        return self._earned(of(answers))[0].mean.reshape(-1, self.how.n)

    def _looked(self) -> Floats:
        assert self.how.gold is not None
        return self.worth(self.answers(self.how.probe), self.how.gold)

    def _spent(self) -> str | None:
        """Why the budget has no room for another round."""
        if self.how.budget is None or len(self.told) >= self.how.rounds:
            return None
        looks = len(self.how.probe) if (len(self.told) + 1) % self.how.every == 0 else 0
        most = (self.how.prompts + looks) * self.how.n * self.policy.max_tokens
        if self.written + most <= self.how.budget:
            return None
        return f"{self.written:,} tokens are written, and a round may take {most:,} of {self.how.budget:,.0f}"

    def _prompts(self, number: int) -> list[Parts]:
        """Those of a round: each pass over all contexts has each once."""
        n, own = len(self.contexts), range(number * self.how.prompts, (number + 1) * self.how.prompts)
        orders = {run: np.random.default_rng((self.seed, 0, run)).permutation(n) for run in {k // n for k in own}}
        return [self.contexts[orders[k // n][k % n]] for k in own]

    def _drawn(self, number: int) -> tuple[Drawn, list[Example], list[Floats]]:
        """Outputs of a round with all that is known of them: as a record, as examples, and under the first policy."""
        from heedful.training.experience import experienced
        from heedful.training.trainer import scored

        how, prompts = self.how, self._prompts(number)
        items, tokens = (how.draw or draws)(self.policy, prompts, how.n, np.random.default_rng((self.seed, 1, number)))
        self.written += sum(map(len, tokens))
        scores, ruled_out = self._earned(how.evidence(items))
        examples = self._examples(prompts, tokens, scores)
        own, first = (scored(network, examples, self.recipe.tokens) for network in (self.network, self.first))
        if self.valued:
            examples = experienced(self.network, examples, self.recipe.tokens)
        elif self.a_round > 1:  # a later step meets outputs of an earlier policy
            examples = [
                replace(one, said={**one.said, "behaviour": [*before]})
                for one, before in zip(examples, own, strict=True)
            ]
        total, reference = (np.concatenate([rows.sum(1, dtype=np.float64) for rows in each]) for each in (own, first))
        length = np.array([len(one) for one in tokens], dtype=np.float64)
        gold = None if how.gold is None else how.gold(items).mean
        return Drawn(tuple(items), how.n, total, reference, length, scores, gold, ruled_out), examples, first

    def _earned(self, scores: Scores) -> tuple[Scores, float]:
        """Scores with a number for what is ruled out, and the share that was. Raises FitError where none is told."""
        out = np.isneginf(scores.mean)
        if not out.any():
            return scores, 0.0
        if self.how.otherwise is None:
            what = f"the evidence rules out {out.sum()} of {len(out)} outputs (−inf), which no gradient can weigh"
            raise FitError(what, where="Online", fix="say what they earn: otherwise, in nats")
        kept = None if scores.draws is None else np.where(out, self.how.otherwise, scores.draws)
        return replace(scores, mean=np.where(out, self.how.otherwise, scores.mean), draws=kept), float(out.mean())

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
        trainer, none = self.trainer, (self.trainer.examples, self.trainer.reference)
        trainer.examples, trainer.reference = examples, first if self.how.objective.needs_reference else None
        told: list[Mapping[str, float]] = []
        trainer.run(told.append, until=trainer.done + self.a_round)
        trainer.examples, trainer.reference = none
        return {name: float(np.mean([own[name] for own in told])) for name in told[0] if name not in ("step", "kl")}


def _none_yet() -> Example:
    """In the place of the outputs that each round brings."""
    from heedful.training.examples import Example

    return Example((0,), (np.zeros(1, np.intp),))


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
