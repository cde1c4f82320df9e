"""`heedful improve`: prompts rewritten as far as evidence proves that they got better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from heedful.core import Estimate, Finding


def improve(
    prompt: Annotated[
        list[str],
        typer.Option(help="A file for each step, in order; {NAME} is a field of examples or what step NAME gave."),
    ],
    examples: Annotated[str, typer.Option(help="A file of examples: rows with the fields that prompts name.")],
    model: Annotated[str, typer.Option(help="URL of a server of chat models.")],
    out: Annotated[str, typer.Option(help="Folder for the prompts, the log and the report; the same goes on.")],
    served: Annotated[str | None, typer.Option(help="The model's name on the server.")] = None,
    rewriter: Annotated[
        str | None, typer.Option(help="Name there of the model that rewrites; the same where none is given.")
    ] = None,
    critic: Annotated[
        str | None, typer.Option(help="Name there of a model that says what is wrong with answers.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Environment variable that holds the server's key.")] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(help="A posterior of texts (heedful fit --out), FOLDER or FOLDER=STRENGTH; give several to add."),
    ] = None,
    answers: Annotated[
        bool, typer.Option("--answers", help="An output is right that is the example's answer.")
    ] = False,
    matching: Annotated[
        list[str] | None, typer.Option(help="A regular expression that an output must match whole.")
    ] = None,
    json_schema: Annotated[str | None, typer.Option(help="A file: the JSON Schema that an output must follow.")] = None,
    tests: Annotated[str | None, typer.Option(help="Tests that outputs, programs, must pass.")] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Run programs under test without isolation.")] = False,
    comments: Annotated[
        list[str] | None, typer.Option(help="Feedback files with comments: what people said of outputs.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Rounds of proposals at most.", min=1)] = 10,
    batch: Annotated[int, typer.Option(help="Examples that a round draws feedback from.", min=1)] = 16,
    proposals: Annotated[int, typer.Option(help="Proposals a round.", min=1)] = 1,
    trials: Annotated[
        int, typer.Option(help="Times at most that the best so far is tried on examples that decide.", min=1)
    ] = 2,
    carry: Annotated[
        Literal["subgraph", "per-call"],
        typer.Option(help="Show the rewriter the steps, or ask the critic step by step what should change."),
    ] = "subgraph",
    alpha: Annotated[
        float, typer.Option(help="Probability at most to keep what is no better.", min=0.0001, max=0.5)
    ] = 0.05,
    alarm: Annotated[
        bool, typer.Option("--alarm", help="Run training examples once more, and tell where they alone gained.")
    ] = False,
    runs: Annotated[int | None, typer.Option(help="At most so many runs of the program.", min=1)] = None,
    calls: Annotated[int | None, typer.Option(help="At most so many calls of the server.", min=1)] = None,
    tokens: Annotated[int | None, typer.Option(help="At most so many tokens, read and written.", min=1)] = None,
    money: Annotated[float | None, typer.Option(help="At most so much money; with --prices.", min=0)] = None,
    minutes: Annotated[
        float | None, typer.Option(help="No round is begun after which it would take longer than this.", min=0)
    ] = None,
    prices: Annotated[
        list[str] | None,
        typer.Option(help="Money per million tokens, IN,OUT of all models or NAME=IN,OUT of one: 0.15,0.60."),
    ] = None,
    longest: Annotated[int | None, typer.Option(help="Prompts of more characters in all are not tried.", min=1)] = None,
    dearer: Annotated[
        float | None, typer.Option(help="Nor those whose runs cost more than so many times one at the start.")
    ] = None,
    shorter: Annotated[
        float | None, typer.Option(help="At the end, try prompts of at most this share of the length kept: 0.8.")
    ] = None,
    loss: Annotated[float, typer.Option(help="What may be lost, of 1, for shorter prompts.")] = 0.05,
    max_tokens: Annotated[int, typer.Option(help="An answer ends after so many tokens.", min=1)] = 1024,
    temperature: Annotated[float, typer.Option(help="Of the models' laws.", min=0)] = 1.0,
    concurrency: Annotated[int, typer.Option(help="Runs and calls at once.", min=1)] = 16,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Rewrite prompts, and keep what is proven better."""
    from heedful.cli.opening import capped
    from heedful.cli.printing import printed
    from heedful.cli.progress import progress
    from heedful.core import UsageError
    from heedful.loops.improving import (
        Roles,
        Search,
        improve_prompts,
        inputs_of_prompts,
        read_comments,
        read_examples,
        read_prompts,
    )
    from heedful.rewriting import Audit, Limits, Shorter

    texts = read_prompts(prompt)
    rows, right = read_examples(examples, inputs_of_prompts(texts), answers=answers)
    told = _evidence(evidence or (), right, matching or (), json_schema, tests, unsafe)
    said, others = read_comments(comments or ())
    if served is None:
        raise UsageError("a server has models by name", where="--served", fix="give --served NAME")
    folder = Path(out)
    names = [served, critic, rewriter or served]
    priced = _prices(prices or (), [own for own in names if own], capped=money is not None)
    read = [*prompt, examples, *(comments or ()), *(own for own in (json_schema, tests) if own)]
    _refuse_overwriting(folder, texts, read, evidence or ())
    folder.mkdir(parents=True, exist_ok=True)
    how = Search(rounds, batch, proposals, trials, alpha, carry, concurrency, runs, alarm, seed)
    how = replace(how, limits=Limits(longest, dearer), shorter=None if shorter is None else Shorter(shorter, loss))
    how = how if minutes is None else replace(how, minutes=minutes)
    with ExitStack() as stack:
        caps = capped(calls=calls, tokens=tokens, money=money)
        about = key, folder / "journal", caps, priced, max_tokens, temperature, concurrency
        task, critical, rewriting = _endpoints(stack, model, names, *about)
        show = stack.enter_context(progress())

        def tell(event: Mapping[str, Any]) -> None:
            _shown(event, show)
            if event["event"] == "tried" and event["kept"]:
                _save({**texts, **event["values"]}, folder)

        log = Audit(folder / "audit.jsonl", tell)
        done = improve_prompts(texts, rows, told, Roles(task, critical, rewriting), how, comments=said, audit=log)
        spent = task.charged()
    whole = {name: {"before": own, "after": done.values.get(name, own)} for name, own in texts.items()}
    cost = {**spent, "runs": done.spent["runs"]}
    result = {**done.summary(), "prompts": whole, "spent": cost, "records_without_comment": others}
    if stay := not done.values and _differ(texts, folder):
        result["findings"].append(_stays(folder))
    _written(result, folder, save=not stay)
    printed(as_json, result, lambda: _told(result, folder))
    if done.error is not None:
        raise done.error


