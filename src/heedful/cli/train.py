"""`heedful train`: a model that has learnt from feedback."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from heedful.core import InputError
    from heedful.feedback import Feedback


def train(
    feedback: Annotated[
        list[str],
        typer.Argument(help="Feedback files, folders or globs; .gz and .zst are read too.", metavar="FEEDBACK"),
    ],
    model: Annotated[str, typer.Option(help="Folder of a causal language model.")],
    objective: Annotated[
        str, typer.Option(help="What to learn, and how: sft, dpo, kto, ... (docs/training.md lists all).")
    ],
    out: Annotated[str, typer.Option(help="Folder for the model; the same command goes on where one was stopped.")],
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the objective, NAME=VALUE: strength=5.")
    ] = None,
    passes: Annotated[float, typer.Option(help="How often each example is trained on.", min=0)] = 1.0,
    steps: Annotated[int | None, typer.Option(help="So many steps, instead of passes.", min=1)] = None,
    batch: Annotated[int, typer.Option(help="Examples a step.", min=1)] = 32,
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
        int | None, typer.Option(help="Measure the loss on what is held out after so many steps.", min=1)
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many measurements without gain, and keep the best.", min=1)
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")] = False,
    held: Annotated[float, typer.Option(help="Share of contexts held out, to measure by.", min=0, max=0.9)] = 0.1,
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
    """Train a model on feedback, measured on contexts it has not seen."""
    from heedful.cli.printing import printed
    from heedful.cli.progress import stepping
    from heedful.feedback import read
    from heedful.loops.training import Training, refuse_folder
    from heedful.loops.training import train as trained

    how = Training(
        model,
        objective,
        tuple(setting or ()),
        passes=passes,
        steps=steps,
        batch=batch,
        tokens=tokens,
        learning_rate=learning_rate,
        warmup=warmup,
        decay=decay,
        lora=lora,
        every=every,
        patience=patience,
        board=tensorboard,
        held=held,
        criterion=criterion,
        longest=longest,
        cut=cut,
        device=device,
        precision=precision,
        cache=cache,
        seed=seed,
    )
    refuse_folder(Path(out))
    found = read(feedback, mapping=mapping, format=input_format)
    if not len(found.table):
        raise _nothing_read(found)
    with stepping() as show:
        result = trained(found.table, how, Path(out), watch=show) | {"rejected": len(found.rejects)}
    printed(as_json, result, lambda: _told(result))


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
