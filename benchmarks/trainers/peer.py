"""TRL's trainers at the settings that are fastest on a processor: single precision, no gradient checkpointing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from typing import Any

import trl
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback

from trainers.turns import Turns
from trainers.work import BETA, CASES, GROUP, NEW_TOKENS, RATE, Record, earned, network_of

NAMES = {"sft": "SFT", "dpo": "DPO", "kto": "KTO", "reward": "Reward", "grpo": "GRPO", "rloo": "RLOO"}
NAMES["uneven lengths"] = "DPO"
for _name in set(NAMES.values()):
    getattr(trl, f"{_name}Trainer")  # imported where it is first asked for


def run(case: str, size: str, tokenizer: Any, data: Sequence[Record], turns: Turns) -> None:
    """All steps of a case, as the turns come."""
    begun = time.process_time()
    network = network_of(size, tokenizer, rewards=case == "reward")
    more: dict[str, Any] = {}
    if case in ("grpo", "rloo"):
        more["reward_funcs"] = lambda completions, **_: [earned(text) for text in completions]
    if case in ("dpo", "kto", "uneven lengths"):
        more["ref_model"] = network_of(size, tokenizer)
    kind = getattr(trl, NAMES[case] + "Trainer")
    more |= {"args": _settings(case, data), "train_dataset": Dataset.from_list(_rows(case, data))}
    trainer = kind(model=network, processing_class=tokenizer, **more)
    if case not in ("grpo", "rloo"):
        trainer._get_train_sampler = lambda *_: SequentialSampler(trainer.train_dataset)
    read, loss_of = [0, 0.0], trainer.compute_loss

    def counted(model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
        masks = ("prompt_mask", "completion_mask") if "prompt_mask" in inputs else ("attention_mask",)
        read[0] += sum(int(inputs[name].sum()) for name in masks)
        found = loss_of(model, inputs, *args, **named)
        read[1] = float((found[0] if isinstance(found, tuple) else found).detach())
        return found

    class Timer(TrainerCallback):
        """From the end of one step to that of the next, so that data and rollouts count too."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            turns.ready(time.process_time() - begun)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            tokens, read[0] = read[0], 0
            turns.stepped(tokens, read[1])

    trainer.compute_loss = counted
    trainer.add_callback(Timer())
    trainer.train()
    turns.wait()


def _rows(case: str, data: Sequence[Record]) -> list[dict[str, Any]]:
    if case in ("grpo", "rloo"):
        return [{"prompt": one.texts[0]} for one in data]
    names = {"sft": ("completion",), "kto": ("completion",)}.get(case, ("chosen", "rejected"))
    rows = [dict(zip(("prompt", *names), one.texts, strict=True)) for one in data]
    return [row | {"label": one.label} for row, one in zip(rows, data, strict=True)] if case == "kto" else rows


def _settings(case: str, data: Sequence[Record]) -> Any:
    own: dict[str, Any] = {"max_length": 1024}
    many = CASES[case].records
    if case in ("grpo", "rloo"):
        many *= GROUP
        own = {"num_generations": GROUP, "max_completion_length": NEW_TOKENS, "temperature": 1.0, "beta": 0.0}
        own["shuffle_dataset"] = False
    elif case not in ("sft", "reward"):
        own["beta"] = BETA
    return getattr(trl, NAMES[case] + "Config")(
        output_dir=tempfile.mkdtemp(),
        max_steps=len(data) // CASES[case].records,
        per_device_train_batch_size=many,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        seed=0,
        logging_steps=10_000,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **own,
    )
