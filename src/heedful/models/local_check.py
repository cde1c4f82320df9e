"""Whether a network reads tokens in parts, and beside longer rows, as it does at once: tried when it is loaded."""

from __future__ import annotations

from typing import Any

from heedful.core import InputError
from heedful.models.folders import refusing
from heedful.models.reading import Reading, planless

_MANY_ROUNDINGS = 4.0


def check_reading(network: Any, size: int, window: int | None, where: str) -> None:
    """Raises InputError where laws of next tokens depend on later tokens, on padding, or on how what precedes was read.

    Up to nine tokens spread over the vocabulary of `size` are read: the first six at once, without a cache, and as
    three and three, alone and beside a longer row. The laws after the third to the sixth may differ in total variation
    by four times the square root of the numbers' precision: 0.0014 in float32, 0.35 in bfloat16, in which only gross
    faults are seen.
    """
    import torch

    name = type(network).__name__
    with refusing(f"a {name} cannot be read from here, token by token", where), torch.inference_mode():
        *apart, whole = _laws(network, size, max(1, min(3, (window or 9) // 3)))
        most = _MANY_ROUNDINGS * torch.finfo(whole.dtype).eps ** 0.5
        laws = [own.double().softmax(-1) for own in (*apart, whole)]
        worst = max(float((own - laws[-1]).abs().sum(-1).max()) / 2 for own in laws[:-1])
    if not worst <= most:  # NaN is not, either
        what = (
            f"a {name} gives other laws when it reads tokens in parts than at once (by {worst:.2g} in total variation)"
        )
        fix = "use a causal network that transformers can cache, such as Llama, Qwen or GPT-2; or a wider dtype"
        raise InputError(what, where=where, fix=fix)


def _laws(network: Any, size: int, third: int) -> tuple[Any, Any, Any]:
    """Logits [third + 1, size] after the last of the first third of the tokens and each of the second.

    Read in two parts, in two parts beside a longer row, and at once.
    """
    import torch

    tokens = torch.linspace(0, size - 1, 3 * third + 2, device=network.device).long()[None, 1:-1]
    first, second = tokens[:, :third], tokens[:, third : 2 * third]
    with planless(network.device):
        whole = network(input_ids=tokens[:, : 2 * third], use_cache=False).logits[0, third - 1 :]
    reading, ahead = Reading.of(network, first.tolist())
    alone = torch.cat([ahead, reading.read(second)[0]])
    reading, ahead = Reading.of(network, [*tokens.tolist(), *first.tolist()])
    reading.keep(torch.tensor([1, 0], device=network.device)).read(first.repeat(2, 1))  # which this must not hear of
    beside = torch.cat([ahead[1:], reading.read(second.repeat(2, 1))[1]])
    return alone[:, :size], beside[:, :size], whole[:, :size]
