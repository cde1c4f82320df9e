"""Low-rank adapters: what is trained is a product of two thin matrices beside a frozen one (LoRA, Hu et al. 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from heedful.core import MissingExtraError, UsageError


def adapted(
    network: Any,
    *,
    rank: int = 8,
    alpha: float | None = None,
    dropout: float = 0.0,
    targets: Sequence[str] | None = None,
    seed: int = 0,
) -> Any:
    """The network itself, with W + (alpha / rank) · B A in the place of each matrix W, and only A and B to train.

    B begins at 0, so that nothing has changed yet; A is drawn by `seed`. `alpha` is 2 · rank by default. `dropout` of
    what A reads counts where the recipe says dropout. `targets` are names of modules; by default all linear ones but
    those that make logits or scores. Heads of scores and values are trained whole. Raises UsageError for
    numbers or targets that cannot be, or where there is an adapter already; MissingExtraError without peft.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError(error.name or "peft", "lm") from error
    if rank < 1 or not 0 <= dropout < 1:
        raise UsageError(f"an adapter of rank {rank}, with dropout {dropout}", where="adapted")
    if hasattr(network, "peft_config"):
        raise UsageError("this network has an adapter already", where="adapted", fix="merge it first")
    heads = [name for name in ("score", "value_head") if hasattr(network, name)]
    config = LoraConfig(
        base_model_name_or_path=network.name_or_path,
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules="all-linear" if targets is None else list(targets),
        exclude_modules=heads or None,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which weights lie transposed, it finds out by itself
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(config, network)
        except ValueError as error:
            raise UsageError(str(error), where="adapted", fix="name modules that the network has") from error
    for name in heads:
        getattr(network, name).requires_grad_(True)
    return network


@contextmanager
def bare(network: Any) -> Iterator[Any]:
    """The network without its adapter, if it has one, as long as this context."""
    if not hasattr(network, "peft_config"):
        yield network
        return
    layers = _layers(network)
    for own in layers.values():
        own.enable_adapters(False)
    try:
        yield network
    finally:
        for own in layers.values():
            own.enable_adapters(True)


def merged(network: Any) -> Any:
    """The network itself, its adapter added to its weights and gone."""
    for name, own in _layers(network).items():
        own.merge(safe_merge=True)
        network.set_submodule(name, own.get_base_layer())
    del network.peft_config
    return network


def _layers(network: Any) -> dict[str, Any]:
    """Modules with a part of an adapter, by their place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: own for name, own in network.named_modules() if isinstance(own, BaseTunerLayer)}


def write_adapter(network: Any, folder: Path) -> None:
    """An adapter's weights and configuration, in the layout of peft."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    (config,) = network.peft_config.values()
    config.save_pretrained(folder)
    weights = {f"base_model.model.{name}": own.contiguous() for name, own in get_peft_model_state_dict(network).items()}
    save_file(weights, folder / "adapter_model.safetensors", {"format": "pt"})
