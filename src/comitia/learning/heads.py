"""What a model may have on top of its prototypes: another way to score a document. Integers only, in memory and bytes.

A head replaces the products with the posterior means; what public references add comes on top of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.core.errors import DamagedError
from comitia.learning.fixed_scores import SCORE_BITS, Standard
from comitia.learning.growing import Tree
from comitia.learning.posterior import Posterior
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

DEEPEST = 12
"""Most questions from a root to a leaf."""
WEIGHT_BITS = 16
"""Weights of a linear head count in units of 2**-16."""


class Head(Protocol):
    """Scores documents. The bytes are canonical: equal heads have equal bytes."""

    @property
    def kind(self) -> str:
        """Its tag in a model's bytes."""
        ...

    def to_bytes(self) -> bytes: ...

    def logits(self, codebook: Codebook, posterior: Posterior, vectors: NDArray[np.int32]) -> FloatArray:
        """Scores of documents up to a constant of each, shape (n, C); natural logarithms."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _TreesRecord:
    """`count` trees of one depth, arrays row by row, little-endian, 32 bits an entry."""

    count: int
    depth: int
    features: bytes
    thresholds: bytes
    leaves: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Regression trees on the prototypes' scores; their values add up.

    Attributes
    ----------
    trees : tuple of Tree
        All of one depth, at least one. A point is a document's `Standard.scores`; values in the same unit.
    """

    trees: tuple[Tree, ...]
    kind = "trees"

    def to_bytes(self) -> bytes:
        """See `Head.to_bytes`."""
        stacked = {name: np.array([getattr(tree, name) for tree in self.trees]) for name in ("features", "thresholds")}
        return codec.encode(
            _TreesRecord(
                count=len(self.trees),
                depth=len(self.trees[0].leaves).bit_length() - 1,
                leaves=_pack(np.array([tree.leaves for tree in self.trees])),
                **{name: _pack(array) for name, array in stacked.items()},
            )
        )

    def logits(self, codebook: Codebook, posterior: Posterior, vectors: NDArray[np.int32]) -> FloatArray:
        """See `Head.logits`."""
        points = Standard(codebook, posterior.means).scores(vectors)
        total = np.zeros((len(vectors), len(codebook.categories)), dtype=np.int64)
        for tree in self.trees:
            total += tree.values(points)
        return total / float(1 << SCORE_BITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LinearRecord:
    """Arrays row by row, little-endian: weights 32 bits an entry, intercepts 64."""

    weights: bytes
    intercepts: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """A weighted sum of the coordinates for each category.

    Attributes
    ----------
    weights : int32 array, shape (C, r)
        In units of 2**-`WEIGHT_BITS`.
    intercepts : int64 array, shape (C,)
        In units of 2**-(`WEIGHT_BITS` + the codebook's grid bits); magnitudes below 2^50.
    """

    weights: NDArray[np.int32]
    intercepts: IntArray
    kind = "linear"

    def to_bytes(self) -> bytes:
        """See `Head.to_bytes`."""
        return codec.encode(
            _LinearRecord(weights=_pack(self.weights), intercepts=self.intercepts.astype("<i8").tobytes())
        )

    def products(self, vectors: NDArray[np.int32]) -> IntArray:
        """Exact scores, shape (n, C), in the unit of the intercepts."""
        # A vector is at most 2^14 long and a row of weights below 2^37 for 2^12 coordinates: below 2^53 as doubles.
        return np.asarray(
            (vectors.astype(np.float64) @ self.weights.T.astype(np.float64)).astype(np.int64) + self.intercepts
        )

    def logits(self, codebook: Codebook, posterior: Posterior, vectors: NDArray[np.int32]) -> FloatArray:
        """See `Head.logits`."""
        return self.products(vectors) / float(1 << (WEIGHT_BITS + codebook.grid_bits))


@dataclass(frozen=True, slots=True, kw_only=True)
class _BinsRecord:
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bins:
    """The prototypes' scores, and how common each category is.

    Attributes
    ----------
    counts : int64 array, shape (C,)
        Documents of each category in all accepted releases, in grid steps, at least 0.
    """

    counts: IntArray
    kind = "bins"

    def to_bytes(self) -> bytes:
        """See `Head.to_bytes`."""
        return codec.encode(_BinsRecord(counts=tuple(self.counts.tolist())))

    def logits(self, codebook: Codebook, posterior: Posterior, vectors: NDArray[np.int32]) -> FloatArray:
        """See `Head.logits`. No category is impossible."""
        scores = Standard(codebook, posterior.means).scores(vectors) / float(1 << SCORE_BITS)
        return np.asarray(self.log_common(codebook) + scores)

    def log_common(self, codebook: Codebook) -> FloatArray:
        """Logarithm of how many documents each category counts, shape (C,): one more than there are."""
        return np.asarray(np.log(self.counts / float(1 << codebook.grid_bits) + 1.0))


def read_head(kind: str, data: bytes, codebook: Codebook, *, limit: int) -> Head | None:
    """The head of a model on `codebook` from its tag and bytes; None for the empty tag.

    Raises
    ------
    DamagedError, ProtocolError
        The tag is unknown, the bytes are not canonical or do not fit the codebook.
    """
    classes = len(codebook.categories)
    if kind == "" and data == b"":
        return None
    if kind == Trees.kind:
        return _read_trees(codec.decode(_TreesRecord, data, limit=limit), classes)
    if kind == Linear.kind:
        linear = codec.decode(_LinearRecord, data, limit=limit)
        intercepts = np.frombuffer(_sized(linear.intercepts, 8 * classes), dtype="<i8").astype(np.int64)
        if intercepts.size and int(np.abs(intercepts).max()) >= 1 << 50:
            raise _unfit("an intercept is out of range")
        return Linear(weights=_unpack(linear.weights, (classes, codebook.rank)), intercepts=intercepts)
    if kind == Bins.kind:
        counts = codec.decode(_BinsRecord, data, limit=limit).counts
        if len(counts) != classes or not all(0 <= count < 1 << 62 for count in counts):
            raise _unfit("its counts do not fit its codebook")
        return Bins(counts=np.array(counts, dtype=np.int64))
    raise _unfit(f"it has a head of an unknown kind, {kind[:20]!r}")


def _read_trees(record: _TreesRecord, classes: int) -> Trees:
    if not (1 <= record.count <= 1 << 16 and 1 <= record.depth <= DEEPEST):
        raise _unfit(f"{record.count} trees of depth {record.depth} cannot be")
    nodes, leaves = (1 << record.depth) - 1, 1 << record.depth
    features = _unpack(record.features, (record.count, nodes)).astype(np.int64)
    thresholds = _unpack(record.thresholds, (record.count, nodes)).astype(np.int64)
    values = _unpack(record.leaves, (record.count, leaves, classes)).astype(np.int64)
    if int(features.min()) < 0 or int(features.max()) >= classes:
        raise _unfit("a tree asks for a category that does not exist")
    return Trees(
        trees=tuple(
            Tree(features=asked, thresholds=above, leaves=leaf)
            for asked, above, leaf in zip(features, thresholds, values, strict=True)
        )
    )


def _pack(array: NDArray[np.int32] | IntArray) -> bytes:
    return array.astype("<i4").tobytes()


def _unpack(data: bytes, shape: tuple[int, ...]) -> NDArray[np.int32]:
    return np.frombuffer(_sized(data, 4 * int(np.prod(shape))), dtype="<i4").astype(np.int32).reshape(shape)


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise _unfit("its head does not fit its codebook")
    return data


def _unfit(reason: str) -> DamagedError:
    return DamagedError(f"the model is damaged: {reason}", code="damaged-model")
