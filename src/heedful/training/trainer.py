"""One trainer for all objectives: a step is the same gradient however it is cut, spread or padded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from heedful.core import FitError, UsageError
from heedful.training.adapters import bare
from heedful.training.digests import digest_of_weights
from heedful.training.examples import Example, Part, all_parts, parts_of
from heedful.training.forward import scorer
from heedful.training.heads import reader
from heedful.training.objectives.base import TokenObjective
from heedful.training.precision import Precision, in_precision
from heedful.training.processes import Processes

Watch = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: `steps` of `batch` examples each, in an order drawn anew for each pass over them.

    tokens         read at once at most, padding counted. A step is cut into as many parts as it takes, which changes
                   nothing of what it gives
    learning_rate  of AdamW, risen over the first `warmup` steps, then as `decay` says: constant, or falling to 0
    clip           the norm of a gradient at most; None for no limit
    precision      "bfloat16": matrices are multiplied in it, and weights and sums stay in single precision; "float32":
                   all is as the network's weights are; None for bfloat16 on a GPU that has it
    dropout        whether what the network drops in training is dropped. Without, a policy that has not moved is its
                   reference
    """

    steps: int
    batch: int = 32
    tokens: int = 8192
    learning_rate: float = 1e-5
    warmup: int = 0
    decay: Literal["constant", "linear", "cosine"] = "constant"
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = 1.0
    precision: Precision | None = None
    dropout: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.tokens < 1 or self.warmup < 0:
            what = (
                f"{self.steps} steps of {self.batch} examples, {self.tokens} tokens at once, {self.warmup} to warm up"
            )
            raise UsageError(what, where="Recipe")
        if not (0 < self.learning_rate < math.inf and (self.clip is None or self.clip > 0)):
            raise UsageError(f"learning rate {self.learning_rate}, gradients up to {self.clip}", where="Recipe")

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        risen = min(1.0, (step + 1) / (self.warmup + 1))
        gone = max(0, step - self.warmup) / max(1, self.steps - self.warmup)
        falling = {"constant": 1.0, "linear": 1 - gone, "cosine": 0.5 + 0.5 * math.cos(math.pi * gone)}
        return self.learning_rate * risen * falling[self.decay]

    def places(self, step: int, n: int) -> tuple[int, ...]:
        """Which of n examples a step trains on: each pass has each once, in an order of its own."""
        number = np.arange(step * self.batch, (step + 1) * self.batch)
        runs = range(number[0] // n, number[-1] // n + 1)
        return tuple(int(own) for run in runs for own in _order(self.seed, run, n)[number[number // n == run] % n])


def _order(seed: int, run: int, n: int) -> Any:
    return np.random.default_rng((seed, run)).permutation(n)


@dataclass(eq=False)
class Trainer:
    """A network on its way: `step` after `step`, each told to `watch`.

    `reference` holds log-probabilities [k, t] of each example under the network as it is given, without the adapter if
    it has one; `origin` tells those weights. `weights` are what is trained: all that asks for a gradient.
    """

    network: Any
    examples: Sequence[Example]
    objective: TokenObjective
    recipe: Recipe
    reference: Sequence[Any] | None = None
    done: int = 0

    def __post_init__(self) -> None:
        if not self.examples:
            raise UsageError("there is nothing to train on", where="Trainer", fix="give examples")
        if self.objective.needs_reference and self.reference is None:
            self.reference = scored_bare(self.network, self.examples, self.recipe.tokens, self.recipe.precision)
        self.origin = digest_of_weights(self.network)
        self.read = in_precision(reader(self.network), self.network, self.recipe.precision)
        self.processes = Processes()
        if self.recipe.batch < self.processes.number:
            what = f"{self.processes.number} processes cannot share steps of {self.recipe.batch} examples"
            raise UsageError(what, where="Recipe(batch=...)", fix="give a batch of one example a process at least")
        self.weights = {name: own for name, own in self.network.named_parameters() if own.requires_grad}
        self.parameters = list(self.weights.values())
        self.optimiser = torch.optim.AdamW(
            self.parameters,
            lr=self.recipe.learning_rate,
            betas=self.recipe.betas,
            weight_decay=self.recipe.weight_decay,
            fused=True,  # in one pass, without copies
        )

    def run(self, watch: Watch = lambda told: None, until: int | None = None) -> None:
        """All steps that are left, or those before `until`."""
        while self.done < (self.recipe.steps if until is None else min(until, self.recipe.steps)):
            watch(self.step())

    def step(self) -> dict[str, float]:
        """One step, and what it was like. Raises FitError where the loss is no number; nothing is then changed."""
        self.network.train(self.recipe.dropout)
        parts = list(self._parts())
        told: Counter[str] = Counter()
        units = torch.zeros((), device=self.network.device)
        for part, policy, totals in self._forward(parts):
            batch = replace(part.batch, totals=totals)
            found = self.objective(policy, reference_of(part, self.reference), batch)
            lost, own = found.total(batch)
            torch.autograd.backward(lost)
            units = units + own.detach()
            told.update({"loss": float(lost.detach()), "records": len(part.places), "tokens": part.tokens})
            told.update({name: float(value.sum()) for name, value in found.diagnostics.items()})
        return self._applied(told, units)

    def _parts(self) -> Iterator[Part]:
        places = self.processes.share(self.recipe.places(self.done, len(self.examples)))
        trained = self.objective.trained
        return parts_of(self.examples, places, self.recipe.tokens, self.network.device, trained=trained)

    def _forward(self, parts: Sequence[Part]) -> Iterator[tuple[Part, Tensor, Mapping[str, Tensor]]]:
        """Each part with its log-probabilities and the statistics of the whole step.

        Where records are entangled, several parts are read twice.
        """
        if len(parts) == 1 and self.processes.alone:
            policy = parts[0].scored(self.read)
            yield parts[0], policy, self._statistics(parts[0], policy.detach()) if self.objective.entangled else {}
            return
        totals: dict[str, Tensor] = {}
        if self.objective.entangled:
            with torch.no_grad():
                told = [self._statistics(part, part.scored(self.read)) for part in parts]
            totals = {name: torch.stack([own[name] for own in told]).sum(0) for name in told[0]}
        totals = self.processes.summed(totals)
        for part in parts:
            yield part, part.scored(self.read), totals

    def _statistics(self, part: Part, policy: Tensor) -> Mapping[str, Tensor]:
        return self.objective.statistics(policy, reference_of(part, self.reference), part.batch)

    def _applied(self, told: Counter[str], units: Tensor) -> dict[str, float]:
        """The gradient, divided by what the step holds, clipped and followed."""
        gradients = [own.grad for own in self.parameters if own.grad is not None]
        sums = self.processes.summed({name: torch.tensor(value, dtype=torch.float64) for name, value in told.items()})
        units = self.processes.summed({"units": units})["units"]
        self.processes.sum_in_place(gradients)
        torch._foreach_div_(gradients, units.clamp(min=torch.finfo(units.dtype).tiny))
        norm = torch.nn.utils.get_total_norm(gradients)
        if not bool(torch.isfinite(norm)):
            self.optimiser.zero_grad()
            raise FitError(f"the gradient of step {self.done} is {float(norm)}", where="Trainer.step")
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.recipe.clip, norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.done)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.done += 1
        records = float(sums.pop("records"))
        report = {name: float(value) / records for name, value in sums.items() if name not in ("loss", "tokens")}
        lost = float(sums["loss"]) / max(float(units), 1e-300)
        return {"step": self.done, "loss": lost, "gradient": float(norm), "tokens": float(sums["tokens"]), **report}


def reference_of(part: Part, reference: Sequence[Any] | None) -> Tensor | None:
    """Log-probabilities [r, k, t] of a part, of those of all examples by their place."""
    if reference is None:
        return None
    made = torch.zeros(part.batch.mask.shape, device=part.batch.mask.device)
    for row, place in enumerate(part.places):
        own = torch.as_tensor(reference[place], device=made.device)
        made[row, : own.shape[0], : own.shape[1]] = own
    return made


def scored(
    network: Any, examples: Sequence[Example], tokens: int, precision: Precision | None = "float32"
) -> list[Any]:
    """Log-probabilities [k, t] of each example's tokens under the network as it is, 0 where there are none."""
    read, found = in_precision(scorer(network), network, precision), [np.zeros((0, 0), np.float32)] * len(examples)
    training = network.training
    network.eval()
    with torch.no_grad():
        for part in all_parts(examples, tokens, network.device):
            for place, own in zip(part.places, read(part.rows).float().cpu().numpy(), strict=True):
                found[place] = own[:, : max(map(len, examples[place].outputs))]
    network.train(training)
    return found


def scored_bare(
    network: Any, examples: Sequence[Example], tokens: int, precision: Precision | None = "float32"
) -> list[Any]:
    """The same of the network without the adapter that it may have."""
    with bare(network) as base:
        return scored(base, examples, tokens, precision)
