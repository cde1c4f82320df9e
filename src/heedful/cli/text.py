"""Results as plain text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from heedful.core import HeedfulError

_SHOWN = 25
_EXAMPLES = 2
_MARKS = {"problem": "!!", "warning": " !", "note": "  "}


# Control characters (line breaks apart) and marks that turn the direction of text: names must not steer a terminal.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(shown: str) -> str:
    """Text without characters that could steer a terminal; each is shown as a question mark."""
    return _STEERING.sub("?", shown)


def error(raised: HeedfulError) -> str:
    """What was wrong and where, and below it the way out."""
    place = f"{raised.where}: " if raised.where else ""
    return f"{place}{raised.what}" + (f"\nFix: {raised.fix}" if raised.fix else "")


def decision(summary: Mapping[str, Any], folder: str) -> str:
    """What `run` found, in a screenful."""
    blocks = [
        counts(summary["feedback"]),
        findings(summary["findings"]),
        held_out(summary),
        ranking(summary),
        f"Report: {folder}/report.html",
    ]
    return "\n\n".join(block for block in blocks if block)


def checked(result: Mapping[str, Any]) -> str:
    """What `check` found."""
    blocks = [
        counts(result["feedback"]),
        rejects(result["feedback"]),
        findings(result["findings"]) or "Nothing to worry about was found.",
    ]
    return "\n\n".join(block for block in blocks if block)


def counts(feedback: Mapping[str, Any]) -> str:
    """How much feedback there is, of which kinds."""
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in feedback["by_kind"].items()) or "nothing"
    return (
        f"{feedback['read']:,} judgements read, {feedback['accepted']:,} accepted, {feedback['rejected']:,} rejected: "
        f"{kinds}; {feedback['raters']:,} raters"
    )


def rejects(feedback: Mapping[str, Any]) -> str:
    """How many judgements were rejected for each reason, and the first place of each."""
    rows = [
        (
            f"{one['count']:,}",
            _short(str(one["reason"]), 96),
            f"{one['source']}, line {one['line']}" if one["source"] else "",
        )
        for one in feedback["reject_reasons"]
    ]
    return _table(("rejected", "because", "first"), rows)


def findings(found: Sequence[Mapping[str, Any]]) -> str:
    """Each finding with what to do about it below, the gravest first: !! problems, ! warnings, then notes."""
    order = list(_MARKS)
    return "\n".join(
        f"{_MARKS[finding['severity']]} {finding['message']}"
        + "".join(f"\n     e.g. {example}" for example in finding["examples"][:_EXAMPLES])
        + (f"\n     {finding['fix']}" if finding["fix"] else "")
        for finding in sorted(found, key=lambda finding: order.index(finding["severity"]))
    )


def held_out(summary: Mapping[str, Any]) -> str:
    """How well new votes are predicted, beside the controls."""
    result = summary["held_out"]
    if not result or result["accuracy"] is None:
        return ""
    lines = [f"Accuracy on {result['n_decided']:,} held-out decided votes: {_share(result, 'accuracy')}"]
    for name, control in summary["controls"].items():
        if control:
            lines.append(f"  control {name.replace('_', ' ')}: {_share(control, 'accuracy')}")
    return "\n".join(lines)


def ranking(result: Mapping[str, Any]) -> str:
    """The ranking as a table."""
    rows = [
        (
            _rank(row),
            _short(str(row["item"]), 48),
            _signed(row["score"]),
            _interval(row["interval"]),
            f"{row['n']:,}",
            row["note"] if not row["identified"] else "",
        )
        for row in result["ranking"]
    ]
    return _table(("rank", "item", "score", "95 % interval", "votes", ""), rows)


def reliability(result: Mapping[str, Any]) -> str:
    """Raters of comparisons least reliable first, those of grades strictest first, and what was found."""
    parts = (_relied_on(result), _scales(result["scales"]), findings(result["findings"]))
    return "\n\n".join(part for part in parts if part)


def _scales(scales: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            _short(str(scale["rater"]), 48),
            scale["kind"],
            f"{scale['strictness']:+.2f} ± {scale['strictness_sd']:.2f}",
            "" if scale["log_stretch"] is None else f"{scale['log_stretch']:+.2f} ± {scale['log_stretch_sd']:.2f}",
        )
        for scale in scales
    ]
    return _table(("rater", "scale", "strictness, nats ± sd", "log stretch ± sd"), rows) if rows else ""


def _relied_on(result: Mapping[str, Any]) -> str:
    if not result["raters"]:
        return ""
    unit = {"lapse": "attends to", "sharpness": "sharpness"}[result["model"]]
    rows = [
        (
            _short(str(row["rater"]), 48),
            f"{row['n']:,}",
            _number(row["reliability"]),
            _interval(row["interval"]),
            f"{row['adversarial']:.2f}",
            f"{row['careless']:.2f}",
            row["note"],
        )
        for row in result["raters"]
    ]
    head = ("rater", "votes", unit, "95 % interval", "P(adversarial)", "P(careless)", "")
    return _table(head, rows)


def questions(result: Mapping[str, Any]) -> str:
    """Questions, one block each; why there are no more; the file they stand in."""
    blocks = []
    for number, question in enumerate(result["ask"], 1):
        rater = f", ask {question['rater']} (cost {question['cost']:g})" if question["rater"] else ""
        lines = [f"{number}. expected gain {question['expected_gain']:.3f} nats{rater}"]
        context = question["items"][0]["context"]
        if context:
            lines.append(f"   {_short(context)}")
        for letter, item in zip("ABCDEFGH", question["items"], strict=False):
            lines.append(f"   {letter}: {_short(item['output'] or item['system'] or '(empty)')}")
        blocks.append("\n".join(lines))
    bare = any(item["output"] is None for question in result["ask"] for item in question["items"])
    give = "No outputs of these systems in one context are known: give --candidates to show some." if bare else ""
    file = f"{len(result['ask']):,} questions to be answered: {result['file']}" if result["file"] else ""
    return "\n".join(filter(None, [*blocks, result["reason"], give, file]))


def picks(chosen: Sequence[Mapping[str, Any]]) -> str:
    """The best candidate of each context."""
    rows = [
        (
            str(number),
            _short(pick["context"], 40),
            "?" if pick["best_index"] is None else str(pick["best_index"]),
            _short(pick["best"] or "(not determined)", 60),
            _number(pick["probability_best"]),
        )
        for number, pick in enumerate(chosen, 1)
    ]
    return _table(("", "context", "index", "best", "P(best)"), rows)


def sampled(result: Mapping[str, Any], file: str | None) -> str:
    """The answers, each under its prompt, and what they cost."""
    blocks = [
        f"> {_short(row['context'] or '(no prompt)', 200)}\n{row['output'] or '(empty)'}\n"
        f"  score {_number(row['score'])}{', ruled out' if row['ruled_out'] else ''}"
        for row in result["samples"]
    ]
    lines = [f"By {result['engine']} ({result['honesty']})", *blocks]
    if result["missing"]:
        lines.append(
            f"No output was accepted for {result['missing']} of the prompts: give more with -n, or evidence less strict"
        )
    lines.append(cost("Cost", result["cost"]))
    return "\n\n".join(lines + ([f"Answers: {file}"] if file else []))


def judged(result: Mapping[str, Any]) -> str:
    """How many votes a model gave, what could not be read, and how far it likes a place."""
    lines = [
        f"{result['votes']:,} votes of {result['judge']} on {result['judged']:,} {result['kind']}; "
        f"{result['missing']:,} answers could not be read, {result['repaired']:,} at the second call only"
    ]
    for row in result["criteria"]:
        shares = [
            f"{name.replace('_', ' ')} {_estimate(row[name])}" for name in ("position_bias", "flips") if name in row
        ]
        lines.append(f"  {row['criterion']}: {', '.join(shares)}")
    return "\n".join([*lines, cost("Cost", result["cost"]), f"Votes: {result['file']}"])


def cost(title: str, amounts: Mapping[str, float]) -> str:
    """Amounts by unit in a line."""
    return f"{title}: " + ", ".join(f"{amount:,.10g} {unit}" for unit, amount in amounts.items())


def fitted(result: Mapping[str, Any]) -> str:
    """What was fitted and where it lies."""
    model = result["model"]
    kinds = ", ".join(f"{part['n']:,} {part['kind']}" for part in model["likelihoods"])
    shares = [f"{share['value']:.0%} of people" for share in model.get("shares", ())]
    lines = [f"Fitted {model['criterion']} on {kinds}; prior: {model['prior']}", findings(result["findings"])]
    lines += [f"Groups: {', '.join(shares)}"] if shares else []
    return "\n".join(line for line in [*lines, f"Posterior: {result['folder']}"] if line)


def planned(result: Mapping[str, Any]) -> str:
    """How many labels to collect."""
    more = f": {result['more']:,} more than there are, summed over systems" if result["rates"] else ""
    return "\n".join((f"{result['labels']:,} votes for each system{more}", result["explanation"]))


def converted(result: Mapping[str, Any]) -> str:
    """What was written, and what the format could not carry."""
    lines = [f"{result['written']:,} of {result['read']:,} judgements written to {result['path']} ({result['format']})"]
    lines += [f"  not carried: {reason}: {n:,}" for reason, n in result["lost"].items()]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    shown = [head, *rows[:_SHOWN]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    more = [f"... and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []
    return "\n".join([*lines, *more])


def _rank(row: Mapping[str, Any]) -> str:
    if row["rank"] is None:
        return "?"
    low, high = row["rank_interval"] or (row["rank"], row["rank"])
    return f"{row['rank']}" if low == high else f"{row['rank']} ({low}-{high})"


def _share(result: Mapping[str, Any], name: str) -> str:
    interval = result[f"{name}_interval"]
    return f"{result[name]:.1%}" + (f" [{interval['low']:.1%}, {interval['high']:.1%}]" if interval else "")


def _interval(interval: Mapping[str, Any] | None) -> str:
    return f"[{interval['low']:+.2f}, {interval['high']:+.2f}]" if interval else ""


def _estimate(estimate: Mapping[str, Any]) -> str:
    return f"{_number(estimate['value'])} {_interval(estimate['interval'])}".strip()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _short(text: str, width: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
