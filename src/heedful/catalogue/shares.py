"""The catalogue cut into shares of bounded time, to be run in full one after another."""

from __future__ import annotations

from collections.abc import Mapping

from heedful.catalogue.registry import ids, result

# Processor seconds that a full run may take, and that one without a result is taken to.
LONGEST = 60.0


def recorded() -> dict[str, float]:
    """The processor seconds that the committed full run of each entry took."""
    return {identity: (result(identity) or {"seconds": LONGEST})["seconds"] for identity in ids()}


def shares(seconds: Mapping[str, float], most: float) -> tuple[tuple[str, ...], ...]:
    """Every id once, in shares of at most `most` seconds together; one that takes longer has a share of its own.

    Longest first, each into the first share with room (first fit decreasing, Johnson 1973): at most 11/9 of the fewest
    shares that can be, and 2/3 of a share more (Dósa 2007).
    """
    found: list[tuple[str, ...]] = []
    for identity in sorted(seconds, key=lambda own: (-seconds[own], own)):
        taken = (sum(seconds[own] for own in share) + seconds[identity] for share in found)
        place = next((place for place, total in enumerate(taken) if total <= most), None)
        if place is None:
            found.append((identity,))
        else:
            found[place] += (identity,)
    return tuple(found)
