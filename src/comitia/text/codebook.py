"""The codebook: all that members publicly share about the language of their documents.

It turns a document into a short vector of integers of proven length, from its words or as `Source` has it,
and says which public leaf the document is nearest to. It is made from public text alone
(`comitia.text.build`), is versioned by its digest on the ledger, and never changes once made. Cf. III.A,
where every participant is silently assumed to count in the same key terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core.codec import digest
from comitia.core.errors import UnavailableError
from comitia.text import codebook_format
from comitia.text.basis import is_proven
from comitia.text.categories import Category
from comitia.text.codebook_format import ARRAYS, PLAIN, damaged
from comitia.text.grams import BUCKETS, gram_weights
from comitia.text.leaf import Leaf
from comitia.text.terms import TermMatrix, count_terms
from comitia.text.vectors import (
    MAX_GRID_BITS,
    WEIGHT_BITS,
    Source,
    VectorKind,
    difference_bound_squared,
    in_integers,
    norm_bound_squared,
    project,
    project_units,
    unit_rows,
    unit_weights,
)

MEAN_BITS = 24
"""`Codebook.pool_mean` counts in units of ``2**-MEAN_BITS``."""

VARIANCE_BITS = 40
"""`Codebook.pool_variance` counts in units of ``2**-VARIANCE_BITS``."""

EDGE_UNIT = 1000
"""`Codebook.edges` count in thousandths of the target's unit."""

NO_LEAF = -1
"""Leaf of a document without a known word."""


