"""How the report was made: what is needed to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heedful.report.lanes import LaneTable, Mark, Row, table
from heedful.report.markup import Child, Markup, join, listed, name_of, tag
from heedful.report.numerals import count, counted, duration, number
from heedful.report.parts import ModelPart
from heedful.report.scales import Scale, spanning
from heedful.report.sections.common import missing, paragraph, section
from heedful.report.summary import Summary

_MOST_LISTED = 12
_COVARIANCE = {
    "clustered": "clustered: votes that share a context or a rater are not taken for independent",
    "model": "from the model: every vote is taken for independent",
}


def made(summary: Summary) -> Markup:
    """The model, the seed, the versions and the time each step took."""
    return section(
        "made",
        "How this was made",
        tag("h3", "The model"),
        _model(summary),
        tag("h3", "Seed and versions"),
        _origin(summary),
        tag("h3", "Time"),
        _seconds(summary),
    )


def _model(summary: Summary) -> Markup:
    model = summary.model
    if model is None:
        return missing(summary, ("fit", "preference", "model"), "No model was fitted; the summary gives no reason.")
    rows = [(name, value) for name, value in _facts(model) if value]
    return table("What was fitted", ("Property", "Value"), rows, prose=True)


def _facts(model: ModelPart) -> list[tuple[str, Child]]:
    return [
        ("Criterion", name_of(model.criterion) if model.criterion else None),
        ("Likelihoods", _likelihoods(model)),
        ("Utility", model.utility),
        ("Features", _features(model.features)),
        ("Prior", model.prior or "none"),
        ("Parameters", None if model.parameters is None else count(model.parameters)),
        ("Log-likelihood", None if model.log_likelihood is None else f"{number(model.log_likelihood)} nats"),
        ("Optimiser", _convergence(model)),
        ("Clusters", _clusters(model.clusters)),
        ("Covariance", _COVARIANCE.get(model.covariance or "", model.covariance)),
    ]


def _likelihoods(model: ModelPart) -> Child:
    return listed(f"{part.kind.replace('_', ' ')} ({counted(part.n, 'judgement')})" for part in model.likelihoods)


def _features(features: Any) -> str | None:
    return None if features is None else _shown(features)


def _shown(value: Any) -> str:
    """A value of the description of the features, whatever its shape."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_shown(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - _MOST_LISTED:,} more" if len(value) > _MOST_LISTED else ""
        return ", ".join(_shown(inner) for inner in value[:_MOST_LISTED]) + more
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _convergence(model: ModelPart) -> str | None:
    if model.converged is None:
        return None
    steps = "" if model.iterations is None else f" after {counted(model.iterations, 'iteration')}"
    return f"converged{steps}" if model.converged else f"did not converge{steps}: treat the scores with care"


def _clusters(clusters: Mapping[str, float]) -> str | None:
    known = [f"{counted(n, 'group')} by {name}" for name, n in clusters.items() if n]
    return ", ".join(known) if known else None


def _origin(summary: Summary) -> Markup:
    if summary.seed is None and not summary.versions:
        return paragraph("The summary records neither seed nor versions.", class_="missing")
    seed = "not recorded" if summary.seed is None else str(summary.seed)
    rows: list[tuple[Child, ...]] = [("Seed", seed)]
    rows += [(name, version) for name, version in summary.versions.items()]
    return join(
        paragraph("The same feedback, seed and versions give the same numbers."),
        table("Seed and versions", ("What", "Value"), rows),
    )


def _seconds(summary: Summary) -> Markup:
    known = summary.seconds
    if not known:
        return paragraph("The time of each step was not recorded.", class_="missing")
    drawn = LaneTable(
        key="seconds",
        caption=f"Time by step, {duration(sum(known.values()))} in all",
        name_head="Step",
        lane_head="Seconds",
        cell_heads=("Time",),
        scale=_from_zero(known),
        rows=[Row(name=step, mark=Mark(spent, bar=True), cells=(duration(spent),)) for step, spent in known.items()],
    )
    return drawn.markup()


def _from_zero(known: Mapping[str, float]) -> Scale:
    return spanning([0.0, max(*known.values(), 1e-6)] if len(known) > 1 else [0.0, *known.values()], wanted=4)
