"""`heedful judge`: votes of a model on candidates, pairs or questions, as feedback."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer


def judge(
    candidates: Annotated[
        str, typer.Argument(help="Contexts with outputs, questions (heedful ask --out) or feedback.", metavar="FILE")
    ],
    model: Annotated[str, typer.Option(help="URL of a server, or folder of a causal language model.")],
    out: Annotated[str | None, typer.Option(help="File of votes to write; its ending names the format.")] = None,
    served: Annotated[str | None, typer.Option(help="The model's name on the server.")] = None,
    key: Annotated[str | None, typer.Option(help="Environment variable that holds the server's key.")] = None,
    criterion: Annotated[
        list[str] | None, typer.Option(help="NAME=WHAT TO JUDGE BY; give several to judge by each.")
    ] = None,
    criteria: Annotated[str | None, typer.Option(help="A TOML or JSON file of criteria.")] = None,
    kind: Annotated[
        Literal["pairs", "lists", "scores"],
        typer.Option(help="pairs in both orders, lists ranked in balanced orders, or scores after a critique."),
    ] = "pairs",
    votes: Annotated[int, typer.Option(help="Samples of each answer; of lists, orders.", min=1)] = 1,
    pairs: Annotated[int | None, typer.Option(help="Judge at most so many pairs, chosen at random.", min=1)] = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="Score by all criteria in one call.")] = False,
    name: Annotated[
        str | None, typer.Option(help="The judge's name in the votes; that of the model by default.")
    ] = None,
    journal: Annotated[
        str | None, typer.Option(help="File of answers: the same command goes on where one was stopped.")
    ] = None,
    calls: Annotated[float | None, typer.Option(help="At most so many calls, by the journal.", min=0)] = None,
    tokens: Annotated[float | None, typer.Option(help="At most so many tokens, by the journal.", min=0)] = None,
    money: Annotated[
        float | None, typer.Option(help="At most so much money, by the journal; with --prices.", min=0)
    ] = None,
    prices: Annotated[str | None, typer.Option(help="Money per million tokens, IN,OUT: 0.15,0.60.")] = None,
    max_tokens: Annotated[int, typer.Option(help="An answer ends after so many tokens.", min=1)] = 512,
    temperature: Annotated[float, typer.Option(help="Of the judge's answers.", min=0)] = 1.0,
    plan: Annotated[bool, typer.Option("--plan", help="Say how many calls it can take at most, and stop.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Let a model judge, and write its votes as feedback: read them back with run or fit, beside votes of people."""
    from heedful.cli import text
    from heedful.cli.opening import behind_server, capped, opened, prices_of, refuse_place
    from heedful.cli.printing import printed
    from heedful.core import UsageError
    from heedful.feedback import write
    from heedful.loops import Judging, groups_to_judge
    from heedful.loops import judge as judged
    from heedful.models import BaseWriter

    how = Judging(kind, _criteria(criterion or [], criteria), votes, pairs, at_once, seed)
    chosen = how.chosen(groups_to_judge(candidates))
    if plan:
        planned = {"plan": {"judged": len(chosen), "calls": how.most_calls(chosen)}}
        printed(as_json, planned, lambda: text.cost("At most", planned["plan"]))
        return
    if out is None:
        raise UsageError("there is no file for the votes", where="heedful judge", fix="give --out FILE, or --plan")
    refuse_place(out, [candidates])
    caps = capped(calls=calls, tokens=tokens, money=money)
    if not behind_server(model) and (journal or caps or prices):
        raise UsageError("journal, caps and prices are of servers", where="heedful judge", fix="leave them out")
    about: Any = {"journal": journal, "caps": caps, "prices": None if prices is None else prices_of(prices)}
    with opened(model, served, key, max_tokens=max_tokens, temperature=temperature, **about) as base:
        writer = base if behind_server(model) else BaseWriter(base)
        table, account = judged(writer, name or served or model, chosen, how)
    write(table, out)
    result = {**account, "file": out}
    printed(as_json, result, lambda: text.judged(result))


def _criteria(named: list[str], path: str | None) -> tuple[Any, ...]:
    from heedful.core import UsageError
    from heedful.evidence import OVERALL, Criterion, read_criteria

    found = []
    for own in named:
        name, equals, description = own.partition("=")
        if not equals:
            raise UsageError(
                f"{own!r} does not say what to judge by", where="--criterion", fix="--criterion 'clear=...'"
            )
        found.append(Criterion(name.strip(), description.strip()))
    return (*found, *(read_criteria(path) if path else ())) or (OVERALL,)
