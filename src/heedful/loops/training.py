"""From feedback and a model to a model that has learnt from it, and how it does on feedback it did not see."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from heedful.core import Finding, FitError, UsageError
from heedful.evaluation import hold_out
from heedful.feedback import Table
from heedful.loops.folders import begin, refuse_folder, saved, write_lost, write_summary
from heedful.loops.measuring import Held, compared, doubts, reference_of, stopped, stopping_by
from heedful.loops.running import Watch, run

if TYPE_CHECKING:
    from heedful.models.local_folder import LoadedModel
    from heedful.training.data import Data, Lost
    from heedful.training.heads import LoadedHead
    from heedful.training.trainer import Recipe

TAKES: Mapping[str, str] = {
    "wanted": "demonstrations, edits, preferred outputs or ones labelled good",
    "called": "labels, ratings, comparisons, demonstrations or (addressed) marks of steps",
    "paired": "comparisons, rankings, choices, edits, or grades of several outputs of a context",
    "ordered": "rankings, comparisons, choices, edits, or grades of several outputs of a context",
}


@dataclass(frozen=True, slots=True)
class Training:
    """What to train on feedback and how; `passes` over the examples in steps of `batch`, unless `steps` are told.

    objective   a name of `heedful.training.named.NAMED`, with `settings` such as "strength=5"
    held        the share of contexts that are not trained on, by which the model is measured before and after
    longest     tokens of a prompt and one output at most; `cut` prompts that are longer, and do not drop their records
    lora        the rank of an adapter that is trained in the place of the whole network
    every       steps after which the loss on what is held out is measured; a tenth of all where it is not told
    patience    to stop once so many measurements brought nothing, and to keep the weights that had the least loss. It
                is measured on half of what is held out, and the model on the other half
    precision   of the network's products, as `heedful.training.trainer.Recipe` has it
    cache       a folder that keeps log-probabilities under the model as it was, for other runs on the same examples
    board       whether to write TensorBoard's files too
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
    lora: int | None = None
    every: int | None = None
    patience: int | None = None
    precision: Literal["float32", "bfloat16"] | None = None
    cache: str | None = None
    board: bool = False
    held: float = 0.1
    criterion: str | None = None
    longest: int | None = None
    cut: bool = False
    template: Literal["chat", "plain"] | None = None
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.passes < math.inf and self.batch > 0 and 0 <= self.held < 1):
            what = f"{self.passes} passes in steps of {self.batch}, {self.held} held out"
            raise UsageError(what, where="Training")
        if self.held == 0 and (self.patience is not None or self.every is not None):
            fix = "hold some contexts out"
            raise UsageError("nothing is held out to measure by on the way", where="Training", fix=fix)


