"""Grows regression trees in integers alone: the same trees, bit for bit, on every processor.

A tree is complete: at each of its levels every node asks one coordinate of the point whether it exceeds a threshold.
What is asked is the best of a few questions drawn at random, by the squared error that they leave on *public* points.
Private documents take no part: they have decided the targets, through noised sums, and nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_FEW_NODES = 8
"""Up to so many nodes a matrix product is the faster way to add up."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """A complete binary tree of depth d with a vector of C values at each of its 2^d leaves.

    Attributes
    ----------
    features, thresholds : int64 array, shape (2^d - 1,)
        Node i asks whether coordinate `features[i]` is above `thresholds[i]`; no leads to node 2i + 1, yes to 2i + 2.
    leaves : int64 array, shape (2^d, C)
    """

    features: IntArray
    thresholds: IntArray
    leaves: IntArray

    def values(self, points: IntArray) -> IntArray:
        """The leaf's values for each point, shape (n, C)."""
        return np.asarray(self.leaves[_leaf_of(self, points)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How trees are grown.

    Attributes
    ----------
    trees : int
    depth : int
        Questions from the root to a leaf.
    tried : int
        Questions drawn for each node, of which the best is kept; one tried is a random split.
    rate_percent : int
        What share of its leaves' means a tree adds. Below 100 later trees correct earlier ones: boosting.
    boosted : bool
        Whether a tree learns what those before it have left over. Otherwise each learns the targets themselves, and
        adds its part of an average.
    """

    trees: int
    depth: int
    tried: int
    rate_percent: int = 100
    boosted: bool = True


def grow(points: IntArray, targets: IntArray, growth: Growth) -> tuple[Tree, ...]:
    """Trees whose values add up to `targets`, or close, at `points`.

    Parameters
    ----------
    points : int64 array, shape (n, F), n >= 1
    targets : int64 array, shape (n, C)
        Magnitudes up to 2^17, so that squares of sums over 2^12 points fit 64 bits.
    """
    left = targets.astype(np.int64)
    grown = []
    for number in range(growth.trees):
        tree = _grow_one(points, left, growth, _Draw(f"tree {number}"))
        grown.append(tree)
        if growth.boosted:
            left = left - tree.values(points)
    return tuple(grown)


class _Draw:
    """Numbers that look random and are the same everywhere: what is tried says nothing of anybody's data."""

    def __init__(self, what: str) -> None:
        self._seed = hashlib.sha256(b"comitia/growing/1 " + what.encode()).digest()
        self._calls = 0

    def below(self, limit: int, size: int) -> IntArray:
        """`size` numbers from 0 to limit - 1."""
        block = hashlib.shake_256(self._seed + self._calls.to_bytes(4, "big")).digest(8 * size)
        self._calls += 1
        words = np.frombuffer(block, dtype="<u8") >> np.uint64(1)
        return np.asarray(words.astype(np.int64) % limit)


def _grow_one(points: IntArray, targets: IntArray, growth: Growth, draw: _Draw) -> Tree:
    rows, width = points.shape
    nodes = (1 << growth.depth) - 1
    features, thresholds = np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
    place = np.zeros(rows, dtype=np.int64)
    for level in range(growth.depth):
        first, count = (1 << level) - 1, 1 << level
        asked = draw.below(width, growth.tried * count).reshape(growth.tried, count)
        above = points[draw.below(rows, asked.size).reshape(asked.shape), asked]
        best = _gains(points, targets, place, asked, above).argmax(axis=0), np.arange(count)
        features[first : first + count], thresholds[first : first + count] = asked[best], above[best]
        place = 2 * place + (points[np.arange(rows), asked[best][place]] > above[best][place])
    sums, counts = _by_place(targets, place, 1 << growth.depth)
    shared = 1 if growth.boosted else growth.trees
    # One document more than there are, at zero: a leaf of few points says little.
    leaves = sums * growth.rate_percent // (100 * shared * (counts[:, None] + 1))
    return Tree(features=features, thresholds=thresholds, leaves=leaves)


def _gains(points: IntArray, targets: IntArray, place: IntArray, asked: IntArray, above: IntArray) -> IntArray:
    """What each question for each node takes off the squared error, up to a constant of the node, (tried, nodes)."""
    nodes = asked.shape[1]
    yes = points[np.arange(len(points)), asked[:, place]] > above[:, place]
    sums, counts = _by_place(targets, place, nodes)
    if nodes <= _FEW_NODES:
        chosen = (yes[:, None] & (place == np.arange(nodes)[:, None])).reshape(-1, len(points))
        above_sums, above_counts = _by_member(targets, chosen)
        above_sums, above_counts = above_sums.reshape(*asked.shape, -1), above_counts.reshape(asked.shape)
    else:
        parts = [_by_place(targets[said], place[said], nodes) for said in yes]
        above_sums, above_counts = (np.array(each) for each in zip(*parts, strict=True))
    return _explained(above_sums, above_counts) + _explained(sums - above_sums, counts - above_counts)


def _explained(sums: IntArray, counts: IntArray) -> IntArray:
    """Squared length of each sum over its count."""
    return np.asarray((sums**2 // np.maximum(counts, 1)[..., None]).sum(axis=-1))


def _by_place(targets: IntArray, place: IntArray, places: int) -> tuple[IntArray, IntArray]:
    """Sum of the targets at each place, shape (places, C), and how many points are there, shape (places,).

    Whole numbers below 2^53 in doubles: exact in whatever order they are added, and by either way.
    """
    if places <= 2 * _FEW_NODES:
        return _by_member(targets, place == np.arange(places)[:, None])
    width = targets.shape[1]
    cells = (place[:, None] * width + np.arange(width)).ravel()
    sums = np.bincount(cells, weights=targets.ravel(), minlength=places * width)
    return sums.astype(np.int64).reshape(places, width), np.bincount(place, minlength=places)


def _by_member(targets: IntArray, member: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Sum of the targets of each group, shape (groups, C), and the groups' sizes; `member` is (groups, points)."""
    chosen = member.astype(np.float64)
    return (chosen @ targets.astype(np.float64)).astype(np.int64), chosen.sum(axis=1).astype(np.int64)


def _leaf_of(tree: Tree, points: IntArray) -> IntArray:
    rows = np.arange(len(points))
    node = np.zeros(len(points), dtype=np.int64)
    for _ in range(len(tree.leaves).bit_length() - 1):
        node = 2 * node + 1 + (points[rows, tree.features[node]] > tree.thresholds[node])
    return node - len(tree.features)
