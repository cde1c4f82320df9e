"""Training saved so that it goes on, after a kill at any moment, to the same weights bit by bit (on one processor)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from heedful.core import InputError
from heedful.models.folders import read_json
from heedful.training.digests import digest_of_examples, settings
from heedful.training.saving import whole_folder
from heedful.training.trainer import Trainer


class Beside(Protocol):
    """What is kept with a trainer: by which `rule`, what is known, and how to know it again."""

    @property
    def rule(self) -> Any: ...
    def tensors(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


_NAME = "checkpoint-{:09d}"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def save(trainer: Trainer, folder: Path, beside: Beside | None = None) -> Path:
    """A checkpoint in `folder`, whole or not at all; older ones are then removed. Returns where it is.

    It holds the weights that are trained, and what is known `beside` them. Of several processes, which have the same,
    the first one writes.
    """
    from safetensors.torch import save_file

    made = folder / _NAME.format(trainer.done)
    if trainer.processes.own:
        return made
    with whole_folder(made) as begun:
        save_file(_tensors(trainer, beside), begun / "state.safetensors")
        told = {"done": trainer.done, "digest": digest(trainer, beside)}
        (begun / "state.json").write_text(json.dumps(told) + "\n", "utf-8")
    for other in checkpoints(folder)[:-1]:
        shutil.rmtree(other)
    return made


def checkpoints(folder: Path) -> list[Path]:
    """Those in `folder`, the oldest first; what a kill left unfinished is none."""
    return sorted(folder.glob("checkpoint-*"))


def resume(trainer: Trainer, folder: Path, beside: Beside | None = None) -> bool:
    """Put a trainer where the last checkpoint in `folder` was; False where there is none.

    Torch's random numbers, which are the whole process's, go on from there too: see `torch.random.fork_rng`. Raises
    InputError where it cannot be read, or was of other examples or prompts, another objective, recipe, network or rule
    of stopping.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = checkpoints(folder)
    if not found:
        return False
    told = read_json(found[-1] / "state.json", "checkpoint", dict)
    if told.get("digest") != digest(trainer, beside):
        raise InputError(
            "what is there was begun with other examples or prompts, another objective, recipe, network or rule of "
            "stopping",
            where=str(found[-1]),
            fix="train into another folder, or ask for the same",
        )
    path = found[-1] / "state.safetensors"
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        fix = "remove its folder: training goes on from an earlier one, or begins anew"
        raise InputError(f"this checkpoint cannot be read ({error})", where=str(path), fix=fix) from error
    _restore(trainer, state)
    if beside is not None:
        beside.restore(state)
    trainer.done = told["done"]
    return True


def digest(trainer: Trainer, beside: Beside | None = None) -> str:
    """What training depends on, but the weights it has come to, as a hash."""
    rule = None if beside is None else beside.rule
    said = (
        (trainer.objective, trainer.recipe, rule),
        (trainer.origin, settings(trainer.network), digest_of_examples(trainer.examples)),
    )
    return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


def _tensors(trainer: Trainer, beside: Beside | None) -> dict[str, torch.Tensor]:
    state = trainer.optimiser.state
    made = {f"network.{name}": own.detach() for name, own in trainer.weights.items()}
    for number, parameter in enumerate(trainer.parameters):
        made |= {f"optimiser.{number}.{name}": state[parameter][name] for name in _MOMENTS if parameter in state}
    for place, own in enumerate(trainer.reference or ()):
        made[f"reference.{place}"] = torch.as_tensor(own)
    made["random"] = torch.get_rng_state()
    made |= {} if beside is None else beside.tensors()
    return {name: own.contiguous() for name, own in made.items()}


def _restore(trainer: Trainer, state: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, own in trainer.weights.items():
            own.copy_(state[f"network.{name}"])
    for number, parameter in enumerate(trainer.parameters):
        if f"optimiser.{number}.step" in state:
            moments = {name: state[f"optimiser.{number}.{name}"] for name in _MOMENTS}
            trainer.optimiser.state[parameter] = {
                name: own if name == "step" else own.to(parameter.device) for name, own in moments.items()
            }
    if trainer.reference is not None:
        trainer.reference = [state[f"reference.{place}"].numpy() for place in range(len(trainer.reference))]
    torch.set_rng_state(state["random"])
