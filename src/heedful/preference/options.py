"""What options of a fit may be, and which go together."""

from __future__ import annotations

from typing import Any

from heedful.core import UsageError
from heedful.models import Encoder
from heedful.preference.critiques import Extractor

DRAWS = 256
# Options that a head has of its own, with what they are where nobody chose.
_OF_HEADS = {"prior_sd": None, "ties": "free", "pace": "pooled", "critiques": None, "draws": DRAWS}


def check(utility: str, features: Encoder | None, prior_sd: float | str | None, critiques: Extractor | None) -> None:
    if utility not in ("items", "features"):
        raise UsageError(f"{utility!r} is no utility", where="utility", fix="choose 'items' or 'features'")
    if utility == "features" and features is None:
        raise UsageError("a utility of features needs an encoder", where="features", fix="give features=encoder")
    if utility == "items" and (features is not None or critiques is not None):
        raise UsageError("free items have no features", where="utility", fix="use utility='features'")
    chosen = ("evidence", "held out") if utility == "features" else ("evidence",)
    if isinstance(prior_sd, str) and prior_sd not in chosen:
        fix = f"give a number, or {' or '.join(map(repr, chosen))}"
        raise UsageError(f"{prior_sd!r} is no width of a prior here", where="prior_sd", fix=fix)
    if isinstance(prior_sd, float | int) and not prior_sd > 0:
        fix = "give a number above 0, or None"
        raise UsageError(f"a standard deviation is above 0, not {prior_sd}", where="prior_sd", fix=fix)


def features_of_head(features: Encoder | None, **given: Any) -> Encoder:
    """The features that a head is a reward on. Raises UsageError for an option that the head has of its own."""
    chosen = [name for name, value in given.items() if value != _OF_HEADS[name]]
    if chosen:
        what = f"a head decides {chosen[0]} by itself"
        raise UsageError(what, where=chosen[0], fix="leave it out, or set what the head has in its place")
    if features is None:
        raise UsageError("a head is a reward on features", where="head", fix="use utility='features', features=encoder")
    return features


def check_numbers(draws: int, seed: int) -> None:
    if draws < 2 or seed < 0:
        raise UsageError(f"draws are 2 or more and a seed 0 or more, not {draws} and {seed}", where="draws, seed")


_OPTIONS = {
    "ties": ("free", "half"),
    "clusters": ("auto", "none"),
    "judges": ("apart", "pooled"),
    "scales": ("own", "common"),
    "pace": ("apart", "pooled"),
}


def check_choices(**given: str) -> None:
    for name, value in given.items():
        if value not in _OPTIONS[name]:
            choices = " or ".join(map(repr, _OPTIONS[name]))
            raise UsageError(f"{value!r} is no choice for {name}", where=name, fix=f"choose {choices}")
