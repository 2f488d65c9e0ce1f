"""The codebook: all that members publicly share about the language of their documents.

It turns a document into a short vector of integers of proven length, from its words or as `Source` has it,
and says which public leaf the document is nearest to. It is made from public text alone
(`comitia.text.build`), is versioned by its digest on the ledger, and never changes once made. Cf. III.A,
where every participant is silently assumed to count in the same key terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import isqrt
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core.codec import decode, decode_plain, digest, encode
from comitia.core.errors import DamagedError, InputError, ProtocolError, UnavailableError
from comitia.text.basis import BASIS_BITS, is_contraction
from comitia.text.categories import Category
from comitia.text.context_graph import ContextGraph
from comitia.text.grams import BUCKETS, gram_weights
from comitia.text.terms import TermMatrix, count_terms

FORMAT = "comitia-codebook"
VERSION = 3
SIZE_LIMIT = 1 << 28
"""Most bytes of a codebook, 256 MiB."""

DOCUMENT_BITS = 15
"""A document's term weights count in units of ``2**-DOCUMENT_BITS``."""

WEIGHT_BITS = 16
"""The weight of a term counts in units of ``2**-WEIGHT_BITS``."""

MEAN_BITS = 24
"""`Codebook.pool_mean` counts in units of ``2**-MEAN_BITS``."""

VARIANCE_BITS = 40
"""`Codebook.pool_variance` counts in units of ``2**-VARIANCE_BITS``."""

MAX_GRID_BITS = 14
"""A vector's entries then still fit 16 bits."""

EDGE_UNIT = 1000
"""`Codebook.edges` count in thousandths of the target's unit."""

NO_LEAF = -1
"""Leaf of a document without a known word."""


class VectorKind(StrEnum):
    """How a document's weights in the basis become its vector.

    ``lsa`` scales them to length 1, for longer documents; ``tf`` leaves them as they are, for short
    ones that the basis holds nearly whole.
    """

    LSA = "lsa"
    TF = "tf"


class Source(StrEnum):
    """What documents' vectors are made from.

    ``pool``: words weighted as they occur in public documents of the field. ``none``: hashed parts of words
    (`comitia.text.grams`). ``encoder``: a public sentence encoder.
    """

    POOL = "pool"
    NONE = "none"
    ENCODER = "encoder"


