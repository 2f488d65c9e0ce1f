"""Regression trees on the prototypes' scores, in integers alone: the same answers, bit for bit, on every processor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.learning.linear import WEIGHT_BITS, Linear
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

POINT_BITS = 12
"""Points count in units of 2**-12 of a standard deviation."""
FARTHEST = 1 << 17
"""Points are held within plus and minus 32 standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesRecord:
    """`count` trees of one depth, arrays row by row, little-endian, 32 bits an entry."""

    count: int
    depth: int
    features: bytes
    thresholds: bytes
    leaves: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """T complete binary trees of depth d on a document's `tree_points`; their values add up.

    Attributes
    ----------
    features, thresholds : int64 array, shape (T, 2^d - 1)
        Node i asks whether coordinate `features[i]` is above `thresholds[i]`; no leads to node 2i + 1, yes to 2i + 2.
    leaves : int64 array, shape (T, 2^d, C)
        Values, in the unit of the points.
    """

    features: IntArray
    thresholds: IntArray
    leaves: IntArray
    kind = "trees"

    @property
    def depth(self) -> int:
        """Questions from the root to a leaf."""
        return int(self.leaves.shape[1]).bit_length() - 1

    def to_bytes(self) -> bytes:
        """See `Head.to_bytes`."""
        packed = {name: getattr(self, name).astype("<i4").tobytes() for name in ("features", "thresholds", "leaves")}
        return codec.encode(TreesRecord(count=len(self.leaves), depth=self.depth, **packed))

    def logits(self, codebook: Codebook, scores: Linear, vectors: NDArray[np.int32]) -> FloatArray:
        """See `Head.logits`."""
        return self.values(tree_points(codebook, scores, vectors)) / float(1 << POINT_BITS)

    def values(self, points: IntArray) -> IntArray:
        """Sum over the trees of the leaf that each point falls into, shape (n, C)."""
        return self._stumps_values(points) if self.depth == 1 else self._walked_values(points)

    def _walked_values(self, points: IntArray) -> IntArray:
        rows = np.arange(len(points))
        total = np.zeros((len(points), self.leaves.shape[2]), dtype=np.int64)
        for features, thresholds, leaves in zip(self.features, self.thresholds, self.leaves, strict=True):
            node = np.zeros(len(points), dtype=np.int64)
            for _ in range(self.depth):
                node = 2 * node + 1 + (points[rows, features[node]] > thresholds[node])
            total += leaves[node - len(features)]
        return total

    def _stumps_values(self, points: IntArray) -> IntArray:
        """All questions about one coordinate make one staircase: each point is looked up on it once."""
        total = np.zeros((len(points), self.leaves.shape[2]), dtype=np.int64)
        asked = self.features[:, 0]
        for feature in np.unique(asked):
            stumps = np.flatnonzero(asked == feature)
            stumps = stumps[np.argsort(self.thresholds[stumps, 0], kind="stable")]
            no, yes = self.leaves[stumps, 0], self.leaves[stumps, 1]
            stairs = np.vstack([no.sum(axis=0)[None], yes - no]).cumsum(axis=0)
            total += stairs[np.searchsorted(self.thresholds[stumps, 0], points[:, feature])]
        return total


def tree_points(codebook: Codebook, scores: Linear, vectors: NDArray[np.int32]) -> IntArray:
    """The prototypes' scores of documents as trees ask for them, each seen from the document's own average.

    Returns
    -------
    int64 array, shape (n, C)
        In units of 2**-`POINT_BITS`.
    """
    points = scores.products(vectors) >> (WEIGHT_BITS + codebook.grid_bits - POINT_BITS)
    own = points.sum(axis=1, keepdims=True) // points.shape[1]
    return np.asarray(np.clip(points - own, -FARTHEST, FARTHEST))