def _shown(event: Mapping[str, Any], show: Callable[[str], None]) -> None:
    """A line for what takes time, or was decided."""
    if event["event"] == "begun":
        train, validation, held_out = event["splits"]
        show(f"Examples: {train} to learn from, {validation} that decide, {held_out} that measure")
        if units := event["not_yet_held"]:
            words = " and ".join(units)
            show(f"What is held out is paid from what is held back; of {words} that is known after the first runs")
    elif event["event"] == "proposed":
        show(f"Round {event['round'] + 1}: {len(event['values'])} proposed")
    elif event["event"] == "tried":
        show(f"Tried on {event['n']} of {event['of']} examples: {'kept' if event['kept'] else 'not proven better'}")


def _prices(given: Sequence[str], names: Sequence[str], *, capped: bool) -> dict[str, Any]:
    """Prices by the name of a model. Raises UsageError where some have none, or are of no model."""
    from heedful.cli.opening import prices_of
    from heedful.core import UsageError

    found = {name: prices_of(pair) for name, _, pair in (own.rpartition("=") for own in given)}
    if unknown := sorted(found.keys() - {"", *names}):
        raise UsageError(f"no model is named {unknown[0]!r}", where="--prices", fix=f"there are {', '.join(names)}")
    bare = [name for name in names if name not in found and "" not in found]
    if bare and (found or capped):
        raise UsageError(f"{bare[0]!r} has no prices", where="--prices", fix=f"--prices {bare[0]}=0.15,0.60")
    return {name: found.get(name, found.get("")) for name in names}


def _refuse_overwriting(folder: Path, names: Mapping[str, str], read: Sequence[str], evidence: Sequence[str]) -> None:
    """Raises UsageError where a file that is read would be written, or into a folder of evidence."""
    from heedful.feedback import refuse_overwriting

    refuse_overwriting(folder, [own if Path(own).is_dir() else own.rpartition("=")[0] for own in evidence])
    own = [folder / name for name in ("audit.jsonl", "journal", "report.html", "summary.json")]
    for path in (*own, *(folder / "prompts" / f"{name}.txt" for name in names)):
        refuse_overwriting(path, read)


def _evidence(
    folders: Sequence[str],
    right: Sequence[tuple[Mapping[str, Any], Any]],
    matching: Sequence[str],
    schema: str | None,
    tests: str | None,
    unsafe: bool,
) -> Any:
    """The sum of all that was named; known answers alone where nothing else was."""
    from heedful.evidence import term
    from heedful.loops import evidence_of
    from heedful.rewriting import matches

    if not right:
        return evidence_of(folders, matching=matching, schema=schema, tests=tests, unsafe=unsafe)
    if not (folders or matching or schema or tests):
        return matches(right)
    return term(matches(right)) + evidence_of(folders, matching=matching, schema=schema, tests=tests, unsafe=unsafe)


