"""`heedful sample`: answers from a model, tilted by what people want."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from heedful.cli import flags

EngineName = Literal[
    "best-of-n",
    "early",
    "soft",
    "rejection",
    "metropolis",
    "tempered",
    "particles",
    "particle-gibbs",
    "guided",
    "beam",
]


def sample(
    model: Annotated[str, typer.Option(help="Folder of a causal language model, or the URL of a server.")],
    evidence: flags.Evidence = None,
    matching: flags.Matching = None,
    json_schema: flags.JsonSchema = None,
    tests: flags.Tests = None,
    unsafe: flags.Unsafe = False,
    prompt: flags.Prompt = None,
    prompts: flags.Prompts = None,
    served: Annotated[str | None, typer.Option(help="The model's name on the server.")] = None,
    key: Annotated[str | None, typer.Option(help="Environment variable that holds the server's key.")] = None,
    engine: Annotated[
        EngineName,
        typer.Option(help="best-of-n, early and beam look for the best; the others draw from the target, or near it."),
    ] = "best-of-n",
    n: Annotated[
        int | None, typer.Option("--outputs", "-n", help="Outputs or particles for each prompt (16).", min=1)
    ] = None,
    budget: Annotated[float | None, typer.Option(help="At most so many model tokens.", min=0)] = None,
    pessimism: Annotated[
        float, typer.Option(help="Lower scores by so many standard deviations (best-of-n, early).", min=0)
    ] = 0.0,
    price: Annotated[float | None, typer.Option(help="Nats of score that one more output costs (early).")] = None,
    bound: Annotated[float | None, typer.Option(help="Nats that no score exceeds (rejection).")] = None,
    moves: Annotated[int | None, typer.Option(help="Moves of tempered or particle-gibbs.", min=0)] = None,
    width: Annotated[int | None, typer.Option(help="Tokens tried at each place (guided, beam).", min=1)] = None,
    prefixes: Annotated[
        bool, typer.Option("--prefixes", help="Ask posteriors about unfinished outputs (particles, particle-gibbs).")
    ] = False,
    journal: Annotated[
        str | None,
        typer.Option(help="File of a server's answers, by default OUT.journal: what was stopped goes on."),
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="An output ends after so many tokens.", min=1)] = 256,
    temperature: Annotated[float, typer.Option(help="Of the model's own law.", min=0)] = 1.0,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it can cost at most, and stop.")] = False,
    out: Annotated[str | None, typer.Option(help="Write the answers here, as JSON Lines.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Draw answers from a model, tilted by what people want."""
    from heedful.cli import text
    from heedful.cli.opening import behind_server, capped, opened, refuse_place
    from heedful.cli.printing import printed
    from heedful.core import UsageError
    from heedful.loops import Sampling, evidence_of, planned_cost
    from heedful.loops import sample as draw

    with _flags():
        how = Sampling(engine, n, budget, pessimism, seed, price, bound, moves, width, prefixes)
    contexts = flags.contexts_of(prompt or [], prompts, "heedful sample")
    if out is not None and not plan:
        refuse_place(out, [prompts, tests, json_schema, journal, *(evidence or ())])
    if not behind_server(model) and journal is not None:
        raise UsageError("a journal is of a server's answers", where="--journal", fix="leave it out")
    kept = None if plan else journal or (f"{out}.journal" if out and behind_server(model) else None)
    told = (
        None
        if plan
        else evidence_of(
            evidence or (),
            matching=matching or (),
            schema=json_schema,
            prefixes=how.reads_prefixes,
            tests=tests,
            unsafe=unsafe,
        )
    )
    about: Any = {"max_tokens": max_tokens, "temperature": temperature, "caps": capped(tokens=budget), "journal": kept}
    with opened(model, served, key, **about) as base:
        cost = planned_cost(base, contexts, how)
        if told is None:
            printed(as_json, {"plan": cost}, lambda: text.cost("At most", cost))
            return
        if behind_server(model):
            typer.echo(text.cost("At most", cost), err=True)
        result = draw(base, contexts, told, how)
    if out is not None:
        _write(result["samples"], Path(out))
    printed(as_json, result, lambda: text.sampled(result, out))


@contextmanager
def _flags() -> Iterator[None]:
    """Errors about an option of `Sampling`, about the flag that sets it."""
    from heedful.core import UsageError

    try:
        yield
    except UsageError as error:
        flag = "-n" if error.where == "n" else f"--{error.where}"
        raise UsageError(error.what, where=flag, fix=error.fix) from error


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    """As JSON Lines, whole or not at all."""
    import json

    from heedful.feedback.atomic import Replacement

    with Replacement(path) as replacement:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        replacement.temporary.write_text("".join(lines), "utf-8")
