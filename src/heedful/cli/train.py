"""`heedful train`: a model that has learnt from feedback."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from heedful.cli import flags

if TYPE_CHECKING:
    from heedful.core import InputError
    from heedful.feedback import Feedback


def train(
    model: Annotated[str, typer.Option(help="Folder of a causal language model.")],
    objective: Annotated[
        str, typer.Option(help="What to learn, and how: sft, dpo, kto, rloo ... (docs/training.md lists all).")
    ],
    out: Annotated[str, typer.Option(help="Folder for the model; the same command goes on where one was stopped.")],
    feedback: Annotated[
        list[str] | None,
        typer.Argument(help="Feedback files, folders or globs; .gz and .zst are read too.", metavar="FEEDBACK"),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the objective, NAME=VALUE: strength=5.")
    ] = None,
    passes: Annotated[float, typer.Option(help="How often each example is trained on.", min=0)] = 1.0,
    steps: Annotated[int | None, typer.Option(help="So many steps, instead of passes.", min=1)] = None,
    batch: Annotated[int, typer.Option(help="Examples a step, or prompts a round.", min=1)] = 32,
    tokens: Annotated[int, typer.Option(help="Tokens read at once at most; steps are cut to it.", min=1)] = 8192,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.", min=0)] = 1e-5,
    warmup: Annotated[int, typer.Option(help="Steps in which it rises to that.", min=0)] = 0,
    decay: Annotated[
        Literal["constant", "linear", "cosine"], typer.Option(help="How it falls until the last step.")
    ] = "linear",
    lora: Annotated[
        int | None, typer.Option(help="Train an adapter of this rank, and not the whole model.", min=1)
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Measure by what is held out after so many steps, or rounds.", min=1)
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many measurements without gain, and keep the best.", min=1)
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")] = False,
    held: Annotated[float, typer.Option(help="Share of contexts held out, to measure by.", min=0, max=0.9)] = 0.1,
    rounds: Annotated[
        int | None, typer.Option(help="Learn in so many rounds from outputs of its own, by evidence on them.", min=1)
    ] = None,
    prompts: flags.Prompts = None,
    evidence: flags.Evidence = None,
    matching: flags.Matching = None,
    json_schema: flags.JsonSchema = None,
    tests: flags.Tests = None,
    unsafe: flags.Unsafe = False,
    otherwise: Annotated[
        float | None, typer.Option(help="What an output earns that the evidence rules out (nats).")
    ] = None,
    right: Annotated[float | None, typer.Option(help="What an output earns more than, to be right (nft; 0).")] = None,
    gold: Annotated[
        list[str] | None,
        typer.Option(help="A posterior of what outputs are really worth; a fall on prompts held out stops the rounds."),
    ] = None,
    outputs: Annotated[int | None, typer.Option("--outputs", "-n", help="Outputs to each prompt (8).", min=1)] = None,
    max_tokens: Annotated[int | None, typer.Option(help="An output ends after so many tokens (256).", min=1)] = None,
    budget: Annotated[float | None, typer.Option(help="At most so many tokens written.", min=0)] = None,
    criterion: Annotated[str | None, typer.Option(help="Train on judgements by this criterion alone.")] = None,
    longest: Annotated[
        int | None, typer.Option(help="Tokens of prompt and output at most; longer ones are dropped, and told.", min=2)
    ] = None,
    cut: Annotated[bool, typer.Option("--cut", help="Cut the beginning of prompts instead.")] = False,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(help="Multiply matrices in bfloat16, by default on a GPU that has it; weights stay in float32."),
    ] = None,
    cache: Annotated[
        str | None, typer.Option(help="Folder that keeps what the model says as it is, for other runs.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a GPU where there is one.")] = None,
    mapping: Annotated[str | None, typer.Option(help="A TOML file that says where each field stands.")] = None,
    input_format: Annotated[str | None, typer.Option("--format", help="Read as this format.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Train a model on feedback, or in rounds on its own outputs; measured on contexts it has not seen."""
    given = dict(locals())
    from heedful.cli import practice
    from heedful.cli.printing import printed

    if rounds is not None:
        practised = practice.practised(given)
        printed(as_json, practised, lambda: practice.told(practised))
        return
    practice.refuse_flags(given, practice.OF_ROUNDS, "this is of training in --rounds")
    result = _trained(given)
    if result is not None:
        printed(as_json, result, lambda: _told(result))


