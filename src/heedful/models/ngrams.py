"""What an output says: character n-grams within words, weighted by rarity and reduced to a few columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, UsageError
from heedful.models.encoders import Arrays, not_fitted
from heedful.models.texts import output_texts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import LinearOperator

CodePoints = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

# Texts are hashed this many characters at a time, which bounds the memory taken (about 40 bytes per character).
_SLICE = 1 << 20
_SPACE = ord(" ")
# Matrices with no more rows or columns than this are decomposed whole, which also stands for those of low rank.
_DENSE = 128
# Any odd multiplier with well-spread bits makes distinct n-grams collide with probability about 2^-64 per pair.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class NgramFeatures:
    """TF-IDF of character n-grams within words, projected on the directions along which answers differ.

    Letter case is ignored and white space collapsed to one space; an n-gram may begin or end with that space but not
    span it. Weights are (1 + log count) · (log((1 + N) / (1 + items holding it)) + 1), scaled to length 1 per output
    (Manning, Raghavan & Schütze 2008, section 6.4). N-grams found in fewer than `min_items` training outputs are left
    out, and so are the rarest beyond `max_ngrams`. The columns are projections on the first `dimensions` right singular
    vectors (truncated SVD) of the weights less their mean over the training items of the same context, since only
    differences within a context matter; where no context has two items, of the weights themselves. There are fewer
    columns where the items are too few, and none where no n-gram recurs.

    At most `fit_on` items, those of contexts in an order shuffled by `seed`, are learnt from; `describe` says how many.
    """

    size: int = 4
    dimensions: int = 64
    min_items: int = 3
    max_ngrams: int = 20_000
    fit_on: int = 20_000
    seed: int = 0
    fitted_on: int = 0
    ngrams: CodePoints | None = None  # [v, size] code points, in the order of their hashes
    rarity: Floats | None = None  # [v]
    components: NDArray[np.float32] | None = None  # [d, v]

    def __post_init__(self) -> None:
        if min(self.size, self.dimensions, self.min_items, self.max_ngrams, self.fit_on) < 1:
            raise UsageError("every number must be 1 or more", where="NgramFeatures")

    @property
    def names(self) -> tuple[str, ...]:
        if self.components is None:
            raise not_fitted(self)
        return tuple(f"component_{column}" for column in range(len(self.components)))

    @property
    def blocks(self) -> tuple[int, ...]:
        return (len(self.names),) if self.names else ()

    def fit(self, items: Sequence[Item]) -> NgramFeatures:
        items = _sample_of_contexts(items, self.fit_on, np.random.default_rng(self.seed))
        texts = output_texts(items)
        ngrams, holders = _vocabulary(texts, self.size, self.min_items, self.max_ngrams)
        rarity = np.log((1 + len(texts)) / (1 + holders)) + 1
        weights = _weights(texts, ngrams, rarity, self.size)
        components = _components(_within_contexts(weights, items), self.dimensions, self.seed)
        return replace(self, fitted_on=len(texts), ngrams=ngrams, rarity=rarity, components=components)

    def encode(self, items: Sequence[Item]) -> Floats:
        if self.ngrams is None or self.rarity is None or self.components is None:
            raise not_fitted(self)
        weights = _weights(output_texts(items), self.ngrams, self.rarity, self.size)
        return np.asarray(weights @ self.components.astype(np.float64).T)

    def describe(self) -> dict[str, Any]:
        known = None if self.ngrams is None else len(self.ngrams)
        return {"encoder": "ngrams", **self._settings(), "fitted_on": self.fitted_on, "ngrams": known}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {name: getattr(self, name) for name in ("ngrams", "rarity", "components")}
        known = {name: array for name, array in arrays.items() if array is not None}
        return known, {"encoder": "ngrams", **self._settings(), "fitted_on": self.fitted_on}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        fields: dict[str, Any] = {**state, **arrays}
        del fields["encoder"]
        return cls(**fields)

    def _settings(self) -> dict[str, int]:
        return {
            name: getattr(self, name) for name in ("size", "dimensions", "min_items", "max_ngrams", "fit_on", "seed")
        }


def _sample_of_contexts(items: Sequence[Item], most: int, rng: np.random.Generator) -> Sequence[Item]:
    """All items, or `most` of them: those of contexts taken at random, whole but for the last."""
    if len(items) <= most:
        return items
    group, count = _context_numbers(items)
    chosen = np.argsort(rng.permutation(count)[group], kind="stable")[:most]
    return [items[row] for row in np.sort(chosen).tolist()]


def _context_numbers(items: Sequence[Item]) -> tuple[Rows, int]:
    """A number per item, equal where contexts are, and how many there are."""
    numbers: dict[Any, int] = {}
    group = np.array([numbers.setdefault(item.context, len(numbers)) for item in items], dtype=np.int64)
    return group, len(numbers)


def _windows(texts: Sequence[str], size: int) -> Iterator[tuple[Rows, Hashes, CodePoints, Rows]]:
    """Every n-gram within words, piece by piece: the text [m] it stands in, its hash [m], and the code points [w, size]
    of all windows of the piece with the numbers [m] of those that are the n-grams."""
    for first, last in _pieces(texts):
        spaced = [f" {' '.join(text.lower().split())} " for text in texts[first:last]]
        owner = np.repeat(np.arange(first, last), [len(text) for text in spaced])
        points = np.frombuffer("".join(spaced).encode("utf-32-le"), dtype=np.uint32)
        for start in range(0, len(points) - size + 1, _SLICE):
            own = owner[start : start + _SLICE + size - 1]
            window = np.lib.stride_tricks.sliding_window_view(points[start : start + len(own)], size)
            within = own[: len(window)] == own[size - 1 :]
            for column in window.T[1:-1]:
                within &= column != _SPACE
            kept = np.flatnonzero(within)
            yield own[kept], _hashes(window)[kept], window, kept


def _pieces(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about `_SLICE` characters together; a longer text stands alone."""
    ends = np.cumsum([len(text) for text in texts])
    first = 0
    while first < len(texts):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _SLICE, side="right")))
        yield first, last
        first = last


