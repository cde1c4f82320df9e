"""`heedful export`: a trained model in the form that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    trained: Annotated[str, typer.Argument(help="The folder that heedful train wrote.", metavar="TRAINED")],
    to: Annotated[
        Literal["transformers", "adapter"],
        typer.Option(help="transformers: a whole model, an adapter merged into it; adapter: the adapter alone."),
    ],
    out: Annotated[str, typer.Option(help="Folder to write.")],
    model: Annotated[str | None, typer.Option(help="The base of the adapter, where it has moved.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Write a trained model as a folder that other programs read."""
    from heedful.cli.printing import printed
    from heedful.loops.exporting import export as exported

    result = exported(Path(trained), to, Path(out), model=model)
    what = "Model" if to == "transformers" else "Adapter"
    printed(as_json, result, lambda: f"{what}: {result['folder']}")
