"""What an output says: character n-grams within words, weighted by rarity and reduced to a few columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    from sklearn.feature_extraction.text import TfidfVectorizer

Rows = NDArray[np.int64]

# Matrices with no more rows or columns than this are decomposed whole, which also stands for those of low rank.
_DENSE = 128


@dataclass(frozen=True, slots=True, eq=False)
class NgramFeatures:
    """TF-IDF of character n-grams within words, projected on the directions along which answers differ.

    Weights are those of scikit-learn's `TfidfVectorizer` (analyzer "char_wb", sublinear counts). N-grams found in fewer
    than `min_items` training outputs are left out, and so are the least frequent beyond `max_ngrams`. The columns are
    projections on the first `dimensions` right singular vectors (truncated SVD) of the weights less their mean over the
    training items of the same context, since only differences within a context matter; where no context has two items,
    of the weights themselves. There are fewer columns where the items are too few, and none where no n-gram recurs.

    At most `fit_on` items, those of contexts in an order shuffled by `seed`, are learnt from; `describe` says how many.
    """

    size: int = 4
    dimensions: int = 64
    min_items: int = 3
    max_ngrams: int = 20_000
    fit_on: int = 20_000
    seed: int = 0
    fitted_on: int = 0
    ngrams: tuple[str, ...] | None = None  # [v]
    rarity: Floats | None = None  # [v], inverse document frequencies
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
        ngrams, rarity, weights = self._learnt(texts)
        components = _components(_within_contexts(weights, items), self.dimensions, self.seed)
        return replace(self, fitted_on=len(texts), ngrams=ngrams, rarity=rarity, components=components)

    def encode(self, items: Sequence[Item]) -> Floats:
        if self.components is None:
            raise not_fitted(self)
        return np.asarray(self.weights(output_texts(items)) @ self.components.astype(np.float64).T)

    def weights(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF weights [n, v] of each text, of length 1 (or 0 where it holds no known n-gram)."""
        from scipy.sparse import csr_matrix

        if self.ngrams is None or self.rarity is None:
            raise not_fitted(self)
        if not self.ngrams or not texts:
            return csr_matrix((len(texts), len(self.ngrams)))
        vectorizer = self._vectorizer(vocabulary=self.ngrams)
        vectorizer.idf_ = self.rarity
        return csr_matrix(vectorizer.transform(texts))

    def _vectorizer(self, **settings: Any) -> TfidfVectorizer:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            analyzer="char_wb", ngram_range=(self.size, self.size), sublinear_tf=True, dtype=np.float64, **settings
        )

    def _learnt(self, texts: Sequence[str]) -> tuple[tuple[str, ...], Floats, csr_matrix]:
        """The n-grams kept [v], their inverse document frequencies [v], and the weights [n, v] of these texts."""
        from scipy.sparse import csr_matrix

        vectorizer = self._vectorizer(min_df=self.min_items, max_features=self.max_ngrams)
        try:
            weights = vectorizer.fit_transform(texts)
        except ValueError:  # how scikit-learn says that no n-gram is in enough texts
            return (), np.zeros(0), csr_matrix((len(texts), 0))
        return tuple(vectorizer.get_feature_names_out().tolist()), np.asarray(vectorizer.idf_), csr_matrix(weights)

    def describe(self) -> dict[str, Any]:
        known = None if self.ngrams is None else len(self.ngrams)
        return {"encoder": "ngrams", **self._settings(), "fitted_on": self.fitted_on, "ngrams": known}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {"rarity": self.rarity, "components": self.components}
        known: Arrays = {name: array for name, array in arrays.items() if array is not None}
        ngrams = None if self.ngrams is None else list(self.ngrams)
        return known, {"encoder": "ngrams", **self._settings(), "fitted_on": self.fitted_on, "ngrams": ngrams}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        fields: dict[str, Any] = {**state, **arrays}
        del fields["encoder"]
        if fields["ngrams"] is not None:
            fields["ngrams"] = tuple(fields["ngrams"])
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
