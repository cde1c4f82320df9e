"""Training saved so that it goes on, after a kill at any moment, to the same weights bit by bit (on one processor)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heedful.core import InputError
from heedful.feedback.atomic import synced
from heedful.training.examples import Example, depth
from heedful.training.trainer import Trainer

_NAME = "checkpoint-{:09d}"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def save(trainer: Trainer, folder: Path) -> Path:
    """A checkpoint in `folder`, whole or not at all; older ones are then removed. Returns where it is."""
    from safetensors.torch import save_file

    made = folder / _NAME.format(trainer.done)
    begun = folder / (made.name + ".part")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    save_file(_tensors(trainer), begun / "state.safetensors")
    told = {"done": trainer.done, "digest": digest(trainer)}
    (begun / "state.json").write_text(json.dumps(told) + "\n", "utf-8")
    for path in (*begun.iterdir(), begun):
        synced(path)
    shutil.rmtree(made, ignore_errors=True)
    begun.rename(made)
    synced(folder)
    for other in checkpoints(folder)[:-1]:
        shutil.rmtree(other)
    return made


def checkpoints(folder: Path) -> list[Path]:
    """Those in `folder`, the oldest first; what a kill left unfinished is none."""
    return sorted(path for path in folder.glob("checkpoint-*") if path.suffix != ".part")


def resume(trainer: Trainer, folder: Path) -> bool:
    """Put a trainer where the last checkpoint in `folder` was; False where there is none.

    Raises InputError where that was of other examples, another objective, recipe or network.
    """
    from safetensors.torch import load_file

    found = checkpoints(folder)
    if not found:
        return False
    told = json.loads((found[-1] / "state.json").read_text("utf-8"))
    if told["digest"] != digest(trainer):
        raise InputError(
            "what is there was begun with other examples, another objective, recipe or network",
            where=str(found[-1]),
            fix="train into another folder, or ask for the same",
        )
    state = load_file(found[-1] / "state.safetensors")
    _restore(trainer, state)
    trainer.done = told["done"]
    return True


def digest(trainer: Trainer) -> str:
    """What training depends on, but the weights it has come to, as a hash."""
    said = hashlib.blake2b(digest_size=16)
    shapes = [(name, tuple(own.shape)) for name, own in trainer.network.named_parameters()]
    said.update(repr((trainer.objective, trainer.recipe, shapes)).encode())
    said.update(digest_of_examples(trainer.examples).encode())
    return said.hexdigest()


def digest_of_examples(examples: Sequence[Example]) -> str:
    said = hashlib.blake2b(digest_size=16)
    for one in examples:
        parts = (one.prompt, *one.outputs, *(part for name in sorted(one.said) for part in _flat(name, one.said[name])))
        for part in parts:
            own = np.ascontiguousarray(part, dtype=np.float64).tobytes()
            said.update(len(own).to_bytes(8) + own)
    return said.hexdigest()


def _flat(name: str, value: Any) -> list[Any]:
    return [list(name.encode()), *(value if depth(value) == 2 else [value])]


def _tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    state = trainer.optimiser.state
    made = {f"network.{name}": own.detach() for name, own in trainer.network.named_parameters()}
    for number, parameter in enumerate(trainer.parameters):
        made |= {f"optimiser.{number}.{name}": state[parameter][name] for name in _MOMENTS if parameter in state}
    for place, own in enumerate(trainer.reference or ()):
        made[f"reference.{place}"] = torch.as_tensor(own)
    made["random"] = torch.get_rng_state()
    return {name: own.contiguous() for name, own in made.items()}


def _restore(trainer: Trainer, state: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, own in trainer.network.named_parameters():
            own.copy_(state[f"network.{name}"])
    for number, parameter in enumerate(trainer.parameters):
        if f"optimiser.{number}.step" in state:
            moments = {name: state[f"optimiser.{number}.{name}"] for name in _MOMENTS}
            trainer.optimiser.state[parameter] = {
                name: own if name == "step" else own.to(parameter.device) for name, own in moments.items()
            }
    if trainer.reference is not None:
        trainer.reference = [state[f"reference.{place}"].numpy() for place in range(len(trainer.examples))]
    torch.set_rng_state(state["random"])
