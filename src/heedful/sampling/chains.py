"""Chains: which of the outputs they come by are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice

import numpy as np

from heedful.core import Bound, Estimate, Floats, Item, Samples, UsageError
from heedful.sampling.batches import joined
from heedful.sampling.scoring import Scoring

Row = tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Chained(Samples):
    """Outputs of chains; `moved` [contexts] is the share of moves that led to another draw, NaN where none was made."""

    moved: Floats | None = None


def joined_chains(pieces: Sequence[Chained]) -> Chained:
    """As `joined`, at least one piece."""
    whole = joined(pieces)
    shared = {field.name: getattr(whole, field.name) for field in fields(Samples)}
    return Chained(**shared, moved=np.concatenate([piece.moved for piece in pieces if piece.moved is not None]))


def chained(
    items: Row,
    n: int,
    scoring: Scoring,
    cost: Mapping[str, float],
    moved: Floats,
    kl: tuple[Estimate | Bound, ...] | None = None,
) -> Chained:
    """n outputs of each chain, with their scores; log-weight 0, or −inf where an output is ruled out."""
    scores = scoring(items)
    return Chained(
        items=items,
        context_index=np.arange(len(items)) // n,
        log_weights=np.where(np.isneginf(scores.mean), -np.inf, 0.0),
        scores=scores,
        cost={**cost, "scores": float(len(scoring))},
        kl=kl,
        moved=moved,
    )


class Thinned:
    """An engine of `n` outputs of each chain: the first after `burn_in` moves, each further one after `thin` more."""

    __slots__ = ()
    n: int
    burn_in: int
    thin: int

    def refuse_impossible(self) -> None:
        """Raises UsageError where these are no numbers of outputs and moves."""
        if self.n < 1 or self.burn_in < 0 or self.thin < 1:
            raise UsageError(
                f"{self.n} outputs after {self.burn_in} moves, {self.thin} moves apart", where="n, burn_in, thin"
            )

    @property
    def moves(self) -> int:
        return self.burn_in + (self.n - 1) * self.thin

    def kept(self, chains: Iterator[Row]) -> Row:
        """Those of chains [c] side by side, from their start on: [c · n], of one chain together."""
        own = islice(chains, self.burn_in, self.moves + 1, self.thin)
        return tuple(item for chain in zip(*own, strict=True) for item in chain)

    def share(self, moved: Floats) -> Floats:
        """What counts of moves are of all moves."""
        return moved / self.moves if self.moves else np.full(len(moved), np.nan)
