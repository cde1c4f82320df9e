"""Values and gradients of TRL's losses on small fixed batches, for tests of this package's objectives.

    PEER/bin/python benchmarks/oracle_trl.py --out tests/training/trl_values.json

is run by a Python that has TRL, and needs nothing of this package. TRL has no functions for its losses: its trainers'
methods are called here with a stand-in for the trainer, and one for the network that gives the log-probabilities of a
batch as they are. All is in double precision but where a loss itself turns to single. With `--quick`, or without
`--out`, it only says whether what it finds is what the file holds.

A batch holds, for each record and output, a list of numbers by token: of the policy, of the reference, and where
outputs were drawn before, of the behaviour. A gradient is with respect to the policy's, in the same order, in one list.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
FILE = Path(__file__).parents[1] / "tests" / "training" / "trl_values.json"
BETA, SMOOTH, LONGEST = 0.1, 0.2, 7
DPO = {
    "sigmoid": {},
    "hinge": {},
    "ipo": {},
    "exo_pair": {"label_smoothing": SMOOTH},
    "nca_pair": {},
    "robust": {"label_smoothing": SMOOTH},
    "bco_pair": {},
    "sppo_hard": {},
    "aot": {"label_smoothing": SMOOTH},
    "aot_unpaired": {"label_smoothing": SMOOTH},
    "apo_zero": {},
    "apo_down": {},
    "discopop": {},
    "sft": {},
    "sigmoid_norm": {},
    "sigmoid, forward_kl": {},
    "sigmoid, js_divergence": {},
}
FAR = ("sigmoid", "hinge", "ipo", "robust", "bco_pair", "sigmoid_norm")
GROUPS = {
    "grpo": {},
    "grpo, kl": {"beta": 0.3},
    "bnpo": {},
    "dr_grpo": {},
    "dapo": {"epsilon_high": 0.28},
    "grpo, sequence": {"epsilon_low": 0.02, "epsilon_high": 0.03},
    "luspo, sequence": {},
    "cispo": {"epsilon_high": 1.2},
    "sapo": {},
}


def batches() -> dict[str, Any]:
    """Pairs with one-token outputs and, but in "whole pairs", an empty one; pairs whose log-ratios lie 100 and 1,000
    nats apart either way; outputs called good or bad with others beside them, whose log-ratios are below 0 in the mean
    or above; groups of four outputs, drawn by a policy near the one that is trained."""
    rng = random.Random(7)

    def logs(lengths: Sequence[Sequence[int]], near: Any = None, by: float = 1.0) -> list[list[list[float]]]:
        def one(record: int, output: int, place: int) -> float:
            at = rng.uniform(-4, -0.05) if near is None else near[record][output][place] + rng.gauss(0, by)
            return round(min(at, -0.001), 4)

        return [
            [[one(record, output, place) for place in range(own)] for output, own in enumerate(row)]
            for record, row in enumerate(lengths)
        ]

    def pairs(lengths: Sequence[Sequence[int]]) -> dict[str, Any]:
        reference = logs(lengths)
        return {"reference": reference, "policy": logs(lengths, reference, 0.6)}

    lengths = [[5, 3], [1, 4], [2, 1], [6, 6], [3, 0], [1, 1]]
    far = pairs([[3, 2]] * 4)
    for record, gap in enumerate((100, -100, 1000, -1000)):
        far["policy"][record][gap > 0][0] = round(far["policy"][record][gap > 0][0] - abs(gap), 4)
    drawn = [[4, 6, 1, 2], [3, 3, 5, 0], [6, 2, 2, 4]]
    behaviour = logs(drawn)
    called = pairs([*lengths[:4], [3, 2], [1, 5]]) | {"label": [1, 0, 0, 1, 1, 0]}
    above = {name: list(map(list, own)) for name, own in called.items() if name != "label"}
    for policy, reference in zip(above["policy"], above["reference"], strict=True):
        policy[1], reference[1] = reference[1], policy[1]
    groups = {
        "behaviour": behaviour,
        "policy": logs(drawn, behaviour, 0.25),
        "reference": logs(drawn, behaviour, 0.4),
        "advantage": [[round(rng.gauss(0, 1), 4) for _ in row] for row in drawn],
    }
    return {
        "pairs": pairs(lengths),
        "one pair": pairs([[4, 2]]),
        "whole pairs": pairs([[max(1, own) for own in row] for row in lengths]),
        "far": far,
        "called": called,
        "called, above": above | {"label": called["label"]},
        "groups": groups,
        "rewards": {
            "policy": [[[round(rng.gauss(0, 2), 4)] for _ in range(2)] for _ in range(5)],
            "margin": [0.5, 0.0, -0.7, 2.0, 60.0],
        },
    }


class Rows:
    """A batch as tensors, output by output as TRL has it: the first of all records, then the second, and so on."""

    def __init__(self, batch: dict[str, Any], by: str = "output") -> None:
        import torch

        self.shape = len(batch["policy"]), len(batch["policy"][0])
        places = [(r, k) for r in range(self.shape[0]) for k in range(self.shape[1])]
        self.places = sorted(places, key=lambda place: place[::-1]) if by == "output" else places
        self.lengths = [len(batch["policy"][r][k]) for r, k in self.places]
        longest = max(self.lengths)
        self.mask = torch.tensor([[place < own for place in range(longest)] for own in self.lengths])
        self.fields = {
            name: torch.tensor([self._padded(batch[name][r][k], longest) for r, k in self.places], dtype=torch.float64)
            for name in ("policy", "reference", "behaviour")
            if name in batch
        }
        self.policy = self.fields["policy"].requires_grad_()
        self.masked = self.policy * self.mask

    @staticmethod
    def _padded(values: Sequence[float], longest: int) -> list[float]:
        return [*values, *[0.0] * (longest - len(values))]

    @property
    def outputs(self) -> Any:
        """What TRL's network gives of each token after the first, of which log-probabilities alone bear on a loss."""
        import torch

        flat = torch.zeros_like(self.policy)
        told = {"entropy": flat, "mean_logits": flat, "is_top1": flat.bool(), "log_sum_sq_probs": flat}
        return SimpleNamespace(log_probs=self.masked, **told)

    @property
    def inputs(self) -> dict[str, Any]:
        """Tokens and masks with a prompt of one token before each output."""
        import torch

        mask = torch.cat([torch.zeros(len(self.mask), 1, dtype=torch.long), self.mask.long()], 1)
        return {"input_ids": mask, "attention_mask": mask, "completion_mask": mask}

    def told(self, loss: Any) -> dict[str, Any]:
        """The value and the gradient, record by record."""
        import torch

        (found,) = torch.autograd.grad(loss, self.policy, allow_unused=True)
        found = torch.zeros_like(self.policy) if found is None else found
        row = {place: number for number, place in enumerate(self.places)}
        ordered = [row[r, k] for r in range(self.shape[0]) for k in range(self.shape[1])]
        gradient = [value for number in ordered for value in found[number, : self.lengths[number]].tolist()]
        return {"value": float(loss.detach()), "gradient": [float(f"{value:.12g}") for value in gradient]}


