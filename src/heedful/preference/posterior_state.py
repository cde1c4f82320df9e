"""A fitted posterior as arrays and JSON values, and back: layout 3, and 2 that had no scales of raters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Finding
from heedful.models import load_encoder
from heedful.models.encoders import Arrays
from heedful.preference.choices import ChoiceModel
from heedful.preference.grades import GradeModel
from heedful.preference.pairs import PairModel
from heedful.preference.posterior import FittedPosterior
from heedful.preference.reading import Reading
from heedful.preference.utilities import FreeItems, Linear, Utility

_READ = ("nuisance", "draws", "discrimination", "deviation")
_SCALES = ("strictness", "stretch", "sds")
_MODELS = {"pairs": PairModel, "choices": ChoiceModel, "grades": GradeModel}


def state_of(posterior: FittedPosterior) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and JSON values from which `from_state` makes the same posterior."""
    arrays: Arrays = {
        "mean": posterior.mean,
        "draws": posterior.draws,
        "counts": posterior.counts,
        "identified": posterior.identified.astype(np.float64),
    }
    if posterior.covariance is not None:
        arrays["covariance"] = posterior.covariance
    for number, reading in enumerate(posterior.readings):
        arrays |= {f"reading.{number}.{name}": getattr(reading, name) for name in (*_READ, *_SCALES)}
    encoder = None
    if isinstance(posterior.utility, Linear):
        own, encoder = posterior.utility.encoder.state()
        arrays |= {f"encoder.{name}": array for name, array in own.items()}
    return arrays, {
        "utility": posterior.utility.name,
        "encoder": encoder,
        "criterion": posterior.criterion,
        "names": posterior.names,
        "notes": posterior.notes,
        "df": None if math.isinf(posterior.df) else posterior.df,
        "readings": [_described(reading) for reading in posterior.readings],
        "findings": [asdict(finding) for finding in posterior.findings],
        "model": posterior.model,
    }


def from_state(arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> FittedPosterior:
    """The inverse of `state_of`. Raises ValueError that names the field that is missing or does not fit."""
    values: dict[str, Callable[[Any], Any]] = {
        "criterion": str,
        "names": tuple,
        "notes": tuple,
        "df": lambda df: math.inf if df is None else float(df),
        "readings": lambda own: tuple(_reading(one, number, arrays) for number, one in enumerate(own)),
        "findings": lambda own: tuple(Finding(**{**one, "examples": tuple(one["examples"])}) for one in own),
        "model": dict,
        "utility": lambda _: _utility(state, arrays),
    }
    made = {name: _parsed(name, parse, state) for name, parse in values.items()}
    n, draws = len(made["names"]), arrays["draws"]
    shapes = {"mean": (n,), "draws": (len(draws), n), "counts": (n,), "identified": (n,), "covariance": (n, n)}
    wrong = [name for name, shape in shapes.items() if name in arrays and arrays[name].shape != shape]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} do not fit {n} names")
    infinite = [name for name in ("mean", "draws", "counts") if not np.isfinite(arrays[name]).all()]
    if infinite:
        raise ValueError(f"{', '.join(infinite)} hold values that are not finite")
    return FittedPosterior(
        mean=arrays["mean"],
        covariance=arrays.get("covariance"),
        draws=draws,
        counts=arrays["counts"],
        identified=arrays["identified"] > 0,
        **made,
    )


def _parsed(name: str, parse: Callable[[Any], Any], state: Mapping[str, Any]) -> Any:
    try:
        return parse(state[name])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{name}: {type(error).__name__}: {error}") from error


def _utility(state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Utility:
    if state["utility"] == "items":
        return FreeItems(tuple(state["names"]))
    prefix = "encoder."
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return Linear(load_encoder(own, state["encoder"]))


def _described(reading: Reading) -> dict[str, Any]:
    (sort,) = (name for name, model in _MODELS.items() if isinstance(reading.model, model))
    values = {
        field.name: value.tolist() if isinstance(value := getattr(reading.model, field.name), np.ndarray) else value
        for field in fields(reading.model)
    }
    return {"kind": reading.kind, "model": sort, "raters": reading.raters, **values}


def _reading(described: Mapping[str, Any], number: int, arrays: Mapping[str, NDArray[Any]]) -> Reading:
    model: Any = _MODELS[described["model"]]
    values: dict[str, Any] = {}
    for field in fields(model):
        value = described[field.name]
        values[field.name] = value if isinstance(value, bool) else np.array(value, dtype=np.float64)
    if model is ChoiceModel:
        values["orders"] = tuple(int(order) for order in described["orders"])
    held: dict[str, Any] = {name: arrays[f"reading.{number}.{name}"] for name in _READ}
    if described.get("raters"):
        held |= {name: arrays[f"reading.{number}.{name}"] for name in _SCALES} | {"raters": tuple(described["raters"])}
    return Reading(described["kind"], model(**values), **held)
