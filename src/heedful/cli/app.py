"""The `heedful` command. Heavy imports stand inside the commands, so that --help answers at once."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec

import typer
import typer.core

from heedful.cli import text
from heedful.cli.catalogue import catalogue
from heedful.cli.export import export
from heedful.cli.guard import guarded
from heedful.cli.improve import improve
from heedful.cli.judge import judge
from heedful.cli.printing import printed
from heedful.cli.sample import sample
from heedful.cli.train import train
from heedful.core import HeedfulError

Arguments = ParamSpec("Arguments")

EXIT_CODES = "Exit codes: 0 a result stands, 1 no likelihood could be fitted, 2 wrong use or input, 130 interrupted."

HELP_FLAGS = ("-h", "--help")


class _Commands(typer.core.TyperGroup):
    """The commands; --project may also stand after one of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.obj = {"help": any(flag in args for flag in HELP_FLAGS)}
        return super().parse_args(ctx, _project_first(args))


def _project_first(arguments: list[str]) -> list[str]:
    """The arguments, --project before all others; `improve FILE.toml` names it without the flag."""
    if arguments[:1] == ["improve"] and "".join(arguments[1:2]).endswith(".toml"):
        arguments = ["improve", "--project", *arguments[1:]]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    moved: list[str] = []
    kept: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        if word == "--project":
            moved += [word, *itertools.islice(words, 1)]
        else:
            (moved if word.startswith("--project=") else kept).append(word)
    if moved[-1:] == ["--project"]:  # no value follows, and no other argument is to be taken for it
        return moved
    return [*moved, *kept, *arguments[end:]]


app = typer.Typer(
    name="heedful",
    cls=_Commands,
    help="Turn feedback on AI outputs into a decision you can trust.\n\nStart with: heedful run votes.csv --out report",
    epilog=f"{EXIT_CODES} A file heedful.toml here, or the one that --project names, can hold what the flags say.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": list(HELP_FLAGS)},
)