def trainer(**settings: Any) -> Any:
    """What the methods of TRL's trainers ask of the trainer that they belong to."""
    import torch

    same = {name: (lambda value, **_: value) for name in ("gather", "gather_for_metrics", "reduce")}
    accelerator = SimpleNamespace(device=torch.device("cpu"), num_processes=1, **same)
    known = {"model": SimpleNamespace(training=True), "accelerator": accelerator, "aux_loss_enabled": False}
    return SimpleNamespace(**known, _metrics={"train": _Anything()}, _total_train_tokens=0, _tp_size=1, **settings)


class _Anything(dict[str, list[float]]):
    def __missing__(self, name: str) -> list[float]:
        return self.setdefault(name, [])


def dpo(batch: dict[str, Any], kind: str, **settings: Any) -> dict[str, Any]:
    from trl import DPOTrainer

    rows, (loss, _, divergence) = Rows(batch), kind.partition(", ")
    known = {"beta": BETA, "label_smoothing": 0.0, "loss_types": [loss], "loss_weights": [1.0], "ld_alpha": None}
    known |= {"f_divergence_type": divergence or "reverse_kl", "use_weighting": False}
    told = trainer(**(known | settings), precompute_ref_logps=True, args=SimpleNamespace(discopop_tau=0.05))
    reference = (rows.fields["reference"] * rows.mask).sum(1)
    first, second = reference.chunk(2)
    given = rows.inputs | {"ref_chosen_logps": first, "ref_rejected_logps": second}
    return rows.told(DPOTrainer._compute_loss(told, lambda **_: rows.outputs, given, False))


