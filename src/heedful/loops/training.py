"""From feedback and a model to a model that has learnt from it, and how it does on feedback it did not see."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from heedful.core import Finding, FitError, Floats, UsageError
from heedful.evaluation import hold_out
from heedful.feedback import Table
from heedful.feedback.atomic import Replacement
from heedful.stats import mean_estimate, paired_difference

if TYPE_CHECKING:
    from heedful.models.local_folder import LoadedModel
    from heedful.training.data import Data
    from heedful.training.objectives.base import TokenObjective
    from heedful.training.trainer import Trainer

Watch = Callable[[Mapping[str, Any]], None]
_SAVES = 10  # checkpoints on the way
TAKES: Mapping[str, str] = {
    "wanted": "demonstrations, edits, preferred outputs or ones labelled good",
    "called": "labels, ratings, comparisons or demonstrations",
    "paired": "comparisons, rankings, choices, edits, or grades of several outputs of a context",
    "ordered": "rankings, comparisons, choices, edits, or grades of several outputs of a context",
}


@dataclass(frozen=True, slots=True)
class Training:
    """What to train on feedback and how; `passes` over the examples in steps of `batch`, unless `steps` are told.

    objective   a name of `heedful.training.named.NAMED`, with `settings` such as "strength=5"
    held        the share of contexts that are not trained on, by which the model is measured before and after
    longest     tokens of a prompt and one output at most; `cut` prompts that are longer, and do not drop their records
    """

    model: str
    objective: str
    settings: tuple[str, ...] = ()
    passes: float = 1.0
    steps: int | None = None
    batch: int = 32
    tokens: int = 8192
    learning_rate: float = 1e-5
    warmup: int = 0
    decay: Literal["constant", "linear", "cosine"] = "linear"
    held: float = 0.1
    criterion: str | None = None
    longest: int | None = None
    cut: bool = False
    template: Literal["chat", "plain"] | None = None
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.passes < math.inf and 0 <= self.held < 1):
            raise UsageError(f"{self.passes} passes, {self.held} held out", where="Training")


def train(table: Table, how: Training, out: Path, *, watch: Watch = lambda told: None) -> dict[str, Any]:
    """Train, write the model to `out`/model, and say as JSON values what came of the feedback and of the model.

    What the same call began in `out` goes on from its last checkpoint. `out` holds `checkpoints`, `lost.jsonl` (records
    dropped or cut, and why) and `summary.json` beside the model. Raises FitError where no record teaches what the
    objective learns from, UsageError and InputError for options, folders and records that cannot be used.
    """
    from heedful.models.local_folder import check_folder, load
    from heedful.training.named import objective_of
    from heedful.training.saving import save_model

    objective = objective_of(how.objective, how.settings)
    check_folder(Path(how.model), None)
    refuse_folder(out)
    findings: list[Finding] = []
    kept, held = _split(table, how, findings)
    loaded = load(Path(how.model), None, how.device, "float32")
    data, other = _examples(kept, loaded, how), _examples(held, loaded, how)
    _refuse_nothing(data, how)
    _write_lost(out, (data, other))
    measure = _Held(loaded.network, other, objective, how.tokens)
    before, begun = measure(), time.process_time()
    trainer = _trained(loaded.network, data, objective, how, out, watch)
    seconds = time.process_time() - begun
    save_model(trainer.network, loaded.tokenizer, out / "model")
    summary = {
        "objective": how.objective,
        "claim": objective.claim,
        "model": how.model,
        "steps": trainer.done,
        "seconds": round(seconds, 3),
        "data": data.account(),
        "held_out": {"data": other.account(), **_compared(before, measure(), other)},
        "findings": [asdict(finding) for finding in findings],
        "folder": str(out / "model"),
    }
    with Replacement(out / "summary.json") as replacement:
        replacement.temporary.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    return summary


def refuse_folder(out: Path) -> None:
    """Raises UsageError where `out` holds something that training did not put there."""
    if out.is_dir() and any(out.iterdir()) and not (out / "checkpoints").is_dir():
        raise UsageError("there is something else in this folder", where=str(out), fix="name a new folder")
    if out.exists() and not out.is_dir():
        raise UsageError("this is a file", where=str(out), fix="name a new folder")


def _split(table: Table, how: Training, findings: list[Finding]) -> tuple[Table, Table]:
    if how.held == 0:
        return table, table.take([])
    return hold_out(table, fraction=how.held, seed=how.seed, findings=findings)


def _examples(table: Table, loaded: LoadedModel, how: Training) -> Data:
    from heedful.training.data import data_of
    from heedful.training.named import NAMED

    named = NAMED[how.objective]
    return data_of(
        table,
        loaded,
        named.form,
        criterion=how.criterion,
        template=how.template,
        longest=how.longest,
        cut=how.cut,
        others=named.others,
    )


def _refuse_nothing(data: Data, how: Training) -> None:
    """Raises FitError where there is no example."""
    from heedful.training.named import NAMED

    if not data.examples:
        reasons = "; ".join(f"{n} {why}" for why, n in data.account()["dropped"].items()) or "there are no records"
        fix = f"give {TAKES[NAMED[how.objective].form]}, or take another objective"
        raise FitError(f"no record teaches {how.objective} anything ({reasons})", fix=fix)


def _write_lost(out: Path, found: Sequence[Data]) -> None:
    """Each record that was dropped or cut, as JSON Lines, and the place for checkpoints."""
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    rows = [(kind, lost) for data in found for kind in ("dropped", "cut") for lost in getattr(data, kind)]
    with Replacement(out / "lost.jsonl") as replacement:
        lines = (json.dumps({"what": kind, **asdict(lost)}, ensure_ascii=False) + "\n" for kind, lost in rows)
        replacement.temporary.write_text("".join(lines), "utf-8")


def _trained(network: Any, data: Data, objective: TokenObjective, how: Training, out: Path, watch: Watch) -> Trainer:
    from heedful.training.checkpoints import resume, save
    from heedful.training.trainer import Recipe, Trainer

    steps = how.steps or math.ceil(how.passes * len(data.examples) / how.batch)
    recipe = Recipe(
        steps,
        batch=how.batch,
        tokens=how.tokens,
        learning_rate=how.learning_rate,
        warmup=how.warmup,
        decay=how.decay,
        seed=how.seed,
    )
    trainer, folder = Trainer(network, data.examples, objective, recipe), out / "checkpoints"
    resume(trainer, folder)
    while trainer.done < steps:
        trainer.run(watch, until=trainer.done + math.ceil(steps / _SAVES))
        save(trainer, folder)
    return trainer


class _Held:
    """The losses [n] of a network on examples it is not trained on, against itself as it was at first."""

    def __init__(self, network: Any, data: Data, objective: TokenObjective, tokens: int) -> None:
        from heedful.training.trainer import scored

        self.network, self.examples, self.objective, self.tokens = network, data.examples, objective, tokens
        asked = objective.needs_reference and len(data.examples)
        self.reference = scored(network, data.examples, tokens) if asked else None

    def __call__(self) -> Floats | None:
        from heedful.training.held_out import losses

        if not self.examples:
            return None
        return losses(self.network, self.examples, self.objective, self.reference, self.tokens)


def _compared(before: Floats | None, after: Floats | None, data: Data) -> dict[str, Any]:
    """The loss on held-out examples, and what it changed by, clustered by context."""
    if before is None or after is None:
        return {}
    contexts = [np.unique(data.contexts, return_inverse=True)[1]]
    change, p_value = paired_difference(after, before, clusters=contexts)
    return {
        "before": float(before.mean()),
        "after": asdict(mean_estimate(after, clusters=contexts)),
        "change": asdict(change),
        "p_value": None if math.isnan(p_value) else p_value,
    }