class Sentences(Protocol):
    """A sentence encoder as a codebook uses it; see `comitia.text.encoder`."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, of length 1 or 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A public group of documents, by which a provider's profile is counted (RETRIEVAL).

    Attributes
    ----------
    code : str
        Path of "0" and "1" from the root of the leaves' dendrogram. No code is the start of another;
        the longer the start two codes share, the nearer their documents.
    label : str
        Label id of the category it stands for; empty for a leaf without a name.
    documents : int
        How many documents of pool and references are nearest to it.
    terms : tuple of str
        Key terms of those documents that tell them from the others, the strongest first.
    term_weights : tuple of int
        How strong, thousandths of the strongest.
    edges : tuple of (int, int, int)
        Key terms that stand together, by their place in `terms`, and how often of the times that they could,
        in thousandths; the strongest first.
    """

    code: str
    label: str
    documents: int = 0
    terms: tuple[str, ...] = ()
    term_weights: tuple[int, ...] = ()
    edges: tuple[tuple[int, int, int], ...] = ()

    @property
    def title(self) -> str:
        """Its label, or else its three strongest key terms."""
        return self.label or f"({', '.join(self.terms[:3])})"

    @property
    def graph(self) -> ContextGraph:
        """What its documents are about: key terms and how they stand together."""
        return ContextGraph(
            nodes={term: weight / 1000 for term, weight in zip(self.terms, self.term_weights, strict=True)},
            edges={(self.terms[a], self.terms[b]): weight / 1000 for a, b, weight in self.edges},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Codebook:
    """Public vocabulary, basis, categories and leaves. C categories, k terms, f features, rank r, grid g.

    Features are what the source counts: the k terms of a pool, or the buckets of parts of words, or the encoder's
    coordinates.

    "Grid units" are units of ``2**-grid_bits``: a vector of length 1 is ``2**grid_bits`` units long.
    All arrays are read-only.

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
        for name, (dtype, _) in _ARRAYS.items():
            array = np.array(getattr(self, name), dtype=dtype, order="C")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
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
        """Most that the squared length of a document's vector can be, in grid units: ``4**grid_bits``.

        Proof. For ``lsa`` `vectorize` checks it in integers and shrinks what exceeds it. For ``tf`` let
        q be the document's weights in units of ``2**-15``, whose square sum is checked in integers to be
        at most ``4**15``, and V the basis, whose spectral norm is checked at reading to be at most
        ``2**15``. Then ``|qV| <= 2**30``, and dividing by ``2**(30 - g)`` and cutting each coordinate off
        toward zero only shortens the vector.
        """
        return int(4**self.grid_bits)

    @property
    def difference_bound_squared(self) -> int:
        """Most that the squared distance of any two documents' vectors can be, in grid units.

        Proof. Two vectors of length at most ``2**g`` are at most ``2 * 2**g`` apart: ``4 * 4**g`` for
        ``lsa``. For ``tf``, which only words of a pool may have (check 9 of a codebook), weights are never
        negative, so q.q' >= 0 and ``|q - q'|**2 <= 2 * 4**15``, and ``|(q - q')V| <= sqrt(2) * 2**30`` by
        the norm of V. Dividing by ``2**(30 - g)`` leaves ``d = sqrt(2) * 2**g``; cutting off moves each of
        r coordinates of either vector by less than 1,
        the difference by less than ``2 * sqrt(r)``. So ``(d + 2 sqrt(r))**2 = d**2 + 4 sqrt(r) d + 4r``,
        the root rounded up, and never more than what holds for any two vectors.
        """
        most = 4 * self.norm_bound_squared
        if self.kind is VectorKind.LSA:
            return most
        straight = 2 * self.norm_bound_squared
        return min(most, straight + 4 * (isqrt(self.rank * straight) + 1) + 4 * self.rank)

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
            return self.vectors_of(_in_integers(unit_rows(gram_weights(texts))))
        if self.sentences is None:
            raise UnavailableError(
                "this codebook's vectors are made by a sentence encoder, which is not at hand here",
                code="encoder-missing",
                hint="attach it: comitia.storage.encoder.with_encoder(codebook)",
            )
        return self.vectors_of_units(self.sentences.encode(texts))

    def vectors_of_units(self, units: NDArray[np.float32]) -> NDArray[np.int32]:
        """Vectors of texts given as the encoder has them, of length 1 or 0, shape (n, f); as `vectorize`."""
        integers = _shortened(np.trunc(units * 2.0**DOCUMENT_BITS).astype(np.int32), DOCUMENT_BITS)
        # As in `vectors_of`, 32 bits never overflow.
        return _unit_rows(integers @ self.basis.astype(np.int32), self.grid_bits)

    def document_weights(self, texts: Sequence[str]) -> TermMatrix:
        """Terms of some texts, weighted and scaled to length 1 or just below, units of ``2**-15``.

        Returns
        -------
        TermMatrix
            int32 values (1 + ln tf) * weight >= 0, divided by the row's length; the square sum of a row
            is at most ``4**15`` exactly.
        """
        return _in_integers(unit_weights(count_terms(texts, self._column_of), self.weights / 2**WEIGHT_BITS))

    def vectors_of(self, weights: TermMatrix) -> NDArray[np.int32]:
        """Vectors of documents given by the weights of their features, as `document_weights`."""
        # No partial sum passes 2**30 (Cauchy-Schwarz on the two square sums), so 32 bits never overflow.
        projected = weights.times(self.basis)
        if self.kind is VectorKind.TF:
            shift = DOCUMENT_BITS + BASIS_BITS - self.grid_bits
            return np.asarray(np.sign(projected) * (np.abs(projected) >> shift), dtype=np.int32)
        return _unit_rows(projected, self.grid_bits)

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
        content = _open(data)
        try:
            stored = decode(_Stored, content, limit=SIZE_LIMIT)
        except ProtocolError as error:
            raise DamagedError(
                f"the codebook is damaged: {error.message}", code="codebook-damaged", hint=_HINT
            ) from error
        if stored.arrays.keys() != _ARRAYS.keys():
            _damaged("its arrays are not those of a codebook")
        parts: dict[str, Any] = {name: getattr(stored, name) for name in _PLAIN}
        parts |= {name: _unpack(name, packed) for name, packed in stored.arrays.items()}
        return cls(**parts)

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {term: column for column, term in enumerate(self.vocabulary)}

    @cached_property
    def _bytes(self) -> bytes:
        plain: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        packed = {name: _pack(getattr(self, name), dtype) for name, (dtype, _) in _ARRAYS.items()}
        content = encode(_Stored(**plain, arrays=packed))
        return encode({"format": FORMAT, "version": VERSION, "content": content, "sha256": digest(content)})


def unit_weights(counts: TermMatrix, weights: NDArray[np.float64]) -> TermMatrix:
    """Rows of (1 + ln tf) * weight scaled to length 1; a row of zeros stays one. float64 values."""
    return unit_rows(counts.with_values((1.0 + np.log(counts.values)) * weights[counts.columns]))


def unit_rows(matrix: TermMatrix) -> TermMatrix:
    """Rows scaled to length 1; a row of zeros stays one."""
    lengths = np.sqrt(matrix.row_sums(np.square(matrix.values)))
    lengths[lengths == 0] = 1.0
    return matrix.with_values(matrix.values / np.repeat(lengths, np.diff(matrix.starts)))


def _in_integers(unit: TermMatrix) -> TermMatrix:
    """Rows cut off toward zero to units of ``2**-15``; none is longer than 1, in integers."""
    integers = np.trunc(unit.values * 2**DOCUMENT_BITS).astype(np.int32)
    return unit.with_values(_within(unit.with_values(integers), 4**DOCUMENT_BITS))


def _within(matrix: TermMatrix, most: int) -> NDArray[np.int32]:
    """The values of an integer matrix, rows with a square sum above `most` shrunk until they keep to it."""
    values = matrix.values
    while (excess := matrix.row_sums(np.square(values.astype(np.int64))) > most).any():
        shrunk = np.sign(values) * (np.abs(values.astype(np.int64)) * ((1 << 15) - 1) >> 15)
        values = np.where(np.repeat(excess, np.diff(matrix.starts)), shrunk, values)
    return np.asarray(values, dtype=np.int32)


def _unit_rows(projected: NDArray[np.int32], grid_bits: int) -> NDArray[np.int32]:
    """Rows scaled to length 1, cut off to the grid toward zero; never longer than ``2**grid_bits``."""
    rows = projected.astype(np.float64)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    lengths[lengths == 0] = 1.0
    return _shortened(np.trunc(rows * (2.0**grid_bits / lengths)).astype(np.int32), grid_bits)


def _shortened(vectors: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Rows of which floating point could have left one a hair longer than ``2**bits``: integers decide."""
    while (excess := np.square(vectors.astype(np.int64)).sum(axis=1) > 4**bits).any():
        vectors[excess] -= np.sign(vectors[excess])
    return np.asarray(vectors, dtype=np.int32)


# ---- bytes -----------------------------------------------------------------------------------------

_HINT = "Get the codebook again from a member or the administrator, or build it anew."

_ARRAYS: dict[str, tuple[str, int]] = {
    "weights": ("<i8", 1),
    "basis": ("<i2", 2),
    "pool_mean": ("<i8", 1),
    "pool_variance": ("<i8", 1),
    "pool_sample": ("<i4", 2),
    "references": ("<i4", 2),
    "reference_labels": ("<i8", 1),
    "name_vectors": ("<i4", 2),
    "leaf_prototypes": ("<i2", 2),
}
"""Type and number of dimensions of each array, in memory and in the bytes."""

_PLAIN = (
    "categories",
    "vocabulary",
    "kind",
    "grid_bits",
    "leaves",
    "pool_documents",
    "held_out_norm_ppm",
    "public_only_auc_ppm",
    "edges",
    "source",
    "encoder",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """An array: its shape, and its entries row by row, little-endian, of the type `_ARRAYS` gives."""

    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A codebook as it is written; fields as in `Codebook`."""

    categories: tuple[Category, ...]
    vocabulary: tuple[str, ...]
    kind: VectorKind
    grid_bits: int
    leaves: tuple[Leaf, ...]
    pool_documents: int
    held_out_norm_ppm: int | None
    public_only_auc_ppm: int | None
    edges: tuple[int, ...]
    source: Source
    encoder: bytes
    arrays: dict[str, _Packed]


def _pack(array: NDArray[Any], dtype: str) -> _Packed:
    return _Packed(shape=array.shape, data=array.astype(dtype, copy=False).tobytes())


def _unpack(name: str, packed: _Packed) -> NDArray[Any]:
    dtype, dimensions = _ARRAYS[name]
    entries = 1
    for length in packed.shape:
        entries *= length
    if (
        min(packed.shape, default=0) < 0
        or len(packed.shape) != dimensions
        or entries * np.dtype(dtype).itemsize != len(packed.data)
    ):
        _damaged(f"{name} does not have the size it claims")
    return np.frombuffer(packed.data, dtype=dtype).reshape(packed.shape)


def _open(data: bytes) -> bytes:
    """Check the wrapping and return the content."""
    try:
        outer = decode_plain(data, limit=SIZE_LIMIT)
    except ProtocolError as error:
        raise DamagedError(
            f"this is not a codebook, or it is damaged: {error.message}", code="not-a-codebook", hint=_HINT
        ) from error
    if not isinstance(outer, dict) or outer.get("format") != FORMAT:
        raise DamagedError("this is not a codebook", code="not-a-codebook", hint=_HINT)
    if outer.get("version") != VERSION:
        raise DamagedError(
            f"the codebook has format version {outer.get('version')!r}, this program reads {VERSION}",
            code="codebook-version",
            hint="Use the version of Comitia that the consortium uses.",
            found=outer.get("version"),
            expected=VERSION,
        )
    content = outer.get("content")
    if outer.keys() != {"format", "version", "content", "sha256"} or not isinstance(content, bytes):
        _damaged("its outer parts are not those of a codebook")
    if digest(content) != outer["sha256"]:
        _damaged("its content does not have the checksum it carries")
    return content


def _damaged(reason: str) -> NoReturn:
    raise DamagedError(f"the codebook is damaged: {reason}", code="codebook-damaged", hint=_HINT)


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
        _damaged("its vocabulary is not sorted")
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
        _damaged(f"{wrong[0] if wrong else 'its vocabulary'} does not fit its basis of {f} x {r}")
    if not 4 <= book.grid_bits <= MAX_GRID_BITS:  # 3
        _damaged(f"a grid of {book.grid_bits} bits is outside 4 to {MAX_GRID_BITS}")
    if not is_contraction(book.basis):  # 4
        _damaged("its basis could lengthen a vector, which the privacy proof forbids")
    labels = set(book.labels)
    if len(labels) != len(book.categories):  # 5
        _damaged("two categories have one label")
    if any(leaf.label and leaf.label not in labels for leaf in book.leaves):
        _damaged("a leaf stands for a category that does not exist")
    if any(not _has_whole_graph(leaf) for leaf in book.leaves):
        _damaged("the graph of a leaf is not whole")
    if not np.all((book.reference_labels >= 0) & (book.reference_labels < len(labels))):
        _damaged("a reference document belongs to a category that does not exist")
    if np.any(book.weights < 0) or np.any(book.pool_variance < 1):  # 6
        _damaged("a weight or a variance is out of range")
    for vectors in (book.references, book.name_vectors, book.pool_sample):  # 7
        if np.any(np.square(vectors.astype(np.int64)).sum(axis=1) > book.norm_bound_squared):
            _damaged("a public vector is too long")
    ascending = all(a < b for a, b in zip(book.edges, book.edges[1:], strict=False))
    if book.edges and (not ascending or len(book.edges) != len(book.categories) + 1):  # 8
        _damaged("the bins of its target are not those of its categories")
    if book.source is not Source.POOL and book.kind is VectorKind.TF:  # 9
        _damaged("vectors of kind tf are made from a pool's words alone")
    if len(book.encoder) != (32 if book.source is Source.ENCODER else 0):
        _damaged("it does not name its sentence encoder")


def _has_whole_graph(leaf: Leaf) -> bool:
    weighted = len(leaf.terms) == len(leaf.term_weights) and min(leaf.term_weights, default=0) >= 0
    return weighted and all(0 <= a < len(leaf.terms) and 0 <= b < len(leaf.terms) and w >= 0 for a, b, w in leaf.edges)


def label_index(categories: tuple[Category, ...], label: str, *, origin: str) -> int:
    """Index of the category with this label; `origin` names where the label stood, for the error."""
    for index, category in enumerate(categories):
        if category.label == label:
            return index
    raise InputError(
        f"{origin} has the label {label!r}, which is not among the {len(categories)} categories",
        code="unknown-label",
        hint=f"Known labels: {', '.join(category.label for category in categories[:20])}",
        label=label,
    )
