"""What a reader must know before trusting the rest: problems first."""

from __future__ import annotations

from heedful.report.markup import Markup, name_of, separated, tag
from heedful.report.numerals import capitalised, count, counted
from heedful.report.parts import FindingPart
from heedful.report.sections.common import ended, finding_id, fold, paragraph, section
from heedful.report.summary import Summary

_NOTES_OPEN = 4
_EXAMPLES_OPEN = 5
# A shape of its own for each severity, so that colour carries nothing alone.
_SHAPES = {
    "problem": "M8 1 15 14H1Z",
    "warning": "M8 1 15 8 8 15 1 8Z",
    "note": "M8 1.5a6.5 6.5 0 1 0 .01 0Z",
}


def findings(summary: Summary) -> Markup:
    """Every finding, in sentences."""
    ordered = summary.findings_by_severity()
    if not ordered:
        return section("findings", "What to know first", paragraph("No problems were found in this feedback."))
    grave = [finding for finding in ordered if finding.severity != "note"]
    notes = [finding for finding in ordered if finding.severity == "note"]
    return section(
        "findings",
        "What to know first",
        paragraph(_tally(ordered), class_="standfirst"),
        _list(summary, grave),
        _list(summary, notes)
        if len(notes) <= _NOTES_OPEN
        else fold(f"Show {counted(len(notes), 'note')}", _list(summary, notes)),
    )


def _tally(ordered: list[FindingPart]) -> str:
    of = {kind: sum(finding.severity == kind for finding in ordered) for kind in ("problem", "warning", "note")}
    tally = (
        f"{counted(of['problem'], 'problem')}, {counted(of['warning'], 'warning')} and {counted(of['note'], 'note')}."
    )
    return (
        f"{capitalised(tally)} A problem can make a result below wrong or empty; a warning limits what it means; "
        "a note is good to know."
    )


def _list(summary: Summary, ordered: list[FindingPart]) -> Markup | None:
    if not ordered:
        return None
    return tag("ul", (_finding(summary, finding) for finding in ordered), class_="findings")


def _finding(summary: Summary, finding: FindingPart) -> Markup:
    kind = finding.severity
    return tag(
        "li",
        tag("p", severity_sign(kind), tag("strong", kind.capitalize()), class_="severity"),
        tag(
            "div",
            paragraph(tag("span", ended(finding.message) or "(no message)", dir="auto")),
            paragraph(tag("strong", "What to do: "), ended(finding.fix), class_="fix") if finding.fix else None,
            _examples(finding),
            _footer(finding),
        ),
        id=finding_id(summary, finding),
        class_=f"finding {kind}",
    )


def severity_sign(kind: str) -> Markup:
    return tag("svg", tag("path", d=_SHAPES[kind]), viewBox="0 0 16 16", class_="sign", aria_hidden="true")


def _examples(finding: FindingPart) -> Markup | None:
    if not finding.examples:
        return None
    shown = [name_of(example, class_="item") for example in finding.examples]
    words = separated("; ", shown)
    if len(shown) <= _EXAMPLES_OPEN:
        return paragraph("Namely: " if len(shown) == finding.count else "For example: ", words, class_="examples")
    return fold(f"Show {counted(len(shown), 'example')}", paragraph(words), class_="examples")


def _footer(finding: FindingPart) -> Markup:
    code = tag("code", finding.code)
    concerned = None if finding.count in (0, len(finding.examples)) else f"Concerns {count(finding.count)} in all · "
    return paragraph(concerned, code, class_="meta")
