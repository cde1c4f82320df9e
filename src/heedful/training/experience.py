"""What a policy with values makes of outputs that it drew: what each token was worth beyond what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from heedful.core import UsageError
from heedful.training.examples import Example, all_parts
from heedful.training.heads import reader
from heedful.training.objectives.policy_gradient import generalised_advantages


def experienced(
    network: Any,
    examples: Sequence[Example],
    tokens: int,
    *,
    discount: float = 1.0,
    decay: float = 0.95,
    penalty: float = 0.0,
    reference: Sequence[Any] | None = None,
) -> list[Example]:
    """Examples of outputs that the network drew, which say `score` of each, as records for `Valued`: behaviour,
    advantage and value [k, t] under the network as it is.

    An output earns its score at its last token, and at each token −penalty · (log policy − log reference), with
    log-probabilities [k, t] of a reference by example as `heedful.training.trainer.scored` gives them (Stiennon et al.
    2020, section 3.4). `discount` and `decay` are those of `generalised_advantages`; at most `tokens` are read at once.
    Raises UsageError for examples without a score, or a penalty without a reference.
    """
    if any("score" not in one.said for one in examples):
        raise UsageError("an example does not say its score", where="experienced")
    if penalty and reference is None:
        raise UsageError("a penalty needs a reference", where="experienced")
    read, found, training = reader(network), list(examples), network.training
    network.eval()
    with torch.no_grad():
        for part in all_parts(examples, tokens, network.device):
            told = read(part.rows)
            behaviour, value, mask = told[..., 0], told[..., 1], part.rows.mask
            earned = torch.zeros_like(value)
            for row, place in enumerate(part.places):
                if reference is not None:
                    own = torch.as_tensor(reference[place], device=value.device)
                    earned[row, : own.shape[0], : own.shape[1]] = penalty * own
            earned = torch.where(mask, earned - penalty * behaviour, 0.0)
            last = mask & (mask.cumsum(-1) == mask.sum(-1, keepdim=True))
            earned = earned + torch.where(last, torch.as_tensor(part.batch.score)[..., None], 0.0)
            advantage, _ = generalised_advantages(earned, value, mask, discount=discount, decay=decay)
            said = {"behaviour": behaviour, "advantage": advantage, "value": value}
            for row, place in enumerate(part.places):
                found[place] = _told(examples[place], {name: own[row].cpu().numpy() for name, own in said.items()})
    network.train(training)
    return found


def _told(example: Example, said: dict[str, Any]) -> Example:
    """An example with these fields at its tokens, and its weight."""
    kept = {name: value for name, value in example.said.items() if name == "weight"}
    lengths = [len(own) for own in example.outputs]
    per_token = {name: [np.array(own[k, :n]) for k, n in enumerate(lengths)] for name, own in said.items()}
    return replace(example, said={**kept, **per_token})