class Sentences(Protocol):
    """A sentence encoder as a codebook uses it; see `comitia.text.encoder`."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, of length 1 or 0."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Codebook:
    """Public vocabulary, basis, categories and leaves. C categories, k terms, f features, rank r, grid g.

    Features are what the source counts: the k terms of a pool, or the buckets of parts of words, or the encoder's
    coordinates.

    Vectors are in grid units, see `comitia.text.vectors`. All arrays are read-only.

    Attributes
    ----------
    categories : tuple of Category
        Their order is the order of classes everywhere.
    vocabulary : tuple of str
        The k terms, sorted. Without a pool they describe leaves and no more.
    weights : int64 array (k,)
        Weight of each term, units of ``2**-WEIGHT_BITS``, at least 0.
    kind : VectorKind
        Whether vectors are brought to length 1.
    basis : int16 array (f, r)
        Units of ``2**-BASIS_BITS``; its spectral norm is proven to be at most 1 when it is read.
    grid_bits : int
        g, 4 to `MAX_GRID_BITS`.
    pool_mean : int64 array (r,)
        Mean vector of the pool, units of ``2**-MEAN_BITS``.
    pool_variance : int64 array (r,)
        Variance of each coordinate in the pool, units of ``2**-VARIANCE_BITS`` of 1 squared, at least 1.
    pool_sample : int32 array (s, r)
        Vectors of some documents of the pool, spread evenly over it, in grid units.
    references : int32 array (R, r)
        Vectors of the labelled public documents, in grid units.
    reference_labels : int64 array (R,)
        Index of each reference's category.
    name_vectors : int32 array (C, r)
        Vector of each category's name and description, in grid units; zero where there is none or no
        word of it is known.
    leaves : tuple of Leaf
        Named leaves first, in the order of their categories.
    leaf_prototypes : int16 array (len(leaves), r)
        Direction of each leaf from the pool's mean, scaled to a length of ``2**BASIS_BITS`` or just below.
    pool_documents : int
        How many documents the pool has.
    held_out_norm_ppm : int or None
        Mean share of a document's length that the basis holds, on pool documents not used for it, in
        millionths: the fact that `kind` follows from. None if the pool was too small to tell.
    public_only_auc_ppm : int or None
        What public knowledge alone reaches, in millionths; None if nobody measured it.
    edges : tuple of int
        For regression: the C + 1 edges of the bins of the target's public range, ascending, in units of
        1 / `EDGE_UNIT`; category i is the i-th bin. Empty for classification.
    source : Source
        What vectors are made from.
    encoder : bytes
        Digest of the sentence encoder's weights, 32 bytes; empty for another source.
    sentences : Sentences or None
        That encoder, where it is at hand. Not part of the bytes.
    """

    categories: tuple[Category, ...]
    vocabulary: tuple[str, ...]
    weights: NDArray[np.int64]
    kind: VectorKind
    basis: NDArray[np.int16]
    grid_bits: int
    pool_mean: NDArray[np.int64]
    pool_variance: NDArray[np.int64]
    pool_sample: NDArray[np.int32]
    references: NDArray[np.int32]
    reference_labels: NDArray[np.int64]
    name_vectors: NDArray[np.int32]
    leaves: tuple[Leaf, ...]
    leaf_prototypes: NDArray[np.int16]
    pool_documents: int
    held_out_norm_ppm: int | None = None
    public_only_auc_ppm: int | None = None
    edges: tuple[int, ...] = ()
    source: Source = Source.POOL
    encoder: bytes = b""
    sentences: Sentences | None = None

    def __post_init__(self) -> None:
        for name, (dtype, _) in ARRAYS.items():
            object.__setattr__(self, name, _read_only(getattr(self, name), dtype))
        _check(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Codebook) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def rank(self) -> int:
        """r, the number of coordinates of a vector."""
        return int(self.basis.shape[1])

    @property
    def labels(self) -> tuple[str, ...]:
        """Label ids in the order of classes."""
        return tuple(category.label for category in self.categories)

    @property
    def task_kind(self) -> str:
        """What can be learnt on it: "classification" or "regression"."""
        return "regression" if self.edges else "classification"

    @property
    def norm_bound_squared(self) -> int:
        """Most that the squared length of a document's vector can be, in grid units; proved in `text.vectors`."""
        return norm_bound_squared(self.grid_bits)

    @property
    def difference_bound_squared(self) -> int:
        """Most that the squared distance of any two documents' vectors can be, likewise."""
        return difference_bound_squared(self.kind, rank=self.rank, grid_bits=self.grid_bits)

    def vectorize(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Vectors of some texts, in grid units; zero for a text without a known word.

        Returns
        -------
        int32 array (len(texts), r)
            Within `norm_bound_squared` and `difference_bound_squared`, whatever the texts.
        """
        if self.source is Source.POOL:
            return self.vectors_of(self.document_weights(texts))
        if self.source is Source.NONE:
            return self.vectors_of(in_integers(unit_rows(gram_weights(texts))))
        if self.sentences is None:
            raise UnavailableError(
                "this codebook's vectors are made by a sentence encoder, which is not at hand here",
                code="encoder-missing",
                hint="attach it: comitia.storage.encoder.with_encoder(codebook)",
            )
        return self.vectors_of_units(self.sentences.encode(texts))

    def vectors_of_units(self, units: NDArray[np.float32]) -> NDArray[np.int32]:
        """Vectors of texts given as the encoder has them, of length 1 or 0, shape (n, f); as `vectorize`."""
        return project_units(units, self.basis, self.grid_bits)

    def document_weights(self, texts: Sequence[str]) -> TermMatrix:
        """Terms of some texts, weighted and scaled to length 1 or just below, units of ``2**-15``.

        Returns
        -------
        TermMatrix
            int32 values (1 + ln tf) * weight >= 0, divided by the row's length; the square sum of a row
            is at most ``4**15`` exactly.
        """
        return in_integers(unit_weights(count_terms(texts, self._column_of), self.weights / 2**WEIGHT_BITS))

    def vectors_of(self, weights: TermMatrix) -> NDArray[np.int32]:
        """Vectors of documents given by the weights of their features, as `document_weights`."""
        return project(weights, self.basis, self.kind, self.grid_bits)

    def leaves_of(self, vectors: NDArray[np.int32]) -> NDArray[np.int64]:
        """Index of the leaf nearest to each vector, by the cosine as seen from the pool's mean.

        Exact in integers: the same on every machine, the first of equals.

        Parameters
        ----------
        vectors : int32 array (n, r)
            In grid units.

        Returns
        -------
        int64 array (n,)
            `NO_LEAF` for a zero vector, or where the codebook has no leaves.
        """
        nearest = np.full(len(vectors), NO_LEAF, dtype=np.int64)
        known = np.flatnonzero(np.any(vectors, axis=1))
        if self.leaves and known.size:
            nearest[known] = self.leaf_scores(vectors[known]).argmax(axis=1)
        return nearest

    def leaf_scores(self, vectors: NDArray[np.int32]) -> NDArray[np.float64]:
        """Inner products of the vectors, less the pool's mean, with the leaves; (n, leaves), whole numbers.

        Within a row they are in proportion to the cosines. Each is below ``2**45``, exact as a double.
        """
        centred = vectors * float(1 << (MEAN_BITS - self.grid_bits)) - self.pool_mean
        return np.asarray(centred @ self.leaf_prototypes.T.astype(np.float64))

    def to_bytes(self) -> bytes:
        """Canonical bytes: equal codebooks have equal bytes."""
        return self._bytes

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bytes, 32 bytes: the codebook's version on the ledger."""
        return digest(self._bytes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Codebook:
        """Read what `to_bytes` wrote.

        Raises
        ------
        DamagedError
            If the bytes are not a codebook ("not-a-codebook"), of another version of the format
            ("codebook-version"), or damaged in any way ("codebook-damaged").
        """
        return cls(**codebook_format.from_bytes(data))

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {term: column for column, term in enumerate(self.vocabulary)}

    @cached_property
    def _bytes(self) -> bytes:
        return codebook_format.to_bytes({name: getattr(self, name) for name in (*PLAIN, *ARRAYS)})


def _read_only(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The array itself if nobody can write to it, as when another codebook holds it; else a copy."""
    if array.flags.writeable or array.base is not None or array.dtype != dtype or not array.flags.c_contiguous:
        array = np.array(array, dtype=dtype, order="C")
        array.flags.writeable = False
    return array


def _check(book: Codebook) -> None:
    """What holds for every codebook, or DamagedError.

    1. The vocabulary is sorted, without repetition.
    2. All arrays agree on C, k, f, r and the number of leaves and references.
    3. The grid fits 16 bits.
    4. The basis is proven to have a spectral norm of at most 1.
    5. Labels are unique; references and leaves refer to categories there are, edges of leaves to their terms.
    6. Weights are not negative and pool variances positive.
    7. Public vectors keep to the bound that private ones keep to.
    8. Edges of a target, where there are any, ascend and make a bin of each category.
    9. Only vectors of a pool's words may be `tf`: the others have signs, for which its bound is not proven; and an
       encoder is named where there is one, and only there.
    """
    f, r = book.basis.shape
    k = len(book.vocabulary)
    features = {Source.POOL: k, Source.NONE: BUCKETS, Source.ENCODER: f}[book.source]
    if not all(a < b for a, b in zip(book.vocabulary, book.vocabulary[1:], strict=False)):  # 1
        damaged("its vocabulary is not sorted")
    shapes = {
        "weights": (k,),
        "pool_mean": (r,),
        "pool_variance": (r,),
        "pool_sample": (len(book.pool_sample), r),
        "references": (len(book.reference_labels), r),
        "name_vectors": (len(book.categories), r),
        "leaf_prototypes": (len(book.leaves), r),
    }
    wrong = [name for name, shape in shapes.items() if getattr(book, name).shape != shape]
    if wrong or f != features:  # 2
        damaged(f"{wrong[0] if wrong else 'its vocabulary'} does not fit its basis of {f} x {r}")
    if not 4 <= book.grid_bits <= MAX_GRID_BITS:  # 3
        damaged(f"a grid of {book.grid_bits} bits is outside 4 to {MAX_GRID_BITS}")
    if not is_proven(book.basis):  # 4
        damaged("its basis could lengthen a vector, which the privacy proof forbids")
    labels = set(book.labels)
    if len(labels) != len(book.categories):  # 5
        damaged("two categories have one label")
    if any(leaf.label and leaf.label not in labels for leaf in book.leaves):
        damaged("a leaf stands for a category that does not exist")
    if any(not leaf.has_whole_graph for leaf in book.leaves):
        damaged("the graph of a leaf is not whole")
    if not np.all((book.reference_labels >= 0) & (book.reference_labels < len(labels))):
        damaged("a reference document belongs to a category that does not exist")
    if np.any(book.weights < 0) or np.any(book.pool_variance < 1):  # 6
        damaged("a weight or a variance is out of range")
    for vectors in (book.references, book.name_vectors, book.pool_sample):  # 7
        if np.any(np.square(vectors.astype(np.int64)).sum(axis=1) > book.norm_bound_squared):
            damaged("a public vector is too long")
    ascending = all(a < b for a, b in zip(book.edges, book.edges[1:], strict=False))
    if book.edges and (not ascending or len(book.edges) != len(book.categories) + 1):  # 8
        damaged("the bins of its target are not those of its categories")
    if book.source is not Source.POOL and book.kind is VectorKind.TF:  # 9
        damaged("vectors of kind tf are made from a pool's words alone")
    if len(book.encoder) != (32 if book.source is Source.ENCODER else 0):
        damaged("it does not name its sentence encoder")
