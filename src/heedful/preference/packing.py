"""Fitted models as JSON values and arrays, and back. Nothing is unpickled: only the classes listed here are made.

A frozen dataclass becomes its `kind` and its fields; an array, its shape here and its numbers under the path of the
fields that lead to it ("mode.mixture.votes.first"). What has a state of its own (posteriors, encoders, heads)
keeps to that.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import numpy as np
from scipy import sparse

from heedful.core import UsageError
from heedful.models.encoders import Arrays
from heedful.preference.named import Named
from heedful.preference.posterior import FittedPosterior
from heedful.preference.posterior_state import state_of

# Kinds by the name that files know them by, which stays when a class moves.
_KINDS = {
    "absolute": "preference.people.outside:Absolute",
    "adjacent categories": "preference.pair_models:PairModel",
    "counted": "preference.counting:PairCounts",
    "cumulative": "preference.pair_models:CumulativePairModel",
    "dense information": "preference.information:Dense",
    "estimate": "core.values:Estimate",
    "features": "preference.utilities:Linear",
    "finding": "core.values:Finding",
    "general": "preference.general:GeneralPreference",
    "groups": "preference.people.groups:Groups",
    "head": "preference.heads.posterior:HeadPosterior",
    "interval": "core.values:Interval",
    "items": "preference.utilities:FreeItems",
    "mixture": "preference.people.mixture:Mixture",
    "mode of mixture": "preference.people.em:Mode",
    "mode of raters": "preference.raters_inference:Mode",
    "pairs": "preference.pairs:Pairs",
    "people": "preference.people.persons:People",
    "person": "preference.people.persons:Person",
    "population": "preference.people.latent:Population",
    "rater": "preference.raters_estimates:RaterEstimate",
    "raters": "preference.raters_posterior:RaterPosterior",
    "raters' likelihood": "preference.raters_likelihood:Marginal",
    "raters' types": "preference.raters_types:Types",
    "raters' votes": "preference.raters_votes:RaterVotes",
    "rating fit": "preference.pair_fit:PairFit",
    "ratings": "preference.ratings:Ratings",
    "sparse information": "preference.information:Sparse",
    "votes": "preference.people.votes:PairVotes",
}
_NAMES = {f"heedful.{home}": kind for kind, home in _KINDS.items()}
# What takes a state, by a key that only such states have, looked for in this order.
_LOADERS = {
    "readings": "preference.posterior_state:from_state",
    "encoder": "models.encoders:load_encoder",
    "head": "preference.heads.saved:load_head",
}
_SPARSE = ("data", "indices", "indptr")


def packed(value: Any, path: str, arrays: Arrays) -> Any:
    """`value` as JSON; its arrays are put into `arrays`, under names that begin with `path`.

    Raises UsageError for an object of a class that is not listed.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays[path] = value
        # Sums run in the order of memory, and are the same to the last bit only in the same order.
        return {"array": list(value.shape), "order": "F" if value.flags.fnc else "C"}
    if sparse.issparse(value):
        arrays |= {_under(path, part): getattr(value, part) for part in _SPARSE}
        return {"sparse": list(value.shape)}
    if isinstance(value, dict):
        return {"dict": [[key, packed(own, _under(path, str(key)), arrays)] for key, own in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [packed(own, _under(path, str(at)), arrays) for at, own in enumerate(value)]}
    if isinstance(value, FittedPosterior) or hasattr(value, "state"):
        own, state = state_of(value) if isinstance(value, FittedPosterior) else value.state()
        arrays |= {_under(path, name): array for name, array in own.items()}
        return {"state": state}
    kind = _NAMES.get(f"{type(value).__module__}:{type(value).__qualname__}")
    if kind is None:
        fix = "save a part of it that heedful made"
        raise UsageError(f"{type(value).__name__} cannot be saved", where=path or "save", fix=fix)
    fields = {
        field.name: packed(getattr(value, field.name), _under(path, field.name), arrays)
        for field in dataclasses.fields(value)
    }
    return {"kind": kind, "fields": fields}


def unpacked(value: Any, path: str, arrays: Named) -> Any:
    """The inverse of `packed`. Raises ValueError that says at which path what is missing or does not fit."""
    if not isinstance(value, Named):
        return value
    [tag, content], *_ = value.items()
    if tag == "array":
        return np.asarray(_shaped(arrays[path], content, path), order=value["order"])
    if tag == "sparse":
        made = sparse.csr_array(tuple(arrays[_under(path, part)] for part in _SPARSE), shape=content)
        made.check_format()  # an index beyond the shape would be read from other memory
        return made
    if tag == "dict":
        return {key: unpacked(own, _under(path, str(key)), arrays) for key, own in content}
    if tag in ("list", "tuple"):
        own = [unpacked(each, _under(path, str(at)), arrays) for at, each in enumerate(content)]
        return own if tag == "list" else tuple(own)
    if tag == "state":
        return _from_state(content, path, arrays)
    if content not in _KINDS:
        raise ValueError(f"{path or 'the whole'} is of an unknown kind {content!r}")
    made_by, fields = _found(_KINDS[content]), value["fields"]
    return made_by(
        **{
            field.name: unpacked(_at(path, fields, field.name), _under(path, field.name), arrays)
            for field in dataclasses.fields(made_by)
        }
    )


def _at(path: str, fields: Named, name: str) -> Any:
    try:
        return fields[name]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _from_state(state: Named, path: str, arrays: Named) -> Any:
    key = next((key for key in _LOADERS if key in state), None)
    if key is None:
        raise ValueError(f"the state of {path} names neither {' nor '.join(_LOADERS)}")
    try:
        return _found(_LOADERS[key])(arrays.under(f"{path}."), state)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{path}: {error}") from error


def _found(home: str) -> Any:
    module, name = home.split(":")
    return getattr(importlib.import_module(f"heedful.{module}"), name)


def _shaped(array: Any, shape: list[int], path: str) -> Any:
    if list(array.shape) != shape:
        raise ValueError(f"{path} has the shape {list(array.shape)} and not {shape}")
    return array


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
