"""docs/catalogue.md: every entry and what its committed run gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heedful.catalogue.entry import Entry
from heedful.catalogue.registry import entry, ids, result

_OPENING = """# Catalogue

Published methods as configurations of heedful's components, each with a miniature of its claim: small enough to run
anywhere, with a truth that is known or feedback that is real. A claim is written as inequalities before it is run. An
inequality holds where its whole interval over seeds lies on the side claimed, fails where it lies on the other, and is
open otherwise. The intervals of all checks of one entry together miss at most 5 % of the time; those of its other
figures miss that often one by one. All must hold for *reproduced*, one that fails makes *not reproduced*. Each verdict
is a result: none is tuned until it pleases, and where a claim was changed after a first run, its entry says so and what
came of the first. A verdict is about the miniature, which is far from the scale of the work itself.

    heedful catalogue list
    heedful catalogue show 004-032
    heedful catalogue run 004-032

This page is written by `heedful catalogue docs` from the committed results.
"""


def page() -> str:
    """The page as Markdown."""
    entries = [(entry(identity), result(identity)) for identity in ids()]
    rows = [f"| [{own.id}](#{own.id}) | {own.title} | {verdict_of(known)} |" for own, known in entries]
    parts = [_OPENING, "| id | work | verdict |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"]
    return "\n".join(parts + [section(own, known) for own, known in entries])


def verdict_of(known: Mapping[str, Any] | None) -> str:
    """The verdict of a committed result, in words."""
    return "not run yet" if known is None else str(known["verdict"])


def section(own: Entry, known: Mapping[str, Any] | None) -> str:
    lines = [
        f'## <a id="{own.id}"></a>{own.id}: {own.title}',
        "",
        f"{own.citation + '; area' if own.citation else 'Area'} {own.area}.",
        "",
    ]
    lines += [f"**Claim.** {own.claim}", "", f"**Configuration.** {own.configuration}", ""]
    if own.beyond:
        lines += [f"**Beyond the abstract.** {own.beyond}", ""]
    if known is None:
        return "\n".join([*lines, "Not run yet.", ""])
    lines += [f"**Verdict: {known['verdict']}** ({len(known['seeds'])} seeds, {known['seconds']:.0f} s).", ""]
    lines += ["| check | mean | interval | outcome |", "| --- | ---: | --- | --- |"]
    lines += [f"| {c['check']} | {c['mean']:.4g} | {_interval(c)} | {c['outcome']} |" for c in known["checks"]]
    lines += ["", "| figure | mean | interval | what it is |", "| --- | ---: | --- | --- |"]
    lines += [
        f"| {name} | {figure['mean']:.4g} | {_interval(figure)} | {own.measures.get(name, '')} |"
        for name, figure in known["figures"].items()
    ]
    return "\n".join([*lines, ""])


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["low"] is None:
        return str(figure["note"])
    return f"{figure['low']:.4g} to {figure['high']:.4g} ({figure['level']:.1%})"
