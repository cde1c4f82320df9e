"""The page: its frame, its order and its style."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from heedful.report import palette, sections
from heedful.report.markup import Child, Markup, join, tag
from heedful.report.sections.answer import figures
from heedful.report.summary import Summary

_CONTENTS: tuple[tuple[str, str], ...] = (
    ("answer", "The answer"),
    ("findings", "What to know first"),
    ("ranking", "Ranking"),
    ("win-rates", "Win rates"),
    ("prediction", "Prediction"),
    ("agreement", "Agreement"),
    ("ask", "What to ask next"),
    ("picks", "Picks"),
    ("data", "The feedback"),
    ("glossary", "Words"),
    ("made", "How it was made"),
)


def render(summary: Mapping[str, Any]) -> str:
    """The report of a summary (schema 1) as one HTML page that loads nothing from elsewhere.

    The same summary gives the same page, byte by byte. Raises InputError where the summary is not one.
    """
    read = Summary.of(summary)
    version = read.versions.get("heedful") or ""
    frame = Frame(_title(read), "feedback report", figures(read), _CONTENTS, "summary.json", version)
    return framed(frame, _main(read))


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page: its title, what it is, a line of figures, its sections by key, the file that holds
    every number of it, and the version that made it."""

    title: str
    kind: str
    figures: Child
    contents: tuple[tuple[str, str], ...]
    numbers: str
    version: str = ""


def framed(frame: Frame, main: Markup) -> str:
    """One HTML page that loads nothing from elsewhere."""
    return "<!doctype html>\n" + tag("html", _head(frame), _body(frame, main), lang="en") + "\n"


def _head(frame: Frame) -> Markup:
    style, script = Markup(palette.style() + "\n" + _packaged("style.css")), Markup(_packaged("enhance.js"))
    # The policy forbids every request, and every script and style but these two, whatever a text in the data says.
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=Markup(policy)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"heedful {frame.version}".rstrip()),
        tag("title", frame.title),
        tag("style", style),
    )


def _body(frame: Frame, main: Markup) -> Markup:
    links = (tag("li", tag("a", words, href=f"#{key}")) for key, words in frame.contents)
    return tag(
        "body",
        tag("a", f"Skip to {frame.contents[0][1].lower()}", href="#main", class_="skip"),
        tag(
            "header",
            tag("p", tag("b", "heedful"), f" · {frame.kind}", class_="kicker"),
            tag("h1", tag("bdi", frame.title)),
            tag("p", frame.figures, class_="figures"),
            tag("button", "Dark page", id="theme", type="button", hidden=True),
            class_="masthead",
        ),
        tag("div", tag("nav", tag("ol", links), aria_label="Contents"), main, class_="page"),
        tag("footer", tag("p", _footer(frame))),
        tag("script", Markup(_packaged("enhance.js"))),
    )


def _main(summary: Summary) -> Markup:
    parts = (
        sections.answer(summary),
        sections.findings(summary),
        sections.ranking(summary),
        sections.win_rates(summary),
        sections.prediction(summary),
        sections.agreement(summary),
        sections.questions(summary),
        sections.picks(summary),
        sections.data(summary),
        sections.glossary(summary),
        sections.made(summary),
    )
    return tag("main", join(parts), id="main", tabindex=-1)


def _title(summary: Summary) -> str:
    return summary.title or "Feedback report"


def _footer(frame: Frame) -> str:
    maker = f"Made by heedful {frame.version}" if frame.version else "Made by heedful"
    return (
        f"{maker}. This page is one file and loads nothing from the network; {frame.numbers} beside it holds every "
        "number."
    )


def _packaged(name: str) -> str:
    return resources.files("heedful.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
