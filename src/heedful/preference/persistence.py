"""A posterior as a folder: arrays in safetensors, everything else in JSON. Nothing is unpickled."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import Finding, Floats, InputError
from heedful.models import load_encoder
from heedful.preference.choices import ChoiceModel
from heedful.preference.grades import GradeModel
from heedful.preference.pairs import PairModel
from heedful.preference.posterior import FittedPosterior
from heedful.preference.prediction import Reading
from heedful.preference.utilities import FreeItems, Linear, Utility

FORMAT = "heedful.posterior"
VERSION = 3
# Version 2 had no scales of raters.
READABLE = (2, 3)
_JSON, _ARRAYS = "posterior.json", "posterior.safetensors"
_READ = ("nuisance", "draws", "discrimination", "deviation")
_SCALES = ("strictness", "stretch", "sds")
_MODELS = {"pairs": PairModel, "choices": ChoiceModel, "grades": GradeModel}


def save(posterior: FittedPosterior, folder: Path) -> None:
    """Write `posterior.json` and `posterior.safetensors`, each whole or not at all."""
    from safetensors.numpy import save as to_bytes

    arrays: dict[str, Floats] = {
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
    document = {
        "format": FORMAT,
        "version": VERSION,
        "utility": posterior.utility.name,
        "encoder": encoder,
        "criterion": posterior.criterion,
        "names": posterior.names,
        "notes": posterior.notes,
        "df": None if math.isinf(posterior.df) else posterior.df,
        "readings": [_described(reading) for reading in posterior.readings],
        "findings": [dataclasses.asdict(finding) for finding in posterior.findings],
        "model": posterior.model,
    }
    folder.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    _write(folder / _ARRAYS, to_bytes(contiguous))
    _write(folder / _JSON, json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))


def load(folder: str | Path) -> FittedPosterior:
    """The posterior that `FittedPosterior.save` wrote, identical to the last bit.

    Raises InputError where the folder holds none, one of a newer version, or one that was damaged.
    """
    folder = Path(folder)
    document, arrays = _document(folder), _arrays(folder)
    try:
        return _posterior(document, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def _posterior(document: Mapping[str, Any], arrays: Mapping[str, Any]) -> FittedPosterior:
    names, mean, draws = tuple(document["names"]), arrays["mean"], arrays["draws"]
    n = len(names)
    shapes = {"mean": (n,), "draws": (len(draws), n), "counts": (n,), "identified": (n,), "covariance": (n, n)}
    wrong = [name for name, shape in shapes.items() if name in arrays and arrays[name].shape != shape]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} do not fit {n} names")
    infinite = [name for name in ("mean", "draws", "counts") if not np.isfinite(arrays[name]).all()]
    if infinite:
        raise ValueError(f"{', '.join(infinite)} hold values that are not finite")
    return FittedPosterior(
        utility=_utility(document, arrays),
        criterion=document["criterion"],
        names=names,
        mean=mean,
        covariance=arrays.get("covariance"),
        draws=draws,
        counts=arrays["counts"],
        identified=arrays["identified"] > 0,
        notes=tuple(document["notes"]),
        df=math.inf if document["df"] is None else float(document["df"]),
        readings=tuple(_reading(own, number, arrays) for number, own in enumerate(document["readings"])),
        findings=tuple(
            Finding(**{**finding, "examples": tuple(finding["examples"])}) for finding in document["findings"]
        ),
        model=document["model"],
    )


def _utility(document: Mapping[str, Any], arrays: Mapping[str, Any]) -> Utility:
    if document["utility"] == "items":
        return FreeItems(tuple(document["names"]))
    prefix = "encoder."
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return Linear(load_encoder(own, document["encoder"]))


def _described(reading: Reading) -> dict[str, Any]:
    (sort,) = (name for name, model in _MODELS.items() if isinstance(reading.model, model))
    values = {
        field.name: value.tolist() if isinstance(value := getattr(reading.model, field.name), np.ndarray) else value
        for field in dataclasses.fields(reading.model)
    }
    return {"kind": reading.kind, "model": sort, "raters": reading.raters, **values}


def _reading(described: Mapping[str, Any], number: int, arrays: Mapping[str, Any]) -> Reading:
    model: Any = _MODELS[described["model"]]
    values: dict[str, Any] = {}
    for field in dataclasses.fields(model):
        value = described[field.name]
        values[field.name] = value if isinstance(value, bool) else np.array(value, dtype=np.float64)
    if model is ChoiceModel:
        values["orders"] = tuple(int(order) for order in described["orders"])
    held: dict[str, Any] = {name: arrays[f"reading.{number}.{name}"] for name in _READ}
    if described.get("raters"):
        held |= {name: arrays[f"reading.{number}.{name}"] for name in _SCALES} | {"raters": tuple(described["raters"])}
    return Reading(described["kind"], model(**values), **held)


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def _document(folder: Path) -> dict[str, Any]:
    path = folder / _JSON
    try:
        document = json.loads(path.read_text("utf-8", "surrogatepass"))
    except FileNotFoundError:
        raise InputError(
            "there is no posterior here",
            where=str(folder),
            fix="give a folder that `heedful fit --out` or .save() wrote",
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error)) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError("this is not a saved posterior", where=str(path))
    version = document.get("version")
    if version not in READABLE:
        older = isinstance(version, int) and version < VERSION
        raise InputError(
            f"the posterior has format version {version}, this heedful reads version {VERSION}",
            where=str(path),
            fix="fit and save it again" if older else "upgrade heedful",
        )
    return document


def _arrays(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    path = folder / _ARRAYS
    try:
        return dict(from_bytes(path.read_bytes()))
    except FileNotFoundError:
        raise _damaged(folder, f"{_ARRAYS} is missing") from None
    except (OSError, SafetensorError) as error:
        raise _damaged(folder, str(error)) from error


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"the saved posterior is damaged ({why})", where=str(folder), fix="fit and save it again")
