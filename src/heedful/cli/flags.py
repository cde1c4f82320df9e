"""Flags that several commands have: evidence, and prompts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Evidence = Annotated[
    list[str] | None,
    typer.Option(
        "--evidence",
        help="A posterior of texts (heedful fit --out), FOLDER or FOLDER=STRENGTH; give several to add.",
    ),
]
Matching = Annotated[
    list[str] | None, typer.Option("--matching", help="A regular expression that an output must match whole.")
]
JsonSchema = Annotated[
    str | None, typer.Option("--json-schema", help="A file: the JSON Schema that an output must follow.")
]
Tests = Annotated[
    str | None,
    typer.Option(
        "--tests",
        help="Tests that outputs, programs, must pass: asserts in Python, or rows of prompt and tests.",
    ),
]
Unsafe = Annotated[bool, typer.Option("--unsafe", help="Run programs under test without isolation.")]
Prompt = Annotated[list[str] | None, typer.Option("--prompt", help="A prompt; give several for several answers.")]
Prompts = Annotated[
    str | None, typer.Option("--prompts", help="A file of prompts: rows with a field prompt or context.")
]


def contexts_of(prompt: list[str], prompts: str | None, command: str) -> tuple[Any, ...]:
    """The contexts of prompts and of a file of them. Raises UsageError where there are none."""
    from heedful.core import UsageError
    from heedful.core.items import text_parts
    from heedful.feedback import read_contexts

    found = (*(text_parts(own, "world") for own in prompt), *(read_contexts(prompts) if prompts else ()))
    if not found:
        raise UsageError("there is no prompt", where=command, fix="give --prompt TEXT or --prompts FILE")
    return found