def kto(batch: dict[str, Any], kind: str, **settings: Any) -> dict[str, Any]:
    import torch
    from trl import KTOTrainer

    rows, n = Rows(batch), len(batch["policy"])
    summed, reference = rows.masked.sum(1), (rows.fields["reference"] * rows.mask).sum(1)
    told = trainer(beta=BETA, loss_type=kind, precompute_ref_logps=True, calculate_KL=kind == "kto", **settings)
    told._compute_kl_logps = lambda *_: summed[n:].detach()
    given = {name: value[:n] for name, value in rows.inputs.items()}
    given |= {"label": torch.tensor(batch["label"], dtype=torch.bool), "ref_logps": reference[:n]}
    network = SimpleNamespace(**{name: value[:n] for name, value in vars(rows.outputs).items()})
    given["ref_KL_logps"] = reference[n:]
    return rows.told(KTOTrainer._compute_loss(told, lambda **_: network, given, False))


def groups(batch: dict[str, Any], kind: str, **settings: Any) -> dict[str, Any]:
    import torch
    from trl import GRPOConfig, GRPOTrainer

    rows, (loss, _, level) = Rows(batch, by="record"), kind.partition(", ")
    known = {"beta": 0.0, "epsilon_low": 0.2, "epsilon_high": 0.2, "max_completion_length": LONGEST, "loss_type": loss}
    known |= {"importance_sampling_level": "sequence" if level == "sequence" else "token", "top_entropy_quantile": 1.0}
    known |= {"off_policy_mask_threshold": None, "use_vllm": False, "current_gradient_accumulation_steps": 1}
    fields = GRPOConfig.__dataclass_fields__
    args = {name: fields[name].default for name in ("delta", "sapo_temperature_pos", "sapo_temperature_neg")}
    told = trainer(**(known | settings), _entropy_bonus_enabled=False)
    told.args = SimpleNamespace(**args, use_bias_correction_kl=False, steps_per_generation=1)
    told._get_per_token_logps_and_entropies = lambda *_, **__: (rows.masked, torch.zeros_like(rows.policy), None)
    return rows.told(GRPOTrainer._compute_loss(told, None, _drawn(rows, batch)))


def rloo(batch: dict[str, Any], *, moved: bool) -> dict[str, Any]:
    """`moved`: the policy is no longer the one that drew the outputs."""
    import torch
    from trl import RLOOTrainer

    rows = Rows(batch, by="record")
    told = trainer(epsilon_low=0.2, epsilon_high=0.2)
    told._get_per_token_logps_and_entropies = lambda *_, **__: (rows.masked, torch.zeros_like(rows.policy), None)
    before = rows.fields["behaviour"] * rows.mask if moved else rows.masked.detach()
    return rows.told(RLOOTrainer._compute_loss(told, None, _drawn(rows, batch) | {"old_logps": before.sum(1)}))


def _drawn(rows: Rows, batch: dict[str, Any]) -> dict[str, Any]:
    import torch

    mask = rows.mask.long()
    return {
        "prompt_ids": mask[:, :1],
        "prompt_mask": torch.ones_like(mask[:, :1]),
        "completion_ids": mask,
        "completion_mask": mask,
        "num_items_in_batch": mask.sum(),
        "advantages": torch.tensor([own for row in batch["advantage"] for own in row], dtype=torch.float64),
        "old_per_token_logps": rows.fields["behaviour"] * rows.mask,
        "ref_per_token_logps": rows.fields["reference"] * rows.mask,
    }


def reward(batch: dict[str, Any], *, margin: bool, centre: float | None) -> dict[str, Any]:
    import torch
    from trl import RewardTrainer

    rows = Rows(batch)
    told = trainer(args=SimpleNamespace(center_rewards_coefficient=centre))
    given = {"margin": torch.tensor(batch["margin"], dtype=torch.float64)} if margin else {}
    network = SimpleNamespace(logits=rows.policy)
    return rows.told(RewardTrainer.compute_loss(told, lambda **_: network, given | {"attention_mask": rows.mask}))