def _hashes(ngrams: CodePoints) -> Hashes:
    """A number per n-gram [m, size]: a polynomial in its code points modulo 2^64, high bits mixed into low ones."""
    total = np.zeros(len(ngrams), dtype=np.uint64)
    for column in ngrams.T:
        total = total * _MULTIPLIER + column
    return np.asarray(total ^ (total >> np.uint64(29)))


def _vocabulary(texts: Sequence[str], size: int, min_items: int, most: int) -> tuple[CodePoints, Rows]:
    """The n-grams kept [v, size], by rising hash, and in how many texts each stands [v]."""
    pieces = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64), np.zeros((0, size), dtype=np.uint32))]
    for owner, found, window, place in _windows(texts, size):
        once = _first_in_each(owner, found)
        pieces.append((owner[once], found[once], window[place[once]]))
    owner, found, points = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    once = _first_in_each(owner, found)  # again: a long text comes in several pieces
    _, where, holders = np.unique(found[once], return_index=True, return_counts=True)
    kept = np.flatnonzero(holders >= min_items)
    if len(kept) > most:
        kept = np.sort(kept[np.argsort(-holders[kept], kind="stable")[:most]])
    return points[once][where[kept]], holders[kept]


def _first_in_each(owner: Rows, found: Hashes) -> Rows:
    """Places of the n-grams, each once per text that holds it, by hash."""
    order = np.lexsort((owner, found))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(found[order]) != 0) | (np.diff(owner[order]) != 0)
    return order[new]


def _weights(texts: Sequence[str], ngrams: CodePoints, rarity: Floats, size: int) -> csr_matrix:
    """TF-IDF weights [n, v] of each text, of length 1 (or 0 where it holds no known n-gram)."""
    from scipy.sparse import csr_matrix, diags_array

    known = _hashes(ngrams)
    rows, columns = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for owner, found, *_ in _windows(texts, size) if len(known) else ():
        place = np.minimum(np.searchsorted(known, found), len(known) - 1)
        hit = known[place] == found
        rows.append(owner[hit])
        columns.append(place[hit])
    row, column = np.concatenate(rows), np.concatenate(columns)
    counts = csr_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), len(known)))
    counts.sum_duplicates()
    counts.data = (1 + np.log(counts.data)) * rarity[counts.indices]
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    return csr_matrix(diags_array(1 / np.where(length > 0, length, 1.0)) @ counts)


def _within_contexts(weights: csr_matrix, items: Sequence[Item]) -> LinearOperator:
    """Rows less the mean row of their context; as they are where no context has two items.

    An operator, since the matrix itself would be dense where many items share a context.
    """
    from scipy.sparse import csr_matrix, diags_array
    from scipy.sparse.linalg import LinearOperator, aslinearoperator

    group, count = _context_numbers(items)
    if count == len(items):
        return aslinearoperator(weights)
    member = csr_matrix((np.ones(len(items)), (np.arange(len(items)), group)), shape=(len(items), count))
    share = diags_array(1 / np.bincount(group, minlength=count)) @ member.T
    transposed = weights.T.tocsr()

    def centred(rows: Floats) -> Floats:
        return np.asarray(rows - member @ (share @ rows))

    def across(columns: Floats) -> Floats:
        return centred(weights @ columns)

    def back(rows: Floats) -> Floats:
        return np.asarray(transposed @ centred(rows))

    return LinearOperator(weights.shape, across, back, matmat=across, rmatmat=back, dtype=np.float64)


def _components(weights: LinearOperator, dimensions: int, seed: int) -> NDArray[np.float32]:
    """Right singular vectors [d, v], largest first; d is less than `dimensions` where the matrix has no more."""
    from scipy.sparse.linalg import svds

    n, v = weights.shape
    rng = np.random.default_rng(seed)
    if min(n, v) < 2 or not np.any(weights.rmatvec(rng.standard_normal(n))):
        return np.zeros((0, v), dtype=np.float32)  # nothing varies, as where all answers to a context are the same
    if min(n, v) <= _DENSE:
        whole = weights.rmatmat(np.eye(n)).T if n < v else weights.matmat(np.eye(v))
        _, values, vectors = np.linalg.svd(whole, full_matrices=False)
    else:
        kept, start = min(dimensions, min(n, v) - 1), rng.standard_normal(min(n, v))
        _, values, vectors = svds(weights, k=kept, v0=start, tol=1e-6, return_singular_vectors="vh")
    order = np.argsort(-values)[:dimensions]
    order = order[values[order] > 1e-8]
    # Single precision halves what is saved; what is saved is what encodes, so a loaded encoder encodes alike.
    return np.ascontiguousarray(vectors[order], dtype=np.float32)
