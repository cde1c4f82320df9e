"""What a lean loop of plain PyTorch takes: it projects tokens of outputs alone, and does nothing else but the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from trainers.work import BETA, CASES, GROUP, NEW_TOKENS, RATE, Record, beside, earned, network_of

Padded = tuple[Tensor, Tensor, Tensor]


class Floor:
    """Steps of a case, one after the other."""

    def __init__(self, case: str, size: str, tokenizer: Any, data: Sequence[Record]) -> None:
        self.case, self.tokenizer, self.data, self.done = case, tokenizer, data, 0
        self.network = network_of(size, tokenizer, rewards=case == "reward").train()
        compares = case in ("dpo", "kto", "uneven lengths")
        self.reference = network_of(size, tokenizer).eval() if compares else None
        self.parameters = list(self.network.parameters())
        self.optimiser = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.0, fused=True)

    def step(self) -> tuple[int, float]:
        """Tokens read, and the loss."""
        many = CASES[self.case].records
        records = self.data[self.done * many : (self.done + 1) * many]
        self.done += 1
        loss, tokens = _LOSSES[self.case](self, records)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return tokens, float(loss.detach())

    def padded(self, prompts: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]]) -> Padded:
        """Tokens, which of them are real, and which are of outputs."""
        width = max(len(a) + len(b) for a, b in zip(prompts, outputs, strict=True))
        tokens = torch.full((len(prompts), width), self.tokenizer.pad_token_id)
        real = torch.zeros(len(prompts), width, dtype=torch.long)
        own = torch.zeros(len(prompts), width, dtype=torch.bool)
        for row, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
            end = len(prompt) + len(output)
            tokens[row, :end] = torch.tensor([*prompt, *output])
            real[row, :end] = 1
            own[row, len(prompt) : end] = True
        return tokens, real, own

    def logprobs(self, network: Any, batch: Padded) -> Tensor:
        """Of each token of an output, 0 elsewhere [rows, columns − 1]."""
        tokens, real, own = batch
        hidden = network.model(input_ids=tokens, attention_mask=real, use_cache=False).last_hidden_state[:, :-1]
        mask = own[:, 1:]
        found = -cross_entropy(network.lm_head(hidden[mask]), tokens[:, 1:][mask], reduction="none")
        return torch.zeros(mask.shape, dtype=found.dtype).masked_scatter(mask, found)

    def ratios(self, batch: Padded) -> Tensor:
        """log policy − log reference of each row's output."""
        policy = self.logprobs(self.network, batch).sum(1)
        with torch.no_grad():
            before = self.logprobs(self.reference, batch).sum(1)
        return policy - before


def every(floor: Floor, records: Sequence[Record]) -> tuple[Padded, int]:
    """All outputs of records, the first of each before the second."""
    pairs = [(one.prompt, one.outputs[k]) for k in range(len(records[0].outputs)) for one in records]
    return floor.padded([a for a, _ in pairs], [b for _, b in pairs]), sum(one.read for one in records)


def supervised(floor: Floor, records: Sequence[Record]) -> tuple[Tensor, int]:
    batch, tokens = every(floor, records)
    return -floor.logprobs(floor.network, batch).sum() / batch[2].sum(), tokens


def dpo(floor: Floor, records: Sequence[Record]) -> tuple[Tensor, int]:
    batch, tokens = every(floor, records)
    first, second = floor.ratios(batch).chunk(2)
    return -logsigmoid(BETA * (first - second)).mean(), tokens


def kto(floor: Floor, records: Sequence[Record]) -> tuple[Tensor, int]:
    batch, tokens = every(floor, records)
    ratio = floor.ratios(batch)
    others = floor.padded([one.prompt for one in records], beside(records))
    with torch.no_grad():
        point = floor.ratios(others).mean().clamp(min=0)
    sign = torch.tensor([1.0 if one.label else -1.0 for one in records])
    return (1 - torch.sigmoid(BETA * sign * (ratio - point))).mean(), tokens


def reward(floor: Floor, records: Sequence[Record]) -> tuple[Tensor, int]:
    (read, real, _), tokens = every(floor, records)
    first, second = floor.network(input_ids=read, attention_mask=real, use_cache=False).logits[:, 0].chunk(2)
    return -logsigmoid(first - second).mean(), tokens


def tilted(floor: Floor, records: Sequence[Record]) -> tuple[Tensor, int]:
    batch, tokens = every(floor, records)
    weight = torch.tensor([one.scores for one in records]).softmax(1)
    total = floor.logprobs(floor.network, batch).sum(1).view(-1, len(records)).T
    return -(weight * total).sum() / weight.sum(), tokens


def group(floor: Floor, records: Sequence[Record]) -> tuple[Tensor, int]:
    """GRPO with a mean over the tokens of the step, or RLOO."""
    prompts = [one.prompt for one in records for _ in range(GROUP)]
    outputs = drawn(floor, prompts)
    texts = floor.tokenizer.batch_decode(outputs, skip_special_tokens=True)
    score = torch.tensor([earned(text) for text in texts]).view(-1, GROUP)
    centred = score - score.mean(1, keepdim=True)
    batch = floor.padded(prompts, outputs)
    found, mask = floor.logprobs(floor.network, batch), batch[2][:, 1:]
    if floor.case == "rloo":
        loss = -(centred * GROUP / (GROUP - 1)).view(-1) @ found.sum(1) / len(found)
    else:
        advantage = (centred / (score.std(1, keepdim=True) + 1e-4)).view(-1, 1)
        ratio = (found - found.detach()).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        loss = -(gain * mask).sum() / mask.sum()
    return loss, int(batch[1].sum())


def drawn(floor: Floor, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Outputs with their end, by transformers' generate."""
    pad, end, width = floor.tokenizer.pad_token_id, floor.tokenizer.eos_token_id, max(map(len, prompts))
    ids = torch.tensor([[*[pad] * (width - len(own)), *own] for own in prompts])
    real = torch.tensor([[0] * (width - len(own)) + [1] * len(own) for own in prompts])
    floor.network.eval()
    with torch.no_grad():
        asked = {"max_new_tokens": NEW_TOKENS, "do_sample": True, "temperature": 1.0, "top_k": 0}
        full = floor.network.generate(input_ids=ids, attention_mask=real, pad_token_id=pad, eos_token_id=end, **asked)
    floor.network.train()
    found = full[:, width:].tolist()
    return [own[: own.index(end) + 1] if end in own else own for own in found]


_LOSSES: dict[str, Callable[[Floor, Sequence[Record]], tuple[Tensor, int]]] = {
    "sft": supervised,
    "dpo": dpo,
    "kto": kto,
    "reward": reward,
    "grpo": group,
    "rloo": group,
    "shared prompts": tilted,
    "uneven lengths": dpo,
}
