"""What a model may have on top of its prototypes: another way to score a document. Integers only, in memory and bytes.

A head replaces the prototypes' scores; what public references add comes on top of either.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.core.errors import DamagedError
from comitia.learning.linear import Linear, LinearRecord
from comitia.learning.trees import Trees, TreesRecord
from comitia.text.codebook import Codebook

FloatArray = NDArray[np.float64]

DEEPEST = 12
"""Most questions from a root to a leaf."""


class Head(Protocol):
    """Scores documents. The bytes are canonical: equal heads have equal bytes."""

    @property
    def kind(self) -> str:
        """Its tag in a model's bytes."""
        ...

    def to_bytes(self) -> bytes: ...

    def logits(self, codebook: Codebook, scores: Linear, vectors: NDArray[np.int32]) -> FloatArray:
        """Scores of documents up to a constant of each, shape (n, C); natural logarithms.

        Parameters
        ----------
        scores : Linear
            The prototypes' (`prototype_scores`), for a head that rests on them.
        """
        ...


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
        return _read_trees(codec.decode(TreesRecord, data, limit=limit), classes)
    if kind == Linear.kind:
        linear = codec.decode(LinearRecord, data, limit=limit)
        intercepts = np.frombuffer(_sized(linear.intercepts, 8 * classes), dtype="<i8").astype(np.int64)
        if not all(abs(intercept) < 1 << 50 for intercept in intercepts.tolist()):
            raise _unfit("an intercept is out of range")
        return Linear(weights=_unpack(linear.weights, (classes, codebook.rank)), intercepts=intercepts)
    raise _unfit(f"it has a head of an unknown kind, {kind[:20]!r}")


def _read_trees(record: TreesRecord, classes: int) -> Trees:
    if not (1 <= record.count <= 1 << 16 and 1 <= record.depth <= DEEPEST):
        raise _unfit(f"{record.count} trees of depth {record.depth} cannot be")
    nodes, leaves = (1 << record.depth) - 1, 1 << record.depth
    features = _unpack(record.features, (record.count, nodes)).astype(np.int64)
    if int(features.min()) < 0 or int(features.max()) >= classes:
        raise _unfit("a tree asks for a category that does not exist")
    return Trees(
        features=features,
        thresholds=_unpack(record.thresholds, (record.count, nodes)).astype(np.int64),
        leaves=_unpack(record.leaves, (record.count, leaves, classes)).astype(np.int64),
    )


def _unpack(data: bytes, shape: tuple[int, ...]) -> NDArray[np.int32]:
    return np.frombuffer(_sized(data, 4 * int(np.prod(shape))), dtype="<i4").astype(np.int32).reshape(shape)


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise _unfit("its head does not fit its codebook")
    return data


def _unfit(reason: str) -> DamagedError:
    return DamagedError(f"the model is damaged: {reason}", code="damaged-model")
