"""What commands that ask a model share: opening it, and refusing a place that cannot be written before it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def behind_server(model: str) -> bool:
    """Whether a model is named by the URL of its server."""
    return model.startswith(("http://", "https://"))


@contextmanager
def opened(
    model: str,
    served: str | None,
    key: str | None,
    *,
    max_tokens: int,
    temperature: float,
    journal: str | None = None,
    caps: Mapping[str, float] | None = None,
    prices: Any = None,
) -> Iterator[Any]:
    """The model in a folder, or behind a server, its journal with `caps` open as long as this context.

    Raises UsageError for a server without the model's name.
    """
    from heedful.core import Budget, UsageError
    from heedful.models import Decoding, Endpoint, Journal, LocalModel, Sampling

    if not behind_server(model):
        yield LocalModel(model, max_tokens=max_tokens, decoding=Decoding(temperature=temperature))
        return
    if served is None:
        raise UsageError("a server has models by name", where="--model", fix="give --served NAME")
    sampling = Sampling(max_tokens=max_tokens, temperature=temperature)
    about: Any = {"api_key": key, "sampling": sampling, "prices": prices}
    with Journal(journal, Budget(**(caps or {}))) as kept, Endpoint(model, served, journal=kept, **about) as endpoint:
        yield endpoint


def capped(**caps: float | None) -> dict[str, float]:
    """Caps by unit, those that were given."""
    return {unit: cap for unit, cap in caps.items() if cap is not None}


def prices_of(given: str) -> Any:
    """Prices written as IN,OUT, of a million tokens each. Raises UsageError for anything else."""
    from heedful.core import UsageError
    from heedful.models import Prices

    try:
        return Prices(*map(float, given.split(",")))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{given!r} are no two prices", where="--prices", fix="--prices 0.15,0.60") from error


def refuse_place(out: str, read: Sequence[str | None]) -> None:
    """Raises UsageError where a file cannot be written, or is one of those that are read."""
    from heedful.core import UsageError
    from heedful.feedback import refuse_overwriting

    refuse_overwriting(out, (path for path in read if path is not None))
    if Path(out).is_dir():
        raise UsageError("this is a folder", where=out, fix="name a file in it")
    if not Path(out).absolute().parent.is_dir():
        raise UsageError("the folder of this file does not exist", where=out, fix="create it, or name another file")