def _endpoints(
    stack: ExitStack,
    url: str,
    names: Sequence[str | None],
    key: str | None,
    journal: Path,
    caps: Mapping[str, float],
    prices: Mapping[str, Any],
    max_tokens: int,
    temperature: float,
    concurrency: int,
) -> list[Any]:
    """A model for each name that there is, all behind one journal, whose caps hold for all together."""
    from heedful.core import Budget
    from heedful.models import Endpoint, Journal, Sampling

    kept = stack.enter_context(Journal(journal, Budget(**caps)))
    how: Any = {"api_key": key, "concurrency": concurrency, "journal": kept}
    sampling = Sampling(max_tokens=max_tokens, temperature=temperature)
    made = {
        name: Endpoint(url, name, sampling=sampling, prices=prices[name], **how) for name in names if name is not None
    }
    for own in made.values():
        stack.enter_context(own)
    return [None if name is None else made[name] for name in names]


def _told(result: Mapping[str, Any], folder: Path) -> str:
    """What was gained, how that is known, and where it lies."""
    from heedful.report.rewriting import sentence

    counts = result["counts"]
    changed = [name for name, own in result["prompts"].items() if own["before"] != own["after"]]
    cost = ", ".join(f"{own:,.{2 * (unit == 'money')}f} {unit}" for unit, own in result["spent"].items())
    lines = [
        _earned(result),
        f"Rewritten: {', '.join(changed)}" if changed else "No prompt was rewritten: nothing was proven better",
        f"{counts.get('proposed', 0)} proposals, {counts.get('tried', 0)} tried, {counts.get('kept', 0)} kept; "
        f"{counts.get('unread', 0)} answers could not be read{_left_out(counts)}",
        f"{cost}. Ended: {result['stopped']}",
    ]
    if others := result["records_without_comment"]:
        lines.append(f"{others} records of the files of comments are no comments, and were not used")
    lines += [f"{sentence(own.message)} {sentence(own.fix)}" for own in result["findings"]]
    return "\n".join([*lines, f"Prompts, log and report: {folder}"])


def _earned(result: Mapping[str, Any]) -> str:
    claim = result["claim"]
    if not claim.identified:
        return f"Nothing is claimed: {claim.note}"
    if not claim.n:
        return f"Gained nothing: {claim.note}"
    return (
        f"Earned {result['before'].value:.3f} before and {result['after'].value:.3f} after, of 1: "
        f"{_gain(claim)}, on {claim.n} examples held out, measured once"
    )


def _left_out(counts: Mapping[str, int]) -> str:
    words = {"repeated": "tried before", "too_long": "too long", "too_dear": "too dear"}
    return "".join(f"; {counts[name]} {own}" for name, own in words.items() if counts.get(name))


def _gain(claim: Estimate) -> str:
    interval = claim.interval
    within = f" [{interval.low:+.3f}, {interval.high:+.3f}]" if interval else f" ({claim.note})"
    return f"{claim.value:+.3f}{within}"


def _written(result: Mapping[str, Any], folder: Path, *, save: bool) -> None:
    """The prompts, where they are to be saved, and the report."""
    from heedful.report.rewriting import write_rewriting

    if save:
        _save({name: own["after"] for name, own in result["prompts"].items()}, folder)
    write_rewriting(result, folder)


def _stays(folder: Path) -> Finding:
    from heedful.core import Finding

    what = f"nothing was kept now, and the prompts in {folder / 'prompts'}, of an earlier run, were left as they are"
    return Finding(
        "rewriting.prompts_left", "note", what, "delete them, or give another --out, where they are not wanted"
    )


def _differ(texts: Mapping[str, str], folder: Path) -> bool:
    """Whether an earlier run left other prompts than these."""
    paths = {folder / "prompts" / f"{name}.txt": own for name, own in texts.items()}
    return any(path.exists() and path.read_text("utf-8") != own for path, own in paths.items())


def _save(prompts: Mapping[str, str], folder: Path) -> None:
    """The prompts, each in a file of its own."""
    from heedful.feedback.atomic import Replacement

    (folder / "prompts").mkdir(exist_ok=True)
    for name, own in prompts.items():
        with Replacement(folder / "prompts" / f"{name}.txt") as replacement:
            replacement.temporary.write_text(own, "utf-8")
