"""`heedful catalogue`: published methods as configurations, and what their miniatures gave."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from heedful.cli.guard import guarded
from heedful.cli.printing import printed
from heedful.core import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Identity = Annotated[str, typer.Argument(help="Id of an entry (heedful catalogue list).", metavar="ID")]

catalogue = typer.Typer(
    name="catalogue",
    help="Published methods as configurations, each with a small test of its claim.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@catalogue.command("list", epilog="Example: heedful catalogue list --json")
@guarded
def list_(
    area: Annotated[
        str | None, typer.Option(help="Only entries with this whole word between slashes of the area.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the entries with their verdicts."""
    from heedful.catalogue import listing

    rows = [row for row in listing() if area is None or area in row["area"].split("/")]
    printed(
        as_json, rows, lambda: "\n".join(f"{r['id']}  {r['verdict'] or 'not run yet':15} {r['title']}" for r in rows)
    )


@catalogue.command(epilog="Example: heedful catalogue show 004-032")
@guarded
def show(identity: Identity, as_json: Json = False) -> None:
    """Show one entry: its claim, configuration and committed figures."""
    from heedful.catalogue import entry, result
    from heedful.catalogue.page import section

    own, known = entry(identity), result(identity)
    described = {name: getattr(own, name) for name in ("id", "title", "area", "citation", "claim", "configuration")}
    described |= {"beyond": own.beyond, "checks": [str(check) for check in own.checks], "result": known}
    printed(as_json, described, lambda: section(own, known))


@catalogue.command(epilog="Example: heedful catalogue run 004-032 --quick")
@guarded
def run(
    identities: Annotated[list[str] | None, typer.Argument(help="Ids of entries.", metavar="[ID]...")] = None,
    every: Annotated[bool, typer.Option("--all", help="Run all entries.")] = False,
    turn: Annotated[int | None, typer.Option(help="Run the share whose turn this is, counted round and round.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Processor seconds of a share, by the committed runs.")] = 120.0,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke test of seconds: two seeds, no verdict.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail where a verdict is not the committed one.")] = False,
    out: Annotated[str | None, typer.Option(help="Folder to write results of full runs to, as ID.json.")] = None,
    as_json: Json = False,
) -> None:
    """Run miniatures on their fixed seeds."""
    from heedful.catalogue import entry, ids, recorded, result, shares, write_result
    from heedful.catalogue import run as run_one

    if check and quick:
        fix = "leave out one of them"
        raise UsageError("a quick run has no verdict to check", where="heedful catalogue run --check --quick", fix=fix)
    chosen = list(identities or []) + (list(ids()) if every else [])
    if turn is not None:
        every_share = shares(recorded(), seconds)
        chosen += every_share[turn % len(every_share)]
    if not chosen:
        raise UsageError("no entry was named", where="heedful catalogue run", fix="give an ID, --all or --turn")
    done: list[dict[str, Any]] = []
    for identity in dict.fromkeys(chosen):
        own = entry(identity)
        if len(chosen) > 1 and (reason := own.missing()):
            typer.echo(f"{identity} skipped: {reason}", err=True)
            continue
        found = run_one(own, quick=quick)
        known = result(identity)
        if check and not quick and known is not None and known["verdict"] != found.verdict:
            raise UsageError(f"the verdict is {found.verdict}, and {known['verdict']} was committed", where=identity)
        if out is not None:
            write_result(found, Path(out))
        done.append(asdict(found))
        typer.echo(f"{identity} {found.verdict or 'ran'} ({found.seconds:.1f} s)", err=True)
    printed(as_json, done, lambda: "\n\n".join(_figures(one) for one in done))


@catalogue.command(epilog="Example: heedful catalogue docs > docs/catalogue.md")
@guarded
def docs() -> None:
    """Print the page on all entries, as Markdown."""
    from heedful.catalogue import page

    printed(False, None, lambda: page().rstrip("\n"))


def _figures(found: dict[str, Any]) -> str:
    """The figures and checks of a run, line by line."""
    lines = [f"{found['id']}: {found['verdict'] or 'quick run, no verdict'}"]
    for name, figure in found["figures"].items():
        lines.append(f"  {name}: {figure['mean']:.4g}{_interval(figure)}")
    lines += [f"  {one['outcome']:5}  {one['check']}: {one['mean']:.4g}{_interval(one)}" for one in found["checks"]]
    return "\n".join(lines)


def _interval(figure: dict[str, Any]) -> str:
    return "" if figure["low"] is None else f" [{figure['low']:.4g}, {figure['high']:.4g}]"