def _trained(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """What came of training on feedback as the flags say; None where another process says it."""
    from heedful.cli.progress import stepping
    from heedful.core import UsageError
    from heedful.feedback import read
    from heedful.loops.folders import refuse_folder
    from heedful.loops.training import Training
    from heedful.loops.training import train as train_on
    from heedful.training.processes import joined

    if not given["feedback"]:
        fix = "name files of it, or give --rounds with --prompts and --evidence"
        raise UsageError("there is no feedback to learn from", where="heedful train", fix=fix)
    how = Training(
        given["model"],
        given["objective"],
        tuple(given["setting"] or ()),
        board=given["tensorboard"],
        **{name: given[name] for name in _SAME},
    )
    with joined() as processes:
        if processes.first:
            refuse_folder(Path(given["out"]))
        found = read(given["feedback"], mapping=given["mapping"], format=given["input_format"])
        if not len(found.table):
            raise _nothing_read(found)
        with stepping() as show:
            result = train_on(found.table, how, Path(given["out"]), watch=show) | {"rejected": len(found.rejects)}
        return result if processes.first else None


_SAME = ("passes", "steps", "batch", "tokens", "learning_rate", "warmup", "decay", "lora", "every", "patience", "held",
         "criterion", "longest", "cut", "device", "precision", "cache", "seed")  # fmt: skip


def _nothing_read(found: Feedback) -> InputError:
    """That no record of the feedback could be read, and why the first one could not."""
    from heedful.core import InputError

    first = next(iter(found.rejects), None)
    why = "" if first is None else f" (the first of {len(found.rejects):,}, line {first.line}: {first.reason})"
    where = ", ".join(source.path for source in found.sources)
    return InputError(f"there is no record that can be read{why}", where=where, fix="heedful check says more")


def _told(result: Mapping[str, Any]) -> str:
    """What became of the records, how the model does on contexts it has not seen, and where it lies."""
    data, held = result["data"], result["held_out"]
    rejected = f", {result['rejected']:,} more could not be read (heedful check says why)" if result["rejected"] else ""
    lines = [
        f"{result['objective']} ({result['claim']}): {result['steps']:,} steps in {result['seconds']:,.0f} s",
        f"Records: {data['used']:,} of {data['read']:,} used, as {data['examples']:,} examples{rejected}",
        *_lost(data),
    ]
    if "before" in held:
        change, p = held["change"], held["p_value"]
        interval = change["interval"]
        how = change["note"] if interval is None else f"[{interval['low']:+.3f}, {interval['high']:+.3f}], p = {p:.2g}"
        lines.append(
            f"Loss on {held['data']['examples']:,} examples held out: {held['before']:.4f} before, "
            f"{held['after']['value']:.4f} after; change {change['value']:+.4f} ({how})"
        )
    elif held["data"]["read"]:
        lines.append(f"None of {held['data']['read']:,} records held out could be measured by")
    lines += _lost(held["data"])
    if result["stopped"] is not None:
        best = result["stopped"]
        examples = f"{best['data']['examples']:,} other examples held out"
        lines.append(f"Best at step {best['step']:,}, by {examples}: {best['loss']:.4f}, chosen, so optimistic")
        lines += _lost(best["data"])
    lines += [finding["message"] for finding in result["findings"]]
    what = "Model" if Path(result["folder"]).name == "model" else f"Adapter of {result['model']}"
    return "\n".join([*lines, f"{what}: {result['folder']}"])


def _lost(data: Mapping[str, Any]) -> list[str]:
    """Records that were dropped, cut or used in part, by reason."""
    return [f"  {what}: {n:,} {why}" for what in ("dropped", "cut", "partly") for why, n in data[what].items()]
