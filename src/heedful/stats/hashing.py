"""Fair choices by hash: the same on every machine, in every version, in any order of the rows."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats


def unit_hash(texts: Sequence[bytes], seed: int, purpose: str) -> Floats:
    """A number in [0, 1) for each text [n]; see `hash_bits`."""
    return hash_bits(texts, seed, purpose) / 2.0**64


def hash_bits(texts: Sequence[bytes], seed: int, purpose: str) -> NDArray[np.uint64]:
    """64 fair bits for each text [n].

    CRC-32 mixed with the seed and the purpose by the finaliser of SplitMix64 (Steele, Lea and Flood 2014). What is
    decided for different purposes by hashes of the same texts is independent. Not for secrets.
    """
    crc = np.fromiter(map(zlib.crc32, texts), np.uint64, len(texts))
    with np.errstate(over="ignore"):
        x = crc + np.uint64(0x9E3779B97F4A7C15) * np.uint64(seed % 2**64)
        x += np.uint64(zlib.crc32(purpose.encode())) << np.uint64(32)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return bits
