"""From a model, prompts and evidence to a model that has learnt from its own outputs, and how it does on others."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from heedful.core import BudgetExceededError, FitError, InputError, Parts, Potential, UsageError, encode_parts
from heedful.loops.folders import begin, refuse_folder, saved, write_lost, write_summary
from heedful.loops.measuring import changed
from heedful.loops.online import Online, Rounds
from heedful.loops.running import Watch, alone
from heedful.models import LocalModel
from heedful.stats import MIN_CLUSTERS

if TYPE_CHECKING:
    from heedful.training.data import Lost


@dataclass(frozen=True, slots=True)
class Practice:
    """How a model learns from its own outputs: in `rounds`, each of `outputs` outputs to `prompts` prompts, on which
    it is trained `passes` times.

    objective  a name of `heedful.training.named.DRAWN`, with `settings` such as "clip=0.1"
    held       the share of prompts that are not trained on, by which the model is measured before and after
    every      rounds after which worth is measured on them, where it is known
    otherwise  what an output earns that the evidence rules out, in nats
    right      what an output earns more than, to be right (NFT)
    budget     tokens that the model writes at most
    names      what the evidence is called, and known again by
    """

    model: str
    objective: str
    settings: tuple[str, ...] = ()
    rounds: int = 100
    prompts: int = 32
    outputs: int = 8
    passes: int = 1
    tokens: int = 8192
    max_tokens: int = 256
    learning_rate: float = 1e-5
    warmup: int = 0
    decay: Literal["constant", "linear", "cosine"] = "linear"
    lora: int | None = None
    every: int | None = None
    board: bool = False
    held: float = 0.1
    otherwise: float | None = None
    right: float = 0.0
    budget: float | None = None
    names: tuple[str, ...] = ()
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held < 1:
            raise UsageError(f"{self.held} of the prompts held out", where="Practice")


def practise(
    contexts: Sequence[Parts],
    evidence: Potential,
    how: Practice,
    out: Path,
    *,
    gold: Potential | None = None,
    watch: Watch = lambda told: None,
) -> dict[str, Any]:
    """Train on outputs that the model draws, write it to `out` as `heedful.loops.training.train` does, and say as JSON
    values what came of it.

    A checkpoint follows each round, and what the same call began in `out` goes on from it. `gold` is what outputs are
    really worth, where that is known: it is measured on prompts held out, never trained on, and a fall stops the run.
    Raises FitError where no prompt is left or the evidence gives no numbers, BudgetExceededError where not even a round
    fits, UsageError and InputError for options and folders that cannot be used.
    """
    from heedful.models.sentence_folder import digest
    from heedful.training.adapters import adapted
    from heedful.training.named import objective_of
    from heedful.training.processes import Processes
    from heedful.training.trainer import Recipe
    from heedful.training.watching import refuse_board

    if not Processes().alone:
        raise UsageError("rounds are of one process", where="practise", fix="start it without torchrun")
    objective = objective_of(how.objective, how.settings, drawn=True)
    refuse_folder(out)
    if how.board:
        refuse_board()
    policy = LocalModel(how.model, max_tokens=how.max_tokens, device=how.device)
    lines = {own: line for line, own in reversed([*enumerate(contexts, 1)])}  # where each stands first
    kept, lost = _readable(policy, dict(sorted(lines.items(), key=lambda own: own[1])))
    trained, held = _split(kept, how)
    if gold is not None and len(held) < MIN_CLUSTERS:
        fix = f"hold {MIN_CLUSTERS} or more out (--held), of more prompts, or leave out what they are worth"
        raise UsageError(f"worth on {len(held)} prompts held out has no interval", where="gold", fix=fix)
    if how.lora is not None:
        adapted(policy.loaded.network, rank=how.lora, seed=how.seed)
    a_round = min(how.prompts, len(trained))
    left = _left(how, a_round, len(held), gold is not None)
    recipe = Recipe(1, batch=a_round, tokens=how.tokens, learning_rate=how.learning_rate, warmup=how.warmup,
                    decay=how.decay, precision="float32", seed=how.seed)  # fmt: skip
    online = Online(objective, evidence, recipe, how.rounds, a_round, how.outputs, how.passes, gold, how.right,
                    probe=held if gold is not None else (), every=how.every or math.ceil(how.rounds / 10),
                    otherwise=how.otherwise, budget=left, known_by=how.names)  # fmt: skip
    begin(out)
    run, begun = online.begun(policy, trained, seed=how.seed), time.perf_counter()
    before = _measured(run, held)
    with _going_on(run, out, how.board) as write:
        write_lost(out, (("dropped", own) for own in lost))
        while not run.over:
            told = run.round()
            told = {"step": int(told["round"]), **{name: own for name, own in told.items() if name != "round"}}
            write(told)
            watch({**told, "of": how.rounds})
    after = _measured(run, held)
    if run.valued:
        del run.network.value_head
    return write_summary(
        out,
        {
            "objective": how.objective,
            "claim": objective.claim,
            "model": how.model,
            "model_digest": digest(Path(how.model)),
            "evidence": list(how.names),
            "rounds": len(run.told),
            "seconds": round(time.perf_counter() - begun, 3),
            "written": run.written,
            "prompts": {
                "read": len(contexts),
                "again": len(contexts) - len(lines),
                "dropped": dict(Counter(own.why for own in lost).most_common()),
                "trained": len(trained),
                "held": len(held),
            },
            "first": run.told[0],
            "last": run.told[-1],
            "held_out": {name: changed(before[name], after[name]) for name in before},
            "stopped": run.why,
            "folder": str(saved(policy.loaded, out, lora=how.lora is not None, head=False)),
        },
    )


def _readable(policy: LocalModel, lines: Mapping[Parts, int]) -> tuple[list[Parts], list[Lost]]:
    """Prompts that the model reads and has room to answer, and the others. Raises FitError where it reads none."""
    from heedful.training.data import Lost

    kept, lost = [], []
    for context, line in lines.items():
        try:
            policy.reading([context])
            kept.append(context)
        except InputError as error:
            lost.append(Lost(encode_parts(context, "world"), None, line, error.what))
    if not kept:
        why = lost[0].why if lost else "there are none"
        raise FitError(f"no prompt can be answered ({why})", fix="lower --max-tokens, or give other prompts")
    return kept, lost


def _split(contexts: Sequence[Parts], how: Practice) -> tuple[list[Parts], list[Parts]]:
    """Prompts to train on, and those held out."""
    order = np.random.default_rng((how.seed, 3)).permutation(len(contexts))
    n = min(round(how.held * len(contexts)), len(contexts) - 1)
    chosen = set(order[:n].tolist())
    return ([own for k, own in enumerate(contexts) if k not in chosen], [contexts[k] for k in sorted(chosen)])


def _measured(run: Rounds, held: Sequence[Parts]) -> dict[str, Any]:
    """The mean of what outputs to each prompt held out earn [c], and are worth, where that is known."""
    answers = run.answers(held)
    of = {"score": run.how.evidence, "gold": run.how.gold}
    return {name: run.worth(answers, own).mean(1) for name, own in of.items() if own is not None and held}


def _left(how: Practice, a_round: int, held: int, probed: bool) -> float | None:
    """Tokens that rounds may write, and the probe before them, beside what measures the model before and after. Raises
    BudgetExceededError where that is less than a round may take."""
    if how.budget is None:
        return None
    each = how.outputs * how.max_tokens
    least = each * (a_round + (3 if probed else 2) * held)
    if how.budget < least:
        what = f"a round and what is measured before and after may take {least:,} tokens, of {how.budget:,.0f}"
        raise BudgetExceededError(what, where="budget", fix="raise it, or ask for fewer or shorter outputs")
    return how.budget - each * held


@contextmanager
def _going_on(run: Rounds, out: Path, board: bool) -> Iterator[Any]:
    """Gives a function that writes what a round told, and a checkpoint after it; the run is where the last one was."""
    from heedful.training.checkpoints import resume, save
    from heedful.training.watching import written

    folder = out / "checkpoints"
    with alone(folder):
        found = resume(run.trainer, folder, run)
        with written(out, len(run.told) if found else -1, board) as write:

            def kept(told: Mapping[str, float]) -> None:
                write(told)
                save(run.trainer, folder, run)

            yield kept
