"""Utility gained against divergence from the base, by objective, under the most that any policy can gain at it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from heedful.report.charts import Frame, Point, chart, points, to_file
from heedful.report.markup import Markup, join, tag
from heedful.report.scales import spanning
from objectives_.listed import Listed
from objectives_.tables import interval

MOST = 1.7
"""Nats of divergence shown."""
TITLES = {"clean": "From 4,800 outputs", "limit": "From all feedback there is"}


def draw(result: Mapping[str, Any], named: Mapping[str, Mapping[str, tuple[int, int]]], path: Path) -> None:
    """A chart of feedback on 4,800 outputs and one of all there is; those `named` by chart, with where their names
    stand."""
    charts = []
    for kind, title in TITLES.items():
        worlds = [Listed.of(seed) for seed in range(len(next(iter(result.values()))[kind]["gain"]))]
        kl, gain = (np.mean(own, axis=0) for own in zip(*(world.frontier for world in worlds), strict=True))
        told = {name: own[kind] for name, own in result.items() if np.mean(own[kind]["kl"]) < MOST}
        most = float(np.interp(MOST, kl, gain))
        frame = Frame(spanning([0.0, MOST], margin=0.02), spanning([0.0, most], margin=0.05))
        edge = [Point(x, y, size=0) for x, y in zip(kl, gain, strict=True) if x < MOST]
        dots = [_dot(own, interval(own["gain"]) if kind == "clean" else ()) for own in told.values()]
        layers = (
            points(frame, edge, joined=True),
            points(frame, dots, joined=False),
            join(_name(frame, name, told[name], *offset) for name, offset in named[kind].items()),
        )
        words = f"{title}: {len(told)} objectives below the curve of the most that can be gained at each divergence."
        axes = {"x_title": "KL to the base, nats", "y_title": "Utility gained, nats"}
        charts.append(chart(f"objectives-{kind}", frame, *layers, title=title, description=words, **axes))
    to_file(charts, path)


def _dot(told: Mapping[str, Any], within: tuple[float, ...]) -> Point:
    return Point(float(np.mean(told["kl"])), float(np.mean(told["gain"])), *within[1:], size=3)


def _name(frame: Frame, name: str, told: Mapping[str, Any], x: int, y: int) -> Markup:
    at = frame.across(float(np.mean(told["kl"]))) + x, frame.up(float(np.mean(told["gain"]))) + y
    return tag("text", name, x=at[0], y=at[1], text_anchor="start" if x > 0 else "end", class_="aside")
