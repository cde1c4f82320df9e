"""What a network is given to read rows."""

from __future__ import annotations

from typing import Any

from heedful.core import InputError
from heedful.training.rows import Rows

_WHOLE = ("full_attention", "sliding_attention", "chunked_attention")


def inputs(network: Any, rows: Rows) -> dict[str, Any]:
    """Arguments of a network that reads rows. Raises InputError for rows whose parts are not to see one another, where
    the network would hear of them all the same, or not of all that a part may see."""
    read = {"input_ids": rows.tokens, "position_ids": rows.position, "use_cache": False}
    if rows.seen is not None:
        _refuse_sharing(network, rows.tokens.shape[1])
        read["attention_mask"] = rows.seen
    return read


def _refuse_sharing(network: Any, columns: int) -> None:
    config, name = network.config.get_text_config(), type(network).__name__
    other = set(getattr(config, "layer_types", None) or ()).difference(_WHOLE)
    if other:
        what = f"a {name} has layers of {', '.join(sorted(other))}, which no mask keeps from what stands before"
        raise InputError(what, where="training", fix="use a network of attention alone")
    windows = [getattr(config, own, None) for own in ("sliding_window", "attention_chunk_size")]
    least = min((own for own in windows if own), default=columns)
    if columns > least:
        what = f"a {name} looks back over {least} tokens, and rows that outputs share have {columns}"
        raise InputError(what, where="training", fix=f"leave out examples of more than {least} tokens (--longest)")
