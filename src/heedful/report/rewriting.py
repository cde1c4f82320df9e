"""The page of a rewriting: what was gained and how that is known, what the texts were and are, and every decision."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from heedful._version import __version__
from heedful.report.markup import Child, Markup, join, name_of, tag
from heedful.report.numerals import counted
from heedful.report.page import Frame, framed
from heedful.report.summary import to_json
from heedful.report.write import ReportFiles, write_files
from heedful.rewriting.propagating import cut

_CONTENTS = (
    ("answer", "The answer"),
    ("texts", "The texts"),
    ("decisions", "Decisions"),
    ("front", "What is good for its cost"),
    ("said", "What was said"),
    ("spent", "What it cost"),
)
_MOST_SAID = 40
_LONGEST = 300  # characters shown of what was said at once
_LONG = 2_000**2
_WORDS = re.compile(r"\s+|[^\s]+")


def render_rewriting(result: Mapping[str, Any]) -> str:
    """The page of what `heedful improve` found; the same result gives the same page."""
    texts, changed = result["prompts"], _changed(result)
    main = tag(
        "main",
        _answer(result),
        _texts(texts),
        _decisions(result),
        _front(result),
        _said(result),
        _spent(result),
        id="main",
        tabindex=-1,
    )
    tried = counted(result["counts"].get("tried", 0), "trial")
    figures = f"{len(changed)} of {len(texts)} texts rewritten after {tried}"
    return framed(
        Frame("What rewriting gained", "rewriting report", figures, _CONTENTS, "summary.json", __version__), main
    )


def write_rewriting(result: Mapping[str, Any], folder: Path) -> ReportFiles:
    """Write `report.html` and `summary.json` of a rewriting into a folder, whole or not at all."""
    return write_files(render_rewriting(result), to_json(result), folder)


def _changed(result: Mapping[str, Any]) -> list[str]:
    return [name for name, own in result["prompts"].items() if own["before"] != own["after"]]


def _answer(result: Mapping[str, Any]) -> Markup:
    claim, findings = result["claim"], result.get("findings", ())
    headline, lead = _told(result)
    note = tag("p", sentence(claim.note), class_="missing") if claim.note and claim.n else None
    warned = [tag("p", f"{sentence(own.message)} {sentence(own.fix)}", class_="missing") for own in findings]
    shown = tag("p", headline, class_="headline"), tag("p", lead, class_="lead")
    return tag("section", tag("h2", "The answer"), *shown, note, warned, id="answer")


def _told(result: Mapping[str, Any]) -> tuple[str, str]:
    """What is claimed, and how that is known."""
    claim, changed = result["claim"], _changed(result)
    if not claim.identified:
        kept = f"{len(changed)} texts were rewritten, each proven better when it was kept, but " if changed else ""
        return "Nothing is claimed", sentence(f"{kept}what was gained was not measured: {claim.note}")
    if not changed:
        return "Nothing was proven better", sentence(claim.note)
    within = "" if claim.interval is None else f", between {claim.interval.low:+.3f} and {claim.interval.high:+.3f}"
    lead = (
        f"The program earned {result['before'].value:.3f} before and {result['after'].value:.3f} after, on {claim.n} "
        f"examples held out: a difference of {claim.value:+.3f}{within}. It was measured once, after the last decision."
    )
    return f"{claim.value:+.3f} of 1 on examples that nothing was chosen by", lead


def sentence(words: str) -> str:
    """Words with a capital and a full stop."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _texts(texts: Mapping[str, Mapping[str, str]]) -> Markup:
    shown = [join(tag("h3", name_of(name)), _difference(own["before"], own["after"])) for name, own in texts.items()]
    legend = "Struck out is what was removed, underlined what was added."
    return tag("section", tag("h2", "The texts"), tag("p", legend, class_="standfirst"), shown, id="texts")


def _difference(before: str, after: str) -> Markup:
    """Both texts in one, word by word."""
    if before == after:
        return join(tag("p", "It stayed as it was:"), tag("pre", before, class_="passage"))
    one, other = _WORDS.findall(before), _WORDS.findall(after)
    pieces: list[Child] = []
    long = len(one) * len(other) > _LONG  # words that are everywhere then align nothing, or it takes hours
    for kind, i, j, k, m in difflib.SequenceMatcher(None, one, other, autojunk=long).get_opcodes():
        if kind == "equal":
            pieces.append("".join(one[i:j]))
            continue
        pieces += [tag("del", "".join(one[i:j]))] if i < j else []
        pieces += [tag("ins", "".join(other[k:m]))] if k < m else []
    return tag("pre", pieces, class_="passage")


def _decisions(result: Mapping[str, Any]) -> Markup:
    """Each round in a line: what was proposed, how it did in training, and what the trial decided."""
    rows = [tag("tr", [tag("td", cell) for cell in row]) for row in _rounds(result["events"])]
    head = [tag("th", name, scope="col") for name in ("Round", "Proposed", "In training", "Trial", "Decision")]
    table = tag("table", tag("thead", tag("tr", head)), tag("tbody", rows), class_="plain")
    words = (
        "Changes build on one another by what they earn in training; now and then, and at the end, the best so far is "
        "tried. A trial compares it with what is kept on validation examples, one after the other, and ends when the "
        "evidence is enough or will not be."
    )
    nothing = tag("p", "There was no round.", class_="missing")
    return tag(
        "section",
        tag("h2", "Decisions"),
        tag("p", words, class_="standfirst"),
        _scrolled(table, "Decisions") if rows else nothing,
        id="decisions",
    )