Sources = Annotated[
    list[str],
    typer.Argument(help="Feedback files, folders or globs; .gz and .zst are read too.", metavar="FEEDBACK"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
Format = Annotated[str | None, typer.Option("--format", help="Read as this format instead of detecting it.")]
Mapping = Annotated[
    str | None, typer.Option(help="A TOML file that says where each field stands, for formats heedful does not know.")
]
Texts = Annotated[str | None, typer.Option(help="A file with the texts of comparisons that only name systems.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first record that cannot be accepted.")]
Criterion = Annotated[str | None, typer.Option(help="The criterion to fit; the most frequent one by default.")]
Utility = Annotated[
    Literal["auto", "items", "features"],
    typer.Option(help="What utilities rest on: auto, items (who wrote it) or features (texts)."),
]
Features = Annotated[str | None, typer.Option(help="A local folder of a sentence encoder; text features by default.")]
PriorSd = Annotated[
    str | None, typer.Option(help="Prior on utilities of systems: a width in nats, or evidence; none by default.")
]
Count = Annotated[int, typer.Option("--questions", "-n", help="How many questions.", min=1)]


def main() -> None:
    """Entry point of the command."""
    # The matrices here are small: a second BLAS thread costs more than it brings, many times more on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Records live until they are columns: looking through them all for garbage, again and again, costs a sixth of
    # reading and finds none.
    gc.set_threshold(50_000, 20, 100)
    try:
        app()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _command(example: str) -> Callable[[Callable[Arguments, None]], Callable[Arguments, None]]:
    """Register a command whose errors become one clear line and an exit code."""

    def register(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
        name = function.__name__.rstrip("_")
        app.command(name, epilog=f"Example: {example}  {EXIT_CODES}")(guarded(function))
        return function

    return register


@app.callback(invoke_without_command=True)
def _project(
    context: typer.Context,
    project: Annotated[
        str | None, typer.Option(help="Project file; heedful.toml of this folder where there is one.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Take defaults from the project file."""
    if version:
        from heedful._version import __version__

        typer.echo(f"heedful {__version__}")
        raise typer.Exit
    from heedful.cli.project import defaults

    try:
        known = {name: command.params for name, command in context.command.commands.items()}  # type: ignore[attr-defined]
        context.default_map = defaults(project, known)
    except HeedfulError as error:
        if not context.obj["help"]:  # which is not to be had from a broken file, and may be what mends it
            typer.echo(f"heedful: {text.plain(text.error(error))}", err=True)
            raise typer.Exit(2) from None


@_command("heedful run votes.csv --out report")
def run(
    feedback: Sources,
    out: Annotated[str, typer.Option(help="Folder for report.html, summary.json, rejects.jsonl and the posterior.")],
    candidates: Annotated[str | None, typer.Option(help="A file of contexts with outputs to choose among.")] = None,
    features: Features = None,
    utility: Utility = "auto",
    criterion: Criterion = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    questions: Count = 10,
    prior_sd: PriorSd = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Feedback in, decision out: check, fit, evaluate, rank, ask, pick, report."""
    from heedful.cli.progress import progress
    from heedful.loops import prior_of
    from heedful.report import run as run_all

    with progress() as show:
        done = run_all(
            feedback,
            out=out,
            candidates=candidates,
            features=features,
            utility=utility,
            criterion=criterion,
            texts=texts,
            mapping=mapping,
            format=input_format,
            strict=strict,
            questions=questions,
            prior_sd=prior_of(prior_sd),
            seed=seed,
            progress=show,
        )
    printed(as_json, done.summary, lambda: text.decision(done.summary, out))


@_command("heedful check votes.jsonl")
def check(
    feedback: Sources,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    rejects: Annotated[str | None, typer.Option(help="Write every rejected record to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Read feedback and say what is in it and what is wrong with it."""
    from heedful.feedback import refuse_overwriting, write_rejects
    from heedful.feedback.check import findings_of
    from heedful.feedback.counts import summary_of
    from heedful.feedback.questions import Facts

    found = _read(feedback, texts, mapping, input_format, strict)
    if rejects:
        refuse_overwriting(rejects, (source.path for source in found.sources))
        write_rejects(found.rejects, rejects)
    facts = Facts(found)
    result = {"feedback": summary_of(facts), "findings": [asdict(finding) for finding in findings_of(facts)]}
    printed(as_json, result, lambda: text.checked(result))


@_command("heedful fit votes.csv --out posterior")
def fit(
    feedback: Sources,
    out: Annotated[str, typer.Option(help="Folder for the posterior.")],
    head: Annotated[
        Literal["linear", "process", "networks"] | None, typer.Option(help="A reward on texts in place of weights.")
    ] = None,
    groups: Annotated[int | None, typer.Option(help="Fit this many groups of raters.", min=1)] = None,
    features: Features = None,
    utility: Utility = "auto",
    criterion: Criterion = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Fit what people want and save it as a posterior."""
    from heedful.loops import described

    found = _read(feedback, texts, mapping, input_format, strict)
    fitted = _fit(found, features, utility, criterion, seed, head=head, groups=groups)
    fitted.save(out)
    result = {"folder": out, "model": described(fitted), "findings": [asdict(finding) for finding in fitted.findings]}
    printed(as_json, result, lambda: text.fitted(result))


@_command("heedful rank votes.csv")
def rank(
    feedback: Sources,
    criterion: Criterion = None,
    prior_sd: PriorSd = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Rank the systems that recur, with intervals of scores and ranks."""
    from heedful.loops import prior_of, rank_systems

    prior = prior_of(prior_sd)
    found = _read(feedback, texts, mapping, input_format, strict)
    result = rank_systems(found.table, criterion=criterion, prior_sd=prior, seed=seed)
    printed(as_json, result, lambda: text.ranking(result))


@_command("heedful raters votes.csv")
def raters(
    feedback: Sources,
    criterion: Criterion = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Say how far each rater can be relied on, who is careless or adversarial, and who grades strictly."""
    from heedful.loops import rater_reliability

    found = _read(feedback, texts, mapping, input_format, strict)
    result = rater_reliability(found.table, criterion=criterion, seed=seed)
    printed(as_json, result, lambda: text.reliability(result))


@_command("heedful ask votes.csv --budget 40 --raters raters.csv --out questions.csv")
def ask(
    feedback: Sources,
    questions: Annotated[
        int | None, typer.Option("--questions", "-n", help="At most so many questions; 10 without --budget.", min=1)
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="What all answers may cost: in the unit of --raters, else in questions.")
    ] = None,
    raters: Annotated[
        str | None, typer.Option(help="A file of raters: columns rater, cost (a judgement), capacity (judgements).")
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            help="Rule that chooses: auto (information on systems, random on texts) or one of docs/elicitation.md."
        ),
    ] = "auto",
    least: Annotated[
        float, typer.Option(help="Ask nothing whose answer is expected to tell less than so many nats.", min=0)
    ] = 0.001,
    out: Annotated[
        str | None, typer.Option(help="Question file to write: .csv to fill in, .jsonl, .json for an annotation tool.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Format to write: questions, heedful, label-studio or argilla.")
    ] = None,
    systems: Annotated[bool, typer.Option("--systems", help="Let raters see which systems wrote the outputs.")] = False,
    candidates: Annotated[str | None, typer.Option(help="Ask about pairs of these outputs.")] = None,
    features: Features = None,
    utility: Utility = "auto",
    criterion: Criterion = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Say which comparisons would teach the most, and write them as a file to be answered: read it back with run."""
    from heedful.core import UsageError
    from heedful.feedback import read_raters, write_questions
    from heedful.feedback.sheets import check_place
    from heedful.loops import Wanted, fit_to_ask
    from heedful.loops import ask as choose

    if out is None and (to or systems):
        raise UsageError("--to and --systems are of the file that --out names", where="heedful ask", fix="give --out")
    place = None if out is None else check_place(out, to)
    hired = () if raters is None else read_raters(raters)
    wanted = Wanted(rule, questions, budget, hired, least, seed)
    listed = _candidates(candidates)
    found = _read(feedback, texts, mapping, input_format, strict)
    fitted = fit_to_ask(found.table, features=features, utility=utility, criterion=criterion, seed=seed)
    asked = choose(fitted, found.table, listed, wanted)
    if place is not None and asked.questions:
        write_questions(asked.questions, place, to=to, systems=systems)
    result = {"ask": asked.rows(), "reason": asked.reason, "file": out if asked.questions else None}
    printed(as_json, result, lambda: text.questions(result))


@_command("heedful pick votes.csv --candidates answers.jsonl")
def pick(
    candidates: Annotated[str, typer.Option(help="A file of contexts with outputs to choose among.")],
    feedback: Annotated[
        list[str] | None, typer.Argument(help="Feedback to fit on; or give --posterior.", metavar="FEEDBACK")
    ] = None,
    posterior: Annotated[str | None, typer.Option(help="A saved posterior (heedful fit --out).")] = None,
    features: Features = None,
    utility: Utility = "auto",
    criterion: Criterion = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Choose the best of the outputs proposed for each context."""
    from heedful.core import UsageError
    from heedful.loops import pick_best, posterior_at

    if (posterior is None) == (not feedback):
        raise UsageError("give either feedback to fit on or --posterior, one of the two", where="heedful pick")
    if posterior is not None:
        fitted = posterior_at(posterior)
    else:
        found = _read(feedback or [], texts, mapping, input_format, strict)
        fitted = _fit(found, features, utility, criterion, seed)
    result = pick_best(fitted, _candidates(candidates))
    printed(as_json, {"picks": result}, lambda: text.picks(result))


@_command("heedful plan votes.csv --width 0.03")
def plan(
    width: Annotated[float, typer.Option(help="Wanted half-width of the interval, as a fraction.", min=1e-4, max=0.5)],
    feedback: Annotated[
        list[str] | None, typer.Argument(help="Earlier feedback to learn rates from.", metavar="FEEDBACK")
    ] = None,
    criterion: Criterion = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Say how many labels an interval of plus or minus --width takes."""
    from heedful.loops import plan_labels

    table = _read(feedback, texts, mapping, input_format, strict).table if feedback else None
    result = plan_labels(width, table, criterion=criterion)
    printed(as_json, result, lambda: text.planned(result))


@_command("heedful convert votes.csv --out votes.parquet")
def convert(
    feedback: Sources,
    out: Annotated[str, typer.Option(help="File to write; its ending names the format.")],
    to: Annotated[str | None, typer.Option(help="Format to write, where the ending does not say it.")] = None,
    texts: Texts = None,
    mapping: Mapping = None,
    input_format: Format = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Write feedback in another format, counting what that format cannot carry."""
    from heedful.loops import convert as convert_all

    result = convert_all(
        feedback, out, to=to, texts=texts, mapping=mapping, format=input_format, strict=strict, progress=_plain
    )
    printed(as_json, result, lambda: text.converted(result))


@_command("heedful report report/summary.json --out report")
def report(
    summary: Annotated[str, typer.Argument(help="summary.json, or the folder that holds it.")],
    out: Annotated[str | None, typer.Option(help="Folder for report.html; beside the summary by default.")] = None,
    as_json: Json = False,
) -> None:
    """Write report.html again from summary.json."""
    from heedful.report import load_summary, write_report

    path = Path(summary)
    loaded = load_summary(path)
    folder = Path(out) if out else (path if path.is_dir() else path.parent)
    write_report(loaded, folder)
    printed(as_json, {"report": str(folder / "report.html")}, lambda: str(folder / "report.html"))


def _plain(message: str) -> None:
    typer.echo(text.plain(message), err=True)


def _read(sources: list[str], texts: str | None, mapping: str | None, input_format: str | None, strict: bool) -> Any:
    from heedful.feedback import read

    found = read(sources, format=input_format, mapping=mapping, texts=texts, strict=strict)
    for source in found.sources:
        _plain(f"{source.path}: {source.format}, {source.accepted:,} of {source.read:,} judgements accepted")
    for note in found.notes:
        _plain(note)
    return found


def _fit(found: Any, features: str | None, utility: str, criterion: str | None, seed: int, **chosen: Any) -> Any:
    from heedful.loops import fit_table

    return fit_table(found.table, features=features, utility=utility, criterion=criterion, seed=seed, **chosen)


def _candidates(path: str | None) -> Any:
    if path is None:
        return ()
    from heedful.feedback import read_candidates

    return read_candidates(path)


_command("heedful judge answers.jsonl --model URL --served NAME --out votes.jsonl")(judge)
_command("heedful train votes.jsonl --model FOLDER --objective dpo --out trained")(train)
_command("heedful export trained --to transformers --out model")(export)
_command(
    "heedful improve --prompt answer.txt --examples questions.jsonl --answers --model URL --served NAME --out better"
)(improve)
_command("heedful sample --model FOLDER --evidence posterior --prompt '...'")(sample)

app.add_typer(catalogue)