def train(table: Table, how: Training, out: Path, *, watch: Watch = lambda told: None) -> dict[str, Any]:
    """Train, write the model to `out`/model, or its adapter to `out`/adapter, and say as JSON values what came of the
    feedback and of the model.

    What the same call began in `out` goes on from its last checkpoint. `out` holds `checkpoints`, `metrics.jsonl` (a
    step a line), `lost.jsonl` (records dropped, cut or used in part, and why) and `summary.json` beside the model. Of
    several processes (`heedful.training.processes.joined`), which take the steps of one, the first writes.
    Raises FitError where no record teaches what the objective learns from, nothing tells when to stop or the model is
    broken by it, UsageError and InputError for options, folders and records that cannot be used.
    """
    from heedful.models.local_folder import check_folder
    from heedful.models.sentence_folder import digest
    from heedful.training.adapters import adapted
    from heedful.training.named import NAMED, objective_of
    from heedful.training.processes import Processes
    from heedful.training.trainer import Trainer
    from heedful.training.watching import refuse_board

    objective, writes = objective_of(how.objective, how.settings), Processes().first
    check_folder(Path(how.model), None)
    if writes:
        refuse_folder(out)
    if how.board:
        refuse_board()
    findings: list[Finding] = []
    kept, held = _split(table, how, findings)
    claimed, halting = _halves(held, how)
    loaded = _loaded(how)
    data, other, stop = (_examples(own, loaded, how) for own in (kept, claimed, halting))
    _refuse_nothing(data, how)
    findings += doubts(data, other)
    if how.patience is not None and not stop.examples:
        raise FitError("too little is held out to stop by", fix="raise --held, or do without --patience")
    if how.lora is not None:
        adapted(loaded.network, rank=how.lora, seed=how.seed)
    recipe = _recipe(how, len(data.examples))
    if writes:
        begin(out)
    measure = Held(loaded.network, other, objective, how)
    before, begun = measure(), time.perf_counter()
    reference = reference_of(loaded.network, data, objective, how)
    trainer = Trainer(loaded.network, data.examples, objective, recipe, reference)
    by = measure if how.patience is None else Held(loaded.network, stop, objective, how)
    stopping = stopping_by(by, how, recipe.steps)
    run(trainer, stopping, out, watch, how.board, lambda: write_lost(out, _lost((data, other, stop))))
    seconds, after = time.perf_counter() - begun, measure()
    made = saved(loaded, out, lora=how.lora is not None, head=NAMED[how.objective].head, write=writes)
    summary = {
        "objective": how.objective,
        "claim": objective.claim,
        "model": how.model,
        "model_digest": digest(Path(how.model)),
        "steps": trainer.done,
        "seconds": round(seconds, 3),
        "data": data.account(),
        "held_out": {"data": other.account(), **compared(before, after, other, objective)},
        "stopped": stopped(stopping, stop),
        "findings": [asdict(finding) for finding in findings],
        "folder": str(made),
    }
    return write_summary(out, summary) if writes else summary


def _loaded(how: Training) -> LoadedModel | LoadedHead:
    """A model that writes, or, for an objective of rewards, one with a head of scores."""
    from heedful.models.local_folder import load
    from heedful.training.heads import load_head
    from heedful.training.named import NAMED

    if NAMED[how.objective].head:
        return load_head(Path(how.model), how.device)
    return load(Path(how.model), None, how.device, "float32")


def _split(table: Table, how: Training, findings: list[Finding]) -> tuple[Table, Table]:
    if how.held == 0:
        return table, table.take([])
    return hold_out(table, fraction=how.held, seed=how.seed, findings=findings)


def _halves(held: Table, how: Training) -> tuple[Table, Table]:
    """What the model is measured by in the end, and what says when to stop."""
    if how.patience is None or not len(held):
        return held, held.take([])
    return hold_out(held, fraction=0.5, seed=how.seed)


def _examples(table: Table, loaded: LoadedModel | LoadedHead, how: Training) -> Data:
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
        addressed=named.addressed,
    )


def _refuse_nothing(data: Data, how: Training) -> None:
    """Raises FitError where there is no example."""
    from heedful.training.named import NAMED

    if not data.examples:
        reasons = "; ".join(f"{n} {why}" for why, n in data.account()["dropped"].items()) or "there are no records"
        named = NAMED[how.objective]
        parts = ", of outputs or parts of them" if named.addressed else ""
        fix = f"give {TAKES[named.form]}{parts}, or take another objective"
        raise FitError(f"no record teaches {how.objective} anything ({reasons})", fix=fix)


def _lost(found: Sequence[Data]) -> list[tuple[str, Lost]]:
    return [(kind, lost) for data in found for kind in ("dropped", "cut", "partly") for lost in getattr(data, kind)]


def _recipe(how: Training, n: int) -> Recipe:
    from heedful.training.trainer import Recipe

    return Recipe(
        math.ceil(how.passes * n / how.batch) if how.steps is None else how.steps,
        batch=min(how.batch, n),  # so that a pass has each example once
        tokens=how.tokens,
        learning_rate=how.learning_rate,
        warmup=how.warmup,
        decay=how.decay,
        precision=how.precision,
        seed=how.seed,
    )