def _scrolled(table: Markup, name: str) -> Markup:
    """A table that scrolls by itself where the page is narrow."""
    return tag("div", table, class_="scroll-x", role="region", aria_label=name, tabindex=0)


def _rounds(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    by_round: dict[int, dict[str, Mapping[str, Any]]] = {}
    for event in events:
        if "round" in event:
            by_round.setdefault(event["round"], {})[event["event"]] = event
    for number, own in by_round.items():
        proposed, ran, tried, out = (own.get(name, {}) for name in ("proposed", "ran", "tried", "left out"))
        count = len(proposed.get("values", ()))
        unread = f", {proposed['unread']} unreadable" if proposed.get("unread") else ""
        training = f"{max(ran['earned']):.3f} against {ran['before']:.3f}" if ran else "–"
        trial = f"{tried['n']} examples, mean difference {tried['difference']:+.3f}" if tried else "–"
        trial = f"the best so far, on {trial}" if tried and not _of_round(proposed, tried) else trial
        name = str(number + 1) if proposed else "last"
        yield name, f"{count}{unread}", training, trial, _decision(ran, tried, out)


def _of_round(proposed: Mapping[str, Any], tried: Mapping[str, Any]) -> bool:
    """Whether what was tried was proposed in the same round."""
    return tried.get("values") in [{**proposed.get("parent", {}), **own} for own in proposed.get("values", ())]


def _decision(ran: Mapping[str, Any], tried: Mapping[str, Any], out: Mapping[str, Any]) -> str:
    left = {"tried before": out.get("repeated"), "too long": out.get("too_long"), "too dear": ran.get("too_dear")}
    if tried and tried.get("margin", 0.0) < 0:
        words = f"no worse by {-tried['margin']:g}"
        decided = f"kept: {words}" if tried["kept"] else f"not proven {words}"
    elif tried:
        decided = "kept" if tried["kept"] else "not proven better"
    elif ran and len(ran["earned"]) > ran.get("too_dear", 0):
        decided = "worse in training" if max(ran["earned"]) < ran["before"] else "no trial yet"
    else:
        decided = "nothing to try"
    return ", ".join([decided, *(f"{count} {words}" for words, count in left.items() if count)])


def _front(result: Mapping[str, Any]) -> Markup:
    """What was run in training and is beaten by nothing in all of what it earned, its length and its cost."""
    words = (
        "Of what was run in training, what no other beats in what it earned, its length and what a run cost. This "
        "describes training examples: only what was kept was proven by a trial, the rest is not to be relied on."
    )
    names = ("Earned in training", "Examples", "Characters", "Cost of a run", "Proven", "Texts")
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    start = {name: own["before"] for name, own in result["prompts"].items()}
    rows = [tag("tr", [tag("td", cell) for cell in _standing(own, start)]) for own in result.get("front", ())]
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="plain")
    title = tag("h2", "What is good for its cost")
    shown = _scrolled(table, "What is good for its cost") if rows else tag("p", "Nothing was run.", class_="missing")
    return tag("section", title, tag("p", words, class_="standfirst"), shown, id="front")


def _standing(own: Mapping[str, Any], start: Mapping[str, str]) -> tuple[Child, ...]:
    texts = {name: str(value) for name, value in own["values"].items()}
    proven = "kept" if own["kept"] else "the start" if texts == start else "no"
    figures = f"{own['mean']:.3f}", str(own["n"]), f"{own['length']:,}", f"{own['cost']:,.0f}"
    return *figures, proven, name_of(cut("\n".join(texts.values()), _LONGEST))


def _said(result: Mapping[str, Any]) -> Markup:
    words = Counter(_end(text) for event in result["events"] for text in event.get("said", ()))
    most = words.most_common(_MOST_SAID)
    more = len(words) - len(most)
    items = [
        tag("li", name_of(cut(text, _LONGEST)), f" ({times} times)" if times > 1 else None) for text, times in most
    ]
    left = tag("p", f"{more} more stand in the log.", class_="missing") if more > 0 else None
    nothing = tag("p", "Nothing was said.", class_="missing")
    return tag("section", tag("h2", "What was said"), tag("ul", items) if items else nothing, left, id="said")


def _end(text: str) -> str:
    """What was said, without the steps that led to it."""
    return text.rpartition("What was said of the end: ")[2]


def _spent(result: Mapping[str, Any]) -> Markup:
    rows = {**result["spent"], **result["counts"]}
    cells = [
        tag("tr", tag("th", name.replace("_", " "), scope="row"), tag("td", f"{value:,.{2 * (name == 'money')}f}"))
        for name, value in rows.items()
    ]
    ended = tag("p", f"It ended: {result['stopped']}.")
    return tag(
        "section", tag("h2", "What it cost"), tag("table", tag("tbody", cells), class_="plain"), ended, id="spent"
    )