def means(rows: Rows) -> tuple[Any, Any]:
    """Of both outputs, as TRL's `get_batch_logps` averages them."""
    first, second = (rows.masked.sum(1) / rows.mask.sum(1)).chunk(2)
    return first, second


def cpo(batch: dict[str, Any], kind: str, smoothing: float) -> dict[str, Any]:
    from trl.experimental.cpo import CPOTrainer

    rows = Rows(batch)
    told = trainer(alpha=0.0, beta=2.0, simpo_gamma=1.0, loss_type=kind, label_smoothing=smoothing)
    given = means(rows) if kind == "simpo" else rows.masked.sum(1).chunk(2)
    return rows.told(CPOTrainer.cpo_loss(told, *given)[0].mean())


def orpo(batch: dict[str, Any]) -> dict[str, Any]:
    """The part of odds alone, turned to what is minimised."""
    from trl.experimental.orpo import ORPOTrainer

    rows = Rows(batch)
    return rows.told(-ORPOTrainer.odds_ratio_loss(trainer(beta=BETA), *means(rows))[0].mean())


def cases(data: dict[str, Any]) -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """The name of each case, its batch, and what finds it."""
    for name in ("pairs", "far"):
        for kind, settings in DPO.items():
            if name == "pairs" or kind in FAR:
                yield f"dpo: {kind}", name, lambda own=data[name], k=kind, s=settings: dpo(own, k, **s)
    yield "dpo: aot", "one pair", lambda: dpo(data["one pair"], "aot", label_smoothing=SMOOTH)
    weights = {"desirable_weight": 1.2, "undesirable_weight": 0.8}
    for kind, name in (("kto", "called"), ("kto", "called, above"), ("apo_zero_unpaired", "called")):
        yield f"kto: {kind}", name, lambda own=data[name], k=kind: kto(own, k, **weights)
    for kind, settings in GROUPS.items():
        yield f"grpo: {kind}", "groups", lambda k=kind, s=settings: groups(data["groups"], k, **s)
    for moved in (True, False):
        yield f"rloo{'' if moved else ': as drawn'}", "groups", lambda m=moved: rloo(data["groups"], moved=m)
    for margin, centre in ((False, None), (True, None), (True, 0.05)):
        name = f"reward{', margin' * margin}{', centred' * (centre is not None)}"
        yield name, "rewards", lambda m=margin, c=centre: reward(data["rewards"], margin=m, centre=c)
    for kind, smoothing in (("simpo", 0.0), ("sigmoid", SMOOTH), ("hinge", 0.0)):
        yield f"cpo: {kind}", "whole pairs", lambda k=kind, s=smoothing: cpo(data["whole pairs"], k, s)
    yield "orpo: odds", "whole pairs", lambda: orpo(data["whole pairs"])


def found() -> dict[str, Any]:
    import torch
    import transformers
    import trl

    transformers.logging.set_verbosity_error()
    data = batches()
    told = {f"{name} | {batch}": find() for name, batch, find in cases(data)}
    versions = {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
    return {"versions": versions, "batches": data, "losses": told}


def close(ours: Any, theirs: Any) -> bool:
    return abs(ours - theirs) <= 1e-9 * max(1.0, abs(theirs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="compare with the file, where TRL is installed")
    parser.add_argument("--out", type=Path, help="write the values there")
    options = parser.parse_args()
    try:
        import trl  # noqa: F401
    except ImportError:
        print("skipped: TRL is not installed here (see the file's head)")
        return
    told = found()
    if options.out and not options.quick:
        lines = [f"{json.dumps(name)}: {json.dumps(own)}" for name, own in told["losses"].items()]
        head = json.dumps({name: own for name, own in told.items() if name != "losses"})
        options.out.write_text(head[:-1] + ',\n"losses": {\n' + ",\n".join(lines) + "\n}}\n")
        print(f"{len(told['losses'])} losses written to {options.out}")
        return
    held = json.loads(FILE.read_text())["losses"]
    apart = [
        name
        for name, own in told["losses"].items()
        if not close(own["value"], held[name]["value"])
        or not all(close(*pair) for pair in zip(own["gradient"], held[name]["gradient"], strict=True))
    ]
    print(f"{len(told['losses'])} losses, {len(apart)} not as in {FILE.name}: {', '.join(apart) or 'none'}")
    sys.exit(bool(apart))


if __name__ == "__main__":
    main()
