"""Fair choices by hash."""

from __future__ import annotations

import zlib

import numpy as np

from heedful.stats.hashing import unit_hash


def test_unit_hash_is_uniform_and_depends_on_the_seed():
    names = [b"row-%d" % i for i in range(20_000)]  # near-identical texts, the hard case
    one, two = unit_hash(names, 0, "one"), unit_hash(names, 1, "one")
    other = unit_hash(names, 0, "two")
    for hashed in (one, two, other):
        assert 0 <= hashed.min() < hashed.max() < 1
        count = np.histogram(hashed, bins=20, range=(0, 1))[0]
        assert ((count - 1000) ** 2 / 1000).sum() < 50  # chi-square with 19 degrees of freedom, p about 1e-4
    assert np.abs(np.corrcoef([one, two, other]) - np.eye(3)).max() < 0.03


def test_unit_hash_is_splitmix_of_the_crc():
    def by_hand(text, seed):
        mask = 2**64 - 1
        x = (zlib.crc32(text.encode()) + 0x9E3779B97F4A7C15 * seed + (zlib.crc32(b"test") << 32)) & mask
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return (x ^ (x >> 31)) / 2**64

    names = ["a", "", "größer", "row-7"]
    for seed in (0, 1, 2**40):
        np.testing.assert_allclose(
            unit_hash([name.encode() for name in names], seed, "test"),
            [by_hand(name, seed) for name in names],
            rtol=1e-15,
        )
